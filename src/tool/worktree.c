/* worktree.c: paths and a few files of git's own.
 *
 * A second working tree has a file .git, "gitdir: FOLDER\n". In that folder are its HEAD and, until
 * `git worktree add` has written all files, a file `locked`; what that leaves when it is ended, it
 * removes, and what is left when it is killed has the file still. */
#include "tool/worktree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/utf8.h"
#include "tool/place_path.h"

enum { LINE_MAX_BYTES = LIMIT_PATH_MAX + 64 };

struct line {
    char text[LINE_MAX_BYTES];
};

static const char gitdir[] = "gitdir: ";

/* The one line of a small file. */
static bool read_line(int folder, const char *name, struct line *ret_line) {
    AUTO(fd_release)
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) {
        return false;
    }
    ssize_t got = read(fd, ret_line->text, sizeof ret_line->text - 1);
    if (got <= 0) {
        return false;
    }
    while (got > 0 && strchr("\r\n", ret_line->text[got - 1]) != NULL) {
        got--; /* Not those within: it may be a path. */
    }
    ret_line->text[got] = '\0';
    return true;
}

/* --- Where it stands -------------------------------------------------------------------------- */

static struct err refuse(enum err_code code, struct why *why, const char *words) {
    return err_why(why, code, "%s", words);
}

static bool has_git(const char *folder) {
    char path[LIMIT_PATH_MAX + 8];
    struct stat about;
    (void)snprintf(path, sizeof path, "%s/.git", folder); /* It fits. */
    return lstat(path, &about) == 0 && (S_ISDIR(about.st_mode) || S_ISREG(about.st_mode));
}

/* Of a second working tree, the folder of the first: ".git/worktrees/NAME" is cut off. */
static bool cut_to_first(char *folder) {
    static const char inner[] = "/.git/worktrees/";
    char *name = strrchr(folder, '/');
    size_t len = sizeof inner - 1;
    if (name == NULL || (size_t)(name + 1 - folder) <= len ||
        memcmp(name + 1 - len, inner, len) != 0) {
        return false;
    }
    name[1 - (ptrdiff_t)len] = '\0';
    return has_git(folder);
}

