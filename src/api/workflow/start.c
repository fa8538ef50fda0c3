/* start.c: a workflow from outside, made a run, whose answer means that it is on disk; or what one
 * would do: it is found, read and judged all the same, no row is written, and nobody is asked.
 *
 * A script that is none is told in the answer, as those who call this as a tool expect it, and
 * nothing begins. */
#include "dispatch/workflow/start.h"
#include "api/session/sessions.h"
#include "api/workflow/runs.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/workflow/spec.h"

enum { PLAN_MAX = 4 << 20 };

struct start_op {
    struct request request;
    struct flow_start start; /* Its spec borrows from the exchange, */
    char *name;              /* Owned: and from this, of the path; NULL: none. */
};

/* --- The body --------------------------------------------------------------------------------- */

/* They become those of sessions, so they are held to the same. */
static struct err settings_check(const struct workflow_spec *spec, struct why *why) {
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

static struct err spec_read(struct start_op *op, enum workflow_source source) {
    const struct workflow_runs_api *api = op->request.api;
    struct why *why = &op->request.op.why;
    AUTO(json_release) json_t *empty = json_object();
    const json_t *json = exchange_json(op->request.op.exchange);
    flow_start_init(&op->start, api->flows);
    struct err err = workflow_spec_read(json == NULL ? empty : json, source, &op->start.spec, why);
    return err_failed(err) ? err : settings_check(&op->start.spec, why);
}

static struct err start_read(void *op) {
    return spec_read(op, WORKFLOW_SOURCE_INSIDE);
}

static struct err start_named_read(void *ctx) {
    struct start_op *op = ctx;
    struct bytes name = exchange_param(op->request.op.exchange, 0);
    struct err err = spec_read(op, WORKFLOW_SOURCE_OUTSIDE);
    op->name = mem_copy(name.data, name.len);
    op->start.spec.name = op->name;
    return err;
}

/* --- A start ---------------------------------------------------------------------------------- */

static void start_prepared(struct flow_start *start, struct err err) {
    struct start_op *op = CONTAINER_OF(start, struct start_op, start);
    exchange_release_next(op->request.op.exchange);
    if (err_failed(err)) {
        op->request.op.why = start->why;
        request_answer(&op->request, err);
    } else if (start->invalid) {
        flow_start_write(start, &op->request.op.answer);
        request_answer(&op->request, ERR_OK);
    } else {
        start->what.run.bounds = dispatch_bounds(op->request.dispatch);
        request_go(&op->request, ERR_OK);
    }
}

static struct err start_begin(void *ctx) {
    struct start_op *op = ctx;
    op->start.owner = exchange_identity(op->request.op.exchange)->owner;
    op->start.done = start_prepared;
    exchange_hold_next(op->request.op.exchange); /* Runs of one client begin in its order. */
    flow_start_begin(&op->start);
    return ERR_OK;
}

static struct err start_work(struct tx *tx, void *ctx) {
    struct start_op *op = ctx;
    struct run_row row;
    struct err err = tx_workflow_submit(tx, &op->start.what, &row, &op->request.op.why);
    if (!err_failed(err)) {
        flow_start_tell(&op->start, &row, &op->request.op.answer);
        op->request.about = row.run;
    }
    return err;
}

static void start_end(void *ctx, struct err result) {
    struct start_op *op = ctx;
    flow_start_free(&op->start);
    mem_free(op->name);
}

#define START(read_)                                                                               \
    {                                                                                              \
        .size = sizeof(struct start_op), .writes = true, .later = true, .read = (read_),           \
        .start = start_begin, .work = start_work, .end = start_end                                 \
    }
const struct request_kind workflow_runs__start = START(start_read);
const struct request_kind workflow_runs__start_named = START(start_named_read);

/* --- A plan ----------------------------------------------------------------------------------- */

static void plan_prepared(struct flow_start *start, struct err err) {
    struct start_op *op = CONTAINER_OF(start, struct start_op, start);
    if (err_failed(err)) {
        op->request.op.why = start->why;
    } else {
        flow_start_write_plan(start, &op->request.op.answer);
    }
    request_answer(&op->request, err);
}

static struct err plan_begin(void *ctx) {
    struct start_op *op = ctx;
    text_init(&op->start.started, PLAN_MAX);
    op->start.plans = true;
    op->start.owner = exchange_identity(op->request.op.exchange)->owner;
    op->start.done = plan_prepared;
    flow_start_begin(&op->start);
    return ERR_OK;
}

const struct request_kind workflow_runs__plan = {
    .size = sizeof(struct start_op),
    .later = true,
    .read = start_read,
    .start = plan_begin,
    .end = start_end,
};
