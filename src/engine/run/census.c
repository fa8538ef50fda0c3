/* census.c: reads of all runs: recovery, the census. Lists: run_page.c. */
#include <string.h>

#include "base/memory.h"
#include "engine/run/rows.h"

#include "engine/trace/spans.h"

/* --- Recovery --------------------------------------------------------------------------------- */

struct recovery {
    struct tx *tx;
    int64_t count;
    struct run_recovered said;
    int64_t *damaged; /* In the transaction's arena: ids, said.unreadable of them. */
    size_t bytes;
};

/* A page ends by its bytes, too, and then the walk with it; this is not an error of the store. */
static struct err recover_one(struct recovery *recovery, const struct run_row *row) {
    recovery->bytes += row->spec.len;
    return runs__tell(recovery->tx, row);
}

static void recover_without(struct recovery *recovery, const struct rows *rows) {
    struct bytes run = rows_text(rows, RUN_COLUMN_RUN);
    struct id *first = &recovery->said.first;
    recovery->damaged[recovery->said.unreadable] = rows_int(rows, RUN_COLUMN_ID);
    if (recovery->said.unreadable++ == 0 && run.len < sizeof first->text) {
        memcpy(first->text, run.data, run.len);
    }
}

static struct err recover_page(struct recovery *recovery, const struct run_ask *ask,
                               bool *ret_more) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(recovery->tx, ask->sql, ask->args, ask->count, &rows);
    bool more = true;
    while (!err_failed(err) && recovery->bytes <= RUN_BYTES_TURN) {
        struct run_row row;
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        recovery->count++;
        recovery->said.last = rows_int(rows, RUN_COLUMN_ID);
        err = runs__borrow(rows, RUN_WHOLE, &row);
        if (err.code == ERR_STORE_CORRUPT) {
            recover_without(recovery, rows);
            err = ERR_OK;
        } else if (!err_failed(err)) {
            err = recover_one(recovery, &row);
        }
    }
    *ret_more = more;
    return err;
}

struct err tx_run_recover(struct tx *tx, int64_t after, int64_t limit,
                          struct run_recovered *ret_recovered) {
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM runs WHERE id > $1"
                              " AND ended_ms IS NULL ORDER BY id LIMIT $2";
    const struct arg args[] = {arg_int(after), arg_int(limit)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    struct recovery recovery = {
        .tx = tx, .damaged = arena_try(tx_arena(tx), (size_t)limit * sizeof *recovery.damaged)};
    if (recovery.damaged == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: recover");
    }
    bool more = true;
    struct err err = recover_page(&recovery, &ask, &more);
    for (int64_t i = 0; !err_failed(err) && i < recovery.said.unreadable; i++) {
        err = runs__end_damaged(tx, recovery.damaged[i]);
    }
    if (!err_failed(err)) {
        if (!more && recovery.count < limit) {
            recovery.said.last = 0;
        }
        *ret_recovered = recovery.said;
    }
    return err;
}

/* --- The census ------------------------------------------------------------------------------- */

/* Queued runs may be many, so the index alone counts them. The oldest has the lowest id. */
static struct err count_queued(struct tx *tx, struct run_census *census) {
    static const char sql[] = "SELECT count(*), COALESCE(min(id), 0) FROM runs"
                              " WHERE ended_ms IS NULL AND gate <> ''";
    static const char made_sql[] = "SELECT made_ms FROM runs WHERE id = $1";
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, NULL /* no argument */, 0, &rows);
    if (err_failed(err) || rows == NULL) {
        return err;
    }
    census->states[RUN_QUEUED] = rows_int(rows, 0);
    const struct arg args[] = {arg_int(rows_int(rows, 1))};
    const struct run_ask ask = {.sql = made_sql, .args = args, .count = COUNT_OF(args)};
    return runs__int(tx, &ask, &census->oldest_queued_ms);
}

static struct err count_running(struct tx *tx, struct run_census *census) {
    static const char sql[] = "SELECT state, count(*) FROM runs WHERE ended_ms IS NULL"
                              " AND gate = '' GROUP BY state";
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, NULL /* no argument */, 0, &rows);
    bool more = true;
    while (!err_failed(err)) {
        enum run_state state;
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        if (run_state_find(rows_text(rows, 0), &state)) { /* Else those rows are damaged. */
            census->states[state] = rows_int(rows, 1);
        }
    }
    return err;
}

static struct err count_budgets(struct tx *tx, struct run_census *census) {
    static const char sql[] = "SELECT (SELECT count(*) FROM budgets),"
                              " (SELECT count(*) FROM runs WHERE lane <> 0 AND ended_ms IS NULL)";
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, NULL /* no argument */, 0, &rows);
    if (!err_failed(err)) {
        census->budgets = rows_int(rows, 0);
        census->waiting_for_budget = rows_int(rows, 1);
    }
    return err;
}

struct err tx_run_census(struct tx *tx, struct run_census *ret_census) {
    struct run_census census = {.oldest_queued_ms = 0};
    struct err err = count_queued(tx, &census);
    if (!err_failed(err)) {
        err = count_running(tx, &census);
    }
    if (!err_failed(err)) {
        err = tx_span_disk(tx, &census.kept_bytes);
    }
    if (!err_failed(err)) {
        err = count_budgets(tx, &census);
    }
    if (!err_failed(err)) {
        *ret_census = census;
    }
    return err;
}
