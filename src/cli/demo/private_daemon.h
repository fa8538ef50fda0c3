/* private_daemon.h: a daemon on a data directory of its own, and clients of that daemon.
 *
 * Promise    the directory is new, below TMPDIR, and readable by its owner alone. No setting of the
 *            user for drover or for providers reaches these processes: their environment has the
 *            search path, the locale and the directory as home, but no key, no DROVER_… of the user
 *            and no proxy. The scripted model answers; no server of models is looked for, except at
 *            a port where nothing listens.
 *            The daemon listens on Unix sockets only, unless browsers are to reach it: then on a
 *            port of loopback, too.
 *            private_daemon_close ends every process that was started here, and what these left.
 * Ownership  embedded: private_daemon_open, private_daemon_close.
 * Threads    one. The process becomes the reaper of its descendants, and must have no child of its
 *            own besides.
 * Failure    *why says what could not be done. A half-opened one is closed as well.
 */
#ifndef DROVER_CLI_DEMO_PRIVATE_DAEMON_H
#define DROVER_CLI_DEMO_PRIVATE_DAEMON_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/config.h"
#include "loop/world.h"

enum { PRIVATE_ENV_MAX = 32, PRIVATE_CLIENTS_MAX = 3 };

/* DEAD ──start──> STARTING ──ready line──> SERVING; both become DEAD when the process ends. */
enum private_state { PRIVATE_DEAD, PRIVATE_STARTING, PRIVATE_SERVING };

enum private_reach { PRIVATE_FOR_PROGRAMS, PRIVATE_FOR_BROWSERS };

struct private_daemon {
    const struct world *world;  /* Borrowed. */
    char *dir, *data;           /* Owned: "TMPDIR/drover-demo.…" and "…/data". */
    char *env[PRIVATE_ENV_MAX]; /* Owned; ends with NULL. */
    enum private_state state;
    enum private_reach reach;         /* Set by the owner, before the first start. */
    int pid;                          /* 0: no daemon runs. */
    int clients[PRIVATE_CLIENTS_MAX]; /* Processes of clients; 0: none. */
    int ready_fd; /* Owned: the daemon's standard output until it serves; -1: none. */
    /* Set by the owner: shows a command, as a user would type it, before it is run. */
    void (*on_command)(void *ctx, const char *line);
    void *ctx;
};

MUST_CHECK struct err private_daemon_open(struct private_daemon *daemon, const struct world *world,
                                          const struct config_env *env, struct why *why);
enum private_rest { PRIVATE_REMOVED, PRIVATE_KEPT };
/* The directory is removed unless it is kept. */
void private_daemon_close(struct private_daemon *daemon, enum private_rest rest);

/* Path of a file of the directory; owned by the caller. */
MUST_CHECK char *private_daemon_path(const struct private_daemon *daemon, const char *name);
/* `script` is what the scripted model reads. */
MUST_CHECK struct err private_daemon_start(struct private_daemon *daemon, const char *script,
                                           struct why *why);
/* Reads ready_fd, which is readable. True: the daemon serves from now on. */
MUST_CHECK bool private_daemon_hear(struct private_daemon *daemon);

/* Starts a command of this program, such as {"stream", "tail", …, NULL}; there is room for
 * PRIVATE_CLIENTS_MAX at a time. *ret_out is its standard output, the caller's; what it says on
 * standard error goes to the log of the directory. */
MUST_CHECK struct err private_daemon_run(struct private_daemon *daemon, const char *const *words,
                                         int *ret_out, struct why *why);
/* Runs a command of this program in the directory, to its end; *ret_said gets what it printed,
 * without its last line break. One that fails is ERR_INTERNAL. */
MUST_CHECK struct err private_daemon_do(struct private_daemon *daemon, const char *const *words,
                                        struct text *ret_said, struct why *why);
bool private_daemon_has_room(const struct private_daemon *daemon);

/* The daemon or one of the clients that has ended since the last call; 0: none has. From here on a
 * daemon is PRIVATE_DEAD. */
int private_daemon_reap(struct private_daemon *daemon, int *ret_status);

#endif
