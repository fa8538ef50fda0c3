/* reply.c: see turn_reply.h. */
#include "engine/turn/reply.h"

#include "engine/session/message_rows.h"
#include "engine/turn/rows.h"
#include "journal/journal.h"

/* What it said before it called its tools is not the answer. */
static struct err read_text(struct tx *tx, int64_t message, struct bytes *ret_text) {
    static const char sql[] =
        "SELECT text FROM parts WHERE message = $1 AND kind = 'text' AND step ="
        " (SELECT MAX(step) FROM parts WHERE message = $1 AND kind = 'text') ORDER BY number";
    const struct arg args[] = {arg_int(message)};
    AUTO(rows_release) struct rows *rows = NULL;
    AUTO(text_done) struct text text;
    text_init(&text, MESSAGE_TEXT_MAX);
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool found = false;
    while (!err_failed(err)) {
        err = rows_next(rows, &found);
        if (err_failed(err) || !found) {
            break;
        }
        const struct bytes piece = rows_text(rows, 0);
        text_add(&text, piece.data, piece.len);
    }
    if (err_failed(err)) {
        return err;
    }
    const char *kept = arena_try_copy(tx_arena(tx), text.len == 0 ? "" : text.data, text.len);
    if (text.no_memory || kept == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: reply");
    }
    *ret_text = (struct bytes){kept, text.len};
    return ERR_OK;
}

struct err turns__said(struct tx *tx, int64_t run, struct bytes *ret_text) {
    struct turn_row turn;
    bool found = false;
    *ret_text = (struct bytes){"", 0};
    struct err err = turns__find(tx, run, &found, &turn);
    return err_failed(err) || !found ? err : read_text(tx, turn.answer, ret_text);
}

struct err turns__output(struct tx *tx, const struct run_row *run, struct bytes *ret_text) {
    return turns__said(tx, run->id, ret_text);
}

static struct err read_head(struct tx *tx, const struct session_row *session, int64_t *ret_seq) {
    char name[SESSION_STREAM_MAX];
    struct stream_state state = {0};
    bool found = false;
    struct err err =
        tx_stream_find(tx, session->owner, sessions__stream(session, name), &found, &state);
    if (!err_failed(err)) {
        *ret_seq = state.head;
    }
    return err;
}

struct err tx_turn_reply(struct tx *tx, const struct session_key *session, struct bytes run,
                         struct turn_reply *ret_reply) {
    const struct run_key key = {.owner = session->owner, .run = run};
    struct turn_reply reply = {.text = {NULL, 0}};
    struct session_row of;
    struct turn_row turn;
    bool found = false, there = false, is_turn = false;
    struct err err = tx_session_find(tx, session, &there, &of);
    if (!err_failed(err) && there) {
        err = tx_run_find(tx, &key, &found, &reply.run);
    }
    if (!err_failed(err) && found) {
        err = turns__find(tx, reply.run.id, &is_turn, &turn);
    }
    if (!err_failed(err) && (!is_turn || turn.session != of.id)) {
        err = err_make(ERR_NOT_FOUND, "turns: reply");
    }
    if (!err_failed(err)) {
        err = read_head(tx, &of, &reply.seq);
    }
    if (!err_failed(err) && run_state_final(reply.run.state)) {
        err = read_text(tx, turn.answer, &reply.text);
    }
    if (!err_failed(err)) {
        *ret_reply = reply;
    }
    return err;
}
