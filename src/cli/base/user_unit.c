/* user_unit.c: see user_unit.h. */
#include "cli/base/user_unit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "cli/base/systemctl.h"

enum { UNIT_MAX = 64 << 10 };
#define WANTED "systemd/user/default.target.wants/" SYSTEMCTL_UNIT

/* Whether the unit names the directory: as a word, in quotes or without. */
static bool names_directory(const char *unit, const char *data) {
    const size_t len = strlen(data);
    for (const char *at = unit; (at = strstr(at, data)) != NULL; at += len) {
        if (at > unit && strchr(" \"=", at[-1]) != NULL && strchr(" \"\n", at[len]) != NULL) {
            return true;
        }
    }
    return false;
}

/* A link that leads nowhere counts, too: systemctl says what is wrong. */
static bool serves_by(const struct autostart *start, const char *folder, const char *below) {
    char path[PATH_MAX];
    struct stat about;
    int len = snprintf(path, sizeof path, "%s%s/" WANTED, folder, below);
    if (len <= 0 || (size_t)len >= sizeof path || lstat(path, &about) < 0) {
        return false;
    }
    AUTO(mem_release) char *unit = NULL;
    size_t size = 0;
    struct err err = start->world->file_read(start->world->ctx, path, UNIT_MAX, &unit, &size);
    if (err_failed(err) || memmem(unit, size, "--data", strlen("--data")) == NULL) {
        return start->data_default;
    }
    AUTO(mem_release) char *text = mem_copy(unit, size);
    char resolved[PATH_MAX];
    return names_directory(text, start->data) ||
           (realpath(start->data, resolved) != NULL && names_directory(text, resolved));
}

bool user_unit_serves(const struct autostart *start) {
    const struct config_env *env = start->env;
    const char *config = env->get(env->ctx, "XDG_CONFIG_HOME");
    const char *home = env->get(env->ctx, "HOME");
    const bool moved = config != NULL && config[0] == '/';
    return serves_by(start, "/etc", "") || (moved && serves_by(start, config, "")) ||
           (!moved && home != NULL && serves_by(start, home, "/.config"));
}

struct err user_unit_ask(const char *verb, struct why *why) {
    const char *const words[] = {verb, SYSTEMCTL_UNIT, NULL};
    struct why inner = {.text = ""};
    struct err err = systemctl_run(words, NULL /* not wanted */, &inner);
    return err_failed(err)
               ? err_why(why, ERR_UNREACHABLE,
                         "the user unit " SYSTEMCTL_UNIT " is enabled, and starts the daemon, but"
                         " %s",
                         inner.text)
               : err;
}
