/* line_steps.h: step that wrote each line of a file, from the diffs of all steps. Pure.
 *
 * A fold. Before the first step, all lines are of step 0. The diff of a step takes lines away, and
 * puts lines of its own in. Diffs have no context (git's -U0):
 *
 *   "diff --git a/x b/x" LF, further head lines
 *   "@@ -OLD,COUNT +NEW,COUNT @@…" LF      COUNT is left out where it is 1; with 0, the number
 *                                          before it is that of the line above
 *   "-…" LF, "+…" LF, "\ No newline…" LF   as many lines as the counts say
 *   "Binary files … differ" LF             all lines are the step's
 *
 * The number of lines at the beginning is not known, and need not be: the last run has no end, and
 * the reader knows how many lines the file has at last.
 *
 * Promise    whatever the bytes are, reading ends.
 * Ownership  line_steps_done.
 * Threads    any.
 */
#ifndef DROVER_RULES_CHANGES_LINE_STEPS_H
#define DROVER_RULES_CHANGES_LINE_STEPS_H

#include "base/base.h"

/* Lines of one step that follow each other. */
struct line_run {
    int64_t len;
    size_t step;
};
#define LINE_RUN_ENDLESS (INT64_MAX / 2)
struct line_steps {
    struct line_run *runs; /* Owned. */
    size_t count, size;
};
void line_steps_init(struct line_steps *lines);
void line_steps_done(struct line_steps *lines); /* For AUTO; zeroed is allowed. */

/* Reads the diff of a step, up to the end or to a line "FROM TO" with two hashes, which is left.
 * More than one file in it: all lines are the step's. False: the diff does not fit to the lines. */
MUST_CHECK bool line_steps_read(struct line_steps *lines, struct bytes *rest, size_t step);

/* The content is another one as a whole. */
void line_steps_replace(struct line_steps *lines, size_t step);

#endif
