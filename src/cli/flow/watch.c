/* watch.c: see watch.h. The stream of the run has the changes of its steps, and what a person is
 * asked; the report, of which it has the beginning alone, is asked for at the end. */
#include "cli/flow/watch.h"

#include <stdio.h>
#include <string.h>

#include "cli/base/api_request.h"
#include "cli/base/names.h"
#include "cli/job/watch.h"
#include "cli/run/ask.h"
#include "cli/run/kinds.h"
#include "cli/run/view.h"
#include "cli/run/waits.h"
#include "cli/stream/follow.h"
#include "cli/terminal/markdown.h"
#include "cli/terminal/plain.h"

enum { LINE_MAX_BYTES = 16 << 10 };

struct watching {
    const struct flow_watch *watch;
    json_t *statuses; /* Owned: by step, what was printed last. */
    bool enough;
};

/* --- Events ----------------------------------------------------------------------------------- */

static void step_tell(struct watching *watching, const json_t *data) {
    AUTO(text_done) struct text line = text_up_to(LINE_MAX_BYTES);
    const char *step = talk_text(data, "step_id"), *status = talk_text(data, "status");
    const char *cause = talk_text(data, "cause"), *note = talk_text(data, "note");
    const char *approval = talk_text(data, "approval");
    const bool last = json_object_get(data, "run_status") != NULL;
    if (!last && strcmp(json_str(watching->statuses, step, ""), status) != 0) {
        (void)json_object_set_new(watching->statuses, step, json_string(status));
        plain_add(&line, step);
        text_addf(&line, "  %s", status);
        text_addf(&line, cause[0] != '\0' ? " (%s)" : "%s", cause);
        text_add_str(&line, note[0] != '\0' ? ": " : "");
        plain_add(&line, note);
        /* A question of the step itself has an event of its own. */
        if (approval[0] != '\0' && strcmp(talk_text(data, "phase"), "person") != 0) {
            text_addf(&line, ": drover approve %s",
                      short_name_of(approval, NULL /* no label */).text);
        }
        fprintf(stderr, "%s\n", text_bytes(&line).data);
    }
}

/* Steps that have the results of an earlier run. */
static void cached_tell(const json_t *data) {
    const json_t *step = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(data, "steps"), at, step) {
        if (json_object_get(step, "cached") != NULL) {
            plain_note("%s  cached\n", talk_text(step, "step_id"));
        }
    }
}

static void question_tell(const json_t *question) {
    AUTO(text_done) struct text words = text_up_to(RUN_QUESTION_MAX);
    run_question_add(question, &words);
    fprintf(stderr, "asks: %s: drover approve %s\n", text_bytes(&words).data,
            short_name_of(talk_text(question, "id"), NULL /* no label */).text);
}

static void on_event(void *ctx, const struct follow_event *event) {
    struct watching *watching = ctx;
    AUTO(json_release) json_t *data = NULL;
    if (bytes_is(event->type, "snapshot")) { /* The end may be among what is gone. */
        watching->enough = true;
        return;
    }
    if (err_failed(json_parse_wrapped(event->data, &data, NULL /* no why */))) {
        return;
    }
    watching->enough |= json_object_get(data, "run_status") != NULL;
    if (watching->watch->invocation->json) {
        follow_event_print(event, data);
    } else if (bytes_is(event->type, "flow_run_step_updated")) {
        step_tell(watching, data);
    } else if (bytes_is(event->type, "flow_run_started")) {
        cached_tell(data);
    } else if (bytes_is(event->type, "question_asked")) {
        question_tell(data);
    }
}

/* The file of the report. */
static void file_tell(const json_t *flow) {
    const json_t *artifact = json_object_get(flow, "artifact");
    const char *path = talk_text(artifact, "path"), *fault = talk_text(artifact, "error");
    if (fault[0] != '\0') {
        plain_note("drover: the report was not written to a file: %s\n", fault);
    } else if (path[0] != '\0') {
        plain_note("drover: the report was written to %s\n", path);
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

static struct err end_tell(const struct flow_watch *watch, const json_t *run) {
    struct invocation *invocation = watch->invocation;
    AUTO(json_release) json_t *flow = NULL;
    const struct api_request about = {
        .base = "/api/v1/runs/", .id = watch->run, .rest = "/flow", .retry_ms = watch->retry_ms};
    TRY(api_ask(watch->talk, &about, &flow, &invocation->why));
    const char *state = talk_text(run, "state"), *note = talk_text(run, "note");
    const json_t *report = json_object_get(flow, "report");
    const struct bytes words = json_text(report);
    invocation->exit_code = run_exit_code_of_state(state);
    if (invocation->json) {
        AUTO(json_release)
        json_t *line =
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:O?,s:O?}", "event", "flow_finished", "run",
                      watch->run, "state", state, "cause", talk_text(run, "cause"), "note", note,
                      "report", report, "artifact", json_object_get(flow, "artifact"));
        talk_print(line);
        return ERR_OK;
    }
    markdown_print(words);
    fputs(words.len > 0 && words.data[words.len - 1] != '\n' ? "\n" : "", stdout);
    (void)fflush(stdout); /* A failure shows again at the end. */
    file_tell(flow);
    if (invocation->exit_code != 0) {
        AUTO(text_done) struct text line = text_up_to(LINE_MAX_BYTES);
        text_addf(&line, "drover: %s %s: %s", short_name_of(watch->run, watch->label).text, state,
                  run_view_why(talk_text(run, "cause")));
        text_add_str(&line, note[0] != '\0' ? ". " : "");
        plain_add(&line, note);
        plain_note("%s\n", text_bytes(&line).data);
    }
    return ERR_OK;
}

static void watching_done(struct watching *watching) {
    json_release(&watching->statuses);
}

struct err flow_watch(const struct flow_watch *watch) {
    struct talk *talk = watch->talk;
    struct why *why = &watch->invocation->why;
    AUTO(watching_done)
    struct watching watching = {.watch = watch, .statuses = json_object()};
    char name[128];
    (void)snprintf(name, sizeof name, "run:%s", watch->run); /* Ids are short. */
    const struct follow_options options = {.talk = talk,
                                           .name = name,
                                           .via = FOLLOW_SSE,
                                           .after = watch->only_new ? -1 : 0,
                                           .retry_ms = watch->retry_ms,
                                           .enough = &watching.enough,
                                           .on_event = on_event,
                                           .ctx = &watching};
    AUTO(json_release) json_t *run = NULL;
    talk_warn_held(talk);
    struct err err = follow_run(&options, why);
    err = err.code == ERR_NOT_FOUND ? ERR_OK : err; /* A pruned stream: the row has the rest. */
    const struct run_wait wait = {.id = watch->run, .retry_ms = watch->retry_ms};
    err = err_failed(err) ? err : run_wait(talk, &wait, &run, why);
    if (err.code == ERR_INTERRUPTED) {
        job_detached(watch->invocation, watch->run, watch->label);
        return err;
    }
    return err_failed(err) ? err : end_tell(watch, run);
}

struct err flow_attach(struct invocation *invocation, struct talk *talk, json_t *run) {
    const struct flow_watch watch = {.invocation = invocation,
                                     .talk = talk,
                                     .run = talk_text(run, "id"),
                                     .label = run_label(run),
                                     .retry_ms = args_int(&invocation->args, "retry-for", 0),
                                     .only_new = args_on(&invocation->args, "new")};
    return flow_watch(&watch);
}
