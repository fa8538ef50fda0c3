/* ignore.h: the names that the .gitignore of a folder leaves out.
 *
 * Promise    lines mean what git has them mean: `!` takes back, a slash at the end is for folders,
 *            one before that ties a line to the folder, and the last line that fits counts. Files
 *            of this name further below are not read.
 * Bounds     IGNORE_BYTES_MAX, or nothing is left out; IGNORE_LINES_MAX lines.
 * Ownership  ignore_done.
 * Threads    any; reading blocks on the disk.
 */
#ifndef DROVER_TOOL_FILE_IGNORE_H
#define DROVER_TOOL_FILE_IGNORE_H

#include "base/base.h"
#include "tool/file/content.h"
#include "tool/place.h"

enum { IGNORE_BYTES_MAX = 64 << 10, IGNORE_LINES_MAX = 200 };

struct ignore_line {
    struct bytes glob; /* Part of the content. */
    bool takes_back, folders, top;
};
struct ignore {
    struct content content; /* Owned. */
    struct ignore_line lines[IGNORE_LINES_MAX];
    size_t count;
};
/* `ignore` is zeroed. A file that is missing or cannot be read leaves out nothing. */
void ignore_read(struct ignore *ignore, const struct tool_place *place, int folder_fd);
/* `path` is relative to the folder of the file. */
MUST_CHECK bool ignore_has(const struct ignore *ignore, const char *path, bool folder);
void ignore_done(struct ignore *ignore); /* For AUTO; zeroed is allowed. */

#endif
