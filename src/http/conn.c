/* conn.c: a connection: from its bytes to requests, one after the other, and from answers, in their
 * order, then perhaps a stream, to its bytes.
 *
 *              first byte        head complete, body follows
 *     ┌──> IDLE ────────> HEAD ─────────────────────────────> BODY
 *     │     │ ^            │ request whole                      │ request whole
 *     │     │ └────────────┴────────────────────────────────────┘
 *     │     │ too many in flight, or an upgrade is asked for
 *     │     ├──────────> HELD ──> IDLE when answers have left
 *     │     │              └────> STREAM when an outlet takes over (from any state above);
 *     │     │                     BROKEN when the outlet gives the connection up
 *     │     │
 *     │  refused, close asked for, end of input, drained: from each of these
 *     │     └──────────> ENDING ──> LINGER ──> CLOSING
 *     └── cut, time-out, error: from each state straight to CLOSING
 *
 * The timer is armed as seldom as possible: a deadline that moves into the future is only written
 * down, and read when the timer fires. A request that arrives whole, in one read, never touches the
 * timer.
 *
 * Bytes go out in output.c; streams that take a connection over are in outlet.c.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "http/conn.h"
#include "loop/loop_uv.h"

enum {
    BODY_PROGRESS_MIN = 4096, /* Bytes that a body must bring in each body_ms. */
    TURN_REQUESTS_MAX = 64,   /* Requests of one connection before the others get their turn. */
    LINGER_BYTES_MAX = 4 << 20,
    DRAIN_LINGER_MS = 500,
};

void conn__go(struct conn *conn, enum conn_state to) {
#define TO(state) (1U << (state))
    static const unsigned edges[CONN_STATES] = {
        [CONN_IDLE] = TO(CONN_HEAD) | TO(CONN_HELD) | TO(CONN_STREAM) | TO(CONN_ENDING),
        [CONN_HEAD] = TO(CONN_IDLE) | TO(CONN_BODY) | TO(CONN_STREAM) | TO(CONN_ENDING),
        [CONN_BODY] = TO(CONN_IDLE) | TO(CONN_STREAM) | TO(CONN_ENDING),
        [CONN_HELD] = TO(CONN_IDLE) | TO(CONN_STREAM) | TO(CONN_ENDING),
        [CONN_STREAM] = TO(CONN_BROKEN) | TO(CONN_ENDING),
        [CONN_ENDING] = TO(CONN_STREAM) | TO(CONN_BROKEN) | TO(CONN_LINGER),
        [CONN_LINGER] = TO(CONN_BROKEN),
    };
    assert(conn->state == to || to == CONN_CLOSING || (edges[conn->state] & TO(to)) != 0);
    assert(conn->state == to || conn->state != CONN_CLOSING);
    conn->state = to;
#undef TO
}

/* --- Admission -------------------------------------------------------------------------------- */

/* A single request at a time is always possible. More of them share bounds for the whole server:
 * each takes some kilobytes, its answer may be a page, and there may be very many connections.
 * A client that does not take its answers gets no more of them. */
static bool conn_has_room(const struct conn *conn) {
    const struct http_server *server = conn->server;
    const struct exchange *last = conn->last;
    if (last == NULL || conn->writing != NULL) {
        return conn->writing == NULL;
    }
    /* A large body takes its way through the pool, and a later request must not overtake it: a
     * client that sends two appends in a row means them in that order. Nothing can be read after a
     * request that may turn the connection into a WebSocket. */
    if (last->state == EXCHANGE_PARSING || last->state == EXCHANGE_HOLDING ||
        last->request.wants_upgrade) {
        return false;
    }
    /* Answers that wait for their clients, and a guess at those that are being made for requests
     * after others. Without the guess a client could ask for many pages in one write, before the
     * first of them is there to be counted. */
    return conn->in_flight < server->limits.pipeline_max &&
           server->exchange_count < (size_t)server->limits.connections_max * 2 &&
           server->answer_bytes + server->ahead_bytes < server->limits.ahead_bytes_max;
}

