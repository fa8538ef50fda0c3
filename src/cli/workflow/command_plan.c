/* command_plan.c: drover workflow plan: what a run would do, as far as anybody knows. */
#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/budget/limits.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/end.h"
#include "cli/workflow/lines.h"
#include "cli/workflow/request.h"
#include "cli/workflow/starting.h"

enum { KEY_WIDTH = 12, LINE_MAX_BYTES = 64 << 10 };

/* Words of a script go to a terminal: one line of them, without control characters. */
static void line_print(const char *key, const char *words) {
    AUTO(text_done) struct text line = {0};
    plain_line(&line, words);
    printf("%-*s %s\n", KEY_WIDTH, key, line.data != NULL ? line.data : "");
}

static bool is_true(const json_t *object, const char *name) {
    return json_is_true(json_object_get(object, name));
}

/* --- Parts ------------------------------------------------------------------------------------ */

static void phases_print(const json_t *phases) {
    for (size_t i = 0; i < json_array_size(phases); i++) {
        const json_t *phase = json_array_get(phases, i);
        line_print(i == 0 ? "phases" : "", talk_text(phase, "title"));
    }
}

static void args_print(const json_t *args) {
    const json_t *fit = json_object_get(args, "fit");
    bool given = is_true(args, "given");
    line_print("args", json_is_false(fit)  ? talk_text(args, "fault")
                       : json_is_true(fit) ? "they fit what it asks for"
                       : given             ? "given; it does not say what it takes"
                                           : "none, and it does not say what it takes");
}

/* Nothing where no run is resumed. */
static void resume_print(const json_t *plan) {
    const json_t *resume = json_object_get(plan, "resume");
    if (json_is_object(resume)) {
        bool fit = is_true(resume, "fit");
        line_print("resumes", fit ? talk_text(plan, "resumed_from") : talk_text(resume, "fault"));
    }
}

static void model_print(const json_t *model) {
    AUTO(text_done) struct text words;
    const char *from = talk_text(model, "from");
    bool asked = strcmp(from, "asked") == 0;
    text_init(&words, LINE_MAX_BYTES);
    text_addf(&words, "%s%s", talk_text(model, "name"), asked ? "" : " (the daemon's default)");
    if (!is_true(model, "connected")) {
        text_addf(&words, "; there is no connection '%s'", talk_text(model, "connection"));
    }
    line_print("model", words.data != NULL ? words.data : "");
}

