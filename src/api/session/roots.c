/* roots.c: the folders beside its project's root that a session may use.
 *
 * Where a folder really is is looked up in the pool; the row is written with that. */
#include <string.h>

#include "api/session/sessions.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/session/roots.h"
#include "tool/extra_root.h"

static_assert((int)EXTRA_ROOT_PATH_MAX == (int)SESSION_ROOT_PATH_MAX, "rows hold what is found");

enum { ROOT_OWNER, ROOT_PATH };

struct roots_op {
    struct op op;
    struct loop_work work;
    const struct sessions_api *api;
    struct session_key key; /* Borrowed from the exchange, as the next ones. */
    const char *asked;
    struct bytes path;
    bool write;
    struct extra_root root;
    struct err err;
};

static struct roots_op *roots_new(struct exchange *exchange, const struct sessions_api *api,
                                  int status) {
    struct session_key key;
    if (!sessions__key(exchange, ROOT_OWNER, &key)) {
        return NULL;
    }
    struct roots_op *roots = mem_new(sizeof *roots);
    op_init(&roots->op, exchange, status);
    roots->api = api;
    roots->key = key;
    return roots;
}

static struct err find_session(struct tx *tx, struct roots_op *roots, struct session_row *ret_row) {
    bool found = false;
    op_restart(&roots->op);
    struct err err = tx_session_find(tx, &roots->key, &found, ret_row);
    return err_failed(err) || found ? err : one_absent(&sessions__kind, &roots->op.why);
}

/* --- List ------------------------------------------------------------------------------------- */

static struct err list_run(struct tx *tx, void *ctx) {
    struct roots_op *roots = ctx;
    struct session_row session;
    struct err err = find_session(tx, roots, &session);
    if (!err_failed(err)) {
        text_add_str(&roots->op.answer, "{\"items\":");
        err = tx_roots_write_json(tx, session.id, &roots->op.answer);
        text_add_str(&roots->op.answer, ",\"next\":null}");
    }
    return err;
}

static void list(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct roots_op *roots = roots_new(exchange, api, 200);
    if (roots != NULL) {
        store_read(api->store, list_run, op_done, roots);
    }
}

/* --- Grant ------------------------------------------------------------------------------------ */

static struct err grant_run(struct tx *tx, void *ctx) {
    struct roots_op *roots = ctx;
    struct session_row session;
    const char *by = exchange_identity(roots->op.exchange)->owner;
    const struct root_row root = {.path = {roots->root.path, strlen(roots->root.path)},
                                  .write = roots->write,
                                  .by = {by, strlen(by)},
                                  .granted_ms = tx_now_ms(tx)};
    struct err err = find_session(tx, roots, &session);
    if (!err_failed(err)) {
        err = tx_root_put(tx, &session, &root);
    }
    if (err.code == ERR_TOO_MANY) {
        why_set(&roots->op.why, "the session has %d roots already; remove one", SESSION_ROOTS_MAX);
    }
    if (err_failed(err)) {
        return err;
    }
    root_write_json(&root, &roots->op.answer);
    return op_written(&roots->op);
}

static void find_in_pool(struct loop_work *work) {
    struct roots_op *roots = CONTAINER_OF(work, struct roots_op, work);
    roots->err = extra_root_find(roots->asked, roots->api->data_dir, &roots->root, &roots->op.why);
}

static void found(struct loop_work *work) {
    struct roots_op *roots = CONTAINER_OF(work, struct roots_op, work);
    if (err_failed(roots->err)) {
        bool ours = roots->err.code == ERR_OUT_OF_MEMORY;
        op_done(ours ? roots->err : err_make(ERR_BAD_FIELD, "roots: path"), roots);
        return;
    }
    store_write(roots->api->store, grant_run, op_done, roots);
}

