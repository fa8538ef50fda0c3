/* tokens.c: making, listing and revoking tokens. */
#include "api/token/tokens.h"

#include <string.h>

#include "api/base/page.h"

static_assert(SCOPE_READ == 1 && SCOPE_RUN == 2 && SCOPE_APPROVE == 4 && SCOPE_ADMIN == 8,
              "the bits of scopes are those of token_scope_names");

static const struct one_kind token_one = {
    .prefix = "tok", .noun = "live token", .malformed = "not the id of a token"};

/* --- Make ------------------------------------------------------------------------------------- */

struct make_op {
    struct request request;
    struct token_made made; /* Borrows from the exchange. */
    char secret[TOKEN_SECRET_LEN + 1];
};

static struct err make_read(void *ctx) {
    struct make_op *make = ctx;
    struct token *token = &make->made.token;
    struct why *why = &make->request.op.why;
    struct bytes key;
    if (exchange_header(make->request.op.exchange, "idempotency-key", &key)) {
        return err_why(why, ERR_BAD_REQUEST,
                       "Idempotency-Key: not taken here, since a stored answer would hold the "
                       "secret; list the tokens to see whether one was made");
    }
    if (token->label.data == NULL) {
        token->label = BYTES("");
    }
    /* A label is shown on terminals, and must not drive them. */
    for (size_t i = 0; i < token->label.len; i++) {
        if ((unsigned char)token->label.data[i] < 0x20 || token->label.data[i] == 0x7f) {
            return err_why(why, ERR_BAD_FIELD, "label: no control characters");
        }
    }
    if (token->owner.data == NULL) {
        token->owner = make->request.key.owner;
    }
    if (!token_owner_valid(token->owner)) {
        return err_why(
            why, ERR_BAD_FIELD,
            "owner: 1 to %d of a-z, 0-9, '_', '.', '-', beginning with a letter or digit",
            TOKEN_OWNER_MAX);
    }
    return ERR_OK;
}

static struct err make_start(void *ctx) {
    struct make_op *make = ctx;
    struct token *token = &make->made.token;
    const struct world *world = loop_world(make->request.loop);
    uint8_t random[32];
    world_random(world, random, sizeof random);
    token_secret_make(random, make->secret);
    explicit_bzero(random, sizeof random);
    make->made.secret = bytes_of(make->secret);
    token->hash = sha256_of(make->secret, TOKEN_SECRET_LEN);
    token->made_ms = world_wall_ms(world);
    token->id = request_new_id(&make->request, "tok");
    return ERR_OK;
}

static struct err make_work(struct tx *tx, void *ctx) {
    struct make_op *make = ctx;
    int64_t count = 0;
    struct err err = tx_token_count(tx, &count);
    if (!err_failed(err) && count >= TOKEN_COUNT_MAX) {
        err = err_why(&make->request.op.why, ERR_TOO_MANY,
                      "there are %d tokens already; revoke some", TOKEN_COUNT_MAX);
    }
    if (!err_failed(err)) {
        err = tx_token_add(tx, &make->made.token);
    }
    fields_write(&token_fields, FIELD_LISTED | FIELD_WHOLE, &make->made, &make->request.op.answer);
    return err;
}

static enum request_next make_done(void *ctx, struct err *io_result) {
    struct make_op *make = ctx;
    const struct tokens *tokens = make->request.api;
    if (!err_failed(*io_result)) {
        token_table_put(tokens->table, &make->made.token);
    }
    return REQUEST_ANSWER;
}

static void make_end(void *ctx, struct err result) {
    struct make_op *make = ctx;
    explicit_bzero(make->secret, sizeof make->secret);
}

static const struct request_kind make = {
    .size = sizeof(struct make_op),
    .writes = true,
    .fields = &token_fields,
    .into = offsetof(struct make_op, made),
    .read = make_read,
    .start = make_start,
    .work = make_work,
    .done = make_done,
    .end = make_end,
};

/* --- List: of all owners ---------------------------------------------------------------------- */

static struct err token_list_row(void *ctx, const struct token *token) {
    struct page *page = ctx;
    bool named = page_holds(page, token->label) || page_holds(page, token->owner);
    if (page_row(page, bytes_of(token->id.text), named && page_since(page, token->made_ms))) {
        fields_write(&token_fields, FIELD_LISTED, token, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err token_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    return tx_token_each(tx, part->after, part->limit, token_list_row, page);
}

static bool token_id_valid(struct bytes id) {
    return id_valid(id.data, id.len, "tok");
}

static const struct page_kind list = {.valid = token_id_valid, .rows = token_list_rows};

/* --- Revoke ----------------------------------------------------------------------------------- */

static struct err revoke_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    bool found = false;
    struct err err = tx_token_revoke(tx, request->key.id, &found);
    op_removed(&request->op, tx, "id", request->key.id, "revoked_ms");
    return found ? err : request_absent(request, err);
}

static enum request_next revoke_done(void *ctx, struct err *io_result) {
    struct request *request = ctx;
    const struct tokens *tokens = request->api;
    if (!err_failed(*io_result)) {
        char id[ID_SIZE] = "";
        memcpy(id, request->key.id.data, request->key.id.len); /* A valid id fits. */
        token_table_remove(tokens->table, id);
        tokens->revoked(tokens->ctx, id);
    }
    return REQUEST_ANSWER;
}

static const struct request_kind revoke = {
    .writes = true, .one = &token_one, .work = revoke_work, .done = revoke_done};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    PAGE_PARAMS(ID_SIZE),
    PAGE_Q_PARAM("label or owner"),
    PAGE_SINCE_PARAM("made"),
    {.name = NULL},
};

static const struct route routes[] = {
    {.method = "POST",
     .path = "/api/v1/tokens",
     .summary = "Make a token; only this answer shows its secret",
     .scope = SCOPE_ADMIN,
     .has_body = true,
     .body = {.fields = &token_fields, .use = FIELD_GIVEN, .loose = true},
     .answer = {.fields = &token_fields, .use = FIELD_LISTED | FIELD_WHOLE, .loose = true},
     .answer_status = 201,
     .request = &make},
    {.method = "GET",
     .path = "/api/v1/tokens",
     .summary = "List the live tokens, without their secrets",
     .scope = SCOPE_ADMIN,
     .query = list_query,
     .answer = {.fields = &token_fields, .use = FIELD_LISTED, .page = true, .loose = true},
     .page = &list},
    {.method = "DELETE",
     .path = "/api/v1/tokens/{id}",
     .summary = "Revoke a token",
     .scope = SCOPE_ADMIN,
     .answer_schema = "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},"
                      "\"revoked_ms\":{\"type\":\"integer\"}}}",
     .request = &revoke},
};

struct route_table tokens_table(struct tokens *tokens) {
    return (struct route_table){routes, COUNT_OF(routes), tokens, request_handle};
}
