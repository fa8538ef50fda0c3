/* workflows.c: the catalog, and the verdict on a script. */
#include "api/workflows.h"

#include <string.h>

#include "api/op.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/memory.h"

enum { LOOK_ROOT };

/* One look at files or at a script, in the pool. */
struct look_op {
    struct op op;
    struct loop_work work;
    struct catalog_search search;
    char *root;                                  /* Owned; NULL: none. */
    struct bytes name;                           /* Borrowed from the exchange. */
    const char *script, *file;                   /* Borrowed from it, too. */
    struct err (*look)(struct look_op *look_op); /* In the pool. */
    struct err err;
};

static void look_free(struct look_op *look) {
    mem_free(look->root);
    mem_free(look);
}

static void look_run(struct loop_work *work) {
    struct look_op *look = CONTAINER_OF(work, struct look_op, work);
    look->err = look->look(look);
}

static void look_done(struct loop_work *work) {
    struct look_op *look = CONTAINER_OF(work, struct look_op, work);
    op_answer(&look->op, look->err);
    look_free(look);
}

static struct look_op *look_new(struct exchange *exchange, const struct workflow_runs_api *api,
                                struct err (*how)(struct look_op *look)) {
    struct look_op *look = mem_new(sizeof *look);
    op_init(&look->op, exchange, 200);
    look->search = api->search;
    look->look = how;
    look->work = (struct loop_work){.run = look_run, .done = look_done};
    return look;
}

static void look_in_root(struct look_op *look, const struct workflow_runs_api *api) {
    if (exchange_query_given(look->op.exchange, LOOK_ROOT)) {
        struct bytes root = exchange_query_text(look->op.exchange, LOOK_ROOT);
        look->root = mem_copy(root.data, root.len);
        look->search.root = look->root;
    }
    loop_work(api->loop, &look->work);
}

/* --- The catalog ------------------------------------------------------------------------------ */

/* A root that is no folder is a wrong query here. */
static struct err as_query(struct err err) {
    return err.code == ERR_BAD_FIELD ? err_make(ERR_BAD_QUERY, "workflows: root") : err;
}

static struct err list_look(struct look_op *look) {
    AUTO(catalog_done) struct catalog catalog = {.place_count = 0};
    struct err err = catalog_read(&look->search, &catalog, &look->op.why);
    if (!err_failed(err)) {
        catalog_write(&catalog, &look->op.answer);
    }
    return as_query(err);
}

static void list(struct exchange *exchange, void *ctx) {
    const struct workflow_runs_api *api = ctx;
    look_in_root(look_new(exchange, api, list_look), api);
}

static struct err show_look(struct look_op *look) {
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    struct err err = catalog_find(&look->search, look->name, &script, &look->op.why);
    if (!err_failed(err)) {
        catalog_script_write(&script, &look->op.answer);
    }
    return as_query(err);
}

static void show(struct exchange *exchange, void *ctx) {
    const struct workflow_runs_api *api = ctx;
    struct look_op *look = look_new(exchange, api, show_look);
    look->name = exchange_param(exchange, 0);
    look_in_root(look, api);
}

/* --- The verdict ------------------------------------------------------------------------------ */

static struct err check_look(struct look_op *look) {
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    const struct script_source source = {{look->script, strlen(look->script)},
                                         {look->file, strlen(look->file)}};
    struct script_fault fault;
    struct err err = script_prepare(&source, &prepared, &fault);
    if (err_failed(err) && err.code != ERR_BAD_SCRIPT) {
        return err;
    }
    script_verdict_write(err_failed(err) ? NULL : &prepared, &fault, &look->op.answer);
    return ERR_OK;
}

