/* base.h: the few words that every file of this project speaks.
 *
 * The only header that everybody may include. It declares no type with a life, and of functions
 * only the few that make and compare bytes; whatever grows more belongs in a header of its own.
 */
#ifndef DROVER_BASE_BASE_H
#define DROVER_BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The result must be looked at, or cast to (void) with the reason beside the cast. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* `AUTO(release) type name = ...;` calls release(&name) when the scope ends, on every path. That is
 * a use: clang would otherwise warn of a variable that is only held. */
#define AUTO(release) __attribute__((cleanup(release), unused))

#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The object that embeds `member`, from a pointer to that member. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* A borrowed run of bytes; not terminated. Whoever hands one over says until when it lives. */
struct bytes {
    const char *data;
    size_t len;
};

#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})
/* The same inside the initialiser of a static table, where a compound literal is not allowed. */
/* clang-format off */
#define BYTES_INIT(literal) {(literal), sizeof(literal) - 1}
/* clang-format on */

/* The bytes of a terminated text; NULL is the empty one. */
static inline struct bytes bytes_of(const char *text) {
    return text == NULL ? BYTES("") : (struct bytes){text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* FNV-1a, for tables. Bytes that somebody chooses may collide. */
static inline uint32_t bytes_hash(struct bytes bytes) {
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ (uint8_t)bytes.data[i]) * 16777619U;
    }
    return hash;
}

static inline bool bytes_is(struct bytes bytes, const char *text) {
    return bytes_equal(bytes, bytes_of(text));
}

/* As strcmp: the order of the bytes, a beginning before what it begins. */
static inline int bytes_compare(struct bytes a, struct bytes b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool bytes_begin(struct bytes bytes, struct bytes with) {
    return bytes.len >= with.len && (with.len == 0 || memcmp(bytes.data, with.data, with.len) == 0);
}

/* Equal but for the case of ASCII letters. */
static inline bool bytes_equal_nocase(struct bytes a, struct bytes b) {
    size_t i = 0;
    for (; a.len == b.len && i < a.len; i++) {
        char x = a.data[i], y = b.data[i], lower = (char)(x | 0x20);
        if (x != y && ((x ^ y) != 0x20 || lower < 'a' || lower > 'z')) {
            return false;
        }
    }
    return a.len == b.len;
}

/* Without the bytes of `blanks` at both ends. */
static inline struct bytes bytes_trim(struct bytes bytes, const char *blanks) {
    size_t count = strlen(blanks);
    while (bytes.len > 0 && memchr(blanks, bytes.data[0], count) != NULL) {
        bytes = (struct bytes){bytes.data + 1, bytes.len - 1};
    }
    while (bytes.len > 0 && memchr(blanks, bytes.data[bytes.len - 1], count) != NULL) {
        bytes.len--;
    }
    return bytes;
}

/* Cuts the part before the next `mark` off *rest, and the mark. False: nothing is left. */
static inline bool bytes_next(struct bytes *rest, char mark, struct bytes *ret_part) {
    if (rest->len == 0) {
        return false;
    }
    const char *end = memchr(rest->data, mark, rest->len);
    *ret_part = (struct bytes){rest->data, end == NULL ? rest->len : (size_t)(end - rest->data)};
    size_t used = ret_part->len + (end != NULL);
    *rest = (struct bytes){rest->data + used, rest->len - used};
    return true;
}

/* The place of a word in a list that NULL ends. An enum without negative values is an unsigned int
 * to gcc and clang, so a pointer to one may stand for `ret_at`. False: *ret_at is untouched. */
static inline bool bytes_find(struct bytes word, const char *const *names, unsigned *ret_at) {
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (bytes_is(word, names[i])) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

#endif
