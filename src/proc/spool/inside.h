/* inside.h: what the files of the spool share. Nobody else includes it.
 *
 * Ownership  descriptors that are returned belong to the caller.
 * Threads    as spool.h.
 * Failure    outputs are untouched.
 */
#ifndef DROVER_PROC_SPOOL_INSIDE_H
#define DROVER_PROC_SPOOL_INSIDE_H

#include "base/base.h"
#include "base/err.h"

struct spool;

/* RUN.ATTEMPT: letters, digits, '_', '-' and '.', not first a '.'; shorter than PROTOCOL_NAME_MAX.
 * So it is never a path, never hidden, and never a temporary name of ours. */
MUST_CHECK bool spool__name_valid(const char *name);

/* The folder of one attempt. Absent: ERR_OK and -1. ERR_CONFLICT: something else has its name (a
 * file, a link, a folder of somebody else). */
MUST_CHECK struct err spool__folder(const struct spool *spool, const char *name, int *ret_fd);

/* Reads a whole small file of a folder. Absent: ERR_OK and SPOOL__ABSENT as its length. One that is
 * larger than `size`, or no plain file, reads as `size` bytes of nothing that anybody would take
 * for whole: SPOOL__STRANGE. */
enum { SPOOL__ABSENT = -1, SPOOL__STRANGE = -2 };
MUST_CHECK struct err spool__read_file(int folder_fd, const char *name, char *buffer, size_t size,
                                       ptrdiff_t *ret_len);

/* Whether a holder holds the lock. Asking takes a shared lock for a moment: two that ask do not see
 * each other, and a holder that comes just then waits. */
MUST_CHECK struct err spool__lock_held(int folder_fd, bool *ret_held);

#endif
