/* place.c: paths as text, before anything is looked at; then openat2, and the sentences about its
 * refusals. */
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
#include "base/process/umask.h"
#include "base/utf8.h"

enum {
    LINKS_MAX = 16,
    FOLDERS_MADE_MAX = 32,
};

bool place_is_over(const struct tool_place *place) {
    return (place->cancelled != NULL && atomic_load(place->cancelled)) ||
           world_mono_ns(place->world) >= place->deadline_ns;
}

/* --- Paths as text ---------------------------------------------------------------------------- */

/* "a//b/./c/../d" to "a/b/d"; what climbs above the start keeps its "..": the kernel refuses it. */
static bool normalise(const char *path, char *into, size_t size) {
    size_t len = 0, start = path[0] == '/' ? 1 : 0; /* After the slash of an absolute one. */
    if (start > 0) {
        into[len++] = '/';
    }
    for (struct bytes rest = bytes_of(path), part; bytes_next(&rest, '/', &part);) {
        if (part.len == 0 || bytes_is(part, ".")) {
            continue;
        }
        const char *slash = memrchr(into + start, '/', len - start);
        struct bytes last = {slash == NULL ? into + start : slash + 1, 0};
        last.len = (size_t)(into + len - last.data);
        if (bytes_is(part, "..") && (start > 0 || (last.len > 0 && !bytes_is(last, "..")))) {
            len = slash == NULL ? start : (size_t)(slash - into);
            continue;
        }
        if (len + part.len + 2 > size) {
            into[len] = '\0';
            return false;
        }
        if (len > start) {
            into[len++] = '/';
        }
        memcpy(into + len, part.data, part.len);
        len += part.len;
    }
    into[len] = '\0';
    return true;
}

const char *place_below(const char *path, const char *folder) {
    size_t len = strlen(folder);
    while (len > 1 && folder[len - 1] == '/') {
        len--;
    }
    if (strncmp(path, folder, len) != 0) {
        return NULL;
    }
    const char *rest = path + len;
    return len == 1 || *rest == '\0' ? rest : *rest == '/' ? rest + 1 : NULL;
}

/* The root that an absolute path is in: the longest of them. */
static bool find_root(const struct tool_place *place, const char *path, size_t *ret_root,
                      const char **ret_rest) {
    size_t longest = 0;
    bool found = false;
    for (size_t i = 0; i < place->root_count; i++) {
        const char *rest = place_below(path, place->roots[i].path);
        size_t len = strlen(place->roots[i].path);
        if (rest != NULL && (!found || len > longest)) {
            *ret_root = i;
            *ret_rest = rest;
            longest = len;
            found = true;
        }
    }
    return found;
}

/* How a path relative to a root is shown: relative in the project, absolute elsewhere. */
static void path_show(const struct tool_place *place, size_t root, const char *rest, char *into,
                      size_t size) {
    if (root == 0) {
        (void)snprintf(into, size, "%s", rest[0] == '\0' ? "." : rest);
    } else {
        const char *folder = place->roots[root].path;
        bool slash = rest[0] != '\0' && folder[strlen(folder) - 1] != '/';
        (void)snprintf(into, size, "%s%s%s", folder, slash ? "/" : "", rest);
    }
}

struct err place_resolve(const struct tool_place *place, const char *path, enum root_access access,
                         struct place_path *ret_path, struct why *why) {
    assert(place->root_count > 0);
    char normal[LIMIT_PATH_MAX];
    if (strlen(path) >= LIMIT_PATH_MAX || !normalise(path, normal, sizeof normal)) {
        return err_why(why, ERR_BAD_FIELD, "the path is longer than %d bytes", LIMIT_PATH_MAX - 1);
    }
    size_t root = 0;
    const char *relative = path;
    /* As it was written, if that names the root; the kernel looks at the rest. */
    if (path[0] == '/' && !find_root(place, path, &root, &relative) &&
        !find_root(place, normal, &root, &relative)) {
        return err_why(why, ERR_FORBIDDEN,
                       "\"%.200s\" is outside of the project; paths are relative to the project's "
                       "root, and request_access asks for more",
                       normal);
    }
    if (access == ROOT_WRITE && place->roots[root].access != ROOT_WRITE) {
        return err_why(why, ERR_FORBIDDEN,
                       "\"%.120s\" may be read but not written; request_access asks for more",
                       normal);
    }
    relative += strspn(relative, "/");
    ret_path->root = root;
    (void)snprintf(ret_path->relative, sizeof ret_path->relative, "%s",
                   relative[0] == '\0' ? "." : relative);
    bool fits = normalise(ret_path->relative, normal, sizeof normal);
    assert(fits); /* The text got no longer. */
    path_show(place, root, normal, ret_path->shown, sizeof ret_path->shown);
    return ERR_OK;
}

