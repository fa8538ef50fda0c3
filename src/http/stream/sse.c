/* Bytes of a stream, inside chunks for HTTP/1.1 and bare for HTTP/1.0:
 *
 *     frame = ["id: " seq LF] ["event: " type LF] "data: " json LF LF
 *     comment = ":" LF LF                the heartbeat, and the begin of an idle stream
 *
 * The last frame has no id: `done` where the stream itself has ended, else `closing`, with the
 * cursor to resume from.
 * One write carries one chunk, of as many pieces as the hub had. */
#include "http/stream/sse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "http/inside.h"

enum {
    WRITE_PIECES_MAX = 16,
    WRITE_BYTES_MAX = 128 << 10, /* Of one write, and so of one slow client. */
    TURN_WRITES_MAX = 2,         /* Then the others come. */
    FRAME_SIZE = 192,
    HALF_CLOSED_MS = 1000, /* Until we ask again whether somebody reads. */
};

static const struct bytes comment = {":\n\n", 3};

static_assert(WRITE_PIECES_MAX + 2 <= OUTLET_PIECES_MAX, "a chunk has a head and a tail");

struct sse {
    struct outlet outlet;
    struct hub_subscriber subscriber;
    struct http_server *server; /* Borrowed. */
    struct hub *hub;            /* Borrowed. */
    struct exchange *exchange;  /* Until it is known whether the subscription stands. */
    struct timer heartbeat;
    struct loop_task task;
    struct hub_piece first; /* What the hub had before the start; buffer NULL: nothing. */
    int64_t sent;           /* The cursor of what was handed to the connection. */
    enum err_code ending;   /* ERR_NONE: it goes on. */
    bool chunked, over, wrote;
};

static struct sse *of_outlet(struct outlet *outlet) {
    return CONTAINER_OF(outlet, struct sse, outlet);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool write_pieces(struct sse *sse, struct outlet_piece *pieces, unsigned count) {
    char head[24];
    struct outlet_piece all[OUTLET_PIECES_MAX];
    sse->wrote = true;
    if (!sse->chunked) {
        return outlet_write(&sse->outlet, pieces, count);
    }
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        total += pieces[i].bytes.len;
        all[i + 1] = pieces[i];
    }
    int len = snprintf(head, sizeof head, "%zx\r\n", total);
    assert(len > 0);
    all[0] = (struct outlet_piece){.bytes = {head, (size_t)len}};
    all[count + 1] = (struct outlet_piece){.bytes = BYTES("\r\n")};
    return outlet_write(&sse->outlet, all, count + 2);
}

static bool write_bytes(struct sse *sse, struct bytes bytes) {
    struct outlet_piece piece = {.bytes = bytes};
    return write_pieces(sse, &piece, 1);
}

/* The last frame; behind it the connection ends. */
static void write_last(struct sse *sse, const char *frame, int len) {
    char whole[FRAME_SIZE + 32];
    int whole_len =
        sse->chunked ? snprintf(whole, sizeof whole, "%x\r\n%s\r\n0\r\n\r\n", (unsigned)len, frame)
                     : snprintf(whole, sizeof whole, "%s", frame);
    assert(whole_len > 0 && (size_t)whole_len < sizeof whole);
    struct outlet_piece piece = {.bytes = {whole, (size_t)whole_len}};
    sse->over = true;
    hub_unsubscribe(sse->hub, &sse->subscriber);
    (void)outlet_write(&sse->outlet, &piece, 1); /* What must wait is written before the end. */
    outlet_end(&sse->outlet);
}

/* A client resumes after this seq; `code` tells why it must. */
static void end(struct sse *sse, const char *code) {
    char frame[FRAME_SIZE];
    int len = code == NULL
                  ? snprintf(frame, sizeof frame,
                             "event: closing\ndata: {\"after\":%" PRId64 "}\n\n", sse->sent)
                  : snprintf(frame, sizeof frame,
                             "event: closing\ndata: {\"after\":%" PRId64 ",\"code\":\"%s\"}\n\n",
                             sse->sent, code);
    assert(len > 0 && (size_t)len < sizeof frame);
    write_last(sse, frame, len);
}

