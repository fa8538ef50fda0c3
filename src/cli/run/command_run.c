/* command_run.c: what can be asked of one run: show, attach, wait, stop, rm. Those that stand both
 * beside `ps` and under `job` are two rows with one function. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/run/ask.h"
#include "cli/run/kinds.h"
#include "cli/run/stop_all.h"
#include "cli/run/view.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"

/* Asks after the run that the first operand names. *ret_kind NULL: the
 * daemon is newer than this table. */
static struct err run_find(struct talk *talk, struct invocation *invocation, json_t **ret_run,
                           const struct run_kind_view **ret_kind) {
    struct err err = run_get(talk, invocation->args.operands[0], 0 /* a single try */, ret_run,
                             &invocation->why);
    const struct run_kind_view *kind = run_kind_views;
    while (!err_failed(err) && kind->name != NULL &&
           strcmp(kind->name, talk_text(*ret_run, "kind")) != 0) {
        kind++;
    }
    *ret_kind = kind->name != NULL ? kind : NULL;
    return err;
}

/* --- Show ------------------------------------------------------------------------------------- */

static struct err show_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *run = NULL;
    const struct run_kind_view *kind = NULL;
    TRY(run_find(talk, invocation, &run, &kind));
    if (kind != NULL && kind->show != NULL) {
        return kind->show(invocation, talk, run);
    }
    if (invocation->json) {
        talk_print(run);
        return ERR_OK;
    }
    struct run_view view = run_view_of(invocation);
    AUTO(text_done) struct text text = text_up_to(8 << 20);
    run_view_whole(&view, run, &text);
    const size_t whole_len = text.len;
    run_questions_add(talk, run, &text);
    cells_wrap_values(&text, whole_len, &(struct cells_shape){RUN_KEY_CELLS, view.paint.columns});
    fputs(text_bytes(&text).data, stdout);
    return ERR_OK;
}

const struct command command_show = {
    COMMAND(NULL, "show", "RUN", "Show a run: its state, why, and what it used."),
    HELP(RUNS, "drover show last\n"
               "drover show nightly --json\n"),
    .converse = show_run,
};

/* --- Attach ----------------------------------------------------------------------------------- */

#define OPTION_PATIENCE OPTION_RETRY("Give up when the daemon is unreachable for this long.")

const struct flag run_attach_flags[] = {
    OPTION_SWITCH("new", 0, "Skip earlier output."),
    OPTION_SWITCH("stdin", 0, "Forward standard input to the job until its end."),
    OPTION_PATIENCE,
    OPTION_END,
};

static struct err attach_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *run = NULL;
    const struct run_kind_view *kind = NULL;
    TRY(run_find(talk, invocation, &run, &kind));
    if (kind == NULL) {
        return err_why(&invocation->why, ERR_CONFLICT,
                       "%s is of kind %s; only flows, workflows, jobs and turns can be followed",
                       talk_text(run, "id"), talk_text(run, "kind"));
    }
    if (kind->attach == NULL) {
        const struct short_name agent = short_name_of(talk_text(run, "id"), NULL /* no label */);
        const struct short_name parent =
            short_name_of(talk_text(run, "parent"), NULL /* not known */);
        return err_why(&invocation->why, ERR_CONFLICT,
                       "%s is an agent of %s; 'drover attach %s' follows all of it", agent.text,
                       parent.text, parent.text);
    }
    return kind->attach(invocation, talk, run);
}

static const char attach_about[] =
    "On a terminal, a job with one of its own (--pty) gets every key you press and\n"
    "the size of yours; Ctrl-] detaches. Other jobs get input only with --stdin;\n"
    "Ctrl-C detaches. The job continues either way. Exit codes are those of 'drover\n"
    "job run'.\n"
    "\n"
    "A turn is followed as by 'drover ask', a workflow as by 'drover run', a flow as\n"
    "by 'drover flow run', with their exit codes.\n";

const struct command command_attach = {
    COMMAND(NULL, "attach", "RUN", "Follow a run until it ends."),
    HELP(RUNS, "drover attach last\n"),
    .flags = run_attach_flags,
    .about = attach_about,
    .converse = attach_run,
};

const struct command command_job_attach = {
    COMMAND("job", "attach", "JOB", "Follow a job until it ends."),
    HELP(JOBS, "drover job attach last\n"),
    .flags = run_attach_flags,
    .about = attach_about,
    .converse = attach_run,
};

/* --- Wait ------------------------------------------------------------------------------------- */

static void end_print(const struct invocation *invocation, const json_t *run) {
    if (invocation->json) {
        talk_print(run);
    } else {
        run_line_print(run);
    }
}

/* Why it did not begin, as `job run` says it. */
static void note_print(const struct invocation *invocation, const json_t *run) {
    const char *note = talk_text(run, "note");
    if (!invocation->json && note[0] != '\0' && strcmp(talk_text(run, "state"), "succeeded") != 0) {
        plain_note("drover: %s\n", note);
    }
}

static const struct flag wait_flags[] = {OPTION_PATIENCE, OPTION_END};

/* Also for a daemon that is away when it begins: that is what a script that waits is for. The exit
 * code is that of the first job that did not succeed. */
static struct err wait_one(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *run = NULL;
    struct run_wait wait = {.id = invocation->args.operands[0],
                            .retry_ms = args_int(&invocation->args, "retry-for", 0)};
    struct err err = run_wait(talk, &wait, &run, &invocation->why);
    if (!err_failed(err)) {
        end_print(invocation, run);
        note_print(invocation, run);
    }
    if (invocation->exit_code == 0) {
        invocation->exit_code = err_failed(err) ? err_exit_code(err.code) : run_exit_code(run);
    }
    return err;
}

