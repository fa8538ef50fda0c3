/* login.c: web pages sign in and out. A link that is good for one sign-in, its exchange for a key,
 * which is a token that is bound to the origin of the page, whose it is, and the end of that key.
 */
#include <string.h>

#include "api/token/tokens.h"
#include "base/memory.h"

static uint64_t clock_ms(const struct request *request) {
    return world_boot_ns(loop_world(request->loop)) / (1000 * 1000);
}

/* --- A link ----------------------------------------------------------------------------------- */

struct link_op {
    struct request request;
    unsigned scopes;
    bool is_public;
};

static const struct field link_rows[] = {
    {FIELD("scopes", FIELD_NAMES, offsetof(struct link_op, scopes)), .names = token_scope_names,
     .min = 1, .max = TOKEN_SCOPES, .absent = SCOPE_ALL},
    {FIELD("public", FIELD_BOOL, offsetof(struct link_op, is_public))},
};
static const struct field_set link_fields = {FIELD_ROWS(link_rows), .use = FIELD_GIVEN};

static struct err link_read(void *ctx) {
    struct link_op *op = ctx;
    return (op->scopes & SCOPE_READ) != 0
               ? ERR_OK
               : err_why(&op->request.op.why, ERR_BAD_FIELD,
                         "\"scopes\" must have read, without which a page shows nothing");
}

static struct err link_start(void *ctx) {
    struct link_op *op = ctx;
    struct tokens *tokens = op->request.api;
    struct text *text = &op->request.op.answer;
    struct page_link link = {.scopes = op->scopes};
    struct origin_text origin;
    uint8_t random[PAGE_LINK_SECRET_LEN / 2];
    char secret[PAGE_LINK_SECRET_LEN + 1];
    TRY(tokens->origin(tokens->ctx, op->is_public ? PAGE_PUBLIC : PAGE_LOCAL, &origin,
                       &op->request.op.why));
    world_random(loop_world(op->request.loop), random, sizeof random);
    hex_write(random, sizeof random, secret);
    static_assert(sizeof link.origin == sizeof origin.text, "");
    memcpy(link.origin, origin.text, sizeof link.origin);
    memcpy(link.owner, op->request.key.owner.data, op->request.key.owner.len);
    struct err err = page_links_add(&tokens->links, (struct bytes){secret, PAGE_LINK_SECRET_LEN},
                                    &link, clock_ms(&op->request), &op->request.op.why);
    /* A browser sends no server what follows the #. */
    text_addf(text, "{\"url\":\"%s/#link=%s\"", origin.text, secret);
    text_add_member(text, "origin", bytes_of(origin.text));
    text_add_member_int(text, "valid_ms", PAGE_LINK_MS);
    text_add_char(text, '}');
    explicit_bzero(random, sizeof random);
    explicit_bzero(secret, sizeof secret);
    return err;
}

static const struct request_kind link_make = {
    .size = sizeof(struct link_op), .fields = &link_fields, .read = link_read, .start = link_start};

/* --- Sign in ---------------------------------------------------------------------------------- */

struct login_op {
    struct request request;
    struct bytes link;
    struct token token;
    struct page_link used; /* A copy: the owner and the origin of the token are in it. */
    struct sha256_hex hash;
};

static const struct field login_rows[] = {
    {FIELD("link", FIELD_TEXT, offsetof(struct login_op, link)), .required = true, .min = 1,
     .max = 200},
};
static const struct field_set login_fields = {FIELD_ROWS(login_rows), .use = FIELD_GIVEN};

/* The link has ended before the key is made: two requests get no two keys. */
static struct err login_start(void *ctx) {
    struct login_op *op = ctx;
    struct tokens *tokens = op->request.api;
    struct why *why = &op->request.op.why;
    struct page_link *link = NULL;
    struct err err = page_links_find(&tokens->links, op->link, clock_ms(&op->request), &link, why);
    if (!err_failed(err)) {
        err = exchange_check_page(op->request.op.exchange, bytes_of(link->origin), why);
    }
    if (err_failed(err)) {
        return err;
    }
    op->used = *link;
    page_link_end(link);
    op->token = (struct token){.id = request_new_id(&op->request, token_resource.prefix),
                               .owner = bytes_of(op->used.owner),
                               .origin = bytes_of(op->used.origin),
                               .label = BYTES(""),
                               .scopes = op->used.scopes};
    op->hash = tokens__secret_make(op->request.loop, &op->token);
    op->token.hash = bytes_of(op->hash.text);
    return ERR_OK;
}

static struct err login_work(struct tx *tx, void *ctx) {
    struct login_op *op = ctx;
    static const char *const shown[] = {"id", "owner", "scopes", "origin"};
    struct text *text = &op->request.op.answer;
    op->token.used_ms = tx_now_ms(tx);
    struct err err = tx_resource_insert(tx, &token_resource, &op->token);
    if (err.code == ERR_TOO_MANY) {
        why_set(&op->request.op.why, "there are %d tokens already; 'drover token revoke' ends some",
                TOKEN_COUNT_MAX);
    }
    text_add_char(text, '{');
    text_add_member(text, "key", bytes_of(op->token.secret));
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        fields_add_one(&token_resource.fields, shown[i], &op->token, text);
    }
    text_add_char(text, '}');
    return err;
}

