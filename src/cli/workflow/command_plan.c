/* command_plan.c: drover workflow plan: what a run would do, as far as anybody knows. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/budget/limits.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/draw.h"
#include "cli/workflow/request.h"
#include "cli/workflow/show.h"
#include "rules/provider/no_model.h"

enum { LINE_BYTES_MAX = 64 << 10 };

/* Words of a script go to a terminal: one line of them, without control characters. */
static void line_print(const char *key, const char *words) {
    printf("%-12s ", key);
    plain_print_line(words);
    putchar('\n');
}

static void line_printf(const char *key, const char *format, ...) PRINTF_LIKE(2, 3);
static void line_printf(const char *key, const char *format, ...) {
    char words[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args); /* Cut to what fits. */
    va_end(args);
    line_print(key, words);
}

static bool is_true(const json_t *object, const char *name) {
    return json_is_true(json_object_get(object, name));
}

/* --- The script, its args, its agents --------------------------------------------------------- */

static void script_print(const json_t *plan) {
    const json_t *phase = NULL;
    size_t at = 0;
    line_print("workflow", talk_text(plan, "name"));
    line_print("description", talk_text(plan, "description"));
    line_printf("file", "%s (%s)", talk_text(plan, "file"), talk_text(plan, "origin"));
    json_array_foreach(json_object_get(plan, "phases"), at, phase) {
        line_print(at == 0 ? "phases" : "", talk_text(phase, "title"));
    }
    const json_t *args = json_object_get(plan, "args"), *fit = json_object_get(args, "fit");
    line_print("args", json_is_false(fit)       ? talk_text(args, "fault")
                       : json_is_true(fit)      ? "they fit what it asks for"
                       : is_true(args, "given") ? "given; it does not say what it takes"
                                                : "none, and it does not say what it takes");
    const json_t *resume = json_object_get(plan, "resume");
    if (json_is_object(resume)) {
        line_print("resumes", is_true(resume, "fit") ? talk_text(plan, "resumed_from")
                                                     : talk_text(resume, "fault"));
    }
}

static void agents_print(const json_t *plan) {
    const json_t *model = json_object_get(plan, "model"), *tool = NULL;
    const json_t *limits = json_object_get(plan, "limits"), *total = json_object_get(plan, "total");
    static const char before[] = ", budget "; /* As the first line of a run says it. */
    AUTO(text_done) struct text words = text_up_to(LINE_BYTES_MAX);
    size_t at = 0;
    bool asked = strcmp(talk_text(model, "from"), "asked") == 0;
    if (talk_text(model, "name")[0] == '\0') {
        text_add_str(&words, NO_MODEL_DETAIL);
    } else {
        text_addf(&words, "%s%s", talk_text(model, "name"), asked ? "" : " (the daemon's default)");
    }
    if (talk_text(model, "name")[0] != '\0' && !is_true(model, "connected")) {
        text_addf(&words, "; there is no provider '%s'", talk_text(model, "connection"));
    }
    line_print("model", text_bytes(&words).data);

    text_clear(&words);
    json_array_foreach(json_object_get(plan, "tools"), at, tool) {
        text_addf(&words, "%s%s", at > 0 ? ", " : "", json_string_value(tool));
    }
    line_print("tools", words.len > 0 ? words.data : "none: each agent is one call of its model");

    line_printf("agents", "at most %lld at once, %lld in all; each at most %s",
                (long long)talk_int(limits, "at_once"), (long long)talk_int(limits, "agents"),
                run_span(talk_int(limits, "agent_timeout_ms")).text);
    int64_t calls = talk_int(limits, "connection_at_once");
    if (calls > 0) {
        line_printf("", "the connection %s makes at most %lld calls at once, for all runs",
                    talk_text(model, "connection"), (long long)calls);
    }
    line_printf("", "their commands: at most %lld at once, of all runs",
                (long long)talk_int(limits, "commands_at_once"));
    text_clear(&words);
    workflow_budget_add(plan, &words);
    bool budgeted = bytes_begin(text_bytes(&words), bytes_of(before));
    line_print("budget", budgeted ? words.data + sizeof before - 1 : "none");
    if (json_is_integer(total)) {
        line_printf("budget.total", "%lld output tokens", (long long)json_integer_value(total));
    } else {
        line_print("budget.total", "none");
    }
    int64_t timeout_ms = talk_int(limits, "timeout_ms"), runs = talk_int(limits, "runs");
    line_print("time", timeout_ms > 0 ? run_span(timeout_ms).text : "no limit");
    if (runs > 0) {
        line_printf("workflows", "at most %lld at once; it waits in line after them",
                    (long long)runs);
    } else {
        line_print("workflows", "any number at once");
    }
}

