/* Frames to the client are never masked nor fragmented:
 *
 *     81 len payload                 text; len < 126
 *     81 7e len16 payload            text; len < 65,536 (big endian)
 *     89 00                          ping
 *
 * Event frames come whole from the hub. Whatever the client sends, and the answers to its control
 * frames, are wslay's business; its output is gathered and written as whole frames. */
#include "http/stream/websocket.h"

#include <string.h>

#include "base/memory.h"
#include "http/socket.h"
#include "http/stream/handshake.h"

enum {
    WRITE_PIECES_MAX = 16,
    TURN_WRITES_MAX = 4,
    HEAR_BYTES_MAX = 4 << 10, /* Of one turn: a read may hold thousands of small messages. */
    SILENT_BEATS_MAX = 2,
};

static struct socket *of_outlet(struct outlet *outlet) {
    return CONTAINER_OF(outlet, struct socket, outlet);
}

/* --- Out -------------------------------------------------------------------------------------- */

void socket_reply(struct socket *socket, const struct text *json) {
    if (text_failed(json) || json->len > UINT16_MAX) {
        socket_close(socket, WSLAY_CODE_INTERNAL_SERVER_ERROR);
        return;
    }
    char head[4] = {(char)0x81, (char)json->len};
    size_t head_len = 2;
    if (json->len >= 126) {
        head[1] = 126;
        head[2] = (char)(json->len >> 8);
        head[3] = (char)(json->len & 0xff);
        head_len = 4;
    }
    text_add(&socket->replies, head, head_len);
    text_add(&socket->replies, json->data, json->len);
}

/* Moves wslay's own frames (pong, close) behind our replies. */
static void collect(struct socket *socket) {
    while (!socket->deaf && wslay_event_want_write(socket->wslay)) {
        if (wslay_event_send(socket->wslay) != 0) {
            socket->failed = true;
            return;
        }
    }
}

void socket_close(struct socket *socket, uint16_t code) {
    if (!socket->closing) {
        socket->closing = true;
        /* Refused only when a close is queued already, which does as well. */
        (void)wslay_event_queue_close(socket->wslay, code, NULL, 0);
    }
}

static bool write_replies(struct socket *socket) {
    struct outlet_piece piece = {.bytes = {socket->replies.data, socket->replies.len}};
    bool taken = outlet_write(&socket->outlet, &piece, 1);
    text_done(&socket->replies);
    text_init(&socket->replies, SOCKET_REPLIES_MAX);
    return taken;
}

static bool is_over(const struct socket *socket) {
    return socket->closing || wslay_event_get_close_sent(socket->wslay) != 0;
}

/* False: there is nothing to write, or nothing more can be written. */
static bool write_some(struct socket *socket) {
    collect(socket);
    if (socket->failed || text_failed(&socket->replies)) {
        outlet_cut(&socket->outlet);
        return false;
    }
    if (socket->replies.len > 0) {
        return write_replies(socket);
    }
    if (is_over(socket)) {
        outlet_end(&socket->outlet);
        return false;
    }
    struct outlet_piece pieces[WRITE_PIECES_MAX];
    unsigned count = socket_pull(socket, pieces, WRITE_PIECES_MAX);
    if (count > 0) {
        return outlet_write(&socket->outlet, pieces, count);
    }
    return socket->replies.len > 0;
}

static bool is_live(const struct socket *socket) {
    return socket->outlet.conn != NULL && socket->outlet.conn->state == CONN_STREAM;
}

void socket_pump(struct socket *socket) {
    if (!is_live(socket)) {
        return;
    }
    for (unsigned turns = 0; !outlet_waits(&socket->outlet); turns++) {
        if (turns == TURN_WRITES_MAX) {
            loop_soon(socket->server->loop, &socket->task);
            return;
        }
        if (!write_some(socket)) {
            return;
        }
    }
}

/* --- In --------------------------------------------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags,
                       void *user) {
    struct socket *socket = user;
    if (socket->input.len == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t take = len < socket->input.len ? len : socket->input.len;
    memcpy(buf, socket->input.data, take);
    socket->input = (struct bytes){socket->input.data + take, socket->input.len - take};
    return (ssize_t)take;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                       void *user) {
    struct socket *socket = user;
    text_add(&socket->replies, (const char *)data, len);
    return (ssize_t)len; /* A builder that failed is seen before the next write. */
}

