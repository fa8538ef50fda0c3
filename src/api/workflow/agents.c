/* agents.c: the routes of workflows that run, and the list of their agents. */
#include <string.h>

#include "api/base/op.h"
#include "api/run/runs.h"
#include "api/workflow/runs.h"
#include "base/memory.h"
#include "engine/workflow/steps.h"

struct agents_op {
    struct page page;
    struct run_key key; /* Borrowed from the exchange. */
    bool whole;
    struct bytes states, q; /* Borrowed from the exchange. */
    enum run_hold hold;     /* When the request came. */
};

static struct err each_agent(void *ctx, const struct step_shown *step) {
    struct agents_op *agents = ctx;
    if (!page_names(agents->states, step->state) || !page_holds(step->label, agents->q)) {
        page_pass_number(&agents->page, step->id);
    } else if (page_add_number(&agents->page, step->id)) {
        text_add(&agents->page.op.answer, step->json.data, step->json.len);
    }
    return ERR_OK;
}

static struct err agents_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct agents_op *agents = CONTAINER_OF(page, struct agents_op, page);
    struct step_list list = {
        .after = part->from, .limit = part->limit, .whole = agents->whole, .hold = agents->hold};
    struct run_row row = {0};
    bool found = false;
    struct err err = tx_run_find_shown(tx, &agents->key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return runs__absent(&agents->page.op.why);
    }
    list.workflow = row.id;
    return tx_step_each(tx, &list, each_agent, agents);
}

void workflow_runs__agents(struct exchange *exchange, void *ctx) {
    const struct workflow_runs_api *api = ctx;
    static const struct page_form form = {.valid = NULL};
    struct page_ask ask;
    struct run_key key;
    if (!page_read(exchange, &form, &ask) || !runs__key(exchange, PAGE_OWNER, &key)) {
        return;
    }
    struct agents_op *agents = mem_new(sizeof *agents);
    page_init(&agents->page, exchange, ask.limit);
    agents->key = key;
    agents->whole = exchange_query_int(exchange, WORKFLOW_AGENTS_WHOLE) != 0;
    agents->hold = dispatch_held(api->dispatch);
    agents->q = page_word(exchange, WORKFLOW_AGENTS_Q);
    agents->states = page_word(exchange, WORKFLOW_AGENTS_STATE);
    struct err err =
        page_words_check(agents->states, "state", PAGE_RUN_STATES, &agents->page.op.why);
    if (err_failed(err)) {
        op_done(err, agents);
        return;
    }
    page_list(&agents->page, api->store, &ask, agents_rows);
}

/* --- One is skipped --------------------------------------------------------------------------- */

struct skip_op {
    struct op op;
    struct run_stop stop; /* Its key is borrowed from the exchange. */
};

static struct err judge_skip(const struct run_row *row, struct why *why) {
    if (row->kind != KIND_AGENT) {
        why_set(why, "only agents of workflows are skipped; this is a %s: stop it",
                run_kind_name(row->kind));
        return err_make(ERR_CONFLICT, "workflows: skip");
    }
    if (run_state_final(row->state)) {
        why_set(why, "it is %s; run it again with 'drover run --resume %.*s --rerun %.*s'",
                run_state_name(row->state), (int)row->parent_run.len, row->parent_run.data,
                (int)row->run.len, row->run.data);
        return err_make(ERR_STEP_ENDED, "workflows: skip");
    }
    return ERR_OK;
}

static struct err skip_run(struct tx *tx, void *ctx) {
    struct skip_op *skip = ctx;
    struct run_row row = {0};
    bool found = false, more = false;
    op_restart(&skip->op);
    struct err err = tx_run_find(tx, &skip->stop.key, &found, &row);
    if (!err_failed(err) && !found) {
        return runs__absent(&skip->op.why);
    }
    if (!err_failed(err)) {
        err = judge_skip(&row, &skip->op.why);
    }
    if (!err_failed(err)) {
        err = tx_run_stop(tx, &skip->stop, &more, &row);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &skip->stop.bounds, &skip->op.answer);
    return op_written(&skip->op);
}

