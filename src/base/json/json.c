/* json.c: from bytes to jansson's values, by a reader of our own.
 *
 * jansson's own reader lost on four counts: an allocation that fails in its lexer ends the program
 * by an assertion (or cuts a number short, silently), a NUL byte after the value passes for the
 * end of the text, it refuses lone surrogates, and it recurses 2,048 deep. Its values have none of
 * these faults. The fuzz target holds this reader against jansson's.
 *
 * A function of the reader that fails has set `err` and written the user's sentence. After that the
 * reader is good for nothing.
 */
#include "base/json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/utf8.h"

enum {
    KEY_SHOWN_MAX = 64,
    REAL_SHORT = 64, /* Reals shorter than this are terminated on the stack. */
    UNIT_LEN = 6,    /* \uXXXX */
    NEST_MAX = 4 * JSON_DEPTH_MAX,
    VALUES_WRAPPED = 10000, /* Values that drover adds around one from outside; only a bound. */
};

void json_setup(void) {
    json_set_alloc_funcs(mem_try, mem_free);
    /* Hashes of keys get a random start, so that nobody can choose keys that collide. Here and not
     * at the first object, because that may be born in two threads at once. */
    json_object_seed(0);
}

void json_release(json_t **json) {
    json_decref(*json);
    *json = NULL;
}

/* A place in a text. */
struct cursor {
    struct bytes input; /* Borrowed. */
    size_t at;          /* Offset of the next byte. */
};

/* The next byte, or -1 at the end. */
static inline int cursor_peek(const struct cursor *cursor) {
    return cursor->at < cursor->input.len ? (unsigned char)cursor->input.data[cursor->at] : -1;
}

static inline bool cursor_take(struct cursor *cursor, char c) {
    bool there = cursor_peek(cursor) == (unsigned char)c;
    cursor->at += there;
    return there;
}

/* The next byte that is no blank, or -1 at the end. */
static int blanks_skip(struct cursor *cursor) {
    int c = cursor_peek(cursor);
    while (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        cursor->at++;
        c = cursor_peek(cursor);
    }
    return c;
}

static bool digits_skip(struct cursor *cursor) {
    size_t start = cursor->at;
    while (cursor_peek(cursor) >= '0' && cursor_peek(cursor) <= '9') {
        cursor->at++;
    }
    return cursor->at > start;
}

/* Steps over a number as RFC 8259 spells it. NULL, or what is wrong where the cursor stands. */
static const char *number_skip(struct cursor *cursor, bool *ret_real) {
    (void)cursor_take(cursor, '-'); /* Optional. */
    size_t first = cursor->at;
    if (!digits_skip(cursor)) {
        return "a digit is expected after the minus";
    }
    if (cursor->input.data[first] == '0' && cursor->at - first > 1) {
        cursor->at = first;
        return "a number must not start with a needless 0";
    }
    bool point = cursor_take(cursor, '.');
    if (point && !digits_skip(cursor)) {
        return "a digit is expected after the decimal point";
    }
    bool exponent = cursor_take(cursor, 'e') || cursor_take(cursor, 'E');
    if (exponent && !cursor_take(cursor, '+')) {
        (void)cursor_take(cursor, '-'); /* Optional. */
    }
    if (exponent && !digits_skip(cursor)) {
        return "a digit is expected in the exponent";
    }
    *ret_real = point || exponent;
    return NULL;
}

static const char escape_letters[] = "\"\\/bfnrt";

static const struct bytes words[] = {BYTES_INIT("true"), BYTES_INIT("false"), BYTES_INIT("null")};

static bool word_skip(struct cursor *cursor, size_t *ret_word) {
    struct bytes rest = {cursor->input.data + cursor->at, cursor->input.len - cursor->at};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (bytes_begin(rest, words[i])) {
            cursor->at += words[i].len;
            *ret_word = i;
            return true;
        }
    }
    return false;
}

