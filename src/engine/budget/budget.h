/* budget.h: budgets: what may be spent, what was, and asking before it is. The tree of budgets, and
 * runs that wait for them: engine/run/budget_tree.h.
 *
 * Threads    inside a store function.
 * Failure    as store.h: after an SQL error only return.
 */
#ifndef DROVER_ENGINE_BUDGET_BUDGET_H
#define DROVER_ENGINE_BUDGET_BUDGET_H

#include "base/base.h"
#include "base/err.h"
#include "base/fields/fields.h"
#include "engine/run/budget_tree.h"
#include "store/store.h"

/* --- Nodes ------------------------------------------------------------------------------------ */

struct budget_key {
    struct bytes owner; /* Not looked at for "global". */
    struct bytes scope;
};
bool budget_scope_global(struct bytes scope);
/* "global", "project:NAME", "session:ses_…" or "run:run_…". */
bool budget_scope_valid(struct bytes scope);

/* Texts live in the transaction's arena. */
MUST_CHECK struct err tx_budget_find(struct tx *tx, const struct budget_key *key, bool *ret_found,
                                     struct budget_row *ret_row);

struct budget_page {
    struct bytes owner; /* His, and global. */
    int64_t before;     /* id; 0: from the newest. */
    int64_t limit;
};
MUST_CHECK struct err tx_budget_each(struct tx *tx, const struct budget_page *page,
                                     struct err (*each)(void *ctx, const struct budget_row *row),
                                     void *ctx);

/* Sets what is named, and makes the node where there is none. ERR_NOT_FOUND: the scope is a run's
 * that has no budget of its own, or of a session that is not there. ERR_CONFLICT: the node was to
 * be a new one. Runs that wait are admitted, or refused, at once or soon. */
struct budget_set {
    struct budget_key key;
    struct budget_limits limits;
    bool only_new; /* A node that is there stays as it is. */
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_budget_set(struct tx *tx, const struct budget_set *set,
                                    struct budget_row *ret_row);
/* The node is gone with this commit, and nobody waits for it any more. ERR_NOT_FOUND. */
MUST_CHECK struct err tx_budget_remove(struct tx *tx, const struct budget_key *key,
                                       const struct run_bounds *bounds, struct budget_row *ret_row);

/* Begins the days of budgets that count by them where a midnight has passed, and lets in what waits
 * for that: a page of them, from the oldest. */
struct budget_days {
    struct run_bounds bounds;
    int64_t after;   /* id that the page follows. Moves on. */
    int64_t next_ms; /* The first end of a day of all pages so far. INT64_MAX at first. */
    bool more;       /* Answered: there may be another page. */
};
MUST_CHECK struct err tx_budget_days(struct tx *tx, struct budget_days *days);

/* --- Spending inside a run: a model call, a tool call ----------------------------------------- */

struct budget_answer {
    enum budget_verdict verdict;
    struct amounts granted; /* ADMITTED. All 0 where no limit is above the run. */
    struct bytes why;       /* WAITS, SPENT: a sentence; in the transaction's arena. */
    int64_t resume_at_ms;   /* WAITS for the end of a day; 0: for what others have reserved. */
};
/* Of a run that has begun. ADMITTED: the row holds `granted` until tx_budget_spend; the caller
 * stores it with the step, in this commit. WAITS: the row stands in a lane; when it is its turn it
 * is told of like any change of the row (with lane 0), and asks again. SPENT: it holds nothing, and
 * waiting would not help: the step fails with CAUSE_BUDGET. */
struct budget_answer tx_budget_reserve(struct tx *tx, const struct budget_ask *ask,
                                       const struct run_bounds *bounds, struct run_row *row);
/* Once for each step that was admitted, in the commit of its end, while the attempt lives: the end
 * of the attempt gives back what its steps still hold. */
MUST_CHECK struct err tx_budget_spend(struct tx *tx, const struct budget_spend *spend,
                                      const struct run_bounds *bounds, struct run_row *row);

#endif
