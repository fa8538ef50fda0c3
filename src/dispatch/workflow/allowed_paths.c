/* allowed_paths.c: which files a workflow may name that a model has started.
 *
 * Those of its project, and those that drover has saved: no others, neither in the call of the tool
 * nor by workflow({scriptPath}) in a script, or a model could have any file read that the daemon
 * can. A path has to be plain, so that what rules say of it is said of that file. */
#include <string.h>

#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/start.h"

/* No segment that is empty, "." or "..". */
static bool is_plain(const char *path) {
    for (const char *at = path;; at++) {
        size_t len = strcspn(at, "/");
        if (len == 0 || (len <= 2 && strspn(at, ".") >= len)) {
            return false;
        }
        at += len;
        if (*at == '\0') {
            return true;
        }
    }
}

bool flow_path_is_own(const struct flows *flows, const char *root, const char **path) {
    static const char saved[] = "/scripts/";
    const char *data_dir = flows->options.data_dir;
    size_t root_len = strlen(root), data_len = strlen(data_dir), saved_len = strlen(saved);
    if ((*path)[0] != '/') {
        return is_plain(*path);
    }
    if (root_len > 0 && strncmp(*path, root, root_len) == 0 && (*path)[root_len] == '/') {
        *path += root_len + 1;
        return is_plain(*path);
    }
    return strncmp(*path, data_dir, data_len) == 0 &&
           strncmp(*path + data_len, saved, saved_len) == 0 &&
           is_plain(*path + data_len + saved_len) &&
           strchr(*path + data_len + saved_len, '/') == NULL;
}
