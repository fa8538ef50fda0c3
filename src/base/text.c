/* text.c: one growing buffer with a bound; the first failure sticks. */
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

void text_init(struct text *text, size_t size_max) {
    *text = (struct text){.size_max = size_max};
}

void text_done(struct text *text) {
    mem_free(text->data);
    text_init(text, text->size_max);
}

void text_clear(struct text *text) {
    text->len = 0;
    text->failed = false;
    text->no_memory = false;
    if (text->data != NULL) {
        text->data[0] = '\0';
    }
}

/* Doubles, but never beyond the bound: `size_max` counts bytes of text, the terminator is extra. */
static bool text_grow(struct text *text, size_t len_after) {
    size_t size = text->size < 64 ? 64 : text->size;
    while (size <= len_after) {
        if (!size_mul(size, 2, &size)) {
            return false;
        }
    }
    if (size - 1 > text->size_max) {
        size = text->size_max + 1;
    }
    char *grown = mem_try_grow(text->data, size);
    if (grown == NULL) {
        text->no_memory = true;
        return false;
    }
    text->data = grown;
    text->size = size;
    mem_will_write(grown + text->len, len_after - text->len);
    return true;
}

/* Room for `more` bytes after what is there, or NULL and the builder has failed. */
static inline char *text_room(struct text *text, size_t more) {
    size_t len_after = 0;
    text->failed = text->failed || !size_add(text->len, more, &len_after) ||
                   len_after > text->size_max || len_after == SIZE_MAX ||
                   (len_after >= text->size && !text_grow(text, len_after));
    return text->failed ? NULL : text->data + text->len;
}

static inline void text_advance(struct text *text, size_t more) {
    text->len += more;
    text->data[text->len] = '\0';
}

void text_add(struct text *text, const char *bytes, size_t len) {
    assert(bytes != NULL || len == 0);
    char *room = text_room(text, len);
    if (room != NULL) {
        memcpy(room, len > 0 ? bytes : "", len);
        text_advance(text, len);
    }
}

void text_add_str(struct text *text, const char *str) {
    text_add(text, str, strlen(str));
}

/* Without memcpy: a character is the most frequent thing that is added. */
void text_add_char(struct text *text, char c) {
    char *room = text_room(text, 1);
    if (room != NULL) {
        *room = c;
        text_advance(text, 1);
    }
}

/* By hand, because seq numbers and times are on the path of every event. */
void text_add_int(struct text *text, int64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    text_add(text, digits + at, sizeof digits - at);
}

/* Formats into the room that is there; only what did not fit is formatted a second time. */
void text_addf(struct text *text, const char *format, ...) {
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    size_t left = text->failed ? 0 : text->size - text->len;
    int wanted = vsnprintf(left > 0 ? text->data + text->len : NULL, left, format, args);
    va_end(args);
    char *room = wanted < 0 ? NULL : text_room(text, (size_t)wanted);
    if (room != NULL) {
        if ((size_t)wanted >= left) {
            (void)vsnprintf(room, (size_t)wanted + 1, format, again); /* Measured above. */
        }
        text_advance(text, (size_t)wanted);
    } else {
        text_cut(text, text->len); /* vsnprintf wrote past the end. */
        text->failed = true;
    }
    va_end(again);
}

/* For each byte: 0 is copied as it is, 'u' is written as \u00XX, anything else after a backslash.
 * DEL stays as it is: it is plain in JSON. */
static const char escapes[256] = {
    /* clang-format off */
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u',
    ['"'] = '"', ['\\'] = '\\',
    /* clang-format on */
};

/* Plain stretches are copied in one piece: most strings hold nothing to escape. Text that came in
 * was checked; that of a damaged row, or of a file's name, was not. */
void text_add_json_piece(struct text *text, struct bytes piece) {
    for (size_t at = 0; at < piece.len;) {
        size_t plain = utf8_unescaped_len(piece.data + at, piece.len - at);
        text_add(text, piece.data + at, plain);
        at += plain;
        if (at < piece.len) {
            unsigned char byte = (unsigned char)piece.data[at++];
            const char pair[] = {'\\', escapes[byte]};
            if (escapes[byte] == 'u') {
                text_addf(text, "\\u%04x", byte);
            } else if (escapes[byte] != 0) {
                text_add(text, pair, sizeof pair);
            } else {
                text_add_str(text, "\xEF\xBF\xBD");
            }
        }
    }
}

void text_add_json(struct text *text, const char *bytes, size_t len) {
    assert(bytes != NULL || len == 0);
    text_add_char(text, '"');
    text_add_json_piece(text, (struct bytes){bytes, len});
    text_add_char(text, '"');
}

void text_add_name(struct text *text, const char *name) {
    bool first = text->len == 0 || text->data[text->len - 1] == '{';
    text_add_str(text, first ? "\"" : ",\"");
    text_add_str(text, name);
    text_add_str(text, "\":");
}

void text_add_member(struct text *text, const char *name, struct bytes value) {
    text_add_name(text, name);
    text_add_json(text, value.data, value.len);
}

void text_add_member_or_null(struct text *text, const char *name, struct bytes value) {
    text_add_name(text, name);
    if (value.len == 0) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, value.data, value.len);
    }
}

void text_add_member_str(struct text *text, const char *name, const char *value) {
    text_add_name(text, name);
    if (value == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, value, strlen(value));
    }
}

void text_add_member_int(struct text *text, const char *name, int64_t value) {
    text_add_name(text, name);
    text_add_int(text, value);
}

void text_add_member_int_or_null(struct text *text, const char *name, int64_t value, bool there) {
    text_add_name(text, name);
    if (there) {
        text_add_int(text, value);
    } else {
        text_add_str(text, "null");
    }
}

void text_add_member_int_unless(struct text *text, const char *name, int64_t value, int64_t none) {
    text_add_member_int_or_null(text, name, value, value != none);
}

void text_add_member_bool(struct text *text, const char *name, bool value) {
    text_add_name(text, name);
    text_add_str(text, value ? "true" : "false");
}

void text_cut(struct text *text, size_t len) {
    assert(len <= text->len);
    text->len = len;
    text->failed = text->no_memory;
    if (text->data != NULL) {
        text->data[text->len] = '\0';
    }
}

bool text_failed(const struct text *text) {
    return text->failed;
}

struct err text_error(const struct text *text, const char *step) {
    bool bound = text->failed && !text->no_memory;
    return err_make(bound ? ERR_TEXT_TOO_LONG : ERR_OUT_OF_MEMORY, step);
}

char *text_take(struct text *text, size_t *ret_len) {
    assert(!text->failed);
    if (text->data == NULL) {
        text_add(text, "", 0);
    }
    char *data = text->data;
    if (ret_len != NULL) {
        *ret_len = text->len;
    }
    text->data = NULL;
    text_init(text, text->size_max);
    return data;
}
