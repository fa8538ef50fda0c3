/* sibling.c: see sibling.h. */
#include "tool/changes/sibling.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sha1.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/process/umask.h"

enum { RACES_MAX = 64, TARGET_MAX = 64 << 10, PIECE = 64 << 10, HASH_LEN = (TREE_HEX - 1) / 2 };

struct path_text {
    char text[LIMIT_PATH_MAX];
};

bool file_state_equal(const struct file_state *a, const struct file_state *b) {
    return strcmp(a->mode, b->mode) == 0 && strcmp(a->hash, b->hash) == 0;
}

static struct err failed(const struct sibling *sibling, const char *what, struct why *why) {
    const int os = errno;
    const int len = (int)sibling->path.len;
    switch (os) {
    case ENOSPC:
    case EDQUOT:
        return err_why(why, ERR_DISK_FULL, "the disk is full; nothing was changed");
    case EACCES:
    case EPERM:
        why_set(why, "\"%.*s\" cannot be %s: the operating system does not permit it", len,
                sibling->path.data, what);
        break;
    default:
        why_set(why, "\"%.*s\" cannot be %s (system error %d)", len, sibling->path.data, what, os);
        break;
    }
    return err_from_errno(os, "changes: file of a rewind");
}

/* --- Folders ---------------------------------------------------------------------------------- */

static int folder_open(int root_fd, struct bytes path) {
    struct path_text folder = {"."};
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    if (path.len >= sizeof folder.text) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (path.len > 0) {
        memcpy(folder.text, path.data, path.len);
        folder.text[path.len] = '\0';
    }
    int fd = -1;
    for (int i = 0; i < RACES_MAX; i++) {
        fd = (int)syscall(SYS_openat2, root_fd, folder.text, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }
    }
    return fd;
}

/* Errors of a path on which something is missing, or is no folder. */
static bool is_missing(int os) {
    return os == ENOENT || os == ENOTDIR || os == ELOOP || os == EXDEV;
}

static size_t folder_len_of(struct bytes path) {
    const char *slash = memrchr(path.data, '/', path.len);
    return slash == NULL ? 0 : (size_t)(slash - path.data);
}

/* Length of the folder above one of `len` bytes. */
static size_t above_len(struct bytes path, size_t len) {
    return folder_len_of((struct bytes){path.data, len});
}

/* Length of the path one folder further down than `len`. */
static size_t below_len(struct bytes path, size_t len) {
    const size_t from = len == 0 ? 0 : len + 1;
    const char *slash = memchr(path.data + from, '/', path.len - from);
    return slash == NULL ? path.len : (size_t)(slash - path.data);
}

size_t sibling_existing_len(const struct sibling_root *root, struct bytes path) {
    size_t len = folder_len_of(path);
    for (; len > 0; len = above_len(path, len)) {
        AUTO(fd_release) int fd = folder_open(root->fd, (struct bytes){path.data, len});
        if (fd >= 0 || !is_missing(errno)) {
            break;
        }
    }
    return len;
}

/* Makes what is missing of the folders of the file, and opens the last one. */
static int folders_make(const struct sibling_root *root, struct bytes path) {
    const size_t folder_len = folder_len_of(path);
    size_t len = sibling_existing_len(root, path);
    AUTO(fd_release) int fd = folder_open(root->fd, (struct bytes){path.data, len});
    while (fd >= 0 && len < folder_len) {
        struct path_text name;
        const size_t from = len == 0 ? 0 : len + 1;
        len = below_len(path, len);
        memcpy(name.text, path.data + from, len - from);
        name.text[len - from] = '\0';
        const bool made = mkdirat(fd, name.text, 0777) == 0;
        if (!made && errno != EEXIST) {
            return -1;
        }
        AUTO(fd_release)
        int next = folder_open(fd, (struct bytes){name.text, len - from});
        if (next >= 0 && made && umask_apply(root->umask, next, 0777) < 0) {
            return -1;
        }
        fd_release(&fd);
        fd = fd_take(&next);
    }
    return fd_take(&fd);
}

