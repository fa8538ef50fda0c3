/* flows.c: the catalog of flows, their starts, and their steps. See flows.h. */
#include "api/flow/flows.h"

#include "api/run/receivers.h"
#include "api/run/runs.h"
#include "base/json/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "dispatch/flow/start.h"
#include "dispatch/workflow/check.h"
#include "engine/flow/flows.h"
#include "engine/job/spec.h"
#include "engine/run/inside.h"

/* --- The catalog ------------------------------------------------------------------------------ */

struct catalog_op {
    struct request request;
    struct catalog_search search;
    char *root;             /* Owned; NULL: none. */
    struct catalog catalog; /* Owned, as is the next. */
    struct catalog_script one;
};

static struct err catalog_start(void *ctx) {
    struct catalog_op *op = ctx;
    const struct flows_api *api = op->request.api;
    op->search = api->search;
    op->search.kind = SCRIPT_FLOW;
    if (param_given(op->request.op.exchange, "root")) {
        const struct bytes root = param_text(op->request.op.exchange, "root");
        op->root = mem_copy(root.data, root.len);
        op->search.root = op->root;
    }
    return ERR_OK;
}

static struct err catalog_query(struct err err) {
    return err.code == ERR_BAD_FIELD ? err_make(ERR_BAD_QUERY, "flows: root") : err;
}

static void catalog_judged(void *op) {
    request_after(op);
}

static struct err list_read(void *ctx) {
    struct catalog_op *op = ctx;
    return catalog_query(catalog_read(&op->search, &op->catalog, &op->request.op.why));
}

static enum request_next list_judge(void *ctx, struct err *io_result) {
    struct catalog_op *op = ctx;
    const struct flows_api *api = op->request.api;
    workflows_judge(api->workflows, &op->catalog, (struct script_judge_done){catalog_judged, op});
    return REQUEST_LATER;
}

static struct err list_write(void *ctx) {
    struct catalog_op *op = ctx;
    catalog_write(&op->catalog, &op->request.op.answer);
    return ERR_OK;
}

static struct err show_read(void *ctx) {
    struct catalog_op *op = ctx;
    const struct bytes name = exchange_param(op->request.op.exchange, 0);
    return catalog_query(catalog_find(&op->search, name, &op->one, &op->request.op.why));
}

static enum request_next show_judge(void *ctx, struct err *io_result) {
    struct catalog_op *op = ctx;
    const struct flows_api *api = op->request.api;
    workflows_judge_one(api->workflows, &op->one, NULL /* places */,
                        (struct script_judge_done){catalog_judged, op});
    return REQUEST_LATER;
}

static struct err show_write(void *ctx) {
    struct catalog_op *op = ctx;
    catalog_script_write(&op->one, &op->request.op.answer);
    return ERR_OK;
}

static void catalog_end(void *ctx, struct err result) {
    struct catalog_op *op = ctx;
    catalog_done(&op->catalog);
    catalog_script_done(&op->one);
    mem_free(op->root);
}

/* Files are read in the pool, then the engine judges them, then the pool writes. */
#define CATALOG                                                                                    \
    .size = sizeof(struct catalog_op), .folder = request_root, .start = catalog_start,             \
    .end = catalog_end
static const struct request_kind list = {CATALOG, .pool = list_read, .done = list_judge,
                                         .after = list_write};
static const struct request_kind show = {CATALOG, .pool = show_read, .done = show_judge,
                                         .after = show_write};

/* --- A start ---------------------------------------------------------------------------------- */

struct start_op {
    struct request request;
    struct flow_start start; /* The spec in it borrows from the exchange, */
    struct flow_spec asked;
    char *name; /* Owned: and from this, of the path; NULL: none. */
};

