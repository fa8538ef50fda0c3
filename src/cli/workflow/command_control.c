/* command_control.c: drover pause, resume, restart: workflows and their agents. */
#include <stdio.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/run/view.h"

/* Whatever was asked of the run, the answer is the run as it is now. */
static struct err ask(struct invocation *invocation, const char *what) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *run = NULL;
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/runs/", invocation->args.operands[0], what)) {
        why_set(&invocation->why, "'%.60s' is no id of a run: 'drover ps' lists those that live",
                invocation->args.operands[0]);
        return err_make(ERR_NOT_FOUND, "run: id");
    }
    struct err err = talk_open(&talk, invocation);
    const struct client_request request = {.method = "POST", .target = target.data};
    if (!err_failed(err)) {
        err = talk_ask(&talk, &request, NULL /* parsed is enough */, &run, &invocation->why);
    }
    if (!err_failed(err) && invocation->json) {
        talk_print(run);
    } else if (!err_failed(err)) {
        printf("%s %s\n", talk_text(run, "id"), run_words(run).text);
    }
    return err;
}

static struct err pause_run(struct invocation *invocation) {
    return ask(invocation, "/pause");
}

static struct err resume_run(struct invocation *invocation) {
    return ask(invocation, "/resume");
}

static struct err restart_run(struct invocation *invocation) {
    return ask(invocation, "/restart");
}

const struct command command_pause = {
    .name = "pause",
    .summary = "Pause a workflow: those at work go on, no other agent begins.",
    .operands = "RUN",
    .talks = true,
    .about = "It stays paused, also when the daemon is started again, until 'drover resume'. Its\n"
             "timeouts go on counting.\n",
    .run = pause_run,
};

const struct command command_resume = {
    .name = "resume",
    .summary = "Let a workflow that is paused go on.",
    .operands = "RUN",
    .talks = true,
    .about = "One that has ended is run again by 'drover run --resume RUN'.\n",
    .run = resume_run,
};

const struct command command_restart = {
    .name = "restart",
    .summary = "Ask an agent of a workflow anew that has not ended.",
    .operands = "AGENT",
    .talks = true,
    .about = "What it did so far is thrown away. 'drover show RUN' tells the agents of a run. One\n"
             "that has ended is run again by 'drover run --resume RUN --rerun AGENT'.\n",
    .run = restart_run,
};
