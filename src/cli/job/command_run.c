/* command_run.c: drover job run.
 *
 * The job is submitted with a key of its own, so that a request whose answer was lost is sent again
 * without a second job. From the answer on it is the daemon's; what this command does then is only
 * looking on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/job/input.h"
#include "cli/job/request.h"
#include "cli/job/watch.h"
#include "cli/terminal/lines.h"
#include "cli/terminal/raw_terminal.h"
#include "engine/job/input.h"

enum { TEXT_SMALL = 128 << 10 }; /* What fits into a body however it is escaped. */

struct job_run {
    struct invocation *invocation;
    struct talk talk;
    struct text body;   /* Owned. */
    struct lines input; /* Owned; the body borrows its bytes while it is written. */
    int input_fd;       /* Owned: a file; -1: standard input, or none. */
    int pour_fd;        /* Borrowed: what is sent as it comes; -1: nothing. */
};

static void job_run_done(struct job_run *run) {
    text_done(&run->body);
    lines_done(&run->input);
    fd_release(&run->input_fd);
    talk_close(&run->talk);
}

/* --- What is sent ----------------------------------------------------------------------------- */

static struct err input_refuse(struct job_run *run, const char *name, const char *what) {
    why_set(&run->invocation->why, "--stdin: %.200s: %s", name, what);
    return err_make(ERR_USAGE, "job: stdin");
}

/* A small file of plain text goes with the job, and *ret_input is set. */
static struct err file_read(struct job_run *run, const char *name, const struct stat *stat,
                            struct bytes *ret_input) {
    struct bytes input = {0};
    if (stat->st_size > RUN_INPUT_MAX) {
        return input_refuse(run, name, "more than 16 MB; let the command read the file itself");
    }
    if (stat->st_size > TEXT_SMALL) {
        return ERR_OK;
    }
    lines_init(&run->input, run->input_fd, run->talk.interrupt_fd);
    struct err err = lines_rest(&run->input, &input);
    bool plain = input.data != NULL && input.len <= TEXT_SMALL &&
                 utf8_valid(input.data, input.len) && memchr(input.data, '\0', input.len) == NULL;
    if (!err_failed(err) && plain) {
        *ret_input = input;
        fd_release(&run->input_fd);
    } else if (!err_failed(err) && lseek(run->input_fd, 0, SEEK_SET) != 0) {
        return input_refuse(run, name, strerror(errno));
    }
    return err;
}

/* Whatever else it is, it is sent as it comes: to pour_fd. */
static struct err input_open(struct job_run *run, struct bytes *ret_input) {
    const char *name = args_text(&run->invocation->args, "stdin");
    struct stat stat;
    struct err err = ERR_OK;
    if (name == NULL) {
        return ERR_OK;
    }
    if (strcmp(name, "-") == 0) {
        run->pour_fd = STDIN_FILENO;
        return ERR_OK;
    }
    run->input_fd = open(name, O_RDONLY | O_CLOEXEC);
    if (run->input_fd < 0 || fstat(run->input_fd, &stat) < 0) {
        return input_refuse(run, name, strerror(errno));
    }
    if (S_ISDIR(stat.st_mode)) {
        return input_refuse(run, name, strerror(EISDIR));
    }
    if (S_ISREG(stat.st_mode)) {
        err = file_read(run, name, &stat, ret_input);
    }
    run->pour_fd = run->input_fd;
    return err;
}

static struct err body_make(struct job_run *run) {
    char here[LIMIT_PATH_MAX];
    struct bytes input = {0};
    struct err err = input_open(run, &input);
    if (err_failed(err)) {
        return err;
    }
    if (getcwd(here, sizeof here) == NULL) {
        why_set(&run->invocation->why, "the current folder: %s; go to another one",
                strerror(errno));
        return err_make(ERR_USAGE, "job: folder");
    }
    struct job_request request = {
        .args = &run->invocation->args,
        .env = &run->invocation->env,
        .here = here,
        .input = input,
        .input_open = run->pour_fd >= 0,
    };
    request.on_terminal = terminal_size(STDOUT_FILENO, &request.size);
    text_init(&run->body, LIMIT_BODY_MAX);
    return job_request_write(&request, &run->body, &run->invocation->why);
}