#define AT(member) offsetof(struct start_op, asked.member)
static const struct field start_rows[] = {
    {FIELD("name", FIELD_CHARS, AT(name)), .min = 1, .max = FLOW_NAME_MAX, .use = FIELD_GIVEN},
    {FIELD("path", FIELD_CHARS, AT(path)), .min = 1, .max = LIMIT_PATH_MAX - 1, .use = FIELD_GIVEN},
    {FIELD("script", FIELD_CHARS, AT(script)), .max = SCRIPT_SOURCE_MAX, .use = FIELD_GIVEN},
    {FIELD("title", FIELD_CHARS, AT(title)), .min = 1, .max = FLOW_NAME_MAX, .use = FIELD_GIVEN},
    {FIELD("root", FIELD_CHARS, AT(root)), .min = 1, .max = LIMIT_PATH_MAX - 1},
    {FIELD("input", FIELD_JSON, AT(input))},
    {FIELD("model", FIELD_CHARS, AT(model)), .min = 1, .max = 200},
    {FIELD("project", FIELD_CHARS, AT(project)), .min = 1, .max = 64},
    {FIELD("label", FIELD_CHARS, AT(label)), .min = 1, .max = 200},
    {FIELD("timeout_ms", FIELD_INT, AT(timeout_ms)), .min = 1, .max = WORKFLOW_TIME_MAX},
    {FIELD("notify", FIELD_JSON, AT(notify))},
    {FIELD("budget", FIELD_JSON, AT(budget)), .schema = "{\"type\":[\"object\",\"null\"]}"},
    {FIELD("resumeFromRunId", FIELD_CHARS, AT(resume)), .min = 1, .max = 64},
    {FIELD("rerun", FIELD_TEXTS, AT(rerun)), .max = FLOW_STEPS_MAX},
    {FIELD("rerun_from", FIELD_TEXTS, AT(rerun_from)), .max = FLOW_STEPS_MAX},
};
static const struct field_set start_fields = {FIELD_ROWS(start_rows),
                                              .use = FIELD_GIVEN | FIELD_CHANGED};

static struct err start_check(struct start_op *op) {
    struct why *why = &op->request.op.why;
    if (op->asked.resume == NULL && (op->asked.rerun != NULL || op->asked.rerun_from != NULL)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"%s\" names steps of the run that \"resumeFromRunId\" names",
                       op->asked.rerun != NULL ? "rerun" : "rerun_from");
    }
    if (op->asked.root != NULL && op->asked.root[0] != '/') {
        return err_why(why, ERR_BAD_FIELD, "\"root\" must be an absolute path");
    }
    const json_t *notify = op->asked.notify, *budget = op->asked.budget;
    struct amounts limits;
    struct err err = notify == NULL ? ERR_OK : job_spec_notify(notify, why);
    if (!err_failed(err) && budget != NULL && !json_is_null(budget)) {
        err = job_spec_budget(budget, &limits, why);
    }
    return err_failed(err) ? err : receivers_check(op->request.dispatch, notify, why);
}

/* A notice is a message to its session. */
static struct err receivers_inside(struct tx *tx, struct start_op *op) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(op->asked.notify) && !err_failed(err); i++) {
        const struct bytes session = json_bytes(json_array_get(op->asked.notify, i), "session");
        err = session.len == 0 ? ERR_OK : request_inside(tx, &op->request, session);
    }
    return err;
}

static struct err start_read(void *ctx) {
    struct start_op *op = ctx;
    const struct flow_spec *asked = &op->asked;
    const int named = (asked->name != NULL) + (asked->path != NULL) + (asked->script != NULL);
    if (named > 1 || (named == 0 && asked->resume == NULL)) {
        return err_why(&op->request.op.why, ERR_BAD_FIELD,
                       "\"name\", \"path\" or \"script\": one of them says which flow");
    }
    return start_check(op);
}

/* Where a name stands in the path of the request, the body has none (FIELD_CHANGED). */
static struct err named_read(void *ctx) {
    struct start_op *op = ctx;
    const struct bytes name = exchange_param(op->request.op.exchange, 0);
    op->name = mem_copy(name.data, name.len);
    op->asked.name = op->name;
    return start_check(op);
}

