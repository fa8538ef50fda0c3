/* place.c: openat2, and the sentences about its refusals. */
#include "tool/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "tool/place_path.h"

enum {
    LINKS_MAX = 16,
    FOLDERS_MADE_MAX = 32,
};

bool place_is_over(const struct tool_place *place) {
    return (place->cancelled != NULL && atomic_load(place->cancelled)) ||
           world_mono_ns(place->world) >= place->deadline_ns;
}

/* --- The kernel ------------------------------------------------------------------------------- */

/* Sentences for errors of the system; %.200s is the path as it is shown. */
static const struct {
    int os;
    enum err_code code;
    const char *before, *after;
} sentences[] = {
    {ENOENT, ERR_NOT_FOUND, "there is no", ""},
    {EXDEV, ERR_FORBIDDEN, "", " leads out of the folder that you may use"},
    {ELOOP, ERR_FORBIDDEN, "", " goes through a link that is not followed"},
    {EACCES, ERR_FORBIDDEN, "the system does not permit this on", ""},
    {EPERM, ERR_FORBIDDEN, "the system does not permit this on", ""},
    {EROFS, ERR_FORBIDDEN, "the system does not permit this on", ""},
    {ENOTDIR, ERR_CONFLICT, "a part of", " is a file, not a folder"},
    {EAGAIN, ERR_CONFLICT, "", " is being moved about by somebody; try again"},
};

static struct err open_refused(int os, const char *shown, struct why *why) {
    for (size_t i = 0; i < COUNT_OF(sentences); i++) {
        if (sentences[i].os == os) {
            return err_why(why, sentences[i].code, "%s%s\"%.200s\"%s", sentences[i].before,
                           sentences[i].before[0] == '\0' ? "" : " ", shown, sentences[i].after);
        }
    }
    if (os == ENAMETOOLONG) {
        return err_why(why, ERR_BAD_FIELD, "a name in \"%.100s\" is too long", shown);
    }
    if (os == ENOSPC || os == EDQUOT) {
        return err_why(why, ERR_DISK_FULL, "the disk is full; nothing was changed");
    }
    why_set(why, "\"%.160s\" could not be used (error %d of the system)", shown, os);
    return err_from_errno(os, "tool: open");
}

static struct err open_root(const struct tool_place *place, size_t root, int *ret_fd,
                            struct why *why) {
    const char *path = place->roots[root].path;
    /* An extra root was granted where it really was. What of its path is a link now is not what
     * somebody said yes to. */
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = root == 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)
                       : (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd < 0) {
        return open_refused(errno, path, why);
    }
    *ret_fd = fd;
    return ERR_OK;
}

bool place__path_of(int fd, char *into, size_t size) {
    char link[40];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, into, size - 1);
    if (len <= 0 || (size_t)len >= size - 1) {
        return false;
    }
    into[len] = '\0';
    return true;
}

struct err place_real(const struct tool_place *place, const struct place_path *path, int fd,
                      struct place_real *ret_real, struct why *why) {
    AUTO(fd_release) int root_fd = -1;
    struct err err = open_root(place, path->root, &root_fd, why);
    if (err_failed(err)) {
        return err;
    }
    char root[LIMIT_PATH_MAX], real[LIMIT_PATH_MAX];
    if (!place__path_of(root_fd, root, sizeof root) || !place__path_of(fd, real, sizeof real)) {
        why_set(why, "\"%.200s\": the system does not say where it is", path->shown);
        return place__refused(ERR_IO);
    }
    if (place->closed[0] != '\0' && place__below(real, place->closed) != NULL) {
        why_set(why, "\"%.200s\" belongs to drover itself", path->shown);
        return place__refused(ERR_FORBIDDEN);
    }
    const char *rest = place__below(real, root);
    if (rest == NULL) { /* It was moved out while it was open. */
        return open_refused(EXDEV, path->shown, why);
    }
    place__show(place, path->root, rest, ret_real->text, sizeof ret_real->text);
    return ERR_OK;
}

/* --- Files ------------------------------------------------------------------------------------ */

static const char *kind_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a pipe";
    case S_IFSOCK:
        return "a socket";
    case S_IFLNK:
        return "a link";
    case S_IFBLK:
    case S_IFCHR:
        return "a device";
    default:
        return "something else";
    }
}

