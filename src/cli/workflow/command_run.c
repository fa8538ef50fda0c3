/* command_run.c: drover run.
 *
 * From the answer on the run is the daemon's; `run` then only follows it. */
#include <stdio.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/session/session.h"
#include "cli/workflow/request.h"
#include "cli/workflow/show.h"
#include "cli/workflow/watch.h"

/* {"id": "run_…"}: as `job run` has it, and scripts read exactly this. */
static void detached_print(const struct invocation *invocation, const char *run) {
    if (invocation->json) {
        printf("{\"id\": \"%s\"}\n", run);
        return;
    }
    printf("%s\n", run);
    if (isatty(STDERR_FILENO) == 1) {
        fprintf(stderr, "'drover attach %s' looks on, 'drover show %s' tells how it is.\n", run,
                run);
    }
}

static struct err run_run(struct invocation *invocation) {
    AUTO(workflow_starting_done)
    struct workflow_starting starting = {.invocation = invocation, .talk = {.interrupt_fd = -1}};
    AUTO(text_done) struct text target = {0};
    AUTO(json_release) json_t *answer = NULL;
    const struct args *args = &invocation->args;
    struct err err = workflow_starting_read(&starting, WORKFLOW_NAME_OUTSIDE);
    err = err_failed(err) ? err : talk_open(&starting.talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    bool named = starting.word != NULL && starting.script == NULL;
    if (named && !talk_target(&target, "/api/v1/workflows/", starting.word, "/runs")) {
        return err_why(&invocation->why, ERR_NOT_FOUND, "there is no workflow by that name");
    }
    const struct client_request request = {.method = "POST",
                                           .target = named ? target.data : "/api/v1/workflows",
                                           .body = text_bytes(&starting.body)};
    struct workflow_watch watch = {.invocation = invocation,
                                   .talk = &starting.talk,
                                   .retry_ms = args_int(args, "retry-for", 0)};
    err = talk_submit(&starting.talk, &request, watch.retry_ms, &answer, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    const char *error = talk_text(answer, "error"), *warning = talk_text(answer, "warning");
    if (warning[0] != '\0' && !invocation->json) {
        fprintf(stderr, "drover: %s\n", warning);
    }
    if (error[0] != '\0') {
        workflow_refusal_tell(invocation, starting.word != NULL ? starting.word : "the script",
                              error);
        return ERR_OK;
    }
    if (!invocation->json && !args_given(args, "model")) {
        session_warn_scripted(&starting.talk);
    }
    watch.run = talk_text(answer, "runId");
    if (args_on(args, "detach")) {
        detached_print(invocation, watch.run);
        return ERR_OK;
    }
    return workflow_watch(&watch);
}

const struct command command_run = {
    COMMAND(NULL, "run", "[FILE|NAME]", "Run a workflow, and follow it."),
    .flags = workflow_request_flags,
    .talks = true,
    .about =
        "A word with a slash, or the name of a script (.js, .mjs, .cjs) that is there, is a file;\n"
        "any other is a name: 'drover workflow ls' lists them. Without one, --resume runs the\n"
        "script of RUN again. The project is the nearest folder upward with .git, .drover, "
        ".claude\n"
        "or .boocode; of your home only .git counts.\n"
        "\n"
        "On a terminal its phases and agents are drawn as they change; in a pipe there is a line\n"
        "for each event on stderr, and the result alone on stdout. With --json each event is a\n"
        "line on stdout; the last one has \"event\": \"workflow_finished\", \"run\", \"state\",\n"
        "\"result\", \"error\" and \"agents\"; \"approval_requested\" says that an agent waits "
        "for\n"
        "you, and in \"answer\" how to answer. Ctrl-C only detaches; 'drover attach RUN' comes "
        "back.\n"
        "\n"
        "Exit code: 0 only when it succeeded; 1 when it failed, or an agent did (degraded); 124\n"
        "when its time was over; 125 when it was stopped; 11 after Ctrl-C.\n",
    .run = run_run,
};
