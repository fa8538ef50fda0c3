/* ask.c: GET, and the stream that tells of a run. */
#include "cli/run/ask.h"

#include <string.h>

#include "cli/run/view.h"
#include "cli/stream/follow.h"

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
    int64_t seq; /* Of the last event, or of a snapshot. */
    bool enough;
};

/* Turns and agents of a workflow share a stream with others of their kind. A snapshot stands for
 * events that were pruned, and the end may be one of these. */
static void event_look(void *ctx, const struct follow_event *event) {
    struct watcher *watcher = ctx;
    bool one_of_many =
        bytes_is(event->type, "turn_finished") || bytes_is(event->type, "agent_finished");
    bool started = watcher->past_attempt > 0 && bytes_is(event->type, "run_started");
    watcher->seq = event->seq;
    if (bytes_is(event->type, "run_finished") || bytes_is(event->type, "workflow_finished") ||
        bytes_is(event->type, "deleted") || bytes_is(event->type, "snapshot")) {
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

/* *io_seq: where it begins, and where it ended. *ret_over: the stream has ended. */
static struct err stream_wait(struct talk *talk, const struct run_wait *wait, const json_t *run,
                              int64_t *io_seq, bool *ret_over, struct why *why) {
    AUTO(text_done) struct text name = {0};
    text_init(&name, 8 << 10);
    const char *stream = talk_text(run, "stream");
    text_addf(&name, "%s%s",
              stream[0] != '\0' ? "" : "run:", stream[0] != '\0' ? stream : wait->id);
    if (text_failed(&name)) {
        return err_make(ERR_OUT_OF_MEMORY, "run: stream");
    }
    struct watcher watcher = {.id = wait->id, .past_attempt = wait->past_attempt, .seq = *io_seq};
    struct follow_options options = {
        .talk = talk,
        .name = name.data,
        .via = FOLLOW_SSE,
        .after = *io_seq,
        .retry_ms = wait->retry_ms,
        .enough = &watcher.enough,
        .event = event_look,
        .ctx = &watcher,
    };
    struct err err = follow_run(&options, why);
    *io_seq = watcher.seq;
    *ret_over = !watcher.enough;
    return err;
}

/* The run is read, then its stream is followed from the last event that was seen. A stream that has
 * ended brings no further event. */
struct err run_wait(struct talk *talk, const struct run_wait *wait, json_t **ret_run,
                    struct why *why) {
    int64_t seq = 0;
    bool over = false;
    for (;;) {
        AUTO(json_release) json_t *run = NULL;
        struct err err = run_get(talk, wait->id, wait->retry_ms, &run, why);
        if (err_failed(err)) {
            return err;
        }
        bool later = wait->past_attempt > 0 && talk_int(run, "attempt") > wait->past_attempt;
        if (over || later || run_has_ended(run)) {
            *ret_run = run;
            run = NULL;
            return ERR_OK;
        }
        talk_warn_held(talk);
        err = stream_wait(talk, wait, run, &seq, &over, why);
        if (err_failed(err)) {
            return err;
        }
    }
}
