/* command_search.c: drover job search: lines of output that match, as grep shows them. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/job/watch.h"
#include "cli/run/ask.h"

static const struct flag search_flags[] = {
    {.name = "stream",
     .kind = FLAG_TEXT,
     .value = "NAME",
     .choices = "out|err|pty",
     .about = "Where to look [out; pty of a job with a terminal]."},
    {.name = "limit",
     .letter = 'n',
     .kind = FLAG_INT,
     .value = "N",
     .about = "Print so many matches at most [50].",
     .min = 1,
     .max = 500},
    {.name = "context",
     .letter = 'C',
     .kind = FLAG_INT,
     .value = "N",
     .about = "Lines to show around each match [0].",
     .min = 0,
     .max = 50},
    {.name = "attempt",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Of this attempt [the newest].",
     .min = 1,
     .max = INT64_MAX},
    {.name = NULL},
};

/* A line of a log may hold anything; on a terminal it must not do anything. */
static void text_print(int64_t line, char mark, const json_t *text) {
    const char *chars = json_string_value(text);
    AUTO(text_done) struct text plain = {0};
    text_init(&plain, 32 << 20);
    text_add(&plain, chars != NULL ? chars : "", chars != NULL ? json_string_length(text) : 0);
    if (plain.len > 0) {
        utf8_make_plain(plain.data, plain.len);
    }
    printf("%lld%c%s\n", (long long)line, mark, plain.data != NULL ? plain.data : "");
}

static void match_print(const json_t *match) {
    int64_t line = talk_int(match, "line");
    const json_t *before = json_object_get(match, "before");
    const json_t *after = json_object_get(match, "after");
    for (size_t i = 0; i < json_array_size(before); i++) {
        text_print(line - (int64_t)(json_array_size(before) - i), '-', json_array_get(before, i));
    }
    text_print(line, ':', json_object_get(match, "text"));
    for (size_t i = 0; i < json_array_size(after); i++) {
        text_print(line + 1 + (int64_t)i, '-', json_array_get(after, i));
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

static struct err target_make(const struct invocation *invocation, const char *stream,
                              struct text *target) {
    const struct args *args = &invocation->args;
    if (!talk_target(target, "/api/v1/jobs/", args->operands[0], "/logs/search?pattern=")) {
        return err_make(ERR_NOT_FOUND, "job: id");
    }
    client_add_escaped(target, args->operands[1]);
    text_addf(target, "&stream=%s", stream);
    static const char *const numbers[] = {"limit", "context", "attempt"};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (args_given(args, numbers[i])) {
            text_addf(target, "&%s=%lld", numbers[i], (long long)args_int(args, numbers[i], 0));
        }
    }
    return text_failed(target) ? err_make(ERR_URL_TOO_LONG, "job: pattern") : ERR_OK;
}

static struct err search_ask(struct talk *talk, struct invocation *invocation,
                             json_t **ret_answer) {
    AUTO(json_release) json_t *run = NULL;
    AUTO(text_done) struct text target = {0};
    const char *stream = args_text(&invocation->args, "stream");
    if (stream == NULL) {
        struct err err =
            run_get(talk, invocation->args.operands[0], 0 /* one try */, &run, &invocation->why);
        if (err_failed(err)) {
            return err;
        }
        stream = job_has_pty(run) ? "pty" : "out";
    }
    struct err err = target_make(invocation, stream, &target);
    if (err_failed(err)) {
        return err;
    }
    struct client_request request = {.method = "GET", .target = target.data};
    return talk_ask(talk, &request, NULL /* parsed is enough */, ret_answer, &invocation->why);
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
