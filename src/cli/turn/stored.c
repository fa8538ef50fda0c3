/* stored.c: pages of messages, newest first, until the answer of the turn is found; then those
 * texts of it that lists cut, part by part. */
#include "cli/turn/stored.h"

#include <stdio.h>
#include <string.h>

#include "cli/base/resource.h"
#include "cli/run/ask.h"

/* The newest answer of a session is on the first page, unless others were asked for meanwhile. */
enum { PAGES_MAX = 20, REST_MAX = 200 };

static struct err stored_get(struct talk *talk, const char *base, const char *id, const char *rest,
                             json_t **ret_json, struct why *why) {
    const struct resource resource = {
        .base = base, .id = id, .rest = rest, .retry_ms = RUN_RETRY_MS, .unknown = "that is no id"};
    return resource_ask(talk, &resource, ret_json, why);
}

static json_t *find_answer(const json_t *items, const char *run) {
    size_t at = 0;
    json_t *message = NULL;
    json_array_foreach(items, at, message) {
        if (strcmp(talk_text(message, "role"), "assistant") == 0 &&
            strcmp(talk_text(message, "run"), run) == 0) {
            return json_incref(message);
        }
    }
    return NULL;
}

static struct err answer_find(struct talk *talk, const struct turn_stored *turn,
                              json_t **ret_message, struct why *why) {
    char rest[REST_MAX] = "/messages?limit=20";
    struct err err = ERR_OK;
    for (int pages = 0; !err_failed(err) && *ret_message == NULL && pages < PAGES_MAX; pages++) {
        AUTO(json_release) json_t *page = NULL;
        err = stored_get(talk, "/api/v1/sessions/", turn->session, rest, &page, why);
        *ret_message = find_answer(json_object_get(page, "items"), turn->run);
        const char *next = talk_text(page, "next");
        if (next[0] == '\0') {
            break;
        }
        (void)snprintf(rest, sizeof rest, "/messages?limit=20&after=%.40s", next); /* Fits. */
    }
    return err;
}

static bool is_said(const json_t *part) {
    const char *kind = talk_text(part, "kind");
    return strcmp(kind, "text") == 0 || strcmp(kind, "thinking") == 0 || strcmp(kind, "tool") == 0;
}

static int64_t last_step(const json_t *parts) {
    int64_t last = 0;
    size_t at = 0;
    json_t *part = NULL;
    json_array_foreach(parts, at, part) {
        int64_t step = is_said(part) ? talk_int(part, "step") : 0;
        last = step > last ? step : last;
    }
    return last;
}

static struct err part_add(struct talk *talk, const char *message, const json_t *part,
                           struct text *text, struct why *why) {
    AUTO(json_release) json_t *whole = NULL;
    char rest[REST_MAX];
    struct err err = ERR_OK;
    if (json_is_true(json_object_get(part, "cut"))) {
        (void)snprintf(rest, sizeof rest, "/parts/%lld?limit=%d",
                       (long long)talk_int(part, "number"), 1 << 20); /* Fits. */
        err = stored_get(talk, "/api/v1/messages/", message, rest, &whole, why);
    }
    const json_t *said = json_object_get(whole != NULL ? whole : part, "text");
    if (!err_failed(err)) {
        text_add(text, json_is_string(said) ? json_string_value(said) : "",
                 json_string_length(said));
    }
    return err;
}

static void usage_take(const json_t *usage, json_t **io_usage) {
    if (!json_is_object(usage)) {
        return;
    }
    json_release(io_usage);
    *io_usage = json_copy((json_t *)(uintptr_t)usage); /* Shallow: its members are numbers. */
    (void)json_object_del(*io_usage, "calls");         /* Events do not tell these. */
    (void)json_object_del(*io_usage, "cost_unknown");
}

struct err turn_stored_read(struct talk *talk, const struct turn_stored *turn, struct text *io_text,
                            json_t **io_usage, struct why *why) {
    AUTO(json_release) json_t *message = NULL;
    struct err err = answer_find(talk, turn, &message, why);
    if (err_failed(err) || message == NULL) {
        return err;
    }
    const json_t *parts = json_object_get(message, "parts");
    int64_t step = last_step(parts);
    size_t at = 0;
    json_t *part = NULL;
    text_clear(io_text);
    json_array_foreach(parts, at, part) {
        bool last = strcmp(talk_text(part, "kind"), "text") == 0 && talk_int(part, "step") == step;
        if (last && !err_failed(err)) {
            err = part_add(talk, talk_text(message, "id"), part, io_text, why);
        }
    }
    usage_take(json_object_get(message, "usage"), io_usage);
    return err;
}
