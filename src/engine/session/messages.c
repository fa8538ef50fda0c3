/* messages.c: the rows of messages and of their parts, events of their changes, and changes by
 * clients. */
#include "engine/base/ids.h"
#include "engine/base/resource.h"
#include "engine/session/checkpoints.h"
#include "engine/session/message_rows.h"

/* --- Reading ---------------------------------------------------------------------------------- */

#define MESSAGE(member) offsetof(struct message_row, member)
/* In SQL the table is `m`. */
static const struct field message_rows[] = {
    {ROW_ONCE("id", FIELD_INT, MESSAGE(id))},
    {ROW_ONCE("message", FIELD_TEXT, MESSAGE(message))},
    {ROW_ONCE("session", FIELD_INT, MESSAGE(session))},
    {ROW_ONCE("role", FIELD_NAME, MESSAGE(role)), .names = message_role_names},
    {ROW_EACH("status", FIELD_NAME, MESSAGE(status)), .names = message_status_names},
    {ROW_EACH("run", FIELD_INT, MESSAGE(run))},
    {FIELD("run_name", FIELD_TEXT, MESSAGE(run_name)),
     .column = "COALESCE((SELECT r.run FROM runs r WHERE r.id = m.run), '')"},
    {ROW_ONCE("reply_to", FIELD_INT, MESSAGE(reply_to))},
    {FIELD("reply_name", FIELD_TEXT, MESSAGE(reply_name)),
     .column = "COALESCE((SELECT a.message FROM messages a WHERE a.id = m.reply_to), '')"},
    {ROW_ONCE("variant", FIELD_INT, MESSAGE(variant))},
    {ROW_EACH("active", FIELD_BOOL, MESSAGE(active))},
    {ROW_ONCE("made_ms", FIELD_INT, MESSAGE(made_ms))},
    {ROW_EACH("changed_ms", FIELD_INT, MESSAGE(changed_ms))},
    {ROW_ONCE("client_id", FIELD_TEXT, MESSAGE(client_id))},
    {ROW_ONCE("client_digest", FIELD_TEXT, MESSAGE(client_digest))},
    {ROW_EACH("cause", FIELD_TEXT, MESSAGE(cause))},
    {ROW_EACH("error", FIELD_TEXT, MESSAGE(error))},
    {ROW_EACH("metadata", FIELD_TEXT, MESSAGE(metadata))},
};
const struct resource message_resource = {.table = "messages",
                                          .key = "id",
                                          .of_daemon = true,
                                          .fields = {FIELD_ROWS(message_rows), .use = FIELD_KEPT},
                                          .size = sizeof(struct message_row)};

static const char *message_sql(struct tx *tx, const char *sql) {
    return tx_resource_sql(tx, &message_resource, RESOURCE_WHOLE, sql);
}

/* A row with an unknown word reads as failed. */
static void row_read(struct tx *tx, const struct rows *rows, struct message_row *ret_row) {
    *ret_row = (struct message_row){.role = ROLE_NOTICE, .status = MESSAGE_FAILED};
    if (!resource_row_fill(&message_resource, RESOURCE_WHOLE, rows, ret_row)) {
        ret_row->status = MESSAGE_FAILED;
        ret_row->cause = BYTES("damaged");
    }
    tx_resource_copy(tx, &message_resource, ret_row);
}

static bool message_first(struct tx *tx, struct rows *rows, struct message_row *ret_row) {
    if (rows != NULL) {
        row_read(tx, rows, ret_row);
        rows_close(rows);
    }
    return rows != NULL && !err_failed(tx_error(tx));
}

bool messages__find(struct tx *tx, struct bytes message, struct message_row *ret_row) {
    return message_first(
        tx, tx_row(tx, message_sql(tx, MESSAGE_SELECT "m.message = $1"), ARGS(arg_text(message))),
        ret_row);
}

bool messages__find_id(struct tx *tx, int64_t id, struct message_row *ret_row) {
    return message_first(
        tx, tx_row(tx, message_sql(tx, MESSAGE_SELECT "m.id = $1"), ARGS(arg_int(id))), ret_row);
}

struct message_rows messages__many(struct tx *tx, const char *sql, const struct arg *args,
                                   size_t count, size_t max) {
    struct message_rows found = {.rows = tx_memory(tx, max * sizeof *found.rows)};
    AUTO(rows_release) struct rows *rows = tx_rows(tx, message_sql(tx, sql), args, count);
    while (found.count < max && rows_step(rows)) {
        row_read(tx, rows, &found.rows[found.count++]);
    }
    return found;
}

