/* user_unit.h: the systemd unit drover.service of a user, which starts and ends his daemon.
 *
 * Where it is enabled, commands ask systemd for a daemon and start none by themselves: two would
 * take turns, one with the limits and the environment of the unit, one with those of a terminal.
 *
 * Threads    one; blocks until systemctl ends, and at most as long as the start may take.
 * Failure    ERR_UNREACHABLE: systemctl failed. What it says stands on stderr.
 */
#ifndef DROVER_CLI_BASE_USER_UNIT_H
#define DROVER_CLI_BASE_USER_UNIT_H

#include "cli/base/autostart.h"

#define USER_UNIT "drover.service"

/* Enabled by the user, or for all users. */
bool user_unit_enabled(const struct config_env *env);

/* systemctl --user VERB drover.service */
MUST_CHECK struct err user_unit_ask(const char *verb, const struct autostart *start,
                                    struct why *why);

#endif
