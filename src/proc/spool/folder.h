/* folder.h: removes a folder with all that a command may have left in it.
 *
 * Promise    whatever its owner could make is removed: folders without any permission, as deep as
 *            the disk allows, of names of any bytes. Nothing outside is touched: links are not
 *            followed. A descriptor for the folder and two more are all it takes.
 * Threads    any; blocks on the disk, as long as there is something to remove. Compiled into the
 *            holder as well: no allocation.
 * Failure    something is left. Absent: fine.
 */
#ifndef DROVER_PROC_SPOOL_FOLDER_H
#define DROVER_PROC_SPOOL_FOLDER_H

#include "base/base.h"
#include "base/err.h"

/* An error is for those who can tell somebody: what is left waits for the next try. */
struct err folder_remove(int at, const char *name);

/* A folder for reading, and nothing else that has its name. What took our own rights from it is
 * undone. ENOTDIR or ELOOP: it is something else. */
MUST_CHECK struct err folder_open(int at, const char *name, int *ret_fd);

#endif
