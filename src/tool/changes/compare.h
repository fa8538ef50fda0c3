/* compare.h: two trees of a world: which files differ and by whom, and the differences as text.
 *
 * {"do": "list", "git": PATH, "shadow": PATH, "from": TREE, "to": TREE,
 *  "steps": [{"tree": TREE, "by": N, "named": [[NAME, N], …]}, …], "after": NAME, "limit": N}
 *
 *   -> {"files": [{"path", "old_path"?, "added", "removed", "binary", "before", "after",
 *       "operation": "create" | "edit" | "delete" | "rename" | "mode",
 *       "mode_before"?, "mode_after"?, "by": [N, …]}, …],
 *       "next": NAME | null, "totals": {"files", "added", "removed"}}
 *
 * TREE is a hash, or "" for the empty tree. Steps are the trees between the two, the last one `to`;
 * each goes from the tree before it to its own. `by` says who is responsible for a step, and
 * `named` for single paths of it. A file's numbers are those of all steps that changed its path or
 * its old one. Files are in the order of their paths; `after` and `limit` choose a page, and totals
 * count all.
 *
 * {"do": "diff", "git": PATH, "shadow": PATH, "from": TREE, "to": TREE, "paths": [NAME, …],
 *  "bytes_max": N}
 *
 *   -> {"bytes": N, "cut": bool}, and N bytes that `git apply` and `patch -p1` take
 *
 * With `paths`, a rename is shown as one where both of its paths are named. Whole files are cut
 * off at the end.
 *
 * Threads    one. Blocks on the disk and on git.
 * Failure    ERR_GONE: a tree is not in the repository, or no longer whole. ERR_BAD_FIELD: the
 *            order; ERR_TOO_EXPENSIVE: more files than fit into memory. `why` is a sentence.
 */
#ifndef DROVER_TOOL_CHANGES_COMPARE_H
#define DROVER_TOOL_CHANGES_COMPARE_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "tool/changes/git_run.h"

enum {
    COMPARE_PATHS_MAX = 1000,
    COMPARE_LIMIT_MAX = 2000,
    COMPARE_DIFF_USUAL = 8 << 20, /* bytes_max where an order has none. */
    COMPARE_DIFF_MAX = 64 << 20,
};

MUST_CHECK struct err compare_list(const json_t *order, struct text *answer, struct why *why);
MUST_CHECK struct err compare_diff(const json_t *order, struct text *answer, struct text *body,
                                   struct why *why);

/* --- For orders that print such a diff -------------------------------------------------------- */

/* Words of git that print a diff as above, after the command. */
extern const char *const compare_diff_words[];
extern const size_t compare_diff_word_count;
enum { COMPARE_NAMES_BYTES_MAX = 64 << 20 };
/* Adds the paths of an order; the arena holds them. */
MUST_CHECK struct err compare_diff_paths(const json_t *order, struct arena *arena,
                                         struct git_words *words, struct why *why);
MUST_CHECK struct err compare_bytes_max(const json_t *order, size_t *ret_bytes_max,
                                        struct why *why);
/* `git` has printed up to compare_output_max bytes. */
static inline size_t compare_output_max(size_t bytes_max) {
    return bytes_max + sizeof "diff --git "; /* With the beginning of the file that is too many. */
}
MUST_CHECK struct err compare_diff_print(struct bytes printed, size_t bytes_max,
                                         struct text *answer, struct text *body);

#endif
