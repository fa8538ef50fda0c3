/* local_daemon.h: the process of the daemon that serves a data directory.
 *
 * Promise    the process is found by its socket, never by a number in a file, and is held by a
 *            pidfd: a signal reaches it, or nobody.
 * Ownership  all is borrowed for the call.
 * Threads    one.
 * Failure    ERR_USAGE: it is reached over TCP, so it may be on another machine.
 *            ERR_NO_PERMISSION: it is another user's, or in another PID namespace.
 *            ERR_INTERRUPTED: the user waits no longer; the daemon ends all the same.
 */
#ifndef DROVER_CLI_SYSTEM_LOCAL_DAEMON_H
#define DROVER_CLI_SYSTEM_LOCAL_DAEMON_H

#include "cli/base/api.h"

/* ERR_INSIDE_RUN: `daemon`, the answer of GET /api/v1/version, says that this program is inside a
 * run, which ends no daemon. A signal needs no leave, so this keeps from accidents only. */
MUST_CHECK struct err local_daemon_check_outside(const json_t *daemon, struct why *why);
/* Sends SIGTERM to the daemon with which `talk` is connected, and waits until it is gone; ERR_BUSY:
 * not within `most_ms` (0: no limit). */
MUST_CHECK struct err local_daemon_end(struct talk *talk, int64_t most_ms, int *ret_pid,
                                       struct why *why);

#endif
