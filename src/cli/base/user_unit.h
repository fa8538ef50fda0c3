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

#include "cli/base/autostart.h"

/* Whether it is enabled, by the user or for all users, and serves this data directory: the one that
 * it names, else the default one. */
bool user_unit_serves(const struct autostart *start);

/* systemctl --user VERB drover.service */
MUST_CHECK struct err user_unit_ask(const char *verb, struct why *why);

#endif
