/* user_unit.h: the systemd unit drover.service of a user, which starts and ends his daemon.
 *
 * Where it is enabled, commands ask systemd for a daemon and start none by themselves: two would
 * take turns, one with the limits and the environment of the unit, one with those of a terminal.
 *
 * Threads    one; blocks until systemctl ends.
 * Failure    ERR_UNREACHABLE: systemctl failed, and *why has what it says.
 */
#ifndef DROVER_CLI_BASE_USER_UNIT_H
#define DROVER_CLI_BASE_USER_UNIT_H

#include <limits.h>

#include "cli/base/autostart.h"

struct user_unit {
    char path[PATH_MAX];
    char program[PATH_MAX]; /* The program that it runs; "": not known. */
    bool enabled;           /* By the user, or for all users. */
    bool serves;            /* This data directory is the one that is named, or the default. */
};
/* false: none is installed, and *ret_unit is untouched. */
MUST_CHECK bool user_unit_find(const struct autostart *start, struct user_unit *ret_unit);

/* Whether the unit is enabled and serves this data directory. */
bool user_unit_serves(const struct autostart *start);

/* systemctl --user VERB drover.service */
MUST_CHECK struct err user_unit_ask(const char *verb, struct why *why);

#endif
