/* spool.c: the spool itself, and what is done to whole folders. Deciding is in decide.c,
 * reading logs in spool_log.c.
 *
 * Everything goes through descriptors of folders and never through joined paths: a folder that is
 * moved or replaced under us then costs an error, and no file elsewhere is touched.
 */
#include "proc/spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/text.h"
#include "loop/world.h"
#include "proc/spool/folder.h"
#include "proc/spool/inside.h"

enum { PATH_SIZE_MAX = 4096 };

struct spool {
    char *path; /* Owned; absolute. */
    int fd;     /* Owned. */
};

static void dir_release(DIR **dir) {
    if (*dir != NULL) {
        (void)closedir(*dir); /* It was only read. */
    }
}

/* A handle for reading names; the descriptor stays the caller's. NULL: errno says why. */
static DIR *dir_of(int fd) {
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) {
        return NULL;
    }
    DIR *dir = fdopendir(copy);
    if (dir == NULL) {
        fd_release(&copy);
    }
    return dir;
}

static struct err sync_path(const char *path) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return err_from_errno(errno, "spool: sync the data directory");
    }
    return ERR_OK;
}

/* Holders stand elsewhere and are told the path, so it must be absolute. */
static struct err absolute_path(const char *data_dir, char **ret_path) {
    char resolved[PATH_SIZE_MAX];
    if (realpath(data_dir, resolved) == NULL) {
        return err_from_errno(errno, "spool: find the data directory");
    }
    AUTO(text_done) struct text text = text_up_to(PATH_SIZE_MAX);
    text_addf(&text, "%s/spool", resolved);
    if (text_failed(&text)) {
        return err_from_errno(ENAMETOOLONG, "spool: path");
    }
    *ret_path = text_take(&text, NULL /* its length */);
    return ERR_OK;
}

/* The folders of attempts come and go. ext4 would put them, and their files, into one group of
 * blocks, and whenever it makes a new one there it passes over every inode that was freed in the
 * last minutes, one by one. With this flag it spreads them, as it does with homes. Other file
 * systems don't know the flag, and don't need it. */
static void spread(int fd) {
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_TOPDIR_FL) == 0) {
        flags |= FS_TOPDIR_FL;
        (void)ioctl(fd, FS_IOC_SETFLAGS, &flags); /* As said above. */
    }
}

struct err spool_open(const char *data_dir, struct spool **ret_spool) {
    AUTO(mem_release) char *path = NULL;
    struct err err = absolute_path(data_dir, &path);
    if (err_failed(err)) {
        return err;
    }
    if (mkdir(path, 0700) == 0) {
        err = sync_path(data_dir);
    } else if (errno != EEXIST) {
        err = err_from_errno(errno, "spool: make the folder");
    }
    if (err_failed(err)) {
        return err;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno, "spool: open");
    }
    spread(fd);
    struct spool *spool = mem_new(sizeof *spool);
    *spool = (struct spool){.path = path, .fd = fd};
    path = NULL; /* Handed over. */
    *ret_spool = spool;
    return ERR_OK;
}

void spool_close(struct spool *spool) {
    if (spool == NULL) {
        return;
    }
    fd_release(&spool->fd);
    mem_free(spool->path);
    mem_free(spool);
}

const char *spool_path(const struct spool *spool) {
    return spool->path;
}

int spool_fd(const struct spool *spool) {
    return spool->fd;
}

/* --- Inside ----------------------------------------------------------------------------------- */

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

bool spool__name_valid(const char *name) {
    size_t len = strnlen(name, PROTOCOL_NAME_MAX);
    if (len == 0 || len == PROTOCOL_NAME_MAX || name[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(name[i])) {
            return false;
        }
    }
    return true;
}

struct err spool__folder(const struct spool *spool, const char *name, int *ret_fd) {
    if (!spool__name_valid(name)) {
        return err_make(ERR_INTERNAL, "spool: the name of an attempt");
    }
    AUTO(fd_release) int fd = -1;
    struct err err = folder_open(spool->fd, name, &fd);
    if (err_failed(err) && err.os == ENOENT) {
        *ret_fd = -1;
        return ERR_OK;
    }
    struct stat about;
    bool strange = err.os == ENOTDIR || err.os == ELOOP ||
                   (!err_failed(err) && fstat(fd, &about) == 0 && about.st_uid != geteuid());
    if (strange) {
        return err_make(ERR_CONFLICT, "spool: something else has a folder's name");
    }
    if (!err_failed(err)) {
        *ret_fd = fd_take(&fd);
    }
    return err;
}

/* A command may have taken our rights from a file of its folder: they are taken back, through a
 * descriptor, since a name could have become a link. -1: errno. */
static int open_file(int folder_fd, const char *name) {
    /* Not blocking: whatever a command put there in its place, a FIFO too, must not hold us up. */
    enum { FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };
    int fd = openat(folder_fd, name, FLAGS | O_NOFOLLOW);
    if (fd >= 0 || errno != EACCES) {
        return fd;
    }
    AUTO(fd_release) int handle = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", handle); /* It fits. */
    if (handle < 0 || fstat(handle, &about) < 0 || !S_ISREG(about.st_mode) ||
        chmod(path, 0600) < 0) {
        return -1;
    }
    return open(path, FLAGS);
}

