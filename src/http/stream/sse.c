/* sse.c: the events of a stream, poured (pour.h):
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

#include "base/memory.h"
#include "http/inside.h"
#include "http/stream/pour.h"

enum {
    WRITE_BYTES_MAX = 128 << 10, /* Of one write, and so of one slow client. */
    TURN_WRITES_MAX = 2,         /* Then the others come. */
    FRAME_SIZE = 192,
};

static const struct bytes comment = BYTES_INIT(":\n\n");

/*   OPENING ──> FLOWING ──> CLOSING, DONE: the last frame is due */
enum sse_state {
    SSE_OPENING, /* Until it is known whether the subscription stands. */
    SSE_FLOWING,
    SSE_CLOSING,
    SSE_DONE, /* The stream itself has ended: there is nothing to resume. */
};

struct sse {
    struct pour pour;
    struct hub_subscriber subscriber;
    struct http_server *server; /* Borrowed. */
    struct hub *hub;            /* Borrowed. */
    struct exchange *exchange;  /* While SSE_OPENING. */
    struct loop_task task;
    struct hub_piece first; /* What the hub had before the start; buffer NULL: nothing. */
    int64_t sent;           /* The cursor of what was handed to the connection. */
    enum sse_state state;
    bool begun;       /* The head is out. */
    const char *code; /* SSE_CLOSING: why; NULL: the server drains. Static. */
};

/* Writes the last frame; after it the connection ends. A client resumes after its seq. */
static void sse_end(struct sse *sse) {
    char frame[FRAME_SIZE];
    int len = snprintf(frame, sizeof frame, "event: %s\ndata: {\"after\":%" PRId64 "%s%s%s}\n\n",
                       sse->state == SSE_DONE ? "done" : "closing", sse->sent,
                       sse->code == NULL ? "" : ",\"code\":\"", sse->code == NULL ? "" : sse->code,
                       sse->code == NULL ? "" : "\"");
    assert(len > 0 && (size_t)len < sizeof frame);
    hub_unsubscribe(sse->hub, &sse->subscriber);
    (void)pour_write(&sse->pour,
                     (struct bytes){frame, (size_t)len}); /* pour_end writes it first. */
    pour_end(&sse->pour);
}

/* Fills `pieces` with as many as one write takes, and learns whether more will come. */
static unsigned sse_pull(struct sse *sse, struct outlet_piece *pieces) {
    unsigned count = 0;
    size_t total = 0;
    while (count < POUR_PIECES_MAX && total < WRITE_BYTES_MAX) {
        struct hub_piece piece = sse->first;
        enum hub_pull result = HUB_PIECE;
        sse->first.buffer = NULL;
        if (piece.buffer == NULL) {
            result = hub_pull(sse->hub, &sse->subscriber, &piece);
        }
        if (result == HUB_GONE) {
            sse->state = SSE_CLOSING;
            sse->code = err_name(sse->subscriber.err.code);
        } else if (result == HUB_DONE) {
            sse->state = SSE_DONE;
        }
        if (result != HUB_PIECE) {
            break;
        }
        pieces[count++] = (struct outlet_piece){.bytes = piece.bytes, .buffer = piece.buffer};
        total += piece.bytes.len;
        sse->sent = piece.last_seq;
    }
    return count;
}

static void sse_pump(struct sse *sse) {
    for (unsigned turns = 0; pour_open(&sse->pour); turns++) {
        if (sse->state != SSE_FLOWING) {
            sse_end(sse);
            return;
        }
        if (turns == TURN_WRITES_MAX) {
            loop_soon(sse->server->loop, &sse->task);
            return;
        }
        struct outlet_piece pieces[POUR_PIECES_MAX];
        unsigned count = sse_pull(sse, pieces);
        if (count > 0) {
            (void)pour_write_pieces(&sse->pour, pieces, count); /* pour_open is asked next. */
        } else if (sse->state == SSE_FLOWING) {
            return; /* The hub's `ready` goes on. */
        }
    }
}

static void sse_turn(struct loop_task *task) {
    sse_pump(CONTAINER_OF(task, struct sse, task));
}

/* --- The connection's side -------------------------------------------------------------------- */

static void sse_writable(struct pour *pour) {
    struct sse *sse = CONTAINER_OF(pour, struct sse, pour);
    bool begins = !sse->begun;
    sse->begun = true;
    sse_pump(sse);
    /* An idle stream begins with a comment: clients do not count a bare head as success, since
     * they would retry forever against a peer that closes after each head. */
    if (begins && !pour->wrote && pour_open(pour)) {
        (void)pour_write(pour, comment); /* If it must wait, so do the events. */
    }
}

static void sse_drain(struct pour *pour, enum err_code why) {
    struct sse *sse = CONTAINER_OF(pour, struct sse, pour);
    sse->state = SSE_CLOSING;
    sse->code = why == ERR_CLOSING ? NULL : err_name(why);
    sse_pump(sse);
}

static void sse_gone(struct pour *pour) {
    struct sse *sse = CONTAINER_OF(pour, struct sse, pour);
    loop_task_cancel(sse->server->loop, &sse->task);
    hub_unsubscribe(sse->hub, &sse->subscriber);
    hub_buffer_unref(sse->first.buffer);
    mem_free(sse);
}

static const struct pour_ops sse_pour = {
    .ready = sse_writable, .drain = sse_drain, .gone = sse_gone};

/* --- Beginning -------------------------------------------------------------------------------- */

/* Now it is known whether there is anything to stream: the status can be sent. */
static void sse_answer(struct sse *sse) {
    struct exchange *exchange = sse->exchange;
    const struct pour_options options = {
        .ops = &sse_pour, .media = "text/event-stream", .beat = comment};
    sse->exchange = NULL;
    sse->state = SSE_FLOWING;
    sse->sent = sse->subscriber.cursor;
    exchange_on_gone(exchange, NULL, NULL);
    if (hub_pull(sse->hub, &sse->subscriber, &sse->first) != HUB_GONE) {
        bool begun = exchange_pour_begin(exchange, &options, &sse->pour);
        assert(begun); /* It is no HEAD. */
        return;
    }
    struct err err = sse->subscriber.err;
    hub_unsubscribe(sse->hub, &sse->subscriber);
    mem_free(sse);
    exchange_problem(exchange, err, NULL);
}

static void sse_ready(struct hub_subscriber *subscriber) {
    struct sse *sse = CONTAINER_OF(subscriber, struct sse, subscriber);
    if (sse->state == SSE_OPENING) {
        sse_answer(sse);
    } else {
        sse_pump(sse);
    }
}

/* The client did not wait for the first word; or it shut its side only, and does. */
static void sse_given_up(struct exchange *exchange, void *ctx) {
    struct sse *sse = ctx;
    if (!exchange_is_orphaned(exchange)) {
        exchange_on_gone(exchange, sse_given_up, sse);
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
    sse->server = exchange->server;
    sse->hub = hub;
    sse->exchange = exchange;
    sse->task.run = sse_turn;
    sse->subscriber.ready = sse_ready;
    sse->subscriber.format = HUB_SSE;
    exchange_on_gone(exchange, sse_given_up, sse);
    hub_subscribe(hub, what, &sse->subscriber);
}
