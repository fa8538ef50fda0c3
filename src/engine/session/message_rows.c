/* message_rows.c: reads and writes one row of a message. */
#include "engine/session/message_rows.h"

#include "base/memory.h"
#include "engine/base/ids.h"
#include "engine/session/checkpoints.h"

enum column {
    COL_ID,
    COL_MESSAGE,
    COL_SESSION,
    COL_ROLE,
    COL_STATUS,
    COL_RUN,
    COL_RUN_NAME,
    COL_REPLY_TO,
    COL_REPLY_NAME,
    COL_VARIANT,
    COL_ACTIVE,
    COL_MADE,
    COL_CHANGED,
    COL_CLIENT_ID,
    COL_CLIENT_DIGEST,
    COL_CAUSE,
    COL_ERROR,
    COL_METADATA,
};

static void row_read(struct rows *rows, struct message_row *ret_row) {
    struct message_row row = {
        .id = rows_int(rows, COL_ID),
        .message = rows_copy(rows, COL_MESSAGE),
        .session = rows_int(rows, COL_SESSION),
        .run = rows_int(rows, COL_RUN),
        .run_name = rows_copy(rows, COL_RUN_NAME),
        .reply_to = rows_int(rows, COL_REPLY_TO),
        .reply_name = rows_copy(rows, COL_REPLY_NAME),
        .variant = rows_int(rows, COL_VARIANT),
        .active = rows_int(rows, COL_ACTIVE) != 0,
        .made_ms = rows_int(rows, COL_MADE),
        .changed_ms = rows_int(rows, COL_CHANGED),
        .client_id = rows_copy(rows, COL_CLIENT_ID),
        .client_digest = rows_copy(rows, COL_CLIENT_DIGEST),
        .cause = rows_copy(rows, COL_CAUSE),
        .error = rows_copy(rows, COL_ERROR),
        .metadata = rows_copy(rows, COL_METADATA),
    };
    bool known = message_role_find(rows_text(rows, COL_ROLE), &row.role);
    row.role = known ? row.role : ROLE_NOTICE;
    if (!message_status_find(rows_text(rows, COL_STATUS), &row.status) || !known) {
        row.status = MESSAGE_FAILED;
        row.cause = BYTES("damaged");
    }
    *ret_row = row;
}

struct err messages__one(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                         bool *ret_found, struct message_row *ret_row) {
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, args, count);
    *ret_found = rows != NULL;
    if (rows != NULL) {
        row_read(rows, ret_row);
    }
    return tx_error(tx);
}

struct err messages__many(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                          size_t max, struct message_rows *ret_rows) {
    struct message_rows found = {.rows = arena_try(tx_arena(tx), max * sizeof *found.rows)};
    if (found.rows == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "messages: rows");
    }
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, count);
    while (found.count < max && rows_step(rows)) {
        row_read(rows, &found.rows[found.count++]);
    }
    *ret_rows = found;
    return tx_error(tx);
}

#define FIND_SQL "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE "

struct err messages__find(struct tx *tx, struct bytes message, bool *ret_found,
                          struct message_row *ret_row) {
    return messages__one(tx, FIND_SQL "m.message = $1", ARGS(arg_text(message)), ret_found,
                         ret_row);
}

struct err messages__find_id(struct tx *tx, int64_t id, bool *ret_found,
                             struct message_row *ret_row) {
    return messages__one(tx, FIND_SQL "m.id = $1", ARGS(arg_int(id)), ret_found, ret_row);
}

struct err messages__live(struct tx *tx, int64_t session, struct message_rows *ret_rows) {
    return messages__many(
        tx, FIND_SQL "m.session = $1 AND m.status IN ('queued', 'running') ORDER BY m.id LIMIT $2",
        ARGS(arg_int(session), arg_int(MESSAGE_LIVE_MAX)), MESSAGE_LIVE_MAX, ret_rows);
}

