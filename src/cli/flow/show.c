/* show.c: `drover show` of a flow: what every run has, its steps, and how its report begins. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/base/api_request.h"
#include "cli/flow/watch.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/markdown.h"
#include "cli/terminal/plain.h"

enum { WHOLE_MAX = 8 << 20, REPORT_SHOWN = 4000 };

static void step_print(const json_t *step, int64_t now_ms) {
    AUTO(text_done) struct text line = text_up_to(64 << 10);
    const char *cause = talk_text(step, "cause"), *note = talk_text(step, "note");
    const char *run = talk_text(step, "run"), *cached = talk_text(step, "cached");
    const int64_t tries = talk_int(step, "tries"), rounds = talk_int(step, "rounds");
    text_add_str(&line, "  ");
    plain_add(&line, talk_text(step, "step_id"));
    text_addf(&line, "  %s  %s", talk_text(step, "kind"), talk_text(step, "status"));
    text_addf(&line, cause[0] != '\0' ? " (%s)" : "%s", cause);
    if (talk_text(step, "phase")[0] != '\0' && strcmp(talk_text(step, "phase"), "over") != 0 &&
        json_is_integer(json_object_get(step, "began_ms"))) {
        text_addf(&line, ", began %s", talk_ago(talk_int(step, "began_ms"), now_ms).text);
    }
    if (tries > 0) {
        text_addf(&line, ", tried again %lld times", (long long)tries);
    }
    if (rounds > 0) {
        text_addf(&line, ", %lld rounds", (long long)rounds);
    }
    text_addf(&line, cached[0] != '\0' ? ", cached from %s" : "%s", cached);
    text_addf(&line, run[0] != '\0' && cached[0] == '\0' ? "  %s" : "%s",
              cached[0] == '\0' ? run : "");
    text_add_str(&line, note[0] != '\0' ? ": " : "");
    plain_add(&line, note);
    puts(text_bytes(&line).data);
}

/* The file of the report; NULL, or a null: none was asked for. */
static void artifact_print(const json_t *artifact) {
    AUTO(text_done) struct text line = text_up_to(64 << 10);
    if (json_is_object(artifact)) {
        const char *error = talk_text(artifact, "error");
        plain_add(&line, talk_text(artifact, "path"));
        text_add_str(&line, error[0] != '\0' ? ", not written: " : "");
        plain_add(&line, error);
        printf("\nartifact: %s\n", text_bytes(&line).data);
    }
}

struct err flow_show(struct invocation *invocation, struct talk *talk, json_t *run) {
    AUTO(json_release) json_t *flow = NULL;
    const struct api_request about = {
        .base = "/api/v1/runs/", .id = talk_text(run, "id"), .rest = "/flow"};
    TRY(api_ask(talk, &about, &flow, &invocation->why));
    if (invocation->json) {
        (void)json_object_set(run, "flow", flow); /* NULL is refused. */
        talk_print(run);
        return ERR_OK;
    }
    const struct run_view view = run_view_of(invocation);
    AUTO(text_done) struct text text = text_up_to(WHOLE_MAX);
    const json_t *step = NULL;
    size_t at = 0;
    run_view_whole(&view, run, &text);
    const size_t whole_len = text.len;
    run_questions_add(talk, run, &text);
    cells_wrap_values(&text, whole_len, &(struct cells_shape){RUN_KEY_CELLS, view.paint.columns});
    fputs(text_bytes(&text).data, stdout);
    const char *from = talk_text(flow, "resumed_from");
    printf(from[0] != '\0' ? "\nsteps, resumed from %s:\n" : "\nsteps:%s\n", from);
    json_array_foreach(json_object_get(flow, "steps"), at, step) {
        step_print(step, view.now_ms);
    }
    artifact_print(json_object_get(flow, "artifact"));
    const struct bytes report = json_text(json_object_get(flow, "report"));
    if (report.len > 0) {
        const size_t len = utf8_cut(report, REPORT_SHOWN);
        puts("\nreport:");
        markdown_print((struct bytes){report.data, len});
        fputs(len < report.len ? " …\n" : report.data[len - 1] == '\n' ? "" : "\n", stdout);
    }
    return ERR_OK;
}
