/* message_rows.c: reading and writing one row of a message. */
#include "engine/session/message_rows.h"

#include <string.h>

#include "base/memory.h"
#include "engine/base/ids.h"
#include "engine/run/rows.h"
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

static struct err read_row(struct tx *tx, const struct rows *rows, struct message_row *ret_row) {
    struct message_row row = {
        .id = rows_int(rows, COL_ID),
        .message = rows_text(rows, COL_MESSAGE),
        .session = rows_int(rows, COL_SESSION),
        .run = rows_int(rows, COL_RUN),
        .run_name = rows_text(rows, COL_RUN_NAME),
        .reply_to = rows_int(rows, COL_REPLY_TO),
        .reply_name = rows_text(rows, COL_REPLY_NAME),
        .variant = rows_int(rows, COL_VARIANT),
        .active = rows_int(rows, COL_ACTIVE) != 0,
        .made_ms = rows_int(rows, COL_MADE),
        .changed_ms = rows_int(rows, COL_CHANGED),
        .client_id = rows_text(rows, COL_CLIENT_ID),
        .client_digest = rows_text(rows, COL_CLIENT_DIGEST),
        .cause = rows_text(rows, COL_CAUSE),
        .error = rows_text(rows, COL_ERROR),
        .metadata = rows_text(rows, COL_METADATA),
    };
    bool known = message_role_find(rows_text(rows, COL_ROLE), &row.role);
    row.role = known ? row.role : ROLE_NOTICE;
    if (!message_status_find(rows_text(rows, COL_STATUS), &row.status) || !known) {
        row.status = MESSAGE_FAILED;
        row.cause = BYTES("damaged");
    }
    struct bytes *const texts[] = {&row.message, &row.run_name, &row.reply_name,    &row.client_id,
                                   &row.cause,   &row.error,    &row.client_digest, &row.metadata};
    struct err err = sessions__keep(tx, texts, COUNT_OF(texts));
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err messages__one(struct tx *tx, const struct run_ask *ask, bool *ret_found,
                         struct message_row *ret_row) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, ask->sql, ask->args, ask->count, &rows);
    if (!err_failed(err) && rows != NULL) {
        err = read_row(tx, rows, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err messages__many(struct tx *tx, const struct run_ask *ask, size_t max,
                          struct message_rows *ret_rows) {
    struct message_rows found = {.rows = arena_try(tx_arena(tx), max * sizeof *found.rows)};
    if (found.rows == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "messages: rows");
    }
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, ask->sql, ask->args, ask->count, &rows);
    bool more = true;
    while (!err_failed(err) && found.count < max) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        err = read_row(tx, rows, &found.rows[found.count++]);
    }
    if (!err_failed(err)) {
        *ret_rows = found;
    }
    return err;
}

struct err messages__find(struct tx *tx, struct bytes message, bool *ret_found,
                          struct message_row *ret_row) {
    const struct arg args[] = {arg_text(message)};
    const struct run_ask ask = {.sql =
                                    "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.message = $1",
                                .args = args,
                                .count = COUNT_OF(args)};
    return messages__one(tx, &ask, ret_found, ret_row);
}

struct err messages__find_id(struct tx *tx, int64_t id, bool *ret_found,
                             struct message_row *ret_row) {
    const struct arg args[] = {arg_int(id)};
    const struct run_ask ask = {.sql = "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.id = $1",
                                .args = args,
                                .count = COUNT_OF(args)};
    return messages__one(tx, &ask, ret_found, ret_row);
}

struct err messages__live(struct tx *tx, int64_t session, struct message_rows *ret_rows) {
    const struct arg args[] = {arg_int(session), arg_int(MESSAGE_LIVE_MAX)};
    const struct run_ask ask = {.sql =
                                    "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.session = $1"
                                    " AND m.status IN ('queued', 'running')"
                                    " ORDER BY m.id LIMIT $2",
                                .args = args,
                                .count = COUNT_OF(args)};
    return messages__many(tx, &ask, MESSAGE_LIVE_MAX, ret_rows);
}

struct err messages__steering(struct tx *tx, const struct session_row *session, int64_t run,
                              struct message_rows *ret_rows) {
    const struct arg args[] = {arg_int(session->id), arg_int(run), arg_int(MESSAGE_LIVE_MAX)};
    const struct run_ask ask = {.sql =
                                    "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.session = $1"
                                    " AND m.run = $2 AND m.status = 'steering'"
                                    " ORDER BY m.id LIMIT $3",
                                .args = args,
                                .count = COUNT_OF(args)};
    return messages__many(tx, &ask, MESSAGE_LIVE_MAX, ret_rows);
}

/* --- Writing ---------------------------------------------------------------------------------- */

struct err messages__next_id(struct tx *tx, int64_t *ret_id) {
    const struct run_ask ask = {.sql = "SELECT " IDS_NEXT("messages")};
    return runs__int(tx, &ask, ret_id);
}

static struct bytes or_else(struct bytes text, struct bytes absent) {
    return text.data == NULL ? absent : text;
}