/* Close with 1002, and nothing more of wslay's. */
static void fail_protocol(struct socket *socket) {
    text_add(&socket->replies, "\x88\x02\x03\xea", 4);
    socket->closing = socket->deaf = true;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user) {
    struct socket *socket = user;
    if (is_over(socket)) {
        return;
    }
    if (arg->opcode == WSLAY_CONNECTION_CLOSE && arg->msg_length == 1) {
        fail_protocol(socket); /* Half a code: wslay would answer that with a close of none. */
        return;
    }
    if (socket->replies.len > SOCKET_UNREAD_MAX) {
        socket_close(socket, WSLAY_CODE_POLICY_VIOLATION);
    } else if (arg->opcode == WSLAY_TEXT_FRAME) {
        socket_hear(socket, (struct bytes){(const char *)arg->msg, arg->msg_length});
    } else if (arg->opcode == WSLAY_BINARY_FRAME) {
        socket_close(socket, WSLAY_CODE_UNSUPPORTED_DATA);
    }
}

static void hear(struct socket *socket, struct bytes bytes) {
    socket->input = bytes;
    if (wslay_event_recv(socket->wslay) != 0) {
        fail_protocol(socket); /* Its own close frame would name no code. */
    }
    socket->input = (struct bytes){0};
    /* What wslay answers in return counts too: pings are messages. */
    collect(socket);
    if (socket->replies.len > 2 * SOCKET_UNREAD_MAX) {
        socket->failed = true;
    }
}

static void keep_backlog(struct socket *socket, struct bytes rest) {
    assert(socket->backlog == NULL);
    socket->backlog = mem_try(rest.len);
    if (socket->backlog == NULL) {
        outlet_cut(&socket->outlet);
        return;
    }
    memcpy(socket->backlog, rest.data, rest.len);
    socket->backlog_len = rest.len;
    socket->backlog_at = 0;
    /* Read on now, and the bytes that wait here would be overtaken. */
    socket->outlet.conn->sated = true;
    conn_read_stop(socket->outlet.conn);
    loop_soon(socket->server->loop, &socket->task);
}

static void receive(struct outlet *outlet, struct bytes bytes) {
    struct socket *socket = of_outlet(outlet);
    size_t now = bytes.len < HEAR_BYTES_MAX ? bytes.len : HEAR_BYTES_MAX;
    if (socket->deaf) {
        return;
    }
    socket->silent_beats = 0;
    hear(socket, (struct bytes){bytes.data, now});
    if (now < bytes.len && !socket->deaf) {
        keep_backlog(socket, (struct bytes){bytes.data + now, bytes.len - now});
    }
    socket_pump(socket);
}

static void hear_backlog(struct socket *socket) {
    size_t left = socket->backlog_len - socket->backlog_at;
    size_t now = left < HEAR_BYTES_MAX ? left : HEAR_BYTES_MAX;
    hear(socket, (struct bytes){socket->backlog + socket->backlog_at, now});
    socket->backlog_at += now;
    if (now < left) {
        loop_soon(socket->server->loop, &socket->task);
        return;
    }
    mem_free(socket->backlog);
    socket->backlog = NULL;
    socket->outlet.conn->sated = false;
    conn_read_more(socket->outlet.conn);
}

static void turn(struct loop_task *task) {
    struct socket *socket = CONTAINER_OF(task, struct socket, task);
    if (is_live(socket) && !socket->deaf && socket->backlog != NULL) {
        hear_backlog(socket);
    }
    socket_pump(socket);
}

/* --- The connection's side -------------------------------------------------------------------- */

static void beat(struct timer *timer) {
    struct socket *socket = CONTAINER_OF(timer, struct socket, heartbeat);
    timer_start(socket->server->loop, timer, socket->server->limits.heartbeat_ms, beat);
    if (!is_live(socket)) {
        return;
    }
    if (socket->silent_beats++ >= SILENT_BEATS_MAX) {
        socket->server->stats.timeouts++;
        outlet_cut(&socket->outlet);
        return;
    }
    if (!outlet_waits(&socket->outlet)) {
        text_add(&socket->replies, "\x89\x00", 2);
        socket_pump(socket);
    }
}

static void say_drained(struct socket *socket, enum err_code why) {
    bool drains = why == ERR_CLOSING;
    for (struct subscription *at = socket->subscriptions; at != NULL; at = at->next) {
        if (at->confirmed) {
            subscription_say_closing(at, drains ? NULL : err_name(why));
        }
    }
    socket_close(socket, drains ? WSLAY_CODE_GOING_AWAY : WSLAY_CODE_POLICY_VIOLATION);
}

