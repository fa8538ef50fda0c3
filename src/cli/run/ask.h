/* ask.h: asking after a run, and waiting for what becomes of it.
 *
 * Promise    a wait sleeps on the run's own stream of events: it asks nothing in between, and goes
 *            on from the last event when the daemon was away (for at most `retry_ms`).
 * Threads    one.
 * Failure    as client.h; ERR_INTERRUPTED when the user ended the wait.
 */
#ifndef DROVER_CLI_RUN_ASK_H
#define DROVER_CLI_RUN_ASK_H

#include "cli/base/api.h"

enum { RUN_RETRY_MS = 5 * 60 * 1000 };

/* The whole form; *ret_run is owned. retry_ms as of struct api_request. */
MUST_CHECK struct err run_get(struct talk *talk, const char *id, int64_t retry_ms, json_t **ret_run,
                              struct why *why);

/* Until it has ended, or (past_attempt > 0) has begun a later attempt than that. */
struct run_wait {
    const char *id;
    int64_t past_attempt, retry_ms;
};
MUST_CHECK struct err run_wait(struct talk *talk, const struct run_wait *wait, json_t **ret_run,
                               struct why *why);

/* Adds the open questions of a run, or of the turn of an agent, each with the command that answers
 * it, as lines of `drover show`. Nothing where they cannot be read: not everybody may. */
void run_questions_add(struct talk *talk, const json_t *run, struct text *text);

#endif
