/* show.h: one look at a workflow, or at one of its agents.
 *
 *   a workflow   what every run has, the error with its place, its phases and agents with their
 *                ids (for `stop` and `--rerun`), how its result begins
 *   an agent     what every run has, its prompt, how its result begins
 *
 * Promise    what models and scripts said does not control the terminal. --json prints the run's
 *            row; that of a workflow has its agents' rows as "agents".
 * Threads    one.
 */
#ifndef DROVER_CLI_WORKFLOW_SHOW_H
#define DROVER_CLI_WORKFLOW_SHOW_H

#include "cli/base/api.h"
#include "cli/base/cli.h"

bool workflow_showable(const json_t *run); /* It is one of the two. */
MUST_CHECK struct err workflow_show(struct invocation *invocation, struct talk *talk, json_t *run);

#endif
