/* step.c: what a run that has begun asks for, step by step. */
#include "engine/budget/rows.h"
#include "engine/run/rows.h"

static bool lives(const struct run_row *row) {
    return row->state == RUN_RUNNING || row->state == RUN_WAITING;
}

static void apply(const struct budget__judgement *judgement, struct run_row *row) {
    const struct budget_hit *hit = &judgement->hit;
    row->charged = true;
    row->lane = 0;
    if (judgement->verdict == BUDGET_ADMITTED) {
        amounts_add(&row->reserve, &judgement->grant);
    } else if (judgement->verdict == BUDGET_WAITS) {
        row->lane = budget__lane(judgement->places.rows[hit->node].id, hit->amount);
    }
}

static struct err hand_on(struct tx *tx, const struct budget__places *places,
                          const struct run_bounds *bounds) {
    struct run_freed freed = {.kinds = 0};
    struct err err = budget__free(tx, places, &freed);
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
}

/* It may be one that was let go to ask again, and those behind it wait until it has. */
static struct err go_on(struct tx *tx, const struct budget__judgement *judgement,
                        const struct run_bounds *bounds) {
    return judgement->verdict == BUDGET_WAITS ? ERR_OK : hand_on(tx, &judgement->places, bounds);
}

struct err tx_budget_reserve(struct tx *tx, const struct budget_ask *ask,
                             const struct run_bounds *bounds, struct run_row *row,
                             struct budget_answer *ret_answer) {
    assert(lives(row));
    struct budget__judgement judgement;
    struct budget_answer answer = {.why = {"", 0}};
    struct err err = budget__judge(tx, row, ask, &judgement);
    if (err_failed(err)) {
        return err;
    }
    answer.verdict = judgement.verdict;
    answer.granted = judgement.grant;
    if (judgement.places.count > 0) {
        apply(&judgement, row);
        err = budget__write_run(tx, row);
    }
    if (!err_failed(err) && answer.verdict != BUDGET_ADMITTED) {
        answer.granted = amounts_none();
        err = budget__why(tx, &judgement, &answer.why);
    }
    if (!err_failed(err)) {
        err = go_on(tx, &judgement, bounds);
    }
    if (!err_failed(err)) {
        *ret_answer = answer;
    }
    return err;
}

struct err tx_budget_spend(struct tx *tx, const struct budget_spend *spend,
                           const struct run_bounds *bounds, struct run_row *row) {
    assert(lives(row));
    assert(spend->what.len <= BUDGET_WHAT_MAX);
    struct budget__places places;
    if (!row->charged) {
        return ERR_OK; /* There was no budget when it was asked for. */
    }
    amounts_subtract(&row->reserve, &spend->granted);
    struct err err = budget__load(tx, row, &places);
    if (!err_failed(err)) {
        err = budget__charge(tx, &places, spend);
    }
    if (!err_failed(err)) {
        err = budget__write_run(tx, row);
    }
    return err_failed(err) ? err : hand_on(tx, &places, bounds);
}
