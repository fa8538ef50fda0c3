/* budget_gate.c: runs at the gate of budgets, and the lanes of those that wait there for a limit.
 *
 * Each limit of each budget has a lane of its own, so that a run that waits for one thing never
 * holds back a run that waits for another. A run stands in a lane for one of two reasons only:
 * others hold what is left, and the commit of their end opens the lane; or a commit that opened it
 * had more to do than one commit should, and has parked the first in line: its row says that it is
 * to be woken now, so that it goes on in a transaction of its own, after a crash, too.
 */
#include "engine/run/budget_gate.h"

#include "base/memory.h"
#include "engine/base/follow.h"

struct err runs__budget_own(struct tx *tx, const struct amounts *limits, struct run_row *row) {
    AUTO(text_done) struct text scope = text_up_to(BUDGET_PATH_MAX);
    if (budget__path_parts(row->budget) >= BUDGET_PATH_PARTS) {
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

static struct budget_ask ask_of(const struct run_row *row) {
    return (struct budget_ask){.what = bytes_of(run_kind_name(row->kind)),
                               .first = run_kind_rules[row->kind].first};
}

/* Where a run begins or ends, and never with a step: a run inside others tells of nothing. */
static void nodes_changed(struct tx *tx, const struct run_row *row,
                          const struct budget__places *places) {
    for (size_t i = 0; row->parent == 0 && i < places->count; i++) {
        tx_row_changed(tx, FOLLOW_BUDGET, places->rows[i].id);
    }
}

enum budget_verdict runs__budget_judge(struct tx *tx, int64_t past, struct run_row *row) {
    struct budget__judgement judgement;
    struct budget_ask ask = ask_of(row);
    ask.past = past;
    if (row->charged) { /* Let in when its lane opened: meanwhile all may have been spent. */
        budget__load_now(tx, row, &judgement.places);
        judgement.verdict = budget_still(judgement.places.nodes, judgement.places.count,
                                         &row->reserve, &judgement.hit);
    } else {
        budget__judge(tx, row, &ask, &judgement);
    }
    const struct budget_hit *hit = &judgement.hit;
    nodes_changed(tx, row, &judgement.places);
    switch (judgement.verdict) {
    case BUDGET_ADMITTED:
        if (!row->charged) {
            row->charged = judgement.places.count > 0;
            row->reserve = judgement.grant;
            row->lane = 0;
        }
        break;
    case BUDGET_WAITS:
        /* The end of a day opens its lanes (engine/budget/days.c). Else, where no run holds any of
         * the amount, no end will open the lane: the runs before this one are unwritable
         * (runs__try), and it is parked. */
        row->not_before_ms =
            hit->today || judgement.places.nodes[hit->node].reserved.of[hit->amount] > 0
                ? 0
                : tx_now_ms(tx);
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

/* A run that was admitted, and whose day was used up before it began, waits for the next day
 * without its reserve: somebody else may have use for that. */
static void reserve_release(struct tx *tx, struct run_row *row) {
    struct run_freed freed = {.kinds = 0};
    struct budget__places places;
    row->charged = false;
    row->reserve = amounts_none();
    budget__write_run(tx, row);
    budget__load(tx, row, &places);
    budget__free(tx, &places, &freed);
    tx_fail(tx, runs__admit_later(tx, &freed));
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
    if (verdict == BUDGET_WAITS && row->charged) {
        reserve_release(tx, row);
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
                                 .learn = took->began && took->completed &&
                                          !run_kind_is(row->kind, RUN_IS_ALIKE)};
    spend.spent.of[AMOUNT_WALL] = took->began ? took->wall_ms : 0;
    spend.spent.of[AMOUNT_AGENTS] =
        took->began && !took->refused ? run_kind_rules[row->kind].first.of[AMOUNT_AGENTS] : 0;
    if (!row->charged) {
        return;
    }
    budget__load(tx, row, &places);
    nodes_changed(tx, row, &places);
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
    if (row->lane != 0 && row->parent == 0) {
        tx_row_changed(tx, FOLLOW_BUDGET, row->lane / BUDGET_LANES);
    }
    if (holds || row->lane != 0) {
        hold_end(tx, row);
    }
    if (holds) {
        struct budget__places places;
        budget__load(tx, row, &places);
        nodes_changed(tx, row, &places);
        budget__free(tx, &places, freed);
    }
}

void runs__unpark(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    assert(is_parked(row));
    hand_over(tx, row, freed);
    row->not_before_ms = 0;
    tx_fail(tx, runs__write(tx, RUN_QUEUED, row));
}

enum { CHAIN_MAX = 64 }; /* Holders that may all be one line of ancestors. */

/* The first run in a lane ($1), but for the one that is unwritable in it (runs__try; $2), 0: none.
 */
static const char lane_sql[] = "SELECT * FROM runs WHERE lane = $1 AND lane <> 0"
                               " AND ended_ms IS NULL AND id <> $2"
                               " ORDER BY priority DESC, id LIMIT 1";

/* --- Parking ---------------------------------------------------------------------------------- */

/* A run that is parked already is written, too: its wake-up may have been used up, if the store
 * refused the run then (runs__try), and would refuse this write as well. */
struct err budget__park_run(struct tx *tx, struct run_row *row) {
    row->not_before_ms = tx_now_ms(tx);
    return runs__write(tx, row->state, row);
}

/* A run that has begun (it waits for a step) leaves the lane instead: it asks again, and goes on
 * with the lane then. */
static struct err lane_leave(struct tx *tx, struct run_row *row) {
    row->lane = 0;
    budget__write_run(tx, row);
    return runs__tell(tx, row);
}

static struct err park_part(struct tx *tx, void *ctx) {
    struct run_row *row = ctx;
    return row->state == RUN_QUEUED ? budget__park_run(tx, row) : lane_leave(tx, row);
}

void budget__park_line(struct tx *tx, const char *sql, struct arg line, struct run_freed *freed) {
    int64_t unwritable = 0;
    enum run_part_end end = RUN_PART_PASSED;
    for (int i = 0; i < RUN_ADMIT_MAX && end == RUN_PART_PASSED; i++) {
        struct run_row row;
        if (!runs__first(tx, sql, ARGS(line, arg_int(unwritable)), &row)) {
            return;
        }
        end = runs__try(tx, park_part, &row, row.id, &unwritable, freed);
    }
}

void budget__park(struct tx *tx, int64_t lane, struct run_freed *freed) {
    budget__park_line(tx, lane_sql, arg_int(lane), freed);
}

/* --- The trap --------------------------------------------------------------------------------- */

/* Runs that hold some of the amount $1. */
#define HELD_OF_IT                                                                                 \
    " charged = 1 AND ended_ms IS NULL AND CASE $1 WHEN 0 THEN output_tokens_held"                 \
    " WHEN 1 THEN tokens_held WHEN 2 THEN cost_micros_held WHEN 3 THEN agents_held"                \
    " ELSE wall_ms_held END > 0"

/* The youngest holder of what is left, if all holders are that run and its ancestors: numbers rise
 * from parent to child. 0: they are not. */
static int64_t chain_find(struct tx *tx, const struct budget_row *node, enum amount amount) {
    static const char of_all[] = "SELECT count(*), COALESCE(max(id), 0) FROM"
                                 " (SELECT id FROM runs WHERE" HELD_OF_IT " LIMIT $2) held";
    static const char of_node[] =
        "SELECT count(*), COALESCE(max(id), 0) FROM (SELECT id FROM runs WHERE" HELD_OF_IT
        " AND owner = $3 AND budget >= $4 AND budget < $5 LIMIT $2) held";
    static const char of_chain[] =
        "WITH RECURSIVE above (up, next, depth) AS ("
        "SELECT id, parent, 1 FROM runs WHERE id = $2"
        " UNION ALL SELECT r.id, r.parent, a.depth + 1 FROM runs r JOIN above a ON r.id = a.next"
        " WHERE a.next <> 0 AND a.depth < 1000)"
        " SELECT count(*) FROM above JOIN runs ON id = up WHERE" HELD_OF_IT
        " AND budget >= $3 AND budget < $4";
    bool global = node->path.len == 0;
    const struct bytes end = global ? BYTES("~") : budget__path_end(tx, node->path);
    const struct arg args[] = {arg_int((int64_t)amount), arg_int(CHAIN_MAX + 1),
                               arg_text(node->owner), arg_text(node->path), arg_text(end)};
    int64_t held[2];
    tx_numbers(tx, global ? of_all : of_node, args, global ? 2 : COUNT_OF(args), held,
               COUNT_OF(held));
    const int64_t count = held[0], youngest = held[1];
    return count > 0 && count <= CHAIN_MAX &&
                   tx_number(tx, of_chain,
                             ARGS(arg_int((int64_t)amount), arg_int(youngest), arg_text(node->path),
                                  arg_text(end))) == count
               ? youngest
               : 0;
}

struct springing {
    struct run_row row;
    bool tomorrow; /* The day is used up: the run and all others wait for the next one. */
};

static struct err spring_part(struct tx *tx, void *ctx) {
    struct springing *springing = ctx;
    struct run_row *row = &springing->row;
    if (row->state != RUN_QUEUED) {
        return lane_leave(tx, row);
    }
    enum budget_verdict verdict = runs__budget_judge(tx, /* past */ 0, row);
    springing->tomorrow = verdict == BUDGET_WAITS;
    if (err_failed(tx_error(tx)) || springing->tomorrow) {
        return tx_error(tx);
    }
    assert(verdict == BUDGET_SPENT);
    row->not_before_ms = 0; /* The commit that opens the lane goes on with it. */
    (void)runs__budget_apply(tx, verdict, row); /* false: the run does not begin. */
    return tx_error(tx);
}

/* The lane stays shut. If all that is left is held by one line of ancestors, those below them would
 * wait for a run that may be waiting for them: they are refused. Any other run in it waits for an
 * end that will come. */
static void lane_spring(struct tx *tx, const struct budget_row *node, int64_t lane,
                        struct budget__opening *opening) {
    static const char below[] =
        "WITH RECURSIVE below (id) AS ("
        "SELECT id FROM runs WHERE " RUNS_BELOW(
            "", "$1") " AND ended_ms IS NULL"
                      " UNION ALL SELECT r.id FROM runs r JOIN below b ON " RUNS_BELOW(
                          "r.", "b.id") " WHERE r.ended_ms IS NULL)"
                                        " SELECT min(r.id) FROM below b JOIN runs r ON r.id = b.id "
                                        "WHERE r.lane = $2"
                                        " AND r.id <> $3";
    int64_t youngest = chain_find(tx, node, (enum amount)(lane % BUDGET_LANES)), unwritable = 0;
    for (enum run_part_end end = RUN_PART_DONE; youngest != 0 && end != RUN_PART_WAITS;) {
        struct springing next = {.tomorrow = false};
        int64_t id =
            tx_number(tx, below, ARGS(arg_int(youngest), arg_int(lane), arg_int(unwritable)));
        if (!runs__load_id(tx, id, &next.row)) {
            return;
        }
        if (opening->left == 0) {
            budget__park(tx, lane, opening->freed);
            return;
        }
        opening->left--;
        end = runs__try(tx, spring_part, &next, id, &unwritable, opening->freed);
        if (end == RUN_PART_DONE && next.tomorrow) {
            return;
        }
    }
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* First run in a lane. */
struct entrant {
    struct run_row row;
    int64_t lane;
    int64_t past;                    /* The run before it that is unwritable; 0: none. */
    struct budget__opening *opening; /* Borrowed. */
    bool begun;                      /* The run is not queued any more. */
    bool later;                      /* The commit has its fill: the run goes on in another one. */
    bool shut;                       /* The run still waits, and so do all after it. */
};

static struct err open_part(struct tx *tx, void *ctx) {
    struct entrant *entrant = ctx;
    struct run_row *row = &entrant->row;
    if (entrant->begun) {
        return lane_leave(tx, row);
    }
    if (entrant->later) {
        return budget__park_run(tx, row);
    }
    int64_t was_parked = row->not_before_ms;
    enum budget_verdict verdict = runs__budget_judge(tx, entrant->past, row);
    entrant->shut = verdict == BUDGET_WAITS && row->lane == entrant->lane;
    if (verdict == BUDGET_ADMITTED) {
        row->gate = GATE_SLOT;
        row->not_before_ms = 0;
        entrant->opening->kinds |= 1U << row->kind;
        budget__write_run(tx, row);
        tx_fail(tx, runs__write(tx, RUN_QUEUED, row));
    } else if (!entrant->shut || was_parked != 0) {
        row->not_before_ms = 0; /* The commit that opens the lane goes on with it. */
        (void)runs__budget_apply(tx, verdict, row); /* false: the run does not begin. */
    }
    return tx_error(tx);
}

void runs__budget_mark(struct tx *tx, struct run_row *io_row) {
    static const char of_turn[] = "SELECT lane FROM runs WHERE " RUNS_BELOW(
        "", "$1") " AND ended_ms IS NULL AND lane <> 0 LIMIT 1";
    struct budget__judgement judgement = {.verdict = BUDGET_WAITS, .places = {.count = 1}};
    struct budget_row *node = &judgement.places.rows[0];
    int64_t lane = io_row->lane;
    if (lane == 0 && run_kind_is(io_row->kind, RUN_IS_STEP) && io_row->state == RUN_RUNNING) {
        lane = tx_number(tx, of_turn, ARGS(arg_int(io_row->id)));
    }
    const enum amount amount = (enum amount)(lane % BUDGET_LANES);
    if (lane == 0 || (io_row->state != RUN_RUNNING && io_row->state != RUN_QUEUED) ||
        amount >= AMOUNT_COUNT || !budget__find_id(tx, lane / BUDGET_LANES, node)) {
        return;
    }
    const bool today = node->day_end_ms != 0 && node->spent.of[amount] >= node->limits.of[amount];
    io_row->day_end_ms = today ? node->day_end_ms : 0;
    if (io_row->state == RUN_RUNNING) {
        judgement.hit = (struct budget_hit){.amount = amount, .today = today};
        judgement.places.nodes[0] = (struct budget_node){
            .limits = node->limits, .spent = node->spent, .reserved = budget__reserved(tx, node)};
        io_row->gate = GATE_BUDGET;
        io_row->note = budget__why(tx, &judgement);
    }
}

void budget__open_lane(struct tx *tx, int64_t lane, struct budget__opening *opening) {
    struct budget_row node;
    bool shut = false;
    /* Whether the budget is still there, and limits that amount. */
    bool limited = budget__find_id(tx, lane / BUDGET_LANES, &node) &&
                   node.limits.of[lane % BUDGET_LANES] < AMOUNT_MAX;
    int64_t unwritable = 0;
    while (!shut) {
        struct entrant entrant = {.lane = lane, .past = unwritable, .opening = opening};
        if (!runs__first(tx, lane_sql, ARGS(arg_int(lane), arg_int(unwritable)), &entrant.row)) {
            return;
        }
        entrant.begun = entrant.row.state != RUN_QUEUED;
        entrant.later = !entrant.begun && (opening->left == 0 || opening->bytes > RUN_BYTES_TURN);
        if (!entrant.begun && !entrant.later) {
            opening->left--;
            opening->bytes += runs__bytes(&entrant.row);
        }
        enum run_part_end end =
            runs__try(tx, open_part, &entrant, entrant.row.id, &unwritable, opening->freed);
        /* Where the limit is gone, a run that asks again does not find this lane any more: nobody
         * would go on with it. So all that have begun leave it at once. */
        bool over = end == RUN_PART_DONE && (entrant.later || (entrant.begun && limited));
        if (over || end == RUN_PART_WAITS) {
            return;
        }
        shut = end == RUN_PART_DONE && entrant.shut;
    }
    if (budget__find_id(tx, lane / BUDGET_LANES, &node)) {
        lane_spring(tx, &node, lane, opening);
    }
}

/* --- Freeing ---------------------------------------------------------------------------------- */

void budget__free_lane(struct tx *tx, int64_t lane, struct run_freed *freed) {
    for (size_t i = 0; i < freed->budget_count; i++) {
        if (freed->budgets[i] == lane) {
            return;
        }
    }
    int64_t *budgets = runs__freed_room(tx, freed->budgets, freed->budget_count,
                                        &freed->budget_size, sizeof *budgets);
    if (budgets != NULL) {
        freed->budgets = budgets;
        freed->budgets[freed->budget_count++] = lane;
    }
}

void budget__free(struct tx *tx, const struct budget__places *places, struct run_freed *freed) {
    for (size_t n = 0; n < places->count; n++) {
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            if (places->nodes[n].limits.of[i] < AMOUNT_MAX) {
                budget__free_lane(tx, budget__lane(places->rows[n].id, (enum amount)i), freed);
            }
        }
    }
}
