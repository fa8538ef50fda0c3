/* The life of a connection:
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
 */
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "http/inside.h"
#include "loop/loop_uv.h"

static const bool legal[CONN_STATES][CONN_STATES] = {
    [CONN_IDLE] = {[CONN_HEAD] = true,
                   [CONN_HELD] = true,
                   [CONN_STREAM] = true,
                   [CONN_ENDING] = true,
                   [CONN_CLOSING] = true},
    [CONN_HEAD] = {[CONN_IDLE] = true,
                   [CONN_BODY] = true,
                   [CONN_STREAM] = true,
                   [CONN_ENDING] = true,
                   [CONN_CLOSING] = true},
    [CONN_BODY] =
        {[CONN_IDLE] = true, [CONN_STREAM] = true, [CONN_ENDING] = true, [CONN_CLOSING] = true},
    [CONN_HELD] =
        {[CONN_IDLE] = true, [CONN_STREAM] = true, [CONN_ENDING] = true, [CONN_CLOSING] = true},
    [CONN_STREAM] = {[CONN_ENDING] = true, [CONN_CLOSING] = true},
    [CONN_ENDING] = {[CONN_STREAM] = true, [CONN_LINGER] = true, [CONN_CLOSING] = true},
    [CONN_LINGER] = {[CONN_CLOSING] = true},
};

void conn_go(struct conn *conn, enum conn_state to) {
    if (conn->state == to) {
        return;
    }
    assert(legal[conn->state][to]);
    conn->state = to;
}

static void turn(struct loop_task *task) {
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
    conn->task.run = turn;
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

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct conn *conn = CONTAINER_OF(handle, struct conn, uv.handle);
    *buf = uv_buf_init(conn->server->read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
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
    if (uv_read_start(&conn->uv.stream, on_alloc, on_read) != 0) {
        conn_close(conn);
        return;
    }
    conn->reading_on = true;
}

static void unlink_conn(struct conn *conn) {
    struct http_server *server = conn->server;
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
}

static void on_closed(uv_handle_t *handle) {
    struct conn *conn = CONTAINER_OF(handle, struct conn, uv.handle);
    struct http_server *server = conn->server;
    loop_breathe(server->loop);
    assert(conn->first == NULL);
    assert(conn->writing == NULL);
    unlink_conn(conn);
    addresses_release(&server->addresses, conn->address);
    size_t len = 0;
    mem_free(conn_stash_take(conn, &len));
    mem_free(conn);
    server_conn_gone(server);
}

void conn_let_go(struct exchange *exchange) {
    bool handled = exchange->state == EXCHANGE_PARSING || exchange->state == EXCHANGE_HANDLING;
    exchange->conn = NULL;
    if (exchange->state == EXCHANGE_STREAMING) {
        exchange->outlet->ops->gone(exchange->outlet);
    }
    if (!handled) {
        exchange_free(exchange);
        return;
    }
    if (exchange->gone != NULL) {
        void (*gone)(struct exchange *, void *) = exchange->gone;
        exchange->gone = NULL;
        gone(exchange, exchange->gone_ctx);
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
    /* A write that waits is called back as cancelled, before on_closed. */
    uv_close(&conn->uv.handle, on_closed);
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

static void end_wait(struct exchange *exchange) {
    void (*drain)(struct exchange *, void *) = exchange->drain;
    if (drain != NULL) {
        exchange->drain = NULL;
        drain(exchange, exchange->drain_ctx);
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
            end_wait(at);
        }
    }
    conn_answered(conn);
}

static bool is_revoked(const struct http_server *server, const char *token) {
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
    if (conn->outlet != NULL && is_revoked(server, conn->outlet->token)) {
        conn->outlet->ops->drain(conn->outlet, ERR_UNAUTHORIZED);
        return;
    }
    for (struct exchange *at = conn->first, *next; at != NULL; at = next) {
        next = at->next;
        if (!is_revoked(server, at->identity.token)) {
            continue;
        }
        at->revoked = true;
        if (at->state == EXCHANGE_STREAMING) {
            at->outlet->revoked = true; /* Told when it starts. */
        } else {
            end_wait(at);
        }
    }
}
