/* work_tree.h: the working tree of an agent: made before it works, read, and removed after that.
 *
 *   RESTING ──work_tree_begin───> LOOKING ──all is there, or nothing helps──> RESTING: `done`
 *      │                           ^  │ a job is due (or was begun before: WAITING)
 *      │        none is under way  │  v
 *      └──work_tree_search──────> BEGINNING ──> WAITING ──its end──> LOOKING …
 *
 * The state is the disk's, and is looked at before each step; what is being done is a job with a
 * key (tree_job.h). So a daemon that comes back searches for the job of the one before it, waits,
 * looks, and goes on. A tree is half made only where git was killed: that is wiped and made again,
 * unless an agent may have been in it.
 *
 * A tree may have a branch, which outlives it: then git names the commit that it begins at, and the
 * owner's row has it before git makes the tree; a tree that somebody has removed is made again from
 * its branch. A tree on no branch begins at HEAD, and its base is what is found there.
 *
 * A new tree on a branch is then filled with what a commit does not have, where its source says so,
 * and set up by the project's command. TREE_STAGE says what is due still; it is written with the
 * job that follows, so that after a crash a fill may run twice; a set-up is named in the row before
 * it runs, and is waited for. Where it fails the tree is refused, and the next try runs it again.
 * Before it is removed, a tree that was set up is torn down, whatever comes of that.
 *
 * The owner has the transactions and the pool: `begin` stores the job that is due
 * (tree_job_fill) and answers by work_tree_begun(); `look` calls work_tree_look() in the pool and
 * answers by work_tree_looked().
 *
 * Promise    `done` comes once for each begin or search, never inside of it, unless the tree is
 *            stopped. `why` says what is in the way where it is TREE_REFUSED.
 * Limits     each job is begun a few times at most, and has a time limit of its own.
 * Ownership  embedded in its owner, zeroed, with work_tree_init and work_tree_done. The look in the
 *            pool must be back before that; jobs go on without it.
 * Threads    the loop; work_tree_look in the pool.
 */
#ifndef DROVER_DISPATCH_BASE_WORK_TREE_H
#define DROVER_DISPATCH_BASE_WORK_TREE_H

#include "dispatch/base/run_wait.h"
#include "dispatch/base/tree_job.h"
#include "engine/workflow/steps.h"
#include "tool/git.h"

enum work_tree_use {
    TREE_NOT_USED,
    TREE_MAKE,
    TREE_FIND,  /* Not made: a review reads what an attempt has left. */
    TREE_LEAVE, /* Removed with its branch if both are unchanged. */
    TREE_DROP,  /* The same if that loses nothing: its commits may be on other branches. */
    TREE_DESTROY,
};
enum work_tree_end {
    TREE_READY, /* The tree is whole; after a removal: it, or its branch, stays; `why`: why. */
    TREE_REFUSED,
    TREE_ABSENT, /* After a removal: there is none any more, nor its branch. */
};

struct work_tree;
struct work_tree_owner {
    void (*look)(struct work_tree *tree);
    void (*begin)(struct work_tree *tree);
    void (*done)(struct work_tree *tree);
};

enum work_tree_state { TREE_RESTING, TREE_LOOKING, TREE_BEGINNING, TREE_WAITING };
struct work_tree {
    const struct work_tree_owner *owner; /* Static. */
    struct run_waits *waits;             /* Borrowed. */
    char *texts[TREE_TEXTS];             /* Owned, by enum tree_text. */
    enum work_tree_use use;
    bool wants_diff;        /* TREE_MAKE: of one that an attempt was in. */
    enum work_tree_end end; /* At `done`, as the next two. */
    struct why why;         /* Set before the first look, it refuses the tree. */
    struct text diff;       /* Owned: what git prints, as UTF-8. */
    enum tree_job job; /* At `begin`: the one that is due; TREE_NO_JOB: one that is under way. */
    struct worktree_look look;
    /* Private. */
    enum work_tree_state state;
    unsigned heads, adds, wipes, diffs, removes, forgets, fills, setups, teardowns;
    bool searches;            /* A set-up of an earlier daemon may still be waited for. */
    bool fill_due;            /* The source has files that a tree is to be filled with. */
    char head[WORKTREE_BASE]; /* Printed by TREE_HEAD; "": nothing was. */
    struct step_job begun;
    struct run_wait wait;            /* For the end of the last job. */
    char log[PROTOCOL_NAME_MAX + 1]; /* Log of the job that has ended; "": none. */
    struct text fault;               /* Owned. */
};
void work_tree_init(struct work_tree *tree, const struct work_tree_owner *owner,
                    struct run_waits *waits);
void work_tree_done(struct work_tree *tree); /* Zeroed is allowed. */
void work_tree_set_text(struct work_tree *tree, enum tree_text which, const char *words);
void work_tree_set_place(struct work_tree *tree, const struct worktree *at);

/* All counts begin again. In any state: what was begun before has no effect any more. */
void work_tree_begin(struct work_tree *tree, enum work_tree_use use);
void work_tree_search(struct work_tree *tree, enum work_tree_use use);
void work_tree_stop(struct work_tree *tree);

/* In `begin`, before the texts are stored: the job that is due will be this run. */
void work_tree_name_job(struct work_tree *tree, const struct id *run);
/* The answer to `begin`; it has no effect where nothing is being begun any more. */
void work_tree_begun(struct work_tree *tree, const struct step_job *job);
void work_tree_look(struct work_tree *tree, const struct spool *spool);
void work_tree_looked(struct work_tree *tree);
enum tree_care work_tree_care(const struct work_tree *tree); /* For the order of a job. */
void work_tree_refuse(struct work_tree *tree); /* BEGINNING: no job can be begun, as `why` says. */

#endif