struct err sibling_open(const struct sibling_root *root, enum sibling_missing missing,
                        struct sibling *sibling, struct why *why) {
    const struct bytes path = sibling->path;
    const size_t folder_len = folder_len_of(path);
    sibling->name = path.data + (folder_len == 0 ? 0 : folder_len + 1);
    AUTO(fd_release)
    int place = folder_open(root->fd, (struct bytes){path.data, sibling->place_len});
    if (place < 0 && !is_missing(errno)) {
        return failed(sibling, "opened", why);
    }
    AUTO(fd_release)
    int folder = missing == SIBLING_MISSING_MAKE
                     ? folders_make(root, path)
                     : folder_open(root->fd, (struct bytes){path.data, folder_len});
    if (folder < 0 && missing == SIBLING_MISSING_MAKE && is_missing(errno)) {
        return err_make(ERR_CONFLICT, "changes: folder of a file");
    }
    if (folder < 0 && !is_missing(errno)) {
        return failed(sibling, "opened", why);
    }
    sibling->place_fd = fd_take(&place);
    sibling->folder_fd = fd_take(&folder);
    return ERR_OK;
}

void sibling_close(struct sibling *sibling) {
    fd_release(&sibling->place_fd);
    fd_release(&sibling->folder_fd);
}

struct err sibling_folders_remove(const struct sibling_root *root, struct bytes path,
                                  size_t keep_len, struct why *why) {
    const struct sibling sibling = {.path = path};
    for (size_t len = folder_len_of(path); len > keep_len; len = above_len(path, len)) {
        const size_t above = above_len(path, len), from = above == 0 ? 0 : above + 1;
        struct path_text name;
        memcpy(name.text, path.data + from, len - from);
        name.text[len - from] = '\0';
        AUTO(fd_release) int fd = folder_open(root->fd, (struct bytes){path.data, above});
        if (fd >= 0 && unlinkat(fd, name.text, AT_REMOVEDIR) < 0 && errno != ENOENT) {
            return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
                       ? err_make(ERR_CONFLICT, "changes: folder with files")
                       : failed(&sibling, "removed", why);
        }
    }
    return ERR_OK;
}

struct err sibling_folders_sync(const struct sibling_root *root, struct bytes path,
                                size_t place_len, struct why *why) {
    const struct sibling sibling = {.path = path};
    for (size_t len = folder_len_of(path);; len = above_len(path, len)) {
        AUTO(fd_release) int fd = folder_open(root->fd, (struct bytes){path.data, len});
        if (fd < 0 ? !is_missing(errno) : fsync(fd) < 0) {
            return failed(&sibling, "written", why);
        }
        if (len <= place_len) {
            return ERR_OK;
        }
    }
}

/* --- States ----------------------------------------------------------------------------------- */