/* The code unit of a \uXXXX that starts at `at`, or -1 when none does. */
static int unit_at(struct bytes input, size_t at) {
    uint8_t unit[2];
    if (input.len - at < UNIT_LEN || input.data[at] != '\\' || input.data[at + 1] != 'u' ||
        !hex_parse((struct bytes){input.data + at + 2, 4}, unit, sizeof unit)) {
        return -1;
    }
    return unit[0] << 8 | unit[1];
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* State of one parse. */
struct reader {
    struct cursor cursor;
    unsigned depth, depth_max;
    unsigned values, values_max; /* values: read so far. */
    struct why *why;             /* Borrowed; may be NULL. */
    bool wide;                   /* Integers beyond 64 bits are reals; keys may stand twice. */
    struct err err;
    /* Owned: text whose spelling differs from its meaning. Made at the first need, with one byte
     * more than the input: no escape is shorter than what it means, and each number has a byte
     * after it for its terminator (the last one has the extra byte). So it never grows, and bytes
     * in it stay where they are until the parse ends. */
    char *scratch;
    size_t scratch_len;
};

/* Always false. Lines and columns count from 1; columns count characters, not bytes. */
static bool reader_refuse(struct reader *reader, size_t at, const char *format, ...)
    PRINTF_LIKE(3, 4);
static bool reader_refuse(struct reader *reader, size_t at, const char *format, ...) {
    struct why what;
    size_t line = 1, column = 1;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what.text, sizeof what.text, format, args); /* Too long is cut. */
    va_end(args);
    for (size_t i = 0; i < at && i < reader->cursor.input.len; i++) {
        bool starts = ((unsigned char)reader->cursor.input.data[i] & 0xC0) != 0x80;
        bool breaks = reader->cursor.input.data[i] == '\n';
        line += breaks;
        column = breaks ? 1 : column + starts;
    }
    why_set(reader->why, "line %zu, column %zu: %s", line, column, what.text);
    reader->err = err_make(ERR_BAD_JSON, "json: parse");
    return false;
}

static bool reader_expect(struct reader *reader, const char *expected) {
    return reader_refuse(reader, reader->cursor.at,
                         reader->cursor.at == reader->cursor.input.len
                             ? "the text ends where %s is expected"
                             : "%s is expected here",
                         expected);
}

/* Always false. */
static bool reader_exhaust(struct reader *reader) {
    why_set(reader->why, "there is not enough memory for this JSON text; try again later");
    reader->err = err_make(ERR_OUT_OF_MEMORY, "json: parse");
    return false;
}

static bool scratch_make(struct reader *reader) {
    size_t size;
    if (reader->scratch == NULL && size_add(reader->cursor.input.len, 1, &size)) {
        reader->scratch = mem_try(size);
    }
    return reader->scratch != NULL || reader_exhaust(reader);
}

/* A surrogate escape without its other half, which programs send that cut a string in the middle of
 * an emoji, becomes U+FFFD: refusing the whole message for it would lose more. */
