/* follow.c: order, ends, and trying again; server-sent events, long polls. */
#include "cli/stream/follow.h"

#include <stdio.h>
#include <string.h>

#include "cli/stream/sse_reader.h"

enum {
    PAUSE_FIRST_MS = 20,
    PAUSE_MAX_MS = 2000,
    FRAME_MAX = 2 << 20,
    POLL_WAIT_S = 30,
    POLL_LIMIT = 1000,
};

/* --- Events ----------------------------------------------------------------------------------- */

void follow__alive(struct follow *follow) {
    follow->alive = true;
    if (follow->away && follow->options->back != NULL) {
        follow->options->back(follow->options->ctx);
    }
    follow->away = false;
}

struct err follow__event(struct follow *follow, const struct follow_event *event) {
    const struct follow_options *options = follow->options;
    bool snapshot = bytes_is(event->type, "snapshot");
    follow__alive(follow);
    if (!snapshot && event->seq <= follow->cursor) {
        return ERR_OK; /* Seen before the reconnect. */
    }
    if (!snapshot && event->seq != follow->cursor + 1) {
        return err_why(follow->why, ERR_STORE_CORRUPT,
                       "the stream has a gap: event %lld came after %lld", (long long)event->seq,
                       (long long)follow->cursor);
    }
    follow->cursor = event->seq > follow->cursor ? event->seq : follow->cursor;
    options->event(options->ctx, event);
    follow->delivered += !snapshot;
    bool all = options->count > 0 && follow->delivered >= options->count;
    if (all || (options->enough != NULL && *options->enough)) {
        follow->ended = true;
    }
    return ERR_OK;
}

static struct err json_deliver(struct follow *follow, int64_t seq, const char *type,
                               const json_t *data) {
    AUTO(text_done) struct text text = text_up_to(FRAME_MAX);
    struct err err = json_write(data, &text);
    struct follow_event event = {.seq = seq, .type = bytes_of(type), .data = text_bytes(&text)};
    return err_failed(err) ? err : follow__event(follow, &event);
}

struct err follow__object(struct follow *follow, const json_t *object) {
    const json_t *data = json_object_get(object, "data");
    const char *type = json_str(object, "type", NULL);
    if (type == NULL || data == NULL) {
        return err_why(follow->why, ERR_IO, "the daemon sent an event without type or data");
    }
    return json_deliver(follow, json_int(object, "seq", 0), type, data);
}

/* --- Requests --------------------------------------------------------------------------------- */

/* The path of the stream with `rest` after it. */
static struct err target_make(const struct follow *follow, const char *rest, struct text *target) {
    text_init(target, 4 << 10);
    text_add_str(target, "/api/v1/streams/");
    client_add_escaped(target, follow->options->name);
    text_add_str(target, rest);
    return text_failed(target) ? err_make(ERR_BAD_FIELD, "follow: name") : ERR_OK;
}

static struct err stream_get(const struct follow *follow, const char *rest, int64_t timeout_ms,
                             json_t **ret_answer) {
    AUTO(text_done) struct text target = {0};
    struct err err = target_make(follow, rest, &target);
    const struct client_request request = {
        .method = "GET", .target = target.data, .timeout_ms = timeout_ms};
    return err_failed(err) ? err
                           : talk_ask(follow->options->talk, &request, NULL /* parsed is enough */,
                                      ret_answer, follow->why);
}

/* "Only new events" must mean the same before and after a reconnect, so it is made a number. */
static struct err cursor_settle(struct follow *follow) {
    AUTO(json_release) json_t *row = NULL;
    if (follow->cursor >= 0) {
        return ERR_OK;
    }
    struct err err = stream_get(follow, "", 0 /* as usual */, &row);
    if (err.code == ERR_NOT_FOUND) {
        follow->why->text[0] = '\0';
        err = ERR_OK;
    }
    if (!err_failed(err)) {
        follow->cursor = json_int(row, "head", 0);
        follow__alive(follow);
    }
    return err;
}

/* --- Server-sent events ----------------------------------------------------------------------- */

/* `closing` is the daemon's farewell, `done` the end of the stream itself. What follows an event
 * that was the last one wanted is not looked at. */
static struct err frame_take(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct follow *follow = ctx;
    if (follow->ended) {
        return ERR_OK;
    }
    if (sse_is(frame, "closing")) {
        return err_why(why, ERR_CLOSING, "the daemon ended the stream");
    }
    follow->ended = sse_is(frame, "done");
    if (follow->ended || frame->data.len == 0) {
        return ERR_OK;
    }
    const struct follow_event event = {.seq = frame->id, .type = frame->type, .data = frame->data};
    return follow__event(follow, &event);
}

/* A frame that its connection broke in is dropped by the reader: the event comes again after the
 * reconnect. A head alone is no success: see follow.h. */
