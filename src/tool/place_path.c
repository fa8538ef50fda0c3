/* place_path.c: what a path says, before anybody looks whether it is true. */
#include "tool/place_path.h"

#include <stdio.h>
#include <string.h>

struct err place__refused(enum err_code code) {
    return err_make(code, "tool: path");
}

/* "a//b/./c/../d" to "a/b/d"; what climbs above the start keeps its "..": the kernel refuses it. */
static bool normalise(const char *path, char *into, size_t size) {
    size_t len = 0, start = path[0] == '/' ? 1 : 0; /* Behind the slash of an absolute one. */
    if (start > 0) {
        into[len++] = '/';
    }
    for (struct bytes rest = bytes_of(path), part; bytes_next(&rest, '/', &part);) {
        if (part.len == 0 || bytes_is(part, ".")) {
            continue;
        }
        const char *slash = memrchr(into + start, '/', len - start);
        struct bytes last = {slash == NULL ? into + start : slash + 1, 0};
        last.len = (size_t)(into + len - last.data);
        if (bytes_is(part, "..") && (start > 0 || (last.len > 0 && !bytes_is(last, "..")))) {
            len = slash == NULL ? start : (size_t)(slash - into);
            continue;
        }
        if (len + part.len + 2 > size) {
            into[len] = '\0';
            return false;
        }
        if (len > start) {
            into[len++] = '/';
        }
        memcpy(into + len, part.data, part.len);
        len += part.len;
    }
    into[len] = '\0';
    return true;
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
    /* As it was written, if that names the root; the kernel looks at the rest. */
    if (path[0] == '/' && !find_root(place, path, &root, &relative) &&
        !find_root(place, normal, &root, &relative)) {
        why_set(why,
                "\"%.200s\" is outside of the project; paths are relative to the project's "
                "root, and request_access asks for more",
                normal);
        return place__refused(ERR_FORBIDDEN);
    }
    if (access == ROOT_WRITE && place->roots[root].access != ROOT_WRITE) {
        why_set(why, "\"%.120s\" may be read but not written; request_access asks for more",
                normal);
        return place__refused(ERR_FORBIDDEN);
    }
    relative += strspn(relative, "/");
    (void)snprintf(ret_path->relative, sizeof ret_path->relative, "%s",
                   relative[0] == '\0' ? "." : relative);
    char shown[LIMIT_PATH_MAX];
    if (!normalise(ret_path->relative, shown, sizeof shown)) {
        return place__refused(ERR_BAD_FIELD); /* Cannot be: it is shorter than before. */
    }
    ret_path->root = root;
    place__show(place, root, shown[0] == '\0' ? "." : shown, ret_path->shown,
                sizeof ret_path->shown);
    return ERR_OK;
}
