/* read.c: finding a stream, and reading a page of it. */
#include "journal/read.h"

#include <string.h>

#include "base/json/json.h"

struct err tx_stream_find(struct tx *tx, struct bytes owner, struct bytes name, bool *ret_found,
                          struct stream_state *ret_state) {
    static const char sql[] =
        "SELECT id, head, floor, ended FROM streams WHERE owner = $1 AND name = $2";
    const struct arg args[] = {arg_text(owner), arg_text(name)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    if (rows != NULL) {
        *ret_state = (struct stream_state){.stream = rows_int(rows, 0),
                                           .head = rows_int(rows, 1),
                                           .floor = rows_int(rows, 2),
                                           .ended = rows_int(rows, 3) != 0};
    }
    *ret_found = rows != NULL;
    return ERR_OK;
}

/* A frame of SSE ends at a line break, and every frame holds the data as it is stored: data of a
 * damaged row is null, so that the events after it still reach their readers. */
static struct bytes readable(struct bytes data) {
    bool fine = memchr(data.data, '\n', data.len) == NULL &&
                memchr(data.data, '\r', data.len) == NULL && json_is_valid(data);
    return fine ? data : BYTES("null");
}

static struct bytes type_of(struct bytes type) {
    bool fine = type.len > 0;
    for (size_t i = 0; i < type.len; i++) {
        fine = fine && strchr("abcdefghijklmnopqrstuvwxyz0123456789_.-", type.data[i]) != NULL &&
               type.data[i] != '\0';
    }
    return fine ? type : BYTES("damaged");
}

static struct err next_event(struct rows *rows, bool *ret_row, struct event *ret_event) {
    bool row = false;
    struct err err = rows_next(rows, &row);
    if (err_failed(err)) {
        return err;
    }
    if (row) {
        *ret_event = (struct event){.seq = rows_int(rows, 0),
                                    .at_ms = rows_int(rows, 1),
                                    .type = type_of(rows_text(rows, 2)),
                                    .data = readable(rows_text(rows, 3))};
    }
    *ret_row = row;
    return ERR_OK;
}

struct err journal__read(struct tx *tx, const struct journal__page *page,
                         struct err (*each)(void *ctx, const struct event *event), void *ctx) {
    static const char sql[] = "SELECT seq, at_ms, type, data FROM events "
                              "WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    const struct arg args[] = {arg_int(page->stream), arg_int(page->after),
                               arg_int(page->events_max)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    size_t bytes = 0;
    while (!err_failed(err)) {
        bool row = false;
        struct event event;
        err = next_event(rows, &row, &event);
        if (err_failed(err) || !row) {
            break;
        }
        size_t event_bytes = event.type.len + event.data.len;
        if (bytes > 0 && bytes + event_bytes > page->bytes_max) {
            break;
        }
        bytes += event_bytes;
        err = each(ctx, &event);
    }
    return err;
}

struct err tx_events(struct tx *tx, int64_t stream, int64_t after, int64_t limit,
                     struct err (*each)(void *ctx, const struct event *event), void *ctx) {
    const struct journal__page page = {
        .stream = stream,
        .after = after,
        .events_max = limit < JOURNAL_PAGE_EVENTS ? limit : JOURNAL_PAGE_EVENTS,
        .bytes_max = JOURNAL_PAGE_BYTES};
    if (page.events_max <= 0) {
        return ERR_OK;
    }
    return journal__read(tx, &page, each, ctx);
}
