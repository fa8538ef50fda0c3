/* runs.c: workflows that run: their start, the list of their agents, skip and restart of an agent,
 * pause and resume; and their routes.
 *
 * A workflow from outside is made a run, whose answer means that it is on disk. A plan is what one
 * would do: it is found, read and judged all the same, no row is written, and no model is asked. A
 * script with an error is answered as a client that calls this as a tool expects, and nothing
 * begins.
 */
#include "api/workflow/runs.h"

#include "api/run/receivers.h"
#include "api/run/runs.h"
#include "api/session/sessions.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/workflow/start.h"
#include "engine/run/inside.h"
#include "engine/workflow/spec.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/timers.h"
#include "engine/workflow/workflows.h"
#include "rules/workflow/spec.h"

enum { PLAN_MAX = 4 << 20 };

struct start_op {
    struct request request;
    struct workflow_start start; /* The spec in it borrows from the exchange, */
    char *name;                  /* Owned: and from this, of the path; NULL: none. */
};

/* --- The body --------------------------------------------------------------------------------- */

/* Settings become those of sessions, so the same is checked. */
static struct err settings_check(const struct workflow_spec *spec, struct why *why) {
    AUTO(text_done)
    struct text text = text_up_to(SESSION_SETTINGS_MAX - 1024); /* Names of tools come to them. */
    struct err err = session_settings_check(spec->settings, why);
    if (!err_failed(err) && spec->settings != NULL &&
        err_failed(json_write(spec->settings, &text))) {
        err = err_why(why, ERR_BAD_FIELD, "settings: more than %zu bytes as compact JSON",
                      text.size_max);
    }
    return err;
}

