/* follow.c: order, ends, and trying again; server-sent events, long polls, and the WebSocket side
 * of a client, by wslay (which masks what is sent). */
#include "cli/stream/follow.h"

#include <stdio.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/base64.h"
#include "base/memory.h"
#include "cli/stream/sse_reader.h"
#include "http/stream/handshake.h"

enum {
    FRAME_MAX = 2 << 20,
    POLL_WAIT_S = 30,
    POLL_LIMIT = 1000,
    MESSAGE_MAX = 4 << 20,
    IN_SIZE = 16 << 10,
};

/* --- Events ----------------------------------------------------------------------------------- */

/* A transport calls it for all that comes. */
static void follow_alive(struct follow *follow) {
    const struct follow_options *options = follow->options;
    if (!feed_outage_end(&follow->outage)) {
        return;
    }
    if (options->on_back != NULL) {
        options->on_back(options->ctx);
    }
    if (talk_finds_held(options->talk, options->talk->client)) {
        options->on_held != NULL ? options->on_held(options->ctx) : talk_held_print();
    }
}

struct err follow__event(struct follow *follow, const struct follow_event *event) {
    const struct follow_options *options = follow->options;
    bool snapshot = bytes_is(event->type, "snapshot");
    follow_alive(follow);
    if (!snapshot && event->seq <= follow->cursor) {
        return ERR_OK; /* Seen before the reconnect. */
    }
    if (!snapshot && event->seq != follow->cursor + 1) {
        return err_why(follow->why, ERR_STORE_CORRUPT,
                       "the stream has a gap: event %lld came after %lld", (long long)event->seq,
                       (long long)follow->cursor);
    }
    follow->cursor = event->seq > follow->cursor ? event->seq : follow->cursor;
    options->on_event(options->ctx, event);
    follow->delivered += !snapshot;
    bool all = options->count > 0 && follow->delivered >= options->count;
    follow->gap = snapshot && options->on_gap != NULL;
    if (all || follow->gap || (options->enough != NULL && *options->enough)) {
        follow->ended = true;
    }
    return ERR_OK;
}

void follow_event_print(const struct follow_event *event, const json_t *data) {
    AUTO(json_release) json_t *line = json_object();
    (void)json_object_set_new(line, "event", json_stringn(event->type.data, event->type.len));
    (void)json_object_set_new(line, "seq", json_integer(event->seq));
    (void)json_object_update_missing(line, (json_t *)(uintptr_t)data);
    talk_print(line);
}

static struct err json_deliver(struct follow *follow, int64_t seq, const char *type,
                               const json_t *data) {
    AUTO(text_done) struct text text = text_up_to(FRAME_MAX);
    TRY(json_write(data, &text));
    struct follow_event event = {.seq = seq, .type = bytes_of(type), .data = text_bytes(&text)};
    return follow__event(follow, &event);
}

/* The same of an object: {"seq","type","data",…}. */
static struct err object_deliver(struct follow *follow, const json_t *object) {
    const json_t *data = json_object_get(object, "data");
    const char *type = json_str(object, "type", NULL);
    if (type == NULL || data == NULL) {
        return err_why(follow->why, ERR_IO, "the daemon sent an event without type or data");
    }
    return json_deliver(follow, json_int(object, "seq", 0), type, data);
}

/* --- Requests --------------------------------------------------------------------------------- */

/* The path of the stream with `rest` after it. */
static struct err target_make(const struct follow *follow, const char *rest, struct text *target) {
    text_init(target, 4 << 10);
    text_add_str(target, "/api/v1/streams/");
    client_add_escaped(target, follow->options->name);
    text_add_str(target, rest);
    return text_failed(target) ? err_make(ERR_BAD_FIELD, "follow: name") : ERR_OK;
}

static struct err stream_get(const struct follow *follow, const char *rest, int64_t timeout_ms,
                             json_t **ret_answer) {
    AUTO(text_done) struct text target = {0};
    TRY(target_make(follow, rest, &target));
    const struct client_request request = {
        .method = "GET", .target = target.data, .timeout_ms = timeout_ms};
    return talk_ask(follow->options->talk, &request, NULL /* parsed is enough */, ret_answer,
                    follow->why);
}

