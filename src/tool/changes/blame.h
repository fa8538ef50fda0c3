/* blame.h: step that wrote each line of a file.
 *
 * {"do": "blame", "git": PATH, "shadow": PATH, "path": NAME, "from": TREE,
 *  "steps": [{"tree": TREE, "by": N, "named": [[NAME, N], …]}, …]}
 *
 *   -> {"lines": [{"by": N, "step": N, "text": LINE}, …], "binary": bool}
 *
 * `from` and the steps are those of compare.h. Lines that were there in `from` have step 0 and the
 * number 0; step 1 is the first one of the list. `by` of a line is that of its step, or all numbers
 * together that the step names for the path that the file had in it. Lines are those of the path in
 * the last tree, with bytes that are no UTF-8 as U+FFFD, and cut at BLAME_LINE_MAX; a binary file
 * has none. A rename is followed where git finds one, up to
 * BLAME_RENAMES_MAX of them.
 *
 * Threads    one. Blocks on git.
 * Failure    as compare.h. ERR_NOT_FOUND: the last tree has no such file. ERR_TOO_EXPENSIVE: it has
 *            more than BLAME_LINES_MAX lines.
 */
#ifndef DROVER_TOOL_CHANGES_BLAME_H
#define DROVER_TOOL_CHANGES_BLAME_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

enum { BLAME_LINES_MAX = 20000, BLAME_LINE_MAX = 1000, BLAME_RENAMES_MAX = 16 };

MUST_CHECK struct err blame_lines(const json_t *order, struct text *answer, struct why *why);

#endif
