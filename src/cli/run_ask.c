/* run_ask.c: GET, and the stream that tells of a run. */
#include "cli/run_ask.h"

#include <string.h>

#include "cli/follow.h"
#include "cli/run_view.h"

struct err run_get(struct talk *talk, const char *id, int64_t retry_ms, json_t **ret_run,
                   struct why *why) {
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/runs/", id, "")) {
        why_set(why, "that is no run's id");
        return err_make(ERR_NOT_FOUND, "run: id");
    }
    struct client_request request = {.method = "GET", .target = target.data};
    return talk_ask_until(talk, &request, retry_ms, ret_run, why);
}

struct watcher {
    const char *id;
    int64_t past_attempt;
    bool enough;
};

static bool is_type(const struct follow_event *event, const char *type) {
    return event->type.len == strlen(type) && memcmp(event->type.data, type, event->type.len) == 0;
}

/* A turn has no stream of its own, nor has an agent of a workflow: theirs tells of many. */
static void event_look(void *ctx, const struct follow_event *event) {
    struct watcher *watcher = ctx;
    bool one_of_many = is_type(event, "turn_finished") || is_type(event, "agent_finished");
    bool started = watcher->past_attempt > 0 && is_type(event, "run_started");
    if (is_type(event, "run_finished") || is_type(event, "workflow_finished") ||
        is_type(event, "deleted")) {
        watcher->enough = true;
    }
    if (!one_of_many && !started) {
        return;
    }
    AUTO(json_release) json_t *data = NULL;
    struct why ignored;
    struct err err = json_parse_wrapped(event->data, &data, &ignored);
    if (err_failed(err)) {
        return;
    }
    if (one_of_many ? strcmp(talk_text(data, "run"), watcher->id) == 0
                    : talk_int(data, "attempt") > watcher->past_attempt) {
        watcher->enough = true;
    }
}

static bool is_enough(const struct run_wait *wait, const json_t *run) {
    bool later = wait->past_attempt > 0 && talk_int(run, "attempts") > wait->past_attempt;
    return later || run_has_ended(run);
}

static struct err stream_wait(struct talk *talk, const struct run_wait *wait, const json_t *run,
                              struct why *why) {
    AUTO(text_done) struct text name = {0};
    text_init(&name, 8 << 10);
    const char *stream = talk_text(run, "stream");
    text_addf(&name, "%s%s",
              stream[0] != '\0' ? "" : "run:", stream[0] != '\0' ? stream : wait->id);
    if (text_failed(&name)) {
        return err_make(ERR_OUT_OF_MEMORY, "run: stream");
    }
    struct watcher watcher = {.id = wait->id, .past_attempt = wait->past_attempt};
    struct follow_options options = {
        .client = talk->client,
        .talk = &talk->options,
        .world = talk->world,
        .name = name.data,
        .via = FOLLOW_SSE,
        .retry_ms = wait->retry_ms,
        .enough = &watcher.enough,
        .event = event_look,
        .trouble = talk_trouble,
        .ctx = &watcher,
    };
    return follow_run(&options, why);
}

struct err run_wait(struct talk *talk, const struct run_wait *wait, json_t **ret_run,
                    struct why *why) {
    AUTO(json_release) json_t *before = NULL;
    struct err err = run_get(talk, wait->id, wait->retry_ms, &before, why);
    if (!err_failed(err) && is_enough(wait, before)) {
        *ret_run = before;
        before = NULL;
        return ERR_OK;
    }
    if (!err_failed(err)) {
        talk_warn_held(talk);
        err = stream_wait(talk, wait, before, why);
    }
    return err_failed(err) ? err : run_get(talk, wait->id, wait->retry_ms, ret_run, why);
}
