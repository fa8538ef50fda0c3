/* watch.c: attempt after attempt.
 *
 * The end of a log is not the end of a run: a retry has a log of its own. So after each log the run
 * is asked, and between two attempts its stream of events is waited on. */
#include "cli/job/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/base/api_request.h"
#include "cli/base/names.h"
#include "cli/job/input.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/terminal/raw_terminal.h"

bool job_has_pty(const json_t *run) {
    const json_t *pty = json_object_get(json_object_get(run, "spec"), "pty");
    return json_is_true(pty) || json_is_object(pty);
}

void job_detached(struct invocation *invocation, const char *run, const char *label) {
    const struct short_name name = short_name_of(run, label);
    invocation->told = true;
    plain_note(
        "\ndrover: detached; %s goes on. 'drover attach %s' follows it again, 'drover stop %s' "
        "ends it.\n",
        name.text, name.text, name.text);
}

void job_attempt_tell(int64_t attempt) {
    plain_note("--- attempt %lld ---\n", (long long)attempt);
}

/* --- Requests whose answers say nothing ------------------------------------------------------- */

/* A size that does not arrive spoils a picture, not a job. */
static void resize_send(struct talk *talk, const char *run) {
    AUTO(text_done) struct text body = text_up_to(64);
    const struct api_request resize = {
        .method = "POST", .base = "/api/v1/jobs/", .id = run, .rest = "/resize", .body = &body};
    struct terminal_size size;
    if (!terminal_size(STDOUT_FILENO, &size)) {
        return;
    }
    text_addf(&body, "{\"rows\":%d,\"columns\":%d}", size.rows, size.columns);
    if (err_failed(api_ask(talk, &resize, NULL /* not read */, NULL /* no why */))) {
        client_hang_up(talk->client);
    }
}

void job_stop_broken(struct talk *talk, const char *run) {
    const struct api_request stop = {
        .method = "POST", .base = "/api/v1/runs/", .id = run, .rest = "/stop"};
    struct err err = api_ask(talk, &stop, NULL /* not read */, NULL /* no why */);
    plain_note("drover: the rest of the input of %s cannot be sent; it %s\n", run,
               err_failed(err) ? "waits: 'drover stop' ends it" : "was asked to end");
}

/* --- Watching --------------------------------------------------------------------------------- */

struct watching {
    struct log_print print;
    const struct job_watch *watch;
    int resize_fd; /* Owned. */
    struct raw_terminal terminal;
    struct job_input input; /* Begun unless nothing is sent. */
};

static void watching_done(struct watching *watching) {
    raw_terminal_end(&watching->terminal);
    fd_release(&watching->resize_fd);
    job_input_done(&watching->input);
}

static void resize_came(void *ctx) {
    struct watching *watching = CONTAINER_OF(ctx, struct watching, print);
    struct signalfd_siginfo info;
    while (read(watching->resize_fd, &info, sizeof info) == (ssize_t)sizeof info) {
    }
    resize_send(watching->watch->talk, watching->watch->run);
}

/* Follows an attempt to its end. *ret_run is the run after that, ended or begun again. */
static struct err attempt_watch(struct watching *watching, int64_t attempt, json_t **ret_run) {
    const struct job_watch *watch = watching->watch;
    struct why *why = &watch->invocation->why;
    struct log_follow_options options = {
        .talk = watch->talk,
        .run = watch->run,
        .attempt = attempt,
        .wanted = {[JOB_OUT] = !watch->pty, [JOB_ERR] = !watch->pty, [JOB_PTY] = watch->pty},
        .retry_ms = watch->retry_ms,
        .signal_fd = watching->resize_fd,
        .input = watch->input == JOB_WATCH_ONLY ? NULL : &watching->input,
        .piece = log_print_piece,
        .hole = log_print_hole,
        .signalled = resize_came,
        .ctx = &watching->print,
    };
    bool only_new = watch->only_new && attempt == watch->attempt;
    for (unsigned i = 0; only_new && i < JOB_STREAM_COUNT; i++) {
        const struct log_range range = {
            .stream = (enum job_stream)i, .attempt = attempt, .offset = -1, .limit = 1};
        int64_t offset = 0, size = -1;
        if (!options.wanted[i]) {
            continue;
        }
        TRY(log_page(watch->talk, watch->run, &range, NULL /* not read */, &offset, &size, why));
        if (size < 0) {
            return err_why(why, ERR_INTERNAL, "the daemon does not say how long the log is");
        }
        options.from[i] = size;
    }
    TRY(log_follow(&options, why));
    const struct run_wait wait = {
        .id = watch->run, .past_attempt = attempt, .retry_ms = watch->retry_ms};
    return run_wait(watch->talk, &wait, ret_run, why);
}

