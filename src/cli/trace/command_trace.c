/* command_trace.c: drover trace: what a run did, step by step, and what that cost. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"

enum { NAME_WIDTH = 24, TREE_WIDTH = 40, INDENT_MAX = 16, LINE_BYTES_MAX = 64 << 10 };

struct trace {
    const struct invocation *invocation;
    struct run_view view;
    bool tree;                     /* Rows are collected, and printed below their parents. */
    json_t *spans;                 /* Owned: of a tree. */
    int64_t rows, steps;           /* A run in a tree is no step. */
    int64_t fresh, cached, output; /* Tokens of all steps; cached: read or written. */
    int64_t cost_micros;
    bool tokens_known, cost_known; /* Of any step. */
    bool estimated, partly;        /* partly: the cost of a call is not known. */
};

/* "$0.0123"; micro-dollars are exact, and cents of a small call would be nothing. */
static struct run_words money(const char *before, int64_t micros) {
    struct run_words words;
    (void)snprintf(words.text, sizeof words.text, "%s$%" PRId64 ".%04" PRId64, before,
                   micros / 1000000, micros % 1000000 / 100); /* Fits. */
    return words;
}

static void span_sum(struct trace *trace, const json_t *span) {
    const json_t *tokens = json_object_get(span, "tokens");
    const json_t *cost = json_object_get(span, "cost_micros");
    bool of_model = strcmp(talk_text(span, "kind"), "model") == 0;
    trace->tokens_known |= json_is_object(tokens);
    trace->fresh += talk_int(tokens, "fresh");
    trace->cached += talk_int(tokens, "cache_read") + talk_int(tokens, "cache_write");
    trace->output += talk_int(tokens, "output");
    trace->cost_known |= json_is_integer(cost);
    trace->cost_micros += json_integer_value(cost);
    /* Most steps of a program tell nothing of what they took. */
    const bool ended = strcmp(talk_text(span, "state"), "succeeded") == 0;
    trace->partly |= of_model && !json_is_integer(cost) && (json_is_object(tokens) || !ended);
    trace->estimated |= json_is_true(json_object_get(span, "estimated"));
}

static void sums_print(const struct trace *trace) {
    if (!trace->tokens_known && !trace->cost_known) {
        return;
    }
    printf("\n%" PRId64 " step%s", trace->steps, trace->steps == 1 ? "" : "s");
    if (trace->tokens_known) {
        printf(", %" PRId64 " tokens in (%" PRId64 " of them from or into a cache), %" PRId64
               " out",
               trace->fresh + trace->cached, trace->cached, trace->output);
    }
    if (trace->partly && trace->cost_micros == 0) {
        fputs(", of unknown cost", stdout);
    } else if (trace->cost_known) {
        printf(", %s%s%s", trace->partly ? "at least " : "", money("", trace->cost_micros).text,
               trace->estimated ? " (partly estimated)" : "");
    }
    putchar('\n');
}

/* "1200+300c/80": fresh input, input from or into a cache, output. */
static struct run_words tokens_of(const json_t *span) {
    struct run_words words = {.text = "-"};
    const json_t *tokens = json_object_get(span, "tokens");
    int64_t fresh = talk_int(tokens, "fresh"), output = talk_int(tokens, "output");
    int64_t cached = talk_int(tokens, "cache_read") + talk_int(tokens, "cache_write");
    if (json_is_object(tokens) && cached > 0) {
        (void)snprintf(words.text, sizeof words.text, "%" PRId64 "+%" PRId64 "c/%" PRId64, fresh,
                       cached, output);
    } else if (json_is_object(tokens)) {
        (void)snprintf(words.text, sizeof words.text, "%" PRId64 "/%" PRId64, fresh, output);
    }
    return words;
}