/* Whether a folder has exactly this name, on a file system that folds the case of letters. */
static bool has_exact_name(int folder_fd, const char *name) {
    AUTO(entries_close)
    DIR *folder = entries_of(openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (const char *entry; (entry = entries_next(folder)) != NULL;) {
        if (strcmp(entry, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether somebody has the file open for writing: then no lease for reading is given. A file that
 * is not ours, and a file system without leases, give none either, and nothing is known. */
static bool is_being_written(int fd) {
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK); /* Closing ends the lease as well. */
        return false;
    }
    return errno == EAGAIN;
}

static void sum_begin(SHA1_CTX *sum, int64_t size) {
    char head[32];
    const int len = snprintf(head, sizeof head, "blob %lld", (long long)size);
    SHA1Init(sum);
    SHA1Update(sum, (const unsigned char *)head, (size_t)len + 1 /* with its NUL */);
}

static void sum_end(SHA1_CTX *sum, struct file_state *state) {
    unsigned char hash[HASH_LEN];
    SHA1Final(hash, sum);
    hex_write(hash, HASH_LEN, state->hash);
}

/* Reads a plain file. False: errno says why. */
static bool file_sum(int look_fd, const struct stat *about, enum sibling_look look,
                     struct file_state *state) {
    AUTO(fd_release) int fd = beneath_reopen(look_fd);
    if (fd < 0) {
        return false;
    }
    bool whole = look == SIBLING_LOOSE || !is_being_written(fd);
    unsigned char piece[PIECE];
    SHA1_CTX sum;
    int64_t size = 0;
    sum_begin(&sum, about->st_size);
    for (ssize_t got = 1; got != 0;) {
        got = read(fd, piece, sizeof piece);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        SHA1Update(&sum, piece, got > 0 ? (size_t)got : 0);
        size += got > 0 ? got : 0;
        whole = whole && size <= about->st_size;
        got = whole ? got : 0;
    }
    if (!whole || size != about->st_size) {
        *state = (struct file_state){.mode = "other"};
        return true;
    }
    memcpy(state->mode, (about->st_mode & S_IXUSR) != 0 ? "100755" : "100644", sizeof "100644");
    sum_end(&sum, state);
    return true;
}

static bool link_sum(int look_fd, struct file_state *state) {
    char target[TARGET_MAX];
    SHA1_CTX sum;
    const ssize_t len = readlinkat(look_fd, "", target, sizeof target);
    if (len < 0) {
        return false;
    }
    memcpy(state->mode, "120000", sizeof "120000");
    sum_begin(&sum, len);
    SHA1Update(&sum, (const unsigned char *)target, (size_t)len);
    sum_end(&sum, state);
    return true;
}

struct err sibling_state(const struct sibling *sibling, enum sibling_side side,
                         enum sibling_look look, struct file_state *ret_state, struct why *why) {
    const int folder = side == SIBLING_FILE ? sibling->folder_fd : sibling->place_fd;
    const char *name = side == SIBLING_FILE ? sibling->name : sibling->hidden;
    struct file_state state = {.mode = ""};
    struct stat about;
    if (folder < 0) {
        *ret_state = state;
        return ERR_OK;
    }
    AUTO(fd_release) int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        return failed(sibling, "opened", why);
    }
    const bool exists =
        fd >= 0 && (side == SIBLING_HIDDEN || !sibling->has_twin || has_exact_name(folder, name));
    if (!exists) {
        *ret_state = state;
        return ERR_OK;
    }
    if (fstat(fd, &about) < 0) {
        return failed(sibling, "read", why);
    }
    bool read = true;
    if (S_ISREG(about.st_mode)) {
        read = file_sum(fd, &about, look, &state);
    } else if (S_ISLNK(about.st_mode)) {
        read = link_sum(fd, &state);
    } else {
        state = (struct file_state){.mode = "other"};
    }
    if (!read) {
        return failed(sibling, "read", why);
    }
    *ret_state = state;
    return ERR_OK;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Name under which the sibling is written. */
static struct path_text unfinished_name(const struct sibling *sibling) {
    struct path_text name;
    (void)snprintf(name.text, sizeof name.text, "%s.new", sibling->hidden); /* Fits. */
    return name;
}

static bool content_write(int fd, struct bytes content) {
    while (content.len > 0) {
        const ssize_t put = write(fd, content.data, content.len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        const size_t used = put < 0 ? 0 : (size_t)put;
        content = (struct bytes){content.data + used, content.len - used};
    }
    return true;
}

/* Rights of a file with the right to execute, or without it, for all who may read. */
static mode_t mode_for(mode_t old, const char *mode) {
    const mode_t rights = old & 07777;
    return strcmp(mode, "100755") == 0 ? rights | ((rights & 0444) >> 2) | S_IXUSR
                                       : rights & ~(mode_t)0111;
}

static bool plain_write(const struct sibling *sibling, const char *name,
                        const struct sibling_content *content) {
    struct stat old;
    const bool has_old =
        sibling->folder_fd >= 0 &&
        fstatat(sibling->folder_fd, sibling->name, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(old.st_mode);
    const mode_t fresh = strcmp(content->mode, "100755") == 0 ? 0777 : 0666;
    AUTO(fd_release)
    int fd = openat(sibling->place_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    fresh);
    struct stat about;
    if (fd < 0 || !content_write(fd, content->bytes) || fstat(fd, &about) < 0) {
        return false;
    }
    if (has_old && (old.st_uid != about.st_uid || old.st_gid != about.st_gid) &&
        fchown(fd, old.st_uid, old.st_gid) < 0) {
        return false;
    }
    const int rc = has_old ? fchmod(fd, mode_for(old.st_mode, content->mode))
                           : umask_apply(content->umask, fd, fresh);
    return rc == 0 && (content->sync == SIBLING_SYNC_LATER || fsync(fd) == 0);
}

static bool link_write(const struct sibling *sibling, const char *name, struct bytes target) {
    char text[TARGET_MAX];
    if (target.len >= sizeof text) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(text, target.data, target.len);
    text[target.len] = '\0';
    return symlinkat(text, sibling->place_fd, name) == 0;
}

struct err sibling_write(const struct sibling *sibling, const struct sibling_content *content,
                         struct why *why) {
    const struct path_text name = unfinished_name(sibling);
    if (sibling->place_fd < 0) {
        return err_make(ERR_CONFLICT, "changes: folder of a sibling");
    }
    if (unlinkat(sibling->place_fd, name.text, 0 /* a file */) < 0 && errno != ENOENT) {
        return failed(sibling, "written", why);
    }
    const bool written = strcmp(content->mode, "120000") == 0
                             ? link_write(sibling, name.text, content->bytes)
                             : plain_write(sibling, name.text, content);
    return written ? ERR_OK : failed(sibling, "written", why);
}

struct err sibling_publish(const struct sibling *sibling, struct why *why) {
    const struct path_text name = unfinished_name(sibling);
    const int place = sibling->place_fd;
    if (place < 0) {
        return err_make(ERR_CONFLICT, "changes: folder of a sibling");
    }
    return renameat2(place, name.text, place, sibling->hidden, RENAME_NOREPLACE) == 0
               ? ERR_OK
               : failed(sibling, "written", why);
}

struct err sibling_remove(const struct sibling *sibling, struct why *why) {
    const struct path_text unfinished = unfinished_name(sibling);
    const char *const names[] = {sibling->hidden, unfinished.text};
    for (size_t i = 0; i < COUNT_OF(names) && sibling->place_fd >= 0; i++) {
        if (unlinkat(sibling->place_fd, names[i], 0 /* a file */) < 0 && errno != ENOENT) {
            return failed(sibling, "cleaned up", why);
        }
    }
    return ERR_OK;
}

struct err sibling_keep(const struct sibling *sibling, struct why *why) {
    struct path_text name;
    int rc = -1;
    errno = EEXIST;
    for (int i = 0; i < RACES_MAX && rc < 0 && errno == EEXIST; i++) {
        (void)snprintf(name.text, sizeof name.text, "%s.kept%d", sibling->hidden, i); /* Fits. */
        rc = renameat2(sibling->place_fd, sibling->hidden, sibling->place_fd, name.text,
                       RENAME_NOREPLACE);
    }
    return rc == 0 ? ERR_OK : failed(sibling, "kept", why);
}

struct err sibling_move(const struct sibling *sibling, enum sibling_move move, struct why *why) {
    const int folder = sibling->folder_fd, place = sibling->place_fd;
    int rc = -1;
    errno = ENOENT;
    if (folder >= 0 && place >= 0 && move == SIBLING_HIDE) {
        rc = renameat2(folder, sibling->name, place, sibling->hidden, RENAME_NOREPLACE);
    } else if (folder >= 0 && place >= 0) {
        rc = renameat2(place, sibling->hidden, folder, sibling->name,
                       move == SIBLING_EXCHANGE ? RENAME_EXCHANGE : RENAME_NOREPLACE);
    }
    if (rc == 0) {
        return ERR_OK;
    }
    switch (errno) {
    case ENOENT:
    case EEXIST:
    case ENOTEMPTY:
    case ENOTDIR:
    case EISDIR:
        return err_make(ERR_CONFLICT, "changes: exchange");
    case EINVAL:
    case ENOSYS:
    case EXDEV:
        return err_why(why, ERR_NOT_IMPLEMENTED,
                       "\"%.*s\" cannot be exchanged on this file system; nothing was changed",
                       (int)sibling->path.len, sibling->path.data);
    default:
        return failed(sibling, "exchanged", why);
    }
}
