/* journal.c: events into one stream, and out of it: the rows of `streams` and `events`.
 *
 * An append is two statements for the stream, and one for each event. The number is handed out by
 * the row of the stream itself (its `head`, raised by one), so it rolls back with the transaction:
 * a number is never skipped, and two writers cannot get the same. A sequence of the database would
 * leave gaps after each rollback.
 */
#include "journal/journal.h"

#include "base/json/json.h"
#include "base/scope.h"
#include "journal/note.h"

/* --- Names ------------------------------------------------------------------------------------ */

/* Lower-case letters, digits, and what is in `more`. */
static bool all_of(struct bytes text, const char *more) {
    for (size_t at = 0; at < text.len; at++) {
        char c = text.data[at];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr(more, c) == NULL)) {
            return false;
        }
    }
    return true;
}

/* ASCII only: a name is shown in URLs, terminals and logs, and nowhere needs escaping; two names
 * that look alike are alike. The dots alone are path segments that clients resolve by themselves,
 * so a request for such a stream would reach another resource. */
bool stream_name_valid(struct bytes name) {
    return name.len > 0 && name.len <= STREAM_NAME_MAX &&
           all_of(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ._:@~-") && !bytes_is(name, ".") &&
           !bytes_is(name, "..");
}

bool stream_name_reserved(struct bytes name) {
    return bytes_begin(name, BYTES("session:")) || bytes_begin(name, BYTES("run:")) ||
           bytes_begin(name, BYTES("project:")) || bytes_begin(name, BYTES("owner:")) ||
           bytes_begin(name, BYTES("log:")) || bytes_is(name, "system") ||
           bytes_is(name, "system:admin");
}

struct err stream_check_reader(struct bytes name, unsigned scopes, struct why *why) {
    return bytes_is(name, "system:admin") && (scopes & SCOPE_ADMIN) == 0
               ? err_why(why, ERR_FORBIDDEN, "stream: system:admin wants the scope admin")
               : ERR_OK;
}

bool event_type_valid(struct bytes type) {
    return type.len > 0 && type.len <= EVENT_TYPE_MAX && all_of(type, "_.-") &&
           type.data[0] >= 'a' && type.data[0] <= 'z' && !bytes_is(type, "snapshot") &&
           !bytes_is(type, "done") && !bytes_is(type, "closing");
}

/* --- Append ----------------------------------------------------------------------------------- */

static struct err append_refuse(const struct append *append) {
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

/* Raises the head by `count`, or makes the stream with the numbers of its first events in it
 * already. *ret_first: of the first event.
 *
 * Not one upsert with RETURNING: SQLite hands such rows out of a temporary table, which costs more
 * than all the rest of an append. There is one writer, so nobody comes between the statements. */
static struct err head_raise(struct tx *tx, const struct append *append, int64_t count, bool last,
                             struct appended *ret_first) {
    struct appended first = {.seq = 1, .at_ms = tx_now_ms(tx)};
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT id, head, ended FROM streams WHERE owner = $1 AND name = $2",
               ARGS(arg_text(append->owner), arg_text(append->stream)));
    if (rows != NULL) {
        if (rows_int(rows, 2) != 0) {
            return err_make(ERR_CONFLICT, "journal: the stream has ended");
        }
        first.stream = rows_int(rows, 0);
        first.seq = rows_int(rows, 1) + 1;
        tx_do(tx, "UPDATE streams SET head = $2, ended = $3 WHERE id = $1",
              ARGS(arg_int(first.stream), arg_int(first.seq + count - 1), arg_int(last)));
    } else {
        AUTO(rows_release)
        struct rows *made = tx_row(tx,
                                   "INSERT INTO streams (owner, name, head, floor, made_ms, ended) "
                                   "VALUES ($1, $2, $3, 0, $4, $5) RETURNING id",
                                   ARGS(arg_text(append->owner), arg_text(append->stream),
                                        arg_int(count), arg_int(first.at_ms), arg_int(last)));
        if (made != NULL) {
            first.stream = rows_int(made, 0);
            (void)rows_step(made); /* To the end: only then is it known to have succeeded. */
        }
    }
    *ret_first = first;
    return tx_error(tx);
}

struct err tx_append_all(struct tx *tx, const struct append *appends, size_t count,
                         struct appended *ret_last) {
    assert(count > 0);
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        assert(bytes_equal(appends[i].owner, appends[0].owner));
        assert(bytes_equal(appends[i].stream, appends[0].stream));
        assert(!appends[i].last || i + 1 == count);
        err = append_refuse(&appends[i]);
    }
    struct appended appended;
    if (!err_failed(err)) {
        err = head_raise(tx, &appends[0], (int64_t)count, appends[count - 1].last, &appended);
    }
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        const struct append *append = &appends[i];
        appended.seq += i > 0;
        tx_do(tx, "INSERT INTO events (stream, seq, at_ms, type, data) VALUES ($1, $2, $3, $4, $5)",
              ARGS(arg_int(appended.stream), arg_int(appended.seq), arg_int(appended.at_ms),
                   arg_text(append->type), arg_text(append->data)));
        err = tx_error(tx);
        if (!err_failed(err)) {
            err = note_send(tx, &(struct note){.kind = append->last ? NOTE_LAST : NOTE_EVENT,
                                               .seq = appended.seq,
                                               .at_ms = appended.at_ms,
                                               .owner = append->owner,
                                               .name = append->stream,
                                               .type = append->type,
                                               .data = append->data});
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

/* --- Read ------------------------------------------------------------------------------------- */

struct bytes tx_stream_name(struct tx *tx, const char *prefix, struct bytes name) {
    const size_t len = strlen(prefix);
    char *joined = tx_memory(tx, len + name.len);
    if (joined == NULL) {
        return BYTES("");
    }
    memcpy(joined, prefix, len);
    memcpy(joined + len, name.data, name.len);
    return (struct bytes){joined, len + name.len};
}

struct err tx_stream_find(struct tx *tx, struct bytes owner, struct bytes name, bool *ret_found,
                          struct stream_state *ret_state) {
    int64_t of[4];
    const bool found =
        tx_numbers(tx, "SELECT id, head, floor, ended FROM streams WHERE owner = $1 AND name = $2",
                   ARGS(arg_text(owner), arg_text(name)), of, COUNT_OF(of));
    if (found) {
        *ret_state = (struct stream_state){
            .stream = of[0], .head = of[1], .floor = of[2], .ended = of[3] != 0};
    }
    return journal__told(tx, found, ret_found);
}

/* A frame of SSE ends at a line break, and every frame holds the data as it is stored: data of a
 * damaged row is null, so that the events after it still reach their readers. */
static struct bytes readable(struct bytes data) {
    bool fine = memchr(data.data, '\n', data.len) == NULL &&
                memchr(data.data, '\r', data.len) == NULL && json_is_valid(data);
    return fine ? data : BYTES("null");
}

struct err journal__read(struct tx *tx, const struct journal__page *page,
                         struct err (*each)(void *ctx, const struct event *event), void *ctx) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT seq, at_ms, type, data FROM events WHERE stream = $1 AND seq > $2 ORDER BY seq "
        "LIMIT $3",
        ARGS(arg_int(page->stream), arg_int(page->after), arg_int(page->events_max)));
    size_t bytes = 0;
    while (rows_step(rows)) {
        struct event event = {.seq = rows_int(rows, 0),
                              .at_ms = rows_int(rows, 1),
                              .type = rows_text(rows, 2),
                              .data = readable(rows_text(rows, 3))};
        if (event.type.len == 0 || !all_of(event.type, "_.-")) {
            event.type = BYTES("damaged");
        }
        size_t event_bytes = event.type.len + event.data.len;
        if (bytes > 0 && bytes + event_bytes > page->bytes_max) {
            break;
        }
        bytes += event_bytes;
        TRY(each(ctx, &event));
    }
    return tx_error(tx);
}

