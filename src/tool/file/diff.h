/* diff.h: what changed between two texts, as a unified diff.
 *
 * Promise    the shortest change where it takes at most DIFF_EDITS_MAX lines, else everything
 *            between the first and the last line that differ. Time and memory are bounded by that.
 *            A diff that would not fit ends with a line that says how much is missing.
 * Threads    any.
 */
#ifndef DROVER_TOOL_FILE_DIFF_H
#define DROVER_TOOL_FILE_DIFF_H

#include "base/base.h"
#include "base/text.h"

enum { DIFF_EDITS_MAX = 1000, DIFF_CONTEXT = 3 };

struct diff_sides {
    const char *path;
    struct bytes old, new; /* data NULL: there is no such file. */
};
struct diff_counts {
    size_t added, removed; /* Lines. */
    bool cut;              /* Not all of the diff fit. */
};
struct diff_counts diff_write(const struct diff_sides *sides, struct text *text);

#endif