/* "Only new events" must mean the same before and after a reconnect, so it is made a number. */
static struct err cursor_settle(struct follow *follow) {
    AUTO(json_release) json_t *row = NULL;
    if (follow->cursor >= 0) {
        return ERR_OK;
    }
    struct err err = stream_get(follow, "", 0 /* as usual */, &row);
    if (err.code == ERR_NOT_FOUND) {
        follow->why->text[0] = '\0';
        err = ERR_OK;
    }
    if (!err_failed(err)) {
        follow->cursor = json_int(row, "head", 0);
        follow_alive(follow);
    }
    return err;
}

/* --- Server-sent events ----------------------------------------------------------------------- */

/* `closing` is the daemon's farewell, `done` the end of the stream itself. What follows an event
 * that was the last one wanted is not looked at. */
static struct err frame_take(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct follow *follow = ctx;
    if (follow->ended) {
        return ERR_OK;
    }
    if (sse_is(frame, "closing")) {
        return err_why(why, ERR_CLOSING, "the daemon ended the stream");
    }
    follow->ended = sse_is(frame, "done");
    if (follow->ended || frame->data.len == 0) {
        return ERR_OK;
    }
    const struct follow_event event = {.seq = frame->id, .type = frame->type, .data = frame->data};
    return follow__event(follow, &event);
}

/* A frame that its connection broke in is dropped by the reader: the event comes again after the
 * reconnect. A head alone is no success: see follow.h. */
static struct err sse_follow(struct follow *follow) {
    AUTO(text_done) struct text target = {0};
    AUTO(sse_reader_done) struct sse_reader reader;
    char rest[48];
    sse_reader_init(&reader);
    reader.frame = frame_take;
    reader.ctx = follow;
    (void)snprintf(rest, sizeof rest, "/events?after=%lld", (long long)follow->cursor); /* Fits. */
    struct err err = target_make(follow, rest, &target);
    const struct client_request request = {
        .method = "GET", .target = target.data, .accept = "text/event-stream"};
    err = err_failed(err) ? err : client_begin(follow->client, &request, follow->why);
    while (!err_failed(err) && !follow->ended) {
        struct bytes piece = {0};
        err = client_read(follow->client, FEED_SILENCE_MS, &piece, follow->why);
        if (!err_failed(err) && piece.len == 0) {
            return err_why(follow->why, ERR_CLOSING, "the daemon closed the stream");
        }
        if (!err_failed(err)) {
            follow_alive(follow);
            err = sse_reader_feed(&reader, piece, follow->why);
        }
    }
    return err;
}

/* --- Long polls ------------------------------------------------------------------------------- */

static struct err page_deliver(struct follow *follow, const json_t *page) {
    const json_t *events = json_object_get(page, "events"), *head = json_object_get(page, "head");
    const json_t *snapshot = json_object_get(page, "snapshot");
    struct err err = ERR_OK;
    if (!json_is_array(events) || !json_is_integer(head)) {
        return err_why(follow->why, ERR_INTERNAL,
                       "the server at that address is not drover: it sent a page without events");
    }
    if (snapshot != NULL) { /* The first frame of a reader from below the floor, as SSE has it. */
        err = json_deliver(follow, json_int(snapshot, "floor", 0), "snapshot", snapshot);
    }
    for (size_t i = 0; i < json_array_size(events) && !err_failed(err) && !follow->ended; i++) {
        err = object_deliver(follow, json_array_get(events, i));
    }
    bool read = follow->options->once && follow->cursor >= json_integer_value(head);
    if (!err_failed(err) && (read || json_is_true(json_object_get(page, "done")))) {
        follow->ended = true;
    }
    return err;
}

/* Each page is one request; the daemon holds it while there is nothing. */
static struct err poll_follow(struct follow *follow) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !follow->ended) {
        AUTO(json_release) json_t *page = NULL;
        char rest[80];
        (void)snprintf(rest, sizeof rest, "/events?after=%lld&limit=%d&wait=%d",
                       (long long)follow->cursor, POLL_LIMIT,
                       follow->options->once ? 0 : POLL_WAIT_S); /* Fits. */
        err = stream_get(follow, rest, (POLL_WAIT_S + 15) * 1000, &page);
        if (!err_failed(err)) {
            follow_alive(follow);
            err = page_deliver(follow, page);
        }
    }
    return err;
}

