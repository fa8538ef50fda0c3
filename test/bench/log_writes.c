/* log_writes.c: a library that is loaded before SQLite's: it counts what the daemon writes to its
 * database and to the log beside it, in the file $LOG_WRITES, without a pause of the daemon.
 *
 * File       numbers of 8 bytes: pages in the log, commits in the log, bytes to the log, bytes to
 *            the database.
 * Log        32 bytes of header, then pages of 4,096 bytes, before each a header of 24 bytes, which
 *            is never written in two parts. Its second word of 4 bytes is 0 but in the last page of
 *            a commit (SQLite's file format, section 4.1).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES, COMMITS, LOG_BYTES, DATABASE_BYTES, COUNTS };
enum { LOG_HEADER = 32, FRAME_HEADER = 24, FRAME = FRAME_HEADER + 4096, COMMIT_AT = 4 };
enum { PATH_SIZE = 4096 };

typedef ssize_t (*write_fn)(int fd, const void *bytes, size_t size, off64_t offset);

static uint64_t *counts; /* Shared with the reader of the file; NULL: nothing is counted. */
static pid_t daemon_pid;

/* Processes that the daemon begins must not count. */
__attribute__((constructor)) static void counts_map(void) {
    const char *path = getenv("LOG_WRITES");
    const size_t size = COUNTS * sizeof *counts;
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        return;
    }
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    counts = mapped == MAP_FAILED ? NULL : mapped;
    daemon_pid = getpid();
    (void)unsetenv("LOG_WRITES");
    (void)unsetenv("LD_PRELOAD");
}

static void add(unsigned which, uint64_t number) {
    (void)__atomic_add_fetch(&counts[which], number, __ATOMIC_RELAXED);
}

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void log_count(const unsigned char *bytes, size_t size, uint64_t offset) {
    static const unsigned char zero[4] = {0};
    add(LOG_BYTES, size);
    size_t at = offset < LOG_HEADER ? LOG_HEADER - offset : (offset - LOG_HEADER) % FRAME;
    at = offset <= LOG_HEADER || at == 0 ? at : FRAME - at;
    for (; at + FRAME_HEADER <= size; at += FRAME) {
        add(PAGES, 1);
        add(COMMITS, memcmp(bytes + at + COMMIT_AT, zero, sizeof zero) != 0);
    }
}

static void write_count(int fd, const unsigned char *bytes, size_t size, uint64_t offset) {
    char link[64], path[PATH_SIZE];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len < 0 ? 0 : len] = '\0';
    if (ends_with(path, ".db-wal")) {
        log_count(bytes, size, offset);
    } else if (ends_with(path, ".db")) {
        add(DATABASE_BYTES, size);
    }
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    static write_fn next;
    next = next != NULL ? next : (write_fn)dlsym(RTLD_NEXT, "pwrite64");
    if (counts != NULL && getpid() == daemon_pid) {
        write_count(fd, bytes, size, (uint64_t)offset);
    }
    return next(fd, bytes, size, offset);
}
