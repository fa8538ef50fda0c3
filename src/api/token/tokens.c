/* tokens.c: making, listing and revoking tokens. */
#include "api/token/tokens.h"

#include <string.h>

#include "api/base/page.h"
#include "base/json/json.h"
#include "base/memory.h"

static_assert(SCOPE_READ == 1 && SCOPE_RUN == 2 && SCOPE_APPROVE == 4 && SCOPE_ADMIN == 8,
              "the bits of scopes are those of token_scope_name");

/* --- Make ------------------------------------------------------------------------------------- */

struct make_op {
    struct op op;
    struct tokens *tokens; /* Borrowed. */
    struct token token;    /* Borrows from the exchange. */
    char secret[TOKEN_SECRET_LEN + 1];
};

static void make_free(struct make_op *make) {
    explicit_bzero(make->secret, sizeof make->secret);
    mem_free(make);
}

static struct err make_run(struct tx *tx, void *ctx) {
    struct make_op *make = ctx;
    struct text *text = &make->op.answer;
    op_restart(&make->op);
    int64_t count = 0;
    struct err err = tx_token_count(tx, &count);
    if (!err_failed(err) && count >= TOKEN_COUNT_MAX) {
        why_set(&make->op.why, "there are %d tokens already; revoke some", TOKEN_COUNT_MAX);
        err = err_make(ERR_TOO_MANY, "tokens: count");
    }
    if (!err_failed(err)) {
        err = tx_token_add(tx, &make->token);
    }
    token_write_json(&make->token, text);
    text_addf(text, ",\"token\":\"%s\"}", make->secret);
    return err_failed(err) ? err : op_written(&make->op);
}

static void make_done(struct err result, void *ctx) {
    struct make_op *make = ctx;
    if (!err_failed(result)) {
        token_table_put(make->tokens->table, &make->token);
        exchange_add_header(make->op.exchange, "Cache-Control", "no-store");
    }
    op_answer(&make->op, result);
    make_free(make);
}

static struct err scopes_read(const json_t *names, unsigned *ret_scopes, struct why *why) {
    unsigned scopes = 0;
    size_t at = 0;
    json_t *name = NULL;
    json_array_foreach(names, at, name) {
        unsigned bit = 0;
        if (!token_scope_find(json_string_value(name), &bit)) {
            why_set(why, "scopes[%zu]: '%s' is none of read, run, approve, admin", at,
                    json_string_value(name));
            return err_make(ERR_BAD_FIELD, "tokens: scopes");
        }
        scopes |= bit;
    }
    if (scopes == 0) {
        why_set(why, "scopes: name at least one of read, run, approve, admin");
        return err_make(ERR_BAD_FIELD, "tokens: scopes");
    }
    *ret_scopes = scopes;
    return ERR_OK;
}

