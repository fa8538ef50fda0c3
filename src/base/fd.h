/* fd.h: file descriptors that end with their scope.
 *
 *     AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
 *     ...
 *     thing->fd = fd_take(&fd);
 *
 * Promise    a descriptor is closed once; -1 means "none" everywhere.
 * Threads    any; one descriptor belongs to one thread at a time.
 */
#ifndef DROVER_BASE_FD_H
#define DROVER_BASE_FD_H

#include "base/base.h"

void fd_release(int *fd);        /* Closes what is open and leaves -1. errno is kept. For AUTO. */
MUST_CHECK int fd_take(int *fd); /* Hands the descriptor over: *fd is -1 afterwards. */

#endif