/* --- The kernel ------------------------------------------------------------------------------- */

/* Sentences for errors of the system; the path stands between the two parts. */
static const struct {
    int os;
    enum err_code code;
    const char *before, *after;
} sentences[] = {
    {ENOENT, ERR_NOT_FOUND, "there is no ", ""},
    {EXDEV, ERR_FORBIDDEN, "", " leads out of the folder that you may use"},
    {ELOOP, ERR_FORBIDDEN, "", " goes through a link that is not followed"},
    {EACCES, ERR_FORBIDDEN, "the system does not permit this on ", ""},
    {EPERM, ERR_FORBIDDEN, "the system does not permit this on ", ""},
    {EROFS, ERR_FORBIDDEN, "the system does not permit this on ", ""},
    {ENOTDIR, ERR_CONFLICT, "a part of ", " is a file, not a folder"},
    {EAGAIN, ERR_CONFLICT, "", " is being moved; try again"},
};

static struct err open_refused(int os, const char *shown, struct why *why) {
    for (size_t i = 0; i < COUNT_OF(sentences); i++) {
        if (sentences[i].os == os) {
            return err_why(why, sentences[i].code, "%s\"%.200s\"%s", sentences[i].before, shown,
                           sentences[i].after);
        }
    }
    if (os == ENAMETOOLONG) {
        return err_why(why, ERR_BAD_FIELD, "a name in \"%.100s\" is too long", shown);
    }
    if (os == ENOSPC || os == EDQUOT) {
        return err_why(why, ERR_DISK_FULL, "the disk is full; nothing was changed");
    }
    why_set(why, "\"%.160s\" could not be used (system error %d)", shown, os);
    return err_from_errno(os, "tool: open");
}

static struct err root_open(const struct tool_place *place, size_t root, int *ret_fd,
                            struct why *why) {
    const char *path = place->roots[root].path;
    /* An extra root was granted where it really was. What of its path is a link now is not what
     * somebody said yes to. */
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    *ret_fd = root == 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)
                        : (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    return *ret_fd < 0 ? open_refused(errno, path, why) : ERR_OK;
}

bool place_path_of(int fd, char *into, size_t size) {
    char link[40];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, into, size - 1);
    if (len <= 0 || (size_t)len >= size - 1) {
        return false;
    }
    into[len] = '\0';
    return true;
}

static bool is_closed(const struct tool_place *place, const char *real) {
    return place->closed[0] != '\0' && place_below(real, place->closed) != NULL;
}

static struct err real_find(const struct tool_place *place, const struct place_path *path,
                            int root_fd, int fd, struct place_real *ret_real, struct why *why) {
    char root[LIMIT_PATH_MAX], real[LIMIT_PATH_MAX];
    if (!place_path_of(root_fd, root, sizeof root) || !place_path_of(fd, real, sizeof real)) {
        return err_why(why, ERR_IO, "\"%.200s\": its path cannot be determined", path->shown);
    }
    if (is_closed(place, real)) {
        return err_why(why, ERR_FORBIDDEN, "\"%.200s\" belongs to drover itself", path->shown);
    }
    const char *rest = place_below(real, root);
    if (rest == NULL) { /* The file was moved out while it was open. */
        return open_refused(EXDEV, path->shown, why);
    }
    path_show(place, path->root, rest, ret_real->text, sizeof ret_real->text);
    return ERR_OK;
}

/* Where `rest` really is, below an open folder. */
static struct err real_below(const struct tool_place *place, const struct place_path *path,
                             int root_fd, int fd, const char *rest, struct place_real *ret_real,
                             struct why *why) {
    struct place_real folder;
    TRY(real_find(place, path, root_fd, fd, &folder, why));
    /* Folders that are not there are named as they will be made: without "//" and "/./". */
    char normal[LIMIT_PATH_MAX];
    if (!normalise(rest, normal, sizeof normal)) {
        return open_refused(ENAMETOOLONG, path->shown, why);
    }
    bool top = strcmp(folder.text, ".") == 0;
    int len = snprintf(ret_real->text, sizeof ret_real->text, "%s%s%s", top ? "" : folder.text,
                       top ? "" : "/", normal);
    return len > 0 && (size_t)len < sizeof ret_real->text
               ? ERR_OK
               : open_refused(ENAMETOOLONG, path->shown, why);
}

/* --- Files and folders ------------------------------------------------------------------------ */

static const char *kind_of(mode_t mode) {
    return S_ISDIR(mode)                    ? "a folder"
           : S_ISFIFO(mode)                 ? "a pipe"
           : S_ISSOCK(mode)                 ? "a socket"
           : S_ISLNK(mode)                  ? "a link"
           : S_ISBLK(mode) || S_ISCHR(mode) ? "a device"
                                            : "something else";
}