static struct err grant_read(struct roots_op *roots, struct why *why) {
    const char *access = "read";
    const struct json_field fields[] = {
        {.name = "path",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .min = 1,
         .max = EXTRA_ROOT_PATH_MAX,
         .text = &roots->asked},
        {.name = "access", .kind = JSON_KIND_TEXT, .max = 8, .text = &access},
    };
    struct err err =
        json_read_fields(exchange_json(roots->op.exchange), fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    roots->write = strcmp(access, "write") == 0;
    if (!roots->write && strcmp(access, "read") != 0) {
        why_set(why, "access: read or write");
        return err_make(ERR_BAD_FIELD, "roots: access");
    }
    return ERR_OK;
}

static void grant(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct roots_op *roots = roots_new(exchange, api, 201);
    if (roots == NULL) {
        return;
    }
    struct err err = grant_read(roots, &roots->op.why);
    if (err_failed(err)) {
        op_done(err, roots);
        return;
    }
    roots->work = (struct loop_work){.run = find_in_pool, .done = found};
    loop_work(api->loop, &roots->work);
}

/* --- Take back -------------------------------------------------------------------------------- */

static struct err remove_run(struct tx *tx, void *ctx) {
    struct roots_op *roots = ctx;
    struct session_row session;
    struct err err = find_session(tx, roots, &session);
    if (err_failed(err)) {
        return err;
    }
    err = tx_root_remove(tx, &session, roots->path);
    if (err.code == ERR_NOT_FOUND) {
        why_set(&roots->op.why, "this folder was not granted to the session");
    }
    if (err_failed(err)) {
        return err;
    }
    text_add_str(&roots->op.answer, "{\"path\":");
    text_add_json(&roots->op.answer, roots->path.data, roots->path.len);
    text_addf(&roots->op.answer, ",\"removed_ms\":%lld}", (long long)tx_now_ms(tx));
    return op_written(&roots->op);
}

static void take_back(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct roots_op *roots = roots_new(exchange, api, 200);
    if (roots != NULL) {
        roots->path = exchange_query_text(exchange, ROOT_PATH);
        store_write(api->store, remove_run, op_done, roots);
    }
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param one_query[] = {
    [ROOT_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    {.name = NULL},
};
static const struct query_param path_query[] = {
    [ROOT_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    [ROOT_PATH] = {.name = "path",
                   .about = "The folder, as the list has it.",
                   .kind = QUERY_TEXT,
                   .max = EXTRA_ROOT_PATH_MAX,
                   .required = true},
    {.name = NULL},
};

#define ROOT_SCHEMA                                                                                \
    "{\"type\":\"object\",\"required\":[\"path\",\"access\",\"granted_by\",\"granted_ms\"],"       \
    "\"properties\":{\"path\":{\"type\":\"string\"},\"access\":{\"enum\":[\"read\",\"write\"]},"   \
    "\"granted_by\":{\"type\":\"string\"},\"granted_ms\":{\"type\":\"integer\"}}}"

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/sessions/{id}/roots",
     .summary = "List the folders beside its root that a session may use",
     .scope = SCOPE_READ,
     .query = one_query,
     .answer_schema = PAGE_SCHEMA(ROOT_SCHEMA),
     .answer_status = 200,
     .handle = list},
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/roots",
     .summary = "Grant a folder to a session, from its next step on",
     .scope = SCOPE_APPROVE,
     .has_body = true,
     .query = one_query,
     .body_schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"path\"],"
                    "\"properties\":{\"path\":{\"type\":\"string\"},\"access\":{\"enum\":["
                    "\"read\",\"write\"]}}}",
     .answer_schema = ROOT_SCHEMA,
     .answer_status = 201,
     .handle = grant},
    {.method = "DELETE",
     .path = "/api/v1/sessions/{id}/roots",
     .summary = "Take a folder back",
     .scope = SCOPE_APPROVE,
     .query = path_query,
     .answer_schema = "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},"
                      "\"removed_ms\":{\"type\":\"integer\"}}}",
     .answer_status = 200,
     .handle = take_back},
};

struct route_table session_roots_table(struct sessions_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
