#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "http/inside.h"

enum {
    BUFS_MAX = 32,
    BATCH_BYTES_MAX = 256 << 10, /* What the client does not take of it is copied, in one turn. */
    BODY_COPY_MAX = 4 << 10,     /* Smaller bodies go out beside their heads, in one piece. */
    DRAIN_LINGER_MS = 500,
    UNSENT_MAX = 128 << 10, /* What the kernel may hold of a stream for a slow client. */
};

/* --- What the socket did not take ------------------------------------------------------------- */

struct conn_write {
    uv_write_t req;
    struct conn *conn;
    struct timer stall;
    size_t left;    /* When the stall timer was armed. */
    size_t answers; /* Bytes in `copied` that count among those that wait. */
    unsigned buffer_count;
    struct hub_buffer *buffers[OUTLET_PIECES_MAX]; /* One reference each. */
    char copied[];
};

/* Ours and the kernel's: it may hold megabytes that a slow client takes, one after the other, long
 * before there is room for more of ours. */
static size_t bytes_left(const struct conn *conn) {
    uv_os_fd_t fd;
    int held = 0;
    if (uv_fileno(&conn->uv.handle, &fd) != 0 || ioctl(fd, SIOCOUTQ, &held) != 0) {
        held = 0;
    }
    return uv_stream_get_write_queue_size(&conn->uv.stream) + (size_t)held;
}

static void stalled(struct timer *timer) {
    struct conn_write *write = CONTAINER_OF(timer, struct conn_write, stall);
    struct conn *conn = write->conn;
    size_t left = bytes_left(conn);
    if (left >= write->left) {
        conn->server->stats.timeouts++;
        conn_cut(conn);
        return;
    }
    write->left = left;
    timer_start(conn->server->loop, timer, conn->server->limits.write_ms, stalled);
}

static void write_free(struct conn_write *write) {
    write->conn->server->answer_bytes -= write->answers;
    for (unsigned i = 0; i < write->buffer_count; i++) {
        hub_buffer_unref(write->buffers[i]);
    }
    mem_free(write);
}

static void written(uv_write_t *req, int status) {
    struct conn_write *write = CONTAINER_OF(req, struct conn_write, req);
    struct conn *conn = write->conn;
    loop_breathe(conn->server->loop);
    timer_stop(conn->server->loop, &write->stall);
    conn->writing = NULL;
    write_free(write);
    if (conn->state == CONN_CLOSING) {
        return;
    }
    if (status < 0) {
        conn_close(conn);
    } else if (conn->state == CONN_STREAM) {
        conn->outlet->ops->writable(conn->outlet);
    } else {
        conn_flush(conn);
        conn_read_more(conn);
    }
}

static bool queue_write(struct conn *conn, struct conn_write *write, const uv_buf_t *bufs,
                        unsigned count) {
    write->conn = conn;
    conn->writing = write;
    for (unsigned i = 0; i < count; i++) {
        conn->server->stats.bytes_written += bufs[i].len;
    }
    if (uv_write(&write->req, &conn->uv.stream, bufs, count, written) != 0) {
        conn->writing = NULL;
        return false;
    }
    write->left = bytes_left(conn);
    timer_start(conn->server->loop, &write->stall, conn->server->limits.write_ms, stalled);
    return true;
}

/* How much the socket took; SIZE_MAX: it is broken. */
static size_t try_write(struct conn *conn, const uv_buf_t *bufs, unsigned count) {
    int rc = uv_try_write(&conn->uv.stream, bufs, count);
    if (rc == UV_EAGAIN) {
        return 0;
    }
    if (rc < 0) {
        return SIZE_MAX;
    }
    conn->server->stats.bytes_written += (uint64_t)rc;
    return (size_t)rc;
}

/* --- Answers ---------------------------------------------------------------------------------- */

struct batch {
    uv_buf_t bufs[BUFS_MAX];
    unsigned count;
    size_t used, total; /* Of the server's scratch; altogether. */
};

static char *batch_room(struct conn *conn, const struct batch *batch) {
    return conn->server->scratch + batch->used;
}

static void batch_scratch(struct conn *conn, struct batch *batch, size_t len) {
    char *from = batch_room(conn, batch);
    uv_buf_t *last = batch->count > 0 ? &batch->bufs[batch->count - 1] : NULL;
    if (last != NULL && last->base + last->len == from) {
        last->len += len;
    } else {
        batch->bufs[batch->count++] = uv_buf_init(from, (unsigned)len);
    }
    batch->used += len;
    batch->total += len;
}

/* Nothing behind the last one will be answered: what a client sent behind it did not happen, and it
 * must know that. */
static bool is_last_answer(const struct conn *conn, const struct exchange *exchange) {
    bool ends = conn->state == CONN_ENDING || (conn->state == CONN_HELD && conn->close_after);
    return ends && exchange->next == NULL;
}