static struct err spec_read(struct start_op *op, enum workflow_source source) {
    const struct workflow_runs_api *api = op->request.api;
    struct why *why = &op->request.op.why;
    AUTO(json_release) json_t *empty = json_object();
    const json_t *json = exchange_json(op->request.op.exchange);
    workflow_start_init(&op->start, api->workflows);
    struct err err = workflow_spec_read(json == NULL ? empty : json, source, &op->start.spec, why);
    op->start.spec.programs = request_variable(&op->request, "PATH");
    op->start.spec.config_dir = request_variable(&op->request, "CLAUDE_CONFIG_DIR");
    if (!err_failed(err)) {
        err = receivers_check(op->request.dispatch, op->start.spec.notify, why);
    }
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

static void start_prepared(struct workflow_start *start, struct err err) {
    struct start_op *op = CONTAINER_OF(start, struct start_op, start);
    exchange_release_next(op->request.op.exchange);
    if (err_failed(err)) {
        op->request.op.why = start->why;
        request_answer(&op->request, err);
    } else if (start->invalid) {
        workflow_start_write(start, &op->request.op.answer);
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
    workflow_start_begin(&op->start);
    return ERR_OK;
}

/* A notice is a message to its session. */
static struct err receivers_inside(struct tx *tx, struct start_op *op) {
    const json_t *list = op->start.spec.notify;
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        const struct bytes session = json_bytes(json_array_get(list, i), "session");
        err = session.len == 0 ? ERR_OK : request_inside(tx, &op->request, session);
    }
    return err;
}

static struct err start_work(struct tx *tx, void *ctx) {
    struct start_op *op = ctx;
    const char *inside = exchange_identity(op->request.op.exchange)->inside;
    struct workflow_new what = op->start.what;
    struct run_row row;
    struct err err = receivers_inside(tx, op);
    if (!err_failed(err)) {
        err = tx_inside_budget(tx, inside, &what.run);
    }
    if (!err_failed(err)) {
        err = tx_workflow_submit(tx, &what, &row, &op->request.op.why);
    }
    if (!err_failed(err)) {
        err = tx_inside_mark_run(tx, inside, row.id);
    }
    if (!err_failed(err)) {
        workflow_start_tell(&op->start, &row, &op->request.op.answer);
        op->request.about = row.run;
    }
    return err;
}

static void start_end(void *ctx, struct err result) {
    struct start_op *op = ctx;
    workflow_start_free(&op->start);
    mem_free(op->name);
}

#define START(read_)                                                                               \
    {                                                                                              \
        .size = sizeof(struct start_op), .writes = true, .later = true, .read = (read_),           \
        .start = start_begin, .work = start_work, .end = start_end                                 \
    }
static const struct request_kind source_start = START(start_read);
static const struct request_kind named_start = START(start_named_read);

/* --- A plan ----------------------------------------------------------------------------------- */

static void plan_prepared(struct workflow_start *start, struct err err) {
    struct start_op *op = CONTAINER_OF(start, struct start_op, start);
    if (err_failed(err)) {
        op->request.op.why = start->why;
    } else {
        workflow_start_write_plan(start, &op->request.op.answer);
    }
    request_answer(&op->request, err);
}

static struct err plan_begin(void *ctx) {
    struct start_op *op = ctx;
    text_init(&op->start.started, PLAN_MAX);
    op->start.plans = true;
    op->start.owner = exchange_identity(op->request.op.exchange)->owner;
    op->start.done = plan_prepared;
    workflow_start_begin(&op->start);
    return ERR_OK;
}

static const struct request_kind plan = {
    .size = sizeof(struct start_op),
    .later = true,
    .read = start_read,
    .start = plan_begin,
    .end = start_end,
};

/* --- Agents ----------------------------------------------------------------------------------- */

static struct err agent_row(void *ctx, const struct step_shown *step) {
    struct page *page = ctx;
    bool fits = page_is(page, "state", step->state) && page_holds(page, step->label);
    if (page_row_number(page, step->id, fits)) {
        text_add(&page->request.op.answer, step->json.data, step->json.len);
    }
    return ERR_OK;
}

struct agents_op {
    struct page page;
    struct step_slot *slots; /* Owned. */
    size_t slot_count;
};

static struct err agents_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct agents_op *op = CONTAINER_OF(page, struct agents_op, page);
    struct run_row row = {0};
    TRY(request_run(tx, &page->request, &row));
    const struct step_list list = {.workflow = row.id,
                                   .after = part->from,
                                   .limit = part->limit,
                                   .whole = param_flag(page->request.op.exchange, "whole"),
                                   .bounds = &page->request.bounds,
                                   .slots = op->slots,
                                   .slot_count = op->slot_count};
    return tx_step_each(tx, &list, agent_row, page);
}

/* Waits that rows do not say are joined as the loop knows them, like the limits below. */
static struct err agents_read(void *ctx) {
    struct agents_op *op = ctx;
    const struct workflow_runs_api *api = op->page.request.api;
    op->slots = mem_new_array(WORKFLOW_AGENTS_MAX, sizeof *op->slots);
    op->slot_count =
        workflows_get_slots(api->workflows, exchange_param(op->page.request.op.exchange, 0),
                            WORKFLOW_AGENTS_MAX, op->slots);
    return ERR_OK;
}

static void agents_end(void *ctx, struct err result) {
    mem_free(((struct agents_op *)ctx)->slots);
}

static const struct page_kind agents = {.request = {.size = sizeof(struct agents_op),
                                                    .one = &runs__one,
                                                    .read = agents_read,
                                                    .end = agents_end},
                                        .rows = agents_rows};

/* --- Timers ----------------------------------------------------------------------------------- */

