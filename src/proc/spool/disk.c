/* disk.c: what the folder of an attempt takes on the disk. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/spool/inside.h"
#include "proc/spool/spool.h"

enum { BLOCK = 4096, OURS = 4 * BLOCK, STAT_BLOCK = 512, FILES_MAX = 1000 };

/* A file takes whole blocks. Beyond its bound a log loses its middle. */
static int64_t log_disk(int64_t size, int64_t log_max) {
    int64_t kept = size < log_max ? size : log_max;
    return (kept + BLOCK - 1) / BLOCK * BLOCK;
}

int64_t spool_disk_of(const struct spool_exit *exit, int64_t log_max) {
    assert(log_max > 0);
    return OURS + log_disk(exit->out, log_max) + log_disk(exit->err, log_max) +
           log_disk(exit->pty, log_max);
}

static int64_t file_disk(int folder, const char *name) {
    struct stat about;
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) < 0) {
        return 0; /* It went a moment ago. */
    }
    return (int64_t)about.st_blocks * STAT_BLOCK;
}

int64_t spool_disk(const struct spool *spool, const char *name) {
    int fd = -1;
    struct err err = spool__folder(spool, name, &fd);
    if (err_failed(err) || fd < 0) {
        return 0;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        fd_release(&fd);
        return 0;
    }
    int64_t bytes = 0;
    for (int i = 0; i < FILES_MAX; i++) {
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            break;
        }
        bool above = entry->d_name[0] == '.' && entry->d_name[1] == '.' && entry->d_name[2] == '\0';
        bytes += above ? 0 : file_disk(fd, entry->d_name);
    }
    (void)closedir(dir); /* It was only read. */
    return bytes;
}

struct err spool_changed_s(const struct spool *spool, const char *name, int64_t *ret_changed_s) {
    struct stat about;
    if (fstatat(spool_fd(spool), name, &about, AT_SYMLINK_NOFOLLOW) < 0) {
        return err_from_errno(errno, "spool: look at a folder");
    }
    *ret_changed_s = (int64_t)about.st_mtime;
    return ERR_OK;
}