static void batch_answer(struct conn *conn, struct batch *batch, struct exchange *exchange) {
    exchange->close = exchange->close || is_last_answer(conn, exchange);
    batch_scratch(conn, batch, reply_head_write(exchange, batch_room(conn, batch)));
    exchange->written = true;
    if (exchange->head_only || exchange->body_len == 0) {
        return;
    }
    if (exchange->body_len <= BODY_COPY_MAX) {
        memcpy(batch_room(conn, batch), exchange->body, exchange->body_len);
        batch_scratch(conn, batch, exchange->body_len);
    } else {
        batch->bufs[batch->count++] = uv_buf_init(exchange->body, (unsigned)exchange->body_len);
        batch->total += exchange->body_len;
    }
}

static bool batch_full(const struct batch *batch) {
    return batch->count + 2 > BUFS_MAX || batch->total >= BATCH_BYTES_MAX ||
           batch->used + ANSWER_HEAD_MAX + BODY_COPY_MAX > SCRATCH_SIZE;
}

static void gather(struct conn *conn, struct batch *batch) {
    struct exchange *at = conn->first;
    while (at != NULL && at->state == EXCHANGE_ANSWERED && !at->written && !batch_full(batch)) {
        batch_answer(conn, batch, at);
        at = at->next;
    }
    if (at != NULL && at->continue_due && at->state == EXCHANGE_READING && !batch_full(batch)) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        memcpy(batch_room(conn, batch), go_on, sizeof go_on - 1);
        batch_scratch(conn, batch, sizeof go_on - 1);
        at->continue_due = false;
        conn_deadline(conn, conn->server->limits.body_ms);
    }
}

static bool keep_rest(struct conn *conn, const struct batch *batch, size_t done) {
    struct conn_write *write = mem_try(sizeof *write + (batch->total - done));
    if (write == NULL) {
        return false;
    }
    memset(write, 0, sizeof *write);
    size_t len = 0, skip = done;
    for (unsigned i = 0; i < batch->count; i++) {
        size_t cut = skip < batch->bufs[i].len ? skip : batch->bufs[i].len;
        memcpy(write->copied + len, batch->bufs[i].base + cut, batch->bufs[i].len - cut);
        len += batch->bufs[i].len - cut;
        skip -= cut;
    }
    uv_buf_t buf = uv_buf_init(write->copied, (unsigned)len);
    if (!queue_write(conn, write, &buf, 1)) {
        write_free(write);
        return false;
    }
    write->answers = len;
    conn->server->answer_bytes += len;
    return true;
}

static void retire(struct conn *conn) {
    while (conn->first != NULL && conn->first->written && conn->first != conn->reading) {
        struct exchange *exchange = conn->first;
        conn->first = exchange->next;
        conn->in_flight--;
        exchange_free(exchange);
    }
    if (conn->first == NULL) {
        conn->last = NULL;
        conn->upgrading = false;
        if (conn->state == CONN_IDLE) {
            conn_deadline(conn, conn->server->limits.idle_ms);
        }
    }
}

/* False: nothing more can be written now. */
static bool flush_once(struct conn *conn) {
    struct batch batch = {.count = 0};
    gather(conn, &batch);
    if (batch.count > 0) {
        size_t done = try_write(conn, batch.bufs, batch.count);
        if (done == SIZE_MAX || (done < batch.total && !keep_rest(conn, &batch, done))) {
            conn_close(conn);
            return false;
        }
    }
    retire(conn);
    return batch.count > 0 && conn->writing == NULL;
}

/* Without this the kernel takes megabytes for a client that reads slowly, and ten thousand of those
 * are more than it has. */
static void bound_unsent(const struct conn *conn) {
    uv_os_fd_t fd;
    int unsent_max = UNSENT_MAX;
    if (!conn->listener->is_unix && uv_fileno(&conn->uv.handle, &fd) == 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max,
                         sizeof unsent_max); /* As said, only more memory without. */
    }
}

/* The stream's exchange has come to the head of the queue. What the client had sent behind it gets
 * no answer: there is no end after which one could come. */
static void start_outlet(struct conn *conn) {
    struct exchange *exchange = conn->first;
    struct outlet *outlet = exchange->outlet;
    conn->first = exchange->next;
    exchange_free(exchange);
    while (conn->first != NULL) {
        struct exchange *at = conn->first;
        conn->first = at->next;
        conn_let_go(at);
    }
    conn->last = conn->reading = NULL;
    conn->in_flight = 0;
    conn_deadline(conn, 0);
    conn_go(conn, CONN_STREAM);
    conn->outlet = outlet;
    outlet->conn = conn;
    bound_unsent(conn);
    outlet->ops->start(outlet);
    size_t len = 0;
    AUTO(mem_release) char *kept = conn_stash_take(conn, &len);
    if (conn->state == CONN_STREAM && kept != NULL) {
        outlet->ops->receive(outlet, (struct bytes){kept, len});
    }
    if (conn->state == CONN_STREAM && outlet->revoked) {
        outlet->ops->drain(outlet, ERR_UNAUTHORIZED);
    } else if (conn->state == CONN_STREAM && conn->server->draining) {
        outlet->ops->drain(outlet, ERR_CLOSING);
    }
    if (conn->state == CONN_STREAM && conn->eof) {
        conn_half_closed(conn);
    }
    loop_soon(conn->server->loop, &conn->task);
}

