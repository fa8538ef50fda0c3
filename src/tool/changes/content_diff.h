/* content_diff.h: the difference of two contents of one path, for a person who has seen the first.
 *
 * {"do": "contents", "git": PATH, "shadow": PATH, "path": NAME, "before": HASH | null,
 *  "after": HASH | null, "to": TREE, "bytes_max": N}
 *
 *   -> {"bytes": N, "cut": bool}, and N bytes that `git apply` and `patch -p1` take
 *
 * With `to`, the content after is the one that the path has in this tree, and `after` does not
 * count. null, and a path that is not in the tree: there is no file. Two contents that are the same
 * have no difference. A diff that would be longer than `bytes_max` is left out as a whole, and cut.
 *
 * Threads    one. Blocks on git.
 * Failure    as compare.h.
 */
#ifndef DROVER_TOOL_CHANGES_CONTENT_DIFF_H
#define DROVER_TOOL_CHANGES_CONTENT_DIFF_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

MUST_CHECK struct err content_diff(const json_t *order, struct text *answer, struct text *body,
                                   struct why *why);

#endif
