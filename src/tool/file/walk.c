/* walk.c: each level of a walk has one open folder, and its names sorted. */
#include "tool/file/walk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/glob.h"
#include "base/memory.h"

enum { NAMES_BYTES_MAX = 4 << 20, NAMES_FIRST = 64 };

/* The names of one folder. */
struct names {
    struct arena arena;
    const char **list; /* Owned; what it points to is the arena's. */
    size_t count, size;
};

static void names_done(struct names *names) {
    arena_done(&names->arena);
    mem_free(names->list);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* False: the folder cannot be read. */
static bool names_read(struct walk *walk, int folder_fd, struct names *names) {
    AUTO(entries_close)
    DIR *folder = entries_of(openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder == NULL) {
        return false;
    }
    for (const char *name; (name = entries_next(folder)) != NULL;) {
        if (!walk->with_git && strcmp(name, ".git") == 0) {
            continue;
        }
        const char *copy = arena_try_copy(&names->arena, name, strlen(name));
        if (copy == NULL || names->count == WALK_NAMES_MAX) {
            walk->left_out++;
            continue;
        }
        if (names->count == names->size) {
            names->size = names->size == 0 ? NAMES_FIRST : 2 * names->size;
            names->list = mem_grow(names->list, names->size * sizeof *names->list);
        }
        names->list[names->count++] = copy;
    }
    if (names->count > 0) {
        qsort(names->list, names->count, sizeof *names->list, by_bytes);
    }
    return true;
}

/* Where `path` stands to `after`: a component is compared before what is below it. */
enum walk_order { BEFORE, ABOVE /* `after` is below it. */, BEHIND };
static enum walk_order compare(const char *path, const char *after) {
    while (*path != '\0' && *path == *after) {
        path++;
        after++;
    }
    if (*path == '\0') {
        return *after == '/' ? ABOVE : BEFORE; /* Equal: it was the last one returned. */
    }
    if (*after == '\0') {
        return BEHIND;
    }
    unsigned char a = *path == '/' ? 0 : (unsigned char)*path;
    unsigned char b = *after == '/' ? 0 : (unsigned char)*after;
    return a < b ? BEFORE : BEHIND;
}

static bool is_closed(const struct walk *walk, const struct stat *theirs) {
    const char *closed = walk->work->place->closed;
    struct stat ours;
    return closed[0] != '\0' && stat(closed, &ours) == 0 && theirs->st_ino == ours.st_ino &&
           theirs->st_dev == ours.st_dev;
}

/* Working trees of agents are copies of what is searched, and none of its business. */
static bool is_worktrees(const char *path) {
    static const char name[] = ".drover/worktrees";
    size_t len = strlen(path), size = sizeof name - 1;
    return len >= size && strcmp(path + len - size, name) == 0 &&
           (len == size || path[len - size - 1] == '/');
}

/* Whether the path of an entry matches the glob. */
static bool walk_matches(const struct walk *walk, const char *path) {
    const char *folder = walk->folder;
    size_t len = strcmp(folder, ".") == 0 ? 0 : strlen(folder);
    const char *below = strlen(path) <= len ? path : path + len;
    below += len > 0 && below > path && below[0] == '/';
    return walk->glob.len == 0 || glob_match(GLOB_PATH, walk->glob, bytes_of(below));
}

static bool walk_folder(struct walk *walk, int folder_fd, struct text *path, unsigned depth);

/* False: the walk is over. */
static bool walk_name(struct walk *walk, int folder_fd, const char *name, struct text *path,
                      unsigned depth) {
    if (++walk->seen > WALK_SEEN_MAX || place_is_over(walk->work->place)) {
        walk->over = true;
        return false;
    }
    enum walk_order order = walk->after == NULL ? BEHIND : compare(path->data, walk->after);
    struct stat about;
    if (order == BEFORE || fstatat(folder_fd, name, &about, AT_SYMLINK_NOFOLLOW) < 0) {
        return true;
    }
    bool folder = S_ISDIR(about.st_mode);
    if (folder && is_worktrees(path->data)) {
        return true;
    }
    if (!work_may_see(walk->work, path->data) || (folder && is_closed(walk, &about))) {
        walk->left_out++;
        return true;
    }
    enum walk_next next = WALK_ON;
    if (order == BEHIND && walk_matches(walk, path->data)) {
        const struct walk_entry entry = {path->data, name, folder_fd, &about};
        next = walk->each(walk->ctx, &entry);
    }
    if (next == WALK_STOP) {
        return false;
    }
    if (!folder || next == WALK_PAST || depth >= walk->depth_max) {
        return true;
    }
    if (depth >= WALK_DEPTH_MAX) {
        walk->left_out++;
        return true;
    }
    AUTO(fd_release)
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        walk->left_out++;
        return true;
    }
    return walk_folder(walk, fd, path, depth + 1);
}

static bool walk_folder(struct walk *walk, int folder_fd, struct text *path, unsigned depth) {
    AUTO(names_done) struct names names = {0};
    arena_init(&names.arena, NAMES_BYTES_MAX);
    if (!names_read(walk, folder_fd, &names)) {
        walk->left_out++;
        return true;
    }
    size_t before = path->len;
    bool on = true;
    for (size_t i = 0; on && i < names.count; i++) {
        if (before + 1 + strlen(names.list[i]) >= LIMIT_PATH_MAX) {
            walk->left_out++;
            continue;
        }
        if (before > 0 && path->data[before - 1] != '/') {
            text_add_char(path, '/');
        }
        text_add_str(path, names.list[i]);
        if (text_failed(path)) {
            return false; /* There is no memory. */
        }
        on = walk_name(walk, folder_fd, names.list[i], path, depth);
        path->len = before;
        path->data[before] = '\0';
    }
    return on;
}

struct err walk_run(struct walk *walk, int folder_fd) {
    AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX);
    text_add_str(&path, strcmp(walk->folder, ".") == 0 ? "" : walk->folder);
    if (!text_failed(&path)) {
        (void)walk_folder(walk, folder_fd, &path, 1); /* Whether it was stopped, `each` knows. */
    }
    return text_failed(&path) ? text_error(&path, "tool: walk") : ERR_OK;
}
