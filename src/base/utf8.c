/* utf8.c: one character at a time, ASCII eight bytes at a time. */
#include "base/utf8.h"

#include <endian.h>
#include <string.h>

/* Length of the valid sequence at `at`, or 0. C0 and C1 would be overlong, F5 and above lie beyond
 * U+10FFFF; the second byte has a narrower range after four of the lead bytes. */
static size_t sequence_valid(const unsigned char *at, size_t left) {
    const unsigned char lead = at[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || len > left) {
        return 0;
    }
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80; /* Below: overlong. */
    /* Above: surrogates, and beyond U+10FFFF. */
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (len > 1 && (at[1] < low || at[1] > high)) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

/* --- Eight bytes at a time -------------------------------------------------------------------- */

enum stop { STOP_AT_WIDE, STOP_AT_ESCAPES };

/* Number of leading bytes of the eight at `at` at which nothing stops. A byte's highest bit is set
 * where it is set in the byte itself, or where a subtraction borrowed: from a byte below ' ', and
 * from one that equals a quote or a backslash, which the XOR has made 0. A borrow may set bits of
 * later bytes too, so only the first one counts. */
static inline size_t eight_plain_len(const unsigned char *at, enum stop stop) {
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, at, sizeof word);
    word = le64toh(word);
    uint64_t flags = word;
    if (stop == STOP_AT_ESCAPES) {
        flags |= word - each * ' ';
        flags |= (word ^ each * '"') - each;
        flags |= (word ^ each * '\\') - each;
    }
    flags &= each << 7;
    return flags == 0 ? sizeof word : (size_t)__builtin_ctzll(flags) / 8;
}

static inline size_t plain_len(const unsigned char *text, size_t len, enum stop stop) {
    size_t i = 0;
    while (len - i >= 8) {
        size_t plain = eight_plain_len(text + i, stop);
        i += plain;
        if (plain < 8) {
            return i;
        }
    }
    for (; i < len && text[i] < 0x80; i++) {
        if (stop == STOP_AT_ESCAPES && (text[i] < ' ' || text[i] == '"' || text[i] == '\\')) {
            break;
        }
    }
    return i;
}

static inline bool continues(unsigned char byte) {
    return (byte & 0xC0) == 0x80;
}

/* Length of the wide characters that `text` begins with. Most alphabets have one after the other,
 * of the same length: each branch adds a constant, so that the next one begins without waiting for
 * this one's checks. */
static inline size_t wide_len(const unsigned char *text, size_t len) {
    size_t i = 0;
    while (i < len && text[i] >= 0x80) {
        unsigned char lead = text[i];
        if (lead >= 0xC2 && lead < 0xE0 && len - i >= 2 && continues(text[i + 1])) {
            i += 2;
        } else if (lead > 0xE0 && lead < 0xED && len - i >= 3 && continues(text[i + 1]) &&
                   continues(text[i + 2])) {
            i += 3;
        } else {
            size_t step = sequence_valid(text + i, len - i);
            if (step == 0) {
                return i;
            }
            i += step;
        }
    }
    return i;
}

static inline size_t valid_len(const unsigned char *text, size_t len, enum stop stop) {
    size_t i = 0, wide = 1;
    while (wide > 0 && i < len) { /* Empty text may be NULL. */
        i += plain_len(text + i, len - i, stop);
        wide = wide_len(text + i, len - i);
        i += wide;
    }
    return i;
}

size_t utf8_valid_len(const char *bytes, size_t len) {
    assert(bytes != NULL || len == 0);
    return valid_len((const unsigned char *)bytes, len, STOP_AT_WIDE);
}

size_t utf8_unescaped_len(const char *bytes, size_t len) {
    assert(bytes != NULL || len == 0);
    return valid_len((const unsigned char *)bytes, len, STOP_AT_ESCAPES);
}

/* ---------------------------------------------------------------------------------------------- */

size_t utf8_count(struct bytes text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += !continues((unsigned char)text.data[i]);
    }
    return count;
}

size_t utf8_cut(struct bytes text, size_t len_max) {
    if (text.len <= len_max) {
        return text.len;
    }
    size_t cut = len_max;
    /* The byte at `cut` is the first that is left out: it must start a character. */
    for (int back = 0; back < 3 && cut > 0; back++) {
        if (((unsigned char)text.data[cut] & 0xC0) != 0x80) {
            return cut;
        }
        cut--;
    }
    return cut;
}

/* The last two bytes of U+202A to U+202E, or of U+2066 to U+2069. */
static bool is_direction(unsigned char second, unsigned char third) {
    return (second == 0x80 && third >= 0xAA && third <= 0xAE) ||
           (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

size_t utf8_control_len(struct bytes text) {
    const unsigned char *at = (const unsigned char *)text.data;
    if (text.len > 0 && (at[0] < 0x20 || at[0] == 0x7F)) {
        return 1;
    }
    if (text.len > 1 && at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0) {
        return 2;
    }
    return text.len > 2 && at[0] == 0xE2 && is_direction(at[1], at[2]) ? 3 : 0;
}

bool utf8_has_control(struct bytes text) {
    size_t at = 0;
    while (at < text.len && utf8_control_len((struct bytes){text.data + at, text.len - at}) == 0) {
        at++;
    }
    return at < text.len;
}

void utf8_make_plain(char *text, size_t len) {
    for (size_t at = 0; at < len;) {
        size_t control = utf8_control_len((struct bytes){text + at, len - at});
        size_t sequence = sequence_valid((unsigned char *)text + at, len - at);
        size_t step = sequence > 0 ? sequence : 1;
        if (control > 0 || sequence == 0) {
            memset(text + at, '?', step);
        }
        at += step;
    }
}