static void drain(struct outlet *outlet, enum err_code why) {
    struct socket *socket = of_outlet(outlet);
    if (outlet->conn == NULL || socket->draining || is_over(socket)) {
        return;
    }
    socket->draining = true;
    say_drained(socket, why);
    socket_pump(socket);
}

static void start(struct outlet *outlet) {
    struct socket *socket = of_outlet(outlet);
    char fields[128] = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    char head[ANSWER_HEAD_MAX];
    size_t at = strlen(fields);
    memcpy(fields + at, socket->accept, strlen(socket->accept));
    memcpy(fields + at + strlen(socket->accept), "\r\n", 3);
    size_t len = reply_stream_head_write(socket->server, "HTTP/1.1 101 Switching Protocols\r\n",
                                         fields, head);
    struct outlet_piece piece = {.bytes = {head, len}};
    timer_start(socket->server->loop, &socket->heartbeat, socket->server->limits.heartbeat_ms,
                beat);
    (void)outlet_write(outlet, &piece, 1); /* Nothing else is to be written yet. */
}

static void writable(struct outlet *outlet) {
    socket_pump(of_outlet(outlet));
}

static void gone(struct outlet *outlet) {
    struct socket *socket = of_outlet(outlet);
    timer_stop(socket->server->loop, &socket->heartbeat);
    loop_task_cancel(socket->server->loop, &socket->task);
    while (socket->subscriptions != NULL) {
        subscription_close(socket->subscriptions);
    }
    wslay_event_context_free(socket->wslay);
    text_done(&socket->replies);
    mem_free(socket->backlog);
    socket->server->stats.streams_websocket--;
    mem_free(socket);
}

static const struct outlet_ops ops = {
    .start = start, .receive = receive, .writable = writable, .drain = drain, .gone = gone};

/* --- Beginning -------------------------------------------------------------------------------- */

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};

static struct err check_handshake(struct exchange *exchange, struct bytes *ret_key,
                                  struct why *why) {
    const struct request *request = &exchange->request;
    struct bytes version;
    if (!request->wants_upgrade) {
        exchange_add_header(exchange, "Upgrade", "websocket");
        exchange_add_header(exchange, "Connection", "Upgrade");
        why_set(why, "send 'Connection: Upgrade' and 'Upgrade: websocket'");
        return err_make(ERR_UPGRADE_REQUIRED, "websocket: handshake");
    }
    if (!request_known(request, HEADER_WEBSOCKET_VERSION, &version) || version.len != 2 ||
        memcmp(version.data, "13", 2) != 0) {
        exchange_add_header(exchange, "Sec-WebSocket-Version", "13");
        why_set(why, "the only Sec-WebSocket-Version spoken is 13");
        return err_make(ERR_UPGRADE_REQUIRED, "websocket: handshake");
    }
    if (!request_known(request, HEADER_WEBSOCKET_KEY, ret_key) || !handshake_key_valid(*ret_key)) {
        why_set(why, "Sec-WebSocket-Key is missing or not 16 bytes in base 64");
        return err_make(ERR_BAD_REQUEST, "websocket: handshake");
    }
    return ERR_OK;
}

void exchange_upgrade_websocket(struct exchange *exchange, struct hub *hub) {
    struct bytes key = {0};
    struct why why = {0};
    struct err err = check_handshake(exchange, &key, &why);
    if (err_failed(err)) {
        exchange_problem(exchange, err, &why);
        return;
    }
    struct socket *socket = mem_new(sizeof *socket);
    if (wslay_event_context_server_init(&socket->wslay, &callbacks, socket) != 0) {
        mem_free(socket);
        exchange_problem(exchange, err_make(ERR_OUT_OF_MEMORY, "websocket: open"), NULL);
        return;
    }
    wslay_event_config_set_max_recv_msg_length(socket->wslay, SOCKET_MESSAGE_MAX);
    socket->outlet.ops = &ops;
    socket->server = exchange->server;
    socket->hub = hub;
    socket->task.run = turn;
    memcpy(socket->owner, exchange->identity.owner, sizeof socket->owner);
    handshake_accept(key, socket->accept);
    text_init(&socket->replies, SOCKET_REPLIES_MAX);
    exchange->server->stats.streams_websocket++;
    exchange_hand_over(exchange, &socket->outlet);
}
