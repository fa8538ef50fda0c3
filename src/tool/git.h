/* git.h: the repository of a project, read from its files: no program is run. The branch; and where
 * the working tree of an agent stands, and how far its making has come.
 *
 *   TOP/.drover/worktrees/NAME    TOP: the folder with .git that the root of the work lies in;
 *                                 NAME: the run of an agent of a workflow, or a task of a board
 *
 * A root that is itself in a second working tree of a repository has its agents' beside the first
 * one. `.drover/worktrees` holds a .gitignore, so the project's own status stays clean.
 *
 * Promise    nothing is made through a link, nor read through one that leads out of the project.
 *            The state of a tree follows from its files: the order in which `git worktree add`
 *            writes them says whether it came to its end. Only names that git itself allows for a
 *            branch are shown; a repository that is damaged, or laid out in a way that is not known
 *            here, says nothing.
 * Ownership  plain memory.
 * Threads    the pool: it blocks on the disk.
 * Failure    `why` is a sentence for the user who asked for the agent.
 */
#ifndef DROVER_TOOL_GIT_H
#define DROVER_TOOL_GIT_H

#include "base/base.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"

/* Adds a line: the branch, or the commit where there is none; nothing without a repository. */
void git_state_write(const char *root, struct text *text);

enum { WORKTREE_BASE = 65, WORKTREES_MAX = 1000 /* In a repository. */ };

struct worktree {
    char top[LIMIT_PATH_MAX];  /* Where .drover stands. */
    char from[LIMIT_PATH_MAX]; /* The working tree that the root lies in: its HEAD is taken. */
    char path[LIMIT_PATH_MAX]; /* The new tree. */
    char root[LIMIT_PATH_MAX]; /* In it, what the root is in `from`. */
    char git[LIMIT_PATH_MAX];  /* The repository, where it is the folder TOP/.git; "": elsewhere. */
};
struct worktree_place {
    const char *root, *run; /* Root of the workflow or project; run_… or tsk_…: the name. */
    const char *closed;     /* No tree stands in there; "": anywhere. */
    bool held;              /* Git is kept in a sandbox, and there is none around `closed`. */
    unsigned umask;         /* Umask for new files: base/process/umask.h. */
};
/* Makes what stands above it. */
MUST_CHECK struct err worktree_find(const struct worktree_place *place,
                                    struct worktree *ret_worktree, struct why *why);

/* The folder whose project the folder `root` belongs to, by its real path: the top of its
 * repository, else the folder itself. False: there is no such folder, or it is below the temporary
 * folder (TMPDIR, else /tmp), where nothing stays. */
MUST_CHECK bool git_project_find(const char *root, char ret_folder[LIMIT_PATH_MAX]);

/* The folder that agents of a root work in, as one world: the top of the repository, else the root
 * itself; both by real paths. False: there is no such folder. */
struct git_place {
    char top[LIMIT_PATH_MAX];
    char root[LIMIT_PATH_MAX];
    char first[LIMIT_PATH_MAX]; /* The first working tree of the repository; else `top`. */
    bool is_git;
};
MUST_CHECK bool git_place_find(const char *root, struct git_place *ret_place);

enum worktree_state {
    WORKTREE_NONE,
    WORKTREE_HALF, /* Not known to be whole. */
    WORKTREE_WHOLE,
    WORKTREE_STRANGE, /* The name is that of something else. */
};
struct worktree_look {
    enum worktree_state state;
    char head[WORKTREE_BASE]; /* The commit that it stands at; "": it is on a branch. */
};
struct worktree_look worktree_look(const char *path);

#endif
