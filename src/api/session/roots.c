/* roots.c: the folders beside its project's root that a session may use.
 *
 * Where a folder really is is looked up in the pool; the row is written with that. */
#include <string.h>

#include "api/session/sessions.h"
#include "engine/session/roots.h"
#include "tool/place.h"

static_assert((int)EXTRA_ROOT_PATH_MAX == (int)SESSION_ROOT_PATH_MAX, "rows hold what is found");

/* --- List ------------------------------------------------------------------------------------- */

static struct err root_list_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    struct session_row session;
    struct err err = request_session(tx, request, &session);
    if (!err_failed(err)) {
        text_add_str(&request->op.answer, "{\"items\":");
        err = tx_roots_write_json(tx, session.id, &request->op.answer);
        text_add_str(&request->op.answer, ",\"next\":null}");
    }
    return err;
}

static const struct request_kind list = {.one = &session_one, .work = root_list_work};

/* --- Grant ------------------------------------------------------------------------------------ */

struct grant_op {
    struct request request;
    const char *path, *access; /* Borrowed from the exchange; access NULL: to read. */
    struct extra_root root;
};

#define AT(member) offsetof(struct grant_op, member)
static const struct field grant_rows[] = {
    {FIELD("path", FIELD_CHARS, AT(path)), .required = true, .min = 1, .max = EXTRA_ROOT_PATH_MAX},
    {FIELD("access", FIELD_CHARS, AT(access)), .max = 8,
     .schema = "{\"enum\":[\"read\",\"write\"]}"},
};
static const struct field_set grant_fields = {FIELD_ROWS(grant_rows), .use = FIELD_GIVEN};

static struct err grant_read(void *ctx) {
    struct grant_op *grant = ctx;
    struct bytes access = bytes_of(grant->access);
    if (grant->access != NULL && !bytes_is(access, "read") && !bytes_is(access, "write")) {
        return err_why(&grant->request.op.why, ERR_BAD_FIELD, "access: read or write");
    }
    return ERR_OK;
}

static struct err grant_pool(void *ctx) {
    struct grant_op *grant = ctx;
    const struct sessions_api *api = grant->request.api;
    struct err err =
        extra_root_find(grant->path, api->data_dir, &grant->root, &grant->request.op.why);
    bool ours = !err_failed(err) || err.code == ERR_OUT_OF_MEMORY;
    return ours ? err : err_make(ERR_BAD_FIELD, "roots: path");
}

static struct err grant_work(struct tx *tx, void *ctx) {
    struct grant_op *grant = ctx;
    struct request *request = &grant->request;
    struct session_row session;
    const struct root_row root = {.path = bytes_of(grant->root.path),
                                  .write = bytes_is(bytes_of(grant->access), "write"),
                                  .by = bytes_of(exchange_identity(request->op.exchange)->owner),
                                  .granted_ms = tx_now_ms(tx)};
    struct err err = request_session(tx, request, &session);
    if (!err_failed(err)) {
        err = tx_root_put(tx, &session, &root);
    }
    if (err.code == ERR_TOO_MANY) {
        why_set(&request->op.why, "the session has %d roots already; remove one",
                SESSION_ROOTS_MAX);
    }
    if (!err_failed(err)) {
        root_write_json(&root, &request->op.answer);
    }
    return err;
}

static const struct request_kind grant = {
    .size = sizeof(struct grant_op),
    .writes = true,
    .one = &session_one,
    .fields = &grant_fields,
    .read = grant_read,
    .pool = grant_pool,
    .work = grant_work,
};

/* --- Take back -------------------------------------------------------------------------------- */

static struct err root_remove_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    struct bytes path = param_text(request->op.exchange, "path");
    struct session_row session;
    TRY(request_session(tx, request, &session));
    struct err err = tx_root_remove(tx, &session, path);
    if (err.code == ERR_NOT_FOUND) {
        why_set(&request->op.why, "this folder was not granted to the session");
    }
    op_removed(&request->op, tx, "path", path, "removed_ms");
    return err;
}

static const struct request_kind take_back = {
    .writes = true, .one = &session_one, .work = root_remove_work};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param path_query[] = {
    OP_OWNER_PARAM("Another owner's session"),
    {QUERY("path", QUERY_TEXT, "The folder, as the list has it."), .max = EXTRA_ROOT_PATH_MAX,
     .required = true},
    {.name = NULL},
};

#define ROOT_SCHEMA                                                                                \
    "{\"type\":\"object\",\"required\":[\"path\",\"access\",\"granted_by\",\"granted_ms\"],"       \
    "\"properties\":{\"path\":{\"type\":\"string\"},\"access\":{\"enum\":[\"read\",\"write\"]},"   \
    "\"granted_by\":{\"type\":\"string\"},\"granted_ms\":{\"type\":\"integer\"}}}"

const struct route session_roots_routes[] = {
    {ROUTE("GET", "/api/v1/sessions/{id}/roots", SCOPE_READ,
           "List the folders beside its root that a session may use"),
     .query = SESSION_QUERY, .answer_schema = PAGE_SCHEMA(ROOT_SCHEMA), .request = &list},
    {ROUTE("POST", "/api/v1/sessions/{id}/roots", SCOPE_APPROVE,
           "Grant a folder to a session, from its next step on"),
     .has_body = true, .query = SESSION_QUERY,
     .body = {.fields = &grant_fields, .use = FIELD_GIVEN}, .answer_schema = ROOT_SCHEMA,
     .answer_status = 201, .request = &grant},
    {ROUTE("DELETE", "/api/v1/sessions/{id}/roots", SCOPE_APPROVE, "Revoke a folder"),
     .query = path_query,
     .answer_schema = "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},"
                      "\"removed_ms\":{\"type\":\"integer\"}}}",
     .request = &take_back},
    {.method = NULL},
};
