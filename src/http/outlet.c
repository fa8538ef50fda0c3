/* outlet.c: a connection in the hands of a stream, from the turn of the stream's exchange until the
 * connection ends. The stream writes, pauses the reading and ends the connection through these.
 */
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "http/conn.h"
#include "loop/loop_uv.h"

enum { UNSENT_MAX = 128 << 10 }; /* Bytes of a stream that the kernel may hold for a slow client. */

void conn__half_closed(struct conn *conn) {
    if (conn->outlet->ops->half_closed != NULL) {
        conn->outlet->ops->half_closed(conn->outlet);
    } else {
        outlet_cut(conn->outlet);
    }
}

/* The stream's exchange has come to the head of the queue. What the client had sent after it gets
 * no answer: there is no end after which one could come. */
void conn__outlet_start(struct conn *conn) {
    struct exchange *exchange = conn->first;
    struct outlet *outlet = exchange->outlet;
    conn->first = exchange->next;
    exchange_free(exchange);
    while (conn->first != NULL) {
        struct exchange *at = conn->first;
        conn->first = at->next;
        conn__let_go(at);
    }
    conn->last = conn->reading = NULL;
    conn->in_flight = 0;
    conn_deadline(conn, 0);
    conn__go(conn, CONN_STREAM);
    conn->outlet = outlet;
    outlet->conn = conn;
    /* Without this bound the kernel takes megabytes for a client that reads slowly, and ten
     * thousand of those are more than it has. */
    uv_os_fd_t fd;
    int unsent_max = UNSENT_MAX;
    if (!conn->listener->is_unix && uv_fileno(&conn->uv.handle, &fd) == 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max,
                         sizeof unsent_max); /* As said, only more memory without. */
    }
    outlet->ops->start(outlet);
    size_t len = 0;
    AUTO(mem_release) char *kept = conn__stash_take(conn, &len);
    if (conn->state == CONN_STREAM && kept != NULL) {
        outlet->ops->receive(outlet, (struct bytes){kept, len});
    }
    if (conn->state == CONN_STREAM && outlet->revoked) {
        outlet->ops->drain(outlet, ERR_UNAUTHORIZED);
    } else if (conn->state == CONN_STREAM && conn->server->state >= SERVER_DRAINING) {
        outlet->ops->drain(outlet, ERR_CLOSING);
    }
    if (conn->state == CONN_STREAM && conn->input == INPUT_OVER) {
        conn__half_closed(conn);
    }
    loop_soon(conn->server->loop, &conn->task);
}

bool outlet_waits(const struct outlet *outlet) {
    return outlet->conn->writing != NULL || outlet->conn->state == CONN_BROKEN;
}

bool outlet_is_open(const struct outlet *outlet) {
    return outlet->conn != NULL && outlet->conn->state == CONN_STREAM;
}

void outlet_cut(struct outlet *outlet) {
    conn__go(outlet->conn, CONN_BROKEN);
    loop_soon(outlet->conn->server->loop, &outlet->conn->task);
}

void outlet_end(struct outlet *outlet) {
    struct conn *conn = outlet->conn;
    if (conn->state == CONN_STREAM) {
        conn__go(conn, CONN_ENDING);
        loop_soon(conn->server->loop, &conn->task);
    }
}

bool outlet_write(struct outlet *outlet, const struct outlet_piece *pieces, unsigned count) {
    assert(count > 0);
    assert(count <= OUTLET_PIECES_MAX);
    assert(!outlet_waits(outlet));
    enum written written = conn__write(outlet->conn, pieces, count, false);
    if (written == WRITTEN_NOT) {
        outlet_cut(outlet);
    }
    return written == WRITTEN_ALL;
}

void outlet_sate(struct outlet *outlet) {
    conn__read_stop(outlet->conn);
    if (outlet->conn->input == INPUT_PAUSED) {
        outlet->conn->input = INPUT_SATED;
    }
}

void outlet_hear(struct outlet *outlet) {
    if (outlet->conn->input == INPUT_SATED) {
        outlet->conn->input = INPUT_PAUSED;
    }
    conn__read_more(outlet->conn);
}