struct err messages__steering(struct tx *tx, const struct session_row *session, int64_t run,
                              struct message_rows *ret_rows) {
    return messages__many(
        tx,
        FIND_SQL "m.session = $1 AND m.run = $2 AND m.status = 'steering' ORDER BY m.id LIMIT $3",
        ARGS(arg_int(session->id), arg_int(run), arg_int(MESSAGE_LIVE_MAX)), MESSAGE_LIVE_MAX,
        ret_rows);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static struct bytes text_or(struct bytes text, struct bytes absent) {
    return text.data == NULL ? absent : text;
}

struct err messages__insert_quiet(struct tx *tx, const struct message_insert *what) {
    struct message_row *row = what->row;
    int64_t id =
        what->at != 0 ? what->at : tx_number(tx, "SELECT " IDS_NEXT("messages"), NO_ARGS, 0);
    row->id = id + (what->room ? 1 : 0);
    row->session = what->session->id;
    row->made_ms = row->made_ms == 0 ? tx_now_ms(tx) : row->made_ms;
    row->changed_ms = row->changed_ms == 0 ? row->made_ms : row->changed_ms;
    row->client_id = text_or(row->client_id, BYTES(""));
    row->client_digest = text_or(row->client_digest, BYTES(""));
    row->cause = text_or(row->cause, BYTES(""));
    row->error = text_or(row->error, BYTES(""));
    row->metadata = text_or(row->metadata, BYTES("{}"));
    tx_do(tx,
          "INSERT INTO messages (id, message, session, role, status, run, reply_to, variant,"
          " active, made_ms, changed_ms, client_id, client_digest, cause, error, metadata)"
          " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
          ARGS(arg_int(row->id), arg_text(row->message), arg_int(row->session),
               arg_str(message_role_name(row->role)), arg_str(message_status_name(row->status)),
               arg_int(row->run), arg_int(row->reply_to), arg_int(row->variant),
               arg_int(row->active ? 1 : 0), arg_int(row->made_ms), arg_int(row->changed_ms),
               arg_text(row->client_id), arg_text(row->client_digest), arg_text(row->cause),
               arg_text(row->error), arg_text(row->metadata)));
    struct err err = tx_error(tx);
    for (size_t i = 0; i < what->count && !err_failed(err); i++) {
        what->parts[i].message = row->id;
        what->parts[i].number = (int64_t)i + 1;
        err = parts__insert(tx, &what->parts[i]);
    }
    return err;
}

struct err messages__insert(struct tx *tx, const struct message_insert *what) {
    struct err err = messages__insert_quiet(tx, what);
    if (err_failed(err)) {
        return err;
    }
    sessions__touch(tx, what->session);
    return what->at != 0 ? messages__tell_put(tx, what->session, what->row)
                         : messages__tell_added(tx, what->session, what->row);
}

struct err messages__write_status(struct tx *tx, enum message_status status,
                                  struct message_row *row) {
    assert(status == row->status || message_edge_legal(row->status, status));
    row->status = status;
    row->changed_ms = tx_now_ms(tx);
    tx_do(tx,
          "UPDATE messages SET status = $2, run = $3, active = $4, cause = $5, error = $6,"
          " metadata = $7, changed_ms = $8 WHERE id = $1",
          ARGS(arg_int(row->id), arg_str(message_status_name(status)), arg_int(row->run),
               arg_int(row->active ? 1 : 0), arg_text(row->cause), arg_text(row->error),
               arg_text(row->metadata), arg_int(row->changed_ms)));
    return tx_error(tx);
}

struct err messages__write_schema(struct tx *tx, int64_t id, struct bytes schema) {
    tx_do(tx, "UPDATE messages SET answer_schema = $2 WHERE id = $1",
          ARGS(arg_int(id), arg_text(schema)));
    return tx_error(tx);
}

struct err messages__keep_model(struct tx *tx, int64_t run) {
    tx_do(tx,
          "UPDATE messages SET model = COALESCE((SELECT model FROM turns WHERE run = $1), model)"
          " WHERE run = $1 AND run <> 0 AND role = 'assistant'",
          ARGS(arg_int(run)));
    return tx_error(tx);
}

/* Numbers of parts are kept, so that nothing else moves. */
struct err messages__write_text(struct tx *tx, const struct message_row *row, struct bytes text) {
    struct message_parts parts;
    struct err err = parts__read(tx, row->id, 0 /* no texts */, &parts);
    bool written = false;
    for (size_t i = 0; !err_failed(err) && i < parts.count; i++) {
        struct message_part *part = &parts.parts[i];
        if (part->kind == PART_TEXT) {
            part->data = BYTES("{}");
            part->text = written ? BYTES("") : text;
            written = true;
            err = parts__write(tx, part);
        }
    }
    struct message_part part = {.message = row->id, .kind = PART_TEXT, .text = text};
    return err_failed(err) || written ? err : parts__insert(tx, &part);
}

struct err messages__remove(struct tx *tx, const struct session_row *session,
                            struct message_row *row) {
    messages__write_status(tx, MESSAGE_REMOVED, row);
    AUTO(text_done) struct text data = text_up_to(200);
    text_add_char(&data, '{');
    text_add_member(&data, "message", row->message);
    text_add_char(&data, '}');
    return sessions__event_text(tx, session, BYTES("message_removed"), &data);
}

/* Every status may become this one: no edge is asserted. */
struct err messages__remove_behind(struct tx *tx, int64_t session, int64_t after) {
    tx_do(tx,
          "UPDATE messages SET status = 'removed', changed_ms = $3"
          " WHERE session = $1 AND id > $2 AND status <> 'removed'",
          ARGS(arg_int(session), arg_int(after), arg_int(tx_now_ms(tx))));
    const struct checkpoint_void from = {.session = session, .message = after + 1};
    return tx_checkpoint_void_from(tx, &from);
}
