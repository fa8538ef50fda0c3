/* command_logs.c: drover job logs: what is there, page by page, or followed to the end; drover job
 * search: lines of output that match, as grep shows them.
 *
 * Which attempt is meant is settled once, from the row, and said in each request: the newest may be
 * another one by the time of the second page, or when we are back after an outage.
 */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/job/watch.h"
#include "cli/run/ask.h"
#include "cli/system/daemon_log.h"
#include "cli/terminal/plain.h"

enum { PAGE_BYTES = 1 << 20 };

static const struct flag logs_flags[] = {
    OPTION_SWITCH("follow", 'f', "Follow until the job, or with --attempt that attempt, ends."),
    OPTION_TEXT("stream", 0, "NAME", "Print only this stream, to stdout [all].",
                .choices = "out|err|pty"),
    OPTION_INT("from", 0, "OFFSET", 0, INT64_MAX,
               "Start at this byte of the stream; needs --stream."),
    OPTION_INT("attempt", 0, "N", 1, INT64_MAX, "Read this attempt [the newest]."),
    OPTION_RETRY("Stop following when the daemon is unreachable for this long."),
    OPTION_END,
};

/* The pages of one stream, up to where it ended when the first of them was asked for: a job that
 * writes on must not keep us for ever. */
static struct err stream_print(const struct log_follow_options *options, enum job_stream stream,
                               struct why *why) {
    for (int64_t next = options->from[stream], end = -1; end < 0 || next < end;) {
        AUTO(text_done) struct text body = {0};
        const struct log_range range = {
            .stream = stream, .attempt = options->attempt, .offset = next, .limit = PAGE_BYTES};
        int64_t offset = next, size = 0;
        struct err err = log_page(options->talk, options->run, &range, &body, &offset, &size, why);
        if (err_failed(err) || body.len == 0) {
            return err;
        }
        end = end < 0 ? size : end;
        const struct log_hole hole = {
            .stream = stream, .attempt = range.attempt, .from = next, .to = offset};
        const struct log_piece piece = {.stream = stream,
                                        .attempt = range.attempt,
                                        .offset = offset,
                                        .bytes = text_bytes(&body)};
        if (offset > next) {
            options->hole(options->ctx, &hole);
        }
        options->piece(options->ctx, &piece);
        next = offset + (int64_t)body.len;
    }
    return ERR_OK;
}

/* Attempt after attempt, until there will be none; with --attempt that one. */
static struct err logs_follow(struct invocation *invocation, struct log_follow_options *options) {
    struct run_wait wait = {.id = options->run, .retry_ms = options->retry_ms};
    invocation->follows = true;
    for (;;) {
        AUTO(json_release) json_t *run = NULL;
        struct err err = log_follow(options, &invocation->why);
        if (!err_failed(err) && !args_given(&invocation->args, "attempt")) {
            wait.past_attempt = options->attempt;
            err = run_wait(options->talk, &wait, &run, &invocation->why);
        }
        if (err_failed(err) || talk_int(run, "attempt") <= options->attempt) {
            return err;
        }
        options->attempt++; /* Each of them is shown, also those that ended meanwhile. */
        memset(options->from, 0, sizeof options->from);
        if (!invocation->json) {
            job_attempt_tell(options->attempt);
        }
    }
}

static struct err logs_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *run = NULL;
    const struct args *args = &invocation->args;
    const char *name = args_text(args, "stream");
    enum job_stream only = JOB_OUT;
    struct log_print print = {.form = invocation->json ? LOG_JSON : LOG_PLAIN,
                              .err_apart = name == NULL};
    struct log_follow_options options = {
        .talk = talk,
        .run = args->operands[0],
        .retry_ms = args_int(args, "retry-for", 0),
        .signal_fd = -1,
        .piece = log_print_piece,
        .hole = log_print_hole,
        .ctx = &print,
    };
    TRY(run_get(talk, options.run, 0 /* a single try */, &run, &invocation->why));
    if (strcmp(talk_text(run, "kind"), "turn") == 0) {
        const struct short_name turn =
            short_name_of(talk_text(run, "id"), NULL /* a turn has no label */);
        const char *session = talk_text(json_object_get(run, "spec"), "session");
        return err_why(&invocation->why, ERR_CONFLICT,
                       "%s is a turn; 'drover attach %s' follows it, 'drover session show -m "
                       "%s' shows its messages",
                       turn.text, turn.text, short_name_of(session, NULL /* no label */).text);
    }
    int64_t begun = talk_int(run, "attempt");
    options.attempt = args_int(args, "attempt", begun > 0 ? begun : 1);
    if (name != NULL && job_stream_find(name, &only)) {
        options.wanted[only] = true;
        options.from[only] = args_int(args, "from", 0);
    } else if (args_given(args, "from")) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--from needs --stream NAME: each has its own offsets");
    } else {
        options.wanted[JOB_PTY] = job_has_pty(run);
        options.wanted[JOB_OUT] = options.wanted[JOB_ERR] = !options.wanted[JOB_PTY];
    }
    if (args_on(args, "follow")) {
        return logs_follow(invocation, &options);
    }
    struct err err = ERR_OK;
    for (unsigned i = 0; i < JOB_STREAM_COUNT && !err_failed(err); i++) {
        if (options.wanted[i]) {
            err = stream_print(&options, (enum job_stream)i, &invocation->why);
        }
    }
    return err;
}