struct err place_open(const struct tool_place *place, const char *path, enum place_kind kind,
                      struct place_opened *ret_opened, struct why *why) {
    const struct place_path *resolved = &ret_opened->path;
    const char *shown = resolved->shown;
    AUTO(fd_release) int root_fd = -1;
    struct err err = place_resolve(place, path, ROOT_READ, &ret_opened->path, why);
    if (!err_failed(err)) {
        err = root_open(place, resolved->root, &root_fd, why);
    }
    if (err_failed(err)) {
        return err;
    }
    uint64_t flags = kind == PLACE_FILE ? O_PATH : O_RDONLY | O_DIRECTORY;
    AUTO(fd_release) int fd = beneath_open(root_fd, resolved->relative, flags);
    if (fd < 0 && errno == ENOTDIR && kind == PLACE_FOLDER) {
        return err_why(why, ERR_CONFLICT, "\"%.200s\" is not a folder", shown);
    }
    if (fd < 0 || fstat(fd, &ret_opened->about) < 0) {
        return open_refused(errno, shown, why);
    }
    if (kind == PLACE_FILE && !S_ISREG(ret_opened->about.st_mode)) {
        return err_why(why, ERR_CONFLICT, "\"%.200s\" is %s, not a file", shown,
                       kind_of(ret_opened->about.st_mode));
    }
    TRY(real_find(place, resolved, root_fd, fd, &ret_opened->real, why));
    int opened = kind == PLACE_FILE ? beneath_reopen(fd) : fd_take(&fd);
    if (opened < 0) {
        return open_refused(errno, shown, why);
    }
    ret_opened->fd = opened;
    return ERR_OK;
}

