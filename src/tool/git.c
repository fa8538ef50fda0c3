/* git.c: paths and a few files of git's own. .git/HEAD is
 *
 *   "ref: refs/heads/NAME\n"   on a branch
 *   40 or 64 hex digits        on none
 *
 * A second working tree has a file .git, "gitdir: FOLDER\n". In that folder are its HEAD and, until
 * `git worktree add` has written all files, a file `locked`; what that leaves when it is ended, it
 * removes, and what is left when it is killed has the file still. */
#include "tool/git.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process/ceiling.h"
#include "base/process/umask.h"
#include "base/utf8.h"
#include "tool/context_files.h"
#include "tool/place.h"

enum { LINE_MAX_BYTES = LIMIT_PATH_MAX + 64, HEAD_MAX = 1024, BRANCH_MAX = 250 };

struct line {
    char text[LINE_MAX_BYTES];
};

static const char ref[] = "ref: refs/heads/";
static const char gitdir[] = "gitdir: ";

/* --- The branch ------------------------------------------------------------------------------- */

static bool is_branch(struct bytes name) {
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (c <= ' ' || c == 0x7f || memchr("~^:?*[\\<>", c, 10) != NULL) {
            return false;
        }
    }
    return name.len > 0 && name.len <= BRANCH_MAX;
}

static bool is_commit(const char *text) {
    size_t len = strlen(text);
    return (len == 40 || len == 64) && strspn(text, "0123456789abcdef") == len;
}

/* The one line of a file of a project, without its end. */
static bool line_read(const char *root, const char *path, struct context_text *ret_line) {
    if (context_read(root, path, HEAD_MAX, ret_line) != CONTEXT_FOUND || ret_line->cut) {
        return false;
    }
    while (ret_line->len > 0 && strchr("\r\n", ret_line->data[ret_line->len - 1]) != NULL) {
        ret_line->data[--ret_line->len] = '\0';
    }
    return true;
}

void git_state_write(const char *root, struct text *text) {
    AUTO(context_text_done) struct context_text head = {.data = NULL};
    AUTO(context_text_done) struct context_text link = {.data = NULL};
    if (!line_read(root, ".git/HEAD", &head)) {
        context_text_done(&head);
        if (!line_read(root, ".git", &link) || strncmp(link.data, gitdir, sizeof gitdir - 1) != 0) {
            return;
        }
        const char *folder = link.data + sizeof gitdir - 1;
        if (folder[0] != '/' || strlen(folder) >= LIMIT_PATH_MAX ||
            !line_read(folder, "HEAD", &head)) {
            return;
        }
    }
    const char *branch = head.data + sizeof ref - 1;
    if (strncmp(head.data, ref, sizeof ref - 1) == 0 && is_branch(bytes_of(branch))) {
        text_addf(text, "Git: on the branch %s.\n", branch);
    } else if (is_commit(head.data)) {
        text_addf(text, "Git: at the commit %.12s, on no branch.\n", head.data);
    }
}

/* --- Where a working tree stands -------------------------------------------------------------- */

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

static bool has_git(const char *folder) {
    char path[LIMIT_PATH_MAX + 8];
    struct stat about;
    (void)snprintf(path, sizeof path, "%s/.git", folder); /* Fits. */
    return lstat(path, &about) == 0 && (S_ISDIR(about.st_mode) || S_ISREG(about.st_mode));
}

/* Folder of the first working tree, from that of a second: ".git/worktrees/NAME" is cut off. */
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

/* Into a folder that is there afterwards, and no link. */
static int step_into(int folder, const char *name, unsigned umask) {
    const bool made = mkdirat(folder, name, 0777) == 0;
    if (!made && errno != EEXIST) {
        return -1;
    }
    AUTO(fd_release)
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && made && umask_apply(umask, fd, 0777) < 0 ? -1 : fd_take(&fd);
}

/* A crash may have left it empty. */
static bool write_ignore(int folder, unsigned umask) {
    AUTO(fd_release)
    int fd = openat(folder, ".gitignore", O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                    0666);
    struct stat about;
    return fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
           (about.st_size > 0 ||
            (umask_apply(umask, fd, 0666) == 0 && pwrite(fd, "*\n", 2, 0) == 2));
}

