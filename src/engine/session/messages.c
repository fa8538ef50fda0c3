/* messages.c: a message is found, paged, edited, and taken out of the queue. */
#include "engine/run/rows.h"
#include "engine/session/checkpoints.h"
#include "engine/session/message_rows.h"

struct err tx_message_find(struct tx *tx, const struct message_key *key, bool *ret_found,
                           struct message_row *ret_row, struct session_row *ret_session) {
    bool found = false;
    struct message_row row = {.id = 0};
    struct session_row session = {.id = 0};
    struct err err = messages__find(tx, key->message, &found, &row);
    found = found && message_shown(row.status);
    if (!err_failed(err) && found) {
        err = sessions__find_id(tx, row.session, &found, &session);
    }
    if (err_failed(err)) {
        return err;
    }
    *ret_found = found && (key->owner.data == NULL || bytes_equal(session.owner, key->owner));
    *ret_row = row;
    *ret_session = session;
    return ERR_OK;
}

/* tx_message_find, or ERR_MESSAGE_NOT_FOUND with this step. */
static struct err message_get(struct tx *tx, const struct message_key *key, const char *step,
                              struct message_row *ret_row, struct session_row *ret_session) {
    bool found = false;
    struct err err = tx_message_find(tx, key, &found, ret_row, ret_session);
    return err_failed(err) || found ? err : err_make(ERR_MESSAGE_NOT_FOUND, step);
}

struct err tx_message_find_client(struct tx *tx, int64_t session, struct bytes client_id,
                                  bool *ret_found, struct message_row *ret_row) {
    assert(client_id.len > 0);
    return messages__one(tx,
                         MESSAGE_SELECT "m.session = $1 AND m.client_id = $2 AND m.client_id <> ''",
                         ARGS(arg_int(session), arg_text(client_id)), ret_found, ret_row);
}

struct err tx_message_page(struct tx *tx, const struct message_page *page,
                           struct message_rows *ret_rows) {
    assert(page->limit > 0);
    bool newest = page->order == MESSAGES_NEWEST;
    return messages__many(tx,
                          newest ? MESSAGE_SELECT "m.session = $1 AND m.id < $2"
                                                  " AND m.status NOT IN ('removed', 'reserved')"
                                                  " ORDER BY m.id DESC LIMIT $3"
                                 : MESSAGE_SELECT
                              "m.session = $1 AND m.id > $2"
                              " AND m.status NOT IN ('removed', 'reserved') ORDER BY m.id LIMIT $3",
                          ARGS(arg_int(page->session),
                               arg_int(newest && page->after == 0 ? INT64_MAX : page->after),
                               arg_int(page->limit)),
                          (size_t)page->limit, ret_rows);
}

struct err tx_session_turn(struct tx *tx, int64_t session, struct bytes *ret_run) {
    struct message_rows live;
    struct err err = messages__live(tx, session, &live);
    struct bytes run = {"", 0};
    bool runs = false;
    for (size_t i = 0; !err_failed(err) && i < live.count && !runs; i++) {
        runs = live.rows[i].status == MESSAGE_RUNNING;
        if (runs || run.len == 0) {
            run = live.rows[i].run_name;
        }
    }
    *ret_run = run;
    return err;
}

/* --- Edit ------------------------------------------------------------------------------------- */

static struct err edit_allowed(const struct message_row *row, const struct session_row *session) {
    if (row->role != ROLE_USER) {
        return err_make(ERR_NOT_A_USER_MESSAGE, "messages: edit");
    }
    if (row->status == MESSAGE_JOINED) { /* The answer was given this text already. */
        return err_make(ERR_CONFLICT, "messages: edit");
    }
    if (row->status != MESSAGE_QUEUED && session->state != SESSION_IDLE) {
        return err_make(ERR_TURN_IN_PROGRESS, "messages: edit");
    }
    return ERR_OK;
}

struct err tx_message_edit(struct tx *tx, const struct message_edit *edit,
                           struct message_row *ret_row, struct session_row *ret_session) {
    assert(edit->text.len <= MESSAGE_TEXT_MAX);
    struct message_row row;
    struct session_row session;
    struct err err = message_get(tx, &edit->key, "messages: edit", &row, &session);
    if (err_failed(err)) {
        return err;
    }
    *ret_session = session;
    err = edit_allowed(&row, &session);
    if (!err_failed(err)) {
        err = messages__write_text(tx, &row, edit->text);
    }
    if (err_failed(err)) {
        return err;
    }
    /* Summaries of the message no longer stand for what was said. */
    const struct checkpoint_void from = {.session = row.session, .message = row.id};
    tx_checkpoint_void_from(tx, &from);
    messages__write_status(tx, row.status, &row);
    sessions__touch(tx, &session);
    *ret_row = row;
    return messages__tell_edited(tx, &session, &row);
}

/* --- Out of the queue ------------------------------------------------------------------------- */

struct err tx_message_unqueue(struct tx *tx, const struct message_key *key,
                              const struct run_bounds *bounds, struct message_row *ret_row) {
    struct message_row row;
    struct session_row session;
    struct err err = message_get(tx, key, "messages: unqueue", &row, &session);
    if (!err_failed(err) && row.status != MESSAGE_QUEUED) {
        err = err_make(ERR_CONFLICT, "messages: it is not queued");
    }
    if (!err_failed(err)) {
        err = messages__remove(tx, &session, &row);
    }
    if (!err_failed(err) && row.run_name.len > 0) {
        const struct run_stop stop = {
            .key = {.run = row.run_name}, .cause = CAUSE_STOPPED, .bounds = *bounds};
        bool more = false; /* A turn that has not begun has no runs below it. */
        struct run_row run;
        err = tx_run_stop(tx, &stop, &more, &run);
        if (err.code == ERR_CONFLICT || err.code == ERR_NOT_FOUND) {
            err = ERR_OK; /* It has ended. */
        }
    }
    if (err_failed(err)) {
        return err;
    }
    *ret_row = row;
    return messages__tell_queue(tx, &session);
}
