/* extra_root.h: a folder outside of the project that somebody asks for.
 *
 * Promise    what is granted is where the folder really is, without links, as it was when it was
 *            asked for; a link that takes its place later is not followed (place.h). The top of the
 *            file system, the kernel's own folders and drover's are nobody's to grant.
 * Threads    any; blocks on the disk.
 * Failure    ERR_BAD_FIELD, ERR_NOT_FOUND, ERR_FORBIDDEN, …; `why` is a sentence.
 */
#ifndef DROVER_TOOL_EXTRA_ROOT_H
#define DROVER_TOOL_EXTRA_ROOT_H

#include "base/base.h"
#include "base/err.h"
#include "tool/tool.h"

enum { EXTRA_ROOT_PATH_MAX = 1024 }; /* Bytes. */

struct extra_root {
    char path[EXTRA_ROOT_PATH_MAX + 1];
};
/* `closed`: as of a place. */
MUST_CHECK struct err extra_root_find(const char *path, const char *closed,
                                      struct extra_root *ret_root, struct why *why);

/* The look of request_access: subjects[0] as it was written, subjects[1] where it really is. */
MUST_CHECK struct err extra_root_look(const struct tool_call *call, const struct tool_place *place,
                                      struct tool_look *look);

#endif
