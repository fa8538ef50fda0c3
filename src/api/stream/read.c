/* read.c: a page of events, at once or when there is one; or an endless answer (SSE).
 *
 *            ┌── what came is more than a piece ────────┐
 *            v                                          │
 *   begin ─> READING ── nothing there, time left ──> WAITING ── time is up, drain, client gone ─┐
 *            │                                          │ a piece of events that were committed  │
 *            └── events, error, or no time left ──> answered <──────────────────────────────────┘
 *
 * Whoever waits follows the stream, and the first piece that comes is the answer: nobody goes back
 * to the database for what a commit has just brought. A drain or a client that leaves while READING
 * ends the wait that would follow.
 */
#include <string.h>

#include "api/stream/streams.h"
#include "base/number.h"
#include "http/stream/sse.h"
#include "journal/journal.h"

struct read_op {
    struct request request;
    struct bytes owner, name; /* Borrowed from the exchange. */
    int64_t after, limit;     /* The cursor; < 0 until the head is known. */
    uint64_t until_ns;        /* The wait is over then; 0: there is none. */
    bool held;                /* The daemon held when this read was asked for. */
    bool snapshot, follow;    /* follow: a stream that does not exist yet is fine. */
    bool waiting, no_wait;
    struct hub_subscriber follower; /* While it waits. */
    struct timer timer;
    /* What the transaction found. */
    int64_t found_count, found_after, found_floor, last_seq;
    bool found_snapshot; /* The page begins with one, so it is worth an answer. */
    bool found_done;     /* Behind the page nothing will ever come. */
};

static void read_begin(struct read_op *read);

static struct hub *hub_of(const struct read_op *read) {
    const struct streams *streams = read->request.api;
    return streams->hub;
}

/* --- The transaction -------------------------------------------------------------------------- */

static struct err event_write(void *ctx, const struct event *event) {
    struct read_op *read = ctx;
    struct text *text = &read->request.op.answer;
    text_add_str(text, read->found_count++ == 0 ? "{" : ",{");
    text_add_member_int(text, "seq", event->seq);
    text_add_member_int(text, "at_ms", event->at_ms);
    text_add_member(text, "type", event->type);
    text_add_name(text, "data");
    text_add(text, event->data.data, event->data.len);
    text_add_char(text, '}');
    read->last_seq = event->seq;
    return ERR_OK;
}

static struct err stream_find(struct tx *tx, struct read_op *read, struct stream_state *state) {
    bool found = false;
    struct err err = tx_stream_find(tx, read->owner, read->name, &found, state);
    if (!err_failed(err) && !found && !read->follow) {
        return err_why(&read->request.op.why, ERR_NOT_FOUND, "there is no stream of that name");
    }
    return err;
}

/* Several reads of the journal make one page, until it is full in number or in bytes. */
static struct err events_write(struct tx *tx, struct read_op *read,
                               const struct stream_state *state) {
    struct err err = ERR_OK;
    int64_t before = -1;
    while (!err_failed(err) && read->last_seq < state->head && read->found_count < read->limit &&
           read->found_count != before && read->request.op.answer.len < JOURNAL_PAGE_BYTES) {
        before = read->found_count;
        err = tx_events(tx, state->stream, read->last_seq, read->limit - before, event_write, read);
    }
    return err;
}

/* *ret_after: after which event the page goes on. */
static struct err snapshot_add(struct tx *tx, struct read_op *read,
                               const struct stream_state *state, int64_t *ret_after) {
    const struct snapshot_ask ask = {
        .owner = read->owner, .name = read->name, .state = *state, .held = read->held};
    AUTO(text_done) struct text snapshot = text_up_to(SNAPSHOT_MAX);
    TRY(tx_snapshot(tx, hub_snapshots(hub_of(read)), &ask, &snapshot, ret_after));
    if (text_failed(&snapshot)) {
        return text_error(&snapshot, "read: snapshot");
    }
    text_add_str(&read->request.op.answer, "\"snapshot\":");
    text_add(&read->request.op.answer, snapshot.data, snapshot.len);
    text_addf(&read->request.op.answer, ",\"snapshot_seq\":%lld,", (long long)*ret_after);
    return ERR_OK;
}

static void end_write(const struct hub_ends *ends, struct text *text) {
    text_addf(text, "],\"head\":%lld,\"floor\":%lld,\"done\":%s}", (long long)ends->head,
              (long long)ends->floor, ends->over ? "true" : "false");
}

/* State and events come from one transaction, so that head and page agree. */
static struct err events_run(struct tx *tx, void *ctx) {
    struct read_op *read = ctx;
    op_restart(&read->request.op);
    read->found_count = 0;
    read->found_snapshot = read->found_done = false;
    struct stream_state state = {0};
    struct err err = stream_find(tx, read, &state);
    if (err_failed(err)) {
        return err;
    }
    int64_t after = read->after < 0 ? state.head : read->after;
    if (after > state.head) {
        return err_why(&read->request.op.why, ERR_CURSOR_AHEAD,
                       "after: %lld is ahead of the stream, whose head is %lld", (long long)after,
                       (long long)state.head);
    }
    read->found_after = after;
    read->found_floor = state.floor;
    struct text *text = &read->request.op.answer;
    text_add_char(text, '{');
    read->found_snapshot = read->snapshot || after < state.floor;
    if (read->found_snapshot) {
        TRY(snapshot_add(tx, read, &state, &after));
    }
    text_add_str(text, "\"events\":[");
    read->last_seq = after;
    err = events_write(tx, read, &state);
    read->found_done = state.ended && read->last_seq >= state.head;
    const struct hub_ends ends = {
        .head = state.head, .floor = state.floor, .over = read->found_done};
    end_write(&ends, text);
    return err;
}

