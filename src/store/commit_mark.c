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

enum { MARK_BYTES = 4096, NUMBER_BITS = 48 };
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)

struct commit_mark {
    int fd; /* Owned. */
    atomic_uint_fast64_t errors;
};

static uint64_t word_of(int64_t number) {
    uint64_t low = (uint64_t)number & NUMBER_MASK;
    uint64_t check = (low + 1) * UINT64_C(0x9e3779b97f4a7c15) >> NUMBER_BITS;
    return check << NUMBER_BITS | low;
}

static int64_t number_of(uint64_t word) {
    int64_t number = (int64_t)(word & NUMBER_MASK);
    return word_of(number) == word ? number : 0;
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
        why_set(why, "%s cannot be opened: %s.", path, strerrordesc_np(err.os));
        return err;
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

static bool word_read(int fd, uint64_t *ret_word) {
    return pread(fd, ret_word, sizeof *ret_word, 0) == (ssize_t)sizeof *ret_word;
}

int64_t commit_mark_get(const struct commit_mark *mark) {
    uint64_t word = 0;
    return word_read(mark->fd, &word) ? number_of(word) : 0;
}

void commit_mark_set(struct commit_mark *mark, int64_t number) {
    uint64_t word = word_of(number);
    if (pwrite(mark->fd, &word, sizeof word, 0) != (ssize_t)sizeof word) {
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

int64_t commit_mark_look(const char *folder) {
    AUTO(mem_release) char *path = datadir_path(folder, DATADIR_MARK);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t word = 0;
    return fd >= 0 && word_read(fd, &word) ? number_of(word) : 0;
}

struct err commit_mark_remove(const char *folder) {
    AUTO(mem_release) char *path = datadir_path(folder, DATADIR_MARK);
    if (unlink(path) < 0) {
        return errno == ENOENT ? ERR_OK : err_from_errno(errno, "mark: remove");
    }
    return datadir_sync_folder_of(path);
}