static void fill(struct tx *tx, struct message_row *row) {
    const struct bytes none = {"", 0};
    row->made_ms = row->made_ms == 0 ? tx_now_ms(tx) : row->made_ms;
    row->changed_ms = row->changed_ms == 0 ? row->made_ms : row->changed_ms;
    row->client_id = or_else(row->client_id, none);
    row->client_digest = or_else(row->client_digest, none);
    row->cause = or_else(row->cause, none);
    row->error = or_else(row->error, none);
    row->metadata = or_else(row->metadata, BYTES("{}"));
}

static struct err insert_row(struct tx *tx, const struct message_row *row) {
    static const char sql[] =
        "INSERT INTO messages (id, message, session, role, status, run, reply_to, variant, active,"
        " made_ms, changed_ms, client_id, client_digest, cause, error, metadata)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    const struct arg args[] = {
        arg_int(row->id),
        arg_text(row->message),
        arg_int(row->session),
        runs__name(message_role_name(row->role)),
        runs__name(message_status_name(row->status)),
        arg_int(row->run),
        arg_int(row->reply_to),
        arg_int(row->variant),
        arg_int(row->active ? 1 : 0),
        arg_int(row->made_ms),
        arg_int(row->changed_ms),
        arg_text(row->client_id),
        arg_text(row->client_digest),
        arg_text(row->cause),
        arg_text(row->error),
        arg_text(row->metadata),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err messages__insert_quiet(struct tx *tx, const struct message_insert *what) {
    struct message_row *row = what->row;
    int64_t id = what->at;
    struct err err = id != 0 ? ERR_OK : messages__next_id(tx, &id);
    if (err_failed(err)) {
        return err;
    }
    id += what->room ? 1 : 0;
    row->id = id;
    row->session = what->session->id;
    fill(tx, row);
    err = insert_row(tx, row);
    for (size_t i = 0; i < what->count && !err_failed(err); i++) {
        what->parts[i].message = id;
        what->parts[i].number = (int64_t)i + 1;
        err = parts__insert(tx, &what->parts[i]);
    }
    return err;
}

struct err messages__write_schema(struct tx *tx, int64_t id, struct bytes schema) {
    const struct arg args[] = {arg_int(id), arg_text(schema)};
    return tx_exec(tx, "UPDATE messages SET answer_schema = $2 WHERE id = $1", args, COUNT_OF(args),
                   NULL /* one row, always */);
}

struct err messages__copy_model(struct tx *tx, int64_t from, int64_t to) {
    static const char sql[] = "UPDATE messages SET model = (SELECT " MESSAGE_MODEL
                              " FROM messages m WHERE m.id = $1) WHERE id = $2";
    const struct arg args[] = {arg_int(from), arg_int(to)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err messages__keep_model(struct tx *tx, int64_t run) {
    static const char sql[] =
        "UPDATE messages SET model = COALESCE((SELECT model FROM turns WHERE run = $1), model)"
        " WHERE run = $1 AND run <> 0 AND role = 'assistant'";
    const struct arg args[] = {arg_int(run)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* it may be no turn */);
}

struct err messages__copy_schema(struct tx *tx, int64_t from, int64_t to) {
    static const char sql[] = "UPDATE messages SET answer_schema = (SELECT answer_schema"
                              " FROM messages WHERE id = $1) WHERE id = $2";
    const struct arg args[] = {arg_int(from), arg_int(to)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err messages__insert(struct tx *tx, const struct message_insert *what) {
    struct err err = messages__insert_quiet(tx, what);
    if (!err_failed(err)) {
        err = sessions__touch(tx, what->session);
    }
    if (err_failed(err)) {
        return err;
    }
    return what->at != 0 ? messages__tell_put(tx, what->session, what->row)
                         : messages__tell_added(tx, what->session, what->row);
}

struct err messages__write_status(struct tx *tx, enum message_status status,
                                  struct message_row *row) {
    static const char sql[] =
        "UPDATE messages SET status = $2, run = $3, active = $4, cause = $5, error = $6,"
        " metadata = $7, changed_ms = $8 WHERE id = $1";
    assert(status == row->status || message_edge_legal(row->status, status));
    row->status = status;
    row->changed_ms = tx_now_ms(tx);
    const struct arg args[] = {
        arg_int(row->id),        runs__name(message_status_name(status)),
        arg_int(row->run),       arg_int(row->active ? 1 : 0),
        arg_text(row->cause),    arg_text(row->error),
        arg_text(row->metadata), arg_int(row->changed_ms),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err messages__remove(struct tx *tx, const struct session_row *session,
                            struct message_row *row) {
    struct err err = messages__write_status(tx, MESSAGE_REMOVED, row);
    return err_failed(err) ? err : messages__tell_removed(tx, session, row);
}

/* Every status may become this one: no edge is asked for. */
struct err messages__remove_behind(struct tx *tx, int64_t session, int64_t after) {
    static const char sql[] = "UPDATE messages SET status = 'removed', changed_ms = $3"
                              " WHERE session = $1 AND id > $2 AND status <> 'removed'";
    const struct arg args[] = {arg_int(session), arg_int(after), arg_int(tx_now_ms(tx))};
    const struct checkpoint_void from = {.session = session, .message = after + 1};
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* however many */);
    return err_failed(err) ? err : tx_checkpoint_void_from(tx, &from);
}
