/* tree_report.h: contents of working trees of agents, and the losses that a removal would mean.
 *
 * {"do": "trees", "git": PATH, "scratch": PATH, "trees": [TREE, …], "lost": bool}
 *
 *   -> {"trees": [{"tree", "state", "repository", "detail", "files", "added", "removed",
 *       "uncommitted", "commits", "bytes", "newest_ms", "lost"?: {"files": [NAME, …],
 *       "commits": [{"commit", "subject"}, …]}}, …]}
 *
 * TREE: tree_git.h, with "tree", any text by which it is known. Of at most TREES_REPORT_MAX, in
 * their order.
 *
 *   state         whole; half: git is at it, was killed, or has locked it; none: no folder is
 *                 there; strange: something else is, or git cannot read it, as `detail` says
 *   repository    whether its repository was found
 *   files         that differ from the base, with those that are new and not ignored; added and
 *                 removed are their lines
 *   uncommitted   files that differ from HEAD, in the tree or in its index, with the new ones
 *   commits       that HEAD or the tree's branch leads to, and no other branch, remote or tag
 *   bytes         space on the disk of its first TREE_ENTRIES_MAX files and folders; newest_ms:
 *                 the last time at which one of them was written
 *   lost          the first TREE_LOST_MAX of uncommitted, and of commits
 *
 * What cannot be known is 0, so only a tree that is whole, or one of state none, is known to hold
 * nothing. A tree that cannot be read spoils no other.
 *
 * {"do": "tree_diff", "git": PATH, "scratch": PATH, "tree": TREE, "paths": [NAME, …],
 *  "bytes_max": N}
 *
 *   -> as "diff" of compare.h: from the base of the tree to its files, with the new ones
 *
 * Threads    one. Blocks on the disk and on git.
 * Failure    ERR_BAD_FIELD: the order; of a diff: ERR_GONE: no tree is there; else git's and the
 *            disk's. `why` is a sentence.
 */
#ifndef DROVER_TOOL_CHANGES_TREE_REPORT_H
#define DROVER_TOOL_CHANGES_TREE_REPORT_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

enum { TREES_REPORT_MAX = 64, TREE_ENTRIES_MAX = 200000, TREE_LOST_MAX = 100 };

MUST_CHECK struct err trees_report(const json_t *order, struct text *answer, struct why *why);
MUST_CHECK struct err tree_diff(const json_t *order, struct text *answer, struct text *body,
                                struct why *why);

#endif
