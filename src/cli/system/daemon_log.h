/* daemon_log.h: the log of a daemon that a command started, for people.
 *
 * Promise    the last lines first, across the rotation; with `follow` each further line when it is
 *            written, also after a rotation. A line of JSON becomes one for people, without
 *            control characters; with --json lines are printed as they are.
 * Ownership  all is borrowed for the call.
 * Threads    one.
 * Failure    ERR_NOT_FOUND: there is no log.
 */
#ifndef DROVER_CLI_SYSTEM_DAEMON_LOG_H
#define DROVER_CLI_SYSTEM_DAEMON_LOG_H

#include "cli/base/api.h"

struct daemon_log {
    size_t lines;
    bool follow;
};
MUST_CHECK struct err daemon_log_print(struct talk *talk, const struct daemon_log *with);

#endif
