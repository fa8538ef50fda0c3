/* utf8.c: one character at a time, ASCII eight bytes at a time. */
#include "base/utf8.h"

#include <string.h>

/* Bytes in a sequence that starts with `lead`, or 0 when nothing may start with it. C0 and C1 would
 * be overlong, F5 and above lie beyond U+10FFFF. */
static size_t sequence_len(unsigned char lead) {
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* What the lead byte alone cannot tell: the second byte has a narrower range after four of them. */
static bool second_byte_fits(unsigned char lead, unsigned char second) {
    switch (lead) {
    case 0xE0: /* Below A0: overlong. */
        return second >= 0xA0 && second <= 0xBF;
    case 0xED: /* Above 9F: surrogates. */
        return second >= 0x80 && second <= 0x9F;
    case 0xF0: /* Below 90: overlong. */
        return second >= 0x90 && second <= 0xBF;
    case 0xF4: /* Above 8F: beyond U+10FFFF. */
        return second >= 0x80 && second <= 0x8F;
    default:
        return second >= 0x80 && second <= 0xBF;
    }
}

/* Length of the valid sequence at `at`, or 0. */
static size_t sequence_valid(const unsigned char *at, size_t left) {
    size_t len = sequence_len(at[0]);
    if (len == 0 || len > left) {
        return 0;
    }
    if (len > 1 && !second_byte_fits(at[0], at[1])) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

static bool eight_are_ascii(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return (word & UINT64_C(0x8080808080808080)) == 0;
}

size_t utf8_valid_len(const char *bytes, size_t len) {
    assert(bytes != NULL || len == 0);
    const unsigned char *text = (const unsigned char *)bytes;
    size_t i = 0;
    while (i < len) {
        if (len - i >= 8 && eight_are_ascii(text + i)) {
            i += 8;
            continue;
        }
        size_t step = sequence_valid(text + i, len - i);
        if (step == 0) {
            return i;
        }
        i += step;
    }
    return len;
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

/* C0, DEL, and C1, which some terminals obey too. */
static bool is_control(const unsigned char *at, size_t sequence) {
    if (sequence == 1) {
        return at[0] < 0x20 || at[0] == 0x7F;
    }
    return sequence == 2 && at[0] == 0xC2 && at[1] < 0xA0;
}

void utf8_make_plain(char *text, size_t len) {
    unsigned char *at = (unsigned char *)text;
    size_t left = len;
    while (left > 0) {
        size_t sequence = sequence_valid(at, left);
        size_t step = sequence > 0 ? sequence : 1;
        if (sequence == 0 || is_control(at, sequence)) {
            memset(at, '?', step);
        }
        at += step;
        left -= step;
    }
}