static void span_print(const struct trace *trace, const json_t *span) {
    AUTO(text_done) struct text name = text_up_to(2048), outcome = text_up_to(LINE_BYTES_MAX);
    const int width = trace->tree ? TREE_WIDTH : NAME_WIDTH;
    const char *phase = talk_text(span, "phase");
    int64_t depth = talk_int(span, "depth");
    text_addf(&name, "%*s", (int)(2 * (depth < INDENT_MAX ? depth : INDENT_MAX)), "");
    run_view_plain(&name, talk_text(span, "name"));
    if (phase[0] != '\0' && strcmp(talk_text(span, "kind"), "agent") == 0) {
        text_add_str(&name, " [");
        run_view_plain(&name, phase);
        text_add_char(&name, ']');
    }
    size_t name_len = utf8_cut(text_bytes(&name), (size_t)width);

    /* The turn's number, in a session; the attempt, and the step in it. A run is no step. */
    char step[64] = "";
    long long turn = talk_int(span, "turn");
    int len = turn > 0 ? snprintf(step, sizeof step, "%lld:", turn) : 0;
    if (!json_is_null(json_object_get(span, "step"))) {
        (void)snprintf(step + len, sizeof step - (size_t)len, "%lld.%lld",
                       (long long)talk_int(span, "attempt"), (long long)talk_int(span, "step"));
    }

    int64_t started = talk_int(span, "started_ms"), ended = talk_int(span, "ended_ms");
    int64_t end = ended > 0 ? ended : trace->view.now_ms;
    const json_t *cost = json_object_get(span, "cost_micros");
    const char *about = json_is_true(json_object_get(span, "estimated")) ? "~" : "";

    run_view_state(&trace->view, span, &outcome);
    int64_t tries = talk_int(span, "tries");
    if (tries > 1) {
        text_addf(&outcome, " after %" PRId64 " tries", tries);
    }
    const char *rule = talk_text(span, "rule"), *error = talk_text(span, "error");
    if (rule[0] != '\0') {
        text_add_str(&outcome, " by rule ");
        run_view_plain(&outcome, rule);
    }
    if (error[0] != '\0') {
        text_add_str(&outcome, ": ");
        run_view_plain(&outcome, error);
    }
    printf("%-6s  %-*s  %-*.*s  %-20s  %7s  %-15s  %8s  %s\n", step, trace->tree ? 8 : 7,
           talk_text(span, "kind"), width, (int)name_len, text_bytes(&name).data,
           talk_time(started).text, run_span(end > started ? end - started : 0).text,
           tokens_of(span).text,
           json_is_integer(cost) ? money(about, json_integer_value(cost)).text
           : json_is_object(json_object_get(span, "tokens")) ? "unknown"
                                                             : "-",
           text_bytes(&outcome).data);
}

static void span_show(struct trace *trace, const json_t *span) {
    const int width = trace->tree ? TREE_WIDTH : NAME_WIDTH;
    if (trace->rows == 0) {
        printf("%-6s  %-*s  %-*s  %-20s  %7s  %-15s  %8s  %s\n", "STEP", trace->tree ? 8 : 7,
               "KIND", width, "NAME", "STARTED", "TOOK", "TOKENS", "COST", "OUTCOME");
    }
    trace->rows++;
    trace->steps += !json_is_null(json_object_get(span, "step"));
    span_sum(trace, span);
    span_print(trace, span);
}

static void branch_print(struct trace *trace, const json_t *below, const json_t *spans) {
    const json_t *span = NULL;
    size_t at = 0;
    json_array_foreach(spans, at, span) {
        const json_t *children = json_object_get(below, talk_text(span, "id"));
        span_show(trace, span);
        branch_print(trace, below, children);
    }
}

static void span_take(void *ctx, const json_t *span) {
    struct trace *trace = ctx;
    if (trace->invocation->json) {
        talk_print(span);
        return;
    }
    if (trace->tree) { /* Texts are not printed, and a tree of them would fill the memory. */
        static const char *const texts[] = {"input", "output"};
        json_t *row = json_copy((json_t *)(uintptr_t)span); /* Shallow. Memory: it is left out. */
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
            (void)json_object_del(row, texts[i]); /* May be absent. */
        }
        (void)json_array_append_new(trace->spans, row);
        return;
    }
    span_show(trace, span);
}

