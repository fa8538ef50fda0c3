/* ceiling.c: compares a folder with each path of the list. */
#include "base/process/ceiling.h"

#include <string.h>

static struct bytes without_slashes(struct bytes path) {
    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    return path;
}

bool ceiling_is(const char *ceilings, struct bytes folder) {
    bool found = false;
    folder = folder.len > 0 ? without_slashes(folder) : BYTES("/");
    for (const char *at = ceilings; at != NULL && *at != '\0' && !found;) {
        const size_t len = strcspn(at, ":");
        found = at[0] == '/' && bytes_equal(without_slashes((struct bytes){at, len}), folder);
        at += len + (at[len] == ':' ? 1 : 0);
    }
    return found;
}
