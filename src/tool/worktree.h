/* worktree.h: where the working tree of an agent stands, and how far its making has come.
 *
 *   TOP/.drover/worktrees/RUN     TOP: the folder with .git that the root of the workflow lies in
 *
 * A root that is itself in a second working tree of a repository has its agents' beside the first
 * one. `.drover/worktrees` holds a .gitignore, so the project's own status stays clean.
 *
 * Promise    nothing is made through a link, and no program is run. What is told of a tree stands
 *            in its files: the order in which `git worktree add` writes them says whether it came
 *            to its end.
 * Ownership  plain memory.
 * Threads    the pool: it blocks on the disk.
 * Failure    `why` is a sentence for whoever asked for the agent.
 */
#ifndef DROVER_TOOL_WORKTREE_H
#define DROVER_TOOL_WORKTREE_H

#include "base/base.h"
#include "base/err.h"
#include "base/limits.h"

enum { WORKTREE_BASE = 65, WORKTREES_MAX = 1000 /* Of one repository. */ };

struct worktree {
    char top[LIMIT_PATH_MAX];  /* Where .drover stands. */
    char from[LIMIT_PATH_MAX]; /* The working tree that the root lies in: its HEAD is taken. */
    char path[LIMIT_PATH_MAX]; /* Of the new one. */
    char root[LIMIT_PATH_MAX]; /* In it, what the root is in `from`. */
    char git[LIMIT_PATH_MAX];  /* The repository, where it is the folder TOP/.git; "": elsewhere. */
};
/* Makes what stands above it. `closed`: no tree stands in there; "": anywhere. `held`: git is kept
 * in a sandbox, and there is none around `closed`. */
MUST_CHECK struct err worktree_find(const char *root, const char *run, const char *closed,
                                    bool held, struct worktree *ret_worktree, struct why *why);

enum worktree_state {
    WORKTREE_NONE,
    WORKTREE_HALF, /* It is not known to be whole. */
    WORKTREE_WHOLE,
    WORKTREE_STRANGE, /* Something else has its name. */
};
struct worktree_look {
    enum worktree_state state;
    char head[WORKTREE_BASE]; /* The commit that it stands at; "": it is on a branch. */
};
struct worktree_look worktree_look(const char *path);

#endif