/* False: there is no memory for a further exchange. */
static bool request_begin(struct conn *conn) {
    struct exchange *exchange = exchange_new(conn);
    if (exchange == NULL) {
        conn_close(conn);
        return false;
    }
    if (conn->last != NULL) {
        conn->last->next = exchange;
    } else {
        conn->first = exchange;
    }
    conn->last = conn->reading = exchange;
    exchange->ahead_bytes = conn->in_flight > 0 ? AHEAD_SMALL : 0;
    conn->server->ahead_bytes += exchange->ahead_bytes;
    conn->in_flight++;
    conn->turn_requests++;
    return true;
}

static void conn_refuse(struct conn *conn, struct err err, const struct why *why) {
    struct exchange *exchange = conn->reading;
    assert(exchange != NULL);
    conn->server->stats.protocol_errors++;
    conn->reading = NULL;
    conn_deadline(conn, 0);
    conn__go(conn, CONN_ENDING);
    exchange->close = true;
    if (exchange->state < EXCHANGE_PARSING) {
        exchange_problem(exchange, err, why);
    } else {
        conn_answered(conn); /* The refusal is out or on its way; the connection ends now. */
    }
}

void conn_reject(struct conn *conn, struct err err, const struct why *why) {
    if (request_begin(conn)) {
        conn_refuse(conn, err, why);
    }
}

/* --- Deadlines -------------------------------------------------------------------------------- */

static void conn_timer_fire(struct timer *timer) {
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    uint64_t now_ms = uv_now(loop_uv(conn->server->loop));
    struct why why;
    conn->timer_due_ms = 0;
    if (conn->deadline_ms > now_ms) {
        conn->timer_due_ms = conn->deadline_ms;
        timer_start(conn->server->loop, timer, conn->deadline_ms - now_ms, conn_timer_fire);
        return;
    }
    bool was_armed = conn->deadline_ms != 0;
    conn->deadline_ms = 0;
    if (!was_armed) {
        return;
    }
    if (conn->state == CONN_LINGER || (conn->state == CONN_IDLE && conn->first == NULL)) {
        conn_close(conn);
        return;
    }
    if (conn->state == CONN_HEAD) {
        why_set(&why, "the head of the request did not arrive in time");
    } else if (conn->state != CONN_BODY) {
        return;
    } else if (conn->parser.wire - conn->progress >= BODY_PROGRESS_MIN) {
        conn->progress = conn->parser.wire;
        conn_deadline(conn, conn->server->limits.body_ms);
        return;
    } else {
        why_set(&why, "the body of the request arrived too slowly");
    }
    conn->server->stats.timeouts++;
    conn_refuse(conn, err_make(ERR_REQUEST_TIMEOUT, "http: read"), &why);
}