/* --- The wait --------------------------------------------------------------------------------- */

static void wait_end(struct read_op *read) {
    read->waiting = false;
    hub_unsubscribe(hub_of(read), &read->follower);
    timer_stop(read->request.loop, &read->timer);
}

static void read_answer(struct read_op *read, struct err result) {
    wait_end(read);
    request_answer(&read->request, result);
}

/* false: the page is more, or something else, than what came. */
static bool piece_write(struct read_op *read, const struct hub_piece *piece) {
    struct hub_ends ends = hub_ends(&read->follower);
    struct text *text = &read->request.op.answer;
    if (ends.floor > read->after || piece->last_seq - read->after > read->limit) {
        return false;
    }
    ends.floor = ends.floor > read->found_floor ? ends.floor : read->found_floor;
    text_clear(text);
    text_add_str(text, "{\"events\":[");
    text_add(text, piece->bytes.data + 1, piece->bytes.len - 1); /* Without the first comma. */
    end_write(&ends, text);
    return true;
}

static void piece_came(struct read_op *read, struct hub_piece *piece) {
    bool whole = piece_write(read, piece);
    hub_buffer_unref(piece->buffer);
    if (whole) {
        read_answer(read, op_written(&read->request.op));
    } else {
        wait_end(read);
        read_begin(read);
    }
}

static void wait_ready(struct hub_subscriber *follower) {
    struct read_op *read = CONTAINER_OF(follower, struct read_op, follower);
    struct hub_piece piece;
    switch (hub_pull(hub_of(read), follower, &piece)) {
    case HUB_WAIT:
        break;
    case HUB_PIECE:
        piece_came(read, &piece);
        break;
    case HUB_DONE:
        wait_end(read);
        read_begin(read);
        break;
    case HUB_GONE:
        read_answer(read, follower->err);
        break;
    }
}

static void wait_over(struct timer *timer) {
    struct read_op *read = CONTAINER_OF(timer, struct read_op, timer);
    read_answer(read, ERR_OK); /* The empty page is still there. */
}

/* The client left, or the server drains: both end the wait. */
static void wait_cut(struct exchange *exchange, void *ctx) {
    struct read_op *read = ctx;
    read->no_wait = true;
    if (read->waiting) {
        read_answer(read, ERR_OK);
    }
}

static void wait_begin(struct read_op *read, uint64_t left_ns) {
    read->waiting = true;
    read->after = read->found_after;
    struct hub_subscribe what = {.owner = read->owner, .name = read->name, .after = read->after};
    timer_start(read->request.loop, &read->timer, left_ns / 1000000 + 1, wait_over);
    read->follower.ready = wait_ready;
    read->follower.format = HUB_POLL;
    hub_subscribe(hub_of(read), &what, &read->follower);
}

static void events_done(struct err result, void *ctx) {
    struct read_op *read = ctx;
    bool empty =
        !err_failed(result) && read->found_count == 0 && !read->found_snapshot && !read->found_done;
    uint64_t now_ns = world_mono_ns(loop_world(read->request.loop));
    if (empty && !read->no_wait && read->until_ns > now_ns) {
        wait_begin(read, read->until_ns - now_ns);
        return;
    }
    read_answer(read, result);
}

static void read_begin(struct read_op *read) {
    read->held = snapshots_held(hub_snapshots(hub_of(read)));
    store_read(read->request.store, events_run, events_done, read);
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err read_start(void *ctx) {
    struct read_op *read = ctx;
    struct exchange *exchange = read->request.op.exchange;
    int64_t wait_s = param_number(exchange, "wait");
    read->owner = read->request.key.owner;
    read->name = exchange_param(exchange, 0);
    read->after = param_number(exchange, "after");
    read->snapshot = param_flag(exchange, "snapshot");
    read->limit = param_number(exchange, "limit");
    if (wait_s > 0) {
        read->follow = true;
        read->until_ns =
            world_mono_ns(loop_world(read->request.loop)) + (uint64_t)wait_s * 1000000000U;
        exchange_on_gone(exchange, wait_cut, read);
        exchange_on_drain(exchange, wait_cut, read);
    }
    read_begin(read);
    return ERR_OK;
}

const struct request_kind streams__read = {
    .size = sizeof(struct read_op), .later = true, .start = read_start};

/* A browser that reconnects sends its first URL again and the newer cursor in Last-Event-ID. */
static struct err resume_read(const struct exchange *exchange, int64_t *after, struct why *why) {
    struct bytes id = {0};
    if (!exchange_header(exchange, "last-event-id", &id) || id.len == 0) {
        return ERR_OK;
    }
    struct number_bounds bounds = {0, INT64_MAX};
    if (!number_parse(id, bounds, after)) {
        return err_why(why, ERR_BAD_CURSOR, "Last-Event-ID: not the number of an event");
    }
    return ERR_OK;
}

void streams__follow(struct exchange *exchange, struct streams *streams) {
    struct hub_subscribe what = {.name = exchange_param(exchange, 0),
                                 .after = param_number(exchange, "after"),
                                 .snapshot = param_flag(exchange, "snapshot")};
    struct why why = {.text = ""};
    struct err err = op_owner(exchange, &what.owner, &why);
    if (!err_failed(err)) {
        err = resume_read(exchange, &what.after, &why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
    } else {
        exchange_stream_sse(exchange, streams->hub, &what);
    }
}