static struct err start_begin_as(struct start_op *op,
                                 void (*done)(struct flow_start *start, struct err err)) {
    const struct flows_api *api = op->request.api;
    flow_start_init(&op->start, api->flows);
    op->start.owner = exchange_identity(op->request.op.exchange)->owner;
    op->start.spec = op->asked;
    op->start.spec.programs = request_variable(&op->request, "PATH");
    op->start.done = done;
    flow_start_begin(&op->start);
    return ERR_OK;
}

static void start_prepared(struct flow_start *start, struct err err) {
    struct start_op *op = CONTAINER_OF(start, struct start_op, start);
    exchange_release_next(op->request.op.exchange);
    op->request.op.why = start->why;
    if (err_failed(err)) {
        request_answer(&op->request, err);
    } else {
        start->what.run.bounds = dispatch_bounds(op->request.dispatch);
        request_go(&op->request, ERR_OK);
    }
}

static struct err start_begin(void *ctx) {
    struct start_op *op = ctx;
    exchange_hold_next(op->request.op.exchange); /* Runs of one client begin in its order. */
    return start_begin_as(op, start_prepared);
}

static struct err start_work(struct tx *tx, void *ctx) {
    struct start_op *op = ctx;
    const char *inside = exchange_identity(op->request.op.exchange)->inside;
    struct flow_new what = op->start.what;
    struct text *answer = &op->request.op.answer;
    struct run_row row;
    struct err err = receivers_inside(tx, op);
    err = err_failed(err) ? err : tx_inside_budget(tx, inside, &what.run);
    err = err_failed(err) ? err : tx_flow_submit(tx, &what, &row, &op->request.op.why);
    err = err_failed(err) ? err : tx_inside_mark_run(tx, inside, row.id);
    if (err_failed(err)) {
        return err;
    }
    op->request.about = row.run;
    text_add_char(answer, '{');
    text_add_member(answer, "id", row.run);
    text_add_member(answer, "state", bytes_of(run_state_name(row.state)));
    err = tx_flow_write(tx, &row, BYTES(""), answer);
    text_add_char(answer, '}');
    return err;
}

static void start_end(void *ctx, struct err result) {
    struct start_op *op = ctx;
    flow_start_free(&op->start);
    mem_free(op->name);
}

#define START(use_, read_)                                                                         \
    {                                                                                              \
        .size = sizeof(struct start_op), .writes = true, .later = true, .fields = &start_fields,   \
        .use = (use_), .read = (read_), .start = start_begin, .work = start_work, .end = start_end \
    }
static const struct request_kind source_start = START(FIELD_GIVEN, start_read);
static const struct request_kind named_start = START(FIELD_CHANGED, named_read);

/* --- A check ---------------------------------------------------------------------------------- */

static void problem_write(const struct why *why, struct text *answer) {
    text_add_str(answer, "{\"valid\":false");
    text_add_member(answer, "error", bytes_of(why->text));
    text_add_str(answer, ",\"steps\":[]}");
}

static void check_prepared(struct flow_start *start, struct err err) {
    struct start_op *op = CONTAINER_OF(start, struct start_op, start);
    if (err.code == ERR_BAD_FLOW) {
        problem_write(&start->why, &op->request.op.answer);
        request_answer(&op->request, ERR_OK);
    } else {
        op->request.op.why = start->why;
        request_go(&op->request, err);
    }
}

static struct err check_begin(void *ctx) {
    return start_begin_as(ctx, check_prepared);
}

static struct err check_work(struct tx *tx, void *ctx) {
    struct start_op *op = ctx;
    const struct flow_new *what = &op->start.what;
    struct text *answer = &op->request.op.answer;
    text_add_str(answer, "{\"valid\":true,\"error\":null");
    text_add_member(answer, "flow", what->name);
    text_add_member(answer, "file", what->file);
    text_add_member_or_null(answer, "resumed_from", what->resume);
    const struct err err = tx_flow_plan(tx, what, answer, &op->request.op.why);
    text_add_char(answer, '}');
    return err;
}

