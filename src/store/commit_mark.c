/* commit_mark.c: see commit_mark.h. */
#include "store/commit_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "store/datadir.h"

enum { MARK_BYTES = 4096, NUMBER_BITS = 48 };
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)

struct commit_mark {
    _Atomic uint64_t *word; /* Owned: the mapping of the file. */
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

/* A file that is shorter or has holes would be extended by a store into its memory. */
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

static struct err file_map(const char *path, _Atomic uint64_t **ret_word) {
    AUTO(fd_release)
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return err_from_errno(errno, "mark: open");
    }
    struct err err = file_fill(fd, path);
    if (err_failed(err)) {
        return err;
    }
    void *memory = mmap(NULL, MARK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return err_from_errno(errno, "mark: map");
    }
    *ret_word = memory;
    return ERR_OK;
}

struct err commit_mark_open(const char *folder, struct commit_mark **ret_mark, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(folder, DATADIR_MARK);
    _Atomic uint64_t *word = NULL;
    struct err err = file_map(path, &word);
    if (err_failed(err)) {
        why_set(why, "%s cannot be opened: %s.", path, strerrordesc_np(err.os));
        return err;
    }
    struct commit_mark *mark = mem_new(sizeof *mark);
    mark->word = word;
    *ret_mark = mark;
    return ERR_OK;
}

void commit_mark_close(struct commit_mark *mark) {
    if (mark == NULL) {
        return;
    }
    int rc = munmap((void *)mark->word, MARK_BYTES);
    assert(rc == 0);
    mem_free(mark);
}

int64_t commit_mark_get(const struct commit_mark *mark) {
    return number_of(atomic_load_explicit(mark->word, memory_order_acquire));
}

void commit_mark_set(struct commit_mark *mark, int64_t number) {
    atomic_store_explicit(mark->word, word_of(number), memory_order_release);
}

void commit_mark_sync(const struct commit_mark *mark) {
    /* Where the disk refuses it, the system writes the page later, and the database meets the same
     * disk. */
    (void)msync((void *)mark->word, MARK_BYTES, MS_SYNC);
}

int64_t commit_mark_look(const char *folder) {
    AUTO(mem_release) char *path = datadir_path(folder, DATADIR_MARK);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t word = 0;
    bool whole = fd >= 0 && pread(fd, &word, sizeof word, 0) == (ssize_t)sizeof word;
    return whole ? number_of(word) : 0;
}

struct err commit_mark_remove(const char *folder) {
    AUTO(mem_release) char *path = datadir_path(folder, DATADIR_MARK);
    if (unlink(path) < 0) {
        return errno == ENOENT ? ERR_OK : err_from_errno(errno, "mark: remove");
    }
    return datadir_sync_folder_of(path);
}
