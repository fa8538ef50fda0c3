/* command_logs.c: drover job logs: what is there, page by page, or followed to the end.
 *
 * Which attempt is meant is settled once, from the row, and said in each request: the newest may be
 * another one by the time of the second page, or when we are back after an outage.
 */
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/job/watch.h"
#include "cli/run/ask.h"

enum { PAGE_BYTES = 1 << 20 };

static const struct flag logs_flags[] = {
    OPTION_SWITCH("follow", 'f',
                  "Stay until the job has ended, all its attempts; with --attempt, that one."),
    OPTION_TEXT("stream", 0, "NAME", "Only this one, to stdout [all].", .choices = "out|err|pty"),
    OPTION_INT("from", 0, "OFFSET", 0, INT64_MAX,
               "Begin at this byte of the stream; needs --stream."),
    OPTION_INT("attempt", 0, "N", 1, INT64_MAX, "Of this attempt [the newest]."),
    OPTION_RETRY("Give up following when the daemon is away for so long."),
    OPTION_END,
};

struct logs {
    struct invocation *invocation;
    struct log_print print;
    struct log_follow_options options;
};

/* --- What is there ---------------------------------------------------------------------------- */

/* A header that must be a number; `absent` when it is not there. */
static int64_t header_int(const struct talk *talk, const char *name, int64_t absent) {
    const char *text = client_header(talk->client, name);
    int64_t number = absent;
    struct number_bounds bounds = {0, INT64_MAX};
    return number_parse(bytes_of(text), bounds, &number) ? number : absent;
}

/* The pages of one stream, up to where it ended when the first of them was asked for: a job that
 * writes on must not keep us for ever. */
static struct err stream_print(struct logs *logs, enum job_stream stream) {
    const struct log_follow_options *options = &logs->options;
    int64_t next = options->from[stream], end = -1;
    while (end < 0 || next < end) {
        AUTO(text_done) struct text target = {0}, body = {0};
        const struct log_range range = {
            .stream = stream, .attempt = options->attempt, .offset = next, .limit = PAGE_BYTES};
        if (!log_target(&target, options->run, &range)) {
            return err_make(ERR_NOT_FOUND, "job: id");
        }
        struct client_request request = {
            .method = "GET", .target = target.data, .accept = "application/octet-stream"};
        struct err err =
            client_call(options->talk->client, &request, &body, &logs->invocation->why);
        if (err_failed(err) || body.len == 0) {
            return err;
        }
        int64_t offset = header_int(options->talk, "drover-offset", next);
        end = end < 0 ? header_int(options->talk, "drover-size", 0) : end;
        if (offset > next) {
            struct log_hole hole = {
                .stream = stream, .attempt = range.attempt, .from = next, .to = offset};
            log_print_hole(&logs->print, &hole);
        }
        struct log_piece piece = {.stream = stream,
                                  .attempt = range.attempt,
                                  .offset = offset,
                                  .bytes = text_bytes(&body)};
        log_print_piece(&logs->print, &piece);
        next = offset + (int64_t)body.len;
    }
    return ERR_OK;
}

/* --- All of it -------------------------------------------------------------------------------- */

static struct err streams_choose(struct logs *logs, const json_t *run) {
    const struct args *args = &logs->invocation->args;
    struct log_follow_options *options = &logs->options;
    int64_t begun = talk_int(run, "attempt");
    options->attempt = args_int(args, "attempt", begun > 0 ? begun : 1);
    const char *name = args_text(args, "stream");
    enum job_stream only = JOB_OUT;
    if (name != NULL && job_stream_find(name, &only)) {
        options->wanted[only] = true;
        options->from[only] = args_int(args, "from", 0);
        return ERR_OK;
    }
    if (args_given(args, "from")) {
        return err_why(&logs->invocation->why, ERR_USAGE,
                       "--from needs --stream NAME: each has its own offsets");
    }
    options->wanted[JOB_PTY] = job_has_pty(run);
    options->wanted[JOB_OUT] = options->wanted[JOB_ERR] = !options->wanted[JOB_PTY];
    logs->print.err_apart = true;
    return ERR_OK;
}

static struct err refuse_turn(struct invocation *invocation, const json_t *run) {
    const char *id = talk_text(run, "id");
    return err_why(
        &invocation->why, ERR_CONFLICT,
        "%s is a turn; 'drover attach %s' looks on at it, 'drover session show -m %s' has what "
        "was said",
        id, id, talk_text(json_object_get(run, "spec"), "session"));
}

/* Attempt after attempt, until there will be none; with --attempt that one. */
static struct err logs_follow(struct logs *logs) {
    struct log_follow_options *options = &logs->options;
    struct why *why = &logs->invocation->why;
    struct run_wait wait = {.id = options->run, .retry_ms = options->retry_ms};
    for (;;) {
        AUTO(json_release) json_t *run = NULL;
        struct err err = log_follow(options, why);
        if (!err_failed(err) && !args_given(&logs->invocation->args, "attempt")) {
            wait.past_attempt = options->attempt;
            err = run_wait(options->talk, &wait, &run, why);
        }
        logs->invocation->told = err.code == ERR_INTERRUPTED; /* The user knows. */
        if (err_failed(err) || talk_int(run, "attempt") <= options->attempt) {
            return err;
        }
        options->attempt++; /* Each of them is shown, also those that ended meanwhile. */
        memset(options->from, 0, sizeof options->from);
        if (logs->print.form == LOG_PLAIN) {
            (void)fflush(stdout); /* The note stands between the two, if both go to one terminal. */
            fprintf(stderr, "drover: attempt %lld has ended; attempt %lld:\n",
                    (long long)options->attempt - 1, (long long)options->attempt);
        }
    }
}

static struct err logs_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *run = NULL;
    struct logs logs = {
        .invocation = invocation,
        .print = {.form = invocation->json ? LOG_JSON : LOG_PLAIN},
        .options = {.talk = &talk,
                    .run = invocation->args.operands[0],
                    .retry_ms = args_int(&invocation->args, "retry-for", 0),
                    .signal_fd = -1,
                    .piece = log_print_piece,
                    .hole = log_print_hole,
                    .ctx = &logs.print},
    };
    struct err err = talk_open(&talk, invocation);
    if (!err_failed(err)) {
        err = run_get(&talk, logs.options.run, 0 /* one try */, &run, &invocation->why);
    }
    if (!err_failed(err) && strcmp(talk_text(run, "kind"), "turn") == 0) {
        err = refuse_turn(invocation, run);
    }
    if (!err_failed(err)) {
        err = streams_choose(&logs, run);
    }
    if (!err_failed(err) && args_on(&invocation->args, "follow")) {
        return logs_follow(&logs);
    }
    for (unsigned i = 0; i < JOB_STREAM_COUNT && !err_failed(err); i++) {
        if (logs.options.wanted[i]) {
            err = stream_print(&logs, (enum job_stream)i);
        }
    }
    return err;
}

const struct command command_job_logs = {
    .group = "job",
    .name = "logs",
    .summary = "Print the output of a job; with --follow, stay.",
    .operands = "ID",
    .flags = logs_flags,
    .talks = true,
    .about =
        "Without --stream, its stdout goes to stdout and its stderr to stderr. Where a job is\n"
        "tried again, --follow goes on with the next attempt and says so on stderr. With --json\n"
        "each piece is {\"stream\",\"attempt\",\"offset\",\"next\",\"text\" or \"base64\"}.\n",
    .run = logs_run,
};