static struct err wait_run(struct invocation *invocation, struct talk *talk) {
    struct err err = action_each(invocation, talk, wait_one);
    bool reported = invocation->told && err.code != ERR_INTERRUPTED;
    return reported ? ERR_OK : err; /* The exit code may be that of a job before it. */
}

const struct command command_job_wait = {
    COMMAND("job", "wait", "JOB…", "Wait until jobs end, and exit with their exit code."),
    HELP(JOBS, "drover job wait nightly\n"
               "drover job wait nightly backup\n"),
    .flags = wait_flags,
    .about = "Exit codes are those of 'drover job run'. Of several jobs it is the code of the\n"
             "first one named that did not succeed, and 0 if all did.\n",
    .converse = wait_run,
};

/* --- Stop ------------------------------------------------------------------------------------- */

#define STOP_OPTIONS                                                                               \
    OPTION_TIME("grace", 0, 10 * 60 * 1000, "Send SIGKILL this long after SIGTERM [5s]."),         \
        OPTION_SWITCH("no-wait", 0, "Exit without waiting for its end.")
static const struct flag stop_flags[] = {STOP_OPTIONS, OPTION_END};

/* Such a run ends when another host has ended its command, which may take for ever. */
static void stop_warn_away(const json_t *run) {
    const struct short_name name =
        short_name_of(talk_text(run, "id"), NULL /* others may have the label */);
    if (json_is_true(json_object_get(run, "host_away"))) {
        plain_note(
            "[it runs on another host, whose daemon ends it; if that host is gone: drover job"
            " abandon %s]\n",
            name.text);
    } else if (!run_has_ended(run) && strcmp(talk_text(run, "gate"), "host") == 0) {
        plain_note(
            "[a command of it runs on another host, whose daemon ends it; if that host is gone:"
            " drover job abandon JOB, for each that 'drover ps --parent %s' lists]\n",
            name.text);
    }
}

static struct err stop_body(struct invocation *invocation, struct text *body) {
    if (args_given(&invocation->args, "grace")) {
        text_add_member_int(body, "grace_ms", args_int(&invocation->args, "grace", 0));
    }
    return ERR_OK;
}

static struct err stop_run(struct invocation *invocation, struct talk *talk) {
    static const struct action stop = {"POST /api/v1/runs/{}/stop", .body = stop_body};
    AUTO(json_release) json_t *asked = NULL, *ended = NULL;
    const struct args *args = &invocation->args;
    TRY(action_ask(talk, &stop, &asked));
    stop_warn_away(asked);
    if (args_on(args, "no-wait")) {
        end_print(invocation, asked);
        return ERR_OK;
    }
    struct run_wait wait = {.id = args->operands[0], .retry_ms = RUN_RETRY_MS};
    struct err err = run_wait(talk, &wait, &ended, &invocation->why);
    if (!err_failed(err)) {
        end_print(invocation, ended);
    } else if (err.code == ERR_INTERRUPTED) {
        why_set(&invocation->why, "%s was asked to end and has not ended yet", wait.id);
    }
    return err;
}

static struct err stop_runs(struct invocation *invocation, struct talk *talk) {
    return action_each(invocation, talk, stop_run);
}

static const char stop_about[] =
    "Sends SIGTERM to all processes of the run, then SIGKILL after the grace period.\n"
    "Child runs are stopped, too.\n";

static const struct flag stop_any_flags[] = {
    OPTION_SWITCH("all", 'a', "Stop every unfinished run."),
    STOP_OPTIONS,
    OPTION_END,
};

static void stopped_print(void *ctx, const json_t *run) {
    end_print(ctx, run);
}

static struct err every_run_stop(struct invocation *invocation, struct talk *talk) {
    AUTO(text_done) struct text body = text_up_to(ACTION_BODY_MAX);
    text_add_char(&body, '{');
    struct err err = stop_body(invocation, &body);
    text_add_char(&body, '}');
    const struct stop_all with = {.body = &body,
                                  .no_wait = args_on(&invocation->args, "no-wait"),
                                  .stopped = stopped_print,
                                  .ctx = invocation};
    return err_failed(err) ? err : stop_all(talk, &with, &invocation->why);
}

static struct err stop_any(struct invocation *invocation, struct talk *talk) {
    const bool all = args_on(&invocation->args, "all");
    if (all == (invocation->args.operand_count > 0)) {
        return err_why(&invocation->why, ERR_USAGE, "give the ids of runs, or --all");
    }
    return (all ? every_run_stop : stop_runs)(invocation, talk);
}

const struct command command_stop = {
    COMMAND(NULL, "stop", "[RUN]…", "Stop a run and everything below it, or all runs."),
    HELP(RUNS, "drover stop last\n"
               "drover stop --all\n"),
    .flags = stop_any_flags,
    .about = stop_about,
    .converse = stop_any,
};

const struct command command_job_stop = {
    COMMAND("job", "stop", "JOB…", "Stop a job and all of its processes."),
    HELP(JOBS, "drover job stop nightly\n"
               "drover job stop last --grace 30s\n"),
    .flags = stop_flags,
    .about = stop_about,
    .converse = stop_runs,
};

/* --- Remove ----------------------------------------------------------------------------------- */

const struct command command_job_rm = {
    COMMAND("job", "rm", "JOB…", "Remove finished jobs and their output."),
    HELP(JOBS, "drover job rm nightly\n"),
    ACTION("DELETE /api/v1/runs/{}", .done = "{id} is removed"),
};