/* --- WebSocket -------------------------------------------------------------------------------- */

struct ws {
    struct follow *follow;
    struct err err; /* Why it ended, once it did. */
    char in[IN_SIZE];
    size_t in_at, in_len; /* Bytes that came and wslay has not taken yet. */
};

static struct err ws_handshake(struct follow *follow) {
    uint8_t random[16];
    char accept[HANDSHAKE_ACCEPT_SIZE];
    AUTO(text_done) struct text key = text_up_to(32);
    world_random(follow->options->talk->world, random, sizeof random);
    base64_add(&key, (struct bytes){(const char *)random, sizeof random});
    if (text_failed(&key)) {
        return err_make(ERR_OUT_OF_MEMORY, "follow: key");
    }
    handshake_accept(text_bytes(&key), accept);
    const struct client_request request = {
        .method = "GET", .target = "/api/v1/ws", .websocket_key = key.data};
    struct err err = client_begin(follow->client, &request, follow->why);
    const char *accepted = client_header(follow->client, "sec-websocket-accept");
    if (!err_failed(err) && (accepted == NULL || strcmp(accepted, accept) != 0)) {
        return err_why(follow->why, ERR_UPGRADE_REQUIRED,
                       "the daemon did not agree to a WebSocket");
    }
    return err;
}

/* wslay reads until nothing is there, so the waiting is done outside of it. */
static ssize_t on_receive(wslay_event_context_ptr ctx, uint8_t *bytes, size_t size, int flags,
                          void *user) {
    struct ws *ws = user;
    size_t left = ws->in_len - ws->in_at;
    size_t len = left < size ? left : size;
    if (len == 0 || err_failed(ws->err) || ws->follow->ended) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(bytes, ws->in + ws->in_at, len);
    ws->in_at += len;
    return (ssize_t)len;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *bytes, size_t len, int flags,
                       void *user) {
    struct ws *ws = user;
    ws->err = client_raw_write(ws->follow->client, (const char *)bytes, len, ws->follow->why);
    if (err_failed(ws->err)) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)len;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *bytes, size_t len, void *user) {
    struct ws *ws = user;
    world_random(ws->follow->options->talk->world, bytes, len);
    return 0;
}

/* An event has "seq"; {"subscribed"} confirms; {"error"} refuses; {"done"}: the stream is over. */
static struct err message_read(struct follow *follow, struct bytes message) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse_wrapped(message, &json, follow->why))) {
        return err_make(ERR_IO, "follow: message");
    }
    const json_t *error = json_object_get(json, "error");
    if (error != NULL) {
        return err_why(follow->why, client_error_code(json_str(error, "code", NULL)), "%s",
                       json_str(error, "detail", "the daemon refused"));
    }
    if (json_object_get(json, "closing") != NULL) {
        return err_why(follow->why, ERR_CLOSING, "the daemon ended the stream");
    }
    follow_alive(follow);
    follow->ended = follow->ended || json_object_get(json, "done") != NULL;
    bool event = !follow->ended && json_object_get(json, "seq") != NULL;
    return event ? object_deliver(follow, json) : ERR_OK;
}

static void on_message(wslay_event_context_ptr ctx,
                       const struct wslay_event_on_msg_recv_arg *message, void *user) {
    struct ws *ws = user;
    if (err_failed(ws->err)) {
        return;
    }
    if (message->opcode == WSLAY_TEXT_FRAME && !ws->follow->ended) {
        ws->err = message_read(ws->follow,
                               (struct bytes){(const char *)message->msg, message->msg_length});
    } else if (message->opcode == WSLAY_CONNECTION_CLOSE) {
        ws->err = err_why(ws->follow->why, ERR_CLOSING, "the daemon closed the WebSocket (%u)",
                          (unsigned)message->status_code);
    }
}

