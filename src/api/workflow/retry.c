/* retry.c: a run that ended badly is tried again, as a new run with the same spec: a job; a
 * workflow or a flow, with the results that it has; the turn with which a subagent began.
 *
 *   look (which kind it is) ──workflow, flow──> its script is made ready ──> submitted
 *     └──────────────────── any other ───────────────────────────────────────^
 */
#include "api/run/receivers.h"
#include "api/run/runs.h"
#include "api/workflow/runs.h"
#include "base/json/json.h"
#include "dispatch/flow/start.h"
#include "dispatch/workflow/start.h"
#include "engine/flow/flows.h"
#include "engine/job/again.h"
#include "engine/run/inside.h"
#include "engine/turn/subagents.h"

struct retry_op {
    struct request request;
    struct workflow_start start; /* Start of a workflow; borrows from the next two. */
    json_t *asked, *spec;        /* Owned: the request as one for a workflow; the run's spec. */
    struct flow_start flow;      /* Start of a flow; borrows from the next. */
    char id[ID_SIZE];
    enum run_kind kind;
    struct id run, answer;
};

/* --- What can be tried again ------------------------------------------------------------------ */

static struct err retry_judge(const struct run_row *row, struct why *why) {
    if (!run_state_final(row->state)) {
        return err_why(why, ERR_RUN_ALIVE, "the run has not ended: it is %s",
                       run_state_name(row->state));
    }
    if (row->state == RUN_SUCCEEDED) {
        return err_why(why, ERR_CONFLICT, "the run succeeded: there is nothing to try again");
    }
    if (run_kind_is(row->kind, RUN_IS_STEP)) {
        return err_why(why, ERR_CONFLICT, "an agent is tried again with its workflow: retry %.*s",
                       (int)row->parent_run.len, row->parent_run.data);
    }
    if (row->parent != 0) {
        return err_why(why, ERR_CONFLICT,
                       "the run belongs to another one, %.*s, and is no work "
                       "of its own",
                       (int)row->parent_run.len, row->parent_run.data);
    }
    if (!run_kind_is(row->kind, RUN_HAS_PROCESS | RUN_HAS_STEPS | RUN_HAS_GRAPH | RUN_IN_SESSION)) {
        return err_why(why, ERR_CONFLICT, "a run of kind %s cannot be tried again",
                       run_kind_name(row->kind));
    }
    return ERR_OK;
}

static struct err retry_look(struct tx *tx, void *ctx) {
    struct retry_op *retry = ctx;
    struct run_row row;
    op_restart(&retry->request.op);
    struct err err = request_run_whole(tx, &retry->request, &row);
    err = err_failed(err) ? err : retry_judge(&row, &retry->request.op.why);
    if (err_failed(err)) {
        return err;
    }
    retry->kind = row.kind;
    memcpy(retry->id, row.run.data, row.run.len < sizeof retry->id ? row.run.len : 0);
    json_decref(retry->spec);
    retry->spec = NULL;
    return run_kind_is(row.kind, RUN_HAS_STEPS | RUN_HAS_GRAPH)
               ? json_parse_wrapped(row.spec, &retry->spec, NULL)
               : ERR_OK;
}

/* --- A workflow is made ready ----------------------------------------------------------------- */

static void retry_prepared(struct workflow_start *start, struct err err) {
    struct retry_op *retry = CONTAINER_OF(start, struct retry_op, start);
    if (!err_failed(err) && start->invalid) {
        err = err_make(ERR_CONFLICT, "workflows: the script is none any more");
    }
    if (err_failed(err)) {
        retry->request.op.why = start->why;
    }
    request_go(&retry->request, err);
}

static struct err workflow_prepare(struct retry_op *retry) {
    struct why *why = &retry->request.op.why;
    struct workflow_spec *spec = &retry->start.spec;
    retry->asked = json_object();
    if (json_object_set_new(retry->asked, "resumeFromRunId", json_string(retry->id)) != 0) {
        return err_make(ERR_OUT_OF_MEMORY, "workflows: retry");
    }
    TRY(workflow_spec_read(retry->asked, WORKFLOW_SOURCE_INSIDE, spec, why));
    spec->notify = json_object_get(retry->spec, "notify");
    struct err err = receivers_check(retry->request.dispatch, spec->notify, why);
    retry->start.owner = exchange_identity(retry->request.op.exchange)->owner;
    retry->start.done = retry_prepared;
    return err;
}

/* --- A flow is made ready --------------------------------------------------------------------- */

