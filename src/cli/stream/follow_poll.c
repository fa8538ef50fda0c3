/* follow_poll.c: one request for each page; the daemon holds it while there is nothing. */
#include "base/json/json.h"
#include "cli/stream/follow.h"

enum { WAIT_S = 30, PAGE_LIMIT = 1000 };

static struct err target_write(const struct follow *follow, struct text *target) {
    text_clear(target);
    text_add_str(target, "/api/v1/streams/");
    client_add_escaped(target, follow->options->name);
    text_addf(target, "/events?after=%lld&limit=%d&wait=%d", (long long)follow->cursor, PAGE_LIMIT,
              follow->options->once ? 0 : WAIT_S);
    return text_failed(target) ? err_make(ERR_BAD_FIELD, "follow: name") : ERR_OK;
}

/* The first frame of a reader from below the floor, as SSE has it. */
static struct err snapshot_deliver(struct follow *follow, const json_t *snapshot) {
    if (snapshot == NULL) {
        return ERR_OK;
    }
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1024);
    struct err err = json_write(snapshot, &text);
    if (err_failed(err)) {
        return err;
    }
    struct follow_event event = {.seq = json_integer_value(json_object_get(snapshot, "floor")),
                                 .type = BYTES("snapshot"),
                                 .data = {text.data, text.len}};
    return follow__event(follow, &event);
}

static struct err page_deliver(struct follow *follow, const json_t *page) {
    if (!json_is_array(json_object_get(page, "events")) ||
        !json_is_integer(json_object_get(page, "head"))) {
        why_set(follow->why, "what answers there is no drover: its page has no events");
        return err_make(ERR_INTERNAL, "follow: page");
    }
    struct err err = snapshot_deliver(follow, json_object_get(page, "snapshot"));
    const json_t *events = json_object_get(page, "events");
    int64_t head = json_integer_value(json_object_get(page, "head"));
    size_t at = 0;
    json_t *event = NULL;
    json_array_foreach(events, at, event) {
        if (err_failed(err) || follow->ended) {
            return err;
        }
        err = follow__object(follow, event);
    }
    bool over = json_is_true(json_object_get(page, "done"));
    if (!err_failed(err) && (over || (follow->options->once && follow->cursor >= head))) {
        follow->ended = true;
    }
    return err;
}

struct err follow__poll(struct follow *follow) {
    AUTO(text_done) struct text target = {0};
    text_init(&target, 4 << 10);
    struct err err = ERR_OK;
    while (!err_failed(err) && !follow->ended) {
        AUTO(text_done) struct text body = {0};
        AUTO(json_release) json_t *page = NULL;
        err = target_write(follow, &target);
        if (!err_failed(err)) {
            struct client_request request = {
                .method = "GET", .target = target.data, .timeout_ms = (WAIT_S + 15) * 1000};
            err = client_call(follow->options->client, &request, &body, follow->why);
        }
        if (!err_failed(err)) {
            err = json_parse_wrapped((struct bytes){body.data, body.len}, &page, follow->why);
        }
        if (!err_failed(err)) {
            follow__alive(follow);
            err = page_deliver(follow, page);
        }
    }
    return err;
}

struct err follow__head(struct follow *follow, int64_t *ret_head) {
    AUTO(text_done) struct text target = {0}, body = {0};
    AUTO(json_release) json_t *row = NULL;
    text_init(&target, 4 << 10);
    text_add_str(&target, "/api/v1/streams/");
    client_add_escaped(&target, follow->options->name);
    if (text_failed(&target)) {
        return err_make(ERR_BAD_FIELD, "follow: name");
    }
    struct client_request request = {.method = "GET", .target = target.data};
    struct err err = client_call(follow->options->client, &request, &body, follow->why);
    if (!err_failed(err)) {
        err = json_parse_wrapped((struct bytes){body.data, body.len}, &row, follow->why);
    }
    if (!err_failed(err)) {
        *ret_head = json_integer_value(json_object_get(row, "head"));
    }
    return err;
}
