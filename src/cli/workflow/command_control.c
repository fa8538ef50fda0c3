/* command_control.c: drover pause, resume, restart: workflows and their agents. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/run/view.h"

static const char no_run[] = "'{}' is no id of a run: 'drover ps' lists those that live";

/* The answer to each of these requests is the run as it is now. */
static void run_print(const json_t *run) {
    printf("%s %s\n", talk_text(run, "id"), run_words(run).text);
}

const struct command command_pause = {
    COMMAND(NULL, "pause", "RUN", "Pause a workflow: those at work go on, no other agent begins."),
    .about = "It stays paused, also when the daemon is started again, until 'drover resume'. Its\n"
             "timeouts go on counting.\n",
    ACTION("POST /api/v1/runs/{}/pause", .unknown = no_run, .print = run_print),
};

const struct command command_resume = {
    COMMAND(NULL, "resume", "RUN", "Let a workflow that is paused go on."),
    .about = "One that has ended is run again by 'drover run --resume RUN'.\n",
    ACTION("POST /api/v1/runs/{}/resume", .unknown = no_run, .print = run_print),
};

const struct command command_restart = {
    COMMAND(NULL, "restart", "AGENT", "Ask an agent of a workflow anew that has not ended."),
    .about = "What it did so far is thrown away. 'drover show RUN' tells the agents of a run. One\n"
             "that has ended is run again by 'drover run --resume RUN --rerun AGENT'.\n",
    ACTION("POST /api/v1/runs/{}/restart", .unknown = no_run, .print = run_print),
};
