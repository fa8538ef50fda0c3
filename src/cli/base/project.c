/* project.c: looks upward for what marks a project. */
#include "cli/base/project.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process/ceiling.h"

/* `path` has room for the longest of the names. Of the home only the first counts: the others hold
 * there what belongs to all projects. */
static bool has_mark(char *path, size_t len, const char *home) {
    static const char *const marks[] = {"/.git", "/.drover", "/.claude", "/.boocode"};
    bool is_home = strlen(home) == len && memcmp(path, home, len) == 0;
    bool found = false;
    for (size_t i = 0; i < (is_home ? 1 : COUNT_OF(marks)) && !found; i++) {
        memcpy(path + len, marks[i], strlen(marks[i]) + 1);
        found = access(path, F_OK) == 0;
    }
    path[len] = '\0';
    return found;
}

struct err root_resolve(const char *given, char root[PATH_MAX], struct why *why) {
    const char *folder = given != NULL ? given : ".";
    struct stat about;
    if (realpath(folder, root) == NULL) {
        return given == NULL ? err_why(why, ERR_USAGE, "the current folder: %s; go to another one",
                                       strerror(errno))
                             : err_why(why, ERR_USAGE, "root: there is no folder %.200s", folder);
    }
    return stat(root, &about) == 0 && S_ISDIR(about.st_mode)
               ? ERR_OK
               : err_why(why, ERR_USAGE, "root: %.200s is no folder", folder);
}

struct err project_find(struct invocation *invocation, const char *folder, char root[PATH_MAX]) {
    const char *given = invocation->env.get(invocation->env.ctx, "HOME");
    const char *ceilings = invocation->env.get(invocation->env.ctx, CEILING_VARIABLE);
    char path[PATH_MAX + 16], home[PATH_MAX] = "";
    if (realpath(folder, root) == NULL) {
        return err_why(&invocation->why, ERR_USAGE, "the folder %s: %s; go to another one", folder,
                       strerror(errno));
    }
    if (given == NULL || realpath(given, home) == NULL) {
        home[0] = '\0';
    }
    size_t len = strlen(root);
    memcpy(path, root, len + 1);
    while (len > 0) {
        len = strcmp(path, "/") == 0 ? 0 : len;
        if (has_mark(path, len, home)) {
            memcpy(root, len > 0 ? path : "/", (len > 0 ? len : 1) + 1);
            return ERR_OK;
        }
        const char *slash = memrchr(path, '/', len);
        len = slash != NULL ? (size_t)(slash - path) : 0;
        path[len] = '\0';
        if (ceiling_is(ceilings, (struct bytes){path, len})) {
            return ERR_OK;
        }
    }
    return ERR_OK;
}