/* The stream itself has ended: there is nothing to resume. */
static void end_done(struct sse *sse) {
    char frame[FRAME_SIZE];
    int len =
        snprintf(frame, sizeof frame, "event: done\ndata: {\"after\":%" PRId64 "}\n\n", sse->sent);
    assert(len > 0 && (size_t)len < sizeof frame);
    write_last(sse, frame, len);
}

/* --- Pulling ---------------------------------------------------------------------------------- */

/* Fills `pieces`. HUB_PIECE: as many as one write takes; else what the hub answered at last. */
static enum hub_pull pull(struct sse *sse, struct outlet_piece *pieces, unsigned *ret_count) {
    unsigned count = 0;
    size_t total = 0;
    while (count < WRITE_PIECES_MAX && total < WRITE_BYTES_MAX) {
        struct hub_piece piece;
        enum hub_pull result = HUB_PIECE;
        if (sse->first.buffer != NULL) {
            piece = sse->first;
            sse->first.buffer = NULL;
        } else {
            result = hub_pull(sse->hub, &sse->subscriber, &piece);
        }
        if (result != HUB_PIECE) {
            *ret_count = count;
            return result;
        }
        pieces[count++] = (struct outlet_piece){.bytes = piece.bytes, .buffer = piece.buffer};
        total += piece.bytes.len;
        sse->sent = piece.last_seq;
    }
    *ret_count = count;
    return HUB_PIECE;
}

static void pump(struct sse *sse) {
    for (unsigned turns = 0; !sse->over && !outlet_waits(&sse->outlet); turns++) {
        if (turns == TURN_WRITES_MAX) {
            loop_soon(sse->server->loop, &sse->task);
            return;
        }
        if (sse->ending != ERR_NONE) {
            end(sse, sse->ending == ERR_CLOSING ? NULL : err_name(sse->ending));
            return;
        }
        struct outlet_piece pieces[WRITE_PIECES_MAX];
        unsigned count = 0;
        enum hub_pull result = pull(sse, pieces, &count);
        bool taken = count == 0 || write_pieces(sse, pieces, count);
        if (result == HUB_GONE && taken) {
            end(sse, err_name(sse->subscriber.err.code));
            return;
        }
        if (result == HUB_DONE && taken) {
            end_done(sse);
            return;
        }
        if (count == 0) {
            return; /* `ready` goes on. */
        }
    }
}

static void pump_again(struct loop_task *task) {
    pump(CONTAINER_OF(task, struct sse, task));
}

/* --- The connection's side -------------------------------------------------------------------- */

static void beat(struct timer *timer) {
    struct sse *sse = CONTAINER_OF(timer, struct sse, heartbeat);
    if (!sse->wrote && !sse->over && !outlet_waits(&sse->outlet)) {
        (void)write_bytes(sse, comment); /* If it must wait, so does the next. */
    }
    sse->wrote = false;
    timer_start(sse->server->loop, timer, sse->server->limits.heartbeat_ms, beat);
}

static void start(struct outlet *outlet) {
    struct sse *sse = of_outlet(outlet);
    char head[ANSWER_HEAD_MAX];
    size_t len = reply_stream_head_write(
        sse->server, "HTTP/1.1 200 OK\r\n",
        sse->chunked ? "Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                       "X-Accel-Buffering: no\r\nConnection: close\r\n"
                       "Transfer-Encoding: chunked\r\n"
                     : "Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                       "X-Accel-Buffering: no\r\nConnection: close\r\n",
        head);
    struct outlet_piece piece = {.bytes = {head, len}};
    timer_start(sse->server->loop, &sse->heartbeat, sse->server->limits.heartbeat_ms, beat);
    if (!outlet_write(outlet, &piece, 1)) {
        return; /* `writable` goes on. */
    }
    pump(sse);
    /* An idle stream begins with a comment: a client takes a head alone for no success, since a
     * peer that closes behind each head would be asked again without end. */
    if (!sse->wrote && !sse->over && !outlet_waits(outlet)) {
        (void)write_bytes(sse, comment); /* If it must wait, so do the events. */
    }
}