static bool unit_read(struct reader *reader) {
    int code = unit_at(reader->cursor.input, reader->cursor.at);
    if (code < 0) {
        return reader_refuse(reader, reader->cursor.at, "\\u needs four hexadecimal digits");
    }
    reader->cursor.at += UNIT_LEN;
    int low =
        code >= 0xD800 && code <= 0xDBFF ? unit_at(reader->cursor.input, reader->cursor.at) : -1;
    if (low >= 0xDC00 && low <= 0xDFFF) {
        reader->cursor.at += UNIT_LEN;
        code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
    } else if (code >= 0xD800 && code <= 0xDFFF) {
        code = 0xFFFD; /* The next escape is read by itself. */
    }
    char *end = reader->scratch + reader->scratch_len;
    if (code < 0x80) {
        *end++ = (char)code;
    } else if (code < 0x800) {
        *end++ = (char)(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        *end++ = (char)(0xE0 | code >> 12);
    } else {
        *end++ = (char)(0xF0 | code >> 18);
    }
    for (int shift = code < 0x80      ? -6
                     : code < 0x800   ? 0
                     : code < 0x10000 ? 6
                                      : 12;
         shift >= 0; shift -= 6) {
        *end++ = (char)(0x80 | (code >> shift & 0x3F));
    }
    reader->scratch_len = (size_t)(end - reader->scratch);
    return true;
}

static bool escape_read(struct reader *reader) {
    static const char meanings[] = "\"\\/\b\f\n\r\t"; /* In the order of escape_letters. */
    if (reader->cursor.input.len - reader->cursor.at < 2) {
        return reader_refuse(reader, reader->cursor.input.len, "the text ends inside a string");
    }
    char letter = reader->cursor.input.data[reader->cursor.at + 1];
    if (letter == 'u') {
        return unit_read(reader);
    }
    const char *known = letter == '\0' ? NULL : strchr(escape_letters, letter);
    if (known == NULL) {
        return reader_refuse(reader, reader->cursor.at, "this is no escape that JSON knows");
    }
    reader->scratch[reader->scratch_len++] = meanings[known - escape_letters];
    reader->cursor.at += 2;
    return true;
}

/* A string, from its opening quote to after its closing one. Most hold no escape: those are slices
 * of the input. Others are spelt out in the scratch. */
static bool chars_read(struct reader *reader, struct bytes *ret_chars) {
    const char *data = reader->cursor.input.data;
    size_t start = ++reader->cursor.at, kept = reader->scratch_len;
    bool escaped = false;
    for (;;) {
        size_t plain = utf8_unescaped_len(data + reader->cursor.at,
                                          reader->cursor.input.len - reader->cursor.at);
        if (escaped) {
            memcpy(reader->scratch + reader->scratch_len, data + reader->cursor.at, plain);
            reader->scratch_len += plain;
        }
        reader->cursor.at += plain;
        int stop = cursor_peek(&reader->cursor);
        if (stop < 0) {
            return reader_refuse(reader, reader->cursor.at, "the text ends inside a string");
        }
        if (stop == '"') {
            break;
        }
        if (stop != '\\') {
            return reader_refuse(reader, reader->cursor.at,
                                 "a control character in a string must be escaped");
        }
        if (!escaped) {
            if (!scratch_make(reader)) {
                return false;
            }
            memcpy(reader->scratch + kept, data + start, plain);
            reader->scratch_len += plain;
            escaped = true;
        }
        if (!escape_read(reader)) {
            return false;
        }
    }
    *ret_chars = escaped ? (struct bytes){reader->scratch + kept, reader->scratch_len - kept}
                         : (struct bytes){data + start, reader->cursor.at - start};
    reader->cursor.at++;
    return true;
}

/* Integers are exact in 64 bits, everything else is a double; neither is ever bent to fit. */
static bool number_read(struct reader *reader, json_t **ret_json) {
    static const struct number_bounds any = {INT64_MIN, INT64_MAX};
    size_t start = reader->cursor.at;
    int64_t integer = 0;
    bool real = false;
    const char *fault = number_skip(&reader->cursor, &real);
    if (fault != NULL) {
        return reader_refuse(reader, reader->cursor.at, "%s", fault);
    }
    struct bytes spelt = {reader->cursor.input.data + start, reader->cursor.at - start};
    if (!real && !bytes_is(spelt, "-0") && !number_parse(spelt, any, &integer)) {
        if (!reader->wide) {
            return reader_refuse(reader, start,
                                 "this integer does not fit in 64 bits; send it as a string");
        }
        real = true;
    }
    if (!real) {
        *ret_json = json_integer(integer);
        return *ret_json != NULL || reader_exhaust(reader);
    }
    char shorter[REAL_SHORT], *buffer = shorter;
    if (spelt.len >= sizeof shorter) {
        if (!scratch_make(reader)) {
            return false;
        }
        buffer = reader->scratch + reader->scratch_len;
    }
    /* strtod wants a terminator, which the input hasn't got. The grammar was checked before, and no
     * locale is ever set: it reads the whole of it. */
    memcpy(buffer, spelt.data, spelt.len);
    buffer[spelt.len] = '\0';
    double number = strtod(buffer, /* end */ NULL);
    if (!isfinite(number)) {
        return reader_refuse(reader, start,
                             "this number is too large for a 64-bit floating-point number");
    }
    *ret_json = json_real(number);
    return *ret_json != NULL || reader_exhaust(reader);
}

static bool value_read(struct reader *reader, json_t **ret_json);

/* A key and its colon. */
static bool key_read(struct reader *reader, const json_t *object, struct bytes *ret_key) {
    if (blanks_skip(&reader->cursor) != '"') {
        return reader_expect(reader, "a key in double quotes");
    }
    size_t start = reader->cursor.at;
    struct bytes key = {0};
    if (!chars_read(reader, &key)) {
        return false;
    }
    if (memchr(key.data, '\0', key.len) != NULL) {
        return reader_refuse(reader, start, "a key must not contain the character \\u0000");
    }
    if (!reader->wide && json_object_getn(object, key.data, key.len) != NULL) {
        return reader_refuse(reader, start, "the key \"%.*s\" is a duplicate",
                             (int)utf8_cut(key, KEY_SHOWN_MAX), key.data);
    }
    if (blanks_skip(&reader->cursor) != ':') {
        return reader_expect(reader, "':'");
    }
    reader->cursor.at++;
    *ret_key = key;
    return true;
}

/* An array or an object, from its opening bracket to after its closing one. */
static bool bracket_read(struct reader *reader, char close, json_t **ret_json) {
    bool object = close == '}';
    if (reader->depth == reader->depth_max) {
        return reader_refuse(reader, reader->cursor.at, "nested deeper than %u levels",
                             reader->depth_max);
    }
    AUTO(json_release) json_t *json = object ? json_object() : json_array();
    if (json == NULL) {
        return reader_exhaust(reader);
    }
    reader->depth++;
    reader->cursor.at++;
    for (int next = blanks_skip(&reader->cursor); next != close;) {
        struct bytes key = {0};
        json_t *value = NULL;
        if ((object && !key_read(reader, json, &key)) || !value_read(reader, &value)) {
            return false;
        }
        /* All bytes were checked to be UTF-8 before. */
        int failed = object ? json_object_setn_new_nocheck(json, key.data, key.len, value)
                            : json_array_append_new(json, value);
        if (failed != 0) {
            return reader_exhaust(reader);
        }
        next = blanks_skip(&reader->cursor);
        if (next != ',' && next != close) {
            return reader_expect(reader, object ? "',' or '}'" : "',' or ']'");
        }
        reader->cursor.at += next == ','; /* A value must follow. */
    }
    reader->depth--;
    reader->cursor.at++;
    *ret_json = json;
    json = NULL;
    return true;
}

static bool value_read(struct reader *reader, json_t **ret_json) {
    struct bytes chars = {0};
    int first = blanks_skip(&reader->cursor);
    if (++reader->values > reader->values_max) {
        return reader_refuse(reader, reader->cursor.at, "more than %u values", reader->values_max);
    }
    if (first == '{' || first == '[') {
        return bracket_read(reader, first == '{' ? '}' : ']', ret_json);
    }
    if (first == '"') {
        if (!chars_read(reader, &chars)) {
            return false;
        }
        *ret_json = json_stringn_nocheck(chars.data, chars.len);
        return *ret_json != NULL || reader_exhaust(reader);
    }
    if (first == '-' || (first >= '0' && first <= '9')) {
        return number_read(reader, ret_json);
    }
    size_t word;
    if (word_skip(&reader->cursor, &word)) { /* Constants of jansson, in the order of `words`. */
        *ret_json = word == 0 ? json_true() : word == 1 ? json_false() : json_null();
        return true;
    }
    return reader_expect(reader, "a JSON value");
}

static bool text_read(struct reader *reader, json_t **ret_json) {
    AUTO(json_release) json_t *json = NULL;
    struct bytes input = reader->cursor.input;
    if (input.len == 0) {
        return reader_refuse(reader, 0, "a JSON value is expected, and nothing is there");
    }
    size_t valid = utf8_valid_len(input.data, input.len);
    if (valid < input.len) {
        return reader_refuse(reader, valid, "the byte 0x%02x is not valid UTF-8",
                             (unsigned)(unsigned char)input.data[valid]);
    }
    if (bytes_begin(input, BYTES("\xEF\xBB\xBF"))) {
        return reader_refuse(reader, 0, "JSON must not start with a byte order mark");
    }
    if (!value_read(reader, &json)) {
        return false;
    }
    if (blanks_skip(&reader->cursor) != -1) {
        return reader_refuse(reader, reader->cursor.at,
                             "only one JSON value is expected, and more text follows it");
    }
    *ret_json = json;
    json = NULL;
    return true;
}

static struct err reader_run(struct reader reader, json_t **ret_json) {
    assert(reader.cursor.input.data != NULL || reader.cursor.input.len == 0);
    bool read = text_read(&reader, ret_json);
    assert(read != err_failed(reader.err));
    mem_free(reader.scratch);
    return reader.err;
}

struct err json_parse(const char *bytes, size_t len, unsigned depth_max, json_t **ret_json,
                      struct why *why) {
    return reader_run((struct reader){.cursor = {.input = {bytes, len}},
                                      .depth_max = depth_max,
                                      .values_max = JSON_VALUES_MAX,
                                      .why = why},
                      ret_json);
}

struct err json_parse_wrapped(struct bytes bytes, json_t **ret_json, struct why *why) {
    return reader_run((struct reader){.cursor = {.input = bytes},
                                      .depth_max = JSON_DEPTH_WRAPPED,
                                      .values_max = JSON_VALUES_MAX + VALUES_WRAPPED,
                                      .why = why},
                      ret_json);
}

struct err json_parse_wide(const char *bytes, size_t len, unsigned depth_max, json_t **ret_json,
                           struct why *why) {
    return reader_run((struct reader){.cursor = {.input = {bytes, len}},
                                      .depth_max = depth_max,
                                      .values_max = JSON_VALUES_MAX,
                                      .why = why,
                                      .wide = true},
                      ret_json);
}

/* --- Is this JSON? ---------------------------------------------------------------------------- */

/* Rows hold JSON that was parsed before it was stored, and answers paste it as it is. That is fast,
 * and wrong for a row that a failing disk, a person with SQL or an older bug has changed: one bad
 * byte would make the whole answer unreadable. So each paste looks first. Parsing into values would
 * cost ten times as much and needs memory; this walk needs a flag for each open bracket.
 *
 * The grammar is that of the reader but for three checks which do not matter to who reads the
 * result: duplicate keys, the size of numbers, the number of values. */

static bool string_walk(struct cursor *cursor) {
    struct bytes input = cursor->input;
    bool closed = false, fine = cursor_take(cursor, '"');
    while (fine && !closed) {
        cursor->at += utf8_unescaped_len(input.data + cursor->at, input.len - cursor->at);
        closed = cursor_take(cursor, '"');
        if (!closed && unit_at(input, cursor->at) >= 0) {
            cursor->at += UNIT_LEN;
        } else if (
            !closed) { /* Else a raw control character, a byte that is no UTF-8, or the end. */
            fine = cursor_take(cursor, '\\') && cursor_peek(cursor) > 0 &&
                   strchr(escape_letters, cursor_peek(cursor)) != NULL;
            cursor->at += fine;
        }
    }
    return fine;
}

static bool key_walk(struct cursor *cursor) {
    if (!string_walk(cursor)) {
        return false;
    }
    (void)blanks_skip(cursor);
    bool colon = cursor_take(cursor, ':');
    (void)blanks_skip(cursor);
    return colon;
}

static bool scalar_walk(struct cursor *cursor) {
    size_t word;
    bool real;
    int first = cursor_peek(cursor);
    return first == '"'                                     ? string_walk(cursor)
           : first == '-' || (first >= '0' && first <= '9') ? number_skip(cursor, &real) == NULL
                                                            : word_skip(cursor, &word);
}

bool json_is_valid(struct bytes json) {
    struct cursor cursor = {.input = json.len > 0 ? json : BYTES("")};
    bool objects[NEST_MAX]; /* Whether bracket n is an object's. */
    unsigned depth = 0;
    int next = blanks_skip(&cursor);
    for (;;) {
        if (next == '{' || next == '[') {
            if (depth == NEST_MAX) {
                return false;
            }
            bool object = next == '{';
            objects[depth++] = object;
            cursor.at++;
            next = blanks_skip(&cursor);
            if (next != (object ? '}' : ']')) { /* Down to its first value. */
                if (object && !key_walk(&cursor)) {
                    return false;
                }
                next = cursor_peek(&cursor);
                continue;
            }
        } else if (!scalar_walk(&cursor)) {
            return false;
        }
        /* Closes the brackets that end with this value, and steps over the comma to the next. */
        (void)blanks_skip(&cursor);
        while (depth > 0 && cursor_take(&cursor, objects[depth - 1] ? '}' : ']')) {
            depth--;
            (void)blanks_skip(&cursor);
        }
        if (depth == 0) {
            return cursor.at == json.len;
        }
        if (!cursor_take(&cursor, ',')) {
            return false;
        }
        next = blanks_skip(&cursor);
        if (objects[depth - 1]) {
            if (!key_walk(&cursor)) {
                return false;
            }
            next = cursor_peek(&cursor);
        }
    }
}

void json_add_stored(struct text *text, struct bytes json) {
    struct bytes shown = json_is_valid(json) ? json : BYTES("null");
    text_add(text, shown.data, shown.len);
}

bool json_brackets_find(struct bytes text, const char *first, struct bytes *ret_part) {
    size_t start = 0, depth = 0;
    while (start < text.len &&
           (text.data[start] == '\0' || strchr(first, text.data[start]) == NULL)) {
        start++;
    }
    bool quoted = false;
    for (size_t i = start; i < text.len; i++) {
        char c = text.data[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            *ret_part = (struct bytes){text.data + start, i + 1 - start};
            return true;
        }
    }
    return false;
}
