/* plan.c: what a workflow would do. It is found, read and judged as for a start; no row is
 * written, and nobody is asked. */
#include "api/base/op.h"
#include "api/workflow/runs.h"
#include "base/memory.h"
#include "dispatch/workflow/start.h"

enum { PLAN_MAX = 4 << 20 };

struct plan_op {
    struct op op;
    struct flow_start start; /* Its spec borrows from the exchange. */
};

static void finish(struct plan_op *plan, struct err err) {
    op_answer(&plan->op, err);
    flow_start_free(&plan->start);
    mem_free(plan);
}

static void prepared(struct flow_start *start, struct err err) {
    struct plan_op *plan = CONTAINER_OF(start, struct plan_op, start);
    if (err_failed(err)) {
        plan->op.why = start->why;
    } else {
        flow_start_write_plan(start, &plan->op.answer);
    }
    finish(plan, err);
}

void workflow_runs__plan(struct exchange *exchange, void *ctx) {
    const struct workflow_runs_api *api = ctx;
    struct plan_op *plan = mem_new(sizeof *plan);
    op_init(&plan->op, exchange, 200);
    flow_start_init(&plan->start, api->flows);
    text_init(&plan->start.started, PLAN_MAX);
    plan->start.plans = true;
    plan->start.owner = exchange_identity(exchange)->owner;
    plan->start.done = prepared;
    struct workflow_spec *spec = &plan->start.spec;
    struct err err =
        workflow_spec_read(exchange_json(exchange), WORKFLOW_SOURCE_INSIDE, spec, &plan->op.why);
    if (!err_failed(err)) {
        err = workflow_runs__settings(spec, &plan->op.why);
    }
    if (err_failed(err)) {
        finish(plan, err);
    } else {
        flow_start_begin(&plan->start);
    }
}
