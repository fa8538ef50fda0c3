/* follow.h: follows a turn until it has ended: what it says, what it does, what it asks.
 *
 * Promise    in a pipe only what counts appears: the text of a step whose stream broke was never
 *            printed, and a question is reported on stderr with the command that answers it. A
 *            restart of the daemon only delays.
 * Ownership  turn_outcome is the caller's: turn_outcome_done.
 * Threads    one.
 * Failure    ERR_INTERRUPTED: Ctrl-C. The turn goes on. ERR_NOT_FOUND: the session was deleted.
 */
#ifndef DROVER_CLI_TURN_FOLLOW_H
#define DROVER_CLI_TURN_FOLLOW_H

#include "cli/base/api.h"
#include "cli/base/cli.h"

/* FINAL: nothing but the last step's text, at the end. SILENT: nothing; --json prints the outcome.
 * EVENTS: each event as a line {"event": TYPE, "seq": N, …}. */
enum turn_show { TURN_SHOW_FINAL, TURN_SHOW_SILENT, TURN_SHOW_EVENTS };
/* With --json: the outcome alone, or all events, and then the outcome as one. */
enum turn_json { TURN_JSON_OUTCOME, TURN_JSON_EVENTS };

struct turn_watch {
    struct invocation *invocation;
    struct talk *talk;
    const char *session, *run;
    int64_t after; /* Number in the session's stream: where to begin. */
    int64_t until; /* Number after which nothing of the turn follows; 0: it may go on. */
    enum turn_json json;
    enum turn_show show; /* turn_look (attach.h) chooses it. */
};
struct turn_outcome {
    char *state, *cause, *note; /* Owned; NULL: its end was not seen. */
    struct text text;           /* Owned: text of the last step. */
    json_t *usage;              /* Owned: the sums of its calls. */
    int64_t seq;                /* Number of the last event seen: where the next turn's begin. */
};
void turn_outcome_done(struct turn_outcome *outcome); /* For AUTO; zeroed is fine. */
/* `data`: the event of its end, or the run. */
void turn_outcome_set(struct turn_outcome *outcome, const json_t *data);
MUST_CHECK struct err turn_watch(const struct turn_watch *watch, struct turn_outcome *ret_outcome);

#endif
