/* watch.h: looks on at a workflow until it has ended.
 *
 *   on a terminal     a picture of its phases and agents, drawn anew as they change; what the
 *                     script logs scrolls away above it
 *   elsewhere         a line for each event, on stderr, so that stdout has the result alone
 *   --json            each event as a line on stdout: {"event": TYPE, "seq": N, …}, then the last
 *                     one as {"event": "workflow_finished", "run", "state", "result", "error",
 *                     "agents"}
 *
 * Promise    each event is printed once and in order; a restart of the daemon only delays. An open
 *            question is shown with its command, and answered in place where stdin is a terminal
 *            too; one that is answered elsewhere goes away. Ctrl-C detaches with exit code 0; the
 *            run goes on, and prints how to attach again.
 * Threads    one.
 * Failure    that a run failed is no error here, but its exit code.
 */
#ifndef DROVER_CLI_WORKFLOW_WATCH_H
#define DROVER_CLI_WORKFLOW_WATCH_H

#include "cli/base/api.h"
#include "cli/base/cli.h"

/* TASK: the one agent of `drover agent run`, whose end is printed in place of that of the workflow.
 * The last line of --json is {"event": "agent_finished", "run", "state", "cause", "text", "usage"},
 * with "worktree" where one was kept; the exit code is 0 or 1; Ctrl-C is ERR_INTERRUPTED. */
enum workflow_form { WORKFLOW_FORM_SCRIPT, WORKFLOW_FORM_TASK };

struct workflow_watch {
    struct invocation *invocation;
    struct talk *talk;
    const char *run;
    const char *label; /* Label of the run, for hints. Borrowed; NULL or "": none is known. */
    const json_t *row; /* The run as it stands; NULL: it was started just now. */
    int64_t retry_ms;
    bool only_new; /* Not what came before. */
    enum workflow_form form;
};
/* Ends the invocation with the run's exit code. */
MUST_CHECK struct err workflow_watch(const struct workflow_watch *watch);

#endif
