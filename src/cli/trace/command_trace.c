/* command_trace.c: drover trace: what a run did, step by step, and what that cost. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/run/view.h"

enum { STEP_WIDTH = 6, KIND_WIDTH = 7, NAME_WIDTH = 24, NAME_SIZE_MAX = 2048 };

struct sums {
    int64_t fresh, cached, output; /* Tokens; cached: read or written. */
    int64_t cost_micros;
    bool tokens_known, cost_known; /* Of any step. */
    bool estimated, partly;        /* partly: a call whose cost nobody knows. */
};

struct trace {
    const struct invocation *invocation;
    struct run_view view;
    struct sums sums;
    int64_t rows;
    struct text text; /* Owned: the line that is made. */
};

/* "$0.0123"; micro-dollars are exact, and cents of a small call would be nothing. */
static struct run_words money(int64_t micros) {
    struct run_words words;
    (void)snprintf(words.text, sizeof words.text, "$%" PRId64 ".%04" PRId64, micros / 1000000,
                   micros % 1000000 / 100);
    return words;
}

static int64_t known(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : 0;
}

/* --- Sums ------------------------------------------------------------------------------------- */

static void sum_up(struct sums *sums, const json_t *span) {
    const json_t *tokens = json_object_get(span, "tokens");
    const json_t *cost = json_object_get(span, "cost_micros");
    bool of_model = strcmp(talk_text(span, "kind"), "model") == 0;
    if (json_is_object(tokens)) {
        sums->tokens_known = true;
        sums->fresh += known(tokens, "fresh");
        sums->cached += known(tokens, "cache_read") + known(tokens, "cache_write");
        sums->output += known(tokens, "output");
    }
    if (json_is_integer(cost)) {
        sums->cost_known = true;
        sums->cost_micros += json_integer_value(cost);
    }
    sums->partly = sums->partly || (of_model && !json_is_integer(cost));
    sums->estimated = sums->estimated || json_is_true(json_object_get(span, "estimated"));
}