struct message_rows messages__live(struct tx *tx, int64_t session) {
    return messages__many(
        tx,
        MESSAGE_SELECT
        "m.session = $1 AND m.status IN ('queued', 'running') ORDER BY m.id LIMIT $2",
        ARGS(arg_int(session), arg_int(MESSAGE_LIVE_MAX)), MESSAGE_LIVE_MAX);
}

struct message_rows messages__steering(struct tx *tx, int64_t session, int64_t run) {
    return messages__many(
        tx,
        MESSAGE_SELECT
        "m.session = $1 AND m.run = $2 AND m.status = 'steering' ORDER BY m.id LIMIT $3",
        ARGS(arg_int(session), arg_int(run), arg_int(MESSAGE_LIVE_MAX)), MESSAGE_LIVE_MAX);
}

struct message_rows messages__delivered(struct tx *tx, int64_t run) {
    return messages__many(tx,
                          MESSAGE_SELECT "m.run = $1 AND m.run <> 0 AND m.status = 'delivered'"
                                         " ORDER BY m.id LIMIT $2",
                          ARGS(arg_int(run), arg_int(MESSAGE_LIVE_MAX)), MESSAGE_LIVE_MAX);
}

struct err tx_message_find(struct tx *tx, const struct message_key *key, bool *ret_found,
                           struct message_row *ret_row, struct session_row *ret_session) {
    *ret_row = (struct message_row){.id = 0};
    *ret_session = (struct session_row){.id = 0};
    *ret_found = messages__find(tx, key->message, ret_row) && message_shown(ret_row->status) &&
                 sessions__find_id(tx, ret_row->session, ret_session) &&
                 (key->owner.data == NULL || bytes_equal(ret_session->owner, key->owner));
    return tx_error(tx);
}

struct err messages__get(struct tx *tx, const struct message_key *key, const char *step,
                         struct message_row *ret_row, struct session_row *ret_session) {
    bool found = false;
    struct err err = tx_message_find(tx, key, &found, ret_row, ret_session);
    return err_failed(err) || found ? err : err_make(ERR_MESSAGE_NOT_FOUND, step);
}

struct err tx_message_find_client(struct tx *tx, int64_t session, struct bytes client_id,
                                  bool *ret_found, struct message_row *ret_row) {
    assert(client_id.len > 0);
    *ret_found = message_first(
        tx,
        tx_row(tx,
               message_sql(tx, MESSAGE_SELECT
                           "m.session = $1 AND m.client_id = $2 AND m.client_id <> ''"),
               ARGS(arg_int(session), arg_text(client_id))),
        ret_row);
    return tx_error(tx);
}

struct err tx_message_page(struct tx *tx, const struct message_page *page,
                           struct message_rows *ret_rows) {
    assert(page->limit > 0);
    bool newest = page->order == MESSAGES_NEWEST;
    *ret_rows = messages__many(
        tx,
        newest ? MESSAGE_SELECT "m.session = $1 AND m.id < $2"
                                " AND m.status NOT IN ('removed', 'reserved')"
                                " ORDER BY m.id DESC LIMIT $3"
               : MESSAGE_SELECT
            "m.session = $1 AND m.id > $2"
            " AND m.status NOT IN ('removed', 'reserved') ORDER BY m.id LIMIT $3",
        ARGS(arg_int(page->session), arg_int(newest && page->after == 0 ? INT64_MAX : page->after),
             arg_int(page->limit)),
        (size_t)page->limit);
    return tx_error(tx);
}

/* Counts to MESSAGE_COUNT_MAX and one. `newer`: messages above `id`, else those below it. */
static int64_t count_beside(struct tx *tx, int64_t session, int64_t id, bool newer) {
    return tx_number(tx,
                     newer
                         ? "SELECT count(*) FROM (SELECT 1 FROM messages WHERE session = $1"
                           " AND id > $2 AND status NOT IN ('removed', 'reserved') LIMIT $3) newer"
                         : "SELECT count(*) FROM (SELECT 1 FROM messages WHERE session = $1"
                           " AND id < $2 AND status NOT IN ('removed', 'reserved') LIMIT $3) older",
                     ARGS(arg_int(session), arg_int(id), arg_int(MESSAGE_COUNT_MAX + 1)));
}

