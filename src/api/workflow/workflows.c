/* workflows.c: the catalog, the verdict on a script, and another text for a workflow's file. */
#include "api/workflow/runs.h"

#include <string.h>

#include "api/base/request.h"
#include "base/json/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "dispatch/workflow/check.h"

/* One look at files or at a script: in the pool it is read, then the engine judges it, and in the
 * pool the answer is written. */
struct look_op {
    struct request request;
    struct catalog_search search;
    char *root;                         /* Owned; NULL: none. */
    const char *script, *file, *folder; /* Borrowed from the exchange, as is the next. */
    const char *hash;
    uint64_t random;
    struct catalog catalog; /* Owned, as is the next. */
    struct catalog_script one;
};

static void look_end(void *ctx, struct err result) {
    struct look_op *look = ctx;
    catalog_done(&look->catalog);
    catalog_script_done(&look->one);
    mem_free(look->root);
}

static void look_judged(void *look) {
    request_after(look);
}

static enum request_next judge_one(void *ctx, struct err *io_result) {
    struct look_op *look = ctx;
    const struct workflow_runs_api *api = look->request.api;
    workflows_judge_one(api->workflows, &look->one, &look->search,
                        (struct script_judge_done){look_judged, look});
    return REQUEST_LATER;
}

static struct err check_start(void *ctx) {
    struct look_op *look = ctx;
    const struct workflow_runs_api *api = look->request.api;
    look->search = api->search;
    const char *config_dir = request_variable(&look->request, "CLAUDE_CONFIG_DIR");
    look->search.config_dir = config_dir != NULL ? config_dir : look->search.config_dir;
    return ERR_OK;
}

static struct err look_start(void *ctx) {
    struct look_op *look = ctx;
    struct err err = check_start(look);
    if (param_given(look->request.op.exchange, "root")) {
        struct bytes root = param_text(look->request.op.exchange, "root");
        look->root = mem_copy(root.data, root.len);
        look->search.root = look->root;
    }
    return err;
}

/* --- The catalog ------------------------------------------------------------------------------ */

/* A root that is no folder is a wrong query here. */
static struct err as_query(struct err err) {
    return err.code == ERR_BAD_FIELD ? err_make(ERR_BAD_QUERY, "workflows: root") : err;
}

static struct err list_read(void *ctx) {
    struct look_op *look = ctx;
    return as_query(catalog_read(&look->search, &look->catalog, &look->request.op.why));
}

static enum request_next list_judge(void *ctx, struct err *io_result) {
    struct look_op *look = ctx;
    const struct workflow_runs_api *api = look->request.api;
    workflows_judge(api->workflows, &look->catalog, (struct script_judge_done){look_judged, look});
    return REQUEST_LATER;
}

static struct err list_write(void *ctx) {
    struct look_op *look = ctx;
    catalog_write(&look->catalog, &look->request.op.answer);
    return ERR_OK;
}

static struct err named_read(struct look_op *look, struct bytes name) {
    return as_query(catalog_find(&look->search, name, &look->one, &look->request.op.why));
}

static struct err show_read(void *ctx) {
    struct look_op *look = ctx;
    return named_read(look, exchange_param(look->request.op.exchange, 0));
}

static struct err show_write(void *ctx) {
    struct look_op *look = ctx;
    catalog_script_write(&look->one, &look->request.op.answer);
    return ERR_OK;
}

/* --- Another text ----------------------------------------------------------------------------- */

static struct err save_start(void *ctx) {
    struct look_op *look = ctx;
    world_random(loop_world(look->request.loop), &look->random, sizeof look->random);
    return look_start(look);
}

