/* ask.c: GET, and the stream that tells of a run. */
#include "cli/run/ask.h"

#include <string.h>

#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/names.h"
#include "cli/run/view.h"
#include "cli/run/waits.h"
#include "cli/stream/follow.h"

enum { QUESTIONS_MAX = 100 }; /* Number of questions that are looked at, a request for each. */

struct err run_get(struct talk *talk, const char *id, int64_t retry_ms, json_t **ret_run,
                   struct why *why) {
    const struct api_request run = {
        .base = "/api/v1/runs/", .id = id, .retry_ms = retry_ms, .unknown = "there is no run '{}'"};
    return api_ask(talk, &run, ret_run, why);
}

struct watcher {
    const struct run_wait *wait;
    int64_t seq; /* Of the last event, or of a snapshot. */
    bool enough;
};

/* Turns and agents of a workflow share a stream with others of their kind. A snapshot stands for
 * events that were pruned, and the end may be one of these. */
static void event_look(void *ctx, const struct follow_event *event) {
    static const char *const ends[] = {"run_finished", "workflow_finished", "deleted", "snapshot"};
    struct watcher *watcher = ctx;
    const struct run_wait *wait = watcher->wait;
    bool one_of_many =
        bytes_is(event->type, "turn_finished") || bytes_is(event->type, "agent_finished");
    bool started = wait->past_attempt > 0 && bytes_is(event->type, "run_started");
    watcher->seq = event->seq;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        watcher->enough = watcher->enough || bytes_is(event->type, ends[i]);
    }
    AUTO(json_release) json_t *data = NULL;
    if ((!one_of_many && !started) ||
        err_failed(json_parse_wrapped(event->data, &data, NULL /* no why */))) {
        return;
    }
    if (one_of_many ? strcmp(talk_text(data, "run"), wait->id) == 0
                    : talk_int(data, "attempt") > wait->past_attempt) {
        watcher->enough = true;
    }
}

/* The run is read, then its stream is followed from the last event that was seen. A stream that has
 * ended brings no further event. */
struct err run_wait(struct talk *talk, const struct run_wait *wait, json_t **ret_run,
                    struct why *why) {
    struct watcher watcher = {.wait = wait};
    for (bool over = false;; over = !watcher.enough) {
        AUTO(json_release) json_t *run = NULL;
        TRY(run_get(talk, wait->id, wait->retry_ms, &run, why));
        bool later = wait->past_attempt > 0 && talk_int(run, "attempt") > wait->past_attempt;
        if (over || later || run_has_ended(run)) {
            *ret_run = run;
            run = NULL;
            return ERR_OK;
        }
        talk_warn_held(talk);
        AUTO(text_done) struct text name = text_up_to(8 << 10);
        const char *stream = talk_text(run, "stream");
        bool named = stream[0] != '\0';
        text_addf(&name, "%s%s", named ? "" : "run:", named ? stream : wait->id);
        if (text_failed(&name)) {
            return err_make(ERR_OUT_OF_MEMORY, "run: stream");
        }
        watcher.enough = false;
        struct follow_options options = {
            .talk = talk,
            .name = name.data,
            .via = FOLLOW_SSE,
            .after = watcher.seq,
            .retry_ms = wait->retry_ms,
            .enough = &watcher.enough,
            .on_event = event_look,
            .ctx = &watcher,
        };
        TRY(follow_run(&options, why));
    }
}

/* An agent with tools asks in a turn of its own. */
static bool question_is_of(struct talk *talk, const json_t *question, const json_t *run) {
    const char *id = talk_text(run, "id"), *asker = talk_text(question, "run");
    AUTO(json_release) json_t *turn = NULL;
    return strcmp(asker, id) == 0 ||
           (strcmp(talk_text(run, "kind"), "agent") == 0 &&
            !err_failed(run_get(talk, asker, 0 /* no retry */, &turn, NULL /* no why */)) &&
            strcmp(talk_text(turn, "parent"), id) == 0);
}

void run_questions_add(struct talk *talk, const json_t *run, struct text *text) {
    AUTO(json_release) json_t *rows = NULL;
    const json_t *row = NULL;
    size_t at = 0;
    if (run_has_ended(run) ||
        err_failed(action_rows(talk, "/api/v1/approvals", &rows, NULL /* no why */))) {
        return;
    }
    json_array_foreach(rows, at, row) {
        if (at < QUESTIONS_MAX && question_is_of(talk, row, run)) {
            text_add_str(text, "asks        ");
            run_question_lines_add(row, "            ", text);
            text_addf(text, "\n            drover approve %s\n",
                      short_name_of(talk_text(row, "id"), NULL /* no label */).text);
        }
    }
}
