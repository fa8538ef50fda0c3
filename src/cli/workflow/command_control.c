/* command_control.c: drover pause, resume, restart: workflows and their agents. */
#include <stdio.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/resource.h"
#include "cli/run/view.h"

static void run_print(const json_t *run) {
    printf("%s %s\n", talk_text(run, "id"), run_words(run).text);
}

/* Whatever is requested of the run, the answer is the run as it is now. */
static struct err run_request(struct invocation *invocation, const char *rest) {
    const char *id = invocation->args.operands[0];
    struct why unknown;
    why_set(&unknown, "'%.60s' is no id of a run: 'drover ps' lists those that live", id);
    return resource_run(invocation, &(struct resource){.method = "POST",
                                                       .base = "/api/v1/runs/",
                                                       .id = id,
                                                       .rest = rest,
                                                       .unknown = unknown.text,
                                                       .print = run_print});
}

static struct err pause_run(struct invocation *invocation) {
    return run_request(invocation, "/pause");
}

static struct err resume_run(struct invocation *invocation) {
    return run_request(invocation, "/resume");
}

static struct err restart_run(struct invocation *invocation) {
    return run_request(invocation, "/restart");
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
