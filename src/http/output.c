/* output.c: the bytes that leave a connection: answers in the order of their requests, many in one
 * write, and whatever the socket does not take at once.
 *
 * For a write the socket is tried at once. Bytes that it does not take are kept in one conn_write,
 * and nothing more is written until that is gone: so a slow client costs one write. A client that
 * takes none of them for write_ms is cut.
 *
 * The kernel copies what it takes, and some megabytes take it milliseconds. So the socket is given
 * at most SLICE_MAX in one turn, and a body that is larger is not copied here: its exchange lives
 * until it is written.
 */
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/memory.h"
#include "http/conn.h"
#include "loop/loop_uv.h"

enum {
    PIECES_MAX = 32,
    SLICE_MAX = 256 << 10,   /* Upper bound of what one turn copies for a slow client. */
    BODY_COPY_MAX = 4 << 10, /* Smaller bodies go out beside their heads, in one piece. */
};
static_assert((int)OUTLET_PIECES_MAX <= (int)PIECES_MAX, "a stream's write fits");

/* --- What the socket did not take ------------------------------------------------------------- */

struct conn_write {
    uv_write_t req;
    struct conn *conn;
    struct timer stall;
    size_t left;               /* When the stall timer was armed. */
    uv_buf_t rest[PIECES_MAX]; /* Not given to the socket yet, from `rest_at` on. */
    unsigned rest_at, rest_count;
    size_t rest_bytes;
    struct exchange *held; /* Owned: its body is written from where it stands. NULL: none. */
    unsigned buffer_count;
    struct hub_buffer *buffers[OUTLET_PIECES_MAX]; /* A reference each. */
    size_t copies; /* Bytes in `copied`; they count among the answers that wait. */
    char copied[];
};

/* The first SLICE_MAX bytes of some. */
static unsigned slice_cut(const uv_buf_t *from, unsigned count, uv_buf_t *ret_slice) {
    size_t room = SLICE_MAX;
    unsigned used = 0;
    for (; used < count && room > 0; used++) {
        size_t len = from[used].len < room ? from[used].len : room;
        ret_slice[used] = uv_buf_init(from[used].base, (unsigned)len);
        room -= len;
    }
    return used;
}

/* Bytes of ours and of the kernel's: it may hold megabytes that a slow client takes, one after the
 * other, long before there is room for more of ours. */
static size_t bytes_left(const struct conn_write *write) {
    const uv_stream_t *stream = &write->conn->uv.stream;
    uv_os_fd_t fd;
    int held = 0;
    if (uv_fileno(&write->conn->uv.handle, &fd) != 0 || ioctl(fd, SIOCOUTQ, &held) != 0) {
        held = 0;
    }
    return write->rest_bytes + uv_stream_get_write_queue_size(stream) + (size_t)held;
}

static void write_stalled(struct timer *timer) {
    struct conn_write *write = CONTAINER_OF(timer, struct conn_write, stall);
    struct conn *conn = write->conn;
    size_t left = bytes_left(write);
    if (left >= write->left) {
        conn->server->stats.timeouts++;
        conn__cut(conn);
        return;
    }
    write->left = left;
    timer_start(conn->server->loop, timer, conn->server->limits.write_ms, write_stalled);
}

static void write_done(uv_write_t *req, int status);

static bool write_slice(struct conn_write *write) {
    uv_buf_t slice[PIECES_MAX] = {{0}};
    unsigned count =
        slice_cut(write->rest + write->rest_at, write->rest_count - write->rest_at, slice);
    if (uv_write(&write->req, &write->conn->uv.stream, slice, count, write_done) != 0) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        uv_buf_t *from = &write->rest[write->rest_at];
        from->base += slice[i].len;
        from->len -= slice[i].len;
        write->rest_bytes -= slice[i].len;
        write->rest_at += from->len == 0;
    }
    return true;
}

static void write_free(struct conn_write *write) {
    for (unsigned i = 0; i < write->buffer_count; i++) {
        hub_buffer_unref(write->buffers[i]);
    }
    if (write->held != NULL) {
        exchange_free(write->held);
    }
    write->conn->server->answer_bytes -= write->copies;
    mem_free(write);
}

static void write_done(uv_write_t *req, int status) {
    struct conn_write *write = CONTAINER_OF(req, struct conn_write, req);
    struct conn *conn = write->conn;
    loop_breathe(conn->server->loop);
    bool broken = status < 0;
    if (!broken && conn->state != CONN_CLOSING && write->rest_bytes > 0) {
        if (write_slice(write)) {
            return;
        }
        broken = true;
    }
    timer_stop(conn->server->loop, &write->stall);
    conn->writing = NULL;
    write_free(write);
    if (conn->state == CONN_CLOSING) {
        return;
    }
    if (broken) {
        conn_close(conn);
    } else if (conn->state == CONN_STREAM) {
        conn->outlet->ops->writable(conn->outlet);
    } else {
        conn__flush(conn);
        conn__read_more(conn);
    }
}

