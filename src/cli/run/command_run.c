/* command_run.c: what can be asked of one run: show, attach, wait, stop, rm. Those that stand both
 * beside `ps` and under `job` are two rows with one function. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/job/watch.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/terminal/raw_terminal.h"
#include "cli/turn/follow.h"
#include "cli/workflow/show.h"
#include "cli/workflow/watch.h"

/* Opens the conversation and asks after the run that the first operand names. */
static struct err begin(struct talk *talk, struct invocation *invocation, json_t **ret_run) {
    struct err err = talk_open(talk, invocation);
    return err_failed(err) ? err
                           : run_get(talk, invocation->args.operands[0], 0 /* one try */, ret_run,
                                     &invocation->why);
}

static const struct flag patience_flags[] = {
    {.name = "retry-for",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .about = "Give up when the daemon is away for so long.",
     .min = 0,
     .max = INT64_C(24) * 3600 * 1000,
     .absent = "5m"},
    {.name = NULL},
};

/* --- Show ------------------------------------------------------------------------------------- */

static void whole_print(const struct invocation *invocation, const json_t *run) {
    if (invocation->json) {
        talk_print(run);
        return;
    }
    struct run_view view = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                            .now_ms = world_wall_ms(invocation->world)};
    AUTO(text_done) struct text text = {0};
    text_init(&text, 8 << 20);
    run_view_whole(&view, run, &text);
    fputs(text.data != NULL ? text.data : "", stdout);
}

static struct err show_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *run = NULL;
    struct err err = begin(&talk, invocation, &run);
    if (!err_failed(err) && workflow_showable(run)) {
        return workflow_show(invocation, &talk, run);
    }
    if (!err_failed(err)) {
        whole_print(invocation, run);
    }
    return err;
}

const struct command command_show = {
    .name = "show",
    .summary = "Show one run: its state, why, and what it used.",
    .operands = "ID",
    .talks = true,
    .run = show_run,
};

/* --- Attach ----------------------------------------------------------------------------------- */

static const struct flag attach_flags[] = {
    {.name = "new", .kind = FLAG_SWITCH, .about = "Begin with what comes from now on."},
    {.name = "stdin",
     .kind = FLAG_SWITCH,
     .about = "Send it this command's input, and the end of that."},
    {.name = "retry-for",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .about = "Give up when the daemon is away for so long.",
     .min = 0,
     .max = INT64_C(24) * 3600 * 1000,
     .absent = "5m"},
    {.name = NULL},
};

/* Who only looks on through a pipe must not swallow its input. */
static struct err input_choose(struct invocation *invocation, const json_t *run,
                               struct job_watch *watch) {
    bool asked = args_on(&invocation->args, "stdin");
    watch->input_fd = STDIN_FILENO;
    if (asked && !job_takes_input(run)) {
        why_set(&invocation->why, "%s takes no input: it was started without --stdin - or --pty",
                watch->run);
        return err_make(ERR_INPUT_CLOSED, "run: stdin");
    }
    if (run_has_ended(run)) {
        watch->input = JOB_WATCH_ONLY;
    } else if (asked && isatty(STDIN_FILENO) != 1) {
        watch->input = JOB_WATCH_POUR;
    } else if (watch->pty && !invocation->json && raw_terminal_possible()) {
        watch->input = JOB_WATCH_TYPE;
    } else {
        watch->input = asked ? JOB_WATCH_POUR : JOB_WATCH_ONLY;
    }
    return ERR_OK;
}

