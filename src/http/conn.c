/* conn.c: the life of a connection, its one timer, and its end.
 *
 *              first byte        head complete, body follows
 *     ┌──> IDLE ────────> HEAD ─────────────────────────────> BODY
 *     │     │ ^            │ request whole                      │ request whole
 *     │     │ └────────────┴────────────────────────────────────┘
 *     │     │ too many in flight, or an upgrade is asked for
 *     │     ├──────────> HELD ──> IDLE when answers have left
 *     │     │              └────> STREAM when an outlet takes over (from any state above)
 *     │     │
 *     │  refused, close asked for, end of input, drained: from each of these
 *     │     └──────────> ENDING ──> LINGER ──> CLOSING
 *     └── cut, time-out, error: from each state straight to CLOSING
 *
 * The timer is armed as seldom as possible: a deadline that moves into the future is only written
 * down, and read when the timer fires. A request that arrives whole, in one read, never touches the
 * timer.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "http/inside.h"
#include "loop/loop_uv.h"

enum { BODY_PROGRESS_MIN = 4096 }; /* Bytes that a body must bring in each body_ms. */

#define TO(state) (1U << (state))
static const unsigned edges[CONN_STATES] = {
    [CONN_IDLE] = TO(CONN_HEAD) | TO(CONN_HELD) | TO(CONN_STREAM) | TO(CONN_ENDING),
    [CONN_HEAD] = TO(CONN_IDLE) | TO(CONN_BODY) | TO(CONN_STREAM) | TO(CONN_ENDING),
    [CONN_BODY] = TO(CONN_IDLE) | TO(CONN_STREAM) | TO(CONN_ENDING),
    [CONN_HELD] = TO(CONN_IDLE) | TO(CONN_STREAM) | TO(CONN_ENDING),
    [CONN_STREAM] = TO(CONN_ENDING),
    [CONN_ENDING] = TO(CONN_STREAM) | TO(CONN_LINGER),
};

void conn_go(struct conn *conn, enum conn_state to) {
    if (conn->state == to) {
        return;
    }
    assert(conn->state != CONN_CLOSING);
    assert(to == CONN_CLOSING || (edges[conn->state] & TO(to)) != 0);
    conn->state = to;
}

/* --- The beginning ---------------------------------------------------------------------------- */

static void conn_turn(struct loop_task *task) {
    struct conn *conn = CONTAINER_OF(task, struct conn, task);
    conn->turn_requests = 0;
    conn_flush(conn);
    conn_read_more(conn);
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
    conn->next = server->conns;
    if (server->conns != NULL) {
        server->conns->prev = conn;
    }
    server->conns = conn;
    server->stats.connections++;
    return conn;
}

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
    assert(!conn->reading_on);
    if (conn->eof) {
        return;
    }
    if (uv_read_start(&conn->uv.stream, conn_on_alloc, conn_on_read) != 0) {
        conn_close(conn);
        return;
    }
    conn->reading_on = true;
}

/* --- Deadlines -------------------------------------------------------------------------------- */

static void conn_expired(struct conn *conn) {
    const char *detail = NULL;
    conn->deadline_ms = 0;
    if (conn->state == CONN_LINGER || (conn->state == CONN_IDLE && conn->first == NULL)) {
        conn_close(conn);
    } else if (conn->state == CONN_HEAD) {
        detail = "the head of the request was not complete in time";
    } else if (conn->state == CONN_BODY) {
        if (conn->parser.wire - conn->progress >= BODY_PROGRESS_MIN) {
            conn->progress = conn->parser.wire;
            conn_deadline(conn, conn->server->limits.body_ms);
        } else {
            detail = "the body of the request came too slowly";
        }
    }
    if (detail != NULL) {
        struct why why;
        why_set(&why, "%s", detail);
        conn->server->stats.timeouts++;
        conn_refuse(conn, err_make(ERR_REQUEST_TIMEOUT, "http: read"), &why);
    }
}

static void conn_timer_fire(struct timer *timer) {
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    uint64_t now_ms = uv_now(loop_uv(conn->server->loop));
    conn->timer_due_ms = 0;
    if (conn->deadline_ms > now_ms) {
        conn->timer_due_ms = conn->deadline_ms;
        timer_start(conn->server->loop, timer, conn->deadline_ms - now_ms, conn_timer_fire);
    } else if (conn->deadline_ms != 0) {
        conn_expired(conn);
    }
}

void conn_deadline(struct conn *conn, unsigned after_ms) {
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

static void conn_on_closed(uv_handle_t *handle) {
    struct conn *conn = CONTAINER_OF(handle, struct conn, uv.handle);
    struct http_server *server = conn->server;
    loop_breathe(server->loop);
    assert(conn->first == NULL);
    assert(conn->writing == NULL);
    if (server->walk == conn) {
        server->walk = conn->next;
    }
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        server->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    server->stats.connections--;
    addresses_release(&server->addresses, conn->address);
    size_t len = 0;
    mem_free(conn_stash_take(conn, &len));
    mem_free(conn);
    server_end_if_empty(server);
}

void conn_let_go(struct exchange *exchange) {
    bool handled = exchange->state == EXCHANGE_PARSING || exchange->state == EXCHANGE_HANDLING;
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
    conn_go(conn, CONN_CLOSING);
    timer_stop(conn->server->loop, &conn->timer);
    loop_task_cancel(conn->server->loop, &conn->task);
    conn->reading = NULL;
    while (conn->first != NULL) {
        struct exchange *exchange = conn->first;
        conn->first = exchange->next;
        conn_let_go(exchange);
    }
    conn->last = NULL;
    conn->in_flight = 0;
    if (conn->outlet != NULL) {
        struct outlet *outlet = conn->outlet;
        conn->outlet = NULL;
        outlet->ops->gone(outlet);
    }
    /* A write that waits is called back as cancelled, before conn_on_closed. */
    uv_close(&conn->uv.handle, conn_on_closed);
}

void conn_cut(struct conn *conn) {
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

void conn_drain(struct conn *conn) {
    if (conn->state == CONN_CLOSING) {
        return;
    }
    conn->close_after = true;
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
        conn_go(conn, CONN_ENDING);
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