/* Keeps the pieces but for their first `done` bytes; NULL: no memory. */
static struct conn_write *write_keep(struct conn *conn, const struct outlet_piece *pieces,
                                     unsigned count, size_t done, bool last_stays) {
    struct outlet_piece rest[PIECES_MAX];
    unsigned rest_count = 0;
    size_t copies = 0;
    for (unsigned i = 0; i < count; i++) {
        struct bytes bytes = pieces[i].bytes;
        size_t out = done < bytes.len ? done : bytes.len;
        bool stays = pieces[i].buffer != NULL || (last_stays && i + 1 == count);
        done -= out;
        if (out == bytes.len) {
            hub_buffer_unref(pieces[i].buffer);
            continue;
        }
        bytes = (struct bytes){bytes.data + out, bytes.len - out};
        rest[rest_count++] = (struct outlet_piece){.bytes = bytes, .buffer = pieces[i].buffer};
        copies += stays ? 0 : bytes.len;
    }
    struct conn_write *write = mem_try(sizeof *write + copies);
    if (write == NULL) {
        for (unsigned i = 0; i < rest_count; i++) {
            hub_buffer_unref(rest[i].buffer);
        }
        return NULL;
    }
    memset(write, 0, sizeof *write);
    write->conn = conn;
    write->copies = copies;
    write->rest_count = rest_count;
    char *copy = write->copied;
    for (unsigned i = 0; i < rest_count; i++) {
        struct bytes bytes = rest[i].bytes;
        if (rest[i].buffer != NULL) {
            write->buffers[write->buffer_count++] = rest[i].buffer;
        } else if (!last_stays || i + 1 < rest_count) {
            memcpy(copy, bytes.data, bytes.len);
            bytes.data = copy;
            copy += bytes.len;
        }
        write->rest[i] = uv_buf_init((char *)bytes.data, (unsigned)bytes.len);
        write->rest_bytes += bytes.len;
    }
    return write;
}

enum written conn__write(struct conn *conn, const struct outlet_piece *pieces, unsigned count,
                         bool last_stays) {
    uv_buf_t bufs[PIECES_MAX] = {{0}}, slice[PIECES_MAX] = {{0}};
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        bufs[i] = uv_buf_init((char *)pieces[i].bytes.data, (unsigned)pieces[i].bytes.len);
        total += pieces[i].bytes.len;
    }
    int rc = uv_try_write(&conn->uv.stream, slice, slice_cut(bufs, count, slice));
    bool broken = rc < 0 && rc != UV_EAGAIN;
    size_t done = rc > 0 ? (size_t)rc : 0;
    conn->server->stats.bytes_written += broken ? 0 : total;
    if (broken || done == total) {
        for (unsigned i = 0; i < count; i++) {
            hub_buffer_unref(pieces[i].buffer);
        }
        return broken ? WRITTEN_NOT : WRITTEN_ALL;
    }
    struct conn_write *write = write_keep(conn, pieces, count, done, last_stays);
    if (write == NULL) {
        return WRITTEN_NOT;
    }
    conn->server->answer_bytes += write->copies;
    if (!write_slice(write)) {
        write_free(write);
        return WRITTEN_NOT;
    }
    conn->writing = write;
    write->left = bytes_left(write);
    timer_start(conn->server->loop, &write->stall, conn->server->limits.write_ms, write_stalled);
    return WRITTEN_KEPT;
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* Pieces of one write; heads and small bodies stand in the server's scratch. */
struct batch {
    struct outlet_piece pieces[PIECES_MAX];
    unsigned count;
    struct exchange *large; /* NULL, or that of the last piece, which is not copied. */
    char *at;               /* End of what was put into the scratch. */
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
    return batch->count + 2 > PIECES_MAX || batch->total >= SLICE_MAX ||
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
            /* The batch is full then. An exchange that is still read stays the connection's. */
            batch->large = at->body_len >= SLICE_MAX && at != conn->reading ? at : NULL;
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
    struct exchange *held = NULL;
    if (batch.count > 0) {
        enum written written = conn__write(conn, batch.pieces, batch.count, batch.large != NULL);
        if (written == WRITTEN_NOT) {
            conn_close(conn);
            return false;
        }
        held = written == WRITTEN_KEPT ? batch.large : NULL;
    }
    while (conn->first != NULL && conn->first->state == EXCHANGE_WRITTEN &&
           conn->first != conn->reading) {
        struct exchange *exchange = conn->first;
        conn->first = exchange->next;
        conn->in_flight--;
        if (exchange == held) {
            exchange->conn = NULL;
            conn->writing->held = exchange;
        } else {
            exchange_free(exchange);
        }
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