static struct err run_attach(struct invocation *invocation, struct talk *talk, const json_t *run) {
    const char *id = talk_text(run, "id"), *kind = talk_text(run, "kind");
    bool only_new = args_on(&invocation->args, "new");
    if (strcmp(kind, "turn") == 0) {
        return turn_look_run(invocation, talk, run, only_new);
    }
    if (strcmp(kind, "workflow") == 0) {
        struct workflow_watch watch = {.invocation = invocation,
                                       .talk = talk,
                                       .run = id,
                                       .row = run,
                                       .retry_ms = args_int(&invocation->args, "retry-for", 0),
                                       .only_new = only_new};
        return workflow_watch(&watch);
    }
    if (strcmp(kind, "agent") == 0) {
        why_set(&invocation->why, "%s is an agent of %s; 'drover attach %s' looks on at all of it",
                id, talk_text(run, "parent"), talk_text(run, "parent"));
        return err_make(ERR_CONFLICT, "run: kind");
    }
    if (strcmp(kind, "job") != 0) {
        why_set(&invocation->why,
                "%s is of kind %s; only workflows, jobs and turns can be looked on at", id, kind);
        return err_make(ERR_CONFLICT, "run: kind");
    }
    int64_t attempt = talk_int(run, "attempt");
    struct job_watch watch = {
        .invocation = invocation,
        .talk = talk,
        .run = id,
        .attempt = attempt > 0 ? attempt : 1,
        .retry_ms = args_int(&invocation->args, "retry-for", 0),
        .pty = job_has_pty(run),
        .only_new = only_new,
    };
    struct err err = input_choose(invocation, run, &watch);
    if (err_failed(err)) {
        return err;
    }
    if (watch.pty && !run_has_ended(run)) {
        job_resize_send(talk, id);
    }
    return job_watch(&watch);
}

static struct err attach_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *run = NULL;
    struct err err = begin(&talk, invocation, &run);
    return err_failed(err) ? err : run_attach(invocation, &talk, run);
}

static const char attach_about[] =
    "On a terminal, a job that has one (--pty) gets every key you press, and the size of yours;\n"
    "Ctrl-] detaches. Otherwise it only reads, unless --stdin is given, and Ctrl-C detaches.\n"
    "The job goes on either way.\n"
    "Exit codes are those of 'drover job run'.\n"
    "A turn is looked on at as by 'drover ask', which has its exit codes, too, and a workflow as "
    "by\n"
    "'drover run'.\n";

const struct command command_attach = {
    .name = "attach",
    .summary = "Follow a run until it ends.",
    .operands = "ID",
    .flags = attach_flags,
    .talks = true,
    .about = attach_about,
    .run = attach_run,
};

const struct command command_job_attach = {
    .group = "job",
    .name = "attach",
    .summary = "Follow a job until it ends.",
    .operands = "ID",
    .flags = attach_flags,
    .talks = true,
    .about = attach_about,
    .run = attach_run,
};

/* --- Wait ------------------------------------------------------------------------------------- */

static void end_print(const struct invocation *invocation, const json_t *run) {
    if (invocation->json) {
        talk_print(run);
    } else {
        printf("%s %s\n", talk_text(run, "id"), run_words(run).text);
    }
}

/* A daemon that is not there at first is not waited for. */
static struct err wait_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *before = NULL, *run = NULL;
    struct run_wait wait = {.id = invocation->args.operands[0],
                            .retry_ms = args_int(&invocation->args, "retry-for", 0)};
    struct err err = begin(&talk, invocation, &before);
    if (!err_failed(err)) {
        err = run_wait(&talk, &wait, &run, &invocation->why);
    }
    if (!err_failed(err)) {
        end_print(invocation, run);
        invocation->exit_code = run_exit_code(run);
    }
    invocation->told = err.code == ERR_INTERRUPTED; /* The user knows. */
    return err;
}

const struct command command_job_wait = {
    .group = "job",
    .name = "wait",
    .summary = "Wait until a job has ended; exit with its exit code.",
    .operands = "ID",
    .flags = patience_flags,
    .talks = true,
    .about = "Exit codes are those of 'drover job run'.\n",
    .run = wait_run,
};

/* --- Stop ------------------------------------------------------------------------------------- */

static const struct flag stop_flags[] = {
    {.name = "grace",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .about = "Between SIGTERM and SIGKILL [5s].",
     .min = 0,
     .max = 10 * 60 * 1000},
    {.name = "no-wait", .kind = FLAG_SWITCH, .about = "Ask it to end, and leave."},
    {.name = NULL},
};