const struct command command_job_logs = {
    COMMAND("job", "logs", "JOB", "Print the output of a job."),
    HELP(JOBS, "drover job logs last\n"
               "drover job logs nightly --follow --stream err\n"),
    .flags = logs_flags,
    .about = "Without --stream, the job's stdout goes to stdout and its stderr to stderr. If\n"
             "the job is retried, --follow continues with the next attempt, after \"--- attempt\n"
             "2 ---\" on stderr. With --json, each piece of output is\n"
             "{\"stream\",\"attempt\",\"offset\",\"next\",\"text\" or \"base64\"}.\n",
    .converse = logs_run,
};

/* --- Of the daemon, or of a run --------------------------------------------------------------- */

static const struct flag logs_any_flags[] = {
    OPTION_SWITCH("follow", 'f', "Follow: print new output as it comes."),
    OPTION_INT("lines", 'n', "N", 1, 100000, "Print the last N lines of the daemon's log [100]."),
    OPTION_TEXT("stream", 0, "NAME", "Print only this stream of a run, to stdout [all].",
                .choices = "out|err|pty"),
    OPTION_INT("from", 0, "OFFSET", 0, INT64_MAX,
               "Begin at this byte of the stream; needs --stream."),
    OPTION_INT("attempt", 0, "N", 1, INT64_MAX, "Print this attempt of a run [the newest]."),
    OPTION_RETRY("Stop following when the daemon is unreachable for this long."),
    OPTION_END,
};

static struct err logs_any(struct invocation *invocation, struct talk *talk) {
    enum { LINES = 100 };
    static const char *const of_runs[] = {"stream", "from", "attempt"};
    const struct args *args = &invocation->args;
    if (args->operand_count > 0) {
        return args_given(args, "lines")
                   ? err_why(&invocation->why, ERR_USAGE, "--lines is for the daemon's log")
                   : logs_run(invocation, talk);
    }
    for (size_t i = 0; i < COUNT_OF(of_runs); i++) {
        if (args_given(args, of_runs[i])) {
            return err_why(&invocation->why, ERR_USAGE, "--%s needs the id of a run", of_runs[i]);
        }
    }
    const struct daemon_log with = {.lines = (size_t)args_int(args, "lines", LINES),
                                    .follow = args_on(args, "follow")};
    return daemon_log_print(talk, &with);
}

const struct command command_logs = {
    COMMAND(NULL, "logs", "[RUN]", "Print the log of the daemon, or the output of a job."),
    HELP(RUNS, "drover logs\n"
               "drover logs last --follow\n"),
    .flags = logs_any_flags,
    .about = "Without RUN, print the log of a daemon that was started in the background\n"
             "(DIR/log). With RUN, same as 'drover job logs'.\n",
    .converse = logs_any,
};

/* --- Search ----------------------------------------------------------------------------------- */

static const struct flag search_flags[] = {
    OPTION_TEXT("stream", 0, "NAME", "Search this stream [out; pty of a job with a terminal].",
                .choices = "out|err|pty"),
    OPTION_INT("limit", 'n', "N", 1, 500, "Print at most N matches [50]."),
    OPTION_INT("context", 'C', "N", 0, 50, "Show N lines around each match [0]."),
    OPTION_INT("attempt", 0, "N", 1, INT64_MAX, "Read this attempt [the newest]."),
    OPTION_END,
};

/* A line of a log may hold anything; on a terminal it must not do anything. */
static void line_print(int64_t line, char mark, const json_t *text) {
    AUTO(text_done) struct text plain = text_up_to(32 << 20);
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

static struct err search_run(struct invocation *invocation, struct talk *talk) {
    static const struct action_param numbers[] = {
        {"limit", "limit"}, {"context", "context"}, {"attempt", "attempt"}, {.flag = NULL}};
    AUTO(json_release) json_t *run = NULL, *answer = NULL;
    AUTO(text_done) struct text target = {0};
    const struct args *args = &invocation->args;
    const char *stream = args_text(args, "stream");
    struct err err = ERR_OK;
    if (stream == NULL) {
        err = run_get(talk, args->operands[0], 0 /* a single try */, &run, &invocation->why);
        stream = job_has_pty(run) ? "pty" : "out";
    }
    if (err_failed(err)) {
        return err;
    }
    if (!talk_target(&target, "/api/v1/jobs/", args->operands[0], "/logs/search?pattern=")) {
        return err_make(ERR_NOT_FOUND, "job: id");
    }
    client_add_escaped(&target, args->operands[1]);
    text_addf(&target, "&stream=%s", stream);
    action_params_add(&target, invocation, numbers);
    if (text_failed(&target)) {
        return err_make(ERR_URL_TOO_LONG, "job: pattern");
    }
    TRY(talk_get(talk, target.data, &answer, &invocation->why));
    const json_t *matches = json_object_get(answer, "matches");
    invocation->exit_code = json_array_size(matches) == 0;
    if (invocation->json) {
        talk_print(answer);
        return ERR_OK;
    }
    for (size_t i = 0; i < json_array_size(matches); i++) {
        if (i > 0 && args_int(args, "context", 0) > 0) {
            puts("--");
        }
        match_print(json_array_get(matches, i));
    }
    if (json_is_true(json_object_get(answer, "truncated"))) {
        plain_note("drover: %zu of %lld matches are shown\n", json_array_size(matches),
                   (long long)talk_int(answer, "total"));
    }
    return ERR_OK;
}

const struct command command_job_search = {
    COMMAND("job", "search", "JOB PATTERN",
            "Search the output of a job with a regular expression."),
    HELP(JOBS, "drover job search nightly \"error|warning\" -C 2\n"),
    .flags = search_flags,
    .about = "Exit code: 0 if something matched, 1 if nothing did.\n",
    .converse = search_run,
};
