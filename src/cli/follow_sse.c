/* follow_sse.c: server-sent events, as the daemon writes them.
 *
 *   id: 7\n  event: type\n  data: {json}\n  \n        one event; fields in any order
 *   : comment\n                                         the heartbeat
 *
 * Frames are cut where a line ends; a frame without its empty line (the connection broke in it) is
 * dropped: the event comes again after the reconnect. `closing` is the daemon's farewell.
 */
#include <string.h>

#include "base/number.h"
#include "cli/follow.h"

enum { LINE_MAX_BYTES = 1 << 20 };

struct frame {
    struct text line;       /* Owned: the part of a line that has come. */
    struct text type, data; /* Owned. */
    int64_t seq;
    bool any;
};

static void frame_clear(struct frame *frame) {
    text_clear(&frame->type);
    text_clear(&frame->data);
    frame->any = false;
}

static struct err frame_end(struct follow *follow, struct frame *frame) {
    if (!frame->any) {
        return ERR_OK;
    }
    struct follow_event event = {.seq = frame->seq,
                                 .type = {frame->type.data, frame->type.len},
                                 .data = {frame->data.data, frame->data.len}};
    bool closing = event.type.len == 7 && memcmp(event.type.data, "closing", 7) == 0;
    struct err err = ERR_OK;
    if (closing) {
        why_set(follow->why, "the daemon ended the stream");
        err = err_make(ERR_CLOSING, "follow: closing");
    } else if (event.type.len > 0 && event.data.len > 0) {
        err = follow__event(follow, &event);
    }
    frame_clear(frame);
    return err;
}

/* "name: value"; one blank after the colon belongs to the syntax. */
static bool field_is(struct bytes line, const char *name, struct bytes *ret_value) {
    size_t len = strlen(name);
    if (line.len <= len || memcmp(line.data, name, len) != 0 || line.data[len] != ':') {
        return false;
    }
    size_t skip = len + 1 + (line.len > len + 1 && line.data[len + 1] == ' ');
    *ret_value = (struct bytes){line.data + skip, line.len - skip};
    return true;
}

static struct err line_end(struct follow *follow, struct frame *frame) {
    struct bytes line = {frame->line.data, frame->line.len}, value;
    follow->alive = true;
    if (line.len == 0) {
        return frame_end(follow, frame);
    }
    if (field_is(line, "id", &value)) {
        struct number_bounds bounds = {0, INT64_MAX};
        if (!number_parse(value, bounds, &frame->seq)) {
            why_set(follow->why, "the daemon sent an id that is no number");
            return err_make(ERR_IO, "follow: id");
        }
        frame->any = true;
    } else if (field_is(line, "event", &value)) {
        text_clear(&frame->type);
        text_add(&frame->type, value.data, value.len);
        frame->any = true;
    } else if (field_is(line, "data", &value)) {
        text_add(&frame->data, value.data, value.len);
        frame->any = true;
    }
    return ERR_OK;
}

static struct err bytes_feed(struct follow *follow, struct frame *frame, struct bytes piece) {
    size_t at = 0;
    struct err err = ERR_OK;
    while (at < piece.len && !err_failed(err) && !follow->ended) {
        const char *end = memchr(piece.data + at, '\n', piece.len - at);
        size_t len = end != NULL ? (size_t)(end - piece.data) - at : piece.len - at;
        text_add(&frame->line, piece.data + at, len);
        at += len + (end != NULL);
        if (text_failed(&frame->line) || text_failed(&frame->data)) {
            why_set(follow->why, "the daemon sent a line that is too long");
            return err_make(ERR_IO, "follow: line");
        }
        if (end != NULL) {
            err = line_end(follow, frame);
            text_clear(&frame->line);
        }
    }
    return err;
}

static struct err frames_read(struct follow *follow, struct frame *frame) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !follow->ended) {
        struct bytes piece = {0};
        err = client_read(follow->options->client, FOLLOW_SILENCE_MS, &piece, follow->why);
        if (!err_failed(err) && piece.len == 0) {
            why_set(follow->why, "the daemon closed the stream");
            return err_make(ERR_CLOSING, "follow: end");
        }
        if (!err_failed(err)) {
            err = bytes_feed(follow, frame, piece);
        }
    }
    return err;
}

struct err follow__sse(struct follow *follow) {
    AUTO(text_done) struct text target = {0};
    text_init(&target, 4 << 10);
    text_add_str(&target, "/api/v1/streams/");
    client_add_escaped(&target, follow->options->name);
    text_addf(&target, "/events?after=%lld", (long long)follow->cursor);
    if (text_failed(&target)) {
        return err_make(ERR_BAD_FIELD, "follow: name");
    }
    struct client_request request = {
        .method = "GET", .target = target.data, .accept = "text/event-stream"};
    struct err err = client_begin(follow->options->client, &request, follow->why);
    if (err_failed(err)) {
        return err;
    }
    struct frame frame = {0};
    text_init(&frame.line, LINE_MAX_BYTES);
    text_init(&frame.type, LINE_MAX_BYTES);
    text_init(&frame.data, LINE_MAX_BYTES);
    follow->alive = true;
    err = frames_read(follow, &frame);
    text_done(&frame.line);
    text_done(&frame.type);
    text_done(&frame.data);
    return err;
}