struct err tx_events(struct tx *tx, int64_t stream, int64_t after, int64_t limit,
                     struct err (*each)(void *ctx, const struct event *event), void *ctx) {
    const struct journal__page page = {
        .stream = stream,
        .after = after,
        .events_max = limit < JOURNAL_PAGE_EVENTS ? limit : JOURNAL_PAGE_EVENTS,
        .bytes_max = JOURNAL_PAGE_BYTES};
    return page.events_max <= 0 ? ERR_OK : journal__read(tx, &page, each, ctx);
}

/* --- What lists and pages show ---------------------------------------------------------------- */

#define STREAM_COLUMNS "name, head, floor, made_ms, COALESCE(keep_events, 0), COALESCE(keep_ms, 0)"

static struct err stream_row_give(const struct rows *rows, stream_row_fn fn, void *ctx) {
    return fn(ctx, &(struct stream_row){.name = rows_text(rows, 0),
                                        .head = rows_int(rows, 1),
                                        .floor = rows_int(rows, 2),
                                        .made_ms = rows_int(rows, 3),
                                        .keep_events = rows_int(rows, 4),
                                        .keep_ms = rows_int(rows, 5)});
}

struct err tx_stream_each(struct tx *tx, const struct stream_page *page, stream_row_fn each,
                          void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT " STREAM_COLUMNS
                " FROM streams WHERE owner = $1 AND name > $2 ORDER BY name LIMIT $3",
                ARGS(arg_text(page->owner), arg_text(page->after), arg_int(page->limit)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        err = stream_row_give(rows, each, ctx);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_stream_show(struct tx *tx, const struct stream_name *stream, bool *ret_found,
                          stream_row_fn show, void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT " STREAM_COLUMNS " FROM streams WHERE owner = $1 AND name = $2",
               ARGS(arg_text(stream->owner), arg_text(stream->name)));
    struct err err = rows == NULL ? ERR_OK : stream_row_give(rows, show, ctx);
    return err_failed(err) ? err : journal__told(tx, rows != NULL, ret_found);
}

struct err journal__told(const struct tx *tx, bool value, bool *ret_value) {
    struct err err = tx_error(tx);
    if (!err_failed(err)) {
        *ret_value = value;
    }
    return err;
}
