/* budget_gate.c: runs at the gate of budgets. */
#include "engine/run/budget_tree.h"

#include "base/memory.h"

struct err runs__budget_own(struct tx *tx, const struct amounts *limits, struct run_row *row) {
    AUTO(text_done) struct text scope = text_up_to(BUDGET_PATH_MAX);
    size_t parts = 0;
    for (size_t i = 0; i < row->budget.len; i++) {
        parts += row->budget.data[i] == '/';
    }
    if (parts >= BUDGET_PATH_PARTS) {
        return err_make(ERR_BUDGET_TOO_DEEP, "budget: depth");
    }
    text_add_str(&scope, "run:");
    text_add(&scope, row->run.data, row->run.len);
    row->budget = budget__path(tx, row->budget, text_bytes(&scope));
    struct budget_row node = {.owner = row->owner,
                              .scope = text_bytes(&scope),
                              .path = row->budget,
                              .run = row->id,
                              .made_ms = tx_now_ms(tx),
                              .limits = *limits};
    budget__insert(tx, &node);
    return tx_error(tx);
}

/* --- Admission -------------------------------------------------------------------------------- */

static bool is_agent(enum run_kind kind) {
    return kind == KIND_AGENT || kind == KIND_TURN;
}

/* What an attempt reserves where none has been seen. A title is one short call, always alike, and
 * titles.c charges what it took; an agent is one call. */
static struct budget_ask ask_of(const struct run_row *row) {
    static const int64_t title[] = {100, 1500, 1000}, agent[] = {1000, 8000, 10000};
    static_assert(AMOUNT_OUTPUT_TOKENS == 0 && AMOUNT_TOKENS == 1 && AMOUNT_COST == 2, "as above");
    const int64_t *call = row->kind == KIND_TITLE ? title : row->kind == KIND_AGENT ? agent : NULL;
    struct budget_ask ask = {.what = bytes_of(run_kind_name(row->kind))};
    bool spends = row->kind == KIND_JOB || is_agent(row->kind);
    ask.first.of[AMOUNT_WALL] = spends ? BUDGET_FIRST_WALL_MS : 0;
    ask.first.of[AMOUNT_AGENTS] = is_agent(row->kind) ? 1 : 0;
    for (size_t i = 0; call != NULL && i < COUNT_OF(title); i++) {
        ask.first.of[i] = call[i];
    }
    return ask;
}

enum budget_verdict runs__budget_judge(struct tx *tx, int64_t past, struct run_row *row) {
    struct budget__judgement judgement;
    struct budget_ask ask = ask_of(row);
    ask.past = past;
    if (row->charged) { /* Let in when its lane opened: meanwhile all may have been spent. */
        budget__load(tx, row, &judgement.places);
        judgement.verdict = budget_still(judgement.places.nodes, judgement.places.count,
                                         &row->reserve, &judgement.hit);
    } else {
        budget__judge(tx, row, &ask, &judgement);
    }
    const struct budget_hit *hit = &judgement.hit;
    switch (judgement.verdict) {
    case BUDGET_ADMITTED:
        if (!row->charged) {
            row->charged = judgement.places.count > 0;
            row->reserve = judgement.grant;
            row->lane = 0;
        }
        break;
    case BUDGET_WAITS:
        /* Where no run holds any of the amount, no end will open the lane: the runs before this one
         * are unwritable (runs__try), and it is parked. */
        row->not_before_ms =
            judgement.places.nodes[hit->node].reserved.of[hit->amount] > 0 ? 0 : tx_now_ms(tx);
        row->gate = GATE_BUDGET;
        row->lane = budget__lane(judgement.places.rows[hit->node].id, hit->amount);
        row->note = budget__why(tx, &judgement);
        break;
    case BUDGET_SPENT:
        row->stop = CAUSE_BUDGET;
        row->note = budget__why(tx, &judgement);
        break;
    }
    return judgement.verdict;
}

/* A run that is refused was in line to be handed something, so what it leaves is handed on later.
 */
bool runs__budget_apply(struct tx *tx, enum budget_verdict verdict, struct run_row *row) {
    struct run_freed freed = {.kinds = 0};
    assert(row->state == RUN_QUEUED);
    if (verdict == BUDGET_SPENT) {
        tx_fail(tx, runs__end_queued(tx, row, &freed));
        tx_fail(tx, runs__ask_children(tx, row, &freed));
        tx_fail(tx, runs__admit_later(tx, &freed));
    } else if (row->charged || row->lane != 0) {
        budget__write_run(tx, row);
    }
    if (verdict == BUDGET_WAITS) {
        tx_fail(tx, runs__write(tx, RUN_QUEUED, row));
    }
    return verdict == BUDGET_ADMITTED;
}

void runs__budget_more(struct tx *tx, const struct run_row *row, struct amounts *ret_want,
                       struct amounts *ret_grant) {
    struct budget_ask ask = ask_of(row);
    struct budget__judgement judgement = {.want = amounts_none()};
    ask.first.of[AMOUNT_WALL] = 0;
    ask.first.of[AMOUNT_AGENTS] = 0;
    budget__judge(tx, row, &ask, &judgement);
    *ret_want = judgement.want;
    *ret_grant = judgement.verdict == BUDGET_ADMITTED ? judgement.grant : amounts_none();
}

/* --- Settling --------------------------------------------------------------------------------- */

/* The row holds nothing, and waits for nothing. */
static void hold_end(struct tx *tx, struct run_row *row) {
    row->charged = false;
    row->reserve = amounts_none();
    row->lane = 0;
    budget__write_run(tx, row);
}

void runs__budget_settle(struct tx *tx, const struct run_took *took, struct run_row *row,
                         struct run_freed *freed) {
    struct budget__places places;
    struct budget_spend spend = {.what = bytes_of(run_kind_name(row->kind)),
                                 .spent = took->used,
                                 .learn =
                                     took->began && took->completed && row->kind != KIND_TITLE};
    spend.spent.of[AMOUNT_WALL] = took->began ? took->wall_ms : 0;
    spend.spent.of[AMOUNT_AGENTS] = took->began && is_agent(row->kind) ? 1 : 0;
    if (!row->charged) {
        return;
    }
    budget__load(tx, row, &places);
    budget__charge(tx, &places, &spend);
    hold_end(tx, row);
    budget__free(tx, &places, freed);
}

/* --- Leaving, parking ------------------------------------------------------------------------- */

static bool is_parked(const struct run_row *row) {
    return row->not_before_ms != 0 && row->gate != GATE_NONE && row->gate != GATE_TIME;
}

/* What a parked run was to go on with. */
static void hand_over(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    if (row->gate == GATE_BUDGET) {
        budget__free_lane(tx, row->lane, freed);
    } else if (row->gate == GATE_KEY) {
        tx_fail(tx, runs__free(tx, row, freed));
    } else {
        freed->kinds |= 1U << row->kind;
    }
}

void runs__budget_leave(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    bool holds = row->charged;
    if (is_parked(row)) {
        hand_over(tx, row, freed);
    }
    if (holds || row->lane != 0) {
        hold_end(tx, row);
    }
    if (holds) {
        struct budget__places places;
        budget__load(tx, row, &places);
        budget__free(tx, &places, freed);
    }
}

void runs__unpark(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    assert(is_parked(row));
    hand_over(tx, row, freed);
    row->not_before_ms = 0;
    tx_fail(tx, runs__write(tx, RUN_QUEUED, row));
}