static struct err timer_row(void *ctx, const struct timer_row *row) {
    struct page *page = ctx;
    const bool fits = page_is(page, "state", bytes_of(timer_state_names[row->state]));
    if (page_row_number(page, row->number, fits)) {
        timer_write_json(row, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err timers_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct run_row row = {0};
    TRY(request_run(tx, &page->request, &row));
    const struct timer_page timers = {
        .workflow = row.id, .after = part->from, .limit = part->limit};
    return tx_timers_each(tx, &timers, timer_row, page);
}

static const struct page_kind timers = {.request = {.one = &runs__one}, .rows = timers_rows};

/* --- Limits ----------------------------------------------------------------------------------- */

/* The answer as far as the loop knows it; the transaction adds what the rows know. */
struct limits_op {
    struct request request;
    struct text live; /* Owned. */
    int64_t commands; /* Commands of agents at once. */
};

static void limit_open(struct text *text, const char *limit, struct bytes name) {
    text_add_str(text, text->data[text->len - 1] == '}' ? ",{" : "{");
    text_add_member(text, "limit", bytes_of(limit));
    text_add_member_or_null(text, "name", name);
}

/* `at_once` 0: any number. */
static void limit_close(struct text *text, const struct model_load *load) {
    text_add_member_int_or_null(text, "at_once", load->limit, load->limit > 0);
    text_add_member_int_or_null(text, "most", load->most, load->most > 0);
    text_add_member_int(text, "running", load->running);
    text_add_member_int(text, "waiting", load->waiting);
    text_add_char(text, '}');
}

static struct err limits_start(void *ctx) {
    struct limits_op *op = ctx;
    const struct workflow_runs_api *api = op->request.api;
    struct workflow_limits limits;
    request_text(&op->request, &op->live, 16 << 10);
    text_add_str(&op->live, "{\"items\":[");
    const bool here = workflows_get_limits(api->workflows, op->request.key.id, &limits);
    op->commands = limits.commands;
    if (here) {
        const struct model_load run = {.limit = limits.at_once,
                                       .most = limits.at_once,
                                       .running = limits.working,
                                       .waiting = limits.in_line};
        limit_open(&op->live, "run", BYTES(""));
        limit_close(&op->live, &run);
    }
    for (size_t i = 0; here && i < limits.connection_count; i++) {
        limit_open(&op->live, "connection", limits.connections[i].name);
        limit_close(&op->live, &limits.connections[i].load);
    }
    return ERR_OK;
}

static struct err limits_work(struct tx *tx, void *ctx) {
    struct limits_op *op = ctx;
    struct request *request = &op->request;
    struct run_row row = {0};
    TRY(request_run(tx, request, &row));
    struct model_load load = {.limit = op->commands, .most = op->commands};
    struct err err = tx_workflow_commands(tx, &row, &load.running, &load.waiting);
    text_add(&request->op.answer, op->live.data, op->live.len);
    if (!run_state_final(row.state)) {
        limit_open(&request->op.answer, "commands", BYTES(""));
        limit_close(&request->op.answer, &load);
    }
    text_add_str(&request->op.answer, "]}");
    return err;
}

static const struct request_kind limits = {.size = sizeof(struct limits_op),
                                           .one = &runs__one,
                                           .start = limits_start,
                                           .work = limits_work};

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
                       "only agents of workflows can be skipped, and this run is of kind %s; "
                       "'drover stop' ends it",
                       run_kind_name(row->kind));
    }
    if (run_state_final(row->state)) {
        return step_ended_err(row, why);
    }
    return ERR_OK;
}

static struct err skip_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct run_stop stop = {.key = runs__key_of(request),
                                  .cause = CAUSE_STOPPED,
                                  .grace_ms = RUN_STOP_GRACE_MS,
                                  .bounds = request->bounds};
    struct run_row row;
    bool more = false;
    struct err err = request_run_whole(tx, request, &row);
    if (!err_failed(err)) {
        err = skip_judge(&row, &request->op.why);
    }
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
    {QUERY("whole", QUERY_FLAG, "Include each result.")},
    PAGE_STATE_PARAM(PAGE_RUN_STATES),
    PAGE_Q_PARAM("label"),
    {.name = NULL},
};