/* Kept working trees belong to the user, whose disk has an end. */
static bool is_full(int trees, const char *run) {
    size_t count = 0;
    AUTO(entries_close)
    DIR *dir = entries_of(openat(trees, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (const char *name; (name = entries_next(dir)) != NULL;) {
        count += name[0] != '.';
    }
    bool there = faccessat(trees, run, F_OK, AT_SYMLINK_NOFOLLOW) == 0; /* By an earlier life. */
    return !there && count >= WORKTREES_MAX;
}

static struct err make_above(const char *top, const struct worktree_place *place, struct why *why) {
    AUTO(fd_release) int fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO(fd_release) int ours = fd < 0 ? -1 : step_into(fd, ".drover", place->umask);
    AUTO(fd_release) int trees = ours < 0 ? -1 : step_into(ours, "worktrees", place->umask);
    if (trees >= 0 && write_ignore(trees, place->umask)) {
        if (!is_full(trees, place->run)) {
            return ERR_OK;
        }
        return err_why(why, ERR_FORBIDDEN,
                       "%.200s/.drover/worktrees has %d working trees: remove those that nobody "
                       "needs with 'git worktree remove'",
                       top, WORKTREES_MAX);
    }
    int os = errno;
    const char *text =
        os == ELOOP || os == ENOTDIR ? "it is a link, or no folder" : strerrordesc_np(os);
    return err_why(why, ERR_FORBIDDEN, "%.200s/.drover/worktrees cannot be created: %s", top,
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
    const char *below = place_below(real, worktree->from);
    (void)snprintf(rest, sizeof rest, ".drover/worktrees/%s", run); /* Short. */
    /* In a submodule, and where somebody wished so, .git is a file that names it. */
    if (!join(worktree->git, worktree->top, ".git") || lstat(worktree->git, &about) < 0 ||
        !S_ISDIR(about.st_mode)) {
        worktree->git[0] = '\0';
    }
    return below != NULL && join(worktree->path, worktree->top, rest) &&
           join(worktree->root, worktree->path, below) &&
           utf8_valid(worktree->root, strlen(worktree->root)) &&
           utf8_valid(worktree->from, strlen(worktree->from));
}

/* `io_path`, a real path, becomes the nearest folder upward that has .git. False: there is none. */
static bool top_find(char *io_path) {
    while (io_path[0] != '\0' && !has_git(io_path)) {
        *strrchr(io_path, '/') = '\0'; /* The path is absolute. */
        if (ceiling_is(getenv(CEILING_VARIABLE), bytes_of(io_path))) {
            io_path[0] = '\0';
        }
    }
    return io_path[0] != '\0';
}

static bool real_path(const char *folder, char ret_real[LIMIT_PATH_MAX]) {
    AUTO(fd_release) int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && place_path_of(fd, ret_real, LIMIT_PATH_MAX);
}

bool git_project_find(const char *root, char ret_folder[LIMIT_PATH_MAX]) {
    char top[LIMIT_PATH_MAX], folder[LIMIT_PATH_MAX], temporary[LIMIT_PATH_MAX];
    const char *named = getenv("TMPDIR");
    if (!real_path(root, folder)) {
        return false;
    }
    memcpy(top, folder, sizeof top);
    const char *found = top_find(top) ? top : folder;
    if ((real_path(named != NULL && named[0] == '/' ? named : "/tmp", temporary) &&
         place_below(found, temporary) != NULL) ||
        !utf8_valid(found, strlen(found))) {
        return false;
    }
    memcpy(ret_folder, found, LIMIT_PATH_MAX);
    return true;
}

bool git_place_find(const char *root, struct git_place *ret_place) {
    char first[LIMIT_PATH_MAX];
    if (!real_path(root, ret_place->root)) {
        return false;
    }
    memcpy(ret_place->top, ret_place->root, sizeof ret_place->top);
    ret_place->is_git = top_find(ret_place->top);
    if (!ret_place->is_git) {
        memcpy(ret_place->top, ret_place->root, sizeof ret_place->top);
    }
    memcpy(ret_place->first, ret_place->top, sizeof ret_place->first);
    AUTO(fd_release) int top = open(ret_place->top, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_release) int inner = ret_place->is_git && top >= 0 ? open_inner(top) : -1;
    if (inner >= 0 && place_path_of(inner, first, sizeof first) && cut_to_first(first)) {
        memcpy(ret_place->first, first, sizeof ret_place->first);
    }
    return utf8_valid(ret_place->top, strlen(ret_place->top));
}

struct err worktree_find(const struct worktree_place *place, struct worktree *ret_worktree,
                         struct why *why) {
    const char *closed = place->closed;
    char real[LIMIT_PATH_MAX];
    if (!real_path(place->root, real)) {
        return err_why(why, ERR_NOT_FOUND, "the folder %.200s cannot be opened", place->root);
    }
    memcpy(ret_worktree->from, real, sizeof real);
    if (!top_find(ret_worktree->from)) {
        return err_why(why, ERR_NOT_FOUND,
                       "%.200s is not in a git repository, which a working tree needs", real);
    }
    AUTO(fd_release) int from = open(ret_worktree->from, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_release) int inner = from < 0 ? -1 : open_inner(from);
    char first[LIMIT_PATH_MAX];
    bool second = inner >= 0 && place_path_of(inner, first, sizeof first) && cut_to_first(first);
    (void)snprintf(ret_worktree->top, sizeof ret_worktree->top, "%s",
                   second ? first : ret_worktree->from);
    if (!paths_fill(ret_worktree, real, place->run)) {
        return err_why(why, ERR_BAD_FIELD, "the path of its working tree would be too long");
    }
    if (closed[0] != '\0' && place_below(ret_worktree->path, closed) != NULL) {
        return err_why(why, ERR_FORBIDDEN,
                       "its working tree would be inside drover's data directory");
    }
    if (place->held && closed[0] != '\0' && place_below(closed, ret_worktree->top) != NULL) {
        return err_why(why, ERR_FORBIDDEN,
                       "drover's data directory is inside the repository %.200s, where git cannot "
                       "be confined by the sandbox",
                       ret_worktree->top);
    }
    return make_above(ret_worktree->top, place, why);
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
    if (whole && is_commit(head.text)) {
        memcpy(look.head, head.text, strlen(head.text) + 1);
    }
    return look;
}
