/* budget_gate.c: runs at the gate of budgets. */
#include "engine/run/budget_gate.h"

#include <string.h>

#include "base/memory.h"
#include "engine/run/rows.h"

/* --- A node of its own ------------------------------------------------------------------------ */

static size_t parts_of(struct bytes path) {
    size_t parts = 0;
    for (size_t i = 0; i < path.len; i++) {
        parts += path.data[i] == '/';
    }
    return parts;
}

struct err runs__budget_own(struct tx *tx, const struct amounts *limits, struct run_row *row) {
    static const char prefix[] = "run:";
    size_t scope_len = sizeof prefix - 1 + row->run.len;
    if (parts_of(row->budget) >= BUDGET_PATH_PARTS) {
        return err_make(ERR_BUDGET_TOO_DEEP, "budget: depth");
    }
    char *path = arena_try(tx_arena(tx), row->budget.len + scope_len + 1);
    if (path == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "budget: path");
    }
    if (row->budget.len > 0) {
        memcpy(path, row->budget.data, row->budget.len);
    }
    char *scope = path + row->budget.len;
    memcpy(scope, prefix, sizeof prefix - 1);
    memcpy(scope + sizeof prefix - 1, row->run.data, row->run.len);
    scope[scope_len] = '/';
    row->budget = (struct bytes){path, row->budget.len + scope_len + 1};
    struct budget_row node = {.owner = row->owner,
                              .scope = {scope, scope_len},
                              .path = row->budget,
                              .run = row->id,
                              .made_ms = tx_now_ms(tx),
                              .limits = *limits};
    return budget__insert(tx, &node);
}

/* --- Admission -------------------------------------------------------------------------------- */

static bool is_agent(enum run_kind kind) {
    return kind == KIND_AGENT || kind == KIND_TURN;
}

/* One short call, always alike: titles.c charges what it took. */
enum { TITLE_OUTPUT = 100, TITLE_TOKENS = 1500, TITLE_COST = 1000 };
/* One call, where none has been seen. */
enum { AGENT_OUTPUT = 1000, AGENT_TOKENS = 8000, AGENT_COST = 10000 };

static struct budget_ask ask_of(const struct run_row *row) {
    const char *kind = run_kind_name(row->kind);
    struct budget_ask ask = {.what = {kind, strlen(kind)}};
    bool spends = row->kind == KIND_JOB || is_agent(row->kind);
    ask.first.of[AMOUNT_WALL] = spends ? BUDGET_FIRST_WALL_MS : 0;
    ask.first.of[AMOUNT_AGENTS] = is_agent(row->kind) ? 1 : 0;
    if (row->kind == KIND_TITLE) {
        ask.first.of[AMOUNT_OUTPUT_TOKENS] = TITLE_OUTPUT;
        ask.first.of[AMOUNT_TOKENS] = TITLE_TOKENS;
        ask.first.of[AMOUNT_COST] = TITLE_COST;
    }
    if (row->kind == KIND_AGENT) {
        ask.first.of[AMOUNT_OUTPUT_TOKENS] = AGENT_OUTPUT;
        ask.first.of[AMOUNT_TOKENS] = AGENT_TOKENS;
        ask.first.of[AMOUNT_COST] = AGENT_COST;
    }
    return ask;
}

static void admitted(const struct budget__judgement *judgement, struct run_row *row) {
    row->charged = judgement->places.count > 0;
    row->reserve = judgement->grant;
    row->lane = 0;
}

/* Where no run holds any of the amount, no end will open the lane: the runs before this one are
 * unwritable (runs__try), and it is parked. */
static void waits(const struct budget__judgement *judgement, struct bytes why, int64_t now_ms,
                  struct run_row *row) {
    const struct budget_hit *hit = &judgement->hit;
    bool held = judgement->places.nodes[hit->node].reserved.of[hit->amount] > 0;
    row->gate = GATE_BUDGET;
    row->lane = budget__lane(judgement->places.rows[hit->node].id, hit->amount);
    row->not_before_ms = held ? 0 : now_ms;
    row->note = why;
}

static void refused(struct bytes why, struct run_row *row) {
    row->stop = CAUSE_BUDGET;
    row->note = why;
}

/* It was let in when its lane opened, and a slot came later: meanwhile all may have been spent. */
static struct err judge_again(struct tx *tx, const struct run_row *row,
                              struct budget__judgement *judgement) {
    struct err err = budget__load(tx, row, &judgement->places);
    judgement->verdict = budget_still(judgement->places.nodes, judgement->places.count,
                                      &row->reserve, &judgement->hit);
    return err;
}

struct err runs__budget_judge(struct tx *tx, struct run_row *row,
                              enum budget_verdict *ret_verdict) {
    return runs__budget_judge_past(tx, /* past */ 0, row, ret_verdict);
}