static struct err submit(struct job_run *run, json_t **ret_job) {
    struct invocation *invocation = run->invocation;
    struct client_request request = {
        .method = "POST", .target = "/api/v1/jobs", .body = {run->body.data, run->body.len}};
    return talk_submit(&run->talk, &request, args_int(&invocation->args, "retry-for", 0), ret_job,
                       &invocation->why);
}

/* --- What is shown ---------------------------------------------------------------------------- */

/* {"id": "run_…"}: scripts read exactly this. */
static void detached_print(struct invocation *invocation, const char *id) {
    if (invocation->json) {
        printf("{\"id\": \"%s\"}\n", id);
        return;
    }
    printf("%s\n", id);
    if (isatty(STDERR_FILENO) == 1) {
        fprintf(stderr, "'drover attach %s' looks on, 'drover show %s' tells how it is.\n", id, id);
    }
}

/* Somebody who types into a job of a terminal, without saying so: that is what it is for. */
static enum job_watch_input input_of(const struct job_run *run) {
    const struct invocation *invocation = run->invocation;
    if (run->pour_fd >= 0) {
        return JOB_WATCH_POUR;
    }
    bool types = args_on(&invocation->args, "pty") && !invocation->json &&
                 !args_given(&invocation->args, "stdin") && raw_terminal_possible();
    return types ? JOB_WATCH_TYPE : JOB_WATCH_ONLY;
}

static struct err job_follow(struct job_run *run, const char *id) {
    struct job_watch watch = {
        .invocation = run->invocation,
        .talk = &run->talk,
        .run = id,
        .attempt = 1,
        .retry_ms = args_int(&run->invocation->args, "retry-for", 0),
        .pty = args_on(&run->invocation->args, "pty"),
        .input = input_of(run),
        .input_fd = run->pour_fd,
        .stops_broken = true,
    };
    return job_watch(&watch);
}

/* Who detaches at once leaves when the input is there. */
static struct err job_detach(struct job_run *run, const char *id) {
    struct invocation *invocation = run->invocation;
    struct err err = ERR_OK;
    if (run->pour_fd >= 0) {
        AUTO(job_input_done)
        struct job_input input = {
            .talk = &run->talk, .run = id, .why = &invocation->why, .fd = run->pour_fd};
        job_input_init(&input);
        err = job_input_pump(&input);
        if (input.broken) {
            job_stop_broken(&run->talk, id);
        }
    }
    if (err.code == ERR_INTERRUPTED) {
        job_detached(invocation, id);
    }
    if (!err_failed(err)) {
        detached_print(invocation, id);
    }
    return err;
}

static struct err job_run_all(struct job_run *run) {
    struct invocation *invocation = run->invocation;
    AUTO(json_release) json_t *job = NULL;
    struct err err = talk_open(&run->talk, invocation);
    if (!err_failed(err)) {
        err = body_make(run);
    }
    if (!err_failed(err)) {
        err = submit(run, &job);
    }
    if (err_failed(err)) {
        return err;
    }
    const char *id = talk_text(job, "id");
    return args_on(&invocation->args, "detach") ? job_detach(run, id) : job_follow(run, id);
}

static struct err job_run_run(struct invocation *invocation) {
    AUTO(job_run_done)
    struct job_run run = {
        .invocation = invocation, .talk = {.interrupt_fd = -1}, .input_fd = -1, .pour_fd = -1};
    return job_run_all(&run);
}

const struct command command_job_run = {
    .group = "job",
    .name = "run",
    .summary = "Run a command under the daemon, and follow it.",
    .operands = "[--] CMD [ARG...]",
    .takes_rest = true,
    .flags = job_request_flags,
    .talks = true,
    .about =
        "The job outlives this command and the daemon. Ctrl-C only detaches; 'drover attach ID'\n"
        "comes back. Flags stand before CMD. Of your environment the job sees what --env names.\n"
        "With --pty on a terminal it gets every key you press, and Ctrl-] detaches. Input of\n"
        "--stdin is sent as it comes, at most 16 MB; small text files travel with the job.\n"
        "\n"
        "Exit code: the command's own; 128+N when signal N ended it; 124 when its time was over;\n"
        "125 when it was cancelled or lost; 127 when there is no such program, 126 when it could\n"
        "not be started for another reason; 11 after Ctrl-C.\n"
        "With --json, 'drover job run --detach --json -- CMD' prints {\"id\": \"run_...\"}.\n",
    .run = job_run_run,
};
