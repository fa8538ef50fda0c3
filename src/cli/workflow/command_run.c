/* command_run.c: drover run; pause, resume, restart: workflows and their agents.
 *
 * From the answer on the run is the daemon's; `run` then only follows it. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/budget/daily_limit.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/request.h"
#include "cli/workflow/show.h"
#include "cli/workflow/watch.h"

static struct err run_run(struct invocation *invocation, struct talk *talk) {
    AUTO(workflow_starting_done)
    struct workflow_starting starting = {.invocation = invocation, .talk = talk};
    AUTO(json_release) json_t *answer = NULL;
    const struct args *args = &invocation->args;
    TRY(workflow_starting_read(&starting, WORKFLOW_NAME_OUTSIDE));
    bool named = starting.word != NULL && starting.script == NULL;
    const struct api_request workflow = {.base = named ? "/api/v1/workflows/" : "/api/v1/workflows",
                                         .id = named ? starting.word : NULL,
                                         .rest = "/runs",
                                         .body = &starting.body,
                                         .unknown = "there is no workflow '{}'"};
    TRY(workflow_run_begin(invocation, talk, workflow, &answer));
    const char *error = talk_text(answer, "error"), *warning = talk_text(answer, "warning");
    if (warning[0] != '\0' && !invocation->json) {
        plain_note("drover: %s\n", warning);
    }
    if (error[0] != '\0') {
        workflow_refusal_tell(invocation, starting.word != NULL ? starting.word : "the script",
                              error);
        return ERR_OK;
    }
    const struct workflow_watch watch = {.invocation = invocation,
                                         .talk = talk,
                                         .run = talk_text(answer, "runId"),
                                         .label = args_text(args, "label"),
                                         .retry_ms = args_int(args, "retry-for", 0)};
    if (args_on(args, "detach")) {
        run_begun_print(invocation, "id", watch.run, watch.label);
        return ERR_OK;
    }
    return workflow_watch(&watch);
}

const struct command command_run = {
    COMMAND(NULL, "run", "[FILE|NAME] [TEXT]…", "Run a workflow, and follow it."),
    HELP(WORKFLOWS, "drover run deep-research \"Why is the sky blue?\"\n"
                    "drover run ./release.js --detach --budget cost=2.50\n"
                    "drover run --resume last\n"),
    .flags = workflow_request_flags,
    .asks_models = true,
    .about = "An argument with a slash, or that names an existing .js, .mjs or .cjs file, is a\n"
             "path. Anything else is a workflow name: see 'drover workflow ls'. Without an\n"
             "argument, --resume runs the script of RUN again. The project is the nearest\n"
             "folder with .git, .drover, .claude or .boocode, from the current one upward; in\n"
             "your home folder only .git counts.\n"
             "\n"
             "TEXT is the one required argument of the workflow, as in\n"
             "  drover run deep-research \"How do heat pumps work?\"\n"
             "For a workflow with several, give --arg NAME=VALUE for each.\n"
             "\n"
             "On a terminal, phases and agents are drawn as they change, with the reason why\n"
             "an agent waits. If an agent asks a question, answer in place: y, n REASON, or\n"
             "the number or text of an option, then Enter. In a pipe, each event is a line on\n"
             "stderr, and stdout has only the result. Ctrl-C detaches, and the run continues;\n"
             "'drover attach RUN' attaches again.\n"
             "\n"
             "With --json, each event is a line on stdout; the last one has \"event\":\n"
             "\"workflow_finished\", \"run\", \"state\", \"result\", \"error\" and \"agents\".\n"
             "\"approval_requested\" means that an agent waits for you; \"answer\" has the\n"
             "command.\n"
             "\n" DAILY_LIMIT_HELP "\n"
             "Exit code: 0 if the run succeeded; 1 if it or one of its agents failed\n"
             "(degraded); 124 after its timeout; 125 if it was stopped; 130 after Ctrl-C.\n",
    .converse = run_run,
};

/* --- A run that goes on ----------------------------------------------------------------------- */

static const char no_run[] = "there is no run '{}'; 'drover ps' lists unfinished runs";

const struct command command_pause = {
    COMMAND(NULL, "pause", "WORKFLOW…",
            "Pause a workflow. Running agents continue, and no other starts."),
    HELP(WORKFLOWS, "drover pause last\n"),
    .about = "The workflow stays paused until 'drover resume', even if the daemon restarts.\n"
             "Its timeouts keep running.\n",
    ACTION("POST /api/v1/runs/{}/pause", .unknown = no_run, .print = run_line_print),
};

const struct command command_retry = {
    COMMAND(NULL, "retry", "RUN…", "Try a run again that ended badly."),
    HELP(WORKFLOWS, "drover retry last\n"),
    .about = "A job begins again as a new run with the same spec. A workflow takes over the\n"
             "results that its agents have, as with 'drover run --resume RUN', and a flow\n"
             "those of its steps. A subagent answers again, and its parent is notified.\n",
    ACTION("POST /api/v1/runs/{}/retry", .keyed = true,
           .unknown = "there is no run '{}'; 'drover ps --all' lists runs that have ended",
           .print = run_line_print),
};

const struct command command_resume = {
    COMMAND(NULL, "resume", "WORKFLOW…", "Resume a paused workflow."),
    HELP(WORKFLOWS, "drover resume last\n"),
    .about = "To run a finished workflow again, use 'drover run --resume RUN'.\n",
    ACTION("POST /api/v1/runs/{}/resume", .unknown = no_run, .print = run_line_print),
};
