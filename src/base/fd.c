/* fd.c: see fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

void fd_release(int *fd) {
    if (*fd < 0) {
        return;
    }
    /* The scope often ends on its way out with an errno that somebody still wants to read. An error
     * of close() is ignored on purpose: Linux has released the descriptor in any case, and what
     * must be durable was synced before. */
    int kept = errno;
    (void)close(*fd);
    errno = kept;
    *fd = -1;
}

int fd_take(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}
