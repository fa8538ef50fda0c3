/* workflows.c: the catalog, and the verdict on a script. */
#include "api/workflow/workflows.h"

#include <string.h>

#include "api/base/op.h"
#include "base/json/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "dispatch/workflow/check.h"

enum { LOOK_ROOT };

/* One look at files or at a script: in the pool it is read, then the engine says what it has to,
 * and in the pool it is told. */
struct look_op {
    struct op op;
    struct loop *loop; /* Borrowed. */
    struct loop_work work;
    struct catalog_search search;
    char *root;                /* Owned; NULL: none. */
    struct bytes name;         /* Borrowed from the exchange. */
    const char *script, *file; /* Borrowed from it, too. */
    const struct look *how;
    struct flows *flows;    /* Borrowed. */
    struct catalog catalog; /* Owned, as is the next. */
    struct catalog_script one;
    struct err err;
};

struct look {
    struct err (*read)(struct look_op *look); /* In the pool. */
    void (*judge)(struct look_op *look);      /* judged() comes. */
    void (*write)(struct look_op *look);      /* In the pool. */
};

static void look_free(struct look_op *look) {
    catalog_done(&look->catalog);
    catalog_script_done(&look->one);
    mem_free(look->root);
    mem_free(look);
}

static void look_read(struct loop_work *work) {
    struct look_op *look = CONTAINER_OF(work, struct look_op, work);
    look->err = look->how->read(look);
}

static void look_write(struct loop_work *work) {
    struct look_op *look = CONTAINER_OF(work, struct look_op, work);
    look->how->write(look);
}

static void look_done(struct loop_work *work) {
    struct look_op *look = CONTAINER_OF(work, struct look_op, work);
    op_answer(&look->op, look->err);
    look_free(look);
}

static void judged(void *ctx) {
    struct look_op *look = ctx;
    look->work = (struct loop_work){.run = look_write, .done = look_done};
    loop_work(look->loop, &look->work);
}

static void was_read(struct loop_work *work) {
    struct look_op *look = CONTAINER_OF(work, struct look_op, work);
    if (err_failed(look->err)) {
        look_done(work);
    } else {
        look->how->judge(look);
    }
}

static struct look_op *look_new(struct exchange *exchange, const struct workflow_runs_api *api,
                                const struct look *how) {
    struct look_op *look = mem_new(sizeof *look);
    op_init(&look->op, exchange, 200);
    look->search = api->search;
    look->loop = api->loop;
    look->flows = api->flows;
    look->how = how;
    look->work = (struct loop_work){.run = look_read, .done = was_read};
    return look;
}

static void judge_one(struct look_op *look) {
    flows_judge_one(look->flows, &look->one, (struct flow_judge_done){judged, look});
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

static struct err list_read(struct look_op *look) {
    return as_query(catalog_read(&look->search, &look->catalog, &look->op.why));
}

static void list_judge(struct look_op *look) {
    flows_judge(look->flows, &look->catalog, (struct flow_judge_done){judged, look});
}

static void list_write(struct look_op *look) {
    catalog_write(&look->catalog, &look->op.answer);
}

static void list(struct exchange *exchange, void *ctx) {
    static const struct look how = {list_read, list_judge, list_write};
    const struct workflow_runs_api *api = ctx;
    look_in_root(look_new(exchange, api, &how), api);
}

static struct err show_read(struct look_op *look) {
    return as_query(catalog_find(&look->search, look->name, &look->one, &look->op.why));
}

static void show_write(struct look_op *look) {
    catalog_script_write(&look->one, &look->op.answer);
}

static void show(struct exchange *exchange, void *ctx) {
    static const struct look how = {show_read, judge_one, show_write};
    const struct workflow_runs_api *api = ctx;
    struct look_op *look = look_new(exchange, api, &how);
    look->name = exchange_param(exchange, 0);
    look_in_root(look, api);
}

/* --- The verdict ------------------------------------------------------------------------------ */

/* The text as if it were a file. */
static struct err check_read(struct look_op *look) {
    struct catalog_script *one = &look->one;
    one->len = strlen(look->script);
    one->source = mem_copy(look->script, one->len);
    one->entry.file = mem_copy(look->file, strlen(look->file));
    const struct sha256 digest = sha256_of(one->source, one->len);
    one->entry.hash = sha256_hex(&digest);
    const struct script_source source = {{one->source, one->len}, {look->file, strlen(look->file)}};
    struct err err = script_prepare(&source, &one->prepared, &one->entry.fault);
    one->entry.valid = !err_failed(err);
    return err.code == ERR_BAD_SCRIPT ? ERR_OK : err;
}

static void check_write(struct look_op *look) {
    const struct catalog_script *one = &look->one;
    const struct script_verdict verdict = {.prepared =
                                               one->prepared.meta == NULL ? NULL : &one->prepared,
                                           .fault = one->entry.valid ? NULL : &one->entry.fault,
                                           .checked = one->entry.checked};
    script_verdict_write(&verdict, &look->op.answer);
}

static void check(struct exchange *exchange, void *ctx) {
    static const struct look how = {check_read, judge_one, check_write};
    const struct workflow_runs_api *api = ctx;
    struct look_op *look = look_new(exchange, api, &how);
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
    "\"main\",null]},\"shadowed\":{\"type\":\"boolean\"},\"checked\":{\"type\":\"boolean\"},"      \
    "\"shadowed_by\":" TEXT ",\"error\":{"                                                         \
    "\"type\":\"object\",\"properties\":{" FAULT_PROPERTIES "}}"
#define WORKFLOW_REQUIRED                                                                          \
    "\"required\":[\"name\",\"description\",\"phases\",\"file\",\"place\",\"origin\",\"form\","    \
    "\"shadowed\",\"checked\"]"
static const char list_answer[] =
    "{\"type\":\"object\",\"required\":[\"workflows\",\"places\",\"unchecked\"],\"properties\":{"
    "\"unchecked\":{\"type\":\"integer\"},\"workflows\":{"
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
    "{\"type\":\"object\",\"required\":[\"valid\",\"form\",\"meta\",\"problems\",\"checked\"],"
    "\"properties\":{\"checked\":{\"type\":\"boolean\"},\"valid\":{\"type\":\"boolean\"},\"form\":{"
    "\"enum\":[\"body\",\"main\",null]},\"meta\":{"
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
