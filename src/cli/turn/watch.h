/* watch.h: looks on at a turn until it has ended: what it says, what it does, what it asks.
 *
 * Promise    on a terminal text appears as it comes; in a pipe only what counts does: the text of a
 *            step whose stream broke was never printed. What somebody must answer is asked here,
 *            where somebody sits, and else told on stderr with the command that answers it. A
 *            restart of the daemon only delays.
 * Ownership  turn_outcome is the caller's: turn_outcome_done.
 * Threads    one.
 * Failure    ERR_INTERRUPTED: Ctrl-C. The turn goes on. ERR_NOT_FOUND: the session was deleted.
 */
#ifndef DROVER_CLI_TURN_WATCH_H
#define DROVER_CLI_TURN_WATCH_H

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/terminal/lines.h"
#include "cli/terminal/paint.h"

/* LIVE: text as it comes, and what the tools do. FINAL: nothing but the last step's text, at the
 * end. SILENT: nothing; --json prints the outcome. */
enum turn_show { TURN_SHOW_LIVE, TURN_SHOW_FINAL, TURN_SHOW_SILENT };

struct turn_watch {
    struct invocation *invocation;
    struct talk *talk;
    const char *session, *run;
    int64_t after; /* Of the session's stream: where to begin. */
    int64_t until; /* Where nothing of the turn can follow; 0: it may go on. */
    enum turn_show show;
    struct lines *answers; /* Where answers are typed; NULL: nobody sits there. */
};
struct turn_outcome {
    char *state, *cause, *note; /* Owned; NULL: its end was not seen. */
    struct text text;           /* Owned: what it said last. */
    json_t *usage;              /* Owned: the sums of its calls. */
    int64_t seq;                /* Of the last event seen: where the next turn's begin. */
};
void turn_outcome_done(struct turn_outcome *outcome); /* For AUTO; zeroed is fine. */
MUST_CHECK struct err turn_watch(const struct turn_watch *watch, struct turn_outcome *ret_outcome);

#endif
