/* output.c: the bytes that leave a connection: answers in the order of their requests, many in one
 * write, and whatever the socket does not take at once.
 *
 * For a write the socket is tried at once. Bytes that it does not take are kept in one conn_write,
 * and nothing more is written until that is gone: so a slow client costs one write. A client that
 * takes none of them for write_ms is cut.
 */
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/memory.h"
#include "http/conn.h"
#include "loop/loop_uv.h"

enum {
    PIECES_MAX = 32,
    BATCH_BYTES_MAX = 256 << 10, /* Upper bound of what one turn copies for a slow client. */
    BODY_COPY_MAX = 4 << 10,     /* Smaller bodies go out beside their heads, in one piece. */
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
    struct hub_buffer *buffers[OUTLET_PIECES_MAX]; /* A reference each. */
    char copied[];
};

/* Bytes of ours and of the kernel's: it may hold megabytes that a slow client takes, one after the
 * other, long before there is room for more of ours. */
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
        conn__cut(conn);
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
        conn__flush(conn);
        conn__read_more(conn);
    }
}

enum written conn__write(struct conn *conn, const struct outlet_piece *pieces, unsigned count,
                         size_t *ret_kept) {
    uv_buf_t bufs[PIECES_MAX] = {{0}};
    struct outlet_piece rest[PIECES_MAX];
    size_t total = 0, copies = 0;
    unsigned rest_count = 0;
    for (unsigned i = 0; i < count; i++) {
        bufs[i] = uv_buf_init((char *)pieces[i].bytes.data, (unsigned)pieces[i].bytes.len);
        total += pieces[i].bytes.len;
    }
    int rc = uv_try_write(&conn->uv.stream, bufs, count);
    bool broken = rc < 0 && rc != UV_EAGAIN;
    size_t done = rc > 0 ? (size_t)rc : 0;
    *ret_kept = total - done;
    conn->server->stats.bytes_written += broken ? 0 : total;
    for (unsigned i = 0; i < count; i++) {
        struct bytes bytes = pieces[i].bytes;
        size_t out = done < bytes.len ? done : bytes.len;
        done -= out;
        if (out == bytes.len || broken) {
            hub_buffer_unref(pieces[i].buffer);
            continue;
        }
        bytes = (struct bytes){bytes.data + out, bytes.len - out};
        rest[rest_count++] = (struct outlet_piece){.bytes = bytes, .buffer = pieces[i].buffer};
        copies += pieces[i].buffer == NULL ? bytes.len : 0;
    }
    if (broken || rest_count == 0) {
        return broken ? WRITTEN_NOT : WRITTEN_ALL;
    }

    struct conn_write *write = mem_try(sizeof *write + copies);
    if (write != NULL) {
        memset(write, 0, sizeof *write);
        write->conn = conn;
        char *copy = write->copied;
        for (unsigned i = 0; i < rest_count; i++) {
            struct bytes bytes = rest[i].bytes;
            if (rest[i].buffer != NULL) {
                write->buffers[write->buffer_count++] = rest[i].buffer;
            } else {
                memcpy(copy, bytes.data, bytes.len);
                bytes.data = copy;
                copy += bytes.len;
            }
            bufs[i] = uv_buf_init((char *)bytes.data, (unsigned)bytes.len);
        }
    }
    if (write == NULL ||
        uv_write(&write->req, &conn->uv.stream, bufs, rest_count, write_done) != 0) {
        mem_free(write);
        for (unsigned i = 0; i < rest_count; i++) {
            hub_buffer_unref(rest[i].buffer);
        }
        return WRITTEN_NOT;
    }
    conn->writing = write;
    write->left = bytes_left(conn);
    timer_start(conn->server->loop, &write->stall, conn->server->limits.write_ms, write_stalled);
    return WRITTEN_KEPT;
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* Pieces of one write; heads and small bodies stand in the server's scratch. */
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
    /* Nothing after the last answer will be answered: what a client sent after it did not happen,
     * and the client must know that. */
    bool ends = conn->state == CONN_ENDING ||
                (conn->state == CONN_HELD && conn->server->state >= SERVER_DRAINING);
    struct exchange *at = conn->first;
    while (at != NULL && at->state == EXCHANGE_ANSWERED && !batch_full(batch)) {
        at->close = at->close || (ends && at->next == NULL);
        batch_add(batch, reply_head_write(at, batch->at));
        exchange_go(at, EXCHANGE_WRITTEN);
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
    if (at != NULL && at->state == EXCHANGE_EXPECTED && !batch_full(batch)) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        memcpy(batch->at, go_on, sizeof go_on - 1);
        batch_add(batch, sizeof go_on - 1);
        exchange_go(at, EXCHANGE_BODY);
        conn_deadline(conn, conn->server->limits.body_ms);
    }
}

bool conn__answers_flush(struct conn *conn) {
    struct batch batch = {.at = conn->server->scratch};
    batch_gather(conn, &batch);
    if (batch.count > 0) {
        size_t kept = 0;
        enum written written = conn__write(conn, batch.pieces, batch.count, &kept);
        if (written == WRITTEN_NOT) {
            conn_close(conn);
            return false;
        }
        if (written == WRITTEN_KEPT) {
            conn->writing->answers = kept;
            conn->server->answer_bytes += kept;
        }
    }
    while (conn->first != NULL && conn->first->state == EXCHANGE_WRITTEN &&
           conn->first != conn->reading) {
        struct exchange *exchange = conn->first;
        conn->first = exchange->next;
        conn->in_flight--;
        exchange_free(exchange);
    }
    if (conn->first == NULL) {
        conn->last = NULL;
        if (conn->state == CONN_IDLE) {
            conn_deadline(conn, conn->server->limits.idle_ms);
        }
    }
    const struct exchange *first = conn->first;
    /* Without a piece in this batch, too: the first answer may have left while its request's body
     * was still dropped, and the next one comes after it. */
    return conn->writing == NULL && first != NULL &&
           (first->state == EXCHANGE_ANSWERED || first->state == EXCHANGE_EXPECTED);
}