static struct err sse_follow(struct follow *follow) {
    AUTO(text_done) struct text target = {0};
    AUTO(sse_reader_done) struct sse_reader reader;
    char rest[48];
    sse_reader_init(&reader);
    reader.frame = frame_take;
    reader.ctx = follow;
    (void)snprintf(rest, sizeof rest, "/events?after=%lld", (long long)follow->cursor); /* Fits. */
    struct err err = target_make(follow, rest, &target);
    const struct client_request request = {
        .method = "GET", .target = target.data, .accept = "text/event-stream"};
    err =
        err_failed(err) ? err : client_begin(follow->options->talk->client, &request, follow->why);
    while (!err_failed(err) && !follow->ended) {
        struct bytes piece = {0};
        err = client_read(follow->options->talk->client, FOLLOW_SILENCE_MS, &piece, follow->why);
        if (!err_failed(err) && piece.len == 0) {
            return err_why(follow->why, ERR_CLOSING, "the daemon closed the stream");
        }
        if (!err_failed(err)) {
            follow__alive(follow);
            err = sse_reader_feed(&reader, piece, follow->why);
        }
    }
    return err;
}

/* --- Long polls ------------------------------------------------------------------------------- */

static struct err page_deliver(struct follow *follow, const json_t *page) {
    const json_t *events = json_object_get(page, "events"), *head = json_object_get(page, "head");
    const json_t *snapshot = json_object_get(page, "snapshot");
    struct err err = ERR_OK;
    if (!json_is_array(events) || !json_is_integer(head)) {
        return err_why(follow->why, ERR_INTERNAL,
                       "what answers there is no drover: its page has no events");
    }
    if (snapshot != NULL) { /* The first frame of a reader from below the floor, as SSE has it. */
        err = json_deliver(follow, json_int(snapshot, "floor", 0), "snapshot", snapshot);
    }
    for (size_t i = 0; i < json_array_size(events) && !err_failed(err) && !follow->ended; i++) {
        err = follow__object(follow, json_array_get(events, i));
    }
    bool read = follow->options->once && follow->cursor >= json_integer_value(head);
    if (!err_failed(err) && (read || json_is_true(json_object_get(page, "done")))) {
        follow->ended = true;
    }
    return err;
}

/* Each page is one request; the daemon holds it while there is nothing. */
static struct err poll_follow(struct follow *follow) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !follow->ended) {
        AUTO(json_release) json_t *page = NULL;
        char rest[80];
        (void)snprintf(rest, sizeof rest, "/events?after=%lld&limit=%d&wait=%d",
                       (long long)follow->cursor, POLL_LIMIT,
                       follow->options->once ? 0 : POLL_WAIT_S); /* Fits. */
        err = stream_get(follow, rest, (POLL_WAIT_S + 15) * 1000, &page);
        if (!err_failed(err)) {
            follow__alive(follow);
            err = page_deliver(follow, page);
        }
    }
    return err;
}

/* --- Trying again ----------------------------------------------------------------------------- */

static struct err connected_run(struct follow *follow) {
    struct err err = cursor_settle(follow);
    if (err_failed(err)) {
        return err;
    }
    switch (follow->options->via) {
    case FOLLOW_SSE:
        return sse_follow(follow);
    case FOLLOW_WS:
        return follow__ws(follow);
    default:
        return poll_follow(follow);
    }
}

/* The time since the last success, or since the beginning, decides. A daemon that was killed before
 * its first answer was whole is retried like any other outage; a daemon that never listened is
 * not. */
static bool may_retry(const struct follow *follow, struct err err, uint64_t quiet_ns) {
    const struct follow_options *options = follow->options;
    bool absent = err.code == ERR_UNREACHABLE && !client_was_connected(options->talk->client);
    return client_may_pass(err) && !absent && options->retry_ms != 0 &&
           quiet_ns <= (uint64_t)options->retry_ms * UINT64_C(1000000);
}

struct err follow_run(const struct follow_options *options, struct why *why) {
    struct follow follow = {.options = options, .why = why, .cursor = options->after};
    const struct world *world = options->talk->world;
    int64_t pause_ms = PAUSE_FIRST_MS;
    uint64_t alive_ns = world_mono_ns(world);
    for (;;) {
        follow.alive = false;
        why->text[0] = '\0';
        struct err err = connected_run(&follow);
        client_hang_up(options->talk->client);
        uint64_t now_ns = world_mono_ns(world);
        if (follow.alive) {
            alive_ns = now_ns;
            pause_ms = PAUSE_FIRST_MS;
        }
        if (follow.ended || !may_retry(&follow, err, now_ns - alive_ns)) {
            return follow.ended ? ERR_OK : err;
        }
        if (pause_ms == PAUSE_FIRST_MS) { /* Once for each outage. */
            void (*trouble)(void *ctx, const char *text) =
                options->trouble != NULL ? options->trouble : talk_trouble;
            trouble(options->ctx, why->text[0] != '\0' ? why->text : err_title(err.code));
            follow.away = true;
        }
        /* Half of the pause is random, so that many followers of one daemon do not come back at
         * once. */
        uint16_t random = 0;
        world_random(world, &random, sizeof random);
        err = client_pause(&options->talk->options,
                           pause_ms / 2 + pause_ms / 2 * random / UINT16_MAX);
        if (err_failed(err)) {
            return err;
        }
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
}