static struct err attempts_watch(struct watching *watching) {
    const struct job_watch *watch = watching->watch;
    struct invocation *invocation = watch->invocation;
    for (int64_t attempt = watch->attempt;; attempt++) { /* Also those that ended meanwhile. */
        AUTO(json_release) json_t *run = NULL;
        if (attempt > watch->attempt && !invocation->json) {
            job_attempt_tell(attempt);
        }
        TRY(attempt_watch(watching, attempt, &run));
        if (!run_has_ended(run) || talk_int(run, "attempt") > attempt) {
            continue;
        }
        raw_terminal_end(&watching->terminal);
        invocation->exit_code = run_exit_code(run);
        /* Exit codes of a command speak for themselves; everything else is printed. */
        bool plain = strcmp(talk_text(run, "state"), "succeeded") == 0 ||
                     strcmp(talk_text(run, "cause"), "exit_code") == 0;
        if (invocation->json) {
            talk_print(run);
        } else if (!plain) {
            const char *note = talk_text(run, "note");
            plain_note("drover: %s: %s%s%s\n", short_name_of(watch->run, watch->label).text,
                       run_words(run).text, note[0] != '\0' ? ": " : "", note);
        }
        return ERR_OK;
    }
}

struct err job_watch(const struct job_watch *watch) {
    bool types = watch->input == JOB_WATCH_TYPE;
    AUTO(watching_done)
    struct watching watching = {
        .print = {.form = watch->invocation->json ? LOG_JSON : LOG_PLAIN, .err_apart = true},
        .watch = watch,
        .resize_fd = watch->pty && isatty(STDOUT_FILENO) == 1 ? terminal_signals_open() : -1,
    };
    talk_warn_held(watch->talk);
    if (watch->input != JOB_WATCH_ONLY) {
        watching.input = (struct job_input){.talk = watch->talk,
                                            .run = watch->run,
                                            .why = &watch->invocation->why,
                                            .fd = types ? STDIN_FILENO : watch->input_fd,
                                            .from = types ? JOB_INPUT_KEYS : JOB_INPUT_STREAM};
        job_input_init(&watching.input);
    }
    /* The line is written before the terminal is raw, and ends like any other. */
    if (types) {
        const struct short_name name = short_name_of(watch->run, watch->label);
        plain_note(
            "drover: %s has this terminal; Ctrl-] detaches, 'drover attach %s' comes back.\n",
            name.text, name.text);
        talk_hear_all(watch->talk);
    }
    if (types && !raw_terminal_begin(&watching.terminal, RAW_KEYS_ALL)) {
        watching.input.fd = -1; /* The terminal vanished just now: output is followed, no more. */
    }
    if (watch->input == JOB_WATCH_POUR) {
        cli_broken_pipe(CLI_PIPE_FAILS); /* The input of the job is ended first. */
    }
    struct err err = attempts_watch(&watching);
    if (err.os == EPIPE && watch->input == JOB_WATCH_POUR) {
        job_input_close(&watching.input);
    }
    (void)fflush(stdout);                 /* A failure shows again at the end. */
    raw_terminal_end(&watching.terminal); /* What is printed from here on needs its line ends. */
    if (err.code == ERR_INTERRUPTED) {
        job_detached(watch->invocation, watch->run, watch->label);
    } else if (err_failed(err) && watch->stops_broken && watching.input.state == JOB_INPUT_BROKEN) {
        job_stop_broken(watch->talk, watch->run);
    }
    return err;
}

/* --- drover attach, of a job ------------------------------------------------------------------ */

struct err job_attach(struct invocation *invocation, struct talk *talk, json_t *run) {
    int64_t attempt = talk_int(run, "attempt");
    bool asked = args_on(&invocation->args, "stdin"), ended = run_has_ended(run);
    struct job_watch watch = {
        .invocation = invocation,
        .talk = talk,
        .run = talk_text(run, "id"),
        .label = run_label(run),
        .attempt = attempt > 0 ? attempt : 1,
        .retry_ms = args_int(&invocation->args, "retry-for", 0),
        .pty = job_has_pty(run),
        .only_new = args_on(&invocation->args, "new"),
        .input_fd = STDIN_FILENO,
    };
    const json_t *open = json_object_get(json_object_get(run, "spec"), "stdin_open");
    if (asked && !watch.pty && !json_is_true(open)) {
        return err_why(&invocation->why, ERR_INPUT_CLOSED,
                       "%s takes no input: it was started without --stdin - or --pty", watch.run);
    }
    /* A follower in a pipe must not swallow the input of that. */
    bool types = watch.pty && !invocation->json && raw_terminal_possible();
    if (!ended && asked && (isatty(STDIN_FILENO) != 1 || !types)) {
        watch.input = JOB_WATCH_POUR;
    } else if (!ended && types) {
        watch.input = JOB_WATCH_TYPE;
    }
    if (watch.pty && !ended) {
        resize_send(talk, watch.run);
    }
    return job_watch(&watch);
}
