/* child.h: the program drover-changes, a child of the daemon that looks at folders and trees.
 *
 *   standard input    one JSON object, the order, until its end; "do" says which
 *   standard output   one line of JSON, the answer, and after it the body of a "diff" or "contents"
 *   exit code         0, also where an order failed: the answer is then
 *                     {"error": {"code": CODE, "detail": SENTENCE}}
 *
 * "point": take.h. "list" and "diff": compare.h. "contents": content_diff.h. "blame": blame.h.
 * "prune": prune.h. "rewind": rewind.h. "apply": apply.h. "trees" and
 * "tree_diff": tree_report.h. "check": {"do": "check", "git": PATH} -> {"version": "2.39.5"}. Codes
 * are names of err.h, and of git itself "git_missing", "git_old" and "git_failed".
 *
 * Promise    the program ends with the daemon, and its git with it. It has low priority on the
 *            processor and the disk. It writes in the shadow repository and a scratch
 *            folder beside it alone, but for "apply".
 * Threads    one, which git_run.h needs.
 */
#ifndef DROVER_TOOL_CHANGES_CHILD_H
#define DROVER_TOOL_CHANGES_CHILD_H

#include "base/base.h"
#include "base/text.h"

enum { CHANGES_ORDER_MAX = 40 << 20, CHANGES_ANSWER_MAX = 64 << 20 };

/* Whether a program of this name (argv[0]) is drover-changes. */
MUST_CHECK bool changes_child_is(const char *program);
/* `daemon`: pid of the process that shall be missed; NULL: the parent of now. */
int changes_child_main(const char *daemon);

/* Answers one order, without the end of the line. Both texts are empty before. */
void changes_answer(struct bytes order, struct text *answer, struct text *body);

#endif
