/* autostart.h: a daemon in the background, for a command that found none.
 *
 * Promise    one daemon for each data directory, however many commands start one at once: the file
 *            DIR/start.lock lets one of them start it, and the others wait for its socket, at most
 *            five seconds for the lock: a command that hangs with it blocks nobody longer. The
 *            daemon belongs to a session of its own, has `/` as its folder, no input, DIR/log as
 *            its output, no descriptor of ours, and of our environment what is named in a table or
 *            in a definition of an agent in the home.
 *            Where the user unit is enabled, systemd is asked for the daemon (user_unit.h).
 *            Nothing waits longer than AUTOSTART_WAIT_MS, for systemctl and for the daemon each.
 * Umask      the daemon sets its own to 077, and gives the commands that it runs the one of the
 *            command that started it (base/process/umask.h).
 * Ownership  all is borrowed for the call.
 * Threads    one; the process must have no other.
 * Failure    ERR_NO_PERMISSION: the directory belongs to another user. Else the error of the start;
 *            `why` ends with the last line of the log that says why the daemon ended.
 */
#ifndef DROVER_CLI_BASE_AUTOSTART_H
#define DROVER_CLI_BASE_AUTOSTART_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/config.h"
#include "loop/world.h"

enum { AUTOSTART_WAIT_MS = 10 * 1000 };

/* In the data directory. The second one exists while a daemon is to be there that a command
 * started: after its crash too, and not after a shutdown. It names that command. */
#define AUTOSTART_LOCK "start.lock"
#define AUTOSTART_MARK "on-demand"

struct autostart {
    const char *data;
    bool data_default;   /* `data` is the directory of a user who names none. */
    const char *command; /* The command that starts it: "drover ask". */
    const struct config_env *env;
    const struct command *serve; /* Flags of the daemon: the settings that it inherits. */
    const struct world *world;
    /* Sleeps; ERR_INTERRUPTED: the user pressed Ctrl-C. */
    struct err (*pause)(void *ctx, int64_t pause_ms);
    void *ctx;
};

/* *ret_pid 0: another command has started the daemon that is there now. */
MUST_CHECK struct err autostart_run(const struct autostart *start, int *ret_pid, struct why *why);

/* Whether a daemon that a command started should be at DIR: see AUTOSTART_MARK. */
bool autostart_is_wanted(const char *data);

/* Whether a variable "NAME=value" of a user's environment goes to each daemon. */
bool autostart_inherits(const struct command *serve, const char *variable);

#endif
