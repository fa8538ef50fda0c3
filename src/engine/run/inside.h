/* inside.h: a program inside a run may change only what was begun inside that run.
 *
 * How        runs.began_in and sessions.began_in remember inside of which run a program was that
 *            began them. A run is below another one if that is its parent, or it was begun inside
 *            it, or inside of what is below it; a session's runs are where the session is. A run is
 *            not below itself: its program ends by itself, and does not feed its own input.
 *            Commands of one session, or of one agent of a workflow, are those of one agent: what
 *            one of them began is below the others, too, since an agent stops with its second
 *            command what it started with the first, and a program goes on in another process.
 * Promise    what was begun inside a run is not its child: it goes on when that ends, as what is
 *            begun outside does, but budgets of that run hold for it, too.
 * Threads    inside a store function.
 * Failure    as store.h.
 */
#ifndef DROVER_ENGINE_RUN_INSIDE_H
#define DROVER_ENGINE_RUN_INSIDE_H

#include "engine/run/runs.h"

struct inside_change {
    const char *inside;     /* run_…: the run inside of which the program is. */
    struct bytes owner, id; /* Owner and id of the object: run_…, ses_…, msg_… or dlv_…. */
};
/* ERR_INSIDE_RUN: it is there, and not below. What is not there is not judged: it is answered as it
 * is to anybody. */
MUST_CHECK struct err tx_inside_check(struct tx *tx, const struct inside_change *change,
                                      struct why *why);

/* For the token of a run: ERR_UNAUTHORIZED, with a sentence, once that run has ended. */
MUST_CHECK struct err tx_inside_lives(struct tx *tx, const char *inside, struct why *why);

/* Before the submit of a run without a parent: where it is charged, if budgets hold for the run
 * `inside`. "" for `inside`, here and below: the client is outside. */
MUST_CHECK struct err tx_inside_budget(struct tx *tx, const char *inside, struct run_new *io_run);
/* After the insert: remembers where it was begun. */
MUST_CHECK struct err tx_inside_mark_run(struct tx *tx, const char *inside, int64_t run);
/* ERR_BUDGET_TOO_DEEP, as of a run. What is spent in the session counts where the run does. */
MUST_CHECK struct err tx_inside_mark_session(struct tx *tx, const char *inside, int64_t session);

#endif
