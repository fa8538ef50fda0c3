/* tree_git.h: git, asked about one working tree of an agent; read only.
 *
 *   {"path": PATH, "top": PATH, "git": PATH | "", "base": COMMIT | "", "branch": NAME | ""}
 *
 * path: the tree; top: the first working tree of its repository; git: the repository itself, ""
 * where TOP/.git is a file that names it. The texts are those of rules/project/tree.h.
 *
 * An agent can write the tree's .git, and what the repository keeps of the tree (its HEAD, its
 * index and its config.worktree). So git is given the repository and the tree by their own names,
 * reads no setting but those of the repository and the user, and works on a copy of the index: in
 * that copy each new file that git does not ignore has an entry, so a comparison shows it, and no
 * object is written.
 *
 * Promise    the repository, the tree and the tree's index stay as they are. No hook, no fsmonitor
 *            and no other program of a repository is run, but for filters that the repository's or
 *            the user's own settings name; nothing is fetched.
 * Ownership  tree_git_close ends what tree_git_open returned. Texts of the order are borrowed.
 * Threads    one. Blocks on the disk and on git.
 * Failure    ERR_BAD_FIELD: the order; else of git and the disk. `why` is a sentence.
 */
#ifndef DROVER_TOOL_CHANGES_TREE_GIT_H
#define DROVER_TOOL_CHANGES_TREE_GIT_H

#include "base/err.h"
#include "base/json/json.h"
#include "tool/changes/shadow.h"
#include "tool/git.h"

enum { TREE_NEW_MAX = 20000 /* New files that the index gets; further ones are only counted. */ };

struct tree_git {
    const char *program, *scratch;    /* Borrowed, as the next line. */
    const char *path, *base, *branch; /* base, branch: "": none. */
    enum worktree_state state;
    struct shadow_path repository; /* "": it was not found. */
    struct shadow_path inner;      /* Folder that the repository has of it. */
    struct shadow_path index;      /* The copy; "": none is there. */
    char head[WORKTREE_BASE];      /* Commit of HEAD; "": none. */
    struct git_result others;      /* Owned: lines of ls-files, "? NAME" and "M … TAB NAME". */
    size_t new_count;              /* New files that have an entry in the copy. */
};
/* `order`: has "git", the program, and "scratch", a folder for the copy of the index, which is made
 * where it is missing. WORKTREE_NONE and such are results. */
MUST_CHECK struct err tree_git_open(const json_t *order, const json_t *tree,
                                    struct tree_git *ret_tree, struct why *why);
void tree_git_close(struct tree_git *tree); /* For AUTO; a zeroed one is allowed. */

/* Begins the words of a call. */
void tree_git_words(struct git_words *words, const char *const *more, size_t count);
/* `output_max` 0: GIT_OUTPUT_MAX. A longer output is cut, which is no failure. */
MUST_CHECK struct err tree_git_run(const struct tree_git *tree, const struct git_words *words,
                                   size_t output_max, struct git_result *ret_result,
                                   struct why *why);

/* Makes the copy of the index, and fills `head` and `others`; of a tree that is whole. */
MUST_CHECK struct err tree_git_index(struct tree_git *tree, struct why *why);
/* The next new file; false: there is none. A name with a slash at its end is a repository within,
 * which no index has. */
MUST_CHECK bool tree_git_new_next(struct bytes *rest, struct bytes *ret_name);

#endif
