/* commit_mark.c: see commit_mark.h. */
#include "store/commit_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "store/datadir.h"

enum { MARK_BYTES = 4096 };

struct commit_mark {
    int fd; /* Owned. */
    atomic_uint_fast64_t errors;
};

struct words {
    struct commit_point point;
    uint64_t check;
};

/* Not 0 for a point of zeros: an empty file has no mark. */
static uint64_t check_of(const struct commit_point *point) {
    const int64_t words[] = {point->number, point->written, point->stream, point->head};
    uint64_t check = 1;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        check = (check ^ (uint64_t)words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        check ^= check >> 32;
    }
    return check;
}

/* All blocks are there from the start, so that a write later needs none where the file system
 * overwrites in place. */
static struct err file_fill(int fd, const char *path) {
    struct stat found;
    if (fstat(fd, &found) < 0) {
        return err_from_errno(errno, "mark: look");
    }
    if (found.st_size >= MARK_BYTES) {
        return ERR_OK;
    }
    static const char zeros[MARK_BYTES];
    ssize_t written = pwrite(fd, zeros, sizeof zeros, 0);
    if (written != MARK_BYTES || fsync(fd) < 0) {
        return err_from_errno(written >= 0 && written != MARK_BYTES ? ENOSPC : errno,
                              "mark: write");
    }
    return datadir_sync_folder_of(path);
}

struct err commit_mark_open(const char *folder, struct commit_mark **ret_mark, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(folder, DATADIR_MARK);
    AUTO(fd_release)
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct err err = fd < 0 ? err_from_errno(errno, "mark: open") : file_fill(fd, path);
    if (err_failed(err)) {
        return path_why(err, path, "opened", why);
    }
    struct commit_mark *mark = mem_new(sizeof *mark);
    mark->fd = fd_take(&fd);
    *ret_mark = mark;
    return ERR_OK;
}

void commit_mark_close(struct commit_mark *mark) {
    if (mark == NULL) {
        return;
    }
    fd_release(&mark->fd);
    mem_free(mark);
}

static void error_count(struct commit_mark *mark) {
    atomic_fetch_add_explicit(&mark->errors, 1, memory_order_relaxed);
}

uint64_t commit_mark_errors(const struct commit_mark *mark) {
    return atomic_load_explicit(&mark->errors, memory_order_relaxed);
}

static struct commit_point point_read(int fd) {
    struct words words = {.check = 0};
    bool read = pread(fd, &words, sizeof words, 0) == (ssize_t)sizeof words;
    return read && words.check == check_of(&words.point) ? words.point
                                                         : (struct commit_point){.number = 0};
}

struct commit_point commit_mark_get(const struct commit_mark *mark) {
    return point_read(mark->fd);
}

void commit_mark_set(struct commit_mark *mark, const struct commit_point *point) {
    const struct words words = {.point = *point, .check = check_of(point)};
    if (pwrite(mark->fd, &words, sizeof words, 0) != (ssize_t)sizeof words) {
        error_count(mark);
    }
}

/* A file that was removed takes the mark, and no start would find it. */
void commit_mark_sync(struct commit_mark *mark) {
    struct stat found;
    bool there = fstat(mark->fd, &found) == 0 && found.st_nlink > 0;
    if (!there || fdatasync(mark->fd) < 0) {
        error_count(mark);
    }
}

struct commit_point commit_mark_look(const char *folder) {
    AUTO(mem_release) char *path = datadir_path(folder, DATADIR_MARK);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 ? point_read(fd) : (struct commit_point){.number = 0};
}

struct err commit_mark_remove(const char *folder) {
    AUTO(mem_release) char *path = datadir_path(folder, DATADIR_MARK);
    if (unlink(path) < 0) {
        return errno == ENOENT ? ERR_OK : err_from_errno(errno, "mark: remove");
    }
    return datadir_sync_folder_of(path);
}
