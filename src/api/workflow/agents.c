/* agents.c: workflows that run: the list of their agents, skip and restart of an agent, pause and
 * resume; and their routes. */
#include "api/base/page.h"
#include "api/run/runs.h"
#include "api/workflow/runs.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/workflows.h"
#include "rules/workflow/spec.h"

static struct err agent_row(void *ctx, const struct step_shown *step) {
    struct page *page = ctx;
    bool fits = page_is(page, "state", step->state) && page_holds(page, step->label);
    if (page_row_number(page, step->id, fits)) {
        text_add(&page->request.op.answer, step->json.data, step->json.len);
    }
    return ERR_OK;
}

static struct err agents_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct run_key key = runs__key_of(&page->request);
    struct run_row row = {0};
    bool found = false;
    struct err err = tx_run_find_shown(tx, &key, &found, &row);
    if (err_failed(err) || !found) {
        return request_absent(&page->request, err);
    }
    const struct step_list list = {.workflow = row.id,
                                   .after = part->from,
                                   .limit = part->limit,
                                   .whole = param_flag(page->request.op.exchange, "whole"),
                                   .hold = run_bounds_hold(&page->request.bounds)};
    return tx_step_each(tx, &list, agent_row, page);
}

static const struct page_kind agents = {.request = {.one = &runs__one}, .rows = agents_rows};

/* --- Changes: a body may be there, and has no members ----------------------------------------- */

static const struct field_set no_fields = {.rows = NULL, .use = FIELD_GIVEN};

/* Shows the run, unless it could not be changed. */
static struct err changed(struct tx *tx, struct request *request, const struct run_row *row,
                          struct err err) {
    if (!err_failed(err)) {
        run_write_shown(tx, row, &request->bounds, &request->op.answer);
    }
    return err;
}

static struct err skip_judge(const struct run_row *row, struct why *why) {
    if (row->kind != KIND_AGENT) {
        return err_why(why, ERR_CONFLICT,
                       "only agents of workflows are skipped; this is a %s: stop it",
                       run_kind_name(row->kind));
    }
    if (run_state_final(row->state)) {
        return err_why(why, ERR_STEP_ENDED,
                       "it is %s; run it again with 'drover run --resume %.*s --rerun %.*s'",
                       run_state_name(row->state), (int)row->parent_run.len, row->parent_run.data,
                       (int)row->run.len, row->run.data);
    }
    return ERR_OK;
}

static struct err skip_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct run_stop stop = {.key = runs__key_of(request),
                                  .cause = CAUSE_STOPPED,
                                  .grace_ms = RUN_STOP_GRACE_MS,
                                  .bounds = request->bounds};
    struct run_row row = {0};
    bool found = false, more = false;
    struct err err = tx_run_find(tx, &stop.key, &found, &row);
    if (err_failed(err) || !found) {
        return request_absent(request, err);
    }
    err = skip_judge(&row, &request->op.why);
    if (!err_failed(err)) {
        err = tx_run_stop(tx, &stop, &more, &row);
    }
    return changed(tx, request, &row, err);
}

static struct err restart_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct run_key key = runs__key_of(request);
    struct run_row row = {0};
    struct err err = tx_step_restart(tx, &key, &request->bounds, &row, &request->op.why);
    return changed(tx, request, &row, err);
}

static struct err pause_as(struct tx *tx, struct request *request, enum workflow_pause what) {
    const struct run_key key = runs__key_of(request);
    struct run_row row = {0};
    struct err err = tx_workflow_pause(tx, &key, what, &row, &request->op.why);
    return changed(tx, request, &row, err);
}

static struct err pause_work(struct tx *tx, void *request) {
    return pause_as(tx, request, WORKFLOW_PAUSE);
}

static struct err resume_work(struct tx *tx, void *request) {
    return pause_as(tx, request, WORKFLOW_RESUME);
}

#define CHANGE(work_)                                                                              \
    { .writes = true, .one = &runs__one, .fields = &no_fields, .work = (work_) }
static const struct request_kind skip = CHANGE(skip_work), restart = CHANGE(restart_work),
                                 pause = CHANGE(pause_work), resume = CHANGE(resume_work);

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param agents_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's run"),
    {.name = "whole", .about = "With what each came to.", .kind = QUERY_FLAG},
    PAGE_STATE_PARAM(PAGE_RUN_STATES),
    PAGE_Q_PARAM("label"),
    {.name = NULL},
};

#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define INT_SCHEMA "{\"type\":\"integer\"}"
#define MAYBE_TEXT "{\"type\":[\"string\",\"null\"]}"
#define MAYBE_INT "{\"type\":[\"integer\",\"null\"]}"

