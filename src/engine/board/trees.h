/* trees.h: working trees of tasks (dispatch/board/board_tree.h makes them).
 *
 * The row of a task names its tree from the commit on in which the first job for it is begun, so
 * that a daemon that comes back finds that job, and the tree.
 *
 * Threads    inside a store function. Texts live in the transaction's arena.
 */
#ifndef DROVER_ENGINE_BOARD_TREES_H
#define DROVER_ENGINE_BOARD_TREES_H

#include "engine/board/board.h"
#include "engine/workflow/steps.h"

/* What a pick has to know: whether the attempt gets a tree, and which one the task has. */
struct task_tree {
    bool wanted;
    struct bytes worktree; /* JSON; "": none yet. */
};
void tx_task_tree(struct tx *tx, const struct task *task, struct task_tree *ret_tree);

/* Writes the tree into the row, and begins the job, unless one for the task is under way.
 * ERR_CONFLICT: the attempt does not work on its task any more. */
struct tree_begin {
    struct bytes attempt, worktree;
    const struct run_new *job;
};
MUST_CHECK struct err tx_tree_begin(struct tx *tx, const struct tree_begin *begin,
                                    struct step_job *ret_job);

/* Ends an attempt that has got no tree: a person is asked. */
MUST_CHECK struct err tx_attempt_treeless(struct tx *tx, struct bytes attempt, struct bytes why);

#endif
