/* forecast.c: what a release will do to jobs that began elsewhere. Whoever holds a copy shall
 * know it before: the original may live, and what begins again runs beside it.
 *
 * The verdict is that of the dispatcher when it finds such a row (dispatch/job/decide.c): no look
 * at a folder, ATTEMPT_HOST_GONE.
 */
#include <string.h>

#include "base/json/json.h"
#include "engine/job/spec.h"
#include "engine/run/rows.h"

/* What cannot be read leaves the default, as with the dispatcher: no further attempt. */
struct retry_policy runs__retry_policy(const struct run_row *row) {
    static const char word[] = "\"retry\"";
    struct job_spec spec = {.argv = NULL};
    AUTO(json_release) json_t *json = NULL;
    if (memmem(row->spec.data, row->spec.len, word, sizeof word - 1) == NULL ||
        err_failed(json_parse_wrapped(row->spec, &json, NULL)) ||
        err_failed(job_spec_read(json, &spec, NULL))) {
        return (struct retry_policy){.max = 0};
    }
    return spec.retry;
}

static bool begins_again(const struct run_row *row) {
    const struct retry_policy policy = runs__retry_policy(row);
    const struct attempt gone = {.end = ATTEMPT_HOST_GONE};
    return run_judge(row, &policy, &gone, 0 /* how long it waits is not asked */).state ==
           RUN_QUEUED;
}

struct err tx_run_forecast(struct tx *tx, const struct run_forecast_page *page,
                           struct err (*again)(void *ctx, const struct run_row *row), void *ctx,
                           struct run_forecast *ret_forecast) {
    static const char sql[] = "SELECT " RUN_COLUMNS " FROM runs WHERE ended_ms IS NULL"
                              " AND gate = '' AND kind = 'job' AND id > $1 ORDER BY id LIMIT $2";
    const struct arg args[] = {arg_int(page->after), arg_int(page->limit)};
    struct run_forecast forecast = {.lost = 0};
    int64_t count = 0;
    size_t bytes = 0;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool more = !err_failed(err);
    while (!err_failed(err) && more && bytes <= RUN_BYTES_TURN) {
        struct run_row row;
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        count++;
        forecast.last = rows_int(rows, RUN_COLUMN_ID);
        err = runs__borrow(rows, RUN_WHOLE, &row);
        if (err.code == ERR_STORE_CORRUPT) { /* A release asks it to end. */
            err = ERR_OK;
            continue;
        }
        if (err_failed(err)) {
            break;
        }
        bytes += row.spec.len;
        if (run_is_foreign(&row, page->host)) {
            forecast.lost++;
            if (begins_again(&row)) {
                forecast.again++;
                err = again(ctx, &row);
            }
        }
    }
    if (!err_failed(err)) {
        forecast.last = more || count == page->limit ? forecast.last : 0;
        *ret_forecast = forecast;
    }
    return err;
}
