/* op.c: the few steps that all requests share. */
#include "api/base/op.h"

#include <string.h>

#include "base/memory.h"
#include "engine/session/messages.h"
#include "engine/session/sessions.h"
#include "engine/token/token.h"

void op_init(struct op *op, struct exchange *exchange, int status) {
    op->exchange = exchange;
    op->status = status;
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
        exchange_reply(op->exchange, op->status, "application/json", &op->answer);
    }
    text_done(&op->answer);
}

void op_done(struct err result, void *op) {
    op_answer(op, result);
    mem_free(op);
}

void op_refuse(struct exchange *exchange, struct err err, const struct why *why) {
    assert(err_failed(err));
    exchange_problem(exchange, err, why != NULL && why->text[0] != '\0' ? why : NULL);
}

static struct err name_turn(struct tx *tx, int64_t session, struct op *op) {
    struct bytes run = {"", 0};
    struct err err = tx_session_turn(tx, session, &run);
    if (!err_failed(err) && run.len < sizeof op->run.text) {
        memcpy(op->run.text, run.data, run.len);
        op->run.text[run.len] = '\0';
    }
    return err;
}

struct err op_name_turn(struct tx *tx, const struct session_key *key, struct err err,
                        struct op *op) {
    struct session_row session;
    bool found = false;
    if (err.code != ERR_TURN_IN_PROGRESS) {
        return err;
    }
    struct err read = tx_session_find(tx, key, &found, &session);
    if (!err_failed(read) && found) {
        read = name_turn(tx, session.id, op);
    }
    return err_failed(read) ? read : err;
}

struct err op_name_turn_of(struct tx *tx, const struct message_key *key, struct err err,
                           struct op *op) {
    struct message_row message;
    struct session_row session;
    bool found = false;
    if (err.code != ERR_TURN_IN_PROGRESS) {
        return err;
    }
    struct err read = tx_message_find(tx, key, &found, &message, &session);
    if (!err_failed(read) && found) {
        read = name_turn(tx, session.id, op);
    }
    return err_failed(read) ? read : err;
}

struct err op_owner(const struct exchange *exchange, unsigned query_at, struct bytes *ret_owner,
                    struct why *why) {
    const struct identity *identity = exchange_identity(exchange);
    struct bytes own = bytes_of(identity->owner);
    if (!exchange_query_given(exchange, query_at)) {
        *ret_owner = own;
        return ERR_OK;
    }
    struct bytes asked = exchange_query_text(exchange, query_at);
    bool same = bytes_equal(asked, own);
    if (!same && (identity->scopes & SCOPE_ADMIN) == 0) {
        why_set(why, "owner: only a token with the scope admin may name another owner");
        return err_make(ERR_FORBIDDEN, "api: owner");
    }
    if (!token_owner_valid(asked)) {
        why_set(why, "owner: not a valid name (1 to %d of a-z, 0-9, '_', '.', '-')",
                TOKEN_OWNER_MAX);
        return err_make(ERR_BAD_QUERY, "api: owner");
    }
    *ret_owner = asked;
    return ERR_OK;
}
