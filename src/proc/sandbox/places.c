/* places.c: see places.h. */
#include "proc/sandbox/places.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/files.h"
#include "proc/holder/words.h"
#include "proc/sandbox/landlock.h"

enum { PATH_SIZE = 4096, RULES_MAX = 1 << 17 };

static struct err failed(void) {
    return err_from_errno(errno, "sandbox");
}

static struct err place_of(int fd, struct place *ret_place) {
    struct stat about;
    if (fstat(fd, &about) < 0) {
        return failed();
    }
    *ret_place = (struct place){about.st_dev, about.st_ino};
    return ERR_OK;
}

static bool same(struct place a, struct place b) {
    return a.device == b.device && a.inode == b.inode;
}

static bool is_one_of(const struct place *places, size_t count, struct place place) {
    for (size_t i = 0; i < count; i++) {
        if (same(places[i], place)) {
            return true;
        }
    }
    return false;
}

static bool is_hidden(const struct places *places, struct place place) {
    return is_one_of(places->hidden, places->hidden_count, place);
}

static bool is_above(const struct places *places, struct place place) {
    return is_one_of(places->above, places->above_count, place);
}

/* --- Upwards ---------------------------------------------------------------------------------- */

/* Replaces *fd by its parent. False in *ret_more: it is the root. Reading needs more rights than
 * standing there, so it is for who wants to read. */
static struct err go_up(int *fd, int flags, bool *ret_more) {
    struct place here, there;
    int parent = openat(*fd, "..", flags | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 && errno == EACCES) {
        parent = openat(*fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (parent < 0) {
        return failed();
    }
    struct err err = place_of(*fd, &here);
    if (!err_failed(err)) {
        err = place_of(parent, &there);
    }
    fd_release(fd);
    *fd = parent;
    *ret_more = !err_failed(err) && !same(here, there);
    return err;
}

/* The folder that `path` stands in. */
static struct err open_parent(const char *path, int flags, int *ret_fd) {
    char parent[PATH_SIZE];
    struct words words;
    const char *slash = strrchr(path, '/');
    words_init(&words, parent, sizeof parent);
    words_add_bytes(&words, (struct bytes){path, slash == path ? 1 : (size_t)(slash - path)});
    if (words.failed) {
        return err_from_errno(ENAMETOOLONG, "sandbox");
    }
    int fd = open(parent, flags | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) {
        fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) {
        return failed();
    }
    *ret_fd = fd;
    return ERR_OK;
}

static struct err add_above(struct places *places, int fd) {
    struct place place;
    struct err err = place_of(fd, &place);
    if (err_failed(err) || is_above(places, place)) {
        return err;
    }
    if (places->above_count == PLACES_ABOVE_MAX) {
        return err_from_errno(ENAMETOOLONG, "sandbox");
    }
    places->above[places->above_count++] = place;
    return ERR_OK;
}

static struct err add_hidden(struct places *places, int parent, const char *path) {
    AUTO(fd_release)
    int fd = openat(parent, strrchr(path, '/') + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) {
        return failed();
    }
    if (S_ISLNK(about.st_mode)) {
        return err_from_errno(ELOOP, "sandbox");
    }
    if (places->hidden_count == PLACES_HIDDEN_MAX) {
        return err_from_errno(E2BIG, "sandbox");
    }
    places->paths[places->hidden_count] = path;
    places->hidden[places->hidden_count++] = (struct place){about.st_dev, about.st_ino};
    return ERR_OK;
}

struct err places_hide(struct places *places, const char *path) {
    AUTO(fd_release) int fd = -1;
    struct err err = open_parent(path, O_PATH, &fd);
    if (!err_failed(err)) {
        err = add_hidden(places, fd, path);
    }
    for (bool more = true; more && !err_failed(err);) {
        err = add_above(places, fd);
        if (!err_failed(err)) {
            err = go_up(&fd, O_PATH, &more);
        }
    }
    return err;
}

struct err places_judge(const struct places *places, int folder, enum places_where *ret_where) {
    struct place place;
    struct err err = place_of(folder, &place);
    if (err_failed(err)) {
        return err;
    }
    if (is_above(places, place)) {
        *ret_where = PLACES_ABOVE;
        return ERR_OK;
    }
    AUTO(fd_release) int fd = openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed();
    }
    for (bool more = true; more;) {
        if (is_hidden(places, place)) {
            *ret_where = PLACES_INSIDE;
            return ERR_OK;
        }
        err = go_up(&fd, O_PATH, &more);
        if (!err_failed(err)) {
            err = place_of(fd, &place);
        }
        if (err_failed(err)) {
            return err;
        }
    }
    *ret_where = PLACES_CLEAR;
    return ERR_OK;
}

/* --- Around ----------------------------------------------------------------------------------- */

struct show {
    const struct places *places;
    int ruleset;
    uint64_t rights;
    unsigned rules;
};

/* What has gone meanwhile is nothing to show. Links need no right, and devices, pipes and sockets
 * that stand beside something hidden get none. */
static struct err show_entry(struct show *show, int folder, const char *name) {
    AUTO(fd_release) int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) {
        return errno == ENOENT || errno == EACCES ? ERR_OK : failed();
    }
    const struct place place = {about.st_dev, about.st_ino};
    bool is_folder = S_ISDIR(about.st_mode);
    if ((!is_folder && !S_ISREG(about.st_mode)) || is_hidden(show->places, place) ||
        is_above(show->places, place)) {
        return ERR_OK;
    }
    if (++show->rules > RULES_MAX) {
        return err_from_errno(E2BIG, "sandbox");
    }
    uint64_t rights = is_folder ? show->rights : show->rights & LANDLOCK_OF_FILES;
    return landlock_allow(show->ruleset, fd, rights) < 0 ? failed() : ERR_OK;
}

/* One that may not be read shows nothing: whoever may not read it either loses only what he knew
 * the name of. */
static struct err show_entries(struct show *show, int folder) {
    struct files_chunk chunk;
    for (;;) {
        ssize_t len = files_list(folder, &chunk);
        if (len < 0 && errno == EBADF) {
            return ERR_OK;
        }
        if (len <= 0) {
            return len < 0 ? failed() : ERR_OK;
        }
        size_t at = 0;
        for (const char *name; (name = files_next(&chunk, (size_t)len, &at)) != NULL;) {
            bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
            struct err err = dots ? ERR_OK : show_entry(show, folder, name);
            if (err_failed(err)) {
                return err;
            }
        }
    }
}

/* Those above several hidden ones are gone through once for each: a rule twice is one rule. */
static struct err show_around(struct show *show, const char *path) {
    AUTO(fd_release) int fd = -1;
    struct err err = open_parent(path, O_RDONLY, &fd);
    for (bool more = true; more && !err_failed(err);) {
        err = show_entries(show, fd);
        if (!err_failed(err)) {
            err = go_up(&fd, O_RDONLY, &more);
        }
    }
    return err;
}

struct err places_show(const struct places *places, int ruleset, uint64_t rights) {
    struct show show = {.places = places, .ruleset = ruleset, .rights = rights};
    struct err err = ERR_OK;
    for (size_t i = 0; i < places->hidden_count && !err_failed(err); i++) {
        err = show_around(&show, places->paths[i]);
    }
    return err;
}
