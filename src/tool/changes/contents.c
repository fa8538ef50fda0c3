/* contents.c: see contents.h. All new contents go through one `git fast-import`, which makes a pack
 * of many of them and single objects of few. */
#include "tool/changes/contents.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sha1.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"

enum { TRIES_MAX = 3, RACES_MAX = 64, TARGET_MAX = 64 << 10 };

/* A descriptor for looking only. beneath_open follows links within the folder, this does not: a
 * file that stands behind a link is no file of the world at that path. */
static int entry_open(int folder, const char *path) {
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int fd = -1;
    for (int i = 0; i < RACES_MAX; i++) {
        fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }
    }
    return fd;
}

static enum content_state state_of_errno(void) {
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV
               ? CONTENT_ABSENT
               : CONTENT_UNREADABLE;
}

static enum content_state state_of_mode(mode_t mode) {
    if (S_ISDIR(mode)) {
        return CONTENT_FOLDER;
    }
    return S_ISREG(mode) || S_ISLNK(mode) ? CONTENT_TAKEN : CONTENT_SPECIAL;
}

enum content_state file_content_look(int folder, const char *path, struct stat *ret_about) {
    AUTO(fd_release) int fd = entry_open(folder, path);
    return fd < 0 || fstat(fd, ret_about) < 0 ? state_of_errno()
                                              : state_of_mode(ret_about->st_mode);
}

void file_content_done(struct file_content *content) {
    text_done(&content->bytes);
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool bytes_read(int fd, struct text *bytes) {
    char piece[64 << 10];
    ssize_t got = 1;
    while (got > 0 && !text_failed(bytes)) {
        do {
            got = read(fd, piece, sizeof piece);
        } while (got < 0 && errno == EINTR);
        text_add(bytes, piece, got > 0 ? (size_t)got : 0);
    }
    return got == 0;
}

/* Reads once. CONTENT_CHANGING: the file was written meanwhile. */
static enum content_state file_content_try(int folder, const char *path, int64_t size_max,
                                           struct file_content *content) {
    struct stat after;
    AUTO(fd_release) int look_fd = entry_open(folder, path);
    if (look_fd < 0 || fstat(look_fd, &content->about) < 0) {
        return state_of_errno();
    }
    const enum content_state state = state_of_mode(content->about.st_mode);
    if (state != CONTENT_TAKEN) {
        return state;
    }
    if (S_ISLNK(content->about.st_mode)) {
        char target[TARGET_MAX];
        const ssize_t len = readlinkat(look_fd, "", target, sizeof target);
        text_add(&content->bytes, target, len > 0 ? (size_t)len : 0);
        return len > 0 ? CONTENT_TAKEN : CONTENT_UNREADABLE;
    }
    if (content->about.st_size > size_max) {
        return CONTENT_LARGE;
    }
    AUTO(fd_release) int fd = beneath_reopen(look_fd);
    if (fd < 0 || !bytes_read(fd, &content->bytes) || fstat(fd, &after) < 0) {
        return CONTENT_UNREADABLE;
    }
    return !text_failed(&content->bytes) && is_same_file(&content->about, &after) &&
                   content->bytes.len == (size_t)after.st_size
               ? CONTENT_TAKEN
               : CONTENT_CHANGING;
}

enum content_state file_content_read(int folder, const char *path, int64_t size_max,
                                     struct file_content *ret_content) {
    enum content_state state = CONTENT_CHANGING;
    for (int i = 0; i < TRIES_MAX && state == CONTENT_CHANGING; i++) {
        AUTO(file_content_done)
        struct file_content content = {.bytes = text_up_to((size_t)size_max + TARGET_MAX)};
        state = file_content_try(folder, path, size_max, &content);
        if (state == CONTENT_TAKEN) {
            *ret_content = content;
            content.bytes = (struct text){.data = NULL}; /* Handed over. */
        }
    }
    return state;
}

/* --- Into the repository ---------------------------------------------------------------------- */

/* The hash that git gives a content. */
static struct git_hash file_content_hash(struct bytes content) {
    char head[32];
    struct git_hash hash;
    SHA1_CTX sum;
    const int len = snprintf(head, sizeof head, "blob %zu", content.len);
    SHA1Init(&sum);
    SHA1Update(&sum, (const unsigned char *)head, (size_t)len + 1 /* with its NUL */);
    SHA1Update(&sum, (const unsigned char *)content.data, content.len);
    SHA1Final(hash.bytes, &sum);
    return hash;
}

struct storing {
    int folder; /* Borrowed. */
    int64_t size_max;
    struct content_item *items; /* Borrowed. */
    size_t count, at;
    struct text piece; /* Owned; what git reads next. */
};

static void storing_done(struct storing *storing) {
    text_done(&storing->piece);
}

/* Reads files until one has a content that is not stored. */
static bool storing_next(void *ctx, struct bytes *ret_piece) {
    struct storing *storing = ctx;
    text_clear(&storing->piece);
    while (storing->at < storing->count && storing->piece.len == 0) {
        struct content_item *item = &storing->items[storing->at++];
        AUTO(file_content_done) struct file_content content = {.bytes = {.data = NULL}};
        item->state =
            file_content_read(storing->folder, item->path.data, storing->size_max, &content);
        if (item->state != CONTENT_TAKEN) {
            continue;
        }
        const struct bytes bytes = text_bytes(&content.bytes);
        const struct git_hash hash = file_content_hash(bytes);
        item->entry = git_entry_make(item->path, &content.about, &hash);
        item->written = content.about.st_mtim;
        item->changed = content.about.st_ctim;
        if (item->old != NULL) {
            const struct git_hash old = git_entry_hash(item->old);
            if (memcmp(old.bytes, hash.bytes, GIT_HASH) == 0) {
                continue;
            }
        }
        text_addf(&storing->piece, "blob\ndata %zu\n", bytes.len);
        text_add(&storing->piece, bytes.data, bytes.len);
        text_add_char(&storing->piece, '\n');
    }
    *ret_piece = text_bytes(&storing->piece);
    return storing->piece.len > 0;
}

/* Hands the piece over that was read ahead, then the others. */
struct ahead {
    struct storing *storing;
    struct bytes piece;
};

static bool ahead_next(void *ctx, struct bytes *ret_piece) {
    struct ahead *ahead = ctx;
    if (ahead->piece.len > 0) {
        *ret_piece = ahead->piece;
        ahead->piece = BYTES("");
        return true;
    }
    return storing_next(ahead->storing, ret_piece);
}

struct err contents_store(const struct shadow *shadow, int folder, int64_t size_max,
                          struct content_item *items, size_t count, struct why *why) {
    AUTO(storing_done)
    struct storing storing = {.folder = folder,
                              .size_max = size_max,
                              .items = items,
                              .count = count,
                              .piece = text_up_to((size_t)size_max + 2 * TARGET_MAX)};
    struct ahead ahead = {.storing = &storing};
    if (!storing_next(&storing, &ahead.piece)) {
        return ERR_OK; /* Nothing is new: git need not be started. */
    }
    struct git_words words;
    static const char *const import[] = {"fast-import", "--quiet", "--depth=0"};
    shadow_words(&words);
    git_words_add_all(&words, import, COUNT_OF(import));
    const struct shadow_call call = {.words = &words, .feed = {ahead_next, &ahead}};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    return shadow_must(shadow, &call, &result, why);
}
