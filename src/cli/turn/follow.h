/* follow.h: follows a turn until it has ended: what it says, what it does, what it asks.
 *
 * Promise    in a pipe only what counts appears: the text of a step whose stream broke was never
 *            printed, and a question is reported on stderr with the command that answers it. On a
 *            terminal turn_look shows it as a chat does (chat_live_turn). A restart of the daemon
 *            only delays.
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
    enum turn_show show; /* turn_look chooses it. */
};
struct turn_outcome {
    char *state, *cause, *note; /* Owned; NULL: its end was not seen. */
    struct text text;           /* Owned: text of the last step. */
    json_t *usage;              /* Owned: the sums of its calls. */
    int64_t seq;                /* Number of the last event seen: where the next turn's begin. */
};
void turn_outcome_done(struct turn_outcome *outcome); /* For AUTO; zeroed is fine. */
MUST_CHECK struct err turn_watch(const struct turn_watch *watch, struct turn_outcome *ret_outcome);
/* The same for a command that then ends and tells of the outcome itself: Ctrl-C says how to come
 * back, and an end that was not seen is ERR_NOT_FOUND. */
MUST_CHECK struct err turn_end(const struct turn_watch *watch, struct turn_outcome *ret_outcome);

/* The same for a command that then ends: ask, attach, agent run. With --json {"session","run",
 * "state","cause","text","usage"} is printed; after events the first member is
 * "event": "agent_finished", and there is no "session". The exit code is 0 only when the turn
 * succeeded, and 1 with a sentence on stderr otherwise. Ctrl-C detaches, and says how to come back.
 */
MUST_CHECK struct err turn_look(const struct turn_watch *look);
/* The same for a run that is a turn: from its beginning, or (`only_new`) from now on. Ctrl-C is an
 * exit code of 0 here. */
MUST_CHECK struct err turn_look_run(struct invocation *invocation, struct talk *talk,
                                    const json_t *run, bool only_new);

#endif