struct err place_open_file(const struct tool_place *place, const struct place_path *path,
                           struct place_file *ret_file, struct why *why) {
    AUTO(fd_release) int root_fd = -1;
    struct err err = open_root(place, path->root, &root_fd, why);
    if (err_failed(err)) {
        return err;
    }
    AUTO(fd_release) int path_fd = beneath_open(root_fd, path->relative, O_PATH);
    if (path_fd < 0 || fstat(path_fd, &ret_file->about) < 0) {
        return open_refused(errno, path->shown, why);
    }
    if (!S_ISREG(ret_file->about.st_mode)) {
        why_set(why, "\"%.200s\" is %s, not a file", path->shown, kind_of(ret_file->about.st_mode));
        return place__refused(ERR_CONFLICT);
    }
    err = place_real(place, path, path_fd, &ret_file->real, why);
    if (err_failed(err)) {
        return err;
    }
    int fd = beneath_reopen(path_fd);
    if (fd < 0) {
        return open_refused(errno, path->shown, why);
    }
    ret_file->fd = fd;
    return ERR_OK;
}

struct err place_open_beside(int folder_fd, const char *name, int *ret_fd, struct stat *ret_about) {
    AUTO(fd_release) int path_fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (path_fd < 0 || fstat(path_fd, ret_about) < 0) {
        return err_from_errno(errno, "tool: open");
    }
    if (!S_ISREG(ret_about->st_mode)) {
        return err_make(ERR_CONFLICT, "tool: not a file");
    }
    int fd = beneath_reopen(path_fd);
    if (fd < 0) {
        return err_from_errno(errno, "tool: open");
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* --- Folders ---------------------------------------------------------------------------------- */

struct err place_open_folder(const struct tool_place *place, const struct place_path *path,
                             struct place_folder *ret_folder, struct why *why) {
    AUTO(fd_release) int root_fd = -1;
    struct err err = open_root(place, path->root, &root_fd, why);
    if (err_failed(err)) {
        return err;
    }
    AUTO(fd_release) int fd = beneath_open(root_fd, path->relative, O_RDONLY | O_DIRECTORY);
    if (fd < 0 && errno == ENOTDIR) {
        why_set(why, "\"%.200s\" is not a folder", path->shown);
        return place__refused(ERR_CONFLICT);
    }
    if (fd < 0) {
        return open_refused(errno, path->shown, why);
    }
    err = place_real(place, path, fd, &ret_folder->real, why);
    if (!err_failed(err)) {
        ret_folder->fd = fd_take(&fd);
    }
    return err;
}

struct split {
    char folder[LIMIT_PATH_MAX], name[256];
};

/* "a/b" to "a" and "b"; false when there is no name to speak of. */
static bool split(const char *path, struct split *ret_split) {
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    int folder = snprintf(ret_split->folder, sizeof ret_split->folder, "%.*s", (int)(name - path),
                          slash == NULL ? "" : path);
    if (slash == NULL) {
        memcpy(ret_split->folder, ".", 2);
    }
    int len = snprintf(ret_split->name, sizeof ret_split->name, "%s", name);
    return folder >= 0 && (size_t)folder < sizeof ret_split->folder && len > 0 &&
           (size_t)len < sizeof ret_split->name && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/* Makes the folders of `path` that are missing, one after the other. */
static int make_folders(int root_fd, const char *path) {
    char so_far[LIMIT_PATH_MAX];
    (void)snprintf(so_far, sizeof so_far, "%s", path);
    int made = 0;
    for (char *slash = so_far;; slash++) {
        slash = strchrnul(slash, '/');
        char end = *slash;
        *slash = '\0';
        AUTO(fd_release) int fd = beneath_open(root_fd, so_far, O_PATH | O_DIRECTORY);
        if (fd < 0 && errno == ENOENT) {
            struct split parts;
            if (!split(so_far, &parts)) {
                return -1;
            }
            AUTO(fd_release)
            int above = beneath_open(root_fd, parts.folder, O_PATH | O_DIRECTORY);
            if (above < 0 || ++made > FOLDERS_MADE_MAX ||
                (mkdirat(above, parts.name, 0777) < 0 && errno != EEXIST)) {
                return -1;
            }
            fd = beneath_open(root_fd, so_far, O_PATH | O_DIRECTORY);
        }
        if (fd < 0) {
            return -1;
        }
        if (end == '\0') {
            return fd_take(&fd);
        }
        *slash = end;
    }
}

/* True: the name is a link, and `path` is where it leads, from the root. */
static bool follow_link(int parent_fd, const struct split *at, char *path, size_t size) {
    char target[LIMIT_PATH_MAX];
    ssize_t len = readlinkat(parent_fd, at->name, target, sizeof target - 1);
    if (len <= 0) {
        return false;
    }
    target[len] = '\0';
    /* An absolute one is refused by the kernel at the next step, as it would be for reading. */
    int wrote = target[0] == '/' ? snprintf(path, size, "%s", target)
                                 : snprintf(path, size, "%s/%s", at->folder, target);
    return wrote > 0 && (size_t)wrote < size;
}

/* Where `rest` really is, below an open folder. */
static struct err real_below(const struct tool_place *place, const struct place_path *path, int fd,
                             const char *rest, struct place_real *ret_real, struct why *why) {
    struct place_real folder;
    struct err err = place_real(place, path, fd, &folder, why);
    if (err_failed(err)) {
        return err;
    }
    bool top = strcmp(folder.text, ".") == 0;
    int len = snprintf(ret_real->text, sizeof ret_real->text, "%s%s%s", top ? "" : folder.text,
                       top ? "" : "/", rest);
    return len > 0 && (size_t)len < sizeof ret_real->text
               ? ERR_OK
               : open_refused(ENAMETOOLONG, path->shown, why);
}

static struct err parent_found(const struct tool_place *place, const struct place_path *path,
                               int fd, const char *name, struct place_parent *ret_parent,
                               struct why *why) {
    struct err err = real_below(place, path, fd, name, &ret_parent->real, why);
    if (err_failed(err)) {
        return err;
    }
    /* The closed folder itself may stand in an open one. */
    char real[LIMIT_PATH_MAX], whole[2 * LIMIT_PATH_MAX];
    if (place__path_of(fd, real, sizeof real)) {
        (void)snprintf(whole, sizeof whole, "%s/%s", real, name);
        if (place->closed[0] != '\0' && place__below(whole, place->closed) != NULL) {
            why_set(why, "\"%.200s\" belongs to drover itself", path->shown);
            return place__refused(ERR_FORBIDDEN);
        }
    }
    (void)snprintf(ret_parent->name, sizeof ret_parent->name, "%s", name);
    ret_parent->fd = fd;
    return ERR_OK;
}

struct err place_open_parent(const struct tool_place *place, const struct place_path *path,
                             enum place_last last, enum place_missing missing,
                             struct place_parent *ret_parent, struct why *why) {
    AUTO(fd_release) int root_fd = -1;
    struct err err = open_root(place, path->root, &root_fd, why);
    if (err_failed(err)) {
        return err;
    }
    char at[LIMIT_PATH_MAX];
    (void)snprintf(at, sizeof at, "%s", path->relative);
    for (int links = 0; links < LINKS_MAX; links++) {
        struct split parts;
        if (!split(at, &parts)) {
            why_set(why, "\"%.200s\" is a folder, not a file", path->shown);
            return place__refused(ERR_CONFLICT);
        }
        AUTO(fd_release) int fd = beneath_open(root_fd, parts.folder, O_RDONLY | O_DIRECTORY);
        if (fd < 0 && errno == ENOENT && missing == MISSING_MAKE) {
            AUTO(fd_release) int made = make_folders(root_fd, parts.folder);
            fd = made < 0 ? -1 : beneath_open(root_fd, parts.folder, O_RDONLY | O_DIRECTORY);
        }
        if (fd < 0) {
            return open_refused(errno, path->shown, why);
        }
        if (last == LAST_FOLLOW && follow_link(fd, &parts, at, sizeof at)) {
            continue;
        }
        err = parent_found(place, path, fd, parts.name, ret_parent, why);
        if (!err_failed(err)) {
            fd = -1; /* It is the caller's now. */
        }
        return err;
    }
    return open_refused(ELOOP, path->shown, why);
}

struct err place_real_missing(const struct tool_place *place, const struct place_path *path,
                              struct place_real *ret_real, struct why *why) {
    AUTO(fd_release) int root_fd = -1;
    struct err err = open_root(place, path->root, &root_fd, why);
    if (err_failed(err)) {
        return err;
    }
    char above[LIMIT_PATH_MAX];
    (void)snprintf(above, sizeof above, "%s", path->relative);
    const char *rest = "";
    for (;;) {
        char *slash = strrchr(above, '/');
        rest = path->relative + (slash == NULL ? 0 : slash + 1 - above);
        if (slash != NULL) {
            *slash = '\0';
        }
        AUTO(fd_release)
        int fd = beneath_open(root_fd, slash == NULL ? "." : above, O_PATH | O_DIRECTORY);
        if (fd >= 0) {
            return real_below(place, path, fd, rest, ret_real, why);
        }
        if (errno != ENOENT || slash == NULL) {
            return open_refused(errno, path->shown, why);
        }
    }
}