/* Up to `size` bytes; short only at the end of the file. */
static struct err read_up_to(int fd, char *buffer, size_t size, size_t *ret_len) {
    size_t len = 0;
    while (len < size) {
        ssize_t got = pread(fd, buffer + len, size - len, (off_t)len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno, "spool: read a file");
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    *ret_len = len;
    return ERR_OK;
}

struct err spool__read_file(int folder_fd, const char *name, char *buffer, size_t size,
                            ptrdiff_t *ret_len) {
    AUTO(fd_release) int fd = open_file(folder_fd, name);
    if (fd < 0 && errno == ENOENT) {
        *ret_len = SPOOL__ABSENT;
        return ERR_OK;
    }
    if (fd < 0 && (errno == ELOOP || errno == ENXIO)) {
        *ret_len = SPOOL__STRANGE;
        return ERR_OK;
    }
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) {
        return err_from_errno(errno, "spool: open a file");
    }
    if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size > size) {
        *ret_len = SPOOL__STRANGE;
        return ERR_OK;
    }
    size_t len = 0;
    struct err err = read_up_to(fd, buffer, size, &len);
    if (err_failed(err)) {
        return err;
    }
    *ret_len = (ptrdiff_t)len;
    return ERR_OK;
}

struct err spool__lock_held(int folder_fd, bool *ret_held) {
    AUTO(fd_release) int fd = open_file(folder_fd, "lock");
    if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO)) {
        *ret_held = false;
        return ERR_OK;
    }
    if (fd < 0) {
        return err_from_errno(errno, "spool: open the lock");
    }
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        *ret_held = false;
        return ERR_OK;
    }
    if (errno != EWOULDBLOCK) {
        return err_from_errno(errno, "spool: try the lock");
    }
    *ret_held = true;
    return ERR_OK;
}

/* --- Cleaning --------------------------------------------------------------------------------- */

static struct err remove_entry(int folder_fd, const char *name) {
    if (unlinkat(folder_fd, name, 0 /* a file */) == 0 || errno == ENOENT) {
        return ERR_OK;
    }
    if (errno != EISDIR) {
        return err_from_errno(errno, "spool: remove a file");
    }
    return folder_remove(folder_fd, name);
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The claim goes last: as long as anything is left, the folder says who decided. */
static struct err empty_folder(int folder_fd) {
    AUTO(dir_release) DIR *dir = dir_of(folder_fd);
    if (dir == NULL) {
        return err_from_errno(errno, "spool: read a folder");
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            return errno == 0 ? ERR_OK : err_from_errno(errno, "spool: read a folder");
        }
        if (is_dots(entry->d_name) || strcmp(entry->d_name, "claim") == 0) {
            continue;
        }
        struct err err = remove_entry(folder_fd, entry->d_name);
        if (err_failed(err)) {
            return err;
        }
    }
}

/* A holder that was slow to begin may still come and look for a decision. Where it found neither a
 * claim nor a folder, it would run a command that was voided, and of a run that is gone. */
static bool is_fresh_refusal(int folder_fd) {
    char claim[sizeof "closed"] = "";
    struct stat about;
    AUTO(fd_release) int fd = open_file(folder_fd, "claim");
    if (fd < 0 || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) {
        return false;
    }
    ssize_t got = read(fd, claim, sizeof claim - 1);
    bool refusal = got >= 4 && (memcmp(claim, "void", 4) == 0 || strcmp(claim, "closed") == 0);
    return refusal && about.st_mtime > world_wall_ms(world_real()) / 1000 - SPOOL_VOID_KEPT_S;
}

struct err spool_remove(const struct spool *spool, const char *name) {
    AUTO(fd_release) int folder = -1;
    struct err err = spool__folder(spool, name, &folder);
    if (err.code == ERR_CONFLICT) {
        return remove_entry(spool->fd, name);
    }
    if (err_failed(err) || folder < 0) {
        return err;
    }
    bool held = false;
    err = spool__lock_held(folder, &held);
    if (err_failed(err)) {
        return err;
    }
    if (held) {
        return err_make(ERR_BUSY, "spool: its holder lives");
    }
    err = empty_folder(folder);
    if (!err_failed(err) && is_fresh_refusal(folder)) {
        return ERR_OK;
    }
    if (!err_failed(err)) {
        err = remove_entry(folder, "claim");
    }
    if (!err_failed(err) && unlinkat(spool->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
        err = err_from_errno(errno, "spool: remove the folder");
    }
    return err;
}

/* The folder may have changed into something else since; whoever is called finds out. */
static bool is_attempt(const struct dirent *entry) {
    bool folder = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
    return folder && spool__name_valid(entry->d_name);
}

struct err spool_each(const struct spool *spool, struct err (*each)(void *ctx, const char *name),
                      void *ctx) {
    AUTO(dir_release) DIR *dir = dir_of(spool->fd);
    if (dir == NULL) {
        return err_from_errno(errno, "spool: read the spool");
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            return errno == 0 ? ERR_OK : err_from_errno(errno, "spool: read the spool");
        }
        if (!is_attempt(entry)) {
            continue;
        }
        struct err err = each(ctx, entry->d_name);
        if (err_failed(err)) {
            return err;
        }
    }
}
