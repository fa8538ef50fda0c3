/* partial_output.c: what the model's call that is out has said so far.
 *
 * It becomes part of the message when the call ends. Until then it stands in the events of the
 * session's stream alone, which are kept as long as the turn runs.
 */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/json/json.h"
#include "journal/journal.h"

enum { PAGES_MAX = 1024, SAID_MAX = 16 << 20 };

struct hearing {
    struct turn_said *said;
    int64_t last; /* seq of the last event that was read. */
};

/* Withdrawn pieces are forgotten; what came after them counts. */
static struct err hear(void *ctx, const struct event *event) {
    struct hearing *hearing = ctx;
    struct turn_said *said = hearing->said;
    hearing->last = event->seq;
    bool text = event->type.len == 5 && memcmp(event->type.data, "delta", 5) == 0;
    bool thinking = event->type.len == 14 && memcmp(event->type.data, "thinking_delta", 14) == 0;
    if (event->type.len == 16 && memcmp(event->type.data, "output_discarded", 16) == 0) {
        text_clear(&said->text);
        text_clear(&said->thinking);
    }
    if (!text && !thinking) {
        return ERR_OK;
    }
    AUTO(json_release) json_t *data = NULL;
    struct err err = json_parse_wrapped(event->data, &data, NULL);
    if (err_failed(err)) {
        return err;
    }
    const json_t *piece = json_object_get(data, "text");
    text_add(text ? &said->text : &said->thinking, json_string_value(piece),
             json_string_length(piece));
    return ERR_OK;
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
    bool found = false;
    text_init(&said->text, SAID_MAX);
    text_init(&said->thinking, SAID_MAX);
    struct err err =
        tx_stream_find(tx, session->owner, sessions__stream(session, name), &found, &state);
    bool more = found;
    for (int i = 0; !err_failed(err) && more && i < PAGES_MAX; i++) {
        int64_t before = hearing.last;
        err = tx_events(tx, state.stream, before, JOURNAL_PAGE_EVENTS, hear, &hearing);
        more = hearing.last > before;
    }
    return err;
}

static struct err keep_text(struct tx *tx, const struct turn *turn, enum part_kind kind,
                            const struct text *text) {
    const struct message_part part = {.message = turn->row.answer,
                                      .step = turn->row.call,
                                      .kind = kind,
                                      .text = {text->data, text->len}};
    return text->len == 0 ? ERR_OK : cards__add_plain(tx, &part);
}

struct err turns__keep_said(struct tx *tx, const struct turn *turn) {
    AUTO(turns__said_done) struct turn_said said;
    struct err err = turns__hear(tx, &turn->session, &turn->row, &said);
    if (!err_failed(err)) {
        err = keep_text(tx, turn, PART_THINKING, &said.thinking);
    }
    return err_failed(err) ? err : keep_text(tx, turn, PART_TEXT, &said.text);
}