static void check(struct exchange *exchange, void *ctx) {
    const struct workflow_runs_api *api = ctx;
    struct look_op *look = look_new(exchange, api, check_look);
    look->file = "script.js";
    const struct json_field fields[] = {
        {.name = "script",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .max = SCRIPT_SOURCE_MAX,
         .text = &look->script},
        {.name = "file",
         .kind = JSON_KIND_TEXT,
         .min = 1,
         .max = LIMIT_PATH_MAX,
         .text = &look->file},
    };
    struct err err =
        json_read_fields(exchange_json(exchange), fields, COUNT_OF(fields), &look->op.why);
    if (err_failed(err)) {
        op_answer(&look->op, err);
        look_free(look);
        return;
    }
    loop_work(api->loop, &look->work);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param root_query[] = {
    [LOOK_ROOT] = {.name = "root",
                   .about = "The folder of the project, absolute.",
                   .kind = QUERY_TEXT,
                   .max = LIMIT_PATH_MAX - 1},
    {.name = NULL},
};

#define TEXT "{\"type\":\"string\"}"
#define FAULT_PROPERTIES                                                                           \
    "\"line\":{\"type\":\"integer\"},\"column\":{\"type\":\"integer\"},\"code\":" TEXT             \
    ",\"detail\":" TEXT
#define PROBLEMS                                                                                   \
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{" FAULT_PROPERTIES         \
    ",\"severity\":{\"enum\":[\"error\",\"warning\"]}}}}"
#define WORKFLOW_PROPERTIES                                                                        \
    "\"name\":" TEXT ",\"description\":" TEXT ",\"when_to_use\":" TEXT ",\"phases\":{\"type\":"    \
    "\"array\",\"items\":{\"type\":\"object\"}},\"args\":{},\"file\":" TEXT ",\"place\":" TEXT     \
    ",\"origin\":{\"enum\":[\"project\",\"home\",\"built-in\"]},\"form\":{\"enum\":[\"body\","     \
    "\"main\",null]},\"shadowed\":{\"type\":\"boolean\"},\"shadowed_by\":" TEXT ",\"error\":{"     \
    "\"type\":\"object\",\"properties\":{" FAULT_PROPERTIES "}}"
#define WORKFLOW_REQUIRED                                                                          \
    "\"required\":[\"name\",\"description\",\"phases\",\"file\",\"place\",\"origin\",\"form\","    \
    "\"shadowed\"]"
static const char list_answer[] =
    "{\"type\":\"object\",\"required\":[\"workflows\",\"places\"],\"properties\":{\"workflows\":{"
    "\"type\":\"array\",\"items\":{\"type\":\"object\"," WORKFLOW_REQUIRED
    ",\"properties\":{" WORKFLOW_PROPERTIES
    "}}},\"places\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"path\":"
    "" TEXT ",\"origin\":" TEXT
    ",\"found\":{\"type\":\"boolean\"},\"files\":{\"type\":\"integer\"},"
    "\"truncated\":{\"type\":\"boolean\"},\"problem\":" TEXT "}}}}}";
static const char show_answer[] =
    "{\"type\":\"object\"," WORKFLOW_REQUIRED ",\"properties\":{" WORKFLOW_PROPERTIES
    ",\"notes\":" PROBLEMS ",\"source\":{\"type\":[\"string\",\"null\"]}}}";
static const char check_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"script\"],"
    "\"properties\":{\"script\":" TEXT ",\"file\":" TEXT "}}";
static const char check_answer[] =
    "{\"type\":\"object\",\"required\":[\"valid\",\"form\",\"meta\",\"problems\"],\"properties\":{"
    "\"valid\":{\"type\":\"boolean\"},\"form\":{\"enum\":[\"body\",\"main\",null]},\"meta\":{"
    "\"type\":[\"object\",\"null\"]},\"problems\":" PROBLEMS "}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/workflows",
     .summary = "List the workflows of a project, of the home and those built in",
     .scope = SCOPE_READ,
     .query = root_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = list},
    {.method = "GET",
     .path = "/api/v1/workflows/{name}",
     .summary = "Show a workflow, with its source",
     .scope = SCOPE_READ,
     .query = root_query,
     .answer_schema = show_answer,
     .answer_status = 200,
     .handle = show},
    {.method = "POST",
     .path = "/api/v1/scripts/check",
     .summary = "Tell what is wrong with a workflow script, without running it",
     .scope = SCOPE_READ,
     .has_body = true,
     .body_schema = check_body,
     .answer_schema = check_answer,
     .answer_status = 200,
     .body_max = (size_t)3 << 20,
     .handle = check},
};

struct route_table workflows_table(struct workflow_runs_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
