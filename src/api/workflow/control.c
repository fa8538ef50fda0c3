/* control.c: a workflow that runs is paused and goes on; an agent of it is asked anew. */
#include "api/base/op.h"
#include "api/run/runs.h"
#include "api/workflow/runs.h"
#include "base/memory.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/workflows.h"

/* What is asked for says all: a body may be there, and be empty. */
bool workflow_runs__key(struct exchange *exchange, struct run_key *ret_key) {
    const json_t *json = exchange_json(exchange);
    struct why why = {""};
    struct err err =
        json == NULL ? ERR_OK : json_read_fields(json, NULL /* none is known */, 0, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return false;
    }
    return runs__key(exchange, RUN_OWNER, ret_key);
}

struct pause_op {
    struct op op;
    struct run_key key; /* Borrowed from the exchange. */
    enum workflow_pause what;
    struct run_bounds bounds;
};

static struct err pause_run(struct tx *tx, void *ctx) {
    struct pause_op *pause = ctx;
    struct run_row row = {0};
    op_restart(&pause->op);
    struct err err = tx_workflow_pause(tx, &pause->key, pause->what, &row, &pause->op.why);
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(&pause->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &pause->bounds, &pause->op.answer);
    return op_written(&pause->op);
}

static void change(struct exchange *exchange, const struct workflow_runs_api *api,
                   enum workflow_pause what) {
    struct run_key key;
    if (!workflow_runs__key(exchange, &key)) {
        return;
    }
    struct pause_op *pause = mem_new(sizeof *pause);
    op_init(&pause->op, exchange, 200);
    pause->key = key;
    pause->what = what;
    pause->bounds = dispatch_bounds(api->dispatch);
    store_write(api->store, pause_run, op_done, pause);
}

void workflow_runs__pause(struct exchange *exchange, void *ctx) {
    change(exchange, ctx, WORKFLOW_PAUSE);
}

void workflow_runs__resume(struct exchange *exchange, void *ctx) {
    change(exchange, ctx, WORKFLOW_RESUME);
}

/* --- An agent --------------------------------------------------------------------------------- */

struct restart_op {
    struct op op;
    struct run_key key; /* Borrowed from the exchange. */
    struct run_bounds bounds;
};

static struct err restart_run(struct tx *tx, void *ctx) {
    struct restart_op *restart = ctx;
    struct run_row row = {0};
    op_restart(&restart->op);
    struct err err = tx_step_restart(tx, &restart->key, &restart->bounds, &row, &restart->op.why);
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(&restart->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &restart->bounds, &restart->op.answer);
    return op_written(&restart->op);
}

void workflow_runs__restart(struct exchange *exchange, void *ctx) {
    const struct workflow_runs_api *api = ctx;
    struct run_key key;
    if (!workflow_runs__key(exchange, &key)) {
        return;
    }
    struct restart_op *restart = mem_new(sizeof *restart);
    op_init(&restart->op, exchange, 200);
    restart->key = key;
    restart->bounds = dispatch_bounds(api->dispatch);
    store_write(api->store, restart_run, op_done, restart);
}
