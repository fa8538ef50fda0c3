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
#include "cli/job/watch.h"
#include "cli/run/ask.h"

enum { PAGE_BYTES = 1 << 20 };

static const struct flag logs_flags[] = {
    {.name = "follow",
     .letter = 'f',
     .kind = FLAG_SWITCH,
     .about = "Stay until the job has ended, all its attempts; with --attempt, that one."},
    {.name = "stream",
     .kind = FLAG_TEXT,
     .value = "NAME",
     .choices = "out|err|pty",
     .about = "Only this one, to stdout [all]."},
    {.name = "from",
     .kind = FLAG_INT,
     .value = "OFFSET",
     .about = "Begin at this byte of the stream; needs --stream.",
     .min = 0,
     .max = INT64_MAX},
    {.name = "attempt",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Of this attempt [the newest].",
     .min = 1,
     .max = INT64_MAX},
    {.name = "retry-for",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .about = "Give up following when the daemon is away for so long.",
     .min = 0,
     .max = INT64_C(24) * 3600 * 1000,
     .absent = "5m"},
    {.name = NULL},
};

struct logs {
    struct invocation *invocation;
    struct talk *talk;
    struct log_print print;
    struct log_follow_options options;
};

/* --- What is there ---------------------------------------------------------------------------- */

/* A header that must be a number; `absent` when it is not there. */
static int64_t header_int(const struct talk *talk, const char *name, int64_t absent) {
    const char *text = client_header(talk->client, name);
    int64_t number = absent;
    struct number_bounds bounds = {0, INT64_MAX};
    if (text == NULL || !number_parse(bytes_of(text), bounds, &number)) {
        return absent;
    }
    return number;
}

static struct err page_ask(struct logs *logs, const struct log_hole *place, struct text *ret_body) {
    AUTO(text_done) struct text target = {0}, query = {0};
    text_init(&query, 256);
    text_addf(&query, "/logs?stream=%s&attempt=%lld&offset=%lld&limit=%d",
              job_stream_name(place->stream), (long long)place->attempt, (long long)place->from,
              PAGE_BYTES);
    if (!talk_target(&target, "/api/v1/jobs/", logs->options.run, query.data)) {
        return err_make(ERR_NOT_FOUND, "job: id");
    }
    struct client_request request = {
        .method = "GET", .target = target.data, .accept = "application/octet-stream"};
    return client_call(logs->talk->client, &request, ret_body, &logs->invocation->why);
}

/* The pages of one stream, up to where it ended when the first of them was asked for: a job that
 * writes on must not keep us for ever. */
static struct err stream_print(struct logs *logs, enum job_stream stream) {
    int64_t next = logs->options.from[stream], end = -1;
    while (end < 0 || next < end) {
        AUTO(text_done) struct text body = {0};
        struct log_hole place = {.stream = stream, .attempt = logs->options.attempt, .from = next};
        struct err err = page_ask(logs, &place, &body);
        if (err_failed(err)) {
            return err;
        }
        int64_t offset = header_int(logs->talk, "drover-offset", next);
        end = end < 0 ? header_int(logs->talk, "drover-size", 0) : end;
        if (body.len == 0) {
            return ERR_OK;
        }
        if (offset > next) {
            place.to = offset;
            log_print_hole(&logs->print, &place);
        }
        struct log_piece piece = {.stream = stream,
                                  .attempt = place.attempt,
                                  .offset = offset,
                                  .bytes = {body.data, body.len}};
        log_print_piece(&logs->print, &piece);
        next = offset + (int64_t)body.len;
    }
    return ERR_OK;
}

static struct err streams_print(struct logs *logs) {
    struct err err = ERR_OK;
    for (unsigned i = 0; i < JOB_STREAM_COUNT && !err_failed(err); i++) {
        if (logs->options.wanted[i]) {
            err = stream_print(logs, (enum job_stream)i);
        }
    }
    return err;
}

/* --- All of it -------------------------------------------------------------------------------- */

