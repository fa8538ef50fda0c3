/* Bytes of an answer that is poured: for HTTP/1.1 each write is one chunk, and the last one is
 * empty; for HTTP/1.0 they are bare, and end with the connection. The connection ends in both
 * cases: what a client sent behind such a request would wait for no one knows how long. */
#include "http/stream/pour.h"

#include <stdio.h>
#include <string.h>

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

enum pour_result pour_write(struct pour *pour, struct bytes bytes) {
    assert(pour_open(pour));
    assert(bytes.len <= POUR_PIECE_MAX);
    if (bytes.len == 0) {
        return POUR_MORE; /* An empty chunk would be the end. */
    }
    char size[24];
    struct outlet_piece all[3] = {{.bytes = {size, 0}}, {.bytes = bytes}, {.bytes = BYTES("\r\n")}};
    pour->wrote = true;
    if (!pour->chunked) {
        return outlet_write(&pour->outlet, &all[1], 1) ? POUR_MORE : POUR_WAIT;
    }
    int len = snprintf(size, sizeof size, "%zx\r\n", bytes.len);
    assert(len > 0);
    all[0].bytes.len = (size_t)len;
    return outlet_write(&pour->outlet, all, COUNT_OF(all)) ? POUR_MORE : POUR_WAIT;
}

static void finish(struct pour *pour) {
    if (pour->chunked && !outlet_waits(&pour->outlet)) {
        struct outlet_piece piece = {.bytes = BYTES("0\r\n\r\n")};
        (void)outlet_write(&pour->outlet, &piece,
                           1); /* What must wait is written before the end. */
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
        finish(pour);
    }
}

void pour_cut(struct pour *pour) {
    assert(pour->started);
    pour->over = true;
    timer_stop(pour->server->loop, &pour->heartbeat);
    outlet_cut(&pour->outlet);
}

/* --- The connection's side -------------------------------------------------------------------- */

static void beat(struct timer *timer) {
    struct pour *pour = CONTAINER_OF(timer, struct pour, heartbeat);
    timer_start(pour->server->loop, timer, pour->server->limits.heartbeat_ms, beat);
    bool silent = !pour->wrote;
    if (silent && pour_open(pour)) {
        /* If it must wait, so does the next; `ready` comes once more than was asked for. */
        (void)pour_write(pour, pour->options.beat);
    }
    pour->wrote = false;
}

static void head_free(struct pour *pour) {
    mem_free(pour->head);
    pour->head = NULL;
}

static void start(struct outlet *outlet) {
    struct pour *pour = of_outlet(outlet);
    struct outlet_piece piece = {.bytes = {pour->head, pour->head_len}};
    pour->started = true;
    if (pour->options.beat.len > 0) {
        timer_start(pour->server->loop, &pour->heartbeat, pour->server->limits.heartbeat_ms, beat);
    }
    bool out = outlet_write(outlet, &piece, 1);
    head_free(pour);
    if (out) {
        pour->options.ops->ready(pour);
    }
}

static void receive(struct outlet *outlet, struct bytes bytes) {
    /* A request behind an answer that takes the connection with it is not answered. */
}

static void writable(struct outlet *outlet) {
    struct pour *pour = of_outlet(outlet);
    if (pour->over) {
        finish(pour);
        return;
    }
    pour->options.ops->ready(pour);
}

/* What comes before the start comes again after it. */
static void drain(struct outlet *outlet, enum err_code why) {
    struct pour *pour = of_outlet(outlet);
    if (pour->started && !pour->told && !pour->over) {
        pour->told = true;
        pour->options.ops->drain(pour, why);
    }
}

/* Whoever shut its side after the request still reads, or is gone: the system answers the first
 * write to nobody with a reset, and the next one fails. */
static void half_closed(struct outlet *outlet) {
    struct pour *pour = of_outlet(outlet);
    if (pour->options.beat.len == 0 || pour->over) {
        return;
    }
    pour->wrote = false;
    beat(&pour->heartbeat);
    if (pour->server->limits.heartbeat_ms > HALF_CLOSED_MS) {
        pour->wrote = false;
        timer_start(pour->server->loop, &pour->heartbeat, HALF_CLOSED_MS, beat);
    }
}

static void say_gone(struct loop_task *task) {
    struct pour *pour = CONTAINER_OF(task, struct pour, task);
    pour->options.ops->gone(pour);
}

static void gone(struct outlet *outlet) {
    struct pour *pour = of_outlet(outlet);
    timer_stop(pour->server->loop, &pour->heartbeat);
    pour->server->stats.streams_sse -= pour->options.beat.len > 0 ? 1 : 0;
    pour->over = true;
    head_free(pour);
    if (pour->beginning) {
        loop_soon(pour->server->loop, &pour->task);
    } else {
        say_gone(&pour->task);
    }
}

static const struct outlet_ops ops = {.start = start,
                                      .receive = receive,
                                      .writable = writable,
                                      .drain = drain,
                                      .half_closed = half_closed,
                                      .gone = gone};

/* --- Beginning -------------------------------------------------------------------------------- */

static void head_make(const struct exchange *exchange, struct pour *pour) {
    char fields[FIELDS_MAX];
    int len = snprintf(fields, sizeof fields,
                       "Content-Type: %s\r\nCache-Control: no-store\r\n"
                       "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n"
                       "Connection: close\r\n%s%.*s",
                       pour->options.media, pour->chunked ? "Transfer-Encoding: chunked\r\n" : "",
                       (int)exchange->extra_len, exchange->extra);
    assert(len > 0);
    assert((size_t)len < sizeof fields);
    char head[ANSWER_HEAD_MAX];
    pour->head_len = reply_stream_head_write(exchange->server, "HTTP/1.1 200 OK\r\n", fields, head);
    pour->head = mem_copy(head, pour->head_len);
}

bool exchange_pour_begin(struct exchange *exchange, const struct pour_options *options,
                         struct pour *pour) {
    if (exchange->head_only) {
        exchange_reply(exchange, 200, options->media, NULL /* no body */);
        return false;
    }
    pour->outlet.ops = &ops;
    pour->options = *options;
    pour->server = exchange->server;
    pour->chunked = exchange->request.minor > 0;
    pour->task.run = say_gone;
    head_make(exchange, pour);
    pour->server->stats.streams_sse += options->beat.len > 0 ? 1 : 0;
    pour->beginning = true;
    exchange_hand_over(exchange, &pour->outlet);
    pour->beginning = false;
    return true;
}
