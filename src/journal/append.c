/* append.c: events into one stream: two statements for the stream, one for each event.
 *
 * The number is handed out by the row of the stream itself (its `head`, raised by one), so it rolls
 * back with the transaction: a number is never skipped, and two writers cannot get the same.
 * A sequence of the database would leave gaps after each rollback.
 */
#include "journal/journal.h"

#include <string.h>

#include "journal/note.h"

static struct err refuse(const struct append *append) {
    if (append->owner.len == 0 || append->owner.len > STREAM_OWNER_MAX) {
        return err_make(ERR_BAD_FIELD, "journal: owner");
    }
    if (!stream_name_valid(append->stream)) {
        return err_make(ERR_BAD_FIELD, "journal: stream name");
    }
    if (!event_type_valid(append->type)) {
        return err_make(ERR_BAD_FIELD, "journal: event type");
    }
    if (append->data.len > EVENT_DATA_MAX) {
        return err_make(ERR_BODY_TOO_LARGE, "journal: event data");
    }
    /* Compact JSON has no raw line break. One that slipped through would end the `data:` line of a
     * server-sent event, and let its author forge the next frame. */
    if (append->data.len == 0 || memchr(append->data.data, '\n', append->data.len) != NULL ||
        memchr(append->data.data, '\r', append->data.len) != NULL) {
        return err_make(ERR_BAD_FIELD, "journal: event data is not compact JSON");
    }
    return ERR_OK;
}

/* Not one upsert with RETURNING: SQLite hands such rows out of a temporary table, which costs more
 * than all the rest of an append. There is one writer, so nobody comes between the statements. */
static struct err find_stream(struct tx *tx, const struct append *append, bool *ret_found,
                              struct appended *ret_appended) {
    static const char sql[] = "SELECT id, head, ended FROM streams WHERE owner = $1 AND name = $2";
    const struct arg args[] = {arg_text(append->owner), arg_text(append->stream)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    if (rows != NULL && rows_int(rows, 2) != 0) {
        return err_make(ERR_CONFLICT, "journal: the stream has ended");
    }
    *ret_found = rows != NULL;
    if (rows != NULL) {
        *ret_appended = (struct appended){
            .stream = rows_int(rows, 0), .seq = rows_int(rows, 1) + 1, .at_ms = tx_now_ms(tx)};
    }
    return ERR_OK;
}

static bool ends(const struct append *appends, size_t count) {
    return appends[count - 1].last;
}

/* With the numbers of its first events in it already. */
static struct err make_stream(struct tx *tx, const struct append *append, size_t count,
                              struct appended *ret_appended) {
    static const char sql[] = "INSERT INTO streams (owner, name, head, floor, made_ms, ended) "
                              "VALUES ($1, $2, $3, 0, $4, $5) RETURNING id";
    const struct arg args[] = {arg_text(append->owner), arg_text(append->stream),
                               arg_int((int64_t)count), arg_int(tx_now_ms(tx)),
                               arg_int(ends(append, count) ? 1 : 0)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    assert(rows != NULL); /* An INSERT that succeeded returns its row. */
    *ret_appended =
        (struct appended){.stream = rows_int(rows, 0), .seq = 1, .at_ms = tx_now_ms(tx)};
    /* To the end: only then is the statement known to have succeeded. */
    bool row = false;
    return rows_next(rows, &row);
}

/* *ret_appended: of the first. */
static struct err raise_head(struct tx *tx, const struct append *append, size_t count,
                             struct appended *ret_appended) {
    bool found = false;
    struct err err = find_stream(tx, append, &found, ret_appended);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return make_stream(tx, append, count, ret_appended);
    }
    const struct arg args[] = {arg_int(ret_appended->stream),
                               arg_int(ret_appended->seq + (int64_t)count - 1),
                               arg_int(ends(append, count) ? 1 : 0)};
    return tx_exec(tx, "UPDATE streams SET head = $2, ended = $3 WHERE id = $1", args,
                   COUNT_OF(args), NULL);
}

static struct err insert_event(struct tx *tx, const struct append *append,
                               const struct appended *appended) {
    static const char sql[] =
        "INSERT INTO events (stream, seq, at_ms, type, data) VALUES ($1, $2, $3, $4, $5)";
    const struct arg args[] = {arg_int(appended->stream), arg_int(appended->seq),
                               arg_int(appended->at_ms), arg_text(append->type),
                               arg_text(append->data)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL);
}

static struct err tell_hub(struct tx *tx, const struct append *append,
                           const struct appended *appended) {
    const struct note note = {.kind = append->last ? NOTE_LAST : NOTE_EVENT,
                              .seq = appended->seq,
                              .at_ms = appended->at_ms,
                              .owner = append->owner,
                              .name = append->stream,
                              .type = append->type,
                              .data = append->data};
    struct bytes bytes;
    struct err err = note_write(tx_arena(tx), &note, &bytes);
    return err_failed(err) ? err : tx_note(tx, JOURNAL_NOTE, bytes);
}

static bool is_same(struct bytes one, struct bytes other) {
    return bytes_equal(one, other);
}

static struct err refuse_any(const struct append *appends, size_t count) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        assert(is_same(appends[i].owner, appends[0].owner));
        assert(is_same(appends[i].stream, appends[0].stream));
        assert(!appends[i].last || i + 1 == count);
        err = refuse(&appends[i]);
    }
    return err;
}

struct err tx_append_all(struct tx *tx, const struct append *appends, size_t count,
                         struct appended *ret_last) {
    struct appended appended;
    assert(count > 0);
    struct err err = refuse_any(appends, count);
    if (!err_failed(err)) {
        err = raise_head(tx, appends, count, &appended);
    }
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        appended.seq += i > 0;
        err = insert_event(tx, &appends[i], &appended);
        if (!err_failed(err)) {
            err = tell_hub(tx, &appends[i], &appended);
        }
    }
    if (!err_failed(err)) {
        tx_stream_raised(tx, appended.stream, appended.seq);
        *ret_last = appended;
    }
    return err;
}

struct err tx_append(struct tx *tx, const struct append *append, struct appended *ret_appended) {
    return tx_append_all(tx, append, 1, ret_appended);
}
