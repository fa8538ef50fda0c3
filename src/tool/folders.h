/* folders.h: names of the folders directly below one, for a person who looks for a place.
 *
 * Promise    sorted without regard to case; at most `limit` names, of at most FOLDER_ENTRIES_MAX
 *            entries that were read: `whole` false says that there are more. A link is no folder
 *            here, and a name that is no plain text is left out.
 * Above      with `above` the path is one below that folder, and the kernel refuses links and races
 *            that would lead out of it; without, links on the way are followed.
 * Ownership  names are the caller's, until folder_names_done.
 * Threads    any; blocks on the disk.
 * Failure    ERR_NOT_FOUND; ERR_BAD_QUERY: a file; ERR_FORBIDDEN: it may not be read, is drover's
 *            own, or leads out. `why` is a sentence; the names are untouched.
 */
#ifndef DROVER_TOOL_FOLDERS_H
#define DROVER_TOOL_FOLDERS_H

#include "base/base.h"
#include "base/err.h"

enum { FOLDER_ENTRIES_MAX = 10000, FOLDER_NAMES_MAX = 500, FOLDER_PATH_MAX = 1024 };

struct folder_wish {
    const char *path;   /* Absolute, without ".", ".." and "//". */
    const char *above;  /* NULL: none. */
    const char *closed; /* Folder of drover itself; "": none. */
    size_t limit;       /* At most FOLDER_NAMES_MAX. */
    bool hidden;        /* Also names that begin with a dot. */
};

struct folder_names {
    char **names; /* Owned, as each of them. */
    size_t count;
    bool whole;
};

/* Whether a text can be such a path: absolute, plain, no "." and "..", at most FOLDER_PATH_MAX. */
MUST_CHECK bool folder_path_valid(struct bytes path);
MUST_CHECK struct err folder_names_read(const struct folder_wish *wish,
                                        struct folder_names *ret_names, struct why *why);
void folder_names_done(struct folder_names *names);

#endif
