/* local.c: see run_here.h. */
#include "engine/run/local.h"

#include <string.h>

#include "engine/run/rows.h"

/* Of an id that is longer than ids are, nothing: it names no folder. */
static void run_here_add(const struct rows *rows, struct run_here_page *page) {
    struct bytes run = rows_text(rows, 1);
    struct run_here *here = &page->runs[page->count];
    if (run.len < sizeof here->run.text) {
        *here = (struct run_here){.attempt = rows_int(rows, 2),
                                  .stop = rows_text(rows, 3).len > 0,
                                  .stop_grace_ms = rows_int(rows, 4)};
        memcpy(here->run.text, run.data, run.len);
        page->count++;
    }
}

struct err tx_run_here(struct tx *tx, struct bytes place, int64_t after,
                       struct run_here_page *ret_page) {
    static const char sql[] = "SELECT id, run, attempt, stop, stop_grace_ms FROM runs"
                              " WHERE host = $1 AND id > $2 AND ended_ms IS NULL AND host <> ''"
                              " AND kind = 'job' AND state IN ('running', 'waiting')"
                              " ORDER BY id LIMIT $3";
    const struct arg args[] = {arg_text(place), arg_int(after), arg_int(RUN_HERE_PAGE)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    int64_t seen = 0, last = 0;
    ret_page->count = 0;
    while (rows_more(rows, &err)) {
        seen++;
        last = rows_int(rows, 0);
        run_here_add(rows, ret_page);
    }
    ret_page->last = seen == RUN_HERE_PAGE ? last : 0;
    return err;
}

static struct bytes run_here_id(const struct run_here *here) {
    return bytes_of(here->run.text);
}

/* Not found, or not readable: `ret_row` has no id. */
static struct err run_here_find(struct tx *tx, const struct run_here *here, enum run_form form,
                                struct run_row *ret_row) {
    const struct run_key key = {.run = run_here_id(here)};
    bool found = false;
    *ret_row = (struct run_row){.id = 0};
    struct err err = form == RUN_WHOLE ? tx_run_find(tx, &key, &found, ret_row)
                                       : runs__find_light(tx, key.run, &found, ret_row);
    if (err.code == ERR_STORE_CORRUPT || (!err_failed(err) && !found)) {
        *ret_row = (struct run_row){.id = 0};
        return ERR_OK;
    }
    return err;
}

static bool run_here_lives(const struct run_row *row, const struct run_here *here) {
    bool lives = row->state == RUN_RUNNING || row->state == RUN_WAITING;
    return lives && row->attempt == here->attempt;
}

static bool run_here_is(const struct run_row *row, const struct run_here *here,
                        struct bytes place) {
    return run_here_lives(row, here) && bytes_equal(row->host, place);
}

struct err tx_run_here_tell(struct tx *tx, struct bytes place, const struct run_here *runs,
                            size_t count) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && i < RUN_HERE_TELL_MAX && (i == 0 || !runs__page_full(tx));
         i++) {
        struct run_row row;
        err = run_here_find(tx, &runs[i], RUN_WHOLE, &row);
        if (!err_failed(err) && row.id != 0 && run_here_is(&row, &runs[i], place)) {
            err = runs__tell(tx, &row);
        }
        if (err_failed(err)) {
            break;
        }
    }
    return err;
}

struct err tx_run_here_moved(struct tx *tx, const struct run_here *runs, size_t count,
                             bool *ret_moved) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        struct run_row row;
        err = run_here_find(tx, &runs[i], RUN_LIGHT, &row);
        ret_moved[i] = !err_failed(err) && row.id != 0 && runs[i].attempt <= row.attempt &&
                       !run_here_lives(&row, &runs[i]);
    }
    return err;
}
