/* regenerate.c: the last answer of a session is asked for again, or an earlier one is chosen. */
#include <string.h>

#include "api/base/once.h"
#include "api/base/one.h"
#include "api/session/sessions.h"
#include "api/turn/turns.h"
#include "base/memory.h"
#include "engine/turn/turns.h"

struct again_op {
    struct op op;
    struct once once;
    struct turn_again what; /* Its texts are borrowed from the exchange, and from below. */
    struct default_model model;
};

void turns__write_begun(const struct run_row *run, const struct id *answer, struct text *text) {
    const char *state = run_state_name(run->state);
    text_add_str(text, "{\"message\":");
    text_add_json(text, answer->text, strlen(answer->text));
    text_add_str(text, ",\"run\":");
    text_add_json(text, run->run.data, run->run.len);
    text_add_str(text, ",\"state\":");
    text_add_json(text, state, strlen(state));
}

struct err turns__find_about(struct tx *tx, const struct message_key *key, struct once *once) {
    struct message_row message;
    struct session_row session;
    bool found = false;
    struct err err = tx_message_find(tx, key, &found, &message, &session);
    if (!err_failed(err) && found) {
        once->about = session.session;
    }
    return err;
}

static struct err again_work(struct tx *tx, void *ctx) {
    struct again_op *again = ctx;
    struct run_row run;
    struct err err = tx_turn_again(tx, &again->what, &run, &again->op.why);
    err = op_name_turn_of(tx, &again->what.key, err, &again->op);
    if (err.code == ERR_MESSAGE_NOT_FOUND) {
        return one_absent(&messages__kind, &again->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    turns__write_begun(&run, &again->what.answer, &again->op.answer);
    text_add_char(&again->op.answer, '}');
    err = turns__find_about(tx, &again->what.key, &again->once);
    return err_failed(err) ? err : op_written(&again->op);
}

static struct err again_run(struct tx *tx, void *ctx) {
    struct again_op *again = ctx;
    return once_run(tx, &again->once, &again->op, again_work, again);
}

static void again_done(struct err result, void *ctx) {
    struct again_op *again = ctx;
    once_tell(&again->once, &again->op, result);
    op_answer(&again->op, result);
    mem_free(again);
}

void turns__again(struct exchange *exchange, void *ctx) {
    struct turns_api *api = ctx;
    struct one_key key;
    if (!one_read(exchange, &messages__kind, TURNS_OWNER, &key)) {
        return;
    }
    struct again_op *again = mem_new(sizeof *again);
    op_init(&again->op, exchange, 201);
    struct err err = once_read(exchange, &again->once, &again->op.why);
    if (err_failed(err)) {
        op_done(err, again);
        return;
    }
    connections_default_model(api->connections, &again->model);
    again->what = (struct turn_again){
        .key = {.owner = key.owner, .message = key.id},
        .model_default = {again->model.name, strlen(again->model.name)},
        .run = turns__new_id(api, "run"),
        .answer = turns__new_id(api, "msg"),
        .bounds = dispatch_bounds(api->dispatch),
    };
    store_write(api->store, again_run, again_done, again);
}

/* --- An earlier one --------------------------------------------------------------------------- */

struct choose_op {
    struct op op;
    struct message_key key; /* Borrowed from the exchange. */
};

static struct err choose_run(struct tx *tx, void *ctx) {
    struct choose_op *choose = ctx;
    struct message_row row;
    op_restart(&choose->op);
    struct err err = tx_turn_choose(tx, &choose->key, &row, &choose->op.why);
    err = op_name_turn_of(tx, &choose->key, err, &choose->op);
    if (err.code == ERR_MESSAGE_NOT_FOUND) {
        return one_absent(&messages__kind, &choose->op.why);
    }
    if (!err_failed(err)) {
        err = tx_message_write_json(tx, &row, MESSAGE_BYTES_WHOLE, &choose->op.answer);
    }
    return err_failed(err) ? err : op_written(&choose->op);
}

void turns__choose(struct exchange *exchange, void *ctx) {
    struct turns_api *api = ctx;
    struct one_key key;
    if (!one_read(exchange, &messages__kind, TURNS_OWNER, &key)) {
        return;
    }
    struct choose_op *choose = mem_new(sizeof *choose);
    op_init(&choose->op, exchange, 200);
    choose->key = (struct message_key){.owner = key.owner, .message = key.id};
    store_write(api->store, choose_run, op_done, choose);
}
