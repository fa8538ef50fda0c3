/* resize.c: a terminal's new size, for the process that has it now. Nothing is stored: whoever
 * attaches says its size anyway. */
#include <string.h>

#include "api/base/op.h"
#include "api/run/runs.h"
#include "base/json/json.h"
#include "base/memory.h"

struct resize_op {
    struct op op;
    struct runs_api *api;
    struct run_key key; /* Borrowed from the exchange. */
    int64_t rows, columns;
    struct run_bounds bounds;
};

/* Only whose job it is, is asked of the store. */
static struct err resize_run(struct tx *tx, void *ctx) {
    struct resize_op *resize = ctx;
    op_restart(&resize->op);
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find(tx, &resize->key, &found, &row);
    if (!err_failed(err) && (!found || row.kind != KIND_JOB)) {
        return runs__absent(&resize->op.why);
    }
    return err_failed(err) ? err : tx_run_check_here(tx, &row, &resize->bounds, &resize->op.why);
}

static void resize_done(struct err result, void *ctx) {
    struct resize_op *resize = ctx;
    if (!err_failed(result)) {
        result = dispatch_resize(resize->api->dispatch, resize->key.run, (unsigned)resize->rows,
                                 (unsigned)resize->columns);
        if (result.code == ERR_NOT_FOUND) {
            why_set(&resize->op.why, "the job has no process at the moment");
            result = err_make(ERR_CONFLICT, "jobs: resize");
        }
        text_addf(&resize->op.answer, "{\"rows\":%lld,\"columns\":%lld}", (long long)resize->rows,
                  (long long)resize->columns);
    }
    op_answer(&resize->op, result);
    mem_free(resize);
}

void jobs__resize(struct exchange *exchange, void *ctx) {
    struct runs_api *api = ctx;
    struct run_key key;
    if (!runs__key(exchange, RUN_OWNER, &key)) {
        return;
    }
    struct why why = {.text = ""};
    int64_t rows = 0, columns = 0;
    const struct json_field fields[] = {
        {.name = "rows",
         .kind = JSON_KIND_INT,
         .required = true,
         .min = 1,
         .max = TERMINAL_SIDE_MAX,
         .number = &rows},
        {.name = "columns",
         .kind = JSON_KIND_INT,
         .required = true,
         .min = 1,
         .max = TERMINAL_SIDE_MAX,
         .number = &columns},
    };
    struct err err = json_read_fields(exchange_json(exchange), fields, COUNT_OF(fields), &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    struct resize_op *resize = mem_new(sizeof *resize);
    op_init(&resize->op, exchange, 200);
    resize->api = api;
    resize->key = key;
    resize->bounds = dispatch_bounds(api->dispatch);
    resize->rows = rows;
    resize->columns = columns;
    store_read(api->store, resize_run, resize_done, resize);
}