static struct err stop_ask(struct invocation *invocation, struct talk *talk, json_t **ret_run) {
    AUTO(text_done) struct text target = {0}, body = {0};
    const struct args *args = &invocation->args;
    if (!talk_target(&target, "/api/v1/runs/", args->operands[0], "/stop")) {
        return err_make(ERR_NOT_FOUND, "run: id");
    }
    text_init(&body, 64);
    text_add_char(&body, '{');
    if (args_given(args, "grace")) {
        text_addf(&body, "\"grace_ms\":%lld", (long long)args_int(args, "grace", 0));
    }
    text_add_char(&body, '}');
    struct client_request request = {
        .method = "POST", .target = target.data, .body = {body.data, body.len}};
    return talk_ask(talk, &request, NULL /* parsed is enough */, ret_run, &invocation->why);
}

/* Such a run ends when another host has ended its command, which may take for ever. */
static void stop_warn_away(const json_t *run) {
    const char *id = talk_text(run, "id");
    (void)fflush(stdout); /* A failure shows again at the end. */
    if (json_is_true(json_object_get(run, "host_away"))) {
        fprintf(stderr,
                "[it runs on another host, whose daemon ends it; if that host is gone: drover job"
                " abandon %s]\n",
                id);
    } else if (!run_has_ended(run) && strcmp(talk_text(run, "gate"), "host") == 0) {
        fprintf(stderr,
                "[a command of it runs on another host, whose daemon ends it; if that host is gone:"
                " drover job abandon JOB, for each that 'drover ps --parent %s' lists]\n",
                id);
    }
}

static struct err stop_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *asked = NULL, *ended = NULL;
    struct err err = talk_open(&talk, invocation);
    if (!err_failed(err)) {
        err = stop_ask(invocation, &talk, &asked);
    }
    if (err_failed(err)) {
        return err;
    }
    stop_warn_away(asked);
    if (args_on(&invocation->args, "no-wait")) {
        end_print(invocation, asked);
        return ERR_OK;
    }
    struct run_wait wait = {.id = invocation->args.operands[0], .retry_ms = RUN_RETRY_MS};
    err = run_wait(&talk, &wait, &ended, &invocation->why);
    if (!err_failed(err)) {
        end_print(invocation, ended);
    } else if (err.code == ERR_INTERRUPTED) {
        why_set(&invocation->why, "%s was asked to end and has not ended yet", wait.id);
    }
    return err;
}

static const char stop_about[] =
    "Its whole process tree gets SIGTERM, and SIGKILL after the grace; runs below it end too.\n";

const struct command command_stop = {
    .name = "stop",
    .summary = "Stop a run with all that belongs to it.",
    .operands = "ID",
    .flags = stop_flags,
    .talks = true,
    .about = stop_about,
    .run = stop_run,
};

const struct command command_job_stop = {
    .group = "job",
    .name = "stop",
    .summary = "Stop a job with all of its processes.",
    .operands = "ID",
    .flags = stop_flags,
    .talks = true,
    .about = stop_about,
    .run = stop_run,
};

/* --- Remove ----------------------------------------------------------------------------------- */

static struct err rm_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0};
    const char *id = invocation->args.operands[0];
    if (!talk_target(&target, "/api/v1/runs/", id, "")) {
        return err_make(ERR_NOT_FOUND, "run: id");
    }
    struct err err = talk_open(&talk, invocation);
    if (!err_failed(err)) {
        struct client_request request = {.method = "DELETE", .target = target.data};
        err = talk_ask(&talk, &request, NULL /* parsed is enough */, &answer, &invocation->why);
    }
    if (!err_failed(err) && invocation->json) {
        talk_print(answer);
    } else if (!err_failed(err)) {
        printf("%s is removed\n", id);
    }
    return err;
}

const struct command command_job_rm = {
    .group = "job",
    .name = "rm",
    .summary = "Remove a job that has ended, with its output.",
    .operands = "ID",
    .talks = true,
    .run = rm_run,
};
