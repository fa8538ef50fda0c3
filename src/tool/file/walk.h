/* walk.h: a walk through a folder and all below it, in the order of names.
 *
 * Promise    links are named and never followed; `.git` is left out unless it is asked for, and
 *            working trees of agents always; folders that rules deny, and the closed one, are left
 *            out and counted. The order is that of the components' bytes, so that `after` continues
 *            where an earlier walk stopped.
 * Bounds     WALK_DEPTH_MAX folders deep, WALK_NAMES_MAX names of one folder (more are counted),
 *            WALK_SEEN_MAX names in all, and the place's deadline.
 * Threads    any; blocks on the disk.
 * Failure    ERR_OUT_OF_MEMORY, ERR_TEXT_TOO_LONG.
 */
#ifndef DROVER_TOOL_FILE_WALK_H
#define DROVER_TOOL_FILE_WALK_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"
#include "tool/work.h"

enum { WALK_DEPTH_MAX = 32, WALK_NAMES_MAX = 20000, WALK_SEEN_MAX = 200000 };

struct walk_entry {
    const char *path; /* As shown: from the project's root, or absolute. */
    const char *name; /* Last component of the path. */
    int folder_fd;    /* In which the entry stands; during the call. */
    const struct stat *about;
};
enum walk_next { WALK_ON, WALK_PAST /* Not into this folder. */, WALK_STOP };

struct walk {
    struct tool_work *work;
    const char *folder; /* As shown. */
    struct bytes glob;  /* About what stands below the folder. Empty: everything. */
    const char *after;  /* NULL: from the start. */
    unsigned depth_max;
    bool with_git;
    enum walk_next (*each)(void *ctx, const struct walk_entry *entry);
    void *ctx;
    /* Results. */
    size_t seen, left_out; /* Denied, closed, or beyond a bound. */
    bool over;             /* The time, or WALK_SEEN_MAX. */
};

MUST_CHECK struct err walk_run(struct walk *walk, int folder_fd);

#endif
