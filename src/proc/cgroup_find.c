/* cgroup_find.c: where our own cgroup lies, told by two texts of the kernel.
 *
 *   /proc/self/cgroup     a line for each hierarchy; that of version 2 is "0::/PATH"
 *   /proc/self/mountinfo  ID PARENT DEVICE ROOT MOUNTED_AT OPTIONS [TAG…] - TYPE SOURCE OPTIONS
 *
 * ROOT is what of the hierarchy is seen at MOUNTED_AT. A path that begins with "/.." lies outside
 * of what a container may see. */
#include <stdio.h>
#include <string.h>

#include "proc/cgroups.h"

enum { ROOT = 3, MOUNTED_AT = 4, OPTIONS = 5, FIELDS };

static const char *line_end(const char *line) {
    return line + strcspn(line, "\n");
}

static bool find_own(const char *cgroup, struct bytes *ret_own) {
    for (const char *line = cgroup; *line != '\0'; line = line_end(line) + (*line_end(line) != 0)) {
        if (strncmp(line, "0::/", 4) == 0) {
            *ret_own = (struct bytes){line + 3, (size_t)(line_end(line) - line) - 3};
            return true;
        }
    }
    return false;
}

static bool split_line(struct bytes line, struct bytes *fields) {
    const char *at = line.data, *end = line.data + line.len;
    for (unsigned i = 0; i < FIELDS; i++) {
        const char *stop = memchr(at, ' ', (size_t)(end - at));
        if (stop == NULL) {
            return false;
        }
        fields[i] = (struct bytes){at, (size_t)(stop - at)};
        at = stop + 1;
    }
    return memmem(at - 1, (size_t)(end - at) + 1, " - cgroup2 ", 11) != NULL;
}

/* What is left of `own` below `root`; false: it is not below. */
static bool below(struct bytes own, struct bytes root, struct bytes *ret_rest) {
    size_t len = root.len == 1 ? 0 : root.len; /* "/" is a prefix without its slash. */
    if (own.len < len || memcmp(own.data, root.data, len) != 0 ||
        (own.len > len && own.data[len] != '/')) {
        return false;
    }
    *ret_rest = (struct bytes){own.data + len, own.len - len};
    return true;
}

static bool has_escape(struct bytes path) {
    return memchr(path.data, '\\', path.len) != NULL;
}

static bool is_read_only(struct bytes options) {
    return options.len >= 2 && memcmp(options.data, "ro", 2) == 0 &&
           (options.len == 2 || options.data[2] == ',');
}

const char *cgroup_find(const char *cgroup, const char *mounts, char ret_path[CGROUP_PATH_MAX]) {
    struct bytes own, rest;
    if (!find_own(cgroup, &own)) {
        return "this system has no cgroups of version 2";
    }
    if (own.len >= 3 && memcmp(own.data, "/..", 3) == 0) {
        return "the daemon's own cgroup lies outside of what this container may see";
    }
    const char *lack = "no cgroups of version 2 are mounted where the daemon could see its own";
    for (const char *line = mounts; *line != '\0'; line = line_end(line) + (*line_end(line) != 0)) {
        struct bytes fields[FIELDS];
        if (!split_line((struct bytes){line, (size_t)(line_end(line) - line)}, fields) ||
            has_escape(fields[MOUNTED_AT]) || !below(own, fields[ROOT], &rest)) {
            continue;
        }
        if (is_read_only(fields[OPTIONS])) {
            lack = "the cgroups that the daemon sees are mounted read-only";
            continue;
        }
        int len = snprintf(ret_path, CGROUP_PATH_MAX, "%.*s%.*s", (int)fields[MOUNTED_AT].len,
                           fields[MOUNTED_AT].data, rest.len == 1 ? 0 : (int)rest.len, rest.data);
        if (len > 0 && len < CGROUP_PATH_MAX) {
            return NULL;
        }
    }
    return lack;
}