static void tools_print(const json_t *plan) {
    const json_t *tools = json_object_get(plan, "tools");
    AUTO(text_done) struct text words;
    text_init(&words, LINE_MAX_BYTES);
    for (size_t i = 0; i < json_array_size(tools); i++) {
        text_addf(&words, "%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(tools, i)));
    }
    line_print("tools", words.len > 0 ? words.data : "none: each agent is one call of its model");
}

static void budget_print(const json_t *plan) {
    static const char before[] = ", budget "; /* As the first line of a run says it. */
    const json_t *total = json_object_get(plan, "total");
    AUTO(text_done) struct text words;
    text_init(&words, LINE_MAX_BYTES);
    workflow_budget_add(plan, &words);
    bool any = words.len >= sizeof before && strncmp(words.data, before, sizeof before - 1) == 0;
    line_print("budget", any ? words.data + sizeof before - 1 : "none");
    text_clear(&words);
    text_addf(&words, "%lld output tokens", (long long)json_integer_value(total));
    line_print("budget.total", json_is_integer(total) ? words.data : "none");
}

static void limits_print(const json_t *plan) {
    const json_t *limits = json_object_get(plan, "limits");
    AUTO(text_done) struct text words;
    text_init(&words, LINE_MAX_BYTES);
    text_addf(&words, "at most %lld at once, %lld in all; each at most %s",
              (long long)talk_int(limits, "at_once"), (long long)talk_int(limits, "agents"),
              run_span(talk_int(limits, "agent_timeout_ms")).text);
    line_print("agents", words.data);
    budget_print(plan);
    int64_t timeout_ms = talk_int(limits, "timeout_ms"), runs = talk_int(limits, "runs");
    line_print("time", timeout_ms > 0 ? run_span(timeout_ms).text : "no limit");
    text_clear(&words);
    text_addf(&words, "at most %lld at once; it waits in line behind them", (long long)runs);
    line_print("workflows", runs > 0 ? words.data : "any number at once");
}

static void notes_print(const json_t *notes) {
    for (size_t i = 0; i < json_array_size(notes); i++) {
        const json_t *note = json_array_get(notes, i);
        AUTO(text_done) struct text words;
        text_init(&words, LINE_MAX_BYTES);
        text_addf(&words, "%lld:%lld: %s", (long long)talk_int(note, "line"),
                  (long long)talk_int(note, "column"), talk_text(note, "detail"));
        line_print(talk_text(note, "severity"), words.data != NULL ? words.data : "");
    }
}

/* --- The rehearsal ---------------------------------------------------------------------------- */

static bool is_beside(const json_t *step, const json_t *before) {
    return talk_int(step, "wave") == talk_int(before, "wave") &&
           strcmp(talk_text(step, "phase"), talk_text(before, "phase")) == 0;
}

static void step_add(const json_t *step, struct text *words) {
    const char *label = talk_text(step, "label");
    long long agents = talk_int(step, "agents");
    if (label[0] == '\0') {
        text_addf(words, "%lld without a label", agents);
    } else if (agents == 1) {
        text_add_str(words, label);
    } else {
        text_addf(words, "%lld x %s", agents, label);
    }
}

/* Those of one wave and phase stand in one line; returns where the next ones begin. */
static size_t line_of(const json_t *steps, size_t at, struct text *ret_words) {
    const json_t *first = json_array_get(steps, at);
    const char *phase = talk_text(first, "phase");
    text_clear(ret_words);
    text_addf(ret_words, phase[0] != '\0' ? "%s: " : "%s", phase);
    for (size_t from = at; at < json_array_size(steps); at++) {
        const json_t *step = json_array_get(steps, at);
        if (!is_beside(step, first)) {
            break;
        }
        text_add_str(ret_words, at > from ? ", " : "");
        step_add(step, ret_words);
    }
    return at;
}

static bool is_same(const struct text *one, const struct text *other) {
    return one->len == other->len && memcmp(one->data, other->data, one->len) == 0;
}

static void waves_print(long long from, long long to, const struct text *words) {
    char key[64];
    (void)snprintf(key, sizeof key, from < to ? "%4lld-%lld" : "%6lld", from, to);
    line_print(key, words->data != NULL ? words->data : "");
}

/* A loop asks for the same in wave after wave: that is one line, too. */
static void steps_print(const json_t *steps) {
    AUTO(text_done) struct text words, next;
    text_init(&words, LINE_MAX_BYTES);
    text_init(&next, LINE_MAX_BYTES);
    size_t at = 0, end = line_of(steps, at, &words);
    while (at < json_array_size(steps)) {
        long long from = talk_int(json_array_get(steps, at), "wave"), to = from;
        while (end < json_array_size(steps) &&
               talk_int(json_array_get(steps, end), "wave") == to + 1) {
            size_t behind = line_of(steps, end, &next);
            if (!is_same(&words, &next)) {
                break;
            }
            to++;
            end = behind;
        }
        waves_print(from, to, &words);
        at = end;
        end = line_of(steps, at, &words);
    }
}

static void price_print(const json_t *price, int64_t agents) {
    int64_t unpriced = talk_int(price, "unpriced");
    if (unpriced == agents && agents > 0) {
        line_print("price", "nobody told what their models cost");
        return;
    }
    AUTO(text_done) struct text words;
    text_init(&words, LINE_MAX_BYTES);
    text_addf(&words, "at most %s, if each asks once and says as much as its model can",
              budget_show("cost_micros", talk_int(price, "micros")).text);
    if (unpriced > 0) {
        text_addf(&words, "; and what %lld more cost, whose price nobody told",
                  (long long)unpriced);
    }
    line_print("price", words.data != NULL ? words.data : "");
}

static void rehearsal_print(const json_t *rehearsal) {
    const char *ended = talk_text(rehearsal, "ended");
    AUTO(text_done) struct text words;
    if (!json_is_object(rehearsal)) {
        return;
    }
    text_init(&words, LINE_MAX_BYTES);
    long long agents = talk_int(rehearsal, "agents");
    text_addf(&words,
              "%lld agent%s, at most %lld at once, wave after wave, with answers that stand in",
              agents, agents == 1 ? "" : "s", (long long)talk_int(rehearsal, "at_once"));
    line_print("rehearsed", words.data != NULL ? words.data : "");
    steps_print(json_object_get(rehearsal, "steps"));
    int64_t unlisted = talk_int(rehearsal, "unlisted");
    if (unlisted > 0) {
        text_clear(&words);
        text_addf(&words, "and %lld more", (long long)unlisted);
        line_print("", words.data != NULL ? words.data : "");
    }
    if (strcmp(ended, "finished") != 0) {
        text_clear(&words);
        text_addf(&words, "%s%s",
                  strcmp(ended, "failed") == 0 ? "with these answers it fails: "
                                               : "it was not played to its end: ",
                  talk_text(rehearsal, "fault"));
        line_print("", words.data != NULL ? words.data : "");
    }
    price_print(json_object_get(rehearsal, "price"), agents);
}

static void plan_print(const json_t *plan) {
    const json_t *unknown = json_object_get(plan, "unknown");
    AUTO(text_done) struct text file;
    text_init(&file, LINE_MAX_BYTES);
    text_addf(&file, "%s (%s)", talk_text(plan, "file"), talk_text(plan, "origin"));
    line_print("workflow", talk_text(plan, "name"));
    line_print("description", talk_text(plan, "description"));
    line_print("file", file.data != NULL ? file.data : "");
    phases_print(json_object_get(plan, "phases"));
    args_print(json_object_get(plan, "args"));
    resume_print(plan);
    model_print(json_object_get(plan, "model"));
    tools_print(plan);
    limits_print(plan);
    rehearsal_print(json_object_get(plan, "rehearsal"));
    notes_print(json_object_get(plan, "notes"));
    for (size_t i = 0; i < json_array_size(unknown); i++) {
        line_print(i == 0 ? "not known" : "", json_string_value(json_array_get(unknown, i)));
    }
    puts("\nNothing was started, and nobody was asked.");
}

/* --- Asked ------------------------------------------------------------------------------------ */

static struct err ask(struct workflow_starting *starting, json_t **ret_plan) {
    struct invocation *invocation = starting->invocation;
    const struct client_request request = {.method = "POST",
                                           .target = "/api/v1/scripts/plan",
                                           .body = {starting->body.data, starting->body.len}};
    struct err err = talk_open(&starting->talk, invocation);
    return err_failed(err) ? err
                           : talk_ask(&starting->talk, &request, NULL /* parsed is enough */,
                                      ret_plan, &invocation->why);
}

static struct err plan_run(struct invocation *invocation) {
    AUTO(workflow_starting_done)
    struct workflow_starting starting = {.invocation = invocation, .talk = {.interrupt_fd = -1}};
    AUTO(json_release) json_t *plan = NULL;
    struct err err = workflow_starting_read(&starting, WORKFLOW_NAME_INSIDE);
    if (!err_failed(err)) {
        err = ask(&starting, &plan);
    }
    if (err_failed(err)) {
        return err;
    }
    bool valid = is_true(plan, "valid");
    bool misfit = json_is_false(json_object_get(json_object_get(plan, "args"), "fit")) ||
                  json_is_false(json_object_get(json_object_get(plan, "resume"), "fit"));
    if (invocation->json) {
        talk_print(plan);
    } else if (valid) {
        plan_print(plan);
    } else {
        workflow_refusal_tell(invocation, talk_text(plan, "file"), talk_text(plan, "error"));
    }
    invocation->exit_code = valid && !misfit ? 0 : err_exit_code(ERR_BAD_SCRIPT);
    return ERR_OK;
}

const struct command command_workflow_plan = {
    .group = "workflow",
    .name = "plan",
    .summary = "Play a script with stand-ins for its agents, and tell what a run would do.",
    .operands = "[FILE|NAME]",
    .flags = workflow_request_flags,
    .talks = true,
    .about =
        "Flags are those of 'drover run'. Shown is what holds for every run: where the script was\n"
        "found, whether the args fit, who its agents are, limits and budget. Then the script is\n"
        "played once, in a process as a run's: each agent is answered at once with a text, or a\n"
        "value that fits its schema with lists of two. So its shape is seen, the number of "
        "agents,\n"
        "and what they cost at most if each asks once; with other answers it may ask for others.\n"
        "Nothing is stored, nobody is asked.\n"
        "\n"
        "Exit code: 0; 2 when the script is none, or the args or what is resumed do not fit.\n",
    .run = plan_run,
};