static const char start_answer[] =
    "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"enum\":["
    "\"async_launched\"]},\"taskId\":" TEXT_SCHEMA ",\"taskType\":{\"enum\":[\"local_workflow\"]},"
    "\"workflowName\":" TEXT_SCHEMA ",\"runId\":" TEXT_SCHEMA ",\"summary\":" TEXT_SCHEMA
    ",\"scriptPath\":" TEXT_SCHEMA ",\"warning\":" TEXT_SCHEMA ",\"error\":" TEXT_SCHEMA
    ",\"state\":" TEXT_SCHEMA ",\"budget\":{\"type\":[\"object\",\"null\"]},"
    "\"budget_default\":{\"type\":\"boolean\"}}}";
static const char plan_answer[] =
    "{\"type\":\"object\",\"required\":[\"valid\"],\"properties\":{"
    "\"valid\":{\"type\":\"boolean\"},\"error\":" MAYBE_TEXT ",\"name\":" TEXT_SCHEMA
    ",\"unknown\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA "}}}";
static const char agents_answer[] =
    PAGE_SCHEMA("{\"type\":\"object\",\"required\":[\"id\",\"state\",\"cached\"],\"properties\":{"
                "\"id\":" TEXT_SCHEMA ",\"label\":" MAYBE_TEXT ",\"phase\":" MAYBE_TEXT
                ",\"model\":" MAYBE_TEXT ",\"prompt\":" MAYBE_TEXT ",\"state\":" TEXT_SCHEMA
                ",\"gate\":" MAYBE_TEXT ",\"resume_at_ms\":" MAYBE_INT ",\"cause\":" MAYBE_TEXT
                ",\"note\":" MAYBE_TEXT ",\"cached\":{\"type\":\"boolean\"},"
                "\"done_no\":" INT_SCHEMA ",\"output_tokens\":" INT_SCHEMA ",\"tokens\":" INT_SCHEMA
                ",\"cost_micros\":" INT_SCHEMA ",\"started_ms\":" MAYBE_INT
                ",\"ended_ms\":" MAYBE_INT ",\"result\":{}}}");

#define RUN_QUERY OP_OWNER_QUERY("Another owner's run")
#define NO_FIELDS                                                                                  \
    { .fields = &no_fields, .use = FIELD_GIVEN }

static const struct route routes[] = {
    {.method = "POST",
     .path = "/api/v1/workflows",
     .summary = "Start a workflow: by its script, its name, or the path of its file",
     .scope = SCOPE_RUN,
     .has_body = true,
     .idempotent_key = true,
     .body = {.fields = &workflow_fields, .use = FIELD_GIVEN},
     .answer_schema = start_answer,
     .answer_status = 201,
     .body_max = 3 << 20,
     .request = &workflow_runs__start},
    {.method = "POST",
     .path = "/api/v1/workflows/{name}/runs",
     .summary = "Start the workflow of that name",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_optional = true,
     .idempotent_key = true,
     .body = {.fields = &workflow_fields, .use = FIELD_CHANGED},
     .answer_schema = start_answer,
     .answer_status = 201,
     .body_max = 3 << 20,
     .request = &workflow_runs__start_named},
    {.method = "POST",
     .path = "/api/v1/scripts/plan",
     .summary = "Play a workflow with stand-ins for its agents; nothing begins",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body = {.fields = &workflow_fields, .use = FIELD_GIVEN},
     .answer_schema = plan_answer,
     .body_max = 3 << 20,
     .request = &workflow_runs__plan},
    {.method = "GET",
     .path = "/api/v1/runs/{id}/agents",
     .summary = "The agents of a workflow, in the order in which they began",
     .scope = SCOPE_READ,
     .query = agents_query,
     .answer_schema = agents_answer,
     .page = &agents},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/skip",
     .summary = "Skip an agent of a workflow that has not ended",
     .scope = SCOPE_RUN,
     .query = RUN_QUERY,
     .has_body = true,
     .body_optional = true,
     .body = NO_FIELDS,
     .answer = RUN_LIGHT_ANSWER,
     .request = &skip},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/restart",
     .summary = "Throw away what an agent that has not ended did, and ask it anew",
     .scope = SCOPE_RUN,
     .query = RUN_QUERY,
     .has_body = true,
     .body_optional = true,
     .body = NO_FIELDS,
     .answer = RUN_LIGHT_ANSWER,
     .request = &restart},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/pause",
     .summary = "Pause a workflow: those at work go on, no other agent begins",
     .scope = SCOPE_RUN,
     .query = RUN_QUERY,
     .has_body = true,
     .body_optional = true,
     .body = NO_FIELDS,
     .answer = RUN_LIGHT_ANSWER,
     .request = &pause},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/resume",
     .summary = "Let a workflow that is paused go on",
     .scope = SCOPE_RUN,
     .query = RUN_QUERY,
     .has_body = true,
     .body_optional = true,
     .body = NO_FIELDS,
     .answer = RUN_LIGHT_ANSWER,
     .request = &resume},
};

struct route_table workflow_runs_table(struct workflow_runs_api *api) {
    return (struct route_table){routes, COUNT_OF(routes), api, request_handle};
}