static const struct request_kind check = {.size = sizeof(struct start_op),
                                          .later = true,
                                          .fields = &start_fields,
                                          .use = FIELD_GIVEN,
                                          .read = start_read,
                                          .start = check_begin,
                                          .work = check_work,
                                          .end = start_end};

/* --- The steps of a run ----------------------------------------------------------------------- */

static struct err steps_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    struct run_row row = {0};
    TRY(request_run_seen(tx, request, &row));
    struct text *answer = &request->op.answer;
    text_add_char(answer, '{');
    text_add_member(answer, "id", row.run);
    text_add_member(answer, "state", bytes_of(run_state_name(row.state)));
    const size_t len = answer->len;
    struct err err = tx_flow_write(tx, &row, param_text(request->op.exchange, "step"), answer);
    text_add_char(answer, '}');
    return !err_failed(err) && answer->len == len + 1
               ? err_why(&request->op.why, ERR_CONFLICT, "the run is no flow, but a %s",
                         run_kind_name(row.kind))
               : err;
}

static const struct request_kind steps = {.one = &runs__one, .work = steps_work};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param root_query[] = {
    {QUERY("root", QUERY_TEXT, "The folder of the project, absolute."), .max = LIMIT_PATH_MAX - 1},
    {.name = NULL},
};
static const struct query_param steps_query[] = {
    OP_OWNER_PARAM("Another owner's run"),
    {QUERY("step", QUERY_TEXT, "The id of a step whose prompt and result are not cut."),
     .max = FLOW_ID_MAX},
    {.name = NULL},
};
static const char list_answer[] =
    "{\"type\":\"object\",\"required\":[\"flows\",\"places\"],\"properties\":{\"flows\":{\"type\":"
    "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"name\",\"description\",\"file\"]}},"
    "\"places\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}";
static const char show_answer[] =
    "{\"type\":\"object\",\"required\":[\"name\",\"description\",\"file\",\"source\"]}";
#define STEP_REQUIRED                                                                              \
    "\"required\":[\"step_id\",\"kind\",\"status\",\"deps\",\"trigger_rule\",\"batch\","           \
    "\"branch\","                                                                                  \
    "\"cached\""
#define STEP_PROPERTIES                                                                            \
    "\"step_id\":" TEXT_SCHEMA ",\"kind\":" TEXT_SCHEMA ",\"status\":" TEXT_SCHEMA                 \
    ",\"deps\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA "},\"trigger_rule\":" TEXT_SCHEMA       \
    ",\"batch\":" TEXT_OR_NULL ",\"branch\":{\"type\":[\"object\",\"null\"],"                      \
    "\"required\":[\"switch\",\"label\"],\"properties\":{\"switch\":" TEXT_SCHEMA                  \
    ",\"label\":" TEXT_OR_NULL "}}"
static const char check_answer[] =
    "{\"type\":\"object\",\"required\":[\"valid\",\"error\",\"steps\"],\"properties\":{"
    "\"valid\":" BOOL_SCHEMA ",\"error\":" TEXT_OR_NULL ",\"flow\":" TEXT_SCHEMA
    ",\"file\":" TEXT_SCHEMA ",\"resumed_from\":" TEXT_OR_NULL
    ",\"steps\":{\"type\":\"array\",\"items\":{\"type\":\"object\"," STEP_REQUIRED
    ",\"wave\"],\"properties\":{" STEP_PROPERTIES ",\"cached\":" TEXT_OR_NULL
    ",\"wave\":" INT_SCHEMA "}}}}}";
