/* faulty_calls.c: calls on files, in front of the C library's.
 *
 * A program's own definition of such a name is taken before the library's by every shared library
 * too, so this is what SQLite calls as well as what we call. What is meant to go well is handed to
 * the kernel directly. Compiled with 64-bit offsets these are open64, pwrite64 and so on, which is
 * what SQLite asks for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "faulty.h"

enum { PATH_SIZE = 4096 };

static bool begins_with(const char *path, const char *begin) {
    return strncmp(path, begin, strlen(begin)) == 0;
}

/* Ours to a holder: neither end of such a socket has a name. A connection of a client has one. */
static bool is_link(int fd) {
    struct sockaddr_un ours, theirs;
    socklen_t our_size = sizeof ours, their_size = sizeof theirs;
    return getsockname(fd, (struct sockaddr *)&ours, &our_size) == 0 &&
           getpeername(fd, (struct sockaddr *)&theirs, &their_size) == 0 &&
           ours.sun_family == AF_UNIX && our_size == sizeof ours.sun_family;
}

/* Files on the way to a holder count, in any folder. */
static bool is_start(int fd, const char *path) {
    return begins_with(path, "/memfd:drover-order") ||
           (begins_with(path, "socket:") && is_link(fd));
}

/* Counts a call on an open file, if it is one that counts. */
static enum faulty_how turn_fd(enum faulty_call call, int fd) {
    bool wants_start = faulty_wants(FAULTY_START);
    if ((!faulty_wants(call) && !wants_start) || fd < 0) {
        return FAULTY_NOT;
    }
    int kept = errno;
    char link[40], path[PATH_SIZE];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd); /* It fits. */
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    bool start = wants_start && is_start(fd, path);
    errno = kept;
    if (start) {
        return faulty_turn(FAULTY_START, "an order or a link");
    }
    return path[0] == '/' && faulty_below(path) ? faulty_turn(call, path) : FAULTY_NOT;
}

/* The same for a name, which may be taken from a folder that is open. */
static enum faulty_how turn_name(enum faulty_call call, int folder, const char *name) {
    if (!faulty_wants(call)) {
        return FAULTY_NOT;
    }
    if (name[0] != '/' && folder != AT_FDCWD) {
        return turn_fd(call, folder);
    }
    return faulty_below(name) ? faulty_turn(call, name) : FAULTY_NOT;
}

static bool fails(enum faulty_how how) {
    switch (how) {
    case FAULTY_IO:
        errno = EIO;
        return true;
    case FAULTY_FULL:
        errno = ENOSPC;
        return true;
    case FAULTY_RO:
        errno = EROFS;
        return true;
    default:
        return false;
    }
}

/* The answer of the call, unless it must not be seen. */
static long seen(enum faulty_how how, long result) {
    if (how == FAULTY_DONE || how == FAULTY_TORN) {
        faulty_die();
    }
    return result;
}

static size_t part_of(enum faulty_how how, size_t len) {
    return how == FAULTY_TORN || how == FAULTY_FULL ? len / 2 : len;
}

/* --- Bytes ------------------------------------------------------------------------------------ */

ssize_t write(int fd, const void *data, size_t len) {
    enum faulty_how how = turn_fd(FAULTY_WRITE, fd);
    if (how == FAULTY_IO || how == FAULTY_RO) {
        return fails(how) ? -1 : 0;
    }
    long result = seen(how, syscall(SYS_write, fd, data, part_of(how, len)));
    return fails(how) ? -1 : result;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at) {
    enum faulty_how how = turn_fd(FAULTY_WRITE, fd);
    if (how == FAULTY_IO || how == FAULTY_RO) {
        return fails(how) ? -1 : 0;
    }
    long result = seen(how, syscall(SYS_pwrite64, fd, data, part_of(how, len), at));
    return fails(how) ? -1 : result;
}

ssize_t read(int fd, void *data, size_t len) {
    return fails(turn_fd(FAULTY_READ, fd)) ? -1 : syscall(SYS_read, fd, data, len);
}

ssize_t pread(int fd, void *data, size_t len, off_t at) {
    return fails(turn_fd(FAULTY_READ, fd)) ? -1 : syscall(SYS_pread64, fd, data, len, at);
}

int fsync(int fd) {
    enum faulty_how how = turn_fd(FAULTY_SYNC, fd);
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
    enum faulty_how how = turn_fd(FAULTY_SYNC, fd);
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_fdatasync, fd));
}

int ftruncate(int fd, off_t len) {
    enum faulty_how how = turn_fd(FAULTY_TRUNCATE, fd);
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_ftruncate, fd, len));
}

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
    if (fails(turn_fd(FAULTY_MAP, fd))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

/* --- Names ------------------------------------------------------------------------------------ */

static int open_real(int folder, const char *path, int flags, mode_t mode) {
    enum faulty_how how = turn_name(FAULTY_OPEN, folder, path);
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_openat, folder, path, flags, mode));
}

static bool has_mode(int flags) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = has_mode(flags) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_real(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = has_mode(flags) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_real(folder, path, flags, mode);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    enum faulty_how how = turn_name(FAULTY_RENAME, to_folder, to);
    return fails(how)
               ? -1
               : (int)seen(how, syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renameat2(from_folder, from, to_folder, to, 0 /* replaces */);
}

int rename(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0 /* replaces */);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    enum faulty_how how = turn_name(FAULTY_RENAME, to_folder, to);
    return fails(how)
               ? -1
               : (int)seen(how, syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}

int link(const char *from, const char *to) {
    enum faulty_how how = turn_name(FAULTY_RENAME, AT_FDCWD, to);
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_link, from, to));
}

int unlink(const char *path) {
    enum faulty_how how = turn_name(FAULTY_UNLINK, AT_FDCWD, path);
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_unlink, path));
}
