/* op.c: the few steps that all requests share. */
#include "api/base/op.h"

#include <string.h>

#include "engine/token/token.h"

void op_init(struct op *op, struct exchange *exchange) {
    op->exchange = exchange;
    op->media = NULL;
    op->why.text[0] = '\0';
    op->run.text[0] = '\0';
    text_init(&op->answer, OP_ANSWER_MAX);
}

void op_restart(struct op *op) {
    text_clear(&op->answer);
    op->why.text[0] = '\0';
    op->run.text[0] = '\0';
}

struct err op_written(const struct op *op) {
    return text_failed(&op->answer) ? text_error(&op->answer, "api: answer") : ERR_OK;
}

void op_answer(struct op *op, struct err result) {
    if (err_failed(result)) {
        exchange_problem_about(op->exchange, result, op->why.text[0] != '\0' ? &op->why : NULL,
                               op->run.text);
    } else {
        exchange_reply(op->exchange, route_status(exchange_route(op->exchange)),
                       op->media != NULL ? op->media : "application/json", &op->answer);
    }
    text_done(&op->answer);
}

void op_refuse(struct exchange *exchange, struct err err, const struct why *why) {
    assert(err_failed(err));
    exchange_problem(exchange, err, why != NULL && why->text[0] != '\0' ? why : NULL);
}

void op_removed(struct op *op, struct tx *tx, const char *name, struct bytes value,
                const char *when) {
    text_add_char(&op->answer, '{');
    text_add_member(&op->answer, name, value);
    text_add_member_int(&op->answer, when, tx_now_ms(tx));
    text_add_char(&op->answer, '}');
}

/* --- The query -------------------------------------------------------------------------------- */

static bool param_find(const struct exchange *exchange, const char *name, unsigned *ret_at) {
    const struct query_param *table = exchange_route(exchange)->query;
    for (unsigned at = 0; table != NULL && table[at].name != NULL; at++) {
        if (strcmp(table[at].name, name) == 0) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

static unsigned param_at(const struct exchange *exchange, const char *name) {
    unsigned at = 0;
    bool found = param_find(exchange, name, &at);
    assert(found);
    return at;
}

bool param_given(const struct exchange *exchange, const char *name) {
    return exchange_query_given(exchange, param_at(exchange, name));
}

struct bytes param_text(const struct exchange *exchange, const char *name) {
    return exchange_query_text(exchange, param_at(exchange, name));
}

int64_t param_number(const struct exchange *exchange, const char *name) {
    return exchange_query_int(exchange, param_at(exchange, name));
}

bool param_flag(const struct exchange *exchange, const char *name) {
    return param_number(exchange, name) != 0;
}

struct err op_owner(const struct exchange *exchange, struct bytes *ret_owner, struct why *why) {
    const struct identity *identity = exchange_identity(exchange);
    struct bytes own = bytes_of(identity->owner);
    unsigned at = 0;
    if (!param_find(exchange, "owner", &at) || !exchange_query_given(exchange, at)) {
        *ret_owner = own;
        return ERR_OK;
    }
    struct bytes asked = exchange_query_text(exchange, at);
    if (!bytes_equal(asked, own) && (identity->scopes & SCOPE_ADMIN) == 0) {
        return err_why(why, ERR_FORBIDDEN,
                       "owner: only a token with the scope admin may name another owner");
    }
    if (!token_owner_valid(asked)) {
        return err_why(why, ERR_BAD_QUERY,
                       "owner: not a valid name (1 to %d of a-z, 0-9, '_', '.', '-')",
                       TOKEN_OWNER_MAX);
    }
    *ret_owner = asked;
    return ERR_OK;
}