/* The answer is the workflow as it is found then. */
static struct err save_write(void *ctx) {
    struct look_op *look = ctx;
    const struct catalog_save save = {
        .text = bytes_of(look->script), .hash = bytes_of(look->hash), .random = look->random};
    struct err err = show_read(look);
    if (!err_failed(err)) {
        err = catalog_save(&look->one, &save, &look->request.op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    AUTO(mem_release) char *name = mem_copy(look->one.entry.name, strlen(look->one.entry.name));
    catalog_script_done(&look->one);
    return named_read(look, bytes_of(name));
}

/* --- The verdict ------------------------------------------------------------------------------ */

#define AT(member) offsetof(struct look_op, member)
static const struct field check_rows[] = {
    {FIELD("script", FIELD_CHARS, AT(script)), .required = true, .max = SCRIPT_SOURCE_MAX},
    {FIELD("file", FIELD_CHARS, AT(file)), .min = 1, .max = LIMIT_PATH_MAX},
    {FIELD("root", FIELD_CHARS, AT(folder)), .min = 1, .max = LIMIT_PATH_MAX - 1},
};
static const struct field_set check_fields = {FIELD_ROWS(check_rows), .use = FIELD_GIVEN};
static const struct field save_rows[] = {
    {FIELD("source", FIELD_CHARS, AT(script)), .required = true, .max = SCRIPT_SOURCE_MAX},
    {FIELD("hash", FIELD_CHARS, AT(hash)), .required = true, .min = 64, .max = 64},
};
static const struct field_set save_fields = {FIELD_ROWS(save_rows), .use = FIELD_GIVEN};

/* The text as if it were a file. */
static struct err check_read(void *ctx) {
    struct look_op *look = ctx;
    struct catalog_script *one = &look->one;
    look->file = look->file != NULL ? look->file : "script.js";
    one->len = strlen(look->script);
    one->source = mem_copy(look->script, one->len);
    one->entry.file = mem_copy(look->file, strlen(look->file));
    const struct sha256 digest = sha256_of(one->source, one->len);
    one->entry.hash = sha256_hex(&digest);
    const struct script_source source = {.text = {one->source, one->len},
                                         .file = bytes_of(look->file)};
    struct err err = script_prepare(&source, &one->prepared, &one->entry.fault);
    one->entry.valid = !err_failed(err);
    return err.code == ERR_BAD_SCRIPT ? ERR_OK : err;
}

/* Without a folder, nobody knows where its names are. */
static enum request_next check_judge(void *ctx, struct err *io_result) {
    struct look_op *look = ctx;
    const struct workflow_runs_api *api = look->request.api;
    look->search.root = look->folder;
    workflows_judge_one(api->workflows, &look->one, look->folder == NULL ? NULL : &look->search,
                        (struct script_judge_done){look_judged, look});
    return REQUEST_LATER;
}

static struct err check_write(void *ctx) {
    struct look_op *look = ctx;
    const struct catalog_script *one = &look->one;
    const struct script_verdict verdict = {.prepared =
                                               one->prepared.meta == NULL ? NULL : &one->prepared,
                                           .notes = &one->notes,
                                           .fault = one->entry.valid ? NULL : &one->entry.fault,
                                           .checked = one->entry.checked};
    script_verdict_write(&verdict, &look->request.op.answer);
    return ERR_OK;
}

static struct bytes check_folder(const void *ctx) {
    const struct look_op *look = ctx;
    return bytes_of(look->folder);
}

#define LOOK .size = sizeof(struct look_op), .end = look_end
static const struct request_kind list = {LOOK,
                                         .folder = request_root,
                                         .start = look_start,
                                         .pool = list_read,
                                         .done = list_judge,
                                         .after = list_write};
static const struct request_kind show = {LOOK,
                                         .folder = request_root,
                                         .start = look_start,
                                         .pool = show_read,
                                         .done = judge_one,
                                         .after = show_write};
static const struct request_kind save = {LOOK,
                                         .folder = request_root,
                                         .fields = &save_fields,
                                         .start = save_start,
                                         .pool = save_write,
                                         .done = judge_one,
                                         .after = show_write};
static const struct request_kind check = {LOOK,
                                          .fields = &check_fields,
                                          .folder = check_folder,
                                          .start = check_start,
                                          .pool = check_read,
                                          .done = check_judge,
                                          .after = check_write};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param root_query[] = {
    {QUERY("root", QUERY_TEXT, "The folder of the project, absolute."), .max = LIMIT_PATH_MAX - 1},
    {.name = NULL},
};

#define FAULT_REQUIRED "\"required\":[\"line\",\"column\",\"code\",\"detail\""
#define FAULT_PROPERTIES                                                                           \
    "\"line\":{\"type\":\"integer\"},\"column\":{\"type\":\"integer\"},\"code\":" TEXT_SCHEMA      \
    ",\"detail\":" TEXT_SCHEMA
#define PROBLEMS                                                                                   \
    "{\"type\":\"array\",\"items\":{\"type\":\"object\"," FAULT_REQUIRED                           \
    ",\"severity\"],\"properties\":{" FAULT_PROPERTIES                                             \
    ",\"severity\":{\"enum\":[\"error\",\"warning\"]}}}}"
#define WORKFLOW_PROPERTIES                                                                        \
    "\"name\":" TEXT_SCHEMA ",\"description\":" TEXT_SCHEMA ",\"when_to_use\":" TEXT_SCHEMA        \
    ",\"phases\":{\"type\":"                                                                       \
    "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"title\"],\"properties\":{"           \
    "\"title\":" TEXT_SCHEMA ",\"detail\":" TEXT_SCHEMA ",\"model\":" TEXT_SCHEMA                  \
    "}}},\"args\":{},\"file\":" TEXT_SCHEMA ",\"place\":" TEXT_SCHEMA                              \
    ",\"origin\":{\"enum\":[\"project\",\"home\",\"built-in\"]},\"form\":{\"enum\":[\"body\","     \
    "\"main\",null]},\"shadowed\":{\"type\":\"boolean\"},\"checked\":{\"type\":\"boolean\"},"      \
    "\"shadowed_by\":" TEXT_SCHEMA ",\"error\":{"                                                  \
    "\"type\":\"object\"," FAULT_REQUIRED "],\"properties\":{" FAULT_PROPERTIES "}}"
#define WORKFLOW_REQUIRED                                                                          \
    "\"required\":[\"name\",\"description\",\"phases\",\"file\",\"place\",\"origin\",\"form\","    \
    "\"shadowed\",\"checked\"]"
static const char list_answer[] =
    "{\"type\":\"object\",\"required\":[\"workflows\",\"places\",\"unchecked\"],\"properties\":{"
    "\"unchecked\":" INT_SCHEMA
    ",\"workflows\":{\"type\":\"array\",\"items\":{\"type\":\"object\"," WORKFLOW_REQUIRED
    ",\"properties\":{" WORKFLOW_PROPERTIES
    "}}},\"places\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"path\":" TEXT_SCHEMA ",\"origin\":" TEXT_SCHEMA ",\"found\":" BOOL_SCHEMA
    ",\"files\":" INT_SCHEMA ",\"truncated\":" BOOL_SCHEMA ",\"problem\":" TEXT_SCHEMA "}}}}}";
static const char show_answer[] =
    "{\"type\":\"object\"," WORKFLOW_REQUIRED ",\"properties\":{" WORKFLOW_PROPERTIES
    ",\"notes\":" PROBLEMS ",\"source\":" TEXT_OR_NULL ",\"hash\":" TEXT_OR_NULL "}}";
static const char check_answer[] =
    "{\"type\":\"object\",\"required\":[\"valid\",\"form\",\"meta\",\"problems\",\"checked\"],"
    "\"properties\":{\"checked\":" BOOL_SCHEMA ",\"valid\":" BOOL_SCHEMA
    ",\"form\":{\"enum\":[\"body\",\"main\",null]},\"meta\":{\"type\":[\"object\",\"null\"]},"
    "\"problems\":" PROBLEMS "}}";

const struct route workflows_routes[] = {
    {ROUTE("GET", "/api/v1/workflows", SCOPE_READ,
           "List the workflows of a project, of the home and those built in"),
     .query = root_query, .answer_schema = list_answer, .request = &list},
    {ROUTE("GET", "/api/v1/workflows/{name}", SCOPE_READ, "Show a workflow, with its source"),
     .query = root_query, .answer_schema = show_answer, .request = &show},
    {ROUTE("PUT", "/api/v1/workflows/{name}", SCOPE_RUN,
           "Put another source into the file of a workflow"),
     .query = root_query, .has_body = true, .body = {.fields = &save_fields, .use = FIELD_GIVEN},
     .answer_schema = show_answer, .body_max = (size_t)3 << 20, .request = &save},
    {ROUTE("POST", "/api/v1/scripts/check", SCOPE_READ,
           "Check a workflow script without running it"),
     .has_body = true, .body = {.fields = &check_fields, .use = FIELD_GIVEN},
     .answer_schema = check_answer, .body_max = (size_t)3 << 20, .request = &check},
    {.method = NULL},
};
