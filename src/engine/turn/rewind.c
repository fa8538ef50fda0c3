/* rewind.c: see rewind.h. */
#include "engine/turn/rewind.h"

#include "engine/session/checkpoints.h"
#include "engine/turn/record.h"

/* --- The begin -------------------------------------------------------------------------------- */

static struct err message_find(struct tx *tx, const struct rewind_new *what,
                               const struct session_row *session, struct message_row *ret_row,
                               struct why *why) {
    const struct message_key key = {.owner = what->owner, .message = what->message};
    struct session_row of;
    TRY(messages__get(tx, &key, "turns: rewind", ret_row, &of));
    if (of.id != session->id) {
        return err_why(why, ERR_MESSAGE_NOT_FOUND, "the message is of another session");
    }
    return ret_row->role == ROLE_USER ? ERR_OK : err_make(ERR_NOT_A_USER_MESSAGE, "turns: rewind");
}

struct err tx_rewind_start(struct tx *tx, const struct rewind_new *what, struct why *why) {
    const struct session_key key = {what->owner, what->session};
    struct session_row session;
    struct message_row message = {.id = 0};
    int64_t last = 0;
    if (what->tree == 0) {
        TRY(sessions__get(tx, &key, "turns: rewind", &session));
        TRY(turns__idle(tx, &session, why));
    } else if (!sessions__find(tx, &key, &session)) {
        session = (struct session_row){.owner = what->owner};
    }
    if (what->message.len > 0) {
        TRY(message_find(tx, what, &session, &message, why));
        last = tx_number(tx, "SELECT MAX(id) FROM messages WHERE session = $1",
                         ARGS(arg_int(session.id)));
        if (tx_number(tx, "SELECT count(*) FROM messages WHERE session = $1 AND id >= $2",
                      ARGS(arg_int(session.id), arg_int(message.id))) > REWIND_MESSAGES_MAX) {
            return err_why(why, ERR_TOO_MANY,
                           "more than %d messages would go: fork the session at that message",
                           REWIND_MESSAGES_MAX);
        }
    }
    const struct rewind_row row = {.id = what->id,
                                   .owner = session.owner,
                                   .session = session.id,
                                   .world = what->world,
                                   .state = REWIND_APPLYING,
                                   .files = what->files,
                                   .message = message.id,
                                   .last = last,
                                   .tree = what->tree,
                                   .note = BYTES(""),
                                   .made_ms = tx_now_ms(tx)};
    tx_row_insert(tx, &rewind_resource, 0, &row);
    return tx_error(tx);
}

/* --- The end ---------------------------------------------------------------------------------- */

static bool row_find(struct tx *tx, const struct id *id, struct rewind_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows =
        tx_resource_rows(tx, &rewind_resource, "rewind = $1", ARGS(arg_text(bytes_of(id->text))));
    const bool found = rows_step(rows) && resource_row_read(&rewind_resource, rows, ret_row);
    if (found) {
        tx_resource_copy(tx, &rewind_resource, ret_row);
    }
    return found;
}

/* A later summary covers a part of what goes, and a program knows all of it. */
static void conversation_rewind(struct tx *tx, const struct rewind_row *row,
                                struct session_row *session) {
    int64_t ids[REWIND_MESSAGES_MAX];
    const size_t count =
        tx_ids(tx,
               "SELECT id FROM messages WHERE session = $1 AND id >= $2 AND id <= $3"
               " AND status IN ('completed', 'interrupted', 'failed') ORDER BY id LIMIT $4",
               ARGS(arg_int(session->id), arg_int(row->message), arg_int(row->last),
                    arg_int(REWIND_MESSAGES_MAX)),
               REWIND_MESSAGES_MAX, ids);
    for (size_t i = 0; i < count; i++) {
        struct message_row message;
        if (messages__find_id(tx, ids[i], &message)) {
            messages__move(tx, session, MESSAGE_ROLLED_BACK, &message);
        }
    }
    tx_checkpoint_void_from(tx, session, row->message);
    sessions__weigh_context(tx, session);
    sessions__touch(tx, session);
    programs__forget(tx, session);
}

