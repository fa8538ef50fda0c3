/* beneath.h: files below an open folder, and never out of it.
 *
 * Promise    openat2 with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS: the kernel refuses "..", links
 *            and races that would lead out. Links within are followed; absolute ones are not.
 * Ownership  a descriptor is the caller's, and close-on-exec.
 * Threads    any; blocks on the disk.
 * Failure    -1 and errno: EXDEV leads out, ELOOP is a link that is not followed, EAGAIN is being
 *            moved about by somebody.
 */
#ifndef DROVER_BASE_BENEATH_H
#define DROVER_BASE_BENEATH_H

#include <sys/stat.h>

#include "base/base.h"

/* The name below the folder of a path that is absolute and begins with that, or relative; "." is
 * the folder itself. False: it stands elsewhere. Only names are compared: opening follows links. */
MUST_CHECK bool beneath_name(struct bytes folder, struct bytes path, struct bytes *ret_name);

MUST_CHECK int beneath_open(int folder_fd, const char *path, uint64_t flags);

/* For reading, what an O_PATH descriptor of a plain file stands for: no name is looked up again,
 * and what is not a plain file was never opened, since opening a pipe already does something. */
MUST_CHECK int beneath_reopen(int path_fd);

/* Both, and what was seen before the second. EINVAL: it is not a plain file. */
MUST_CHECK int beneath_open_file(int folder_fd, const char *path, struct stat *ret_about);

#endif
