/* draw.h: a workflow's run as a picture: its phases, and below each its agents; and as lines, one
 * for each event, for a pipe.
 *
 *   ● review-code  12s  5 agents: 3 succeeded, 1 failed, 1 at work          1.2k tok  $0.0031
 *     ✓ Look                        3/3                                      900 tok  $0.0020
 *     ● Judge                       1/2, 1 failed                            312 tok  $0.0011
 *       ✗ security  timed_out                                                312 tok  $0.0011   9s
 *       ● performance                                                                           3s
 *     ○ Report
 *
 *   workflow started: review-code (run_…)
 *   phase: Look
 *   log: 3 files changed
 *   agent started: security [Look]
 *   agent failed: security [Look] timed_out, 312 tokens, $0.0011, 9s
 *   workflow degraded: 3 agents: 2 succeeded, 1 failed, 1.2k tokens, $0.0031, 12s
 *
 * Promise    no line of a picture is longer than `columns`, and there are at most `rows` of them:
 *            agents that succeeded fold into the counts of their phase first, then all that have
 *            ended, then running ones that do not fit ("and 12 more"). The first open question
 *            comes last, whole as far as a third of the rows holds it, with how to answer. Lines
 *            of a pipe have no control characters; an event of a later daemon gives none.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_WORKFLOW_DRAW_H
#define DROVER_CLI_WORKFLOW_DRAW_H

#include "base/base.h"
#include "base/text.h"
#include "cli/terminal/paint.h"
#include "cli/workflow/tree.h"

/* Ids of the agents' runs after their names. SHORT: names for a command (names.h). */
enum workflow_ids { WORKFLOW_IDS_NONE, WORKFLOW_IDS_SHORT, WORKFLOW_IDS_WHOLE };

struct workflow_draw {
    struct paint paint;
    int64_t now_ms;
    int rows, columns; /* 0: no bound; at least 4 rows, else. */
    enum workflow_ids ids;
    const char *note;  /* Last line, like "the daemon is away"; NULL: none. */
    const char *typed; /* Beginning of an answer; NULL: none can be typed here. */
    const char *hint;  /* Fault of the last answer; NULL: none. */
};
/* True: the open question has more lines than the picture shows. */
bool workflow_draw(const struct workflow_draw *draw, const struct workflow_tree *tree,
                   struct text *text);

/* "5 agents: 3 succeeded, 1 failed, 1 at work" */
void workflow_counts_add(const struct workflow_tree *tree, struct text *text);
/* "312", "1.2k", "3.4M". */
struct workflow_amount {
    char text[24];
};
struct workflow_amount workflow_tokens(int64_t tokens);

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
