/* content.c: reading, bounded in size and time. */
#include "tool/file/content.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "tool/place.h"

enum { PIECE = 256 << 10 };

void content_done(struct content *content) {
    mem_free(content->data);
    *content = (struct content){0};
}

bool content_is_binary(struct bytes bytes) {
    size_t look = bytes.len < CONTENT_BINARY_LOOK ? bytes.len : CONTENT_BINARY_LOOK;
    return look > 0 && memchr(bytes.data, '\0', look) != NULL;
}

bool content_unchanged(const struct stat *before, const struct stat *now) {
    return before->st_ino == now->st_ino && before->st_dev == now->st_dev &&
           before->st_size == now->st_size && before->st_mtim.tv_sec == now->st_mtim.tv_sec &&
           before->st_mtim.tv_nsec == now->st_mtim.tv_nsec;
}

/* One piece; *ret_len 0 is the end. */
static struct err piece(const struct tool_place *place, int fd, char *into, size_t size,
                        size_t *ret_len, struct why *why) {
    if (place_is_over(place)) {
        return err_why(why, ERR_TOO_EXPENSIVE, "reading took too long");
    }
    ssize_t got = read(fd, into, size);
    while (got < 0 && errno == EINTR) {
        got = read(fd, into, size);
    }
    if (got < 0) {
        why_set(why, "the file could not be read (error %d of the system)", errno);
        return err_from_errno(errno, "tool: read");
    }
    *ret_len = (size_t)got;
    return ERR_OK;
}

static struct err too_large(size_t size_max, struct why *why) {
    return err_why(why, ERR_CONFLICT,
                   "the file is larger than %zu bytes, which is too much for this", size_max);
}

static struct err read_all(const struct tool_place *place, int fd, size_t size_max,
                           struct content *content, struct why *why) {
    size_t size = (size_t)content->about.st_size + 1;
    content->data = mem_try(size);
    while (content->data != NULL) {
        if (content->len + 1 >= size) { /* It grows while it is read, or says nothing of itself. */
            size_t wanted = size + PIECE < size_max + 2 ? size + PIECE : size_max + 2;
            if (wanted <= size) {
                return too_large(size_max, why);
            }
            char *grown = mem_try_grow(content->data, wanted);
            if (grown == NULL) {
                break;
            }
            content->data = grown;
            size = wanted;
        }
        size_t got = 0;
        struct err err =
            piece(place, fd, content->data + content->len, size - 1 - content->len, &got, why);
        if (err_failed(err)) {
            return err;
        }
        if (got == 0) {
            content->data[content->len] = '\0';
            return content->len > size_max ? too_large(size_max, why) : ERR_OK;
        }
        content->len += got;
    }
    return err_make(ERR_OUT_OF_MEMORY, "tool: read");
}

struct err content_read(const struct tool_place *place, int fd, size_t size_max,
                        struct content *ret_content, struct why *why) {
    AUTO(content_done) struct content content = {0};
    if (fstat(fd, &content.about) < 0) {
        return err_from_errno(errno, "tool: look at");
    }
    if ((uint64_t)content.about.st_size > size_max) {
        return too_large(size_max, why);
    }
    struct err err = read_all(place, fd, size_max, &content, why);
    if (err_failed(err)) {
        return err;
    }
    struct stat now;
    if (fstat(fd, &now) < 0 || !content_unchanged(&content.about, &now)) {
        return err_why(why, ERR_CONFLICT, "the file was changed while it was read; try again");
    }
    struct sha256 hash = sha256_of(content.data, content.len);
    content.hash = sha256_hex(&hash);
    *ret_content = content;
    content.data = NULL; /* Handed over. */
    return ERR_OK;
}

struct err content_hash(const struct tool_place *place, int fd, struct sha256_hex *ret_hash,
                        struct why *why) {
    AUTO(mem_release) char *buffer = mem_new(PIECE);
    struct sha256_stream stream;
    sha256_start(&stream);
    for (;;) {
        size_t got = 0;
        struct err err = piece(place, fd, buffer, PIECE, &got, why);
        if (err_failed(err)) {
            return err;
        }
        if (got == 0) {
            break;
        }
        sha256_add(&stream, buffer, got);
    }
    struct sha256 hash = sha256_finish(&stream);
    *ret_hash = sha256_hex(&hash);
    return ERR_OK;
}