void conn_end_if_done(struct conn *conn) {
    if (conn->state != CONN_ENDING || conn->first != NULL || conn->writing != NULL) {
        return;
    }
    uv_os_fd_t fd;
    if (conn->eof || uv_fileno(&conn->uv.handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        conn_close(conn);
        return;
    }
    conn_go(conn, CONN_LINGER);
    unsigned linger_ms = conn->server->limits.linger_ms;
    conn_deadline(conn, conn->server->draining && linger_ms > DRAIN_LINGER_MS ? DRAIN_LINGER_MS
                                                                              : linger_ms);
}

static void go_on(struct conn *conn) {
    if (conn->writing == NULL && conn->first != NULL && conn->first->state == EXCHANGE_STREAMING) {
        start_outlet(conn);
        return;
    }
    conn_end_if_done(conn);
    if ((conn->state == CONN_HELD && conn_has_room(conn)) ||
        (conn->state == CONN_LINGER && !conn->reading_on)) {
        loop_soon(conn->server->loop, &conn->task);
    }
}

static bool owes_answer(const struct conn *conn) {
    const struct exchange *first = conn->first;
    return first != NULL && ((first->state == EXCHANGE_ANSWERED && !first->written) ||
                             (first->state == EXCHANGE_READING && first->continue_due));
}

void conn_flush(struct conn *conn) {
    if (conn->broken) {
        conn_cut(conn);
        return;
    }
    if (conn->corked || conn->state == CONN_CLOSING) {
        return;
    }
    bool more = conn->writing == NULL && conn->outlet == NULL && flush_once(conn);
    if (more && owes_answer(conn)) {
        loop_soon(conn->server->loop, &conn->task); /* The other connections come first. */
    } else if (conn->state != CONN_CLOSING) {
        go_on(conn);
    }
}

/* --- Streams ---------------------------------------------------------------------------------- */

struct http_server *outlet_server(const struct outlet *outlet) {
    return outlet->conn->server;
}

bool outlet_waits(const struct outlet *outlet) {
    return outlet->conn->writing != NULL || outlet->conn->broken;
}

void outlet_cut(struct outlet *outlet) {
    struct conn *conn = outlet->conn;
    conn->broken = true;
    loop_soon(conn->server->loop, &conn->task);
}

void outlet_end(struct outlet *outlet) {
    struct conn *conn = outlet->conn;
    if (conn->state == CONN_STREAM) {
        conn_go(conn, CONN_ENDING);
        loop_soon(conn->server->loop, &conn->task);
    }
}

static void unref_all(const struct outlet_piece *pieces, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        hub_buffer_unref(pieces[i].buffer);
    }
}

/* Keeps what is left of the pieces: shared bytes by their reference, others by a copy. */
static bool keep_pieces(struct conn *conn, const struct outlet_piece *pieces, unsigned count,
                        size_t done) {
    size_t copies = 0;
    for (unsigned i = 0; i < count; i++) {
        copies += pieces[i].buffer == NULL ? pieces[i].bytes.len : 0;
    }
    struct conn_write *write = mem_try(sizeof *write + copies);
    if (write == NULL) {
        return false;
    }
    memset(write, 0, sizeof *write);
    uv_buf_t bufs[OUTLET_PIECES_MAX];
    unsigned buf_count = 0;
    char *copy = write->copied;
    for (unsigned i = 0; i < count; i++) {
        struct bytes bytes = pieces[i].bytes;
        size_t cut = done < bytes.len ? done : bytes.len;
        done -= cut;
        bytes = (struct bytes){bytes.data + cut, bytes.len - cut};
        if (pieces[i].buffer == NULL && bytes.len > 0) {
            memcpy(copy, bytes.data, bytes.len);
            bytes.data = copy;
            copy += bytes.len;
        }
        if (bytes.len > 0) {
            bufs[buf_count++] = uv_buf_init((char *)bytes.data, (unsigned)bytes.len);
        }
    }
    if (!queue_write(conn, write, bufs, buf_count)) {
        mem_free(write);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        write->buffers[i] = pieces[i].buffer;
    }
    write->buffer_count = count;
    return true;
}

bool outlet_write(struct outlet *outlet, const struct outlet_piece *pieces, unsigned count) {
    struct conn *conn = outlet->conn;
    assert(count > 0);
    assert(count <= OUTLET_PIECES_MAX);
    assert(!outlet_waits(outlet));
    uv_buf_t bufs[OUTLET_PIECES_MAX];
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        bufs[i] = uv_buf_init((char *)pieces[i].bytes.data, (unsigned)pieces[i].bytes.len);
        total += pieces[i].bytes.len;
    }
    size_t done = try_write(conn, bufs, count);
    if (done == total) {
        unref_all(pieces, count);
        return true;
    }
    if (done == SIZE_MAX || !keep_pieces(conn, pieces, count, done)) {
        unref_all(pieces, count);
        outlet_cut(outlet);
    }
    return false;
}
