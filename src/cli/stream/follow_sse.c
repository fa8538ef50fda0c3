/* follow_sse.c: server-sent events. A frame that its connection broke in is dropped by the reader:
 * the event comes again after the reconnect. `closing` is the daemon's farewell, `done` the end of
 * the stream itself. */
#include "cli/stream/follow.h"
#include "cli/stream/sse_reader.h"

/* What follows an event that was the last one wanted is not looked at. */
static struct err frame_take(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct follow *follow = ctx;
    if (follow->ended) {
        return ERR_OK;
    }
    if (sse_is(frame, "closing")) {
        why_set(why, "the daemon ended the stream");
        return err_make(ERR_CLOSING, "follow: closing");
    }
    if (sse_is(frame, "done")) {
        follow->ended = true;
        return ERR_OK;
    }
    if (frame->data.len == 0) {
        return ERR_OK;
    }
    struct follow_event event = {.seq = frame->id, .type = frame->type, .data = frame->data};
    return follow__event(follow, &event);
}

static struct err frames_read(struct follow *follow, struct sse_reader *reader) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !follow->ended) {
        struct bytes piece = {0};
        err = client_read(follow->options->client, FOLLOW_SILENCE_MS, &piece, follow->why);
        if (!err_failed(err) && piece.len == 0) {
            why_set(follow->why, "the daemon closed the stream");
            return err_make(ERR_CLOSING, "follow: end");
        }
        if (!err_failed(err)) {
            follow__alive(follow);
            err = sse_reader_feed(reader, piece, follow->why);
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
    AUTO(sse_reader_done) struct sse_reader reader;
    sse_reader_init(&reader);
    reader.frame = frame_take;
    reader.ctx = follow;
    return frames_read(follow, &reader); /* A head alone is no success: see follow.h. */
}
