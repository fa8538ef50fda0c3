/* chars.c: strings and their escapes.
 *
 * Most strings hold no escape: those are slices of the input. The others are spelt out in the
 * scratch. A surrogate escape without its other half, which programs send that cut a string in the
 * middle of an emoji, becomes U+FFFD: refusing the whole message for it would lose more.
 */
#include "base/json/reader.h"

#include <string.h>

enum { UNIT_LEN = 6 /* \uXXXX */, REPLACEMENT = 0xFFFD };

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The code unit of a \uXXXX that starts at `at`, or -1 when none does. */
static int unit_at(struct bytes input, size_t at) {
    if (input.len - at < UNIT_LEN || input.data[at] != '\\' || input.data[at + 1] != 'u') {
        return -1;
    }
    int unit = 0;
    for (size_t i = 2; i < UNIT_LEN; i++) {
        int digit = hex_digit(input.data[at + i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high(int unit) {
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(int unit) {
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

static void keep_byte(struct json_reader *reader, int byte) {
    reader->scratch[reader->scratch_len++] = (char)byte;
}

static void keep_code_point(struct json_reader *reader, int code) {
    if (code < 0x80) {
        keep_byte(reader, code);
        return;
    }
    if (code < 0x800) {
        keep_byte(reader, 0xC0 | code >> 6);
        keep_byte(reader, 0x80 | (code & 0x3F));
        return;
    }
    if (code < 0x10000) {
        keep_byte(reader, 0xE0 | code >> 12);
    } else {
        keep_byte(reader, 0xF0 | code >> 18);
        keep_byte(reader, 0x80 | (code >> 12 & 0x3F));
    }
    keep_byte(reader, 0x80 | (code >> 6 & 0x3F));
    keep_byte(reader, 0x80 | (code & 0x3F));
}

static bool read_unit(struct json_reader *reader) {
    int unit = unit_at(reader->input, reader->at);
    if (unit < 0) {
        return json__refuse(reader, reader->at, "\\u needs four hexadecimal digits");
    }
    reader->at += UNIT_LEN;
    if (!is_high(unit)) {
        keep_code_point(reader, is_low(unit) ? REPLACEMENT : unit);
        return true;
    }
    int low = unit_at(reader->input, reader->at);
    if (!is_low(low)) {
        keep_code_point(reader, REPLACEMENT); /* What follows is read by itself. */
        return true;
    }
    reader->at += UNIT_LEN;
    keep_code_point(reader, 0x10000 + (unit - 0xD800) * 0x400 + (low - 0xDC00));
    return true;
}

static bool read_escape(struct json_reader *reader) {
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (reader->input.len - reader->at < 2) {
        return json__refuse(reader, reader->input.len, "the text ends inside a string");
    }
    char letter = reader->input.data[reader->at + 1];
    if (letter == 'u') {
        return read_unit(reader);
    }
    const char *known = letter == '\0' ? NULL : strchr(letters, letter);
    if (known == NULL) {
        return json__refuse(reader, reader->at, "this is no escape that JSON knows");
    }
    keep_byte(reader, meanings[known - letters]);
    reader->at += 2;
    return true;
}

/* How many bytes from here on mean themselves. */
static size_t plain_len(const struct json_reader *reader) {
    const char *start = reader->input.data + reader->at;
    const char *end = reader->input.data + reader->input.len;
    const char *at = start;
    while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20) {
        at++;
    }
    return (size_t)(at - start);
}

/* The byte at which a plain stretch ended: true if the string goes on or ends there. */
static bool check_stop(struct json_reader *reader) {
    if (reader->at == reader->input.len) {
        return json__refuse(reader, reader->at, "the text ends inside a string");
    }
    if ((unsigned char)reader->input.data[reader->at] < 0x20) {
        return json__refuse(reader, reader->at, "a control character in a string must be escaped");
    }
    return true;
}

/* Behind the first plain stretch, which began at `start`, stands an escape. */
static bool read_rest(struct json_reader *reader, size_t start, struct bytes *ret_chars) {
    if (!json__scratch(reader)) {
        return false;
    }
    size_t kept = reader->scratch_len;
    reader->at = start;
    for (;;) {
        size_t plain = plain_len(reader);
        memcpy(reader->scratch + reader->scratch_len, reader->input.data + reader->at, plain);
        reader->scratch_len += plain;
        reader->at += plain;
        if (!check_stop(reader)) {
            return false;
        }
        if (reader->input.data[reader->at] == '"') {
            break;
        }
        if (!read_escape(reader)) {
            return false;
        }
    }
    reader->at++;
    *ret_chars = (struct bytes){reader->scratch + kept, reader->scratch_len - kept};
    return true;
}

bool json__read_chars(struct json_reader *reader, struct bytes *ret_chars) {
    assert(reader->input.data[reader->at] == '"');
    size_t start = ++reader->at;
    size_t plain = plain_len(reader);
    reader->at += plain;
    if (!check_stop(reader)) {
        return false;
    }
    if (reader->input.data[reader->at] == '\\') {
        return read_rest(reader, start, ret_chars);
    }
    reader->at++;
    *ret_chars = (struct bytes){reader->input.data + start, plain};
    return true;
}
