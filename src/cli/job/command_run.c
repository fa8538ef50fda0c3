/* command_run.c: drover job run.
 *
 * The job is submitted with a key of its own, so that a request whose answer was lost is sent again
 * without a second job. From the answer on it is the daemon's; what this command does then is only
 * looking on. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/job/input.h"
#include "cli/job/request.h"
#include "cli/job/watch.h"
#include "cli/run/view.h"
#include "cli/terminal/lines.h"
#include "cli/terminal/plain.h"
#include "cli/terminal/raw_terminal.h"
#include "engine/job/input.h"

enum { TEXT_SMALL = 128 << 10 }; /* What fits into a body however it is escaped. */

struct job_run {
    struct invocation *invocation;
    struct talk *talk;  /* Borrowed. */
    struct text body;   /* Owned. */
    struct lines input; /* Owned; the body borrows its bytes while it is written. */
    int input_fd;       /* Owned: a file; -1: standard input, or none. */
    int pour_fd;        /* Borrowed: what is sent as it comes; -1: nothing. */
};

static void job_run_done(struct job_run *run) {
    text_done(&run->body);
    lines_done(&run->input);
    fd_release(&run->input_fd);
}

/* --- What is sent ----------------------------------------------------------------------------- */

static struct err input_refuse(struct job_run *run, const char *name, const char *what) {
    return err_why(&run->invocation->why, ERR_USAGE, "--stdin: %.200s: %s", name, what);
}

/* A small file of plain text goes with the job, and *ret_input is set. Whatever else it is, it is
 * sent as it comes: from pour_fd. */
static struct err input_open(struct job_run *run, const char *name, struct bytes *ret_input) {
    struct stat stat;
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
    run->pour_fd = run->input_fd;
    if (S_ISREG(stat.st_mode) && stat.st_size > RUN_INPUT_MAX) {
        return input_refuse(run, name, "more than 16 MB; let the command read the file itself");
    }
    if (!S_ISREG(stat.st_mode) || stat.st_size > TEXT_SMALL) {
        return ERR_OK;
    }
    struct bytes input = {0};
    lines_init(&run->input, run->input_fd, run->talk->interrupt_fd);
    TRY(lines_rest(&run->input, &input));
    if (input.len <= TEXT_SMALL && utf8_valid(input.data, input.len) &&
        memchr(input.data, '\0', input.len) == NULL) {
        *ret_input = input;
        fd_release(&run->input_fd);
        run->pour_fd = -1;
    } else if (lseek(run->input_fd, 0, SEEK_SET) != 0) {
        return input_refuse(run, name, strerror(errno));
    }
    return ERR_OK;
}

static struct err job_submit(struct job_run *run, json_t **ret_job) {
    struct invocation *invocation = run->invocation;
    const struct args *args = &invocation->args;
    char here[LIMIT_PATH_MAX];
    struct bytes input = {0};
    TRY(args_text(args, "stdin") == NULL ? ERR_OK
                                         : input_open(run, args_text(args, "stdin"), &input));
    if (getcwd(here, sizeof here) == NULL) {
        return err_why(&invocation->why, ERR_USAGE, "the current folder: %s; go to another one",
                       strerror(errno));
    }
    struct job_request job = {
        .args = args,
        .env = &invocation->env,
        .here = here,
        .input = input,
        .input_open = run->pour_fd >= 0,
    };
    job.on_terminal = terminal_size(STDOUT_FILENO, &job.size);
    text_init(&run->body, LIMIT_BODY_MAX);
    TRY(job_request_write(&job, &run->body, &invocation->why));
    const struct api_request jobs = {.method = "POST",
                                     .base = "/api/v1/jobs",
                                     .body = &run->body,
                                     .retry = API_RETRY_CUT,
                                     .retry_ms = args_int(args, "retry-for", 0)};
    return api_ask(run->talk, &jobs, ret_job, &invocation->why);
}

/* --- What is shown ---------------------------------------------------------------------------- */

