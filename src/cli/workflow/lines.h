/* lines.h: a workflow's run in a pipe: one line for each event.
 *
 *   workflow started: review-code (run_…)
 *   phase: Look
 *   log: 3 files changed
 *   agent started: security [Look]
 *   agent failed: security [Look] timed_out, 312 tokens, $0.0011, 9s
 *   workflow degraded: 3 agents: 2 succeeded, 1 failed, 1.2k tokens, $0.0031, 12s
 *
 * Promise    no line has control characters; an event of a later daemon gives none.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_WORKFLOW_LINES_H
#define DROVER_CLI_WORKFLOW_LINES_H

#include "base/base.h"
#include "base/text.h"
#include "cli/workflow/tree.h"

/* The tree has heard the event, and said that it is of `agent` (NULL: of none). */
struct workflow_told {
    const struct workflow_tree *tree;
    const struct workflow_agent *agent;
    const struct workflow_event *event;
    const char *run; /* The workflow's. */
};
void workflow_lines_add(const struct workflow_told *told, struct text *text);

/* ", budget cost $2.50, agents 5 (the daemon's default)", or ", no budget". */
void workflow_budget_add(const json_t *data, struct text *text);

#endif
