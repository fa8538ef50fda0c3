/* budgets_kit.h: budgets in the store of runs_kit.h, and what tests do with them. */
#ifndef DROVER_TEST_BUDGETS_KIT_H
#define DROVER_TEST_BUDGETS_KIT_H

#include "runs_kit.h"

#include "engine/budget/budget.h"

/* --- Nodes ------------------------------------------------------------------------------------ */

struct budgets_call {
    struct budget_set set;
    struct budget_row row; /* Its texts are gone. */
    bool found;
};

static inline struct err budgets_set_tx(struct tx *tx, void *ctx) {
    struct budgets_call *call = ctx;
    return tx_budget_set(tx, &call->set, &call->row);
}

static inline struct err budgets_remove_tx(struct tx *tx, void *ctx) {
    struct budgets_call *call = ctx;
    return tx_budget_remove(tx, &call->set.key, &call->set.bounds, &call->row);
}

static inline struct err budgets_find_tx(struct tx *tx, void *ctx) {
    struct budgets_call *call = ctx;
    return tx_budget_find(tx, &call->set.key, &call->found, &call->row);
}

static inline struct budgets_call budgets_call(struct runs_kit *runs, const char *scope) {
    return (struct budgets_call){.set = {.key = {.owner = BYTES("ann"), .scope = kit_bytes(scope)},
                                         .limits = {.limits = amounts_unlimited()},
                                         .bounds = runs->bounds}};
}

static inline struct budget_row budgets_limit(struct runs_kit *runs, const char *scope,
                                              enum amount amount, int64_t limit) {
    struct budgets_call call = budgets_call(runs, scope);
    call.set.limits.named[amount] = true;
    call.set.limits.limits.of[amount] = limit;
    assert_int_equal(runs_do(runs, budgets_set_tx, &call), ERR_NONE);
    return call.row;
}

/* The same, counted by the day. */
static inline struct budget_row budgets_limit_day(struct runs_kit *runs, const char *scope,
                                                  enum amount amount, int64_t limit) {
    struct budgets_call call = budgets_call(runs, scope);
    call.set.limits.named[amount] = true;
    call.set.limits.limits.of[amount] = limit;
    call.set.limits.per = BUDGET_PER_DAY;
    assert_int_equal(runs_do(runs, budgets_set_tx, &call), ERR_NONE);
    return call.row;
}

/* A look at all days, as the dispatcher makes it at midnight. The first end of a day. */
static inline struct err budgets_days_tx(struct tx *tx, void *ctx) {
    struct budget_days *days = ctx, page = *days;
    struct err err = tx_budget_days(tx, &page);
    days->next_ms = page.next_ms;
    assert_false(page.more);
    return err;
}
static inline int64_t budgets_look_at_days(struct runs_kit *runs) {
    struct budget_days days = {.bounds = runs->bounds, .next_ms = INT64_MAX};
    assert_int_equal(runs_do(runs, budgets_days_tx, &days), ERR_NONE);
    return days.next_ms;
}

/* Of wall time, what most tests are about. */
static inline struct budget_row budgets_wall(struct runs_kit *runs, const char *scope,
                                             int64_t limit_ms) {
    return budgets_limit(runs, scope, AMOUNT_WALL, limit_ms);
}

static inline void budgets_remove(struct runs_kit *runs, const char *scope) {
    struct budgets_call call = budgets_call(runs, scope);
    assert_int_equal(runs_do(runs, budgets_remove_tx, &call), ERR_NONE);
}

static inline struct budget_row budgets_get(struct runs_kit *runs, const char *scope) {
    struct budgets_call call = budgets_call(runs, scope);
    assert_int_equal(runs_do(runs, budgets_find_tx, &call), ERR_NONE);
    assert_true(call.found);
    return call.row;
}

static inline int64_t budgets_spent(struct runs_kit *runs, const char *scope) {
    return budgets_get(runs, scope).spent.of[AMOUNT_WALL];
}

static inline int64_t budgets_reserved(struct runs_kit *runs, const char *scope) {
    return budgets_get(runs, scope).reserved.of[AMOUNT_WALL];
}

/* --- Runs ------------------------------------------------------------------------------------- */

