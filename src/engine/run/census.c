/* census.c: reads of all runs: recovery, the census. Lists: list.c. */
#include <string.h>

#include "base/memory.h"
#include "engine/run/rows.h"
#include "engine/trace/spans.h"

/* A page ends by its bytes, too, and then the walk with it; this is not an error of the store. */
struct err tx_run_recover(struct tx *tx, int64_t after, int64_t limit,
                          struct run_recovered *ret_recovered) {
    struct run_recovered recovered = {.last = 0};
    int64_t count = 0, *damaged = arena_try(tx_arena(tx), (size_t)limit * sizeof *damaged);
    size_t bytes = 0;
    if (damaged == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: recover");
    }
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT " RUN_COLUMNS " FROM runs WHERE id > $1"
                                " AND ended_ms IS NULL ORDER BY id LIMIT $2",
                                ARGS(arg_int(after), arg_int(limit)));
    bool more = true;
    while (bytes <= RUN_BYTES_TURN && (more = rows_step(rows))) {
        struct run_row row;
        count++;
        recovered.last = rows_int(rows, RUN_COLUMN_ID);
        if (!err_failed(runs__borrow(rows, RUN_WHOLE, &row))) {
            bytes += row.spec.len;
            tx_fail(tx, runs__tell(tx, &row));
            continue;
        }
        struct bytes run = rows_text(rows, RUN_COLUMN_RUN);
        damaged[recovered.unreadable] = recovered.last;
        if (recovered.unreadable++ == 0 && run.len < sizeof recovered.first.text) {
            memcpy(recovered.first.text, run.data, run.len);
        }
    }
    rows_release(&rows);
    for (int64_t i = 0; i < recovered.unreadable; i++) {
        tx_fail(tx, runs__end_damaged(tx, damaged[i]));
    }
    if (!more && count < limit) {
        recovered.last = 0;
    }
    *ret_recovered = recovered;
    return tx_error(tx);
}

/* Queued runs may be many, so the index alone counts them. The oldest has the lowest id. */
struct err tx_run_census(struct tx *tx, struct run_census *ret_census) {
    struct run_census census = {.oldest_queued_ms = 0};
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT count(*), COALESCE(min(id), 0) FROM runs"
                               " WHERE ended_ms IS NULL AND gate <> ''",
                               NO_ARGS);
    if (rows != NULL) {
        census.states[RUN_QUEUED] = rows_int(rows, 0);
        census.oldest_queued_ms = tx_number(tx, "SELECT made_ms FROM runs WHERE id = $1",
                                            ARGS(arg_int(rows_int(rows, 1))), /* absent */ 0);
    }
    rows_release(&rows);
    rows = tx_rows(tx,
                   "SELECT state, count(*) FROM runs WHERE ended_ms IS NULL"
                   " AND gate = '' GROUP BY state",
                   NO_ARGS);
    while (rows_step(rows)) {
        enum run_state state;
        if (run_state_find(rows_text(rows, 0), &state)) { /* Else those rows are damaged. */
            census.states[state] = rows_int(rows, 1);
        }
    }
    rows_release(&rows);
    tx_fail(tx, tx_span_disk(tx, &census.kept_bytes));
    rows = tx_row(tx,
                  "SELECT (SELECT count(*) FROM budgets),"
                  " (SELECT count(*) FROM runs WHERE lane <> 0 AND ended_ms IS NULL)",
                  NO_ARGS);
    if (rows != NULL) {
        census.budgets = rows_int(rows, 0);
        census.waiting_for_budget = rows_int(rows, 1);
    }
    *ret_census = census;
    return tx_error(tx);
}