static struct err job_follow(struct job_run *run, const char *id) {
    const struct args *args = &run->invocation->args;
    struct job_watch watch = {
        .invocation = run->invocation,
        .talk = run->talk,
        .run = id,
        .label = args_text(args, "label"),
        .attempt = 1,
        .retry_ms = args_int(args, "retry-for", 0),
        .pty = args_on(args, "pty"),
        .input_fd = run->pour_fd,
        .stops_broken = true,
    };
    if (run->pour_fd >= 0) {
        watch.input = JOB_WATCH_POUR;
    } else if (watch.pty && !run->invocation->json && !args_given(args, "stdin") &&
               raw_terminal_possible()) {
        /* Somebody types into a job of a terminal, without saying so: that is what it is for. */
        watch.input = JOB_WATCH_TYPE;
    }
    return job_watch(&watch);
}

/* Who detaches at once leaves when the input is there. */
static struct err job_detach(struct job_run *run, const char *id) {
    struct invocation *invocation = run->invocation;
    const char *label = args_text(&invocation->args, "label");
    if (run->pour_fd >= 0) {
        AUTO(job_input_done)
        struct job_input input = {
            .talk = run->talk, .run = id, .why = &invocation->why, .fd = run->pour_fd};
        job_input_init(&input);
        struct err err = job_input_pump(&input);
        if (input.state == JOB_INPUT_BROKEN) {
            job_stop_broken(run->talk, id);
        }
        if (err.code == ERR_INTERRUPTED) {
            const struct short_name name = short_name_of(id, label);
            why_set(&invocation->why,
                    "not all of the input was sent; %s waits for more: 'drover stop %s' ends it",
                    name.text, name.text);
        }
        if (err_failed(err)) {
            return err;
        }
    }
    run_begun_print(invocation, "id", id, label);
    return ERR_OK;
}

/* A single word with blanks is a line that somebody quoted for a shell, unless there is such a
 * file. A path is left to the daemon, whose files may be others. */
static bool is_shell_line(const struct args *args) {
    const char *word = args->rest_count == 1 ? args->rest[0] : "";
    return !args_on(args, "shell") && word[0] != '/' && strpbrk(word, " \t\n") != NULL &&
           access(word, F_OK) != 0;
}

static struct err job_run_run(struct invocation *invocation, struct talk *talk) {
    AUTO(job_run_done)
    struct job_run run = {.invocation = invocation, .talk = talk, .input_fd = -1, .pour_fd = -1};
    AUTO(json_release) json_t *job = NULL;
    if (is_shell_line(&invocation->args)) {
        const char *line = invocation->args.rest[0];
        struct err refusal = err_why(
            &invocation->why, ERR_NOT_FOUND,
            "there is no program '%.100s'; if that is a line for a shell: drover job run --shell "
            "\"%.100s\"",
            line, line);
        cli_failure_print(invocation, refusal);
        invocation->exit_code = RUN_EXIT_NOT_FOUND; /* As where the daemon finds none. */
        return ERR_OK;
    }
    TRY(job_submit(&run, &job));
    const char *id = talk_text(job, "id");
    return args_on(&invocation->args, "detach") ? job_detach(&run, id) : job_follow(&run, id);
}

const struct command command_job_run = {
    COMMAND("job", "run", "[--] CMD [ARG...]",
            "Run a command under the daemon, and follow its output."),
    HELP(JOBS, "drover job run -- make test\n"
               "drover job run -d --label nightly --retry 2 --timeout 2h -- ./nightly.sh\n"
               "drover job run --shell \"make 2>&1 | tee build.log\"\n"),
    .takes_rest = true,
    .flags = job_request_flags,
    .about = "The job outlives this command and the daemon. Ctrl-C detaches; 'drover attach\n"
             "ID' attaches again. Put flags before CMD. The job gets only the environment\n"
             "variables named by --env. With --pty on a terminal, the job gets every key you\n"
             "press, and Ctrl-] detaches. --stdin streams standard input to the job, up to 16\n"
             "MB; small text files are stored with the job.\n"
             "\n"
             "Exit code: the command's own; 128+N if signal N ended it; 124 after its timeout;\n"
             "125 if it was cancelled or lost; 127 if the program does not exist; 126 if it\n"
             "could not start for another reason; 130 after Ctrl-C. With --json,\n"
             "'drover job run --detach --json -- CMD' prints {\"id\": \"run_...\"}.\n",
    .converse = job_run_run,
};