static struct err choose(struct logs *logs, const json_t *run) {
    const struct args *args = &logs->invocation->args;
    int64_t begun = talk_int(run, "attempt");
    logs->options.attempt = args_int(args, "attempt", begun > 0 ? begun : 1);
    const char *name = args_text(args, "stream");
    enum job_stream only = JOB_OUT;
    if (name != NULL && job_stream_find(name, &only)) {
        logs->options.wanted[only] = true;
        logs->options.from[only] = args_int(args, "from", 0);
        return ERR_OK;
    }
    if (args_given(args, "from")) {
        why_set(&logs->invocation->why, "--from needs --stream NAME: each has its own offsets");
        return err_make(ERR_USAGE, "job: from");
    }
    bool pty = job_has_pty(run);
    logs->options.wanted[JOB_PTY] = pty;
    logs->options.wanted[JOB_OUT] = logs->options.wanted[JOB_ERR] = !pty;
    logs->print.err_apart = true;
    return ERR_OK;
}

static struct err refuse_turn(struct invocation *invocation, const json_t *run) {
    const char *id = talk_text(run, "id");
    why_set(&invocation->why,
            "%s is a turn; 'drover attach %s' looks on at it, 'drover session show -m %s' has what "
            "was said",
            id, id, talk_text(json_object_get(run, "spec"), "session"));
    return err_make(ERR_CONFLICT, "job: logs of a turn");
}

/* The next attempt, as soon as there is one; false: there will be none. */
static struct err attempt_next(struct logs *logs, bool *ret_more) {
    struct log_follow_options *options = &logs->options;
    AUTO(json_release) json_t *run = NULL;
    struct run_wait wait = {
        .id = options->run, .past_attempt = options->attempt, .retry_ms = options->retry_ms};
    struct err err = run_wait(logs->talk, &wait, &run, &logs->invocation->why);
    *ret_more = !err_failed(err) && talk_int(run, "attempt") > options->attempt;
    if (!*ret_more) {
        return err;
    }
    options->attempt++; /* Each of them is shown, also those that ended meanwhile. */
    memset(options->from, 0, sizeof options->from);
    if (logs->print.form == LOG_PLAIN) {
        (void)fflush(stdout); /* The note stands between the two, if both go to one terminal. */
        fprintf(stderr, "drover: attempt %lld has ended; attempt %lld:\n",
                (long long)options->attempt - 1, (long long)options->attempt);
    }
    return ERR_OK;
}

static struct err logs_follow(struct logs *logs) {
    bool more = true;
    struct err err = ERR_OK;
    while (!err_failed(err) && more) {
        err = log_follow(&logs->options, &logs->invocation->why);
        more = !args_given(&logs->invocation->args, "attempt");
        if (!err_failed(err) && more) {
            err = attempt_next(logs, &more);
        }
    }
    logs->invocation->told = err.code == ERR_INTERRUPTED; /* The user knows. */
    return err;
}

static struct err logs_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *run = NULL;
    const char *id = invocation->args.operands[0];
    struct err err = talk_open(&talk, invocation);
    if (!err_failed(err)) {
        err = run_get(&talk, id, 0 /* one try */, &run, &invocation->why);
    }
    struct logs logs = {
        .invocation = invocation,
        .talk = &talk,
        .print = {.form = invocation->json ? LOG_JSON : LOG_PLAIN},
        .options = {.talk = &talk.options,
                    .world = invocation->world,
                    .run = id,
                    .retry_ms = args_int(&invocation->args, "retry-for", 0),
                    .signal_fd = -1,
                    .piece = log_print_piece,
                    .hole = log_print_hole,
                    .trouble = talk_trouble},
    };
    logs.options.ctx = &logs.print;
    if (!err_failed(err) && strcmp(talk_text(run, "kind"), "turn") == 0) {
        err = refuse_turn(invocation, run);
    }
    if (!err_failed(err)) {
        err = choose(&logs, run);
    }
    if (err_failed(err)) {
        return err;
    }
    return args_on(&invocation->args, "follow") ? logs_follow(&logs) : streams_print(&logs);
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