struct err tx_message_around(struct tx *tx, const struct message_around *around,
                             struct message_position *ret_position) {
    const bool newest = around->order == MESSAGES_NEWEST;
    const struct message_page page = {.session = around->session,
                                      .order = newest ? MESSAGES_OLDEST : MESSAGES_NEWEST,
                                      .after = around->message,
                                      .limit = around->limit / 2};
    struct message_position position = {.first = around->message};
    struct message_rows rows = {.count = 0};
    AUTO(text_done) struct text text = text_up_to(around->bytes / 2);
    struct err err = page.limit > 0 ? tx_message_page(tx, &page, &rows) : ERR_OK;
    for (size_t i = 0; i < rows.count && !err_failed(err); i++) {
        err = tx_message_write_json(tx, &rows.rows[i], MESSAGE_BYTES_LIST, &text);
        if (text_failed(&text)) {
            break;
        }
        position.first = rows.rows[i].id;
    }
    if (!err_failed(err) && text.no_memory) {
        return text_error(&text, "messages: around");
    }
    position.before = count_beside(tx, around->session, position.first, newest);
    position.total = count_beside(tx, around->session, 0, true /* newer */);
    *ret_position = position;
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_session_turn(struct tx *tx, int64_t session, struct bytes *ret_run) {
    const struct message_rows live = messages__live(tx, session);
    *ret_run = BYTES("");
    for (size_t i = 0; i < live.count; i++) {
        const bool runs = live.rows[i].status == MESSAGE_RUNNING;
        *ret_run = runs || ret_run->len == 0 ? live.rows[i].run_name : *ret_run;
        if (runs) {
            break;
        }
    }
    return tx_error(tx);
}

/* --- Events ----------------------------------------------------------------------------------- */

/* The row is read again, since only a row that was read has the names of its run and of the message
 * that it answers. `before`: id of the message that it stands before; 0: of none. */
static void message_tell(struct tx *tx, const struct session_row *session, int64_t id,
                         int64_t before, struct bytes type) {
    struct message_row row, next = {.message = {"", 0}};
    if (!messages__find_id(tx, id, &row)) {
        return;
    }
    const bool stands_before = before != 0 && messages__find_id(tx, before, &next);
    bool whole = true;
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    for (bool done = false; !done; whole = false) {
        text_clear(&data);
        text_add_str(&data, "{\"message\":");
        if (whole) {
            tx_fail(tx, tx_message_write_json(tx, &row, MESSAGE_BYTES_EVENT, &data));
        } else { /* Texts that are nearly all escapes, or very many parts. */
            message_write_head(&row, &data);
        }
        if (stands_before) {
            text_add_member(&data, "before", next.message);
        }
        text_add_char(&data, '}');
        done = !whole || !text_failed(&data) || data.no_memory;
    }
    sessions__event_text(tx, session, type, &data);
}

void messages__tell_added(struct tx *tx, const struct session_row *session,
                          const struct message_row *row) {
    message_tell(tx, session, row->id, 0, BYTES("message_added"));
}

void messages__tell_edited(struct tx *tx, const struct session_row *session,
                           const struct message_row *row) {
    message_tell(tx, session, row->id, 0, BYTES("message_edited"));
}

void messages__tell_cleared(struct tx *tx, const struct session_row *session,
                            const struct messages_cleared *what) {
    AUTO(text_done) struct text data = text_up_to(200);
    text_add_char(&data, '{');
    text_add_member_or_null(&data, "after", what->after);
    text_add_member_or_null(&data, "fork", what->fork);
    text_add_char(&data, '}');
    sessions__event_text(tx, session, BYTES("cleared"), &data);
}

void messages__tell_queue(struct tx *tx, const struct session_row *session) {
    const struct message_rows live = messages__live(tx, session->id);
    AUTO(text_done) struct text data = text_up_to(8 << 10);
    text_add_char(&data, '{');
    messages__write_queue(&live, &data);
    text_add_char(&data, '}');
    sessions__event_text(tx, session, BYTES("queue_changed"), &data);
}

/* --- Writing ---------------------------------------------------------------------------------- */

void messages__insert_quiet(struct tx *tx, const struct message_insert *what) {
    struct message_row *row = what->row;
    int64_t id = what->at != 0 ? what->at : tx_number(tx, "SELECT " IDS_NEXT("messages"), NO_ARGS);
    row->id = id + (what->room ? 1 : 0);
    row->session = what->session->id;
    row->made_ms = row->made_ms == 0 ? tx_now_ms(tx) : row->made_ms;
    row->changed_ms = row->changed_ms == 0 ? row->made_ms : row->changed_ms;
    row->metadata = row->metadata.data == NULL ? BYTES("{}") : row->metadata;
    tx_row_insert(tx, &message_resource, 0, row);
    for (size_t i = 0; i < what->count; i++) {
        what->parts[i].message = row->id;
        what->parts[i].number = (int64_t)i + 1;
        parts__insert(tx, &what->parts[i]);
    }
}

void messages__insert(struct tx *tx, const struct message_insert *what) {
    const int64_t before = what->at != 0 ? what->at + 1 : 0;
    messages__insert_quiet(tx, what);
    sessions__touch(tx, what->session);
    message_tell(tx, what->session, what->row->id, before, BYTES("message_added"));
}

void messages__write_status(struct tx *tx, enum message_status status, struct message_row *row) {
    assert(status == row->status || message_edge_legal(row->status, status));
    row->status = status;
    row->changed_ms = tx_now_ms(tx);
    tx_row_update(tx, &message_resource, MESSAGE_PROGRESS, row);
}

void messages__move(struct tx *tx, const struct session_row *session, enum message_status status,
                    struct message_row *row) {
    messages__write_status(tx, status, row);
    messages__tell_edited(tx, session, row);
}

void messages__write_schema(struct tx *tx, int64_t id, struct bytes schema) {
    tx_do(tx, "UPDATE messages SET answer_schema = $2 WHERE id = $1",
          ARGS(arg_int(id), arg_text(schema)));
}

void messages__keep_model(struct tx *tx, int64_t run) {
    tx_do(tx,
          "UPDATE messages SET model = COALESCE((SELECT model FROM turns WHERE run = $1), model)"
          " WHERE run = $1 AND run <> 0 AND role = 'assistant'",
          ARGS(arg_int(run)));
}

/* Numbers of parts are kept, so that nothing else moves. */
void messages__write_text(struct tx *tx, const struct message_row *row, struct bytes text) {
    const struct message_parts parts = parts__read(tx, row->id, 0 /* no texts */);
    bool written = false;
    for (size_t i = 0; i < parts.count; i++) {
        struct message_part *part = &parts.parts[i];
        if (part->kind == PART_TEXT) {
            part->data = BYTES("{}");
            part->text = written ? BYTES("") : text;
            written = true;
            parts__write(tx, PART_WORDS, part);
        }
    }
    if (!written) {
        struct message_part part = {.message = row->id, .kind = PART_TEXT, .text = text};
        parts__insert(tx, &part);
    }
}

void messages__remove(struct tx *tx, const struct session_row *session, struct message_row *row) {
    messages__write_status(tx, MESSAGE_REMOVED, row);
    AUTO(text_done) struct text data = text_up_to(200);
    text_add_char(&data, '{');
    text_add_member(&data, "message", row->message);
    text_add_char(&data, '}');
    sessions__event_text(tx, session, BYTES("message_removed"), &data);
}

/* Every status may become this one: no edge is asserted. */
void messages__remove_behind(struct tx *tx, const struct session_row *session, int64_t after) {
    tx_do(tx,
          "UPDATE messages SET status = 'removed', changed_ms = $3"
          " WHERE session = $1 AND id > $2 AND status <> 'removed'",
          ARGS(arg_int(session->id), arg_int(after), arg_int(tx_now_ms(tx))));
    tx_checkpoint_void_from(tx, session, after + 1);
}

/* --- Changes by clients ----------------------------------------------------------------------- */

struct err tx_message_edit(struct tx *tx, const struct message_edit *edit,
                           struct message_row *ret_row, struct session_row *ret_session) {
    assert(edit->text.len <= MESSAGE_TEXT_MAX);
    struct message_row row;
    struct session_row session;
    TRY(messages__get(tx, &edit->key, "messages: edit", &row, &session));
    *ret_session = session;
    if (row.role != ROLE_USER) {
        return err_make(ERR_NOT_A_USER_MESSAGE, "messages: edit");
    }
    if (row.status == MESSAGE_JOINED) { /* The answer was given this text already. */
        return err_make(ERR_CONFLICT, "messages: edit");
    }
    if (row.status != MESSAGE_QUEUED && session.state != SESSION_IDLE) {
        return err_make(ERR_TURN_IN_PROGRESS, "messages: edit");
    }
    messages__write_text(tx, &row, edit->text);
    /* Summaries of the message no longer stand for what was said. */
    tx_checkpoint_void_from(tx, &session, row.id);
    messages__write_status(tx, row.status, &row);
    if (row.status != MESSAGE_QUEUED) {
        sessions__weigh_context(tx, &session);
    }
    sessions__touch(tx, &session);
    messages__tell_edited(tx, &session, &row);
    *ret_row = row;
    return tx_error(tx);
}

struct err tx_message_unqueue(struct tx *tx, const struct message_key *key,
                              const struct run_bounds *bounds, struct message_row *ret_row) {
    struct message_row row;
    struct session_row session;
    TRY(messages__get(tx, key, "messages: unqueue", &row, &session));
    if (row.status != MESSAGE_QUEUED) {
        return err_make(ERR_CONFLICT, "messages: it is not queued");
    }
    messages__remove(tx, &session, &row);
    if (row.run_name.len > 0) { /* A turn that has not begun has no runs below it. */
        runs__stop_tree(tx, row.run_name, CAUSE_STOPPED, bounds);
    }
    messages__tell_queue(tx, &session);
    *ret_row = row;
    return tx_error(tx);
}
