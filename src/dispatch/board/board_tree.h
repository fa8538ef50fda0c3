/* board_tree.h: the working tree of a task: before an attempt at it begins, and when it is over.
 *
 * The tree is TOP/.drover/worktrees/tsk_…, beside those of agents of workflows, on a branch of the
 * task, drover/T-31-…: base/work_tree.h says how it is made. A task goes on in it with each attempt.
 * When the task is over, git removes tree and branch if nothing has changed in them.
 *
 * Promise    `done` comes once, never inside of board_tree_begin, and never after the asker stops
 *            but for a look in the pool that comes back. Without a tree the attempt has no folder:
 *            `git.why` says what is in the way.
 * Ownership  embedded in its owner, zeroed, with board_tree_init and board_tree_free. The room is
 *            borrowed for life.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_BOARD_BOARD_TREE_H
#define DROVER_DISPATCH_BOARD_BOARD_TREE_H

#include "dispatch/base/ask.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/work_tree.h"
#include "dispatch/job/dispatch.h"
#include "engine/board/trees.h"

/* Shared by all boards of a daemon. */
struct tree_room {
    struct asker *asker;
    struct pool *pool;
    struct dispatch *dispatch;
    struct run_waits *waits;
};

struct board_tree {
    struct work_tree git;
    struct tree_room *room;
    void (*done)(struct board_tree *tree);
    struct bytes owner, task, name, attempt, project_root; /* Borrowed until `done`. name: T-31. */
    bool moved;           /* At `done`: the task is not as it was, and nothing begins. */
    struct text worktree; /* Owned: JSON of the texts. */
    /* Private. */
    struct ask ask;
    struct pool_job work;
    bool looked; /* The pool has. */
    struct step_job begun;
    struct run_new job_new;
    struct text job_bytes; /* Owned. */
};
void board_tree_init(struct board_tree *tree, struct tree_room *room);
void board_tree_free(struct board_tree *tree); /* Nothing of it is away. */

/* The fields above `moved` are filled, and git.use. `worktree`: of the row. */
void board_tree_begin(struct board_tree *tree, struct bytes worktree);

#endif