static const struct query_param timers_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's run"),
    PAGE_STATE_PARAM("pending,fired,cleared,cancelled"),
    {.name = NULL},
};

static const char start_answer[] =
    "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"enum\":[\"async_"
    "launched\"]},\"taskId\":" TEXT_SCHEMA
    ",\"taskType\":{\"enum\":[\"local_workflow\"]},\"workflowName\":" TEXT_SCHEMA
    ",\"runId\":" TEXT_SCHEMA ",\"summary\":" TEXT_SCHEMA ",\"scriptPath\":" TEXT_SCHEMA
    ",\"warning\":" TEXT_SCHEMA ",\"error\":" TEXT_SCHEMA ",\"state\":" TEXT_SCHEMA
    ",\"budget\":{\"type\":[\"object\",\"null\"]},\"budget_default\":" BOOL_SCHEMA "}}";
static const char plan_answer[] =
    "{\"type\":\"object\",\"required\":[\"valid\",\"error\"],\"properties\":{\"valid\":" BOOL_SCHEMA
    ",\"error\":" TEXT_OR_NULL ",\"name\":" TEXT_SCHEMA
    ",\"unknown\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA "}}}";
static const char agents_answer[] = PAGE_SCHEMA(
    "{\"type\":\"object\",\"required\":[\"id\",\"label\",\"phase\",\"model\",\"prompt\","
    "\"state\",\"gate\",\"resume_at_ms\",\"cause\",\"note\",\"cached\",\"cached_from\","
    "\"done_no\",\"output_tokens\",\"tokens\",\"cost_micros\",\"cost_unknown\",\"usage\",\"started_"
    "ms\","
    "\"ended_ms\",\"key\",\"session\",\"turn\",\"attempts\",\"calls\",\"last_ms\",\"line\","
    "\"column\",\"type\",\"isolation\",\"waiting\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"label\":" TEXT_OR_NULL ",\"phase\":" TEXT_OR_NULL
    ",\"model\":" TEXT_OR_NULL ",\"prompt\":" TEXT_OR_NULL ",\"state\":" TEXT_SCHEMA
    ",\"gate\":" TEXT_OR_NULL ",\"resume_at_ms\":" INT_OR_NULL ",\"cause\":" TEXT_OR_NULL
    ",\"note\":" TEXT_OR_NULL ",\"cached\":" BOOL_SCHEMA ",\"cached_from\":" TEXT_OR_NULL
    ",\"done_no\":" INT_SCHEMA ",\"output_tokens\":" INT_SCHEMA ",\"tokens\":" INT_SCHEMA
    ",\"cost_micros\":" INT_OR_NULL ",\"cost_unknown\":" INT_SCHEMA ",\"usage\":" OBJECT_SCHEMA
    ",\"started_ms\":" INT_OR_NULL ",\"ended_ms\":" INT_OR_NULL ",\"key\":" TEXT_OR_NULL
    ",\"session\":" TEXT_OR_NULL ",\"turn\":" TEXT_OR_NULL ",\"attempts\":" INT_SCHEMA
    ",\"calls\":" INT_OR_NULL ",\"last_ms\":" INT_OR_NULL ",\"line\":" INT_OR_NULL
    ",\"column\":" INT_OR_NULL ",\"file\":" TEXT_SCHEMA ",\"type\":" TEXT_OR_NULL
    ",\"isolation\":" TEXT_OR_NULL ",\"waiting\":{\"type\":[\"object\",\"null\"]},\"result\":{}}}");

