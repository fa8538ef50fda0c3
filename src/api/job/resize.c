/* resize.c: a terminal's new size, for the process that has it now. Nothing is stored: whoever
 * attaches says its size anyway. */
#include "api/base/request.h"
#include "api/run/runs.h"

struct size {
    int64_t rows, columns;
};
#define SIDE(side)                                                                                 \
    .name = #side, .kind = FIELD_INT, .at = offsetof(struct size, side), .required = true,         \
    .use = FIELD_GIVEN | FIELD_LISTED, .min = 1, .max = TERMINAL_SIDE_MAX
static const struct field size_rows[] = {{SIDE(rows)}, {SIDE(columns)}};
const struct field_set jobs__size_fields = {FIELD_ROWS(size_rows)};

struct resize_op {
    struct request request;
    struct size size;
    struct run_bounds bounds;
};

static struct err resize_start(void *ctx) {
    struct resize_op *resize = ctx;
    const struct runs_api *api = resize->request.api;
    resize->bounds = dispatch_bounds(api->dispatch);
    return ERR_OK;
}

/* The store is asked only whose job it is. */
static struct err resize_work(struct tx *tx, void *ctx) {
    struct resize_op *resize = ctx;
    struct why *why = &resize->request.op.why;
    const struct run_key key = runs__key_of(&resize->request);
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (!err_failed(err) && (!found || row.kind != KIND_JOB)) {
        return runs__absent(why);
    }
    return err_failed(err) ? err : tx_run_check_here(tx, &row, &resize->bounds, why);
}

static enum request_next resize_done(void *ctx, struct err *io_result) {
    struct resize_op *resize = ctx;
    struct op *op = &resize->request.op;
    const struct runs_api *api = resize->request.api;
    if (!err_failed(*io_result)) {
        *io_result = dispatch_resize(api->dispatch, resize->request.key.id,
                                     (unsigned)resize->size.rows, (unsigned)resize->size.columns);
        if (io_result->code == ERR_NOT_FOUND) {
            why_set(&op->why, "the job has no process at the moment");
            *io_result = err_make(ERR_CONFLICT, "jobs: resize");
        }
        fields_write(&jobs__size_fields, FIELD_LISTED, &resize->size, &op->answer);
    }
    return REQUEST_ANSWER;
}

const struct request_kind jobs__resize = {
    .size = sizeof(struct resize_op),
    .one = &runs__one,
    .fields = &jobs__size_fields,
    .into = offsetof(struct resize_op, size),
    .start = resize_start,
    .work = resize_work,
    .done = resize_done,
};