/* --- The rehearsal ---------------------------------------------------------------------------- */

/* Steps of one wave and phase stand in one line; returns where the next ones begin. */
static size_t steps_add(const json_t *steps, size_t at, struct text *ret_words) {
    const json_t *first = json_array_get(steps, at), *step = first;
    const char *phase = talk_text(first, "phase");
    text_clear(ret_words);
    text_addf(ret_words, phase[0] != '\0' ? "%s: " : "%s", phase);
    for (size_t from = at; step != NULL && talk_int(step, "wave") == talk_int(first, "wave") &&
                           strcmp(talk_text(step, "phase"), phase) == 0;
         step = json_array_get(steps, ++at)) {
        const char *label = talk_text(step, "label");
        long long agents = talk_int(step, "agents");
        text_add_str(ret_words, at > from ? ", " : "");
        if (label[0] == '\0') {
            text_addf(ret_words, "%lld without a label", agents);
        } else if (agents == 1) {
            text_add_str(ret_words, label);
        } else {
            text_addf(ret_words, "%lld x %s", agents, label);
        }
        text_add_str(ret_words, is_true(step, "cached") ? " (cached)" : "");
    }
    return at;
}

/* A loop asks for the same in wave after wave: that is one line, too. */
static void steps_print(const json_t *steps) {
    AUTO(text_done)
    struct text words = text_up_to(LINE_BYTES_MAX), next = text_up_to(LINE_BYTES_MAX);
    for (size_t at = 0; at < json_array_size(steps);) {
        long long from = talk_int(json_array_get(steps, at), "wave"), to = from;
        at = steps_add(steps, at, &words);
        while (at < json_array_size(steps) &&
               talk_int(json_array_get(steps, at), "wave") == to + 1) {
            size_t after = steps_add(steps, at, &next);
            if (!bytes_equal(text_bytes(&words), text_bytes(&next))) {
                break;
            }
            to++;
            at = after;
        }
        char key[64];
        (void)snprintf(key, sizeof key, from < to ? "%4lld-%lld" : "%6lld", from, to);
        line_print(key, text_bytes(&words).data);
    }
}

static void rehearsal_print(const json_t *plan) {
    const json_t *rehearsal = json_object_get(plan, "rehearsal");
    const char *ended = talk_text(rehearsal, "ended");
    const json_t *price = json_object_get(rehearsal, "price");
    long long agents = talk_int(rehearsal, "agents"), unlisted = talk_int(rehearsal, "unlisted");
    long long unpriced = talk_int(price, "unpriced"), cached = talk_int(rehearsal, "cached");
    const json_t *error = NULL;
    size_t at = 0;
    if (!json_is_object(rehearsal)) {
        return;
    }
    line_printf("rehearsed",
                "%lld agent%s, at most %lld at once, wave after wave, with answers that stand in",
                agents, agents == 1 ? "" : "s", (long long)talk_int(rehearsal, "at_once"));
    const char *waits_for = talk_text(rehearsal, "waits_for");
    if (waits_for[0] != '\0') {
        line_printf("", "more would wait for the limit of the %s", waits_for);
    }
    steps_print(json_object_get(rehearsal, "steps"));
    if (unlisted > 0) {
        line_printf("", "and %lld more", unlisted);
    }
    if (strcmp(ended, "finished") != 0) {
        line_printf("", "%s%s",
                    strcmp(ended, "failed") == 0 ? "with these answers it fails: "
                                                 : "it was not played to its end: ",
                    talk_text(rehearsal, "fault"));
    }
    json_array_foreach(json_object_get(rehearsal, "errors"), at, error) {
        line_printf("", "with these answers: %s", json_string_value(error));
    }
    if (cached > 0) {
        line_printf("cached", "%lld of %lld agents, whose results are those of %s", cached, agents,
                    talk_text(plan, "resumed_from"));
    }
    agents -= cached;
    if (unpriced == agents && agents > 0) {
        line_print("price", "unknown, as the prices of their models are");
        return;
    }
    char rest[100] = "";
    if (unpriced > 0) {
        (void)snprintf(rest, sizeof rest, "unknown for %lld of %lld agents; for the others ",
                       unpriced, agents); /* Fits. */
    }
    line_printf("price", "%sat most %s, if each asks once and says as much as its model can", rest,
                amount_show(AMOUNT_COST, talk_int(price, "micros")).text);
}

