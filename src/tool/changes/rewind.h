/* rewind.h: the plan of a rewind: the inverse of what one author did between two points, as a list
 * of files against the later one, which is the folder now. Nothing in the folder is changed.
 *
 * A working tree is applied by the same plan (engine/changes/apply.h): what the tree has is the
 * state before, and the way from there to its begin is what is taken back.
 *
 * {"do": "rewind", "git": PATH, "shadow": PATH, "from": TREE, "to": TREE, "steps": [… steps.h],
 *  "mine": SET, "force": [NAME, …], "paths": [NAME, …]}
 *
 *   -> {"tree": HASH,
 *       "files": [{"path", "before", "after", "mode_before", "mode_after", "added", "removed",
 *                  "binary"}, …],
 *       "refused": [{"path", "why": "changed" | "shared" | "kind", "by": [SET, …]}, …],
 *       "shared": [{"path", "by": [SET, …]}, …]}
 *
 * SET is a set of authors (rules/changes/authors.h), as `by` of the steps. rules/changes/inverse.h
 * says which changes are taken back; others' lines stay, by `git merge-file`. Hashes and modes are
 * null where there is no file. A path that would end as it is now is in no list.
 *
 * paths      only these; absent: all.
 * refused    "changed": somebody else changed the same lines, or the existence, kind or mode, or
 *            the content is no text; "shared": the same, and one of the changes is shared; "kind":
 *            a file is needed where a folder of others stands, or the other way round. `by` are
 *            the sets of the others. A path of `force` is refused as "kind" alone.
 * shared     paths that no step of mine alone changed, but a shared one with me in it. They stay as
 *            they are, unless forced.
 * tree       "files" applied to the tree `to`: the order "diff" from `to` to it is the preview. All
 *            contents of the tree are in the repository before the answer.
 *
 * Threads    one. Blocks on the disk and on git.
 * Failure    as compare.h; ERR_TOO_EXPENSIVE also beyond REWIND_FILES_MAX or REWIND_MERGES_MAX.
 */
#ifndef DROVER_TOOL_CHANGES_REWIND_H
#define DROVER_TOOL_CHANGES_REWIND_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

enum { REWIND_FILES_MAX = 10000, REWIND_MERGES_MAX = 1000 };

MUST_CHECK struct err rewind_plan(const json_t *order, struct text *answer, struct why *why);

#endif
