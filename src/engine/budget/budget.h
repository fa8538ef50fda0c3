/* budget.h: budgets: what may be spent, what was, and asking before it is.
 *
 * The tree   global > project > session > run > run …: a node is named by its scope
 *            ("global", "project:web", "session:ses_…", "run:run_…"). A subagent's session stands
 *            below that of its parent. Where a run stands is its row's `budget`, a path: the scopes
 *            below global, each closed by '/', at most BUDGET_PATH_PARTS of them.
 *            A node need not exist: only those that do count, and only their limits hold back. A
 *            node is of its owner; global is of nobody and above all.
 * Promise    what is reserved is never stored as a sum: it is the sum over rows of runs that have
 *            not ended. So it cannot leak, whenever the daemon is killed. An attempt that was
 *            admitted is charged to the nodes that exist when it ends; one that began before there
 *            was any node above it is charged to none.
 * Waiting    whoever waits for a limit stands in its lane, by priority and age. The commit that
 *            gives back or raises a limit lets in who fits; the more it may take on the rest, by
 *            waking the next one, so it goes on after a crash, too.
 * Threads    inside a store function.
 * Failure    as store.h: after an SQL error only return.
 */
#ifndef DROVER_ENGINE_BUDGET_BUDGET_H
#define DROVER_ENGINE_BUDGET_BUDGET_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "engine/run/runs.h"
#include "rules/budget/budget.h"
#include "store/store.h"

enum {
    BUDGET_PATH_PARTS = BUDGET_NODES_MAX - 1,
    BUDGET_WHAT_MAX = 100,  /* Bytes of what kind of thing is spent on. */
    BUDGET_MEANS_MAX = 200, /* Kinds that one node remembers. */
};
#define BUDGET_LIMIT_MAX INT64_C(1000000000000000) /* Some thirty thousand years of wall_ms. */

/* --- Nodes ------------------------------------------------------------------------------------ */

struct budget_row {
    int64_t id; /* Inside the database. */
    struct bytes owner, scope, path;
    int64_t run; /* id of the run that it is the budget of; 0: it is not one run's. */
    int64_t made_ms;
    struct amounts limits; /* AMOUNT_MAX: none. */
    struct amounts spent;
    /* By tx_budget_find and tx_budget_each: */
    struct amounts reserved;
    int64_t waiting; /* Runs that wait for one of its limits. */
};

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

/* Some limits, as they come from outside: {"wall_ms": 60000, "agents": null, …}. */
struct budget_limits {
    bool named[AMOUNT_COUNT];
    struct amounts limits; /* AMOUNT_MAX: null, no limit. */
};
/* Unknown names, and values that are neither null nor 0 … BUDGET_LIMIT_MAX, are refused. */
MUST_CHECK struct err budget_limits_read(const json_t *json, struct budget_limits *ret_limits,
                                         struct why *why);

/* Sets what is named, and makes the node where there is none. ERR_NOT_FOUND: the scope is a run's
 * that has no budget of its own, or of a session that is not there. Who waits is let in, or
 * refused, at once or soon. */
struct budget_set {
    struct budget_key key;
    struct budget_limits limits;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_budget_set(struct tx *tx, const struct budget_set *set,
                                    struct budget_row *ret_row);
/* The node is gone with this commit, and nobody waits for it any more. ERR_NOT_FOUND. */
MUST_CHECK struct err tx_budget_remove(struct tx *tx, const struct budget_key *key,
                                       const struct run_bounds *bounds, struct budget_row *ret_row);

void budget_write_json(const struct budget_row *row, struct text *text);

/* --- Spending inside a run: a model call, a tool call ----------------------------------------- */

/* What is about to be spent on: attempts of one kind ("model:NAME") share a mean. `first` names
 * what it spends, and how much where nothing was seen yet; what it leaves out is not asked for. */
struct budget_ask {
    struct bytes what; /* At most BUDGET_WHAT_MAX. */
    struct amounts first;
    int64_t past; /* Run that is unwritable in its lane: nobody waits behind it. 0: none. */
};
struct budget_answer {
    enum budget_verdict verdict;
    struct amounts granted; /* ADMITTED. All 0 where no limit is above the run. */
    struct bytes why;       /* WAITS, SPENT: a sentence; in the transaction's arena. */
};
/* Of a run that has begun. ADMITTED: the row holds `granted` until tx_budget_spend; the caller
 * stores it with the step, in this commit. WAITS: the row stands in a lane; when it is its turn it
 * is told of like any change of the row (with lane 0), and asks again. SPENT: it holds nothing, and
 * waiting would not help: the step fails with CAUSE_BUDGET. */
MUST_CHECK struct err tx_budget_reserve(struct tx *tx, const struct budget_ask *ask,
                                        const struct run_bounds *bounds, struct run_row *row,
                                        struct budget_answer *ret_answer);

struct budget_spend {
    struct bytes what;
    struct amounts granted; /* From the step's row: given back. */
    struct amounts spent;   /* What it took; of a step that was cut off: what was granted. */
    bool learn;             /* Whether it says something about the next one: not if cut off. */
};
/* Once for each step that was admitted, in the commit of its end, while the attempt lives: the end
 * of the attempt gives back what its steps still hold. */
MUST_CHECK struct err tx_budget_spend(struct tx *tx, const struct budget_spend *spend,
                                      const struct run_bounds *bounds, struct run_row *row);

#endif
