/* reply.c: the reply of a turn, and, as long as a call of its model is out, the output
 * so far.
 *
 * The output becomes part of the message when the call ends. Until then it stands in the events of
 * the session's stream alone, which are kept as long as the turn runs. */
#include "engine/turn/reply.h"

#include "base/json/json.h"
#include "engine/turn/cards.h"
#include "journal/journal.h"

enum { PAGES_MAX = 1024, SAID_MAX = 16 << 20 };

/* --- The reply -------------------------------------------------------------------------------- */

/* Words before a call of tools are not the answer. */
struct err turns__said(struct tx *tx, int64_t run, struct bytes *ret_text) {
    struct turn_row turn;
    *ret_text = BYTES("");
    if (!turns__find(tx, run, &turn)) {
        return tx_error(tx);
    }
    AUTO(text_done) struct text text = {.size_max = MESSAGE_TEXT_MAX};
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT text FROM parts WHERE message = $1 AND kind = 'text' AND step ="
        " (SELECT MAX(step) FROM parts WHERE message = $1 AND kind = 'text') ORDER BY number",
        ARGS(arg_int(turn.answer)));
    while (rows_step(rows)) {
        const struct bytes piece = rows_text(rows, 0);
        text_add(&text, piece.data, piece.len);
    }
    if (text.no_memory) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: reply");
    }
    *ret_text = tx_copy(tx, text_bytes(&text));
    return tx_error(tx);
}

struct err turns__output(struct tx *tx, const struct run_row *run, struct bytes *ret_text) {
    return turns__said(tx, run->id, ret_text);
}

struct err tx_turn_reply(struct tx *tx, const struct session_key *session, struct bytes run,
                         struct turn_reply *ret_reply) {
    const struct run_key key = {.owner = session->owner, .run = run};
    struct turn_reply reply = {.text = {NULL, 0}};
    struct session_row of;
    struct turn_row turn;
    struct stream_state state = {0};
    char name[SESSION_STREAM_MAX];
    bool found = false, has_stream = false;
    struct err err = tx_session_find(tx, session, &found, &of);
    if (!err_failed(err) && found) {
        err = tx_run_find(tx, &key, &found, &reply.run);
    }
    if (err_failed(err)) {
        return err;
    }
    found = found && turns__find(tx, reply.run.id, &turn) && turn.session == of.id;
    if (!found) {
        err = tx_error(tx);
        return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "turns: reply");
    }
    tx_fail(tx, tx_stream_find(tx, of.owner, sessions__stream(&of, name), &has_stream, &state));
    reply.seq = state.head;
    if (run_state_final(reply.run.state)) {
        tx_fail(tx, turns__said(tx, reply.run.id, &reply.text));
    }
    *ret_reply = reply;
    return tx_error(tx);
}

/* --- What the call that is out has said so far ------------------------------------------------ */

struct hearing {
    struct turn_said *said;
    int64_t last; /* seq of the last event that was read. */
};

/* Withdrawn pieces are forgotten; what came after them counts. */
static struct err event_hear(void *ctx, const struct event *event) {
    struct hearing *hearing = ctx;
    struct turn_said *said = hearing->said;
    bool text = bytes_is(event->type, "delta");
    hearing->last = event->seq;
    if (bytes_is(event->type, "output_discarded")) {
        text_clear(&said->text);
        text_clear(&said->thinking);
    }
    if (!text && !bytes_is(event->type, "thinking_delta")) {
        return ERR_OK;
    }
    AUTO(json_release) json_t *data = NULL;
    struct err err = json_parse_wrapped(event->data, &data, NULL);
    if (!err_failed(err)) {
        const struct bytes piece = json_bytes(data, "text");
        text_add(text ? &said->text : &said->thinking, piece.data, piece.len);
    }
    return err;
}

void turns__said_done(struct turn_said *said) {
    text_done(&said->text);
    text_done(&said->thinking);
}

struct err turns__hear(struct tx *tx, const struct session_row *session, const struct turn_row *row,
                       struct turn_said *said) {
    struct hearing hearing = {.said = said, .last = row->from_seq};
    struct stream_state state = {0};
    char name[SESSION_STREAM_MAX];
    bool more = false;
    *said = (struct turn_said){.text = {.size_max = SAID_MAX}, .thinking = {.size_max = SAID_MAX}};
    struct err err =
        tx_stream_find(tx, session->owner, sessions__stream(session, name), &more, &state);
    for (int i = 0; !err_failed(err) && more && i < PAGES_MAX; i++) {
        int64_t before = hearing.last;
        err = tx_events(tx, state.stream, before, JOURNAL_PAGE_EVENTS, event_hear, &hearing);
        more = hearing.last > before;
    }
    return err;
}
