#include "loop/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"

static int64_t real_wall_ms(void *ctx) {
    struct timespec now;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    assert(rc == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t real_mono_ns(void *ctx) {
    struct timespec now;
    int rc = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(rc == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t real_boot_ns(void *ctx) {
    struct timespec now;
    int rc = clock_gettime(CLOCK_BOOTTIME, &now);
    assert(rc == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void real_random(void *ctx, void *bytes, size_t len) {
    char *at = bytes;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0 /* blocks only until the system is seeded */);
        if (got < 0) {
            /* Ids and tokens made of anything else would be a hole: better no daemon. */
            assert(errno == EINTR);
            continue;
        }
        at += got;
        len -= (size_t)got;
    }
}

static struct err fill_and_sync(int fd, struct bytes content, unsigned mode) {
    while (content.len > 0) {
        ssize_t put = write(fd, content.data, content.len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return err_from_errno(errno, "file: write");
        }
        content.data += put;
        content.len -= (size_t)put;
    }
    if (fchmod(fd, (mode_t)mode) < 0) { /* Here, because open() would apply the umask. */
        return err_from_errno(errno, "file: set the mode");
    }
    return fsync(fd) < 0 ? err_from_errno(errno, "file: sync") : ERR_OK;
}

static struct err real_file_replace(void *ctx, const char *path, struct bytes content,
                                    unsigned mode) {
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    /* Of "/name" the folder is the slash itself. */
    size_t folder_len = slash == path ? 1 : (size_t)(name - path) - (slash != NULL);
    AUTO(mem_release)
    char *folder = slash == NULL ? mem_copy(".", 1) : mem_copy(path, folder_len);
    AUTO(fd_release) int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        return err_from_errno(errno, "file: open the folder");
    }
    if (name[0] == '\0') {
        return err_from_errno(EISDIR, "file: replace");
    }
    /* A random name: two writers of one path must not share a temporary file, or one of them would
     * rename what the other has half written. A crash may leave one behind; it is never read. */
    char temporary[256];
    uint64_t random;
    real_random(NULL /* ctx */, &random, sizeof random);
    int len =
        snprintf(temporary, sizeof temporary, ".%s.%016llx", name, (unsigned long long)random);
    if (len < 0 || (size_t)len >= sizeof temporary) {
        return err_from_errno(ENAMETOOLONG, "file: name the temporary file");
    }
    AUTO(fd_release)
    int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno, "file: make the temporary file");
    }
    struct err err = fill_and_sync(fd, content, mode);
    if (!err_failed(err) && renameat(folder_fd, temporary, folder_fd, name) < 0) {
        err = err_from_errno(errno, "file: rename");
    }
    if (err_failed(err)) {
        (void)unlinkat(folder_fd, temporary, 0 /* a file */); /* The first error is what counts. */
        return err;
    }
    /* Until the folder is on disk, a power cut may bring the old file back: whole, but old. */
    return fsync(folder_fd) < 0 ? err_from_errno(errno, "file: sync the folder") : ERR_OK;
}

static struct err real_file_read(void *ctx, const char *path, size_t size_max, char **ret_content,
                                 size_t *ret_len) {
    assert(size_max > 0 && size_max < SIZE_MAX / 2);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return err_from_errno(errno, "file: open");
    }
    struct stat about;
    if (fstat(fd, &about) < 0) {
        return err_from_errno(errno, "file: look at");
    }
    /* The size is a hint: a pipe and /proc say nothing, a log may grow while it is read. */
    size_t size = 4096;
    if ((uint64_t)about.st_size >= size && (uint64_t)about.st_size <= size_max) {
        size = (size_t)about.st_size + 1;
    }
    AUTO(mem_release) char *content = mem_try(size);
    if (content == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "file: read");
    }
    size_t len = 0;
    for (;;) {
        ssize_t got = read(fd, content + len, size - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno, "file: read");
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
        if (len > size_max) {
            return err_from_errno(EFBIG, "file: read");
        }
        if (len == size) { /* Room for one more byte, never for more than size_max + 1. */
            size = size > size_max / 2 ? size_max + 1 : 2 * size;
            char *grown = mem_try_grow(content, size);
            if (grown == NULL) {
                return err_make(ERR_OUT_OF_MEMORY, "file: read");
            }
            content = grown;
        }
    }
    content[len] = '\0'; /* len < size: a full buffer was grown. */
    *ret_len = len;
    *ret_content = content;
    content = NULL; /* Handed over. */
    return ERR_OK;
}

const struct world *world_real(void) {
    static const struct world real = {
        .wall_ms = real_wall_ms,
        .mono_ns = real_mono_ns,
        .boot_ns = real_boot_ns,
        .random = real_random,
        .file_replace = real_file_replace,
        .file_read = real_file_read,
    };
    return &real;
}