static const char timers_answer[] = PAGE_SCHEMA(
    "{\"type\":\"object\",\"required\":[\"timer\",\"kind\",\"name\",\"state\",\"due_ms\"],"
    "\"properties\":{\"key\":" TEXT_OR_NULL ",\"timer\":" INT_SCHEMA
    ",\"kind\":{\"enum\":[\"timer\"]},\"name\":{\"enum\":[\"sleep\",\"timeout\"]},\"due_"
    "ms\":" INT_SCHEMA ",\"state\":{\"enum\":[\"pending\",\"fired\",\"cleared\",\"cancelled\"]},"
    "\"cached\":" BOOL_SCHEMA ",\"done_no\":" INT_SCHEMA ",\"made_ms\":" INT_SCHEMA
    ",\"ended_ms\":" INT_OR_NULL ",\"line\":" INT_OR_NULL ",\"column\":" INT_OR_NULL
    ",\"file\":" TEXT_SCHEMA "}}");

static const char limits_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\"],\"properties\":{\"items\":{\"type\":\"array\","
    "\"items\":{\"type\":\"object\",\"required\":[\"limit\",\"at_once\",\"running\",\"waiting\"],"
    "\"properties\":{\"limit\":{\"enum\":[\"run\",\"connection\",\"commands\"]},"
    "\"name\":" TEXT_OR_NULL ",\"at_once\":" INT_OR_NULL ",\"most\":" INT_OR_NULL
    ",\"running\":" INT_SCHEMA ",\"waiting\":" INT_SCHEMA "}}}}}";

static const struct query_param script_query[] = {
    OP_OWNER_PARAM("Another owner's run"),
    {QUERY("file", QUERY_TEXT, "A script that workflow() resolved: its file, name or hash."),
     .max = WORKFLOW_PATH_MAX},
    {.name = NULL},
};

static const char export_answer[] =
    "{\"type\":\"object\",\"required\":[\"drover\",\"run\",\"script\",\"args\",\"scripts\","
    "\"events\",\"agents\",\"spans\"],"
    "\"properties\":{\"drover\":" TEXT_SCHEMA ",\"run\":" OBJECT_SCHEMA
    ",\"script\":{\"type\":[\"object\",\"null\"]},\"args\":{},\"scripts\":{\"type\":\"array\","
    "\"items\":" OBJECT_SCHEMA "},\"events\":{\"type\":\"array\",\"items\":" OBJECT_SCHEMA
    "},\"agents\":{\"type\":\"array\",\"items\":" OBJECT_SCHEMA
    "},\"spans\":{\"type\":\"array\",\"items\":" OBJECT_SCHEMA "}}}";

static const struct query_param export_query[] = {
    OP_OWNER_PARAM("Another owner's run"),
    {QUERY("format", QUERY_TEXT, "json, or html: a page that shows it; absent: json."), .max = 4},
    {.name = NULL},
};

