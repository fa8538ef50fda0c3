/* messages.c: a message is found, paged, edited, and taken out of the queue. */
#include "engine/session/messages.h"

#include <string.h>

#include "base/memory.h"
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
    if (found && key->owner.data != NULL) {
        found = bytes_equal(session.owner, key->owner);
    }
    *ret_found = found;
    *ret_row = row;
    *ret_session = session;
    return ERR_OK;
}

struct err tx_message_find_client(struct tx *tx, int64_t session, struct bytes client_id,
                                  bool *ret_found, struct message_row *ret_row) {
    assert(client_id.len > 0);
    const struct arg args[] = {arg_int(session), arg_text(client_id)};
    const struct run_ask ask = {.sql = "SELECT " MESSAGE_COLUMNS MESSAGE_FROM
                                       " WHERE m.session = $1 AND m.client_id = $2"
                                       " AND m.client_id <> ''",
                                .args = args,
                                .count = COUNT_OF(args)};
    return messages__one(tx, &ask, ret_found, ret_row);
}

static const char newest_sql[] =
    "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.session = $1 AND m.id < $2"
    " AND m.status NOT IN ('removed', 'reserved') ORDER BY m.id DESC LIMIT $3";
static const char oldest_sql[] =
    "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.session = $1 AND m.id > $2"
    " AND m.status NOT IN ('removed', 'reserved') ORDER BY m.id LIMIT $3";

struct err tx_message_page(struct tx *tx, const struct message_page *page,
                           struct message_rows *ret_rows) {
    assert(page->limit > 0);
    bool newest = page->order == MESSAGES_NEWEST;
    const struct arg args[] = {
        arg_int(page->session),
        arg_int(newest && page->after == 0 ? INT64_MAX : page->after),
        arg_int(page->limit),
    };
    const struct run_ask ask = {
        .sql = newest ? newest_sql : oldest_sql, .args = args, .count = COUNT_OF(args)};
    return messages__many(tx, &ask, (size_t)page->limit, ret_rows);
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
    if (!err_failed(err)) {
        *ret_run = run;
    }
    return err;
}

/* --- Edit ------------------------------------------------------------------------------------- */

/* Its texts become one; images stay. Numbers are kept, so that nothing else moves. */
struct err messages__write_text(struct tx *tx, const struct message_row *row, struct bytes text) {
    struct message_parts parts;
    struct err err = parts__read(tx, row->id, 0 /* no texts */, &parts);
    bool written = false;
    for (size_t i = 0; !err_failed(err) && i < parts.count; i++) {
        struct message_part *part = &parts.parts[i];
        if (part->kind != PART_TEXT) {
            continue;
        }
        part->data = BYTES("{}");
        part->text = written ? BYTES("") : text;
        written = true;
        err = parts__write(tx, part);
    }
    if (!err_failed(err) && !written) {
        struct message_part part = {.message = row->id, .kind = PART_TEXT, .text = text};
        err = parts__insert(tx, &part);
    }
    return err;
}

/* What they summarise is no longer what was said. */
static struct err void_checkpoints(struct tx *tx, const struct message_row *row) {
    const struct checkpoint_void from = {.session = row->session, .message = row->id};
    return tx_checkpoint_void_from(tx, &from);
}

static struct err edit_allowed(const struct message_row *row, const struct session_row *session) {
    if (row->role != ROLE_USER) {
        return err_make(ERR_NOT_A_USER_MESSAGE, "messages: edit");
    }
    if (row->status == MESSAGE_JOINED) { /* The answer has its words already. */
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
    bool found = false;
    struct message_row row;
    struct session_row session;
    struct err err = tx_message_find(tx, &edit->key, &found, &row, &session);
    if (!err_failed(err) && !found) {
        return err_make(ERR_MESSAGE_NOT_FOUND, "messages: edit");
    }
    if (!err_failed(err)) {
        *ret_session = session;
        err = edit_allowed(&row, &session);
    }
    if (!err_failed(err)) {
        err = messages__write_text(tx, &row, edit->text);
    }
    if (!err_failed(err)) {
        err = void_checkpoints(tx, &row);
    }
    if (!err_failed(err)) {
        err = messages__write_status(tx, row.status, &row);
    }
    if (!err_failed(err)) {
        err = sessions__touch(tx, &session);
    }
    if (!err_failed(err)) {
        err = messages__tell_edited(tx, &session, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

/* --- Out of the queue ------------------------------------------------------------------------- */

static struct err end_turn(struct tx *tx, const struct message_row *row,
                           const struct run_bounds *bounds) {
    if (row->run_name.len == 0) {
        return ERR_OK;
    }
    const struct run_stop stop = {
        .key = {.run = row->run_name}, .cause = CAUSE_STOPPED, .bounds = *bounds};
    bool more = false;
    struct run_row run;
    struct err err = tx_run_stop(tx, &stop, &more, &run);
    bool ended = err.code == ERR_CONFLICT || err.code == ERR_NOT_FOUND;
    return ended ? ERR_OK : err; /* A turn that has not begun has nobody below it: never more. */
}

struct err tx_message_unqueue(struct tx *tx, const struct message_key *key,
                              const struct run_bounds *bounds, struct message_row *ret_row) {
    bool found = false;
    struct message_row row;
    struct session_row session;
    struct err err = tx_message_find(tx, key, &found, &row, &session);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_MESSAGE_NOT_FOUND, "messages: unqueue");
    } else if (!err_failed(err) && row.status != MESSAGE_QUEUED) {
        err = err_make(ERR_CONFLICT, "messages: it is not queued");
    }
    if (!err_failed(err)) {
        err = messages__remove(tx, &session, &row);
    }
    if (!err_failed(err)) {
        err = end_turn(tx, &row, bounds);
    }
    if (!err_failed(err)) {
        err = messages__tell_queue(tx, &session);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}
