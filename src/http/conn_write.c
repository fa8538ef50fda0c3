/* conn_write.c: what leaves on a connection: answers in their order, then perhaps a stream.
 *
 * The socket is tried at once. What it does not take is kept in one conn_write, and nothing more is
 * written until that is gone: so a slow client costs one write.
 */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "http/inside.h"

enum {
    PIECES_MAX = 32,
    BATCH_BYTES_MAX = 256 << 10, /* What the client does not take of it is copied, in one turn. */
    BODY_COPY_MAX = 4 << 10,     /* Smaller bodies go out beside their heads, in one piece. */
    DRAIN_LINGER_MS = 500,
    UNSENT_MAX = 128 << 10, /* What the kernel may hold of a stream for a slow client. */
};
static_assert((int)OUTLET_PIECES_MAX <= (int)PIECES_MAX, "a stream's write fits");

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

static void write_stalled(struct timer *timer) {
    struct conn_write *write = CONTAINER_OF(timer, struct conn_write, stall);
    struct conn *conn = write->conn;
    size_t left = bytes_left(conn);
    if (left >= write->left) {
        conn->server->stats.timeouts++;
        conn_cut(conn);
        return;
    }
    write->left = left;
    timer_start(conn->server->loop, timer, conn->server->limits.write_ms, write_stalled);
}

static void write_done(uv_write_t *req, int status) {
    struct conn_write *write = CONTAINER_OF(req, struct conn_write, req);
    struct conn *conn = write->conn;
    loop_breathe(conn->server->loop);
    timer_stop(conn->server->loop, &write->stall);
    conn->writing = NULL;
    conn->server->answer_bytes -= write->answers;
    for (unsigned i = 0; i < write->buffer_count; i++) {
        hub_buffer_unref(write->buffers[i]);
    }
    mem_free(write);
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

/* Keeps the pieces until the socket takes them: shared bytes by their reference, others by a copy.
 * False: nothing was kept, for want of memory or because the socket is broken. */
static bool write_keep(struct conn *conn, const struct outlet_piece *pieces, unsigned count) {
    uv_buf_t bufs[PIECES_MAX];
    size_t copies = 0, total = 0;
    for (unsigned i = 0; i < count; i++) {
        copies += pieces[i].buffer == NULL ? pieces[i].bytes.len : 0;
    }
    struct conn_write *write = mem_try(sizeof *write + copies);
    if (write == NULL) {
        return false;
    }
    memset(write, 0, sizeof *write);
    char *copy = write->copied;
    for (unsigned i = 0; i < count; i++) {
        struct bytes bytes = pieces[i].bytes;
        if (pieces[i].buffer != NULL) {
            write->buffers[write->buffer_count++] = pieces[i].buffer;
        } else {
            memcpy(copy, bytes.data, bytes.len);
            bytes.data = copy;
            copy += bytes.len;
        }
        bufs[i] = uv_buf_init((char *)bytes.data, (unsigned)bytes.len);
        total += bytes.len;
    }
    write->conn = conn;
    conn->writing = write;
    conn->server->stats.bytes_written += total;
    if (uv_write(&write->req, &conn->uv.stream, bufs, count, write_done) != 0) {
        conn->writing = NULL;
        mem_free(write);
        return false;
    }
    write->left = bytes_left(conn);
    timer_start(conn->server->loop, &write->stall, conn->server->limits.write_ms, write_stalled);
    return true;
}

enum written { WRITTEN_ALL, WRITTEN_KEPT, WRITTEN_NOT };

/* Ends the references of the pieces, or keeps them for as long as needed. *ret_kept: bytes that the
 * socket did not take. WRITTEN_NOT: the connection must end. */
static enum written conn_write_pieces(struct conn *conn, const struct outlet_piece *pieces,
                                      unsigned count, size_t *ret_kept) {
    uv_buf_t bufs[PIECES_MAX] = {{0}};
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        bufs[i] = uv_buf_init((char *)pieces[i].bytes.data, (unsigned)pieces[i].bytes.len);
        total += pieces[i].bytes.len;
    }
    int rc = uv_try_write(&conn->uv.stream, bufs, count);
    size_t done = rc > 0 ? (size_t)rc : 0;
    conn->server->stats.bytes_written += done;
    struct outlet_piece rest[PIECES_MAX];
    unsigned rest_count = 0;
    *ret_kept = total - done;
    for (unsigned i = 0; i < count; i++) {
        struct bytes bytes = pieces[i].bytes;
        size_t cut = done < bytes.len ? done : bytes.len;
        done -= cut;
        if (cut < bytes.len && (rc >= 0 || rc == UV_EAGAIN)) {
            rest[rest_count++] = (struct outlet_piece){.bytes = {bytes.data + cut, bytes.len - cut},
                                                       .buffer = pieces[i].buffer};
        } else {
            hub_buffer_unref(pieces[i].buffer);
        }
    }
    if (rc < 0 && rc != UV_EAGAIN) {
        return WRITTEN_NOT;
    }
    if (rest_count == 0) {
        return WRITTEN_ALL;
    }
    if (write_keep(conn, rest, rest_count)) {
        return WRITTEN_KEPT;
    }
    for (unsigned i = 0; i < rest_count; i++) {
        hub_buffer_unref(rest[i].buffer);
    }
    return WRITTEN_NOT;
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* What one write takes; heads and small bodies stand in the server's scratch. */
struct batch {
    struct outlet_piece pieces[PIECES_MAX];
    unsigned count;
    char *at; /* End of what was put into the scratch. */
    size_t used, total;
};

/* Adds bytes that were put at `at`, to the piece before them where they follow it. */
static void batch_add(struct batch *batch, size_t len) {
    struct bytes *last = batch->count > 0 ? &batch->pieces[batch->count - 1].bytes : NULL;
    if (last != NULL && last->data + last->len == batch->at) {
        last->len += len;
    } else {
        batch->pieces[batch->count++] = (struct outlet_piece){.bytes = {batch->at, len}};
    }
    batch->at += len;
    batch->used += len;
    batch->total += len;
}

static bool batch_full(const struct batch *batch) {
    return batch->count + 2 > PIECES_MAX || batch->total >= BATCH_BYTES_MAX ||
           batch->used + ANSWER_HEAD_MAX + BODY_COPY_MAX > SCRATCH_SIZE;
}

static void batch_gather(struct conn *conn, struct batch *batch) {
    /* Nothing behind the last answer will be answered: what a client sent behind it did not happen,
     * and the client must know that. */
    bool ends = conn->state == CONN_ENDING || (conn->state == CONN_HELD && conn->close_after);
    struct exchange *at = conn->first;
    while (at != NULL && at->state == EXCHANGE_ANSWERED && !at->written && !batch_full(batch)) {
        at->close = at->close || (ends && at->next == NULL);
        batch_add(batch, reply_head_write(at, batch->at));
        at->written = true;
        if (!at->head_only && at->body_len > BODY_COPY_MAX) {
            batch->pieces[batch->count++] =
                (struct outlet_piece){.bytes = {at->body, at->body_len}};
            batch->total += at->body_len;
        } else if (!at->head_only && at->body_len > 0) {
            memcpy(batch->at, at->body, at->body_len);
            batch_add(batch, at->body_len);
        }
        at = at->next;
    }
    if (at != NULL && at->continue_due && at->state == EXCHANGE_READING && !batch_full(batch)) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        memcpy(batch->at, go_on, sizeof go_on - 1);
        batch_add(batch, sizeof go_on - 1);
        at->continue_due = false;
        conn_deadline(conn, conn->server->limits.body_ms);
    }
}