void conn_deadline(struct conn *conn, uint64_t after_ms) {
    if (after_ms == 0) {
        conn->deadline_ms = 0;
        return;
    }
    conn->deadline_ms = uv_now(loop_uv(conn->server->loop)) + after_ms;
    if (conn->timer_due_ms == 0 || conn->timer_due_ms > conn->deadline_ms) {
        conn->timer_due_ms = conn->deadline_ms;
        timer_start(conn->server->loop, &conn->timer, after_ms, conn_timer_fire);
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

char *conn__stash_take(struct conn *conn, size_t *ret_len) {
    char *taken = conn->stash;
    if (taken != NULL) {
        conn->server->body_bytes -= conn->stash_len;
        *ret_len = conn->stash_len;
        conn->stash = NULL;
    }
    return taken;
}

static void conn_on_closed(uv_handle_t *handle) {
    struct conn *conn = CONTAINER_OF(handle, struct conn, uv.handle);
    size_t len = 0;
    loop_breathe(conn->server->loop);
    assert(conn->first == NULL);
    assert(conn->writing == NULL);
    mem_free(conn__stash_take(conn, &len));
    server_conn_gone(conn);
}

void conn__let_go(struct exchange *exchange) {
    bool handled = exchange->state >= EXCHANGE_PARSING && exchange->state <= EXCHANGE_HOLDING;
    exchange->conn = NULL;
    if (exchange->state == EXCHANGE_STREAMING) {
        exchange->outlet->ops->gone(exchange->outlet);
    }
    if (handled) {
        exchange_notify(exchange, &exchange->gone);
    } else {
        exchange_free(exchange);
    }
}

void conn_close(struct conn *conn) {
    if (conn->state == CONN_CLOSING) {
        return;
    }
    conn__go(conn, CONN_CLOSING);
    timer_stop(conn->server->loop, &conn->timer);
    loop_task_cancel(conn->server->loop, &conn->task);
    conn->reading = NULL;
    while (conn->first != NULL) {
        struct exchange *exchange = conn->first;
        conn->first = exchange->next;
        conn__let_go(exchange);
    }
    conn->last = NULL;
    conn->in_flight = 0;
    if (conn->outlet != NULL) {
        struct outlet *outlet = conn->outlet;
        conn->outlet = NULL;
        outlet->ops->gone(outlet);
    }
    if (conn->look != NULL) {
        conn->look->conn = NULL;
        conn->look = NULL;
    }
    /* A write that waits is called back as cancelled, before conn_on_closed. */
    uv_close(&conn->uv.handle, conn_on_closed);
}

void conn__cut(struct conn *conn) {
    uv_os_fd_t fd;
    struct linger hard = {.l_onoff = 1};
    if (conn->state != CONN_CLOSING && uv_fileno(&conn->uv.handle, &fd) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* Only slower without. */
    }
    conn_close(conn);
}

void conn_answered(struct conn *conn) {
    if (!conn->corked && conn->state != CONN_CLOSING) {
        loop_soon(conn->server->loop, &conn->task);
    }
}

/* --- Flushing --------------------------------------------------------------------------------- */

/* All is out: our side is shut, and what still comes is dropped until the client has read. */
static void conn_linger(struct conn *conn) {
    const struct http_server *server = conn->server;
    uint64_t linger_ms = server->limits.linger_ms;
    uv_os_fd_t fd;
    if (conn->input == INPUT_OVER || uv_fileno(&conn->uv.handle, &fd) != 0 ||
        shutdown(fd, SHUT_WR) != 0) {
        conn_close(conn);
        return;
    }
    conn__go(conn, CONN_LINGER);
    bool hurries = server->state >= SERVER_DRAINING && linger_ms > DRAIN_LINGER_MS;
    conn_deadline(conn, hurries ? DRAIN_LINGER_MS : linger_ms);
}

void conn__flush(struct conn *conn) {
    if (conn->state == CONN_BROKEN) {
        conn__cut(conn);
        return;
    }
    if (conn->corked || conn->state == CONN_CLOSING) {
        return;
    }
    bool more = conn->writing == NULL && conn->outlet == NULL && conn__answers_flush(conn);
    if (conn->state == CONN_CLOSING) {
        return;
    }
    const struct exchange *first = conn->first;
    if (more) {
        loop_soon(conn->server->loop, &conn->task); /* The other connections come first. */
        return;
    }
    if (conn->writing == NULL && first != NULL && first->state == EXCHANGE_STREAMING) {
        conn__outlet_start(conn);
        return;
    }
    if (conn->state == CONN_ENDING && first == NULL && conn->writing == NULL) {
        conn_linger(conn);
    }
    if ((conn->state == CONN_HELD && conn_has_room(conn)) ||
        (conn->state == CONN_LINGER && conn->input != INPUT_READING)) {
        loop_soon(conn->server->loop, &conn->task);
    }
}

/* --- Reading ---------------------------------------------------------------------------------- */

void conn__read_stop(struct conn *conn) {
    if (conn->input == INPUT_READING) {
        (void)uv_read_stop(&conn->uv.stream); /* Always succeeds. */
        conn->input = INPUT_PAUSED;
    }
}

/* At most one read of each connection is kept. But there may be very many connections, and what
 * they send need not be a request that anybody knows: so all of it counts among the bodies. */
static void conn_hold(struct conn *conn, struct bytes rest) {
    struct http_server *server = conn->server;
    assert(conn->stash == NULL);
    assert(rest.len > 0);
    if (server->body_bytes + rest.len <= server->limits.bodies_bytes_max) {
        conn->stash = mem_try(rest.len);
    }
    if (conn->stash != NULL) {
        memcpy(conn->stash, rest.data, rest.len);
        conn->stash_len = rest.len;
        server->body_bytes += rest.len;
        conn__read_stop(conn);
        conn__go(conn, CONN_HELD);
        conn_deadline(conn, 0);
    } else if (conn->last != NULL && conn->last->request.wants_upgrade) {
        conn_close(conn); /* Bytes after an upgrade are no request that could be refused. */
    } else {
        struct why why;
        struct err err = err_why(
            &why, ERR_OVERLOADED,
            "too much was sent after requests that are not answered yet, in all connections");
        conn_reject(conn, err, &why);
    }
}

/* The head is there: the checks decide whether its request may reach the handler. */
static void request_check(struct conn *conn, struct exchange *exchange, enum parse_result result) {
    exchange_check(exchange);
    if (exchange->state < EXCHANGE_PARSING && exchange_is_read(exchange)) {
        exchange_guess(exchange, AHEAD_PAGE); /* Not before: a stranger may send half a head. */
    }
    if (result == PARSE_WHOLE) {
        return;
    }
    if (exchange->state == EXCHANGE_ANSWERED && exchange->close) {
        conn->reading = NULL;
        conn_deadline(conn, 0);
        conn__go(conn, CONN_ENDING);
        return;
    }
    conn__go(conn, CONN_BODY);
    conn->progress = 0;
    /* After "100 Continue" the client's time begins when that is sent, after earlier answers. */
    conn_deadline(conn, exchange->state == EXCHANGE_EXPECTED ? 0 : conn->server->limits.body_ms);
}

static void request_end(struct conn *conn, struct exchange *exchange) {
    conn->reading = NULL;
    conn->server->stats.requests++;
    conn_deadline(conn, 0);
    conn__go(conn, CONN_IDLE);
    if (exchange->close || conn->server->state >= SERVER_DRAINING) {
        conn__go(conn, CONN_ENDING);
    }
    if (exchange->state < EXCHANGE_PARSING) {
        exchange_run(exchange);
    }
}

static bool conn_reads_requests(const struct conn *conn) {
    return conn->state == CONN_IDLE || conn->state == CONN_HEAD || conn->state == CONN_BODY;
}

/* Feeds the parser, each time up to the end of a head, of a body or of the bytes. */
static void conn_parse(struct conn *conn, struct bytes bytes) {
    struct http_server *server = conn->server;
    conn->corked = true;
    while (bytes.len > 0 && conn_reads_requests(conn)) {
        if (conn->reading == NULL) {
            if (conn->turn_requests >= TURN_REQUESTS_MAX || !conn_has_room(conn)) {
                conn_hold(conn, bytes);
                break;
            }
            if (!request_begin(conn)) {
                break;
            }
        }
        struct exchange *exchange = conn->reading;
        struct request *request = &exchange->request;
        size_t used, before = request->body_size;
        enum parse_result result =
            parser_feed(&conn->parser, request, &server->request_limits, bytes, &used);
        bytes = (struct bytes){bytes.data + used, bytes.len - used};
        /* Bodies are bounded one by one, and all together. */
        server->body_bytes += request->body_size - before;
        if (result != PARSE_FAILED && request->body_size > before &&
            server->body_bytes > server->limits.bodies_bytes_max) {
            request->err = err_why(&request->why, ERR_OVERLOADED,
                                   "all bodies together exceed the server's limit");
            result = PARSE_FAILED;
        }
        if (result == PARSE_FAILED) {
            conn_refuse(conn, request->err, &request->why);
            break;
        }
        if (conn->state == CONN_IDLE) {
            conn__go(conn, CONN_HEAD);
            if (result == PARSE_MORE) {
                conn_deadline(conn, server->limits.head_ms);
            }
        }
        if (result != PARSE_MORE && exchange->state == EXCHANGE_HEAD) {
            request_check(conn, exchange, result);
        }
        if (result == PARSE_WHOLE) {
            request_end(conn, exchange);
        }
    }
    conn->corked = false;
    conn__flush(conn);
}

static void conn_read(struct conn *conn, struct bytes bytes) {
    conn->turn_requests = 0;
    if (conn->state == CONN_STREAM) {
        conn->outlet->ops->receive(conn->outlet, bytes);
    } else if (conn_reads_requests(conn)) {
        conn_parse(conn, bytes);
    } else {
        /* A client that keeps sending after a refusal gets the answers to it and to its earlier
         * requests first, and is cut then. */
        conn->lingered += bytes.len;
        if (conn->lingered > LINGER_BYTES_MAX && conn->state == CONN_ENDING) {
            conn__read_stop(conn);
        } else if (conn->lingered > LINGER_BYTES_MAX) {
            conn_close(conn);
        }
    }
    /* libuv would go on reading this one socket many times; the others come first. */
    if (bytes.len == READ_SIZE && conn->input == INPUT_READING && conn->state != CONN_CLOSING) {
        conn__read_stop(conn);
        loop_soon(conn->server->loop, &conn->task);
    }
}

/* The client shut its side: perhaps only that (it still reads), perhaps it is gone. Nothing but a
 * write shows which; requests that are in flight are answered, waits at once. */
static void conn_read_eof(struct conn *conn) {
    conn->input = INPUT_OVER;
    if (conn->state == CONN_STREAM) {
        conn__half_closed(conn);
        return;
    }
    if (conn->state == CONN_LINGER || (conn->state == CONN_IDLE && conn->first == NULL)) {
        conn_close(conn);
        return;
    }
    if (conn->reading != NULL && (conn->state == CONN_HEAD || conn->state == CONN_BODY)) {
        struct why why;
        struct err err = err_why(&why, ERR_BAD_REQUEST, "the request was cut off");
        conn_refuse(conn, err, &why);
    } else if (conn->state == CONN_IDLE) {
        conn__go(conn, CONN_ENDING);
    }
    for (struct exchange *at = conn->first, *next; at != NULL; at = next) {
        next = at->next;
        exchange_notify(at, &at->gone);
    }
    conn__flush(conn);
}

void conn__read_more(struct conn *conn) {
    if (conn->state == CONN_HELD && conn->turn_requests < TURN_REQUESTS_MAX &&
        conn_has_room(conn)) {
        conn__go(conn, CONN_IDLE);
        if (conn->server->state >= SERVER_DRAINING) {
            conn__go(conn, CONN_ENDING);
        }
        size_t len = 0;
        AUTO(mem_release) char *kept = conn__stash_take(conn, &len);
        if (kept != NULL) {
            conn_parse(conn, (struct bytes){kept, len});
        }
    }
    bool reads = conn->state != CONN_HELD && conn->state != CONN_BROKEN &&
                 conn->state != CONN_CLOSING && conn->input != INPUT_READING &&
                 !(conn->state == CONN_STREAM && conn->input == INPUT_SATED) &&
                 !(conn->state == CONN_ENDING && conn->lingered > LINGER_BYTES_MAX);
    if (reads && conn->input != INPUT_OVER) {
        conn_start(conn);
    } else if (reads && conn_reads_requests(conn)) {
        conn_read_eof(conn);
    }
}

/* --- Beginning, drain and revocation ---------------------------------------------------------- */

static void conn_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct conn *conn = CONTAINER_OF(handle, struct conn, uv.handle);
    *buf = uv_buf_init(conn->server->read_buffer, READ_SIZE);
}

static void conn_on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
    struct conn *conn = CONTAINER_OF(stream, struct conn, uv.stream);
    loop_breathe(conn->server->loop);
    if (len == UV_EOF) {
        conn_read_eof(conn);
    } else if (len < 0) {
        conn_close(conn);
    } else if (len > 0) {
        conn->server->stats.bytes_read += (uint64_t)len;
        conn_read(conn, (struct bytes){buf->base, (size_t)len});
    }
}