void workflow_runs__skip(struct exchange *exchange, void *ctx) {
    const struct workflow_runs_api *api = ctx;
    struct run_stop stop = {.cause = CAUSE_STOPPED, .grace_ms = RUN_STOP_GRACE_MS};
    if (!workflow_runs__key(exchange, &stop.key)) {
        return;
    }
    stop.bounds = dispatch_bounds(api->dispatch);
    struct skip_op *skip = mem_new(sizeof *skip);
    op_init(&skip->op, exchange, 200);
    skip->stop = stop;
    store_write(api->store, skip_run, op_done, skip);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param agents_query[] = {
    [PAGE_AFTER] = PAGE_NUMBER_PARAM,
    PAGE_PARAMS,
    [PAGE_OWNER] = OP_OWNER_PARAM("Another owner's run"),
    [WORKFLOW_AGENTS_WHOLE] = {.name = "whole",
                               .about = "With what each came to.",
                               .kind = QUERY_FLAG},
    [WORKFLOW_AGENTS_STATE] = PAGE_STATE_PARAM,
    [WORKFLOW_AGENTS_Q] = PAGE_Q_PARAM("label"),
    {.name = NULL},
};

#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define INT_SCHEMA "{\"type\":\"integer\"}"
#define MAYBE_TEXT "{\"type\":[\"string\",\"null\"]}"
#define MAYBE_INT "{\"type\":[\"integer\",\"null\"]}"

#define START_PROPERTIES                                                                           \
    "\"args\":{},\"resumeFromRunId\":" TEXT_SCHEMA ",\"title\":" TEXT_SCHEMA                       \
    ",\"description\":" TEXT_SCHEMA ",\"label\":" TEXT_SCHEMA ",\"root\":" TEXT_SCHEMA             \
    ",\"model\":" TEXT_SCHEMA ",\"project\":" TEXT_SCHEMA ",\"settings\":{\"type\":\"object\"},"   \
    "\"timeout_ms\":" MAYBE_INT ",\"agent_timeout_ms\":" MAYBE_INT ",\"concurrency\":" MAYBE_INT   \
    ",\"total\":" MAYBE_INT                                                                        \
    ",\"budget\":{\"type\":[\"object\",\"null\"]},\"rerun\":{\"type\":\"array\","                  \
    "\"items\":" TEXT_SCHEMA "},\"notify\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}"

static const char start_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"script\":" TEXT_SCHEMA
    ",\"name\":" TEXT_SCHEMA ",\"scriptPath\":" TEXT_SCHEMA "," START_PROPERTIES "}}";
static const char named_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" START_PROPERTIES "}}";
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

static const struct query_param skip_query[] = {
    [RUN_OWNER] = OP_OWNER_PARAM("Another owner's run"),
    {.name = NULL},
};
static const char skip_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}";

static const struct route routes[] = {
    {.method = "POST",
     .path = "/api/v1/workflows",
     .summary = "Start a workflow: by its script, its name, or the path of its file",
     .scope = SCOPE_RUN,
     .has_body = true,
     .idempotent_key = true,
     .body_schema = start_body,
     .answer_schema = start_answer,
     .answer_status = 201,
     .body_max = 3 << 20,
     .handle = workflow_runs__start},
    {.method = "POST",
     .path = "/api/v1/workflows/{name}/runs",
     .summary = "Start the workflow of that name",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_optional = true,
     .idempotent_key = true,
     .body_schema = named_body,
     .answer_schema = start_answer,
     .answer_status = 201,
     .body_max = 3 << 20,
     .handle = workflow_runs__start_named},
    {.method = "POST",
     .path = "/api/v1/scripts/plan",
     .summary = "Play a workflow with stand-ins for its agents; nothing begins",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_schema = start_body,
     .answer_schema = plan_answer,
     .answer_status = 200,
     .body_max = 3 << 20,
     .handle = workflow_runs__plan},
    {.method = "GET",
     .path = "/api/v1/runs/{id}/agents",
     .summary = "The agents of a workflow, in the order in which they began",
     .scope = SCOPE_READ,
     .query = agents_query,
     .answer_schema = agents_answer,
     .answer_status = 200,
     .handle = workflow_runs__agents},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/skip",
     .summary = "Skip an agent of a workflow that has not ended",
     .scope = SCOPE_RUN,
     .query = skip_query,
     .has_body = true,
     .body_optional = true,
     .body_schema = skip_body,
     .answer = RUN_LIGHT_ANSWER,
     .answer_status = 200,
     .handle = workflow_runs__skip},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/restart",
     .summary = "Throw away what an agent that has not ended did, and ask it anew",
     .scope = SCOPE_RUN,
     .query = skip_query,
     .has_body = true,
     .body_optional = true,
     .body_schema = skip_body,
     .answer = RUN_LIGHT_ANSWER,
     .answer_status = 200,
     .handle = workflow_runs__restart},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/pause",
     .summary = "Pause a workflow: those at work go on, no other agent begins",
     .scope = SCOPE_RUN,
     .query = skip_query,
     .has_body = true,
     .body_optional = true,
     .body_schema = skip_body,
     .answer = RUN_LIGHT_ANSWER,
     .answer_status = 200,
     .handle = workflow_runs__pause},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/resume",
     .summary = "Let a workflow that is paused go on",
     .scope = SCOPE_RUN,
     .query = skip_query,
     .has_body = true,
     .body_optional = true,
     .body_schema = skip_body,
     .answer = RUN_LIGHT_ANSWER,
     .answer_status = 200,
     .handle = workflow_runs__resume},
};

struct route_table workflow_runs_table(struct workflow_runs_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
