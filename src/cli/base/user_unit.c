/* user_unit.c: see user_unit.h. */
#include "cli/base/user_unit.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WANTED "systemd/user/default.target.wants/" USER_UNIT

/* The link may lead to a unit that was removed: systemctl says so. */
static bool link_in(const char *folder, const char *below) {
    char path[PATH_MAX];
    struct stat about;
    int len = snprintf(path, sizeof path, "%s%s/" WANTED, folder, below);
    return len > 0 && (size_t)len < sizeof path && lstat(path, &about) == 0;
}

bool user_unit_enabled(const struct config_env *env) {
    const char *config = env->get(env->ctx, "XDG_CONFIG_HOME");
    const char *home = env->get(env->ctx, "HOME");
    if (config != NULL && config[0] == '/') {
        home = NULL;
    }
    return link_in("/etc", "") || (home != NULL && link_in(home, "/.config")) ||
           (home == NULL && config != NULL && link_in(config, ""));
}

/* Signals are as a new process has them: this one blocks some. */
static int systemctl_spawn(const char *verb, const struct autostart *start, pid_t *ret_pid) {
    const char *const argv[] = {"systemctl", "--user", verb, USER_UNIT, NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    int rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        rc = posix_spawnp(ret_pid, argv[0], NULL /* our files */, &attributes, (char *const *)argv,
                          (char *const *)start->env->all);
        posix_spawnattr_destroy(&attributes);
    }
    return rc;
}

struct err user_unit_ask(const char *verb, const struct autostart *start, struct why *why) {
    enum { STEP_MS = 10 };
    pid_t pid = 0, ended = 0;
    int status = 0;
    struct err err = ERR_OK;
    int rc = systemctl_spawn(verb, start, &pid);
    if (rc != 0) {
        return err_why(why, ERR_UNREACHABLE,
                       "the user unit " USER_UNIT " is enabled, and systemctl, which starts it,"
                       " cannot be run: %s",
                       strerror(rc));
    }
    for (int waited_ms = 0; waited_ms < AUTOSTART_WAIT_MS; waited_ms += STEP_MS) {
        ended = waitpid(pid, &status, WNOHANG);
        if (ended != 0) {
            break;
        }
        err = start->pause(start->ctx, STEP_MS);
        if (err_failed(err)) {
            return err; /* systemctl goes on by itself. */
        }
    }
    if (ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return ERR_OK;
    }
    return err_why(why, ERR_UNREACHABLE,
                   "the user unit " USER_UNIT " is enabled, and 'systemctl --user %s " USER_UNIT
                   "' %s; 'systemctl --user disable " USER_UNIT "' lets commands start daemons",
                   verb, ended == pid ? "failed" : "does not end");
}
