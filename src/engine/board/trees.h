/* trees.h: working trees of tasks (dispatch/board/boards.c has them made).
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

enum {
    TASK_TREE_MAX = 128 << 10, /* Bytes of the JSON of a tree. */
    TASK_TREES_MAX = 1000,     /* Trees of the tasks of a project: as WORKTREES_MAX. */
};

/* Facts for a pick: whether the attempt gets a tree, and which one the task has. */
struct task_tree {
    bool wanted;
    struct bytes worktree; /* JSON; "": none yet. */
};
void tx_task_tree(struct tx *tx, const struct task *task, struct task_tree *ret_tree);

/* Begins the job, unless one for the task is under way, and writes the tree into the row along with
 * it; without a spec: looks for one alone. ERR_CONFLICT: the attempt does not work on its task any
 * more; without an attempt: the task is not over. */
struct tree_begin {
    struct bytes task, attempt, worktree;
    char *const *texts; /* The same tree, by enum tree_text. */
    int64_t ports;      /* For a new one. */
    char *ports_chosen; /* Out: its TREE_PORTS: TREE_PORTS_SIZE bytes. */
    const struct run_new *job;
};
MUST_CHECK struct err tx_tree_begin(struct tx *tx, const struct tree_begin *begin,
                                    struct step_job *ret_job);

/* A task of the board that is over, and whose tree was not looked at since; false: there is none.
 * */
MUST_CHECK bool tx_tree_over_find(struct tx *tx, const struct board_pick *pick,
                                  struct task *ret_task);
/* The tree of such a task stays, or is gone: that is written down. */
MUST_CHECK struct err tx_tree_left(struct tx *tx, struct bytes task, bool kept);

/* Ends an attempt that has got no tree: a person is asked. */
MUST_CHECK struct err tx_attempt_treeless(struct tx *tx, struct bytes attempt, struct bytes why);

#endif
