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

static char next_char(const char **at) {
    char c = *(*at)++;
    if (c == '\\' || ((c == '%' || c == '$') && **at == c)) {
        c = **at != '\0' ? *(*at)++ : c;
    }
    return c;
}

/* The first word of ExecStart, as systemd reads it. */
static void program_read(const char *unit, char (*program)[PATH_MAX]) {
    static const char begin[] = "\nExecStart=";
    const char *at = strstr(unit, begin);
    size_t len = 0;
    if (at == NULL) {
        return;
    }
    at += sizeof begin - 1;
    const bool quoted = *at == '"';
    at += quoted;
    while (*at != '\0' && strchr(quoted ? "\"\n" : " \n", *at) == NULL &&
           len < sizeof *program - 1) {
        (*program)[len++] = next_char(&at);
    }
    (*program)[len] = '\0';
}

/* A link that leads nowhere counts, too: systemctl says what is wrong. */
static bool unit_read(const struct autostart *start, const char *folder, const char *below,
                      const char *name, struct user_unit *ret_unit) {
    struct user_unit unit = {.serves = start->data_default};
    struct stat about;
    int len = snprintf(unit.path, sizeof unit.path, "%s%s/systemd/user/%s", folder, below, name);
    if (len <= 0 || (size_t)len >= sizeof unit.path || lstat(unit.path, &about) < 0) {
        return false;
    }
    AUTO(mem_release) char *content = NULL;
    size_t size = 0;
    struct err err =
        start->world->file_read(start->world->ctx, unit.path, UNIT_MAX, &content, &size);
    if (!err_failed(err)) {
        AUTO(mem_release) char *text = mem_copy(content, size);
        char resolved[PATH_MAX];
        program_read(text, &unit.program);
        if (strstr(text, "--data") != NULL) {
            unit.serves =
                names_directory(text, start->data) ||
                (realpath(start->data, resolved) != NULL && names_directory(text, resolved));
        }
    }
    *ret_unit = unit;
    return true;
}

static bool unit_find(const struct autostart *start, const char *name, struct user_unit *ret_unit) {
    const struct config_env *env = start->env;
    const char *config = env->get(env->ctx, "XDG_CONFIG_HOME");
    const char *home = env->get(env->ctx, "HOME");
    const bool moved = config != NULL && config[0] == '/';
    return unit_read(start, "/etc", "", name, ret_unit) ||
           (moved && unit_read(start, config, "", name, ret_unit)) ||
           (!moved && home != NULL && unit_read(start, home, "/.config", name, ret_unit));
}

bool user_unit_find(const struct autostart *start, struct user_unit *ret_unit) {
    const bool enabled = unit_find(start, "default.target.wants/" SYSTEMCTL_UNIT, ret_unit);
    const bool found = enabled || unit_find(start, SYSTEMCTL_UNIT, ret_unit) ||
                       unit_read(start, "/usr/lib", "", SYSTEMCTL_UNIT, ret_unit);
    if (found) {
        ret_unit->enabled = enabled;
    }
    return found;
}

bool user_unit_serves(const struct autostart *start) {
    struct user_unit unit;
    return user_unit_find(start, &unit) && unit.enabled && unit.serves;
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