static const char script_answer[] =
    "{\"type\":\"object\",\"required\":[\"scripts\",\"hash\",\"name\",\"file\",\"form\",\"source\"]"
    ","
    "\"properties\":{\"scripts\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":["
    "\"name\",\"file\",\"hash\"],\"properties\":{\"name\":" TEXT_SCHEMA ",\"file\":" TEXT_SCHEMA
    ",\"hash\":" TEXT_SCHEMA "}}},\"scripts_more\":" BOOL_SCHEMA ",\"hash\":" TEXT_SCHEMA
    ",\"name\":" TEXT_OR_NULL ",\"file\":" TEXT_SCHEMA
    ",\"form\":{\"enum\":[\"body\",\"main\",null]},\"source\":" TEXT_SCHEMA "}}";

#define RUN_QUERY OP_OWNER_QUERY("Another owner's run")
#define NO_FIELDS                                                                                  \
    { .fields = &no_fields, .use = FIELD_GIVEN }

const struct route workflow_runs_routes[] = {
    {ROUTE("POST", "/api/v1/workflows", SCOPE_RUN,
           "Start a workflow: by its script, its name, or the path of its file"),
     .inside = INSIDE_ALWAYS, .begins_run = true, .has_body = true, .idempotent_key = true,
     .body = {.fields = &workflow_fields, .use = FIELD_GIVEN}, .answer_schema = start_answer,
     .answer_status = 201, .body_max = 3 << 20, .request = &source_start},
    {ROUTE("POST", "/api/v1/workflows/{name}/runs", SCOPE_RUN, "Start the workflow of that name"),
     .inside = INSIDE_ALWAYS, .begins_run = true, .has_body = true, .body_optional = true,
     .idempotent_key = true, .body = {.fields = &workflow_fields, .use = FIELD_CHANGED},
     .answer_schema = start_answer, .answer_status = 201, .body_max = 3 << 20,
     .request = &named_start},
    {ROUTE("POST", "/api/v1/scripts/plan", SCOPE_RUN,
           "Rehearse a workflow with stand-ins for its agents; nothing is started"),
     .inside = INSIDE_ALWAYS, .has_body = true,
     .body = {.fields = &workflow_fields, .use = FIELD_GIVEN}, .answer_schema = plan_answer,
     .body_max = 3 << 20, .request = &plan},
    {ROUTE("GET", "/api/v1/runs/{id}/agents", SCOPE_READ,
           "List the agents of a workflow, in the order of their start"),
     .query = agents_query, .answer_schema = agents_answer, .page = &agents},
    {ROUTE("GET", "/api/v1/runs/{id}/timers", SCOPE_READ,
           "List the timers of a workflow's script, in the order of their making"),
     .query = timers_query, .answer_schema = timers_answer, .page = &timers},
    {ROUTE("GET", "/api/v1/runs/{id}/limits", SCOPE_READ,
           "List the limits that agents of a workflow wait for now"),
     .query = RUN_QUERY, .answer_schema = limits_answer, .request = &limits},
    {ROUTE("GET", "/api/v1/runs/{id}/script", SCOPE_READ,
           "Show the script of a workflow's run, or one that it has used"),
     .query = script_query, .answer_schema = script_answer, .request = &workflows__script},
    {ROUTE("GET", "/api/v1/runs/{id}/export", SCOPE_READ,
           "Export a run: its script, args, events, agents and steps"),
     .query = export_query, .answer_schema = export_answer, .request = &workflows__export},
    {ROUTE("POST", "/api/v1/runs/{id}/skip", SCOPE_RUN,
           "Skip an agent of a workflow that has not ended"),
     .inside = INSIDE_BELOW, .query = RUN_QUERY, .has_body = true, .body_optional = true,
     .body = NO_FIELDS, .answer = RUN_LIGHT_ANSWER, .request = &skip},
    {ROUTE("POST", "/api/v1/runs/{id}/restart", SCOPE_RUN,
           "Restart an unfinished agent from the beginning"),
     .inside = INSIDE_BELOW, .query = RUN_QUERY, .has_body = true, .body_optional = true,
     .body = NO_FIELDS, .answer = RUN_LIGHT_ANSWER, .request = &restart},
    {ROUTE("POST", "/api/v1/runs/{id}/retry", SCOPE_RUN,
           "Try a run again that ended badly, as a new run with the same spec"),
     .inside = INSIDE_BELOW, .begins_run = true, .idempotent_key = true, .query = RUN_QUERY,
     .answer = RUN_LIGHT_ANSWER, .answer_status = 201, .request = &workflows__retry},
    {ROUTE("POST", "/api/v1/runs/{id}/pause", SCOPE_RUN,
           "Pause a workflow: running agents continue, and no other starts"),
     .inside = INSIDE_BELOW, .query = RUN_QUERY, .has_body = true, .body_optional = true,
     .body = NO_FIELDS, .answer = RUN_LIGHT_ANSWER, .request = &pause},
    {ROUTE("POST", "/api/v1/runs/{id}/resume", SCOPE_RUN, "Resume a paused workflow"),
     .inside = INSIDE_BELOW, .query = RUN_QUERY, .has_body = true, .body_optional = true,
     .body = NO_FIELDS, .answer = RUN_LIGHT_ANSWER, .request = &resume},
    {.method = NULL},
};