static void rewound_tell(struct tx *tx, const struct rewind_row *row,
                         const struct session_row *session) {
    AUTO(text_done) struct text data = text_up_to((size_t)4 << 10);
    text_add_char(&data, '{');
    text_add_member_str(&data, row->tree != 0 ? "apply" : "rewind", row->id.text);
    text_add_member_str(&data, "state", rewind_state_names[row->state]);
    if (row->tree == 0) {
        text_add_member_bool(&data, "conversation", row->message != 0);
    }
    text_add_member_or_null(&data, "note", row->note);
    text_add_char(&data, '}');
    sessions__event_text(tx, session, row->tree != 0 ? BYTES("tree_applied") : BYTES("rewound"),
                         &data);
}

struct err tx_rewind_settle(struct tx *tx, const struct rewind_settle *settle) {
    struct rewind_row row;
    struct session_row session;
    if (!row_find(tx, &settle->id, &row) || row.state != REWIND_APPLYING) {
        return tx_error(tx);
    }
    row.state = settle->state;
    row.note = settle->note;
    row.ended_ms = tx_now_ms(tx);
    tx_row_update(tx, &rewind_resource, FIELD_SET, &row);
    if (sessions__find_id(tx, row.session, &session)) {
        if (row.state == REWIND_APPLIED && row.message != 0) {
            conversation_rewind(tx, &row, &session);
        }
        rewound_tell(tx, &row, &session);
    }
    return tx_error(tx);
}

/* --- Recovery --------------------------------------------------------------------------------- */

struct err tx_rewind_next(struct tx *tx, struct bytes host, int64_t after, bool *ret_found,
                          struct rewind_open *ret_open) {
    struct rewind_row row;
    *ret_found = false;
    AUTO(rows_release)
    struct rows *rows =
        tx_resource_rows(tx, &rewind_resource,
                         "state = 'applying' AND id > $1 AND (world = 0 OR EXISTS (SELECT 1 FROM"
                         " worlds w WHERE w.id = rewinds.world AND w.host = $2))"
                         " ORDER BY id LIMIT 1",
                         ARGS(arg_int(after), arg_text(host)));
    if (!rows_step(rows) || !resource_row_read(&rewind_resource, rows, &row)) {
        return tx_error(tx);
    }
    tx_resource_copy(tx, &rewind_resource, &row);
    rows_release(&rows);
    *ret_open = (struct rewind_open){
        .row = row,
        .session =
            tx_text(tx, "SELECT session FROM sessions WHERE id = $1", ARGS(arg_int(row.session))),
        .actor = row.tree == 0
                     ? tx_text(tx, "SELECT session FROM sessions WHERE id = $1",
                               ARGS(arg_int(row.session)))
                     : tx_text(tx, "SELECT tree FROM trees WHERE id = $1", ARGS(arg_int(row.tree))),
        .path = tx_text(tx, "SELECT path FROM worlds WHERE id = $1", ARGS(arg_int(row.world))),
        .repository =
            tx_text(tx, "SELECT repository FROM worlds WHERE id = $1", ARGS(arg_int(row.world)))};
    *ret_found = true;
    return tx_error(tx);
}

/* --- The target ------------------------------------------------------------------------------- */

struct err tx_rewind_turn(struct tx *tx, struct bytes owner, struct bytes message,
                          struct bytes *ret_session, int64_t *ret_turn, struct why *why) {
    const struct message_key key = {.owner = owner, .message = message};
    struct message_row row;
    struct session_row session;
    TRY(messages__get(tx, &key, "turns: rewind", &row, &session));
    if (row.role != ROLE_USER) {
        return err_why(why, ERR_NOT_A_USER_MESSAGE, "name a message of the user");
    }
    *ret_session = session.session;
    *ret_turn = tx_number(tx, "SELECT MIN(number) FROM turns WHERE session = $1 AND question >= $2",
                          ARGS(arg_int(session.id), arg_int(row.id)));
    return tx_error(tx);
}