void place_close(struct place_opened *opened) {
    fd_release(&opened->fd);
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

struct err place_open_anywhere(const struct tool_place *place, const char *path, int *ret_fd,
                               struct stat *ret_about) {
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
    const char *root = place->root_count > 0 ? place->roots[0].path : "";
    char real[LIMIT_PATH_MAX];
    AUTO(fd_release)
    int root_fd = path[0] == '/' ? -1 : open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_release) int path_fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
    if (path_fd < 0 || fstat(path_fd, ret_about) < 0) {
        return err_from_errno(errno, "tool: open");
    }
    if (!S_ISREG(ret_about->st_mode)) {
        return err_make(ERR_CONFLICT, "tool: not a file");
    }
    if (!place_path_of(path_fd, real, sizeof real) || is_closed(place, real)) {
        return err_make(ERR_FORBIDDEN, "tool: closed");
    }
    int fd = beneath_reopen(path_fd);
    if (fd < 0) {
        return err_from_errno(errno, "tool: open");
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* --- The folder above ------------------------------------------------------------------------- */

struct split {
    char folder[LIMIT_PATH_MAX], name[256];
};

/* "a/b" to "a" and "b"; false when there is no name to speak of. */
static bool split(const char *path, struct split *ret_split) {
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    int folder = slash == NULL ? snprintf(ret_split->folder, sizeof ret_split->folder, ".")
                               : snprintf(ret_split->folder, sizeof ret_split->folder, "%.*s",
                                          (int)(name - path), path);
    int len = snprintf(ret_split->name, sizeof ret_split->name, "%s", name);
    return folder >= 0 && (size_t)folder < sizeof ret_split->folder && len > 0 &&
           (size_t)len < sizeof ret_split->name && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/* Makes the folders of `path` that are missing, one after the other. False: errno says why. */
static bool make_folders(int root_fd, const char *path, unsigned umask) {
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
                return false;
            }
            AUTO(fd_release)
            int above = beneath_open(root_fd, parts.folder, O_PATH | O_DIRECTORY);
            const bool made_it =
                above >= 0 && ++made <= FOLDERS_MADE_MAX && mkdirat(above, parts.name, 0777) == 0;
            if (!made_it && errno != EEXIST) {
                return false;
            }
            fd = beneath_open(root_fd, so_far, O_RDONLY | O_DIRECTORY);
            if (made_it && fd >= 0 && umask_apply(umask, fd, 0777) < 0) {
                return false;
            }
        }
        if (fd < 0 || end == '\0') {
            return fd >= 0;
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

struct err place_open_parent(const struct tool_place *place, const struct place_path *path,
                             enum place_last last, enum place_missing missing,
                             struct place_parent *ret_parent, struct why *why) {
    AUTO(fd_release) int root_fd = -1;
    struct err err = root_open(place, path->root, &root_fd, why);
    if (err_failed(err)) {
        return err;
    }
    char at[LIMIT_PATH_MAX];
    (void)snprintf(at, sizeof at, "%s", path->relative);
    for (int links = 0; links < LINKS_MAX; links++) {
        struct split parts;
        if (!split(at, &parts)) {
            return err_why(why, ERR_CONFLICT, "\"%.200s\" is a folder, not a file", path->shown);
        }
        AUTO(fd_release) int fd = beneath_open(root_fd, parts.folder, O_RDONLY | O_DIRECTORY);
        if (fd < 0 && errno == ENOENT && missing == MISSING_MAKE &&
            make_folders(root_fd, parts.folder, place->umask)) {
            fd = beneath_open(root_fd, parts.folder, O_RDONLY | O_DIRECTORY);
        }
        if (fd < 0) {
            return open_refused(errno, path->shown, why);
        }
        if (last == LAST_FOLLOW && follow_link(fd, &parts, at, sizeof at)) {
            continue;
        }
        TRY(real_below(place, path, root_fd, fd, parts.name, &ret_parent->real, why));
        /* The closed folder itself may stand in an open one. */
        char real[LIMIT_PATH_MAX], whole[2 * LIMIT_PATH_MAX];
        if (place_path_of(fd, real, sizeof real)) {
            (void)snprintf(whole, sizeof whole, "%s/%s", real, parts.name);
            if (is_closed(place, whole)) {
                return err_why(why, ERR_FORBIDDEN, "\"%.200s\" belongs to drover itself",
                               path->shown);
            }
        }
        memcpy(ret_parent->name, parts.name, sizeof parts.name);
        ret_parent->fd = fd_take(&fd);
        return ERR_OK;
    }
    return open_refused(ELOOP, path->shown, why);
}

struct err place_real_missing(const struct tool_place *place, const struct place_path *path,
                              struct place_real *ret_real, struct why *why) {
    AUTO(fd_release) int root_fd = -1;
    TRY(root_open(place, path->root, &root_fd, why));
    char above[LIMIT_PATH_MAX];
    (void)snprintf(above, sizeof above, "%s", path->relative);
    for (;;) {
        char *slash = strrchr(above, '/');
        const char *rest = path->relative + (slash == NULL ? 0 : slash + 1 - above);
        if (slash != NULL) {
            *slash = '\0';
        }
        AUTO(fd_release)
        int fd = beneath_open(root_fd, slash == NULL ? "." : above, O_PATH | O_DIRECTORY);
        if (fd >= 0) {
            return real_below(place, path, root_fd, fd, rest, ret_real, why);
        }
        if (errno != ENOENT || slash == NULL) {
            return open_refused(errno, path->shown, why);
        }
    }
}

/* --- Extra roots ------------------------------------------------------------------------------ */

/* The path stands in rows, in prompts and on terminals. */
static bool is_plain(const char *path) {
    size_t len = strlen(path);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f) {
            return false;
        }
    }
    return utf8_valid(path, len);
}

struct err extra_root_find(const char *path, const char *closed, struct extra_root *ret_root,
                           struct why *why) {
    /* The kernel shows itself in these, processes and devices included: no folders of files. */
    static const char *const never[] = {"/proc", "/sys", "/dev"};
    if (path[0] != '/' || !is_plain(path)) {
        return err_why(why, ERR_BAD_FIELD, "\"%.200s\" must be an absolute path, as plain text",
                       path[0] == '/' ? "path" : path);
    }
    AUTO(fd_release) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int os = errno;
        return err_why(why,
                       os == ENOENT    ? ERR_NOT_FOUND
                       : os == ENOTDIR ? ERR_BAD_FIELD
                                       : ERR_FORBIDDEN,
                       "\"%.200s\" %s", path,
                       os == ENOENT    ? "does not exist"
                       : os == ENOTDIR ? "is not a folder"
                                       : "cannot be opened by drover");
    }
    struct extra_root root;
    if (!place_path_of(fd, root.path, sizeof root.path)) {
        return err_why(why, ERR_BAD_FIELD, "the path of \"%.200s\" is too long", path);
    }
    if (strcmp(root.path, "/") == 0) {
        return err_why(why, ERR_FORBIDDEN, "\"/\" contains all files: name a folder below it");
    }
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        if (place_below(root.path, never[i]) != NULL) {
            return err_why(why, ERR_FORBIDDEN, "\"%.200s\" is not a folder of files", root.path);
        }
    }
    if (closed[0] != '\0' && place_below(root.path, closed) != NULL) {
        return err_why(why, ERR_FORBIDDEN, "\"%.200s\" belongs to drover itself", root.path);
    }
    if (!is_plain(root.path)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"(the folder)\" has a name that cannot be shown as text");
    }
    *ret_root = root;
    return ERR_OK;
}
