/* fd.h: file descriptors, and folders that are read, that end with their scope.
 *
 *     AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
 *     ...
 *     thing->fd = fd_take(&fd);
 *
 *     AUTO(entries_close) DIR *folder = opendir(path);
 *     for (const char *name; (name = entries_next(folder)) != NULL;) {
 *
 * Promise    a descriptor is closed once; -1 means "none" everywhere. A folder that cannot be
 *            opened is as good as an empty one: NULL is allowed.
 * Threads    any; one descriptor belongs to one thread at a time.
 */
#ifndef DROVER_BASE_FD_H
#define DROVER_BASE_FD_H

#include <dirent.h>

#include "base/base.h"

void fd_release(int *fd);        /* Closes what is open and leaves -1. errno is kept. For AUTO. */
MUST_CHECK int fd_take(int *fd); /* Hands the descriptor over: *fd is -1 afterwards. */

/* An open file in memory that holds `content`, at its beginning; -1: errno says why. */
MUST_CHECK int fd_memory(struct bytes content);

/* Takes the descriptor over; -1 is allowed. NULL: it is not open, or no folder. */
MUST_CHECK DIR *entries_of(int fd);
/* The next name, without "." and "..", borrowed until the next call; NULL: there are no more. */
const char *entries_next(DIR *folder);
void entries_close(DIR **folder); /* For AUTO. */

#endif
