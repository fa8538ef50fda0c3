/* folder.c: see folder.h.
 *
 * A walk down a tree needs a stack, or descriptors, or names as long as the tree is deep, and the
 * depth is the command's choice. So there is no walk down: what is found in an inner folder that is
 * no file is moved up, beside that folder, which is then empty and removed. It
 * moves straight to the top, so that each folder is moved at most once.
 */
#include "proc/spool/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/small/small.h"

enum {
    OWNER_ALL = 0700,
    NAME_SIZE = 32,
    NAMES_MAX = 4096, /* Tried for one folder: a command may have made ours. */
    ENTRIES_MAX = 1 << 26,
};

struct removal {
    int top; /* Borrowed. */
    unsigned moved;
    unsigned looked_at; /* Entries: whatever still makes some must not hold us for ever. */
};

static struct err folder_failed(const char *step) {
    return err_from_errno(errno, step);
}

/* Holder and daemon may both be at it. */
static struct err unless_gone(struct err err) {
    return err.os == ENOENT ? ERR_OK : err;
}

/* Owner's rights first: without them nothing in it can be seen or removed. Through the descriptor,
 * since a name could have become a link. */
struct err folder_open(int at, const char *name, int *ret_fd) {
    AUTO(fd_release)
    int handle = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (handle < 0 || fstat(handle, &about) < 0) {
        return folder_failed("folder: open");
    }
    char path[NAME_SIZE];
    (void)line_make(path, sizeof path, "/proc/self/fd/%d", handle); /* The path fits. */
    if ((about.st_mode & OWNER_ALL) != OWNER_ALL && chmod(path, OWNER_ALL) < 0) {
        return folder_failed("folder: permit");
    }
    int fd = openat(handle, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return folder_failed("folder: open");
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* A name that is taken, by whatever, is not ours to replace. An empty folder may be. */
static struct err removal_move_up(struct removal *removal, int from, const char *name) {
    for (unsigned tries = 0; tries < NAMES_MAX; tries++) {
        char free_name[NAME_SIZE];
        (void)line_make(free_name, sizeof free_name, ".drover-%lld",
                        (long long)removal->moved++); /* The name fits. */
        if (renameat(from, name, removal->top, free_name) == 0 || errno == ENOENT) {
            return ERR_OK;
        }
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) {
            return folder_failed("folder: move");
        }
    }
    return ERR_OK; /* A later look has fewer names in its way. */
}

static struct err removal_take_inner(struct removal *removal, const char *name);

/* Looks once at all that is in the top, or in a folder of the top. */
static struct err removal_take_all(struct removal *removal, int folder, bool *ret_found) {
    struct names names;
    *ret_found = false;
    if (lseek(folder, 0, SEEK_SET) < 0) {
        return folder_failed("folder: read");
    }
    names_start(&names, folder);
    for (const char *name; (name = names_next(&names)) != NULL;) {
        *ret_found = true;
        if (++removal->looked_at > ENTRIES_MAX) {
            return err_from_errno(EBUSY, "folder: too much in it");
        }
        if (unlinkat(folder, name, 0 /* a file */) == 0 || errno == ENOENT) {
            continue;
        }
        if (errno != EISDIR) {
            return folder_failed("folder: remove a file");
        }
        struct err err;
        if (folder == removal->top) {
            err = removal_take_inner(removal, name);
        } else {
            /* A folder that changes its parent is written to, too. */
            AUTO(fd_release) int fd = -1;
            err = folder_open(folder, name, &fd);
            err = err_failed(err) ? unless_gone(err) : removal_move_up(removal, folder, name);
        }
        if (err_failed(err)) {
            return err;
        }
    }
    return names.len < 0 ? unless_gone(folder_failed("folder: read")) : ERR_OK;
}

static struct err removal_take_inner(struct removal *removal, const char *name) {
    AUTO(fd_release) int inner = -1;
    bool found;
    struct err err = folder_open(removal->top, name, &inner);
    if (err_failed(err)) {
        return unless_gone(err);
    }
    err = removal_take_all(removal, inner, &found);
    /* Not empty yet: the next look at the top comes by again. */
    if (!err_failed(err) && unlinkat(removal->top, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
        errno != ENOTEMPTY && errno != EEXIST) {
        err = folder_failed("folder: remove");
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
        TRY(removal_take_all(&removal, top, &found));
    }
    return unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? folder_failed("folder: remove")
                                                                   : ERR_OK;
}
