/* end.h: what is said of a workflow's run that has ended.
 *
 * Promise    its result alone goes to stdout: a text as it is, anything else as JSON that people
 *            read; null is nothing. What went wrong is told on stderr, with the line of the script.
 *            --json prints the one line that scripts rely on.
 * Threads    one.
 */
#ifndef DROVER_CLI_WORKFLOW_END_H
#define DROVER_CLI_WORKFLOW_END_H

#include "cli/base/cli.h"
#include "cli/workflow/tree.h"

/* Sets the exit code, too. */
void workflow_end_tell(struct invocation *invocation, const char *run,
                       const struct workflow_tree *tree);
/* A script that is none: nothing ran. `error` is "LINE:COL: what is wrong". */
void workflow_refusal_tell(struct invocation *invocation, const char *file, const char *error);

/* {"event": "workflow_finished", "run", "state", "result", "error", "agents"}. run NULL: none. */
MUST_CHECK json_t *workflow_end_json(const char *run, const struct workflow_tree *tree);
/* A text as it is, anything else as JSON on several lines; null is nothing. */
void workflow_result_add(const json_t *result, struct text *text);
/* "script_error at 12:5: x is not defined". */
void workflow_error_add(const json_t *error, struct text *text);

#endif