void conn_start(struct conn *conn) {
    assert(conn->input != INPUT_READING && conn->input != INPUT_OVER);
    if (uv_read_start(&conn->uv.stream, conn_on_alloc, conn_on_read) != 0) {
        conn_close(conn);
        return;
    }
    conn->input = INPUT_READING;
}

static void conn_turn(struct loop_task *task) {
    struct conn *conn = CONTAINER_OF(task, struct conn, task);
    conn->turn_requests = 0;
    conn__flush(conn);
    conn__read_more(conn);
}

struct conn *conn_new(struct listener *listener) {
    struct http_server *server = listener->server;
    struct conn *conn = mem_new(sizeof *conn);
    conn->server = server;
    conn->listener = listener;
    conn->task.run = conn_turn;
    parser_init(&conn->parser);
    int rc = listener->is_unix ? uv_pipe_init(loop_uv(server->loop), &conn->uv.pipe, /* ipc */ 0)
                               : uv_tcp_init(loop_uv(server->loop), &conn->uv.tcp);
    assert(rc == 0);
    link_add_first(&server->conns, &conn->link);
    server->stats.connections++;
    return conn;
}

void conn_drain(struct conn *conn) {
    if (conn->state == CONN_CLOSING) {
        return;
    }
    if (conn->outlet != NULL) {
        conn->outlet->ops->drain(conn->outlet, ERR_CLOSING);
        return;
    }
    if (conn->state == CONN_IDLE && conn->first == NULL) {
        conn_close(conn);
        return;
    }
    if (conn->state == CONN_HEAD) {
        conn_refuse(conn, err_make(ERR_CLOSING, "http: drain"), NULL);
    }
    if (conn->state == CONN_IDLE) {
        conn__go(conn, CONN_ENDING);
    }
    for (struct exchange *at = conn->first, *next; at != NULL; at = next) {
        next = at->next;
        if (at->state == EXCHANGE_STREAMING) {
            at->outlet->ops->drain(at->outlet, ERR_CLOSING);
        } else {
            exchange_notify(at, &at->drain);
        }
    }
    conn_answered(conn);
}

static bool token_is_revoked(const struct http_server *server, const char *token) {
    for (size_t i = 0; token[0] != '\0' && i < server->revoked_count; i++) {
        if (strcmp(server->revoked[i], token) == 0) {
            return true;
        }
    }
    return false;
}

void conn_revoke(struct conn *conn) {
    const struct http_server *server = conn->server;
    if (conn->state == CONN_CLOSING || server->revoked_count == 0) {
        return;
    }
    if (conn->outlet != NULL && token_is_revoked(server, conn->outlet->token)) {
        conn->outlet->ops->drain(conn->outlet, ERR_UNAUTHORIZED);
        return;
    }
    for (struct exchange *at = conn->first, *next; at != NULL; at = next) {
        next = at->next;
        if (!token_is_revoked(server, at->identity.token)) {
            continue;
        }
        at->revoked = true;
        if (at->state == EXCHANGE_STREAMING) {
            at->outlet->revoked = true; /* Notified when it starts. */
        } else {
            exchange_notify(at, &at->drain);
        }
    }
}
