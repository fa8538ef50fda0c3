/* titles.h: a session's name, made by a model after its first answer, in the background.
 *
 *   a turn ends well, its session has no title ──> a run of kind `title` ──tx_title_find──> asked
 *     └─ badly, or no model can be asked: first words     └──tx_title_end──> its title
 *
 * Promise    it is given by a statement that touches only an empty title, so that a user's wins,
 *            whenever it comes. However the run ends (a failure, a stop, a budget that is used up),
 *            the commit of its end gives the first words of the question where there is still none.
 *            It holds nobody back: not the session, whose next turn begins meanwhile. What it took
 *            counts in the session's sums and budgets.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_TITLES_H
#define DROVER_ENGINE_TURN_TITLES_H

#include "engine/run/runs.h"
#include "rules/trace/usage.h"

enum { TITLE_QUOTE_MAX = 2000 }; /* Bytes of the question, and of the answer, that it is made of. */

struct title_key {
    struct bytes run; /* run_… */
    int64_t attempt;
};
/* What a model is asked, in the transaction's arena. */
struct title_ask {
    bool late;   /* The run has ended, or is in another attempt. */
    bool wanted; /* false: the session is gone, or has a title; the run is to be ended. */
    struct bytes model, question, answer;
};
/* A run that an earlier life had begun: its call is nobody's and costs its reserve, and the call
 * that follows has as much. Then the run is this life's. */
struct title_adopted {
    bool late; /* As title_ask.late. */
    bool over; /* The call is not made again: the run is to be ended, cause cut_off. */
};
MUST_CHECK struct err tx_title_adopt(struct tx *tx, const struct title_key *key,
                                     const struct run_bounds *bounds,
                                     struct title_adopted *ret_adopted);
MUST_CHECK struct err tx_title_find(struct tx *tx, const struct title_key *key,
                                    struct title_ask *ret_ask);

struct title_end {
    struct title_key key;
    struct run_bounds bounds;
    enum run_cause cause; /* COMPLETED: `said` is an answer. Of one that was stopped: STOPPED. */
    struct bytes said, sentence; /* sentence: about a failure, or "". */
    bool asked;                  /* A model was: usage, cost and tries say what that took. */
    struct usage usage;
    struct usage_cost cost;
    int64_t tries;
};
/* *ret_late: as above; nothing was changed. */
MUST_CHECK struct err tx_title_end(struct tx *tx, const struct title_end *end, bool *ret_late);

#endif
