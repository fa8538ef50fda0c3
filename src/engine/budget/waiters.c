/* waiters.c: who waits for a limit, and who is let in when it opens.
 *
 * Each limit of each budget has a lane of its own, so that whoever waits for one thing never holds
 * back somebody who waits for another. Nobody stands in a lane but for one of two reasons: others
 * hold what is left, and the commit of their end opens the lane; or a commit that opened it had
 * more to do than one commit should, and has parked the first in line: its row says that it is to
 * be woken now, so that it goes on in a transaction of its own, after a crash, too.
 */
#include "base/memory.h"
#include "engine/run/budget_gate.h"
#include "engine/run/rows.h"

enum { CHAIN_MAX = 64 }; /* Holders that may all be one line of ancestors. */

/* `skip`: the run that is unwritable in the lane (runs__try); 0: none. */
static struct err first_in(struct tx *tx, int64_t lane, int64_t skip, bool *ret_found,
                           struct run_row *ret_row) {
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM runs WHERE lane = $1 AND lane <> 0"
                              " AND ended_ms IS NULL AND id <> $2"
                              " ORDER BY priority DESC, id LIMIT 1";
    const struct arg args[] = {arg_int(lane), arg_int(skip)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__first(tx, &ask, ret_found, ret_row);
}

/* --- Parking ---------------------------------------------------------------------------------- */

/* A run that is parked already is written, too: its wake-up may have been used up, if the store
 * refused the run then (runs__try), and would refuse this write as well. */
struct err budget__park_run(struct tx *tx, int64_t id) {
    bool found = false;
    struct run_row row;
    struct err err = runs__find_id(tx, id, &found, &row);
    if (err_failed(err) || !found) {
        return err;
    }
    row.not_before_ms = tx_now_ms(tx);
    return runs__write(tx, row.state, &row);
}

/* One that has begun (it waits for a step) is let go instead: it asks again, and goes on with the
 * lane then. */
static struct err let_go(struct tx *tx, struct run_row *row) {
    row->lane = 0;
    struct err err = budget__write_run(tx, row);
    return err_failed(err) ? err : runs__tell(tx, row);
}

static struct err park_part(struct tx *tx, void *ctx) {
    struct run_row *row = ctx;
    return row->state == RUN_QUEUED ? budget__park_run(tx, row->id) : let_go(tx, row);
}

struct err budget__park(struct tx *tx, int64_t lane, struct run_freed *freed) {
    int64_t unwritable = 0;
    enum run_part_end end = RUN_PART_PASSED;
    for (int i = 0; i < RUN_ADMIT_MAX && end == RUN_PART_PASSED; i++) {
        bool found = false;
        struct run_row row;
        struct err err = first_in(tx, lane, unwritable, &found, &row);
        if (err_failed(err) || !found) {
            return err;
        }
        const struct run_part part = {
            .fn = park_part, .ctx = &row, .id = row.id, .io_unwritable = &unwritable};
        err = runs__try(tx, &part, freed, &end);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

/* --- The trap --------------------------------------------------------------------------------- */

/* Runs under one node that hold some of one amount. */
struct hold {
    enum amount amount;
    bool global;
    struct bytes owner, from, end; /* Whose, and from which path to which. */
    int64_t count, youngest;
};

#define HELD_OF_IT                                                                                 \
    " charged = 1 AND ended_ms IS NULL AND CASE $1 WHEN 0 THEN output_tokens_held"                 \
    " WHEN 1 THEN tokens_held WHEN 2 THEN cost_micros_held WHEN 3 THEN agents_held"                \
    " ELSE wall_ms_held END > 0"

static struct err find_hold(struct tx *tx, const struct budget_row *node, struct hold *hold) {
    static const char all_sql[] = "SELECT count(*), COALESCE(max(id), 0) FROM"
                                  " (SELECT id FROM runs WHERE" HELD_OF_IT " LIMIT $2) held";
    static const char sql[] =
        "SELECT count(*), COALESCE(max(id), 0) FROM (SELECT id FROM runs WHERE" HELD_OF_IT
        " AND owner = $3 AND budget >= $4 AND budget < $5 LIMIT $2) held";
    hold->global = node->path.len == 0;
    hold->owner = node->owner;
    hold->from = node->path;
    hold->end = (struct bytes){"~", 1}; /* Behind every path. */
    struct err err = hold->global ? ERR_OK : budget__path_end(tx, node->path, &hold->end);
    if (err_failed(err)) {
        return err;
    }
    const struct arg args[] = {arg_int((int64_t)hold->amount), arg_int(CHAIN_MAX + 1),
                               arg_text(hold->owner), arg_text(hold->from), arg_text(hold->end)};
    AUTO(rows_release) struct rows *rows = NULL;
    err = hold->global ? tx_first(tx, all_sql, args, 2, &rows)
                       : tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        hold->count = rows_int(rows, 0);
        hold->youngest = rows_int(rows, 1);
    }
    return err;
}

/* Whether the youngest holder and its ancestors are all of them: numbers rise from parent to child.
 */
static struct err is_chain(struct tx *tx, const struct hold *hold, bool *ret_chain) {
    static const char sql[] =
        "WITH RECURSIVE above (up, next, depth) AS ("
        "SELECT id, parent, 1 FROM runs WHERE id = $2"
        " UNION ALL SELECT r.id, r.parent, a.depth + 1 FROM runs r JOIN above a ON r.id = a.next"
        " WHERE a.next <> 0 AND a.depth < 1000)"
        " SELECT count(*) FROM above JOIN runs ON id = up WHERE" HELD_OF_IT
        " AND budget >= $3 AND budget < $4";
    const struct arg args[] = {arg_int((int64_t)hold->amount), arg_int(hold->youngest),
                               arg_text(hold->from), arg_text(hold->end)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t count = 0;
    struct err err = runs__int(tx, &ask, &count);
    if (!err_failed(err)) {
        *ret_chain = count == hold->count;
    }
    return err;
}

static struct err next_below(struct tx *tx, const struct hold *hold, int64_t lane, int64_t skip,
                             int64_t *ret_id) {
    static const char sql[] =
        "WITH RECURSIVE below (id) AS ("
        "SELECT id FROM runs WHERE parent = $1 AND parent <> 0 AND ended_ms IS NULL"
        " UNION ALL SELECT r.id FROM runs r JOIN below b ON r.parent = b.id"
        " WHERE r.parent <> 0 AND r.ended_ms IS NULL)"
        " SELECT min(r.id) FROM below b JOIN runs r ON r.id = b.id WHERE r.lane = $2"
        " AND r.id <> $3";
    const struct arg args[] = {arg_int(hold->youngest), arg_int(lane), arg_int(skip)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_id);
}

static struct err leave_or_end(struct tx *tx, enum budget_verdict verdict, struct run_row *row) {
    bool goes = false;
    row->not_before_ms = 0; /* Whoever opens the lane goes on with it. */
    return runs__budget_apply(tx, verdict, row, &goes);
}

static struct err spring_part(struct tx *tx, void *ctx) {
    struct run_row *row = ctx;
    enum budget_verdict verdict = BUDGET_ADMITTED;
    if (row->state != RUN_QUEUED) {
        return let_go(tx, row);
    }
    struct err err = runs__budget_judge(tx, row, &verdict);
    if (err_failed(err)) {
        return err;
    }
    assert(verdict == BUDGET_SPENT);
    return leave_or_end(tx, verdict, row);
}

/* The lane stays shut. If all that is left is held by one line of ancestors, those below them would
 * wait for somebody who may be waiting for them: they are refused. Anybody else in it waits for an
 * end that will come. */
static struct err spring(struct tx *tx, const struct budget_row *node, int64_t lane,
                         struct budget__opening *opening) {
    struct hold hold = {.amount = (enum amount)(lane % BUDGET_LANES)};
    bool chain = false;
    struct err err = find_hold(tx, node, &hold);
    if (!err_failed(err) && hold.count > 0 && hold.count <= CHAIN_MAX) {
        err = is_chain(tx, &hold, &chain);
    }
    int64_t id = 0, unwritable = 0;
    while (!err_failed(err) && chain) {
        bool found = false;
        struct run_row row;
        enum run_part_end end = RUN_PART_DONE;
        err = next_below(tx, &hold, lane, unwritable, &id);
        if (!err_failed(err) && id != 0) {
            err = runs__find_id(tx, id, &found, &row);
        }
        if (err_failed(err) || !found) {
            return err;
        }
        if (opening->left == 0) {
            return budget__park(tx, lane, opening->freed);
        }
        opening->left--;
        const struct run_part part = {
            .fn = spring_part, .ctx = &row, .id = id, .io_unwritable = &unwritable};
        err = runs__try(tx, &part, opening->freed, &end);
        chain = end != RUN_PART_WAITS;
    }
    return err;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static struct err let_in(struct tx *tx, struct run_row *row, struct budget__opening *opening) {
    row->gate = GATE_SLOT;
    row->not_before_ms = 0;
    opening->kinds |= 1U << row->kind;
    struct err err = budget__write_run(tx, row);
    return err_failed(err) ? err : runs__write(tx, RUN_QUEUED, row);
}

/* First run in a lane. */
struct entrant {
    struct run_row row;
    int64_t lane;
    int64_t past;                    /* The run before it that is unwritable; 0: none. */
    struct budget__opening *opening; /* Borrowed. */
    bool begun;                      /* It is not queued any more. */
    bool later;                      /* The commit has its fill: the run goes on in another one. */
    bool shut;                       /* It still waits, and so does everybody after it. */
};

static struct err open_one(struct tx *tx, struct entrant *entrant) {
    struct run_row *row = &entrant->row;
    enum budget_verdict verdict = BUDGET_ADMITTED;
    int64_t was_parked = row->not_before_ms;
    struct err err = runs__budget_judge_past(tx, entrant->past, row, &verdict);
    if (err_failed(err)) {
        return err;
    }
    entrant->shut = verdict == BUDGET_WAITS && row->lane == entrant->lane;
    if (verdict == BUDGET_ADMITTED) {
        return let_in(tx, row, entrant->opening);
    }
    return entrant->shut && was_parked == 0 ? ERR_OK : leave_or_end(tx, verdict, row);
}

static struct err find_node(struct tx *tx, int64_t lane, bool *ret_found,
                            struct budget_row *ret_row) {
    static const char sql[] = "SELECT " BUDGET_COLUMNS " FROM budgets WHERE id = $1";
    const struct arg args[] = {arg_int(lane / BUDGET_LANES)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = budget__read(tx, rows, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

static struct err stay_shut(struct tx *tx, int64_t lane, struct budget__opening *opening) {
    bool found = false;
    struct budget_row node;
    struct err err = find_node(tx, lane, &found, &node);
    assert(err_failed(err) || found); /* Somebody was judged to wait for it. */
    return err_failed(err) ? err : spring(tx, &node, lane, opening);
}

/* Whether the budget is still there, and limits that amount. */
static struct err find_limit(struct tx *tx, int64_t lane, bool *ret_limited) {
    bool found = false;
    struct budget_row node;
    struct err err = find_node(tx, lane, &found, &node);
    if (!err_failed(err)) {
        *ret_limited = found && node.limits.of[lane % BUDGET_LANES] < AMOUNT_MAX;
    }
    return err;
}

static void count_entrant(struct entrant *entrant) {
    struct budget__opening *opening = entrant->opening;
    entrant->begun = entrant->row.state != RUN_QUEUED;
    entrant->later = !entrant->begun && (opening->left == 0 || opening->bytes > RUN_BYTES_TURN);
    if (!entrant->begun && !entrant->later) {
        opening->left--;
        opening->bytes += runs__bytes(&entrant->row);
    }
}

static struct err open_part(struct tx *tx, void *ctx) {
    struct entrant *entrant = ctx;
    if (entrant->begun) {
        return let_go(tx, &entrant->row);
    }
    return entrant->later ? budget__park_run(tx, entrant->row.id) : open_one(tx, entrant);
}

struct err budget__open_lane(struct tx *tx, int64_t lane, struct budget__opening *opening) {
    bool shut = false, limited = true;
    int64_t unwritable = 0;
    struct err limit = find_limit(tx, lane, &limited);
    if (err_failed(limit)) {
        return limit;
    }
    while (!shut) {
        bool found = false;
        struct entrant entrant = {.lane = lane, .past = unwritable, .opening = opening};
        enum run_part_end end = RUN_PART_DONE;
        struct err err = first_in(tx, lane, unwritable, &found, &entrant.row);
        if (err_failed(err) || !found) {
            return err;
        }
        count_entrant(&entrant);
        const struct run_part part = {
            .fn = open_part, .ctx = &entrant, .id = entrant.row.id, .io_unwritable = &unwritable};
        err = runs__try(tx, &part, opening->freed, &end);
        /* Where the limit is gone, who asks again does not find this lane any more: nobody would go
         * on with it. So all who have begun are let go at once. */
        bool over = end == RUN_PART_DONE && (entrant.later || (entrant.begun && limited));
        if (err_failed(err) || over || end == RUN_PART_WAITS) {
            return err;
        }
        shut = end == RUN_PART_DONE && entrant.shut;
    }
    return stay_shut(tx, lane, opening);
}

/* --- Freeing ---------------------------------------------------------------------------------- */

struct err budget__free_lane(struct tx *tx, int64_t lane, struct run_freed *freed) {
    for (size_t i = 0; i < freed->budget_count; i++) {
        if (freed->budgets[i] == lane) {
            return ERR_OK;
        }
    }
    if (freed->budget_count == freed->budget_size) {
        size_t size = freed->budget_size == 0 ? 8 : freed->budget_size * 2;
        int64_t *budgets = arena_try(tx_arena(tx), size * sizeof *budgets);
        if (budgets == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "budget: freed");
        }
        for (size_t i = 0; i < freed->budget_count; i++) {
            budgets[i] = freed->budgets[i];
        }
        freed->budgets = budgets;
        freed->budget_size = size;
    }
    freed->budgets[freed->budget_count++] = lane;
    return ERR_OK;
}

struct err budget__free(struct tx *tx, const struct budget__places *places,
                        struct run_freed *freed) {
    struct err err = ERR_OK;
    for (size_t n = 0; n < places->count; n++) {
        for (unsigned i = 0; i < AMOUNT_COUNT && !err_failed(err); i++) {
            if (places->nodes[n].limits.of[i] < AMOUNT_MAX) {
                err =
                    budget__free_lane(tx, budget__lane(places->rows[n].id, (enum amount)i), freed);
            }
        }
    }
    return err;
}