static void receive(struct outlet *outlet, struct bytes bytes) {
    /* A stream has no end behind which a next request could be answered. */
}

static void writable(struct outlet *outlet) {
    struct sse *sse = of_outlet(outlet);
    if (sse->subscriber.err.code != ERR_NONE && !sse->over) {
        end(sse, err_name(sse->subscriber.err.code));
        return;
    }
    pump(sse);
}

static void drain(struct outlet *outlet, enum err_code why) {
    struct sse *sse = of_outlet(outlet);
    sse->ending = why;
    if (outlet->conn != NULL) {
        pump(sse);
    }
}

/* Whoever shut its side after the request still reads, or is gone: the system answers the first
 * write to nobody with a reset, and the next one fails. */
static void half_closed(struct outlet *outlet) {
    struct sse *sse = of_outlet(outlet);
    sse->wrote = false;
    beat(&sse->heartbeat);
    if (sse->server->limits.heartbeat_ms > HALF_CLOSED_MS) {
        sse->wrote = false;
        timer_start(sse->server->loop, &sse->heartbeat, HALF_CLOSED_MS, beat);
    }
}

static void gone(struct outlet *outlet) {
    struct sse *sse = of_outlet(outlet);
    timer_stop(sse->server->loop, &sse->heartbeat);
    loop_task_cancel(sse->server->loop, &sse->task);
    hub_unsubscribe(sse->hub, &sse->subscriber);
    hub_buffer_unref(sse->first.buffer);
    sse->server->stats.streams_sse--;
    mem_free(sse);
}

static const struct outlet_ops ops = {.start = start,
                                      .receive = receive,
                                      .writable = writable,
                                      .drain = drain,
                                      .half_closed = half_closed,
                                      .gone = gone};

/* --- Beginning -------------------------------------------------------------------------------- */

/* Now it is known whether there is anything to stream: the status can be said. */
static void answer(struct sse *sse) {
    struct exchange *exchange = sse->exchange;
    sse->exchange = NULL;
    exchange_on_gone(exchange, NULL, NULL);
    sse->sent = sse->subscriber.cursor;
    if (hub_pull(sse->hub, &sse->subscriber, &sse->first) == HUB_GONE) {
        struct err err = sse->subscriber.err;
        hub_unsubscribe(sse->hub, &sse->subscriber);
        mem_free(sse);
        exchange_problem(exchange, err, NULL);
        return;
    }
    sse->server->stats.streams_sse++;
    exchange_hand_over(exchange, &sse->outlet);
}

static void ready(struct hub_subscriber *subscriber) {
    struct sse *sse = CONTAINER_OF(subscriber, struct sse, subscriber);
    if (sse->exchange != NULL) {
        answer(sse);
    } else if (sse->outlet.conn != NULL) {
        pump(sse);
    }
}

/* The client did not wait for the first word; or it shut its side only, and does. */
static void given_up(struct exchange *exchange, void *ctx) {
    struct sse *sse = ctx;
    if (exchange->conn != NULL) {
        exchange_on_gone(exchange, given_up, sse);
        return;
    }
    hub_unsubscribe(sse->hub, &sse->subscriber);
    mem_free(sse);
    exchange_problem(exchange, err_make(ERR_CLOSING, "sse: open"), NULL);
}

void exchange_stream_sse(struct exchange *exchange, struct hub *hub,
                         const struct hub_subscribe *what) {
    if (exchange->head_only) {
        exchange_reply(exchange, 200, "text/event-stream", NULL);
        return;
    }
    struct sse *sse = mem_new(sizeof *sse);
    sse->outlet.ops = &ops;
    sse->server = exchange->server;
    sse->hub = hub;
    sse->exchange = exchange;
    sse->chunked = exchange->request.minor > 0;
    sse->task.run = pump_again;
    sse->subscriber.ready = ready;
    sse->subscriber.format = HUB_SSE;
    exchange_on_gone(exchange, given_up, sse);
    hub_subscribe(hub, what, &sse->subscriber);
}
