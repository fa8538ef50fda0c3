/* follow.h: looks on at one turn for a command that then ends: ask, attach.
 *
 * Promise    on a terminal what the turn says and does appears as it comes; in a pipe its last
 *            text; with --json {"session","run","state","cause","text","usage"}. The exit code is 0
 *            only when it succeeded, and 1 with a sentence on stderr otherwise. Ctrl-C leaves; the
 *            turn goes on, and how to come back is said.
 * Threads    one.
 */
#ifndef DROVER_CLI_TURN_FOLLOW_H
#define DROVER_CLI_TURN_FOLLOW_H

#include "base/json/json.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/terminal/lines.h"

struct turn_look {
    struct invocation *invocation;
    struct talk *talk;
    struct lines *lines; /* Where a person may answer what is asked. */
    const char *session, *run;
    int64_t after; /* Of the session's stream. */
    int64_t until; /* The turn has ended, at this event or before; 0: it may go on. */
};
MUST_CHECK struct err turn_look(const struct turn_look *look);

/* The same for a run that is a turn: from its beginning, or (`only_new`) from now on. */
MUST_CHECK struct err turn_look_run(struct invocation *invocation, struct talk *talk,
                                    const json_t *run, bool only_new);

#endif