static struct err subscribe_queue(struct follow *follow, wslay_event_context_ptr ctx) {
    AUTO(text_done) struct text text = text_up_to(4 << 10);
    text_add_char(&text, '{');
    text_add_member(&text, "subscribe", bytes_of(follow->options->name));
    if (follow->cursor >= 0) {
        text_add_member_int(&text, "after", follow->cursor);
    }
    text_add_char(&text, '}');
    if (text_failed(&text)) {
        return err_make(ERR_BAD_FIELD, "follow: name");
    }
    const struct wslay_event_msg message = {
        .opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text.data, .msg_length = text.len};
    return wslay_event_queue_msg(ctx, &message) == 0
               ? ERR_OK
               : err_make(ERR_OUT_OF_MEMORY, "follow: subscribe");
}

static struct err ws_follow(struct follow *follow) {
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_receive,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};
    TRY(ws_handshake(follow));
    AUTO(mem_release) struct ws *ws = mem_new(sizeof *ws);
    wslay_event_context_ptr ctx = NULL;
    if (wslay_event_context_client_init(&ctx, &callbacks, ws) != 0) {
        return err_make(ERR_OUT_OF_MEMORY, "follow: WebSocket");
    }
    wslay_event_config_set_max_recv_msg_length(ctx, MESSAGE_MAX);
    ws->follow = follow;
    ws->err = subscribe_queue(follow, ctx);
    while (!err_failed(ws->err) && !follow->ended) {
        bool fine = wslay_event_want_write(ctx) == 0 || wslay_event_send(ctx) == 0;
        if (fine && !err_failed(ws->err)) {
            ws->in_at = ws->in_len = 0;
            ws->err = client_raw_read(follow->client, FEED_SILENCE_MS, ws->in, sizeof ws->in,
                                      &ws->in_len, follow->why);
        }
        if (fine && !err_failed(ws->err) && ws->in_len == 0) {
            ws->err = err_why(follow->why, ERR_CLOSING, "the daemon closed the WebSocket");
        }
        if (fine && !err_failed(ws->err)) {
            fine = wslay_event_recv(ctx) == 0;
        }
        if (!fine && !err_failed(ws->err)) {
            ws->err = err_why(follow->why, ERR_IO, "the daemon broke the WebSocket protocol");
        }
    }
    if (follow->ended && wslay_event_queue_close(ctx, 1000, NULL, 0) == 0) {
        (void)wslay_event_send(ctx); /* A farewell, which may be lost. */
    }
    wslay_event_context_free(ctx);
    return ws->err;
}

/* --- Trying again ----------------------------------------------------------------------------- */

struct err follow_run(const struct follow_options *options, struct why *why) {
    struct follow follow = {.options = options,
                            .client = options->talk->client,
                            .why = why,
                            .cursor = options->after,
                            .outage = feed_outage_of(options->talk, options->retry_ms)};
    for (;;) {
        int64_t pause_ms = 0;
        why->text[0] = '\0';
        struct err err = cursor_settle(&follow);
        if (!err_failed(err)) {
            err = options->via == FOLLOW_SSE  ? sse_follow(&follow)
                  : options->via == FOLLOW_WS ? ws_follow(&follow)
                                              : poll_follow(&follow);
        }
        if (follow.gap && !err_failed(err)) {
            client_hang_up(follow.client);
            follow.gap = follow.ended = false;
            TRY(options->on_gap(options->ctx, why));
            if (options->enough != NULL && *options->enough) {
                return ERR_OK;
            }
            continue;
        }
        const bool first = follow.outage.pause_ms == 0;
        const struct err end = feed_outage_wait(&follow.outage, follow.client, err, &pause_ms);
        /* A daemon that was killed before its first answer was whole is retried like any other
         * outage; a daemon that never listened is not. */
        bool absent = err.code == ERR_UNREACHABLE && !client_was_connected(follow.client);
        if (follow.ended || absent || err_failed(end)) {
            return follow.ended ? ERR_OK : err;
        }
        if (first) {
            const char *words = err_words(err, why);
            options->on_trouble != NULL ? options->on_trouble(options->ctx, words)
                                        : talk_trouble(options->ctx, words);
        }
        TRY(client_pause(&options->talk->options, pause_ms));
    }
}
