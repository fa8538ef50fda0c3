/* pour.c: bytes of an answer that is poured.
 *
 * For HTTP/1.1 each write is one chunk, and the last one is empty; for HTTP/1.0 they are bare, and
 * end with the connection. The connection ends in both cases: a pipelined request would wait for
 * an unknown time. */
#include "http/stream/pour.h"

#include <stdio.h>

#include "base/memory.h"
#include "http/inside.h"

enum {
    FIELDS_MAX = 1024,
    HALF_CLOSED_MS = 1000, /* Until we ask again whether somebody reads. */
};

static struct pour *of_outlet(struct outlet *outlet) {
    return CONTAINER_OF(outlet, struct pour, outlet);
}

bool pour_open(const struct pour *pour) {
    return pour->started && !pour->over && !outlet_waits(&pour->outlet);
}

enum pour_result pour_write_pieces(struct pour *pour, const struct outlet_piece *pieces,
                                   unsigned count) {
    assert(pour_open(pour));
    assert(count <= POUR_PIECES_MAX);
    pour->wrote = true;
    if (!pour->chunked) {
        return outlet_write(&pour->outlet, pieces, count) ? POUR_MORE : POUR_WAIT;
    }
    char head[24];
    struct outlet_piece chunk[OUTLET_PIECES_MAX];
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        total += pieces[i].bytes.len;
        chunk[i + 1] = pieces[i];
    }
    int len = snprintf(head, sizeof head, "%zx\r\n", total);
    assert(len > 0);
    chunk[0] = (struct outlet_piece){.bytes = {head, (size_t)len}};
    chunk[count + 1] = (struct outlet_piece){.bytes = BYTES("\r\n")};
    return outlet_write(&pour->outlet, chunk, count + 2) ? POUR_MORE : POUR_WAIT;
}

enum pour_result pour_write(struct pour *pour, struct bytes bytes) {
    assert(bytes.len <= POUR_PIECE_MAX);
    if (bytes.len == 0) {
        return POUR_MORE; /* An empty chunk would be the end. */
    }
    struct outlet_piece piece = {.bytes = bytes};
    return pour_write_pieces(pour, &piece, 1);
}

static void pour_finish(struct pour *pour) {
    if (pour->chunked && !outlet_waits(&pour->outlet)) {
        struct outlet_piece last = {.bytes = BYTES("0\r\n\r\n")};
        (void)outlet_write(&pour->outlet, &last, 1); /* What must wait is written before the end. */
    }
    outlet_end(&pour->outlet);
}

void pour_end(struct pour *pour) {
    assert(pour->started);
    if (pour->over) {
        return;
    }
    pour->over = true;
    timer_stop(pour->server->loop, &pour->heartbeat);
    if (!pour->chunked || !outlet_waits(&pour->outlet)) {
        pour_finish(pour);
    }
}

void pour_cut(struct pour *pour) {
    assert(pour->started);
    pour->over = true;
    timer_stop(pour->server->loop, &pour->heartbeat);
    outlet_cut(&pour->outlet);
}

/* --- The connection's side -------------------------------------------------------------------- */

static void pour_beat(struct timer *timer) {
    struct pour *pour = CONTAINER_OF(timer, struct pour, heartbeat);
    timer_start(pour->server->loop, timer, pour->server->limits.heartbeat_ms, pour_beat);
    bool silent = !pour->wrote;
    if (silent && pour_open(pour)) {
        /* If it must wait, so does the next; `ready` comes once more than was asked for. */
        (void)pour_write(pour, pour->options.beat);
    }
    pour->wrote = false;
}

static void pour_start(struct outlet *outlet) {
    struct pour *pour = of_outlet(outlet);
    struct outlet_piece head = {.bytes = {pour->head, pour->head_len}};
    pour->started = true;
    if (pour->options.beat.len > 0) {
        timer_start(pour->server->loop, &pour->heartbeat, pour->server->limits.heartbeat_ms,
                    pour_beat);
    }
    bool out = outlet_write(outlet, &head, 1);
    mem_free(pour->head);
    pour->head = NULL;
    if (out) {
        pour->options.ops->ready(pour);
    }
}

static void pour_receive(struct outlet *outlet, struct bytes bytes) {
    /* Bytes are dropped: the connection ends with this answer, so no later request is served. */
}

static void pour_writable(struct outlet *outlet) {
    struct pour *pour = of_outlet(outlet);
    if (pour->over) {
        pour_finish(pour);
    } else {
        pour->options.ops->ready(pour);
    }
}

/* What comes before the start comes again after it. */
static void pour_drain(struct outlet *outlet, enum err_code why) {
    struct pour *pour = of_outlet(outlet);
    if (pour->started && !pour->told && !pour->over) {
        pour->told = true;
        pour->options.ops->drain(pour, why);
    }
}

/* A client that shut its side after the request still reads, or is gone: the system answers the
 * first write to nobody with a reset, and the next one fails. */
static void pour_half_closed(struct outlet *outlet) {
    struct pour *pour = of_outlet(outlet);
    if (pour->options.beat.len == 0 || pour->over) {
        return;
    }
    pour->wrote = false;
    pour_beat(&pour->heartbeat);
    if (pour->server->limits.heartbeat_ms > HALF_CLOSED_MS) {
        pour->wrote = false;
        timer_start(pour->server->loop, &pour->heartbeat, HALF_CLOSED_MS, pour_beat);
    }
}

static void pour_say_gone(struct loop_task *task) {
    struct pour *pour = CONTAINER_OF(task, struct pour, task);
    pour->options.ops->gone(pour);
}

static void pour_gone(struct outlet *outlet) {
    struct pour *pour = of_outlet(outlet);
    timer_stop(pour->server->loop, &pour->heartbeat);
    pour->server->stats.streams_sse -= pour->options.beat.len > 0 ? 1 : 0;
    pour->over = true;
    mem_free(pour->head);
    pour->head = NULL;
    if (pour->beginning) {
        loop_soon(pour->server->loop, &pour->task);
    } else {
        pour_say_gone(&pour->task);
    }
}

static const struct outlet_ops pour_outlet = {.start = pour_start,
                                              .receive = pour_receive,
                                              .writable = pour_writable,
                                              .drain = pour_drain,
                                              .half_closed = pour_half_closed,
                                              .gone = pour_gone};

/* --- Beginning -------------------------------------------------------------------------------- */

bool exchange_pour_begin(struct exchange *exchange, const struct pour_options *options,
                         struct pour *pour) {
    if (exchange->head_only) {
        exchange_reply(exchange, 200, options->media, NULL /* no body */);
        return false;
    }
    pour->outlet.ops = &pour_outlet;
    pour->options = *options;
    pour->server = exchange->server;
    pour->chunked = exchange->request.minor > 0;
    pour->task.run = pour_say_gone;
    char fields[FIELDS_MAX], head[ANSWER_HEAD_MAX];
    int len = snprintf(
        fields, sizeof fields,
        "Content-Type: %s\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        "X-Accel-Buffering: no\r\nConnection: close\r\n%s%.*s",
        options->media, pour->chunked ? "Transfer-Encoding: chunked\r\n" : "",
        (int)exchange->extra_len, exchange->extra);
    assert(len > 0);
    assert((size_t)len < sizeof fields);
    pour->head_len = reply_stream_head_write(exchange->server, "HTTP/1.1 200 OK\r\n", fields, head);
    pour->head = mem_copy(head, pour->head_len);
    pour->server->stats.streams_sse += options->beat.len > 0 ? 1 : 0;
    pour->beginning = true;
    exchange_hand_over(exchange, &pour->outlet);
    pour->beginning = false;
    return true;
}