/* It is shown on terminals, and must not drive them. */
static bool label_valid(struct bytes label) {
    for (size_t i = 0; i < label.len; i++) {
        if ((unsigned char)label.data[i] < 0x20 || label.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static struct err make_read(struct make_op *make) {
    struct why *why = &make->op.why;
    const char *label = "", *owner = NULL;
    json_t *scopes = NULL;
    const struct json_field fields[] = {
        {.name = "label", .kind = JSON_KIND_TEXT, .max = TOKEN_LABEL_MAX, .text = &label},
        {.name = "owner", .kind = JSON_KIND_TEXT, .max = TOKEN_OWNER_MAX, .text = &owner},
        {.name = "scopes",
         .kind = JSON_KIND_TEXTS,
         .required = true,
         .min = 1,
         .max = TOKEN_SCOPES,
         .value = &scopes},
    };
    struct err err =
        json_read_fields(exchange_json(make->op.exchange), fields, COUNT_OF(fields), why);
    if (!err_failed(err)) {
        err = scopes_read(scopes, &make->token.scopes, why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (owner == NULL) {
        owner = exchange_identity(make->op.exchange)->owner;
    }
    make->token.label = bytes_of(label);
    if (!label_valid(make->token.label)) {
        why_set(why, "label: no control characters");
        return err_make(ERR_BAD_FIELD, "tokens: label");
    }
    make->token.owner = bytes_of(owner);
    if (!token_owner_valid(make->token.owner)) {
        why_set(why, "owner: 1 to %d of a-z, 0-9, '_', '.', '-', beginning with a letter or digit",
                TOKEN_OWNER_MAX);
        return err_make(ERR_BAD_FIELD, "tokens: owner");
    }
    return ERR_OK;
}

static void make_secret(struct make_op *make) {
    const struct world *world = loop_world(make->tokens->loop);
    uint8_t random[32], id_random[10];
    world_random(world, random, sizeof random);
    world_random(world, id_random, sizeof id_random);
    token_secret_make(random, make->secret);
    make->token.hash = sha256_of(make->secret, TOKEN_SECRET_LEN);
    make->token.made_ms = world_wall_ms(world);
    make->token.id = id_make("tok", make->token.made_ms, id_random);
    explicit_bzero(random, sizeof random);
}

static void tokens_make(struct exchange *exchange, void *ctx) {
    struct why why;
    struct bytes key;
    if (exchange_header(exchange, "idempotency-key", &key)) {
        why_set(&why, "Idempotency-Key: not taken here, since a stored answer would hold the "
                      "secret; list the tokens to see whether one was made");
        op_refuse(exchange, err_make(ERR_BAD_REQUEST, "tokens: key"), &why);
        return;
    }
    struct make_op *make = mem_new(sizeof *make);
    op_init(&make->op, exchange, 201);
    make->tokens = ctx;
    struct err err = make_read(make);
    if (err_failed(err)) {
        op_answer(&make->op, err);
        make_free(make);
        return;
    }
    make_secret(make);
    store_write(make->tokens->store, make_run, make_done, make);
}

/* --- List ------------------------------------------------------------------------------------- */

enum { LIST_Q = PAGE_OWNER, LIST_SINCE }; /* They are listed whosoever they are. */

struct list_op {
    struct page page;
    struct bytes q; /* Borrowed from the exchange. */
    int64_t since_ms;
};

static struct err list_row(void *ctx, const struct token *token) {
    struct list_op *list = ctx;
    const struct bytes id = bytes_of(token->id.text);
    bool named = page_holds(token->label, list->q) || page_holds(token->owner, list->q);
    if (!named || token->made_ms < list->since_ms) {
        page_pass(&list->page, id);
    } else if (page_add(&list->page, id)) {
        token_write_json(token, &list->page.op.answer);
        text_add_char(&list->page.op.answer, '}');
    }
    return ERR_OK;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    return tx_token_each(tx, part->after, part->limit, list_row, list);
}

static bool token_id_valid(struct bytes id) {
    return id_valid(id.data, id.len, "tok");
}

static void tokens_list(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.valid = token_id_valid, .of = PAGE_OF_ALL};
    struct tokens *tokens = ctx;
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    list->q = page_word(exchange, LIST_Q);
    list->since_ms = exchange_query_int(exchange, LIST_SINCE);
    page_list(&list->page, tokens->store, &ask, list_rows);
}

/* --- Revoke ----------------------------------------------------------------------------------- */

struct revoke_op {
    struct op op;
    struct tokens *tokens; /* Borrowed. */
    char id[ID_SIZE];
};

static struct err revoke_run(struct tx *tx, void *ctx) {
    struct revoke_op *revoke = ctx;
    op_restart(&revoke->op);
    bool found = false;
    struct bytes id = bytes_of(revoke->id);
    struct err err = tx_token_revoke(tx, id, &found);
    if (!err_failed(err) && !found) {
        why_set(&revoke->op.why, "there is no live token with that id");
        return err_make(ERR_NOT_FOUND, "tokens: revoke");
    }
    text_addf(&revoke->op.answer, "{\"id\":\"%s\",\"revoked_ms\":%lld}", revoke->id,
              (long long)tx_now_ms(tx));
    return err_failed(err) ? err : op_written(&revoke->op);
}

static void revoke_done(struct err result, void *ctx) {
    struct revoke_op *revoke = ctx;
    if (!err_failed(result)) {
        token_table_remove(revoke->tokens->table, revoke->id);
        revoke->tokens->revoked(revoke->tokens->ctx, revoke->id);
    }
    op_answer(&revoke->op, result);
    mem_free(revoke);
}

static void tokens_revoke(struct exchange *exchange, void *ctx) {
    struct bytes id = exchange_param(exchange, 0);
    if (!token_id_valid(id)) {
        struct why why;
        why_set(&why, "not the id of a token");
        op_refuse(exchange, err_make(ERR_NOT_FOUND, "tokens: id"), &why);
        return;
    }
    struct revoke_op *revoke = mem_new(sizeof *revoke);
    op_init(&revoke->op, exchange, 200);
    revoke->tokens = ctx;
    assert(id.len < sizeof revoke->id);
    memcpy(revoke->id, id.data, id.len);
    store_write(revoke->tokens->store, revoke_run, revoke_done, revoke);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    [PAGE_AFTER] = PAGE_AFTER_PARAM(ID_SIZE),
    PAGE_PARAMS,
    [LIST_Q] = PAGE_Q_PARAM("label or owner"),
    [LIST_SINCE] = PAGE_SINCE_PARAM("made"),
    {.name = NULL},
};

#define TOKEN_PROPERTIES                                                                           \
    "\"id\":{\"type\":\"string\"},\"owner\":{\"type\":\"string\"},\"label\":{\"type\":\"string\"}" \
    ","                                                                                            \
    "\"scopes\":{\"type\":\"array\",\"items\":{\"enum\":[\"read\",\"run\",\"approve\",\"admin\"]}" \
    "}"                                                                                            \
    ",\"made_ms\":{\"type\":\"integer\"}"

static const char make_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"scopes\"],"
    "\"properties\":{\"label\":{\"type\":\"string\"},\"owner\":{\"type\":\"string\"},"
    "\"scopes\":{\"type\":\"array\",\"items\":{\"enum\":[\"read\",\"run\",\"approve\",\"admin\"]}"
    "}}}";

static const char make_answer[] =
    "{\"type\":\"object\",\"properties\":{" TOKEN_PROPERTIES ",\"token\":{\"type\":\"string\"}}}";

static const char list_answer[] =
    PAGE_SCHEMA("{\"type\":\"object\",\"properties\":{" TOKEN_PROPERTIES "}}");

static const char revoke_answer[] =
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},"
    "\"revoked_ms\":{\"type\":\"integer\"}}}";

static const struct route routes[] = {
    {.method = "POST",
     .path = "/api/v1/tokens",
     .summary = "Make a token; only this answer shows its secret",
     .scope = SCOPE_ADMIN,
     .has_body = true,
     .body_schema = make_body,
     .answer_schema = make_answer,
     .answer_status = 201,
     .handle = tokens_make},
    {.method = "GET",
     .path = "/api/v1/tokens",
     .summary = "List the live tokens, without their secrets",
     .scope = SCOPE_ADMIN,
     .query = list_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = tokens_list},
    {.method = "DELETE",
     .path = "/api/v1/tokens/{id}",
     .summary = "Revoke a token",
     .scope = SCOPE_ADMIN,
     .answer_schema = revoke_answer,
     .answer_status = 200,
     .handle = tokens_revoke},
};

struct route_table tokens_table(struct tokens *tokens) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = tokens};
}