static void sums_print(const struct trace *trace) {
    const struct sums *sums = &trace->sums;
    if (!sums->tokens_known && !sums->cost_known) {
        return;
    }
    printf("\n%" PRId64 " step%s", trace->rows, trace->rows == 1 ? "" : "s");
    if (sums->tokens_known) {
        printf(", %" PRId64 " tokens in (%" PRId64 " of them from or into a cache), %" PRId64
               " out",
               sums->fresh + sums->cached, sums->cached, sums->output);
    }
    if (sums->cost_known) {
        printf(", %s%s%s", sums->partly ? "at least " : "", money(sums->cost_micros).text,
               sums->estimated ? " (partly estimated)" : "");
    }
    putchar('\n');
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void head_print(void) {
    printf("%-*s  %-*s  %-*s  %-20s  %7s  %-15s  %8s  %s\n", STEP_WIDTH, "STEP", KIND_WIDTH, "KIND",
           NAME_WIDTH, "NAME", "STARTED", "TOOK", "TOKENS", "COST", "OUTCOME");
}

/* "1200+300c/80": fresh input, input from or into a cache, output. */
static struct run_words tokens_of(const json_t *span) {
    struct run_words words = {.text = "-"};
    const json_t *tokens = json_object_get(span, "tokens");
    int64_t cached = known(tokens, "cache_read") + known(tokens, "cache_write");
    if (json_is_object(tokens) && cached > 0) {
        (void)snprintf(words.text, sizeof words.text, "%" PRId64 "+%" PRId64 "c/%" PRId64,
                       known(tokens, "fresh"), cached, known(tokens, "output"));
    } else if (json_is_object(tokens)) {
        (void)snprintf(words.text, sizeof words.text, "%" PRId64 "/%" PRId64,
                       known(tokens, "fresh"), known(tokens, "output"));
    }
    return words;
}

static struct run_words cost_of(const json_t *span) {
    struct run_words words = {.text = "-"};
    const json_t *cost = json_object_get(span, "cost_micros");
    if (json_is_integer(cost)) {
        struct run_words exact = money(json_integer_value(cost));
        (void)snprintf(words.text, sizeof words.text, "%s%.40s",
                       json_is_true(json_object_get(span, "estimated")) ? "~" : "", exact.text);
    }
    return words;
}

static struct run_words took(const struct trace *trace, const json_t *span) {
    int64_t started = talk_int(span, "started_ms"), ended = talk_int(span, "ended_ms");
    int64_t end = ended > 0 ? ended : trace->view.now_ms;
    return run_span(end > started ? end - started : 0);
}

static void outcome_add(const struct trace *trace, const json_t *span, struct text *text) {
    int64_t tries = talk_int(span, "tries");
    run_view_state(&trace->view, span, text);
    if (tries > 1) {
        text_addf(text, " after %" PRId64 " tries", tries);
    }
    const char *error = talk_text(span, "error");
    if (error[0] != '\0') {
        text_add_str(text, ": ");
        run_view_plain(text, error);
    }
}

static void line_print(struct trace *trace, const json_t *span) {
    AUTO(text_done) struct text name = {0};
    char step[48];
    text_init(&name, NAME_SIZE_MAX);
    run_view_plain(&name, talk_text(span, "name"));
    size_t name_len = utf8_cut((struct bytes){name.data, name.len}, NAME_WIDTH);
    long long turn = talk_int(span, "turn");
    int len = turn > 0 ? snprintf(step, sizeof step, "%lld:", turn) : 0;
    (void)snprintf(step + len, sizeof step - (size_t)len, "%lld.%lld",
                   (long long)talk_int(span, "attempt"), (long long)talk_int(span, "step"));
    text_clear(&trace->text);
    outcome_add(trace, span, &trace->text);
    printf("%-*s  %-*s  %-*.*s  %-20s  %7s  %-15s  %8s  %s\n", STEP_WIDTH, step, KIND_WIDTH,
           talk_text(span, "kind"), NAME_WIDTH, (int)name_len, name.data != NULL ? name.data : "",
           talk_time(talk_int(span, "started_ms")).text, took(trace, span).text,
           tokens_of(span).text, cost_of(span).text,
           trace->text.data != NULL ? trace->text.data : "");
}

static void each_span(void *ctx, const json_t *span) {
    struct trace *trace = ctx;
    if (trace->invocation->json) {
        talk_print(span);
        return;
    }
    if (trace->rows++ == 0) {
        head_print();
    }
    sum_up(&trace->sums, span);
    line_print(trace, span);
}

/* --- The command ------------------------------------------------------------------------------ */

static const struct flag trace_flags[] = {
    OPTION_INT("turn", 0, "NUMBER", 1, INT64_MAX, "Of a session: this turn alone [all of them]."),
    OPTION_END,
};

static struct err find_path(struct invocation *invocation, struct text *path) {
    const char *id = invocation->args.operands[0];
    bool of_session = strncmp(id, "ses_", 4) == 0;
    const char *base = of_session ? "/api/v1/sessions/" : "/api/v1/runs/";
    int64_t turn = args_int(&invocation->args, "turn", 0);
    char rest[48];
    (void)snprintf(rest, sizeof rest, turn > 0 ? "/spans?turn=%" PRId64 : "/spans", turn);
    if (turn > 0 && !of_session) {
        why_set(&invocation->why, "--turn is one of a session; a run is traced whole");
        return err_make(ERR_USAGE, "trace: turn");
    }
    if (!talk_target(path, base, id, rest)) {
        why_set(&invocation->why, "that is no run's id, and no session's");
        return err_make(ERR_NOT_FOUND, "trace: id");
    }
    return ERR_OK;
}

static struct err trace_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text path = {0};
    struct err err = find_path(invocation, &path);
    if (err_failed(err)) {
        return err;
    }
    err = talk_open(&talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    struct trace trace = {.invocation = invocation,
                          .view = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                                   .now_ms = world_wall_ms(invocation->world)}};
    text_init(&trace.text, 64 << 10);
    err = talk_list(&talk, path.data, each_span, &trace, &invocation->why);
    if (!err_failed(err) && !invocation->json && trace.rows == 0) {
        printf("It has no steps of its own; 'drover show %s' tells how it is.\n",
               invocation->args.operands[0]);
    } else if (!err_failed(err) && !invocation->json) {
        sums_print(&trace);
    }
    text_done(&trace.text);
    return err;
}

const struct command command_trace = {
    .name = "trace",
    .summary = "Show what a run or a session did, step by step, and what it cost.",
    .operands = "ID",
    .flags = trace_flags,
    .talks = true,
    .about = "STEP is the attempt and the step in it, of a session after the turn's number. "
             "TOKENS are fresh input, + input from or into a\n"
             "cache (c), / output. What nobody knows is '-'; what was estimated has a '~'.\n",
    .run = trace_run,
};
