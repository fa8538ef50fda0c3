/* umask.h: the file mode mask of the person for whom this process works.
 *
 * A daemon that a command started has the mask 077, so that no file of its own is for others. The
 * mask of that command is kept as a number: commands of jobs, and files that tools make in a
 * project, have that one. The number is UMASK_KNOWN and the mask, or 0 where the mask of the
 * process is the person's.
 *
 * Threads    umask_make_private before any other thread; the rest any.
 */
#ifndef DROVER_BASE_PROCESS_UMASK_H
#define DROVER_BASE_PROCESS_UMASK_H

#include <sys/stat.h>

#include "base/base.h"

enum { UMASK_KNOWN = 01000 };

static inline unsigned umask_make_private(void) {
    return UMASK_KNOWN | (unsigned)umask(077);
}

/* Gives the person's modes to a file or folder that was just made with `mode`. */
MUST_CHECK static inline int umask_apply(unsigned person, int fd, mode_t mode) {
    return person == 0 ? 0 : fchmod(fd, mode & ~(mode_t)(person & 0777));
}

#endif
