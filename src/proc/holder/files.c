/* files.c: see files.h. */
#include "proc/holder/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

bool files_read(const char *path, char *text, size_t size) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, text, size - 1);
    if (got < 0) {
        return false;
    }
    text[got] = '\0';
    return true;
}

struct err files_write_at(int fd, struct bytes bytes, int64_t at, const char *step) {
    size_t done = 0;
    while (done < bytes.len) {
        ssize_t put = pwrite(fd, bytes.data + done, bytes.len - done, (off_t)at + (off_t)done);
        if (put <= 0) {
            return err_from_errno(put < 0 ? errno : ENOSPC, step);
        }
        done += (size_t)put;
    }
    return ERR_OK;
}

ssize_t files_list(int folder, struct files_chunk *chunk) {
    return (ssize_t)syscall(SYS_getdents64, folder, chunk->bytes, sizeof chunk->bytes);
}

const char *files_next(struct files_chunk *chunk, size_t len, size_t *at) {
    if (*at >= len) {
        return NULL;
    }
    const struct dirent64 *entry = (const void *)(chunk->bytes + *at);
    *at += entry->d_reclen;
    return entry->d_name;
}

void files_close_from(int first) {
    if (syscall(SYS_close_range, first, UINT_MAX, 0) == 0) {
        return;
    }
    /* A kernel before 5.9. */
    struct rlimit limit;
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX
                  ? (int)limit.rlim_cur
                  : 65536;
    for (int fd = first; fd < end; fd++) {
        (void)close(fd); /* Most are none. */
    }
}

void files_pause(unsigned ms) {
    (void)poll(/* fds */ NULL, 0, (int)ms); /* All signals are blocked: it ends in time. */
}
