/* follow_ws.c: the WebSocket side of a client, by wslay (which masks what is sent).
 *
 * Messages are one JSON object each: an event has "seq"; {"subscribed"} confirms; {"error"}
 * refuses; {"done"}: the stream is over; {"closing"} and close code 1001 announce that the daemon
 * stops.
 */
#include <string.h>
#include <wslay/wslay.h>

#include "base/base64.h"
#include "base/memory.h"
#include "cli/stream/follow.h"
#include "http/stream/handshake.h"

enum { MESSAGE_MAX = 4 << 20, IN_SIZE = 16 << 10 };

struct ws {
    struct follow *follow;
    struct err err; /* Why it ended, once it did. */
    char in[IN_SIZE];
    size_t in_at, in_len; /* What came and wslay has not taken yet. */
};

static struct err handshake(struct follow *follow) {
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
    struct err err = client_begin(follow->options->talk->client, &request, follow->why);
    if (!err_failed(err) &&
        strcmp(client_header_accept(follow->options->talk->client), accept) != 0) {
        return err_why(follow->why, ERR_UPGRADE_REQUIRED,
                       "the daemon did not agree to a WebSocket");
    }
    return err;
}

/* --- wslay's callbacks ------------------------------------------------------------------------ */

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
    ws->err = client_raw_write(ws->follow->options->talk->client, (const char *)bytes, len,
                               ws->follow->why);
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
    follow__alive(follow);
    if (json_object_get(json, "done") != NULL) {
        follow->ended = true;
        return ERR_OK;
    }
    return json_object_get(json, "seq") != NULL ? follow__object(follow, json) : ERR_OK;
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
        why_set(ws->follow->why, "the daemon closed the WebSocket (%u)",
                (unsigned)message->status_code);
        ws->err = err_make(ERR_CLOSING, "follow: close");
    }
}

/* --- The conversation ------------------------------------------------------------------------- */

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

/* Waits for bytes. */
static struct err bytes_read(struct ws *ws) {
    ws->in_at = ws->in_len = 0;
    struct err err = client_raw_read(ws->follow->options->talk->client, FOLLOW_SILENCE_MS, ws->in,
                                     sizeof ws->in, &ws->in_len, ws->follow->why);
    if (!err_failed(err) && ws->in_len == 0) {
        return err_why(ws->follow->why, ERR_CLOSING, "the daemon closed the WebSocket");
    }
    return err;
}

struct err follow__ws(struct follow *follow) {
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_receive,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};
    struct err err = handshake(follow);
    if (err_failed(err)) {
        return err;
    }
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
            ws->err = bytes_read(ws);
        }
        if (fine && !err_failed(ws->err)) {
            fine = wslay_event_recv(ctx) == 0;
        }
        if (!fine && !err_failed(ws->err)) {
            why_set(follow->why, "the daemon broke the WebSocket protocol");
            ws->err = err_make(ERR_IO, "follow: frames");
        }
    }
    if (follow->ended && wslay_event_queue_close(ctx, 1000, NULL, 0) == 0) {
        (void)wslay_event_send(ctx); /* A farewell; whether it arrives changes nothing. */
    }
    wslay_event_context_free(ctx);
    return ws->err;
}