static inline struct runs_row budgets_add_in(struct runs_kit *runs, const char *project) {
    struct run_new what = runs_new(runs);
    what.project = kit_bytes(project);
    return runs_submit(runs, &what);
}

/* With a budget of its own. */
static inline struct runs_row budgets_add_own(struct runs_kit *runs, int64_t limit_ms) {
    struct run_new what = runs_new(runs);
    struct amounts limits = amounts_unlimited();
    limits.of[AMOUNT_WALL] = limit_ms;
    what.budget = &limits;
    return runs_submit(runs, &what);
}

/* It ran for so long. */
static inline struct runs_row budgets_finish(struct runs_kit *runs, const char *run,
                                             int64_t took_ms) {
    struct run_settle what = runs_exit(runs, run, 0);
    what.attempt = runs_get(runs, run).row.attempt;
    what.usage = (struct run_usage){.known = true, .wall_ms = took_ms};
    struct runs_settle settle = runs_settle(runs, &what);
    assert_false(settle.late);
    return settle.row;
}

struct budgets_stop {
    struct run_stop what;
    bool more;
};

static inline struct err budgets_stop_tx(struct tx *tx, void *ctx) {
    struct budgets_stop *stop = ctx;
    struct run_row row;
    return tx_run_stop(tx, &stop->what, &stop->more, &row);
}

static inline void budgets_stop(struct runs_kit *runs, const char *run) {
    struct budgets_stop stop = {
        .what = {.key = {.run = kit_bytes(run)}, .cause = CAUSE_STOPPED, .bounds = runs->bounds}};
    do {
        assert_int_equal(runs_do(runs, budgets_stop_tx, &stop), ERR_NONE);
    } while (stop.more);
}

static inline struct err budgets_drop_tx(struct tx *tx, void *ctx) {
    struct run_row row;
    bool more = false;
    return tx_run_remove(tx, ctx, &more, &row);
}

static inline enum run_state budgets_state(struct runs_kit *runs, const char *run) {
    return runs_get(runs, run).row.state;
}

/* --- Going on --------------------------------------------------------------------------------- */

struct budgets_parked {
    char run[ID_SIZE];
    bool found;
};

static inline struct err budgets_parked_tx(struct tx *tx, void *ctx) {
    struct budgets_parked *parked = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx,
                              "SELECT run FROM runs WHERE ended_ms IS NULL AND state = 'queued'"
                              " AND not_before_ms <> 0 ORDER BY id LIMIT 1",
                              NULL /* no argument */, 0, &rows);
    parked->found = !err_failed(err) && rows != NULL;
    if (parked->found) {
        runs_copy_text(rows_text(rows, 0), parked->run, sizeof parked->run);
    }
    return err;
}

/* Wakes runs as the dispatcher does, until none wants to be woken. */
static inline int budgets_wake_all(struct runs_kit *runs) {
    for (int woken = 0;; woken++) {
        struct budgets_parked parked = {.found = false};
        assert_int_equal(runs_do(runs, budgets_parked_tx, &parked), ERR_NONE);
        if (!parked.found) {
            return woken;
        }
        assert_true(woken < 10000);
        struct run_row heard;
        assert_true(runs_heard(runs, parked.run, &heard)); /* So the dispatcher knows. */
        assert_true(run_effects(&heard, store_epoch(runs->kit.store), RUN_FREE).wake);
        runs_wake(runs, parked.run);
    }
}

/* What a daemon does at its start: every run that lives is told of, then what may begin, begins. */
static inline struct err budgets_recover_tx(struct tx *tx, void *ctx) {
    struct run_recovered page;
    return tx_run_recover(tx, 0, 1000, &page);
}

static inline struct err budgets_admit_tx(struct tx *tx, void *ctx) {
    const struct runs_kit *runs = ctx;
    bool more = false;
    return tx_run_admit_all(tx, &runs->bounds, 1000, &more);
}

static inline void budgets_recover(struct runs_kit *runs) {
    assert_int_equal(runs_do(runs, budgets_recover_tx, NULL), ERR_NONE);
}

static inline void budgets_admit_all(struct runs_kit *runs) {
    assert_int_equal(runs_do(runs, budgets_admit_tx, runs), ERR_NONE);
}

#endif
