/* command_flow_run.c: drover flow run. From the answer on the run is the daemon's; the command then
 * only follows it. */
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/budget/daily_limit.h"
#include "cli/flow/request.h"
#include "cli/flow/watch.h"
#include "cli/run/view.h"
#include "cli/workflow/request.h"

static struct err flow_run_run(struct invocation *invocation, struct talk *talk) {
    AUTO(flow_request_done) struct flow_request request = {.invocation = invocation};
    AUTO(json_release) json_t *answer = NULL;
    const struct args *args = &invocation->args;
    TRY(flow_request_read(&request));
    const struct api_request start = {.base = "/api/v1/flows", .body = &request.body};
    TRY(workflow_run_begin(invocation, talk, start, &answer));
    const struct flow_watch watch = {.invocation = invocation,
                                     .talk = talk,
                                     .run = talk_text(answer, "id"),
                                     .label = args_text(args, "label"),
                                     .retry_ms = args_int(args, "retry-for", 0)};
    if (args_on(args, "detach")) {
        run_begun_print(invocation, "id", watch.run, watch.label);
        return ERR_OK;
    }
    return flow_watch(&watch);
}

const struct command command_flow_run = {
    COMMAND("flow", "run", "[FILE|NAME] [TEXT]…", "Run a flow, and follow it."),
    HELP(WORKFLOWS, "drover flow run release \"1.2.0\"\n"
                    "drover flow run review-branch --input '{\"base\": \"main\"}'\n"
                    "drover flow run --resume last --rerun-from tests\n"),
    .flags = flow_run_flags,
    .asks_models = true,
    .about =
        "An argument with a slash, or that names an existing .js, .mjs or .cjs file, is a\n"
        "path. Anything else is the name of a flow: see 'drover flow ls'. TEXT is the\n"
        "question, ctx.input.question in the file. Without an argument, --resume runs the\n"
        "file of RUN again, as it was.\n"
        "\n"
        "With --resume, steps that completed in RUN are cached: they keep their results,\n"
        "unless the step, or one before it, was edited or is named by --rerun-from. With\n"
        "another input or --root, every step runs. 'drover retry RUN' is the same for a\n"
        "flow that ended badly.\n"
        "\n"
        "Each change of a step is a line on stderr; stdout has only the report. If a step\n"
        "asks, 'drover approve' answers. Ctrl-C detaches, and the run continues; 'drover\n"
        "attach RUN' follows it again.\n"
        "\n"
        "With --json, each event is a line on stdout; the last one has \"event\":\n"
        "\"flow_finished\", \"run\", \"state\", \"cause\", \"note\", \"report\" and \"artifact\".\n"
        "\n" DAILY_LIMIT_HELP "\n"
        "Exit code: 0 if the flow is completed; 1 if a step failed; 124 after a timeout;\n"
        "125 if it was stopped; 130 after Ctrl-C.\n",
    .converse = flow_run_run,
};