/* Each row after its parent. A row whose parent a filter left out stands for itself. */
static void tree_print(struct trace *trace) {
    AUTO(json_release) json_t *below = json_object(), *top = json_array();
    json_t *span = NULL;
    size_t at = 0;
    json_array_foreach(trace->spans, at, span) {
        if (json_is_null(json_object_get(span, "step"))) {
            (void)json_object_set_new(below, talk_text(span, "id"), json_array());
        }
        json_t *parent = json_object_get(below, talk_text(span, "parent"));
        (void)json_array_append(parent != NULL ? parent : top, span);
    }
    branch_print(trace, below, top);
}

static const struct flag trace_flags[] = {
    OPTION_INT("turn", 0, "NUMBER", 1, INT64_MAX, "Show only this turn of a session [all]."),
    OPTION_TEXT("kind", 0, "KINDS", "Show only steps of this kind, or of several (model,tool)."),
    OPTION_TEXT("state", 0, "STATES", "Show only steps in this state, or in several (a,b)."),
    OPTION_INT("min-ms", 0, "MS", 1, INT64_MAX, "Show only steps that took this long, or longer."),
    OPTION_TEXT("query", 'q', "TEXT", "Show only steps whose name, label or error has this text."),
    OPTION_END,
};

/* Agents and workflows do little themselves: their steps are those of what is below them. */
static struct err kind_find(struct trace *trace, struct talk *talk, const char *id,
                            struct why *why) {
    AUTO(json_release) json_t *run = NULL;
    TRY(run_get(talk, id, 0 /* no retry */, &run, why));
    const char *kind = talk_text(run, "kind");
    trace->tree = strcmp(kind, "workflow") == 0 || strcmp(kind, "agent") == 0;
    return ERR_OK;
}

static struct err trace_run(struct invocation *invocation, struct talk *talk) {
    static const struct action_param params[] = {{"turn", "turn"}, {"min-ms", "min_ms"},
                                                 {"kind", "kind"}, {"state", "state"},
                                                 {"query", "q"},   {.flag = NULL}};
    AUTO(text_done) struct text path = {0};
    AUTO(json_release) json_t *spans = json_array();
    const char *id = invocation->args.operands[0];
    bool of_session = strncmp(id, "ses_", 4) == 0;
    if (args_int(&invocation->args, "turn", 0) > 0 && !of_session) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--turn is one of a session; a run is traced whole");
    }
    struct trace trace = {.invocation = invocation,
                          .spans = spans,
                          .view = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                                   .now_ms = world_wall_ms(invocation->world)}};
    TRY(of_session ? ERR_OK : kind_find(&trace, talk, id, &invocation->why));
    const bool fits = talk_target(&path, of_session ? "/api/v1/sessions/" : "/api/v1/runs/", id,
                                  trace.tree ? "/spans?below=1" : "/spans");
    action_params_add(&path, invocation, params);
    if (!fits || text_failed(&path)) {
        return err_why(&invocation->why, ERR_NOT_FOUND, "there is no run and no session '%.60s'",
                       id);
    }
    struct err err = talk_list(talk, path.data, span_take, &trace, &invocation->why);
    if (err_failed(err) || invocation->json) {
        return err;
    }
    if (trace.tree) {
        tree_print(&trace);
    }
    if (trace.rows == 0) {
        printf("It has no steps of its own; 'drover show %s' shows its state.\n",
               short_name_of(id, NULL /* not known */).text);
    } else {
        sums_print(&trace);
    }
    return ERR_OK;
}

const struct command command_trace = {
    COMMAND(NULL, "trace", "RUN|SESSION", "Show the steps of a run or a session, and their costs."),
    HELP(RUNS, "drover trace last\n"),
    .flags = trace_flags,
    .about = "STEP is the attempt and the step in it; for a session, the number of the turn\n"
             "comes first. For a workflow, each agent is listed before its steps, with its\n"
             "phase.\n"
             "TOKENS are fresh input, + input read from or written to a cache\n"
             "(c), / output. '-' is unknown, '~' an estimate.\n",
    .converse = trace_run,
};
