/* start.c: a workflow from outside, made a run. The answer means that it is on disk.
 *
 * A script that is none is told in the answer, as those who call this as a tool expect it, and
 * nothing begins. */
#include <string.h>

#include "api/base/once.h"
#include "api/base/op.h"
#include "api/session/sessions.h"
#include "api/workflow/runs.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/workflow/start.h"
#include "engine/session/sessions.h"
#include "engine/workflow/spec.h"

struct start_op {
    struct op op;
    struct once once;
    struct workflow_runs_api *api; /* Borrowed. */
    struct flow_start start;       /* Its spec borrows from the exchange, */
    char *name;                    /* Owned: and from this, of the path; NULL: none. */
};

static void finish(struct start_op *op, struct err err) {
    op_answer(&op->op, err);
    flow_start_free(&op->start);
    mem_free(op->name);
    mem_free(op);
}

/* --- The transaction -------------------------------------------------------------------------- */

static struct err start_tx(struct tx *tx, void *ctx) {
    struct start_op *op = ctx;
    struct run_row row;
    struct err err = tx_workflow_submit(tx, &op->start.what, &row, &op->op.why);
    if (err_failed(err)) {
        return err;
    }
    flow_start_tell(&op->start, &row, &op->op.answer);
    op->once.about = row.run;
    return op_written(&op->op);
}

static struct err start_run(struct tx *tx, void *ctx) {
    struct start_op *op = ctx;
    return once_run(tx, &op->once, &op->op, start_tx, op);
}

static void start_done(struct err result, void *ctx) {
    struct start_op *op = ctx;
    once_tell(&op->once, &op->op, result);
    finish(op, result);
}

static void prepared(struct flow_start *start, struct err err) {
    struct start_op *op = CONTAINER_OF(start, struct start_op, start);
    exchange_release_next(op->op.exchange);
    if (err_failed(err)) {
        op->op.why = start->why;
        finish(op, err);
    } else if (start->invalid) {
        flow_start_write(start, &op->op.answer);
        finish(op, ERR_OK);
    } else {
        start->what.run.bounds = dispatch_bounds(op->api->dispatch);
        store_write(op->api->store, start_run, start_done, op);
    }
}

/* --- The request ------------------------------------------------------------------------------ */

/* They become those of sessions, so they are held to the same. */
struct err workflow_runs__settings(const struct workflow_spec *spec, struct why *why) {
    AUTO(text_done) struct text text;
    text_init(&text, SESSION_SETTINGS_MAX - 1024); /* Names of tools come to them. */
    struct err err = session_settings_check(spec->settings, why);
    if (!err_failed(err) && spec->settings != NULL &&
        err_failed(json_write(spec->settings, &text))) {
        why_set(why, "settings: more than %zu bytes as compact JSON", text.size_max);
        err = err_make(ERR_BAD_FIELD, "workflows: settings");
    }
    return err;
}

static struct err read_spec(struct exchange *exchange, enum workflow_source source,
                            struct start_op *op) {
    AUTO(json_release) json_t *empty = NULL;
    const json_t *json = exchange_json(exchange);
    if (json == NULL) {
        empty = json_object();
        json = empty;
    }
    struct err err = workflow_spec_read(json, source, &op->start.spec, &op->op.why);
    if (!err_failed(err)) {
        err = workflow_runs__settings(&op->start.spec, &op->op.why);
    }
    if (!err_failed(err) && op->name != NULL) {
        op->start.spec.name = op->name;
    }
    return err_failed(err) ? err : once_read(exchange, &op->once, &op->op.why);
}

static void begin(struct exchange *exchange, struct workflow_runs_api *api,
                  enum workflow_source source, char *name) {
    struct start_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 201);
    flow_start_init(&op->start, api->flows);
    op->api = api;
    op->name = name;
    op->start.owner = exchange_identity(exchange)->owner;
    op->start.done = prepared;
    struct err err = read_spec(exchange, source, op);
    if (err_failed(err)) {
        finish(op, err);
        return;
    }
    exchange_hold_next(exchange); /* Runs of one client begin in its order. */
    flow_start_begin(&op->start);
}

void workflow_runs__start(struct exchange *exchange, void *ctx) {
    begin(exchange, ctx, WORKFLOW_SOURCE_INSIDE, NULL /* it stands in the body */);
}

void workflow_runs__start_named(struct exchange *exchange, void *ctx) {
    struct bytes name = exchange_param(exchange, 0);
    begin(exchange, ctx, WORKFLOW_SOURCE_OUTSIDE, mem_copy(name.data, name.len));
}