/* --- The command ------------------------------------------------------------------------------ */

static void plan_print(const json_t *plan) {
    const json_t *note = NULL, *unknown = NULL;
    size_t at = 0;
    script_print(plan);
    if (talk_text(plan, "warning")[0] != '\0') {
        line_print("warning", talk_text(plan, "warning"));
    }
    agents_print(plan);
    rehearsal_print(plan);
    json_array_foreach(json_object_get(plan, "notes"), at, note) {
        line_printf(talk_text(note, "severity"), "%lld:%lld: %s", (long long)talk_int(note, "line"),
                    (long long)talk_int(note, "column"), talk_text(note, "detail"));
    }
    json_array_foreach(json_object_get(plan, "unknown"), at, unknown) {
        line_print(at == 0 ? "not known" : "", json_string_value(unknown));
    }
    puts("\nNothing was started, and nobody was asked.");
}

static struct err plan_run(struct invocation *invocation, struct talk *talk) {
    AUTO(workflow_starting_done)
    struct workflow_starting starting = {.invocation = invocation, .talk = talk};
    AUTO(json_release) json_t *plan = NULL;
    TRY(workflow_starting_read(&starting, WORKFLOW_NAME_INSIDE));
    const struct client_request request = {
        .method = "POST", .target = "/api/v1/scripts/plan", .body = text_bytes(&starting.body)};
    TRY(talk_ask(talk, &request, NULL /* parsed is enough */, &plan, &invocation->why));
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
    const json_t *rehearsal = json_object_get(plan, "rehearsal");
    bool failed = strcmp(talk_text(rehearsal, "ended"), "failed") == 0 ||
                  talk_int(rehearsal, "calls_failed") > 0;
    invocation->exit_code = !valid || misfit ? err_exit_code(ERR_BAD_SCRIPT)
                            : failed         ? RUN_EXIT_FAILED
                                             : 0;
    return ERR_OK;
}

const struct command command_workflow_plan = {
    COMMAND("workflow", "plan", "[FILE|NAME] [TEXT]…",
            "Show what a run would do, with stand-ins for its agents."),
    HELP(WORKFLOWS, "drover workflow plan deep-research \"Why is the sky blue?\"\n"),
    .flags = workflow_request_flags,
    .about = "Flags are those of 'drover run'. The plan shows the path of the script, whether\n"
             "the args are valid, the agents, limits and budget. The script is then run once,\n"
             "in a process like that of a run, with a stand-in for each agent: it answers at\n"
             "once with a text, or with a value that matches its schema (lists have two\n"
             "items). This shows the shape of the run, the number of agents, and their maximum\n"
             "cost if each makes one call; with other answers the script may start other\n"
             "agents. Nothing is stored and no model is called.\n"
             "\n"
             "With --resume, agents that have a result in that run are marked as cached.\n"
             "\n"
             "Exit code: 0; 1 if the script fails with the stand-ins, or loses each item of a\n"
             "parallel() or pipeline() to errors; 2 if the script, the args or the resumed run\n"
             "are not valid.\n",
    .converse = plan_run,
};
