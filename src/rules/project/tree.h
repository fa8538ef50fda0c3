/* tree.h: the working tree of an agent as its row knows it, and the jobs of git on it.
 *
 * Ownership  texts are borrowed.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_PROJECT_TREE_H
#define DROVER_RULES_PROJECT_TREE_H

#include "base/json/json.h"
#include "base/text.h"

/* Texts that a row has of a tree: where it is, the root of the agent in it, the commit it began at
 * ("": not yet known), the top of the repository, where git is run, and what git keeps of the tree
 * ("": as what stands in the trees says). Of a task also the branch, and the last attempt that
 * began in it ("": none did); the tree of an agent of a workflow is on no branch. */
enum tree_text {
    TREE_PATH,
    TREE_ROOT,
    TREE_BASE,
    TREE_TOP,
    TREE_FROM,
    TREE_GIT,
    TREE_BRANCH,
    TREE_ATTEMPT,
    TREE_TEXTS
};
void tree_texts_read(const json_t *worktree, const char *ret_texts[static TREE_TEXTS]);
void tree_texts_write(char *const texts[static TREE_TEXTS], struct text *text);

enum tree_job {
    TREE_HEAD, /* Prints the commit that a tree on a branch begins at. */
    TREE_ADD,
    TREE_REMOVE,
    TREE_WIPE,   /* Half a tree. */
    TREE_DIFF,   /* Prints names of new files, all changes since the base, and the new files. */
    TREE_FORGET, /* The branch, which is kept where anything was committed on it. */
    TREE_NO_JOB,
};
struct tree_order {
    char *const *texts; /* By enum tree_text. */
    enum tree_job job;
    struct bytes user; /* run_… or tsk_…: last word of the label, by which the job is found. */
    bool sandbox;
};

#endif