struct err runs__budget_judge_past(struct tx *tx, int64_t past, struct run_row *row,
                                   enum budget_verdict *ret_verdict) {
    struct budget_ask ask = ask_of(row);
    ask.past = past;
    struct budget__judgement judgement;
    struct bytes why = {"", 0};
    struct err err =
        row->charged ? judge_again(tx, row, &judgement) : budget__judge(tx, row, &ask, &judgement);
    if (!err_failed(err) && judgement.verdict != BUDGET_ADMITTED) {
        err = budget__why(tx, &judgement, &why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (judgement.verdict == BUDGET_WAITS) {
        waits(&judgement, why, tx_now_ms(tx), row);
    } else if (judgement.verdict == BUDGET_SPENT) {
        refused(why, row);
    } else if (!row->charged) {
        admitted(&judgement, row);
    }
    *ret_verdict = judgement.verdict;
    return ERR_OK;
}

/* It was in line to be handed something, so what it leaves behind is handed on later. */
static struct err end_refused(struct tx *tx, struct run_row *row) {
    struct run_freed freed = {.kinds = 0};
    struct err err = runs__end_queued(tx, row, &freed);
    if (!err_failed(err)) {
        err = runs__ask_children(tx, row, &freed);
    }
    return err_failed(err) ? err : runs__admit_later(tx, &freed);
}

struct err runs__budget_apply(struct tx *tx, enum budget_verdict verdict, struct run_row *row,
                              bool *ret_goes) {
    assert(row->state == RUN_QUEUED);
    struct err err = ERR_OK;
    if (verdict == BUDGET_SPENT) {
        err = end_refused(tx, row);
    } else if (row->charged || row->lane != 0) {
        err = budget__write_run(tx, row);
    }
    if (!err_failed(err) && verdict == BUDGET_WAITS) {
        err = runs__write(tx, RUN_QUEUED, row);
    }
    *ret_goes = verdict == BUDGET_ADMITTED;
    return err;
}

struct err runs__budget_more(struct tx *tx, const struct run_row *row, struct amounts *ret_want,
                             struct amounts *ret_grant) {
    struct budget_ask ask = ask_of(row);
    struct budget__judgement judgement = {.want = amounts_none()};
    ask.first.of[AMOUNT_WALL] = 0;
    ask.first.of[AMOUNT_AGENTS] = 0;
    struct err err = budget__judge(tx, row, &ask, &judgement);
    if (!err_failed(err)) {
        bool admitted = judgement.verdict == BUDGET_ADMITTED;
        *ret_want = judgement.want;
        *ret_grant = admitted ? judgement.grant : amounts_none();
    }
    return err;
}

/* --- Settling --------------------------------------------------------------------------------- */

struct err runs__budget_settle(struct tx *tx, const struct run_took *took, struct run_row *row,
                               struct run_freed *freed) {
    if (!row->charged) {
        return ERR_OK;
    }
    const char *kind = run_kind_name(row->kind);
    struct budget__places places;
    bool learn = took->began && took->completed && row->kind != KIND_TITLE;
    struct budget_spend spend = {.what = {kind, strlen(kind)}, .spent = took->used, .learn = learn};
    spend.spent.of[AMOUNT_WALL] = took->began ? took->wall_ms : 0;
    spend.spent.of[AMOUNT_AGENTS] = took->began && is_agent(row->kind) ? 1 : 0;
    row->charged = false;
    row->reserve = amounts_none();
    row->lane = 0;
    struct err err = budget__load(tx, row, &places);
    if (!err_failed(err)) {
        err = budget__charge(tx, &places, &spend);
    }
    if (!err_failed(err)) {
        err = budget__write_run(tx, row);
    }
    return err_failed(err) ? err : budget__free(tx, &places, freed);
}

/* --- Leaving, parking ------------------------------------------------------------------------- */

static bool parked(const struct run_row *row) {
    return row->not_before_ms != 0 && row->gate != GATE_NONE && row->gate != GATE_TIME;
}

static struct err hand_over(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    if (row->gate == GATE_BUDGET) {
        return budget__free_lane(tx, row->lane, freed);
    }
    if (row->gate == GATE_KEY) {
        return runs__free(tx, row, freed);
    }
    freed->kinds |= 1U << row->kind;
    return ERR_OK;
}

static struct err give_back(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    struct budget__places places;
    struct err err = budget__load(tx, row, &places);
    return err_failed(err) ? err : budget__free(tx, &places, freed);
}

struct err runs__budget_leave(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    bool holds = row->charged, waits_in_lane = row->lane != 0;
    struct err err = parked(row) ? hand_over(tx, row, freed) : ERR_OK;
    if (err_failed(err) || (!holds && !waits_in_lane)) {
        return err;
    }
    row->charged = false;
    row->reserve = amounts_none();
    row->lane = 0;
    err = budget__write_run(tx, row);
    return err_failed(err) || !holds ? err : give_back(tx, row, freed);
}

static struct err park_part(struct tx *tx, void *ctx) {
    const int64_t *id = ctx;
    return budget__park_run(tx, *id);
}

struct err runs__park_slot(struct tx *tx, enum run_kind kind, struct run_freed *freed) {
    static const char sql[] =
        "SELECT id FROM runs WHERE kind = $1 AND gate = 'slot'"
        " AND ended_ms IS NULL AND id <> $2 ORDER BY priority DESC, id LIMIT 1";
    int64_t unwritable = 0;
    enum run_part_end end = RUN_PART_PASSED;
    for (int i = 0; i < RUN_ADMIT_MAX && end == RUN_PART_PASSED; i++) {
        const struct arg args[] = {runs__name(run_kind_name(kind)), arg_int(unwritable)};
        const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
        int64_t id = 0;
        struct err err = runs__int(tx, &ask, &id);
        if (err_failed(err) || id == 0) {
            return err;
        }
        const struct run_part part = {
            .fn = park_part, .ctx = &id, .id = id, .io_unwritable = &unwritable};
        err = runs__try(tx, &part, freed, &end);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

struct err runs__unpark(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    assert(parked(row));
    struct err err = hand_over(tx, row, freed);
    row->not_before_ms = 0;
    return err_failed(err) ? err : runs__write(tx, RUN_QUEUED, row);
}
