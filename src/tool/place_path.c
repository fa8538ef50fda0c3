/* place_path.c: what a path says, before anybody looks whether it is true. */
#include "tool/place_path.h"

#include <stdio.h>
#include <string.h>

struct err place__refused(enum err_code code) {
    return err_make(code, "tool: path");
}

/* A path that is being put together. */
struct normal {
    char *text;
    size_t len, size;
    size_t start; /* Behind the slash of an absolute one. */
};

static bool is_up(const char *part, size_t len) {
    return len == 2 && memcmp(part, "..", 2) == 0;
}

/* Takes the last component away; false: there is none that may be. */
static bool go_up(struct normal *normal) {
    const char *slash = memrchr(normal->text + normal->start, '/', normal->len - normal->start);
    const char *last = slash == NULL ? normal->text + normal->start : slash + 1;
    size_t len = (size_t)(normal->text + normal->len - last);
    if (len == 0 || is_up(last, len)) {
        return false;
    }
    normal->len = slash == NULL ? normal->start : (size_t)(slash - normal->text);
    return true;
}

static bool add_part(struct normal *normal, const char *part, size_t len) {
    if (normal->len + len + 2 > normal->size) {
        return false;
    }
    if (normal->len > normal->start) {
        normal->text[normal->len++] = '/';
    }
    memcpy(normal->text + normal->len, part, len);
    normal->len += len;
    return true;
}

/* "a//b/./c/../d" to "a/b/d"; what climbs above the start keeps its "..": the kernel refuses it. */
static bool normalise(const char *path, char *into, size_t size) {
    struct normal normal = {.text = into, .size = size};
    if (path[0] == '/') {
        into[normal.len++] = '/';
        normal.start = normal.len;
    }
    bool fits = true;
    while (fits && *path != '\0') {
        size_t part = strcspn(path, "/");
        bool here = part == 0 || (part == 1 && path[0] == '.');
        bool went_up = is_up(path, part) && (go_up(&normal) || normal.start > 0);
        fits = here || went_up || add_part(&normal, path, part);
        path += part;
        path += *path == '/' ? 1 : 0;
    }
    into[normal.len] = '\0';
    return fits;
}

/* What of `path` stands below `folder`, or NULL. Both are normalised and absolute. */
const char *place__below(const char *path, const char *folder) {
    size_t len = strlen(folder);
    while (len > 1 && folder[len - 1] == '/') {
        len--;
    }
    if (strncmp(path, folder, len) != 0) {
        return NULL;
    }
    if (len == 1) {
        return path + 1;
    }
    if (path[len] == '\0') {
        return path + len;
    }
    return path[len] == '/' ? path + len + 1 : NULL;
}

/* The root that an absolute path is in: the longest of them. */
static bool find_root(const struct tool_place *place, const char *path, size_t *ret_root,
                      const char **ret_rest) {
    size_t longest = 0;
    bool found = false;
    for (size_t i = 0; i < place->root_count; i++) {
        const char *rest = place__below(path, place->roots[i].path);
        size_t len = strlen(place->roots[i].path);
        if (rest != NULL && (!found || len > longest)) {
            *ret_root = i;
            *ret_rest = rest;
            longest = len;
            found = true;
        }
    }
    return found;
}

void place__show(const struct tool_place *place, size_t root, const char *relative, char *into,
                 size_t size) {
    const char *rest = strcmp(relative, ".") == 0 ? "" : relative;
    if (root == 0) {
        (void)snprintf(into, size, "%s", rest[0] == '\0' ? "." : rest);
    } else {
        const char *folder = place->roots[root].path;
        bool slash = rest[0] != '\0' && folder[strlen(folder) - 1] != '/';
        (void)snprintf(into, size, "%s%s%s", folder, slash ? "/" : "", rest);
    }
}

struct err place_resolve(const struct tool_place *place, const char *path, enum root_access access,
                         struct place_path *ret_path, struct why *why) {
    assert(place->root_count > 0);
    char normal[LIMIT_PATH_MAX];
    if (strlen(path) >= LIMIT_PATH_MAX || !normalise(path, normal, sizeof normal)) {
        why_set(why, "the path is longer than %d bytes", LIMIT_PATH_MAX - 1);
        return place__refused(ERR_BAD_FIELD);
    }
    size_t root = 0;
    const char *relative = path;
    char rest[LIMIT_PATH_MAX];
    if (path[0] == '/') {
        /* As it was written, if that names the root; the kernel looks at the rest. */
        if (!find_root(place, path, &root, &relative) &&
            !find_root(place, normal, &root, &relative)) {
            why_set(why,
                    "\"%.200s\" is outside of the project; paths are relative to the project's "
                    "root, and request_access asks for more",
                    normal);
            return place__refused(ERR_FORBIDDEN);
        }
    }
    (void)snprintf(rest, sizeof rest, "%s", relative[0] == '\0' ? "." : relative);
    if (access == ROOT_WRITE && place->roots[root].access != ROOT_WRITE) {
        why_set(why, "\"%.120s\" may be read but not written; request_access asks for more",
                normal);
        return place__refused(ERR_FORBIDDEN);
    }
    const char *skipped = rest;
    while (*skipped == '/') {
        skipped++;
    }
    memmove(ret_path->relative, skipped[0] == '\0' ? "." : skipped,
            skipped[0] == '\0' ? 2 : strlen(skipped) + 1);
    char shown[LIMIT_PATH_MAX];
    if (!normalise(ret_path->relative, shown, sizeof shown)) {
        return place__refused(ERR_BAD_FIELD); /* Cannot be: it is shorter than before. */
    }
    ret_path->root = root;
    place__show(place, root, shown[0] == '\0' ? "." : shown, ret_path->shown,
                sizeof ret_path->shown);
    return ERR_OK;
}
