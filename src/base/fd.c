/* fd.c: see fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <sys/mman.h>
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

int fd_memory(struct bytes content) {
    AUTO(fd_release) int fd = memfd_create("drover", MFD_CLOEXEC);
    for (size_t at = 0; fd >= 0 && at < content.len;) {
        ssize_t got = pwrite(fd, content.data + at, content.len - at, (off_t)at);
        if (got <= 0) {
            return -1;
        }
        at += (size_t)got;
    }
    return fd_take(&fd);
}

DIR *entries_of(int fd) {
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        fd_release(&fd);
    }
    return folder;
}

const char *entries_next(DIR *folder) {
    const struct dirent *entry = NULL;
    while (folder != NULL && (entry = readdir(folder)) != NULL &&
           (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)) {
    }
    return entry == NULL ? NULL : entry->d_name;
}

void entries_close(DIR **folder) {
    if (*folder != NULL) {
        (void)closedir(*folder); /* Was only read. */
    }
}
