/* show.h: printouts of a workflow's run, of one of its agents, and of its end.
 *
 *   a workflow   what every run has, the error with its place, its phases and agents with their
 *                ids (for `stop` and `--rerun`), the beginning of its result
 *   an agent     what every run has, its prompt, the beginning of its result
 *   the end      the result alone on stdout: a text as it is, anything else as JSON on several
 *                lines (on a terminal as an outline), null as nothing; a failure on stderr, with
 *                the line of the script
 *
 * Promise    what models and scripts said does not control the terminal. --json prints the run's
 *            row (that of a workflow has its agents' rows as "agents"), and of the end the one line
 *            that scripts rely on.
 * Threads    one.
 */
#ifndef DROVER_CLI_WORKFLOW_SHOW_H
#define DROVER_CLI_WORKFLOW_SHOW_H

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/workflow/tree.h"

/* The run is a workflow or an agent. */
MUST_CHECK struct err workflow_show(struct invocation *invocation, struct talk *talk, json_t *run);

/* Asks for the rows of the run's agents, and adds them to the tree; *ret_rows is the caller's. */
MUST_CHECK struct err workflow_agents_ask(struct talk *talk, const char *run,
                                          struct workflow_tree *tree, json_t **ret_rows,
                                          struct why *why);

/* Sets the exit code, too. */
void workflow_end_tell(struct invocation *invocation, const char *run,
                       const struct workflow_tree *tree);
/* The same for the one agent of `drover agent run`; the agent's row is asked for. */
MUST_CHECK struct err workflow_task_tell(struct invocation *invocation, struct talk *talk,
                                         const char *run, struct workflow_tree *tree);
/* The script was refused, and nothing ran. `error` is "LINE:COL: what is wrong". */
void workflow_refusal_tell(struct invocation *invocation, const char *file, const char *error);

/* {"event": "workflow_finished", "run", "state", "result", "error", "agents"}. run NULL: none. */
MUST_CHECK json_t *workflow_end_json(const char *run, const struct workflow_tree *tree);
/* "script_error at 12:5: x is not defined". */
void workflow_error_add(const json_t *error, struct text *text);

#endif
