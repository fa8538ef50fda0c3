/* board_tree.h: the working tree of a task: before an attempt at it begins, and when it is over.
 *
 *   LOOKING ──whole──────────────────────────> the end, or a job that prints its changes
 *     ^  └──none, or half made: a job──> BEGINNING ──> WAITING ──its end──> LOOKING …
 *
 * The tree is TOP/.drover/worktrees/tsk_…, beside those of agents of workflows, on a branch of the
 * task, drover/T-31-…, that begins at the commit that the project is at. Git names that commit, and
 * the row has it, before git makes the tree. A task goes on in it with each attempt; a tree that
 * somebody has removed is made again from its branch. When the task is over, git removes tree and
 * branch if nothing has changed in them. The state is the disk's, and is looked at
 * before each step; jobs are those of base/tree_job.h. So a daemon that comes back waits for the
 * job of the one before it, looks, and goes on.
 *
 * Promise    `done` comes once, never inside of board_tree_begin, and never after the asker stops
 *            but for a look in the pool that comes back. Without a tree the attempt has no folder:
 *            `why` says what is in the way.
 * Ownership  embedded in its owner, zeroed, with board_tree_init and board_tree_free. The room is
 *            borrowed for life.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_BOARD_BOARD_TREE_H
#define DROVER_DISPATCH_BOARD_BOARD_TREE_H

#include "dispatch/base/ask.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/tree_job.h"
#include "dispatch/job/dispatch.h"
#include "engine/board/trees.h"
#include "tool/git.h"

/* Shared by all boards of a daemon. */
struct tree_room {
    struct asker *asker;
    struct pool *pool;
    struct dispatch *dispatch;
    struct run_waits *waits;
};

enum tree_use {
    TREE_NOT_USED,
    TREE_MADE_FOR_ATTEMPT,
    TREE_FOUND_FOR_REVIEW, /* Not made: a review reads what an attempt has left. */
    TREE_LEFT,             /* The task is over. */
};
enum tree_end {
    TREE_READY,
    TREE_REFUSED,
    TREE_ABSENT, /* TREE_LEFT: there is none any more. */
    TREE_MOVED,  /* As the task was: nothing begins. */
};

struct board_tree {
    struct tree_room *room;
    void (*done)(struct board_tree *tree);
    struct bytes owner, task, name, attempt, project_root; /* Borrowed until `done`. name: T-31. */
    enum tree_use use;
    bool wants_diff;   /* An earlier attempt at the task was sent back. */
    enum tree_end end; /* At `done`, as all below. */
    struct why why;
    char *texts[TREE_TEXTS];    /* Owned. */
    struct text worktree, diff; /* Owned: JSON of the texts; what git prints, as UTF-8. */
    /* Private. */
    struct ask ask;
    struct pool_job work;
    struct worktree_look look;
    bool looked; /* The pool has. */
    unsigned heads, adds, wipes, diffs, removes, forgets;
    char head[WORKTREE_BASE]; /* Printed by TREE_HEAD; "": nothing was. */
    enum tree_job job;        /* The last one. */
    struct step_job begun;
    struct run_new job_new;
    struct text job_bytes, fault;    /* Owned. */
    struct run_wait wait;            /* For the end of the last job. */
    char log[PROTOCOL_NAME_MAX + 1]; /* Log of the job that has ended; "": none. */
};
void board_tree_init(struct board_tree *tree, struct tree_room *room);
void board_tree_free(struct board_tree *tree); /* Nothing of it is away. */

/* The fields above `end` are filled, `texts` and `diff` are not. `worktree`: of the row. */
void board_tree_begin(struct board_tree *tree, struct bytes worktree);

#endif
