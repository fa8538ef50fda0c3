/* beneath.c: openat2, which the library has no words for. */
#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

enum { RACES_MAX = 64 /* openat2 answers EAGAIN when something was renamed in the middle. */ };

bool beneath_name(struct bytes folder, struct bytes path, struct bytes *ret_name) {
    if (path.len > 0 && path.data[0] != '/') {
        *ret_name = path;
        return true;
    }
    const bool below = folder.len > 0 && bytes_begin(path, folder) &&
                       (path.len == folder.len || path.data[folder.len] == '/');
    while (below && folder.len < path.len && path.data[folder.len] == '/') {
        folder.len++;
    }
    *ret_name = !below || folder.len == path.len
                    ? BYTES(".")
                    : (struct bytes){path.data + folder.len, path.len - folder.len};
    return below;
}

int beneath_open(int folder_fd, const char *path, uint64_t flags) {
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = -1;
    for (int i = 0; i < RACES_MAX; i++) {
        fd = (int)syscall(SYS_openat2, folder_fd, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }
    }
    return fd;
}

int beneath_reopen(int path_fd) {
    char link[40];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", path_fd);
    return open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int beneath_open_file(int folder_fd, const char *path, struct stat *ret_about) {
    AUTO(fd_release) int path_fd = beneath_open(folder_fd, path, O_PATH);
    if (path_fd < 0 || fstat(path_fd, ret_about) < 0) {
        return -1;
    }
    if (!S_ISREG(ret_about->st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return beneath_reopen(path_fd);
}