static void flow_prepared(struct flow_start *start, struct err err) {
    struct retry_op *retry = CONTAINER_OF(start, struct retry_op, flow);
    if (err_failed(err)) {
        retry->request.op.why = start->why;
    }
    request_go(&retry->request, err);
}

static struct err flow_prepare(struct retry_op *retry) {
    struct flow_spec *spec = &retry->flow.spec;
    spec->notify = json_object_get(retry->spec, "notify");
    retry->flow.owner = exchange_identity(retry->request.op.exchange)->owner;
    spec->resume = retry->id;
    retry->flow.done = flow_prepared;
    return receivers_check(retry->request.dispatch, spec->notify, &retry->request.op.why);
}

static void retry_looked(struct err result, void *ctx) {
    struct retry_op *retry = ctx;
    const bool is_workflow = run_kind_is(retry->kind, RUN_HAS_STEPS);
    const bool is_flow = run_kind_is(retry->kind, RUN_HAS_GRAPH);
    if (!err_failed(result)) {
        result = is_workflow ? workflow_prepare(retry) : is_flow ? flow_prepare(retry) : ERR_OK;
    }
    if (err_failed(result)) {
        request_go(&retry->request, result);
    } else if (is_workflow) {
        workflow_start_begin(&retry->start);
    } else if (is_flow) {
        flow_start_begin(&retry->flow);
    } else {
        request_go(&retry->request, ERR_OK);
    }
}

static struct err retry_start(void *ctx) {
    struct retry_op *retry = ctx;
    const struct workflow_runs_api *api = retry->request.api;
    workflow_start_init(&retry->start, api->workflows);
    flow_start_init(&retry->flow, api->flows);
    retry->run = request_new_id(&retry->request, "run");
    retry->answer = request_new_id(&retry->request, "msg");
    store_read(retry->request.store, retry_look, retry_looked, retry);
    return ERR_OK;
}

/* --- Tried again ------------------------------------------------------------------------------ */

static struct err prepared_submit(struct tx *tx, struct retry_op *retry, const struct run_row *row,
                                  struct run_row *ret_row) {
    const char *inside = exchange_identity(retry->request.op.exchange)->inside;
    struct why *why = &retry->request.op.why;
    struct workflow_new workflow = retry->start.what;
    struct flow_new flow = retry->flow.what;
    const bool is_flow = run_kind_is(row->kind, RUN_HAS_GRAPH);
    struct run_new *run = is_flow ? &flow.run : &workflow.run;
    run->bounds = retry->request.bounds;
    struct err err = tx_inside_budget(tx, inside, run);
    if (!err_failed(err)) {
        err = is_flow ? tx_flow_again(tx, row, &flow, ret_row, why)
                      : tx_workflow_again(tx, row, &workflow, ret_row, why);
    }
    return err_failed(err) ? err : tx_inside_mark_run(tx, inside, ret_row->id);
}

static struct err retry_work(struct tx *tx, void *ctx) {
    struct retry_op *retry = ctx;
    struct request *request = &retry->request;
    struct why *why = &request->op.why;
    struct run_row row, again;
    struct err err = request_run_whole(tx, request, &row);
    err = err_failed(err) ? err : retry_judge(&row, why);
    if (err_failed(err)) {
        return err;
    }
    const struct job_again job = {.job = &row,
                                  .inside = exchange_identity(request->op.exchange)->inside,
                                  .run = retry->run,
                                  .bounds = request->bounds};
    const struct subagent_again turn = {
        .turn = &row, .run = retry->run, .answer = retry->answer, .bounds = request->bounds};
    const bool prepared = run_kind_is(row.kind, RUN_HAS_STEPS | RUN_HAS_GRAPH);
    err = prepared                                 ? prepared_submit(tx, retry, &row, &again)
          : run_kind_is(row.kind, RUN_HAS_PROCESS) ? tx_job_again(tx, &job, &again, why)
                                                   : tx_subagent_again(tx, &turn, &again, why);
    if (!err_failed(err)) {
        run_write_shown(tx, &again, &request->bounds, &request->op.answer);
        request->about = again.run;
    }
    return err;
}

static void retry_end(void *ctx, struct err result) {
    struct retry_op *retry = ctx;
    workflow_start_free(&retry->start);
    flow_start_free(&retry->flow);
    json_decref(retry->asked);
    json_decref(retry->spec);
}

const struct request_kind workflows__retry = {
    .size = sizeof(struct retry_op),
    .writes = true,
    .later = true,
    .one = &runs__one,
    .start = retry_start,
    .work = retry_work,
    .end = retry_end,
};
