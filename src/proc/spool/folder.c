/* folder.c: see folder.h.
 *
 * A walk down a tree needs a stack, or descriptors, or names as long as the tree is deep, and the
 * depth is the command's choice. So there is no walk down: what is found in an inner folder that is
 * no file is moved up, beside that folder, which is then empty and removed. It
 * moves straight to the top, so that each folder is moved at most once.
 */
#include "proc/spool/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    OWNER_ALL = 0700,
    NAME_SIZE = 32,
    NAMES_MAX = 4096, /* Tried for one folder: a command may have made ours. */
    ENTRIES_MAX = 1 << 26,
};

struct chunk {
    _Alignas(8) char bytes[4096];
};

struct removal {
    int top; /* Borrowed. */
    unsigned moved;
    unsigned looked_at; /* Entries: whatever still makes some must not hold us for ever. */
};

static struct err failed(const char *step) {
    return err_from_errno(errno, step);
}

/* Not by printf: it would be a third of the holder. */
static void name_number(char *ret_name, const char *beginning, unsigned number) {
    char digits[12];
    size_t at = sizeof digits, len = strlen(beginning);
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(ret_name, beginning, len);
    memcpy(ret_name + len, digits + at, sizeof digits - at);
}

/* Owner's rights first: without them nothing in it can be seen or removed. Through the descriptor,
 * since a name could have become a link. */
struct err folder_open(int at, const char *name, int *ret_fd) {
    AUTO(fd_release)
    int handle = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (handle < 0 || fstat(handle, &about) < 0) {
        return failed("folder: open");
    }
    char path[NAME_SIZE];
    name_number(path, "/proc/self/fd/", (unsigned)handle);
    if ((about.st_mode & OWNER_ALL) != OWNER_ALL && chmod(path, OWNER_ALL) < 0) {
        return failed("folder: permit");
    }
    int fd = openat(handle, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed("folder: open");
    }
    *ret_fd = fd;
    return ERR_OK;
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A name that is taken, by whatever, is not ours to replace. An empty folder may be. */
static struct err move_up(struct removal *removal, int from, const char *name) {
    for (unsigned tries = 0; tries < NAMES_MAX; tries++) {
        char free_name[NAME_SIZE];
        name_number(free_name, ".drover-", removal->moved++);
        if (renameat(from, name, removal->top, free_name) == 0 || errno == ENOENT) {
            return ERR_OK;
        }
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) {
            return failed("folder: move");
        }
    }
    return ERR_OK; /* A later look has fewer names in its way. */
}

/* False: it is a folder. */
static bool remove_file(int at, const char *name, struct err *ret_err) {
    *ret_err = ERR_OK;
    if (unlinkat(at, name, 0 /* a file */) == 0 || errno == ENOENT) {
        return true;
    }
    if (errno == EISDIR) {
        return false;
    }
    *ret_err = failed("folder: remove a file");
    return true;
}

/* Holder and daemon may both be at it. */
static struct err unless_gone(struct err err) {
    return err.os == ENOENT ? ERR_OK : err;
}

static struct err lift(struct removal *removal, int inner, const char *name) {
    struct err err;
    if (remove_file(inner, name, &err)) {
        return err;
    }
    /* A folder that changes its parent is written to, too. */
    AUTO(fd_release) int fd = -1;
    err = folder_open(inner, name, &fd);
    if (err_failed(err)) {
        return unless_gone(err);
    }
    return move_up(removal, inner, name);
}

static struct err take_inner(struct removal *removal, const char *name);

/* At the top, or in a folder of the top. */
static struct err take(struct removal *removal, int folder, const char *name) {
    if (++removal->looked_at > ENTRIES_MAX) {
        return err_from_errno(EBUSY, "folder: too much in it");
    }
    if (folder != removal->top) {
        return lift(removal, folder, name);
    }
    struct err err;
    return remove_file(folder, name, &err) ? err : take_inner(removal, name);
}

/* One look at all that is in a folder. */
static struct err take_all(struct removal *removal, int folder, bool *ret_found) {
    struct chunk chunk;
    *ret_found = false;
    if (lseek(folder, 0, SEEK_SET) < 0) {
        return failed("folder: read");
    }
    for (;;) {
        long len = syscall(SYS_getdents64, folder, chunk.bytes, sizeof chunk.bytes);
        if (len <= 0) {
            return len < 0 ? unless_gone(failed("folder: read")) : ERR_OK;
        }
        for (long at = 0; at < len;) {
            const struct dirent64 *entry = (const void *)(chunk.bytes + at);
            at += entry->d_reclen;
            if (is_dots(entry->d_name)) {
                continue;
            }
            *ret_found = true;
            struct err err = take(removal, folder, entry->d_name);
            if (err_failed(err)) {
                return err;
            }
        }
    }
}

static struct err take_inner(struct removal *removal, const char *name) {
    AUTO(fd_release) int inner = -1;
    bool found;
    struct err err = folder_open(removal->top, name, &inner);
    if (err_failed(err)) {
        return unless_gone(err);
    }
    err = take_all(removal, inner, &found);
    /* Not empty yet: the next look at the top comes by again. */
    if (!err_failed(err) && unlinkat(removal->top, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
        errno != ENOTEMPTY && errno != EEXIST) {
        err = failed("folder: remove");
    }
    return err;
}

struct err folder_remove(int at, const char *name) {
    AUTO(fd_release) int top = -1;
    struct err err = folder_open(at, name, &top);
    if (err_failed(err)) {
        return unless_gone(err);
    }
    struct removal removal = {.top = top};
    for (bool found = true; found;) {
        err = take_all(&removal, top, &found);
        if (err_failed(err)) {
            return err;
        }
    }
    return unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? failed("folder: remove")
                                                                   : ERR_OK;
}
