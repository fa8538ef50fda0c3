/* watch.c: attempt after attempt.
 *
 * The end of a log is not the end of a run: a retry has a log of its own. So after each log the run
 * is asked, and between two attempts its stream of events is waited on. */
#include "cli/job/watch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/number.h"
#include "cli/job/input.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/terminal/raw_terminal.h"

bool job_has_pty(const json_t *run) {
    const json_t *pty = json_object_get(json_object_get(run, "spec"), "pty");
    return json_is_true(pty) || json_is_object(pty);
}

bool job_takes_input(const json_t *run) {
    const json_t *open = json_object_get(json_object_get(run, "spec"), "stdin_open");
    return job_has_pty(run) || json_is_true(open);
}

void job_detached(struct invocation *invocation, const char *run) {
    if (!invocation->json) {
        fprintf(stderr,
                "\ndrover: detached; %s goes on. 'drover attach %s' comes back, 'drover stop %s' "
                "ends it.\n",
                run, run, run);
        invocation->told = true;
    }
    why_set(&invocation->why, "detached; %s goes on", run);
}

/* --- The terminal ----------------------------------------------------------------------------- */

int job_resize_open(void) {
    struct terminal_size size;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    if (!terminal_size(STDOUT_FILENO, &size) ||
        sigprocmask(SIG_BLOCK, &set, NULL /* not restored: the process ends soon */) < 0) {
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); /* Without it, sizes stay as they are. */
}

void job_resize_send(struct talk *talk, const char *run) {
    struct terminal_size size;
    struct why ignored;
    AUTO(text_done) struct text target = {0}, body = {0};
    text_init(&body, 128);
    if (!terminal_size(STDOUT_FILENO, &size) ||
        !talk_target(&target, "/api/v1/jobs/", run, "/resize")) {
        return;
    }
    text_addf(&body, "{\"rows\":%d,\"columns\":%d}", size.rows, size.columns);
    struct client_request request = {
        .method = "POST", .target = target.data, .body = {body.data, body.len}};
    struct err err = client_call(talk->client, &request, NULL /* it says nothing */, &ignored);
    if (err_failed(err)) {
        client_hang_up(talk->client);
    }
}

void job_stop_broken(struct talk *talk, const char *run) {
    struct why ignored;
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/runs/", run, "/stop")) {
        return;
    }
    struct client_request request = {.method = "POST", .target = target.data, .body = BYTES("{}")};
    struct err err = client_call(talk->client, &request, NULL /* it says nothing */, &ignored);
    fprintf(stderr, "drover: the rest of the input of %s cannot be sent; it %s\n", run,
            err_failed(err) ? "waits: 'drover stop' ends it" : "was asked to end");
}

struct watching {
    struct log_print print; /* First: the printing callbacks take it for themselves. */
    const struct job_watch *watch;
    int resize_fd; /* Owned. */
    struct raw_terminal terminal;
    struct job_input input; /* Begun unless nothing is sent. */
    struct log_guest guest;
};

static void on_piece(void *ctx, const struct log_piece *piece) {
    struct watching *watching = ctx;
    log_print_piece(&watching->print, piece);
}

static void on_hole(void *ctx, const struct log_hole *hole) {
    struct watching *watching = ctx;
    log_print_hole(&watching->print, hole);
}

static void on_resize(void *ctx) {
    struct watching *watching = ctx;
    struct signalfd_siginfo info;
    while (read(watching->resize_fd, &info, sizeof info) == (ssize_t)sizeof info) {
    }
    job_resize_send(watching->watch->talk, watching->watch->run);
}

/* --- Logs ------------------------------------------------------------------------------------- */

/* Where a stream's log of the first attempt that is watched ends now. */
static struct err log_size(const struct job_watch *watch, enum job_stream stream,
                           int64_t *ret_size) {
    struct talk *talk = watch->talk;
    struct why *why = &watch->invocation->why;
    AUTO(text_done) struct text target = {0}, query = {0};
    text_init(&query, 96);
    text_addf(&query, "/logs?stream=%s&attempt=%lld&limit=1", job_stream_name(stream),
              (long long)watch->attempt);
    if (!talk_target(&target, "/api/v1/jobs/", watch->run, query.data)) {
        return err_make(ERR_NOT_FOUND, "job: id");
    }
    struct client_request request = {
        .method = "GET", .target = target.data, .accept = "application/octet-stream"};
    struct err err = client_call(talk->client, &request, NULL /* only its head counts */, why);
    const char *size = err_failed(err) ? NULL : client_header(talk->client, "drover-size");
    struct number_bounds bounds = {0, INT64_MAX};
    if (!err_failed(err) && (size == NULL || !number_parse(bytes_of(size), bounds, ret_size))) {
        why_set(why, "the daemon does not say how long the log is");
        return err_make(ERR_INTERNAL, "job: size");
    }
    return err;
}

static void streams_choose(const struct job_watch *watch, struct log_follow_options *options) {
    options->wanted[JOB_PTY] = watch->pty;
    options->wanted[JOB_OUT] = options->wanted[JOB_ERR] = !watch->pty;
}

