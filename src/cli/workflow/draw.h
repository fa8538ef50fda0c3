/* draw.h: a workflow's run as a picture: its phases, and below each its agents.
 *
 *   ● review-code  12s  5 agents: 3 succeeded, 1 failed, 1 at work          1.2k tok  $0.0031
 *     ✓ Look                        3/3                                      900 tok  $0.0020
 *     ● Judge                       1/2, 1 failed                            312 tok  $0.0011
 *       ✗ security  timed_out                                                312 tok  $0.0011   9s
 *       ● performance                                                                           3s
 *     ○ Report
 *
 * Promise    no line is longer than `columns`, and there are at most `rows` of them: what has ended
 *            well folds into the counts of its phase first, then all that has ended, then those at
 *            work that do not fit ("and 12 more"). Who waits for an answer is told last, with the
 *            command that gives it.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_WORKFLOW_DRAW_H
#define DROVER_CLI_WORKFLOW_DRAW_H

#include "base/base.h"
#include "base/text.h"
#include "cli/terminal/paint.h"
#include "cli/workflow/tree.h"

struct workflow_draw {
    struct paint paint;
    int64_t now_ms;
    int rows, columns; /* 0: no bound; at least 4 rows, else. */
    bool ids;          /* Each agent with its run's id. */
    const char *note;  /* Stands last, like "the daemon is away"; NULL: nothing does. */
};
void workflow_draw(const struct workflow_draw *draw, const struct workflow_tree *tree,
                   struct text *text);

/* "5 agents: 3 succeeded, 1 failed, 1 at work" */
void workflow_counts_add(const struct workflow_tree *tree, struct text *text);
/* "312", "1.2k", "3.4M". */
struct workflow_amount {
    char text[24];
};
struct workflow_amount workflow_tokens(int64_t tokens);

#endif
