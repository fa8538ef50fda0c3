/* local.c: see local.h. */
#include "engine/run/local.h"

#include "engine/run/rows.h"

struct err tx_run_here(struct tx *tx, struct bytes place, int64_t after,
                       struct run_here_page *ret_page) {
    int64_t seen = 0, last = 0;
    ret_page->count = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT id, run, attempt, stop, stop_grace_ms FROM runs"
                                " WHERE host = $1 AND id > $2 AND ended_ms IS NULL AND host <> ''"
                                " AND kind = 'job' AND state IN ('running', 'waiting')"
                                " ORDER BY id LIMIT $3",
                                ARGS(arg_text(place), arg_int(after), arg_int(RUN_HERE_PAGE)));
    while (rows_step(rows)) {
        struct bytes run = rows_text(rows, 1);
        seen++;
        last = rows_int(rows, 0);
        if (run.len < ID_SIZE) { /* Else it names no folder. */
            ret_page->runs[ret_page->count++] =
                (struct run_here){.run = id_copy(run),
                                  .attempt = rows_int(rows, 2),
                                  .stop = rows_text(rows, 3).len > 0,
                                  .stop_grace_ms = rows_int(rows, 4)};
        }
    }
    ret_page->last = seen == RUN_HERE_PAGE ? last : 0;
    return tx_error(tx);
}

/* False: not found, or not readable. */
static bool here_find(struct tx *tx, const struct run_here *here, enum run_form form,
                      struct run_row *ret_row) {
    const struct run_key key = {.run = bytes_of(here->run.text)};
    bool found = false;
    struct err err = form == RUN_WHOLE ? tx_run_find(tx, &key, &found, ret_row)
                                       : runs__find_light(tx, key.run, &found, ret_row);
    if (err.code != ERR_STORE_CORRUPT) {
        tx_fail(tx, err);
    }
    return found;
}

static bool here_lives(const struct run_row *row, const struct run_here *here) {
    return run_lives(row) && row->attempt == here->attempt;
}

struct err tx_run_here_tell(struct tx *tx, struct bytes place, const struct run_here *runs,
                            size_t count) {
    for (size_t i = 0; i < count && i < RUN_HERE_TELL_MAX && (i == 0 || !runs__page_full(tx));
         i++) {
        struct run_row row;
        if (here_find(tx, &runs[i], RUN_WHOLE, &row) && here_lives(&row, &runs[i]) &&
            bytes_equal(row.host, place)) {
            tx_fail(tx, runs__tell(tx, &row));
        }
    }
    return tx_error(tx);
}

struct err tx_run_here_moved(struct tx *tx, const struct run_here *runs, size_t count,
                             bool *ret_moved) {
    for (size_t i = 0; i < count; i++) {
        struct run_row row;
        ret_moved[i] = here_find(tx, &runs[i], RUN_LIGHT, &row) && runs[i].attempt <= row.attempt &&
                       !here_lives(&row, &runs[i]);
    }
    return tx_error(tx);
}