/* The folder that git keeps of a second working tree in the repository; -1: it is none. */
static int open_inner(int folder) {
    struct line line;
    if (!read_line(folder, ".git", &line) || strncmp(line.text, gitdir, sizeof gitdir - 1) != 0) {
        return -1;
    }
    return openat(folder, line.text + sizeof gitdir - 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void find_first(struct worktree *worktree) {
    AUTO(fd_release) int fd = open(worktree->from, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_release) int inner = fd < 0 ? -1 : open_inner(fd);
    char first[LIMIT_PATH_MAX];
    bool second = inner >= 0 && place__path_of(inner, first, sizeof first) && cut_to_first(first);
    (void)snprintf(worktree->top, sizeof worktree->top, "%s", second ? first : worktree->from);
}

/* Into a folder that is there afterwards, and no link. */
static int step_into(int folder, const char *name) {
    if (mkdirat(folder, name, 0777) < 0 && errno != EEXIST) {
        return -1;
    }
    return openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A crash may have left it empty. */
static bool write_ignore(int folder) {
    AUTO(fd_release)
    int fd = openat(folder, ".gitignore", O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                    0666);
    struct stat about;
    return fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
           (about.st_size > 0 || pwrite(fd, "*\n", 2, 0) == 2);
}

/* Those that were kept are nobody's but the user's; his disk has an end. */
static bool is_crowded(int trees, const char *run) {
    size_t count = 0;
    int fd = openat(trees, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* closedir ends it. */
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        fd_release(&fd);
        return false;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(dir);                                                /* Read only. */
    bool there = faccessat(trees, run, F_OK, AT_SYMLINK_NOFOLLOW) == 0; /* By an earlier life. */
    return !there && count >= WORKTREES_MAX;
}

static struct err make_above(const char *top, const char *run, struct why *why) {
    AUTO(fd_release) int fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO(fd_release) int ours = fd < 0 ? -1 : step_into(fd, ".drover");
    AUTO(fd_release) int trees = ours < 0 ? -1 : step_into(ours, "worktrees");
    if (trees >= 0 && write_ignore(trees)) {
        if (!is_crowded(trees, run)) {
            return ERR_OK;
        }
        return err_why(
            why, ERR_FORBIDDEN,
            "%.200s/.drover/worktrees holds %d working trees: remove what nobody needs by 'git "
            "worktree remove'",
            top, WORKTREES_MAX);
    }
    int os = errno;
    const char *text =
        os == ELOOP || os == ENOTDIR ? "it is a link, or no folder" : strerrordesc_np(os);
    return err_why(why, ERR_FORBIDDEN, "%.200s/.drover/worktrees cannot be made: %s", top,
                   text == NULL ? "unknown error" : text);
}

static bool join(char *into, const char *folder, const char *rest) {
    int len = snprintf(into, LIMIT_PATH_MAX, "%s%s%s", folder, rest[0] == '\0' ? "" : "/", rest);
    return len > 0 && len < LIMIT_PATH_MAX;
}

/* Fills the paths, which stand in JSON, and in what people see. */
static bool paths_fill(struct worktree *worktree, const char *real, const char *run) {
    char rest[LIMIT_PATH_MAX];
    struct stat about;
    const char *below = place__below(real, worktree->from);
    (void)snprintf(rest, sizeof rest, ".drover/worktrees/%s", run); /* Short. */
    /* Of a submodule, and where somebody wished so, .git is a file that names it. */
    if (!join(worktree->git, worktree->top, ".git") || lstat(worktree->git, &about) < 0 ||
        !S_ISDIR(about.st_mode)) {
        worktree->git[0] = '\0';
    }
    return below != NULL && join(worktree->path, worktree->top, rest) &&
           join(worktree->root, worktree->path, below) &&
           utf8_valid(worktree->root, strlen(worktree->root)) &&
           utf8_valid(worktree->from, strlen(worktree->from));
}

struct err worktree_find(const char *root, const char *run, const char *closed, bool held,
                         struct worktree *ret_worktree, struct why *why) {
    AUTO(fd_release) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char real[LIMIT_PATH_MAX];
    if (fd < 0 || !place__path_of(fd, real, sizeof real)) {
        return refuse(ERR_NOT_FOUND, why, "the root of the workflow cannot be opened");
    }
    memcpy(ret_worktree->from, real, sizeof real);
    while (ret_worktree->from[0] != '\0' && !has_git(ret_worktree->from)) {
        *strrchr(ret_worktree->from, '/') = '\0'; /* It is absolute. */
    }
    if (ret_worktree->from[0] == '\0') {
        return err_why(why, ERR_NOT_FOUND,
                       "%.200s is in no git repository, and only there are working trees", real);
    }
    find_first(ret_worktree);
    if (!paths_fill(ret_worktree, real, run)) {
        return refuse(ERR_BAD_FIELD, why, "the path of its working tree would be too long");
    }
    if (closed[0] != '\0' && place__below(ret_worktree->path, closed) != NULL) {
        return refuse(ERR_FORBIDDEN, why, "its working tree would stand in drover's own folder");
    }
    if (held && closed[0] != '\0' && place__below(closed, ret_worktree->top) != NULL) {
        return err_why(
            why, ERR_FORBIDDEN,
            "drover's own folder stands in the repository %.200s, and around that there is no "
            "sandbox for git",
            ret_worktree->top);
    }
    return make_above(ret_worktree->top, run, why);
}

/* --- How far it is ---------------------------------------------------------------------------- */

struct worktree_look worktree_look(const char *path) {
    struct worktree_look look = {.state = WORKTREE_NONE};
    struct stat about;
    struct line head;
    bool absent = lstat(path, &about) < 0 && errno == ENOENT;
    AUTO(fd_release)
    int fd = absent ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        look.state = absent ? WORKTREE_NONE : WORKTREE_STRANGE;
        return look;
    }
    AUTO(fd_release) int inner = open_inner(fd);
    bool whole = inner >= 0 && faccessat(inner, "locked", F_OK, 0) < 0 && errno == ENOENT &&
                 read_line(inner, "HEAD", &head);
    look.state = whole ? WORKTREE_WHOLE : WORKTREE_HALF;
    size_t len = whole ? strspn(head.text, "0123456789abcdef") : 0;
    if ((len == 40 || len == 64) && head.text[len] == '\0') {
        memcpy(look.head, head.text, len + 1);
    }
    return look;
}
