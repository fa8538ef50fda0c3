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
#include "cli/base/options.h"
#include "cli/run/view.h"

enum { NAME_WIDTH = 24, LINE_BYTES_MAX = 64 << 10 };

struct trace {
    const struct invocation *invocation;
    struct run_view view;
    int64_t rows;
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
    trace->partly |= of_model && !json_is_integer(cost);
    trace->estimated |= json_is_true(json_object_get(span, "estimated"));
}

static void sums_print(const struct trace *trace) {
    if (!trace->tokens_known && !trace->cost_known) {
        return;
    }
    printf("\n%" PRId64 " step%s", trace->rows, trace->rows == 1 ? "" : "s");
    if (trace->tokens_known) {
        printf(", %" PRId64 " tokens in (%" PRId64 " of them from or into a cache), %" PRId64
               " out",
               trace->fresh + trace->cached, trace->cached, trace->output);
    }
    if (trace->cost_known) {
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
    run_view_plain(&name, talk_text(span, "name"));
    size_t name_len = utf8_cut(text_bytes(&name), NAME_WIDTH);

    /* The turn's number, in a session; the attempt, and the step in it. */
    char step[64];
    long long turn = talk_int(span, "turn");
    int len = turn > 0 ? snprintf(step, sizeof step, "%lld:", turn) : 0;
    (void)snprintf(step + len, sizeof step - (size_t)len, "%lld.%lld",
                   (long long)talk_int(span, "attempt"), (long long)talk_int(span, "step"));

    int64_t started = talk_int(span, "started_ms"), ended = talk_int(span, "ended_ms");
    int64_t end = ended > 0 ? ended : trace->view.now_ms;
    const json_t *cost = json_object_get(span, "cost_micros");
    const char *about = json_is_true(json_object_get(span, "estimated")) ? "~" : "";

    run_view_state(&trace->view, span, &outcome);
    int64_t tries = talk_int(span, "tries");
    if (tries > 1) {
        text_addf(&outcome, " after %" PRId64 " tries", tries);
    }
    const char *error = talk_text(span, "error");
    if (error[0] != '\0') {
        text_add_str(&outcome, ": ");
        run_view_plain(&outcome, error);
    }
    printf("%-6s  %-7s  %-*.*s  %-20s  %7s  %-15s  %8s  %s\n", step, talk_text(span, "kind"),
           NAME_WIDTH, (int)name_len, text_bytes(&name).data, talk_time(started).text,
           run_span(end > started ? end - started : 0).text, tokens_of(span).text,
           json_is_integer(cost) ? money(about, json_integer_value(cost)).text : "-",
           text_bytes(&outcome).data);
}

static void span_take(void *ctx, const json_t *span) {
    struct trace *trace = ctx;
    if (trace->invocation->json) {
        talk_print(span);
        return;
    }
    if (trace->rows++ == 0) {
        printf("%-6s  %-7s  %-*s  %-20s  %7s  %-15s  %8s  %s\n", "STEP", "KIND", NAME_WIDTH, "NAME",
               "STARTED", "TOOK", "TOKENS", "COST", "OUTCOME");
    }
    span_sum(trace, span);
    span_print(trace, span);
}

static const struct flag trace_flags[] = {
    OPTION_INT("turn", 0, "NUMBER", 1, INT64_MAX, "Show only this turn of a session [all]."),
    OPTION_END,
};

static struct err trace_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text path = {0};
    const char *id = invocation->args.operands[0];
    bool of_session = strncmp(id, "ses_", 4) == 0;
    int64_t turn = args_int(&invocation->args, "turn", 0);
    if (turn > 0 && !of_session) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--turn is one of a session; a run is traced whole");
    }
    char rest[48];
    (void)snprintf(rest, sizeof rest, turn > 0 ? "/spans?turn=%" PRId64 : "/spans", turn);
    if (!talk_target(&path, of_session ? "/api/v1/sessions/" : "/api/v1/runs/", id, rest)) {
        return err_why(&invocation->why, ERR_NOT_FOUND, "there is no run and no session '%.60s'",
                       id);
    }
    struct trace trace = {.invocation = invocation,
                          .view = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                                   .now_ms = world_wall_ms(invocation->world)}};
    struct err err = talk_open(&talk, invocation);
    err = err_failed(err) ? err : talk_list(&talk, path.data, span_take, &trace, &invocation->why);
    if (err_failed(err) || invocation->json) {
        return err;
    }
    if (trace.rows == 0) {
        printf("It has no steps of its own; 'drover show %s' tells how it is.\n", id);
    } else {
        sums_print(&trace);
    }
    return ERR_OK;
}

const struct command command_trace = {
    COMMAND(NULL, "trace", "RUN|SESSION", "Show the steps of a run or a session, and their costs."),
    HELP(RUNS, "drover trace last\n"),
    .flags = trace_flags,
    .talks = true,
    .about = "STEP is the attempt and the step in it; of a session, the number of the turn\n"
             "comes first. TOKENS are fresh input, + input read from or written to a cache\n"
             "(c), / output. '-' is unknown, '~' an estimate.\n",
    .run = trace_run,
};