/* False: nothing more can be written now. */
static bool batch_flush(struct conn *conn) {
    struct batch batch = {.at = conn->server->scratch};
    batch_gather(conn, &batch);
    if (batch.count > 0) {
        size_t kept = 0;
        enum written written = conn_write_pieces(conn, batch.pieces, batch.count, &kept);
        if (written == WRITTEN_NOT) {
            conn_close(conn);
            return false;
        }
        if (written == WRITTEN_KEPT) {
            conn->writing->answers = kept;
            conn->server->answer_bytes += kept;
        }
    }
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
    return batch.count > 0 && conn->writing == NULL;
}

/* The stream's exchange has come to the head of the queue. What the client had sent behind it gets
 * no answer: there is no end after which one could come. */
static void outlet_start(struct conn *conn) {
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

static void conn_end_if_done(struct conn *conn) {
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

static bool conn_owes_answer(const struct conn *conn) {
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
    bool more = conn->writing == NULL && conn->outlet == NULL && batch_flush(conn);
    if (conn->state == CONN_CLOSING) {
        return;
    }
    if (more && conn_owes_answer(conn)) {
        loop_soon(conn->server->loop, &conn->task); /* The other connections come first. */
        return;
    }
    if (conn->writing == NULL && conn->first != NULL && conn->first->state == EXCHANGE_STREAMING) {
        outlet_start(conn);
        return;
    }
    conn_end_if_done(conn);
    if ((conn->state == CONN_HELD && conn_has_room(conn)) ||
        (conn->state == CONN_LINGER && !conn->reading_on)) {
        loop_soon(conn->server->loop, &conn->task);
    }
}

/* --- Streams ---------------------------------------------------------------------------------- */

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

bool outlet_write(struct outlet *outlet, const struct outlet_piece *pieces, unsigned count) {
    assert(count > 0);
    assert(count <= OUTLET_PIECES_MAX);
    assert(!outlet_waits(outlet));
    size_t kept;
    enum written written = conn_write_pieces(outlet->conn, pieces, count, &kept);
    if (written == WRITTEN_NOT) {
        outlet_cut(outlet);
    }
    return written == WRITTEN_ALL;
}
