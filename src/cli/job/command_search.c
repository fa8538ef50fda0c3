/* command_search.c: drover job search: lines of output that match, as grep shows them. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/job/watch.h"
#include "cli/run/ask.h"

static const struct flag search_flags[] = {
    OPTION_TEXT("stream", 0, "NAME", "Where to look [out; pty of a job with a terminal].",
                .choices = "out|err|pty"),
    OPTION_INT("limit", 'n', "N", 1, 500, "Print so many matches at most [50]."),
    OPTION_INT("context", 'C', "N", 0, 50, "Lines to show around each match [0]."),
    OPTION_INT("attempt", 0, "N", 1, INT64_MAX, "Of this attempt [the newest]."),
    OPTION_END,
};

/* A line of a log may hold anything; on a terminal it must not do anything. */
static void line_print(int64_t line, char mark, const json_t *text) {
    AUTO(text_done) struct text plain = {0};
    text_init(&plain, 32 << 20);
    text_add(&plain, json_is_string(text) ? json_string_value(text) : "", json_string_length(text));
    if (plain.len > 0) {
        utf8_make_plain(plain.data, plain.len);
    }
    printf("%lld%c%s\n", (long long)line, mark, plain.data != NULL ? plain.data : "");
}

static void match_print(const json_t *match) {
    int64_t line = talk_int(match, "line");
    const json_t *before = json_object_get(match, "before"),
                 *after = json_object_get(match, "after");
    size_t count = json_array_size(before);
    for (size_t i = 0; i < count; i++) {
        line_print(line - (int64_t)(count - i), '-', json_array_get(before, i));
    }
    line_print(line, ':', json_object_get(match, "text"));
    for (size_t i = 0; i < json_array_size(after); i++) {
        line_print(line + 1 + (int64_t)i, '-', json_array_get(after, i));
    }
}

static void answer_print(const struct invocation *invocation, const json_t *answer) {
    const json_t *matches = json_object_get(answer, "matches");
    bool context = args_int(&invocation->args, "context", 0) > 0;
    for (size_t i = 0; i < json_array_size(matches); i++) {
        if (context && i > 0) {
            puts("--");
        }
        match_print(json_array_get(matches, i));
    }
    if (json_is_true(json_object_get(answer, "truncated"))) {
        (void)fflush(stdout); /* A failure shows again at the end. */
        fprintf(stderr, "drover: %zu of %lld matches are shown\n", json_array_size(matches),
                (long long)talk_int(answer, "total"));
    }
}

static struct err search_ask(struct talk *talk, struct invocation *invocation,
                             json_t **ret_answer) {
    static const char *const numbers[] = {"limit", "context", "attempt"};
    AUTO(json_release) json_t *run = NULL;
    AUTO(text_done) struct text target = {0};
    const struct args *args = &invocation->args;
    const char *stream = args_text(args, "stream");
    if (stream == NULL) {
        struct err err = run_get(talk, args->operands[0], 0 /* one try */, &run, &invocation->why);
        if (err_failed(err)) {
            return err;
        }
        stream = job_has_pty(run) ? "pty" : "out";
    }
    if (!talk_target(&target, "/api/v1/jobs/", args->operands[0], "/logs/search?pattern=")) {
        return err_make(ERR_NOT_FOUND, "job: id");
    }
    client_add_escaped(&target, args->operands[1]);
    text_addf(&target, "&stream=%s", stream);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (args_given(args, numbers[i])) {
            text_addf(&target, "&%s=%lld", numbers[i], (long long)args_int(args, numbers[i], 0));
        }
    }
    if (text_failed(&target)) {
        return err_make(ERR_URL_TOO_LONG, "job: pattern");
    }
    return talk_get(talk, target.data, ret_answer, &invocation->why);
}

static struct err search_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    struct err err = talk_open(&talk, invocation);
    if (!err_failed(err)) {
        err = search_ask(&talk, invocation, &answer);
    }
    if (err_failed(err)) {
        return err;
    }
    if (invocation->json) {
        talk_print(answer);
    } else {
        answer_print(invocation, answer);
    }
    invocation->exit_code = json_array_size(json_object_get(answer, "matches")) == 0;
    return ERR_OK;
}

const struct command command_job_search = {
    .group = "job",
    .name = "search",
    .summary = "Search the output of a job with a regular expression.",
    .operands = "ID PATTERN",
    .flags = search_flags,
    .talks = true,
    .about = "Exit code: 0 when something matched, 1 when nothing did.\n",
    .run = search_run,
};