static struct err offsets_choose(const struct job_watch *watch,
                                 struct log_follow_options *options) {
    struct err err = ERR_OK;
    for (unsigned i = 0; watch->only_new && i < JOB_STREAM_COUNT && !err_failed(err); i++) {
        if (options->wanted[i]) {
            err = log_size(watch, (enum job_stream)i, &options->from[i]);
        }
    }
    return err;
}

static struct err attempt_follow(struct watching *watching, int64_t attempt) {
    const struct job_watch *watch = watching->watch;
    struct log_follow_options options = {
        .talk = &watch->talk->options,
        .world = watch->talk->world,
        .run = watch->run,
        .attempt = attempt,
        .retry_ms = watch->retry_ms,
        .signal_fd = watching->resize_fd,
        .guest = watch->input == JOB_WATCH_ONLY ? NULL : &watching->guest,
        .piece = on_piece,
        .hole = on_hole,
        .trouble = talk_trouble,
        .signalled = on_resize,
        .ctx = watching,
    };
    streams_choose(watch, &options);
    struct err err = attempt == watch->attempt ? offsets_choose(watch, &options) : ERR_OK;
    return err_failed(err) ? err : log_follow(&options, &watch->invocation->why);
}

/* --- The whole of it -------------------------------------------------------------------------- */

/* One attempt to its end; *ret_run is the run as it stands after that, ended or begun again. */
static struct err attempt_watch(struct watching *watching, int64_t attempt, json_t **ret_run) {
    const struct job_watch *watch = watching->watch;
    struct why *why = &watch->invocation->why;
    struct err err = attempt_follow(watching, attempt);
    if (err_failed(err)) {
        return err;
    }
    struct run_wait wait = {.id = watch->run, .past_attempt = attempt, .retry_ms = watch->retry_ms};
    return run_wait(watch->talk, &wait, ret_run, why);
}

static void end_tell(struct invocation *invocation, const json_t *run) {
    invocation->exit_code = run_exit_code(run);
    if (invocation->json) {
        talk_print(run);
        return;
    }
    /* Exit codes of a command speak for themselves; everything else is said. */
    bool plain = strcmp(talk_text(run, "state"), "succeeded") == 0 ||
                 strcmp(talk_text(run, "cause"), "exit_code") == 0;
    if (!plain) {
        (void)fflush(stdout); /* A failure shows again at the end. */
        const char *note = talk_text(run, "note");
        fprintf(stderr, "drover: %s: %s%s%s\n", talk_text(run, "id"), run_words(run).text,
                note[0] != '\0' ? ": " : "", note);
    }
}

static struct err attempts_watch(struct watching *watching) {
    const struct job_watch *watch = watching->watch;
    int64_t attempt = watch->attempt;
    for (;;) {
        AUTO(json_release) json_t *run = NULL;
        struct err err = attempt_watch(watching, attempt, &run);
        if (err_failed(err)) {
            return err;
        }
        int64_t newest = talk_int(run, "attempt");
        if (run_has_ended(run) && newest <= attempt) {
            raw_terminal_end(&watching->terminal);
            end_tell(watch->invocation, run);
            return ERR_OK;
        }
        attempt = attempt + 1; /* Each of them is shown, also those that ended meanwhile. */
    }
}

/* The line is written before the terminal is raw, and ends like any other. */
static void input_begin(struct watching *watching) {
    const struct job_watch *watch = watching->watch;
    bool types = watch->input == JOB_WATCH_TYPE;
    watching->input = (struct job_input){
        .talk = watch->talk,
        .run = watch->run,
        .why = &watch->invocation->why,
        .fd = types ? STDIN_FILENO : watch->input_fd,
        .from = types ? JOB_INPUT_KEYS : JOB_INPUT_STREAM,
    };
    job_input_init(&watching->input);
    watching->guest = job_input_guest(&watching->input);
    if (!types) {
        return;
    }
    fprintf(stderr,
            "drover: %s has this terminal; Ctrl-] detaches, 'drover attach %s' comes back.\n",
            watch->run, watch->run);
    talk_hear_all(watch->talk);
    if (!raw_terminal_begin(&watching->terminal)) {
        watching->input.fd = -1; /* It vanished just now: we only look on. */
    }
}

static void watching_done(struct watching *watching) {
    raw_terminal_end(&watching->terminal);
    fd_release(&watching->resize_fd);
    if (watching->watch->input != JOB_WATCH_ONLY) {
        job_input_done(&watching->input);
    }
}

struct err job_watch(const struct job_watch *watch) {
    AUTO(watching_done)
    struct watching watching = {
        .print = {.form = watch->invocation->json ? LOG_JSON : LOG_PLAIN, .err_apart = true},
        .watch = watch,
        .resize_fd = watch->pty ? job_resize_open() : -1,
    };
    talk_warn_held(watch->talk);
    if (watch->input != JOB_WATCH_ONLY) {
        input_begin(&watching);
    }
    struct err err = attempts_watch(&watching);
    (void)fflush(stdout);                 /* A failure shows again at the end. */
    raw_terminal_end(&watching.terminal); /* What is said from here on needs its line ends. */
    if (err.code == ERR_INTERRUPTED) {
        job_detached(watch->invocation, watch->run);
    } else if (err_failed(err) && watch->stops_broken && watching.input.broken) {
        job_stop_broken(watch->talk, watch->run);
    }
    return err;
}
