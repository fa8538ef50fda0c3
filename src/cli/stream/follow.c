/* follow.c: order, ends, and trying again; the transports only bring bytes. */
#include "cli/stream/follow.h"

#include <string.h>

#include "base/json/json.h"

enum { PAUSE_FIRST_MS = 20, PAUSE_MAX_MS = 2000, FRAME_MAX = 2 << 20 };

void follow__alive(struct follow *follow) {
    follow->alive = true;
    if (follow->away && follow->options->back != NULL) {
        follow->options->back(follow->options->ctx);
    }
    follow->away = false;
}

struct err follow__event(struct follow *follow, const struct follow_event *event) {
    bool snapshot = event->type.len == 8 && memcmp(event->type.data, "snapshot", 8) == 0;
    follow__alive(follow);
    if (!snapshot) {
        if (event->seq <= follow->cursor) {
            return ERR_OK; /* Seen before the reconnect. */
        }
        if (event->seq != follow->cursor + 1) {
            why_set(follow->why, "the stream has a gap: event %lld came after %lld",
                    (long long)event->seq, (long long)follow->cursor);
            return err_make(ERR_STORE_CORRUPT, "follow: order");
        }
    }
    if (!snapshot || event->seq > follow->cursor) {
        follow->cursor = event->seq;
    }
    follow->options->event(follow->options->ctx, event);
    follow->delivered += !snapshot;
    bool all = follow->options->count > 0 && follow->delivered >= follow->options->count;
    if (all || (follow->options->enough != NULL && *follow->options->enough)) {
        follow->ended = true;
    }
    return ERR_OK;
}

struct err follow__object(struct follow *follow, const void *json) {
    const json_t *object = json;
    const json_t *data = json_object_get(object, "data");
    const char *type = json_string_value(json_object_get(object, "type"));
    if (type == NULL || data == NULL) {
        why_set(follow->why, "the daemon sent an event without type or data");
        return err_make(ERR_IO, "follow: event");
    }
    AUTO(text_done) struct text text = {0};
    text_init(&text, FRAME_MAX);
    struct err err = json_write(data, &text);
    if (err_failed(err)) {
        return err;
    }
    struct follow_event event = {.seq = json_integer_value(json_object_get(object, "seq")),
                                 .type = {type, strlen(type)},
                                 .data = {text.data, text.len}};
    return follow__event(follow, &event);
}

static struct err connected_run(struct follow *follow) {
    switch (follow->options->via) {
    case FOLLOW_SSE:
        return follow__sse(follow);
    case FOLLOW_WS:
        return follow__ws(follow);
    default:
        return follow__poll(follow);
    }
}

/* Half of the pause is random, so that many followers of one daemon do not come back at once. */
static struct err pause_before_retry(struct follow *follow, int64_t *pause_ms) {
    const struct follow_options *options = follow->options;
    uint16_t random = 0;
    world_random(options->world, &random, sizeof random);
    int64_t half = *pause_ms / 2;
    struct err err = client_pause(options->talk, half + half * random / UINT16_MAX);
    *pause_ms = *pause_ms * 2 < PAUSE_MAX_MS ? *pause_ms * 2 : PAUSE_MAX_MS;
    return err;
}

/* "Only new events" must mean the same before and after a reconnect, so it is made a number. */
static struct err cursor_settle(struct follow *follow) {
    if (follow->cursor >= 0) {
        return ERR_OK;
    }
    struct err err = follow__head(follow, &follow->cursor);
    if (err.code == ERR_NOT_FOUND) {
        follow->cursor = 0;
        follow->why->text[0] = '\0';
        err = ERR_OK;
    }
    if (!err_failed(err)) {
        follow__alive(follow);
    }
    return err;
}

/* The time since the last success, or since the begin, decides. A daemon that was killed before its
 * first answer was whole is retried like any other outage; a daemon that never listened is not. */
static bool may_retry(const struct follow *follow, struct err err, uint64_t quiet_ns) {
    const struct follow_options *options = follow->options;
    bool absent = err.code == ERR_UNREACHABLE && !client_was_connected(options->client);
    return client_may_pass(err) && !absent && options->retry_ms != 0 &&
           quiet_ns <= (uint64_t)options->retry_ms * UINT64_C(1000000);
}

struct err follow_run(const struct follow_options *options, struct why *why) {
    struct follow follow = {.options = options, .why = why, .cursor = options->after};
    int64_t pause_ms = PAUSE_FIRST_MS;
    uint64_t alive_ns = world_mono_ns(options->world);
    for (;;) {
        follow.alive = false;
        why->text[0] = '\0';
        struct err err = cursor_settle(&follow);
        if (!err_failed(err)) {
            err = connected_run(&follow);
        }
        client_hang_up(options->client);
        uint64_t now_ns = world_mono_ns(options->world);
        if (follow.alive) {
            alive_ns = now_ns;
            pause_ms = PAUSE_FIRST_MS;
        }
        if (follow.ended || !may_retry(&follow, err, now_ns - alive_ns)) {
            return follow.ended ? ERR_OK : err;
        }
        if (pause_ms == PAUSE_FIRST_MS) { /* Once for each outage. */
            options->trouble(options->ctx, why->text[0] != '\0' ? why->text : err_title(err.code));
            follow.away = true;
        }
        err = pause_before_retry(&follow, &pause_ms);
        if (err_failed(err)) {
            return err;
        }
    }
}