static const char run_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"state\",\"flow\",\"file\",\"input\","
    "\"resumed_from\",\"stage\",\"failed_step\",\"rewinds\",\"timeout_ms\",\"report\","
    "\"artifact\",\"steps\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"state\":" TEXT_SCHEMA ",\"flow\":" TEXT_SCHEMA
    ",\"file\":" TEXT_SCHEMA ",\"input\":{},\"resumed_from\":" TEXT_OR_NULL
    ",\"stage\":{\"enum\":[\"steps\",\"report\",\"over\"]}"
    ",\"failed_step\":" TEXT_OR_NULL ",\"rewinds\":" INT_SCHEMA ",\"timeout_ms\":" INT_OR_NULL
    ",\"report\":" TEXT_SCHEMA ",\"report_cut\":" BOOL_SCHEMA
    ",\"artifact\":{\"type\":[\"object\",\"null\"],\"required\":[\"path\",\"error\"],"
    "\"properties\":{"
    "\"path\":" TEXT_SCHEMA ",\"error\":" TEXT_OR_NULL "}}"
    ",\"steps\":{\"type\":\"array\",\"items\":{\"type\":\"object\"," STEP_REQUIRED
    ",\"phase\",\"cause\",\"note\",\"tries\",\"rounds\",\"began_ms\",\"changed_ms\",\"run\","
    "\"session\",\"approval\",\"prompt\",\"result\"],\"properties\":{" STEP_PROPERTIES
    ",\"phase\":" TEXT_SCHEMA ",\"cause\":" TEXT_OR_NULL ",\"note\":" TEXT_OR_NULL
    ",\"cached\":" TEXT_OR_NULL ",\"tries\":" INT_SCHEMA ",\"rounds\":" INT_SCHEMA
    ",\"began_ms\":" INT_OR_NULL ",\"changed_ms\":" INT_SCHEMA ",\"run\":" TEXT_OR_NULL
    ",\"session\":" TEXT_OR_NULL ",\"approval\":" TEXT_OR_NULL ",\"prompt\":" TEXT_SCHEMA
    ",\"prompt_cut\":" BOOL_SCHEMA ",\"result\":" TEXT_SCHEMA ",\"result_cut\":" BOOL_SCHEMA
    "}}}}}";

const struct route flows_routes[] = {
    {ROUTE("GET", "/api/v1/flows", SCOPE_READ,
           "List the flows of a project, of the home and those built in"),
     .query = root_query, .answer_schema = list_answer, .request = &list},
    {ROUTE("GET", "/api/v1/flows/{name}", SCOPE_READ, "Show a flow, with its source"),
     .query = root_query, .answer_schema = show_answer, .request = &show},
    {ROUTE("POST", "/api/v1/flows", SCOPE_RUN,
           "Start a flow: by its name, path or text, or from an ended run"),
     .inside = INSIDE_ALWAYS, .begins_run = true, .has_body = true, .idempotent_key = true,
     .body = {.fields = &start_fields, .use = FIELD_GIVEN}, .answer_schema = run_answer,
     .answer_status = 201, .body_max = 3 << 20, .request = &source_start},
    {ROUTE("POST", "/api/v1/flows/{name}/runs", SCOPE_RUN, "Start the flow of that name"),
     .inside = INSIDE_ALWAYS, .begins_run = true, .has_body = true, .body_optional = true,
     .idempotent_key = true, .body = {.fields = &start_fields, .use = FIELD_CHANGED},
     .answer_schema = run_answer, .answer_status = 201, .body_max = 3 << 20,
     .request = &named_start},
    {ROUTE("POST", "/api/v1/flows/check", SCOPE_RUN,
           "Check a flow: its steps, and what is wrong; nothing is started"),
     .inside = INSIDE_ALWAYS, .has_body = true,
     .body = {.fields = &start_fields, .use = FIELD_GIVEN}, .answer_schema = check_answer,
     .body_max = 3 << 20, .request = &check},
    {ROUTE("GET", "/api/v1/runs/{id}/flow", SCOPE_READ, "Show the steps of a flow's run"),
     .query = steps_query, .answer_schema = run_answer, .request = &steps},
    {.method = NULL},
};