static enum request_next login_done(void *ctx, struct err *io_result) {
    struct login_op *op = ctx;
    const struct tokens *tokens = op->request.api;
    if (!err_failed(*io_result)) {
        token_table_put(tokens->table, &op->token);
    }
    return REQUEST_ANSWER;
}

static void login_end(void *ctx, struct err result) {
    struct login_op *op = ctx;
    explicit_bzero(op->token.secret, sizeof op->token.secret);
}

static const struct request_kind login = {.size = sizeof(struct login_op),
                                          .writes = true,
                                          .fields = &login_fields,
                                          .start = login_start,
                                          .work = login_work,
                                          .done = login_done,
                                          .end = login_end};

/* --- Sign out --------------------------------------------------------------------------------- */

struct logout_op {
    struct request request;
    struct id id;
};

static struct err logout_start(void *ctx) {
    struct logout_op *op = ctx;
    const struct identity *identity = exchange_identity(op->request.op.exchange);
    op->id = id_copy(bytes_of(identity->token));
    return identity->origin != NULL
               ? ERR_OK
               : err_why(&op->request.op.why, ERR_CONFLICT,
                         "this request has no key of a page; 'drover token revoke' ends a token");
}

static struct err logout_work(struct tx *tx, void *ctx) {
    struct logout_op *op = ctx;
    const struct resource_key key = {.id = bytes_of(op->id.text)};
    op_removed(&op->request.op, tx, "id", key.id, "removed_ms");
    return tx_resource_remove(tx, &token_resource, &key, &op->request.op.why);
}

static enum request_next logout_done(void *ctx, struct err *io_result) {
    struct logout_op *op = ctx;
    const struct tokens *tokens = op->request.api;
    if (!err_failed(*io_result)) {
        token_table_remove(tokens->table, op->id.text);
        tokens->revoked(tokens->ctx, op->id.text);
    }
    return REQUEST_ANSWER;
}

static const struct request_kind logout = {.size = sizeof(struct logout_op),
                                           .writes = true,
                                           .start = logout_start,
                                           .work = logout_work,
                                           .done = logout_done};

/* --- Whose rights a request has --------------------------------------------------------------- */

static struct err who_start(void *ctx) {
    struct request *request = ctx;
    const struct identity *identity = exchange_identity(request->op.exchange);
    const struct token as_token = {.owner = bytes_of(identity->owner), .scopes = identity->scopes};
    struct text *text = &request->op.answer;
    text_add_char(text, '{');
    fields_add_one(&token_resource.fields, "owner", &as_token, text);
    fields_add_one(&token_resource.fields, "scopes", &as_token, text);
    text_add_char(text, '}');
    return ERR_OK;
}

static const struct request_kind who = {.start = who_start};

/* --- The table -------------------------------------------------------------------------------- */

enum { LOGIN_BODY_MAX = 1024 };

static const char link_answer[] =
    "{\"type\":\"object\",\"required\":[\"url\",\"origin\",\"valid_ms\"],\"properties\":{"
    "\"url\":" TEXT_SCHEMA ",\"origin\":" TEXT_SCHEMA ",\"valid_ms\":" INT_SCHEMA "}}";

static const char login_answer[] =
    "{\"type\":\"object\",\"required\":[\"key\",\"id\",\"owner\",\"scopes\",\"origin\"],"
    "\"properties\":{\"key\":" TEXT_SCHEMA ",\"id\":" TEXT_SCHEMA ",\"owner\":" TEXT_SCHEMA
    ",\"scopes\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA "},\"origin\":" TEXT_SCHEMA "}}";

static const char who_answer[] =
    "{\"type\":\"object\",\"required\":[\"owner\",\"scopes\"],\"properties\":{"
    "\"owner\":" TEXT_SCHEMA ",\"scopes\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA "}}}";

const struct route login_routes[] = {
    {ROUTE("POST", "/api/v1/login/links", SCOPE_ADMIN,
           "Make a link that signs one web page in, within a minute"),
     .has_body = true, .body_optional = true, .body = {.fields = &link_fields, .use = FIELD_GIVEN},
     .answer_schema = link_answer, .answer_status = 201, .request = &link_make},
    {ROUTE("POST", "/api/v1/login", 0, "Exchange a link for a key, which only this answer shows"),
     .has_body = true, .body_max = LOGIN_BODY_MAX,
     .body = {.fields = &login_fields, .use = FIELD_GIVEN}, .answer_schema = login_answer,
     .answer_status = 201, .request = &login},
    {ROUTE("GET", "/api/v1/login", SCOPE_READ, "Show the owner and the scopes of the request"),
     .answer_schema = who_answer, .request = &who},
    {ROUTE("DELETE", "/api/v1/login", SCOPE_READ, "Sign out: the key of this page ends"),
     .answer_schema = REMOVED_SCHEMA, .request = &logout},
    {.method = NULL},
};
