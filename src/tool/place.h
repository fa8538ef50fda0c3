/* place.h: from a path that a model wrote to a descriptor, never outside the roots.
 *
 * Every step is openat2 with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS from a root's descriptor:
 * the kernel refuses "..", links and races that would lead out, whatever happens meanwhile. Links
 * within a root are followed; absolute ones are not, as the kernel has it. What is not a plain file
 * or folder is looked at (O_PATH) and never opened: opening a pipe or a device already does
 * something.
 *
 * A folder that somebody moves out of the root while it is open stays reachable to the call that
 * had opened it. A hard link looks like any file: reading it reads the other name's bytes; writing
 * replaces this name alone.
 *
 * Ownership  descriptors in results are the caller's.
 * Threads    any; blocks on the disk.
 * Failure    ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_CONFLICT (not what it should be), ERR_IO; `why` is a
 *            sentence for the model.
 */
#ifndef DROVER_TOOL_PLACE_H
#define DROVER_TOOL_PLACE_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"
#include "base/limits.h"
#include "tool/tool.h"

/* A path that was understood, not yet looked at. */
struct place_path {
    size_t root;                    /* Index among the roots. */
    char relative[LIMIT_PATH_MAX];  /* To that root, for the kernel; "." is the root itself. */
    char shown[2 * LIMIT_PATH_MAX]; /* Normalised: relative in the project, absolute elsewhere. */
};
MUST_CHECK struct err place_resolve(const struct tool_place *place, const char *path,
                                    enum root_access access, struct place_path *ret_path,
                                    struct why *why);

/* Where a descriptor really is, as rules compare it. ERR_FORBIDDEN: in the closed folder. */
struct place_real {
    char text[2 * LIMIT_PATH_MAX];
};

/* A plain file or a folder, for reading. Of something else nothing is opened: ERR_CONFLICT. */
enum place_kind { PLACE_FILE, PLACE_FOLDER };
struct place_opened {
    int fd; /* Owned. */
    struct stat about;
    struct place_path path;
    struct place_real real;
};
MUST_CHECK struct err place_open(const struct tool_place *place, const char *path,
                                 enum place_kind kind, struct place_opened *ret_opened,
                                 struct why *why);
void place_close(struct place_opened *opened); /* For AUTO; fd -1: nothing is open. */
/* A name in an open folder, not through a link. ERR_CONFLICT: not a plain file. */
MUST_CHECK struct err place_open_beside(int folder_fd, const char *name, int *ret_fd,
                                        struct stat *ret_about);

/* A plain file as a program of the user finds it: relative to the project, and through links, also
 * out of the roots. ENOENT (`os`): there is none; ERR_FORBIDDEN: it is in the closed folder. */
MUST_CHECK struct err place_open_anywhere(const struct tool_place *place, const char *path,
                                          int *ret_fd, struct stat *ret_about);

/* The folder in which the last component stands, and that name. Of a link, the place it leads to,
 * unless it is the link that is meant. */
enum place_last { LAST_FOLLOW, LAST_ITSELF };
enum place_missing { MISSING_REFUSE, MISSING_MAKE /* Folders on the way are made. */ };
struct place_parent {
    int fd; /* Owned. */
    char name[256];
    struct place_real real; /* Place of the name in the folder. */
};
MUST_CHECK struct err place_open_parent(const struct tool_place *place,
                                        const struct place_path *path, enum place_last last,
                                        enum place_missing missing, struct place_parent *ret_parent,
                                        struct why *why);

/* Where a path whose folders are not all there yet would be. */
MUST_CHECK struct err place_real_missing(const struct tool_place *place,
                                         const struct place_path *path, struct place_real *ret_real,
                                         struct why *why);

/* True: time is up, or nobody wants it any more. */
MUST_CHECK bool place_is_over(const struct tool_place *place);

/* The part of `path` below `folder` ("" for itself), or NULL. Both are normalised, absolute. */
const char *place_below(const char *path, const char *folder);
/* Where an open descriptor is; false: the system doesn't say, or it does not fit. */
MUST_CHECK bool place_path_of(int fd, char *into, size_t size);

/* A folder outside of the project that somebody asks for: where it really is, without links. A link
 * that takes its place later is not followed. The top of the file system, the kernel's own folders
 * and drover's (`closed`, as of a place) are nobody's to grant. */
enum { EXTRA_ROOT_PATH_MAX = 1024 }; /* Bytes. */
struct extra_root {
    char path[EXTRA_ROOT_PATH_MAX + 1];
};
MUST_CHECK struct err extra_root_find(const char *path, const char *closed,
                                      struct extra_root *ret_root, struct why *why);

#endif
