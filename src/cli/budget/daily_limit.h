/* daily_limit.h: a limit of spending per day, asked for once, before the first paid model is used.
 *
 * Promise    the question comes at a terminal only, outside of runs and of CI, and where the model
 *            has a known price. Its answer is the budget `global`, counted by the day; "none" is
 *            that budget without a limit. So no further setting says that the question was
 *            answered, and it never comes where that budget, or any limit per day, exists.
 *            Of two terminals that ask at once the first answer counts.
 * Threads    one; up to six requests over the talk.
 * Failure    ERR_INTERRUPTED: the user pressed Ctrl-C. Nothing else stops the command: a limit that
 *            could not be stored is reported on stderr, and asked for again the next time.
 */
#ifndef DROVER_CLI_BUDGET_DAILY_LIMIT_H
#define DROVER_CLI_BUDGET_DAILY_LIMIT_H

#include "cli/base/api.h"
#include "cli/terminal/lines.h"

#define DAILY_LIMIT_HELP                                                                           \
    "Before the first use of a paid model, a terminal is asked once for a spending\n"              \
    "limit per day; 'drover budget set global --per day --cost 10' sets it, too.\n"

/* Model and session of the command. */
struct daily_limit {
    const char *model;   /* CONNECTION/MODEL or an alias; NULL: the session's. */
    const char *session; /* NULL: a new one, with the daemon's model. */
};
/* `lines`: standard input; NULL: read here. */
MUST_CHECK struct err daily_limit_ask(struct talk *talk, const struct daily_limit *limit,
                                      struct lines *lines);

#endif
