/* literal.c: see literal.h. It calls itself for each level; the depth is bounded. */
#include "script/reader/literal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

static const char bad_meta[] = "bad_meta";

/* --- Strings ---------------------------------------------------------------------------------- */

/* State of the reading of a string. */
struct spelling {
    struct bytes inner; /* Between the quotes. */
    size_t at;
    uint32_t high; /* A high surrogate that waits for its other half; 0: none. */
    struct text *text;
};

static void add_char(struct text *text, uint32_t c) {
    static const unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
    unsigned rest = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    text_add_char(text, (char)(heads[rest] | c >> (6 * rest)));
    while (rest-- > 0) {
        text_add_char(text, (char)(0x80U | (c >> (6 * rest) & 0x3fU)));
    }
}

static void flush_high(struct spelling *spelling) {
    if (spelling->high != 0) {
        add_char(spelling->text, 0xfffd);
        spelling->high = 0;
    }
}

/* A unit of UTF-16, or a whole character. */
static void add_unit(struct spelling *spelling, uint32_t unit) {
    bool low = unit >= 0xdc00 && unit <= 0xdfff;
    if (low && spelling->high != 0) {
        add_char(spelling->text, 0x10000 + ((spelling->high - 0xd800) << 10) + (unit - 0xdc00));
        spelling->high = 0;
        return;
    }
    flush_high(spelling);
    if (unit >= 0xd800 && unit <= 0xdbff) {
        spelling->high = unit;
    } else {
        add_char(spelling->text, low ? 0xfffd : unit);
    }
}

static bool spelling_is_at(const struct spelling *spelling, char c) {
    return spelling->at < spelling->inner.len && spelling->inner.data[spelling->at] == c;
}

/* Adds a character of `count` hexadecimal digits; 0: of those before "}". */
static bool read_hex(struct spelling *spelling, unsigned count) {
    uint32_t value = 0;
    unsigned read = 0;
    while (spelling->at < spelling->inner.len && (count == 0 || read < count)) {
        int digit = hex_digit(spelling->inner.data[spelling->at]);
        if (digit < 0 || value > 0x10ffff) {
            break;
        }
        value = value << 4 | (uint32_t)digit;
        spelling->at++;
        read++;
    }
    bool good =
        count == 0 ? read > 0 && value <= 0x10ffff && spelling_is_at(spelling, '}') : read == count;
    spelling->at += count == 0 ? 1 : 0;
    add_unit(spelling, value);
    return good;
}

/* From after the backslash. False: no such escape. */
static bool read_escape(struct spelling *spelling) {
    static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
    char c = spelling->inner.data[spelling->at++];
    const char *known = c == '\0' ? NULL : strchr(from, c);
    if (known != NULL) {
        add_unit(spelling, (uint32_t)to[known - from]);
        return true;
    }
    switch (c) {
    case 'x':
        return read_hex(spelling, 2);
    case 'u':
        if (spelling_is_at(spelling, '{')) {
            spelling->at++;
            return read_hex(spelling, 0);
        }
        return read_hex(spelling, 4);
    case '0':
        add_unit(spelling, 0);
        return spelling->at >= spelling->inner.len ||
               hex_digit(spelling->inner.data[spelling->at]) < 0 ||
               hex_digit(spelling->inner.data[spelling->at]) > 9;
    case '\r': /* A continued line; its "\n" goes along. */
        spelling->at += spelling_is_at(spelling, '\n') ? 1 : 0;
        return true;
    case '\n':
        return true;
    default: /* Itself, with the bytes that follow it as they are. */
        flush_high(spelling);
        text_add_char(spelling->text, c);
        return c < '1' || c > '9';
    }
}

struct err literal_text(const struct tokens *tokens, uint32_t at, struct text *text,
                        struct script_fault *ret_fault) {
    struct bytes whole = token_text(tokens, at);
    struct spelling spelling = {.inner = {whole.data + 1, whole.len - 2}, .text = text};
    bool template = token_kind(tokens, at) == TOKEN_TEMPLATE;
    while (spelling.at < spelling.inner.len) {
        size_t begun = spelling.at++;
        char c = spelling.inner.data[begun];
        if (c == '\\') {
            if (!read_escape(&spelling)) {
                return script__fault(tokens->source, tokens->list[at].start + 1 + begun, bad_meta,
                                     ret_fault, "there is no such escape");
            }
            continue;
        }
        flush_high(&spelling);
        if (template && c == '\r') { /* In a template, each line ends with "\n". */
            spelling.at += spelling_is_at(&spelling, '\n') ? 1 : 0;
            c = '\n';
        }
        text_add_char(text, c);
    }
    flush_high(&spelling);
    return text_failed(text) ? text_error(text, "script: text") : ERR_OK;
}

/* --- Keys of an object, which need not be a literal ------------------------------------------- */

void literal_each_key(const struct tokens *tokens, uint32_t object,
                      void (*found)(void *ctx, struct bytes key, uint32_t value), void *ctx) {
    uint32_t end = tokens->list[object].mate;
    for (uint32_t at = object + 1; end != TOKEN_NOWHERE && at < end; at++) {
        /* `async name()`, `get name()`, `*name()`: the name is the last word before the bracket. */
        while ((token_kind(tokens, at) == TOKEN_NAME || token_is(tokens, at, "*")) &&
               (token_kind(tokens, at + 1) == TOKEN_NAME ||
                token_kind(tokens, at + 1) == TOKEN_STRING || token_is(tokens, at + 1, "*"))) {
            at++;
        }
        struct bytes key = token_text(tokens, at);
        if (token_kind(tokens, at) == TOKEN_STRING) {
            key = (struct bytes){key.data + 1, key.len - 2};
        } else if (token_kind(tokens, at) != TOKEN_NAME) {
            key = (struct bytes){key.data, 0};
        }
        found(ctx, key, token_is(tokens, at + 1, ":") ? at + 2 : at);
        while (at < tokens->count && !token_is_any(tokens, at, ",}")) {
            at = token_after(tokens, at);
        }
    }
}

struct key_search {
    struct bytes key;
    uint32_t value;
};

static void search_key(void *ctx, struct bytes key, uint32_t value) {
    struct key_search *search = ctx;
    if (bytes_equal(key, search->key)) {
        search->value = value;
    }
}

uint32_t literal_value_of(const struct tokens *tokens, uint32_t object, const char *key) {
    struct key_search search = {bytes_of(key), TOKEN_NOWHERE};
    literal_each_key(tokens, object, search_key, &search);
    return search.value;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* The first error ends the reading. */
struct reader {
    const struct tokens *tokens;
    uint32_t at;
    unsigned depth;
    struct script_fault *fault;
    struct err err;
};

static json_t *read_value(struct reader *reader);

static bool reader_is_at(const struct reader *reader, const char *punct) {
    return token_is(reader->tokens, reader->at, punct);
}

static json_t *reader_out_of_memory(struct reader *reader) {
    reader->err = err_make(ERR_OUT_OF_MEMORY, "script: literal");
    return NULL;
}

/* A fault at the next token, or at the token `at`; each returns no value. */
static json_t *reader_refuse(struct reader *reader, const char *text) {
    reader->err = token_fault(reader->tokens, reader->at, bad_meta, reader->fault, "%s", text);
    return NULL;
}

static json_t *reader_refuse_kind(struct reader *reader, uint32_t at, const char *kind) {
    reader->err = token_fault(reader->tokens, at, bad_meta, reader->fault,
                              "meta must be a literal: %s cannot stand in it", kind);
    return NULL;
}

/* A new value, or the error that there is no memory for it. */
static json_t *reader_made(struct reader *reader, json_t *value) {
    return value != NULL ? value : reader_out_of_memory(reader);
}

enum { DIGITS_MAX = 64 };

static bool number_value(const char *digits, double *ret_value) {
    bool based = digits[0] == '0' && digits[1] != '\0' && strchr("xXoObB", digits[1]) != NULL;
    if (!based) {
        char *end = NULL;
        bool octal = digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9';
        *ret_value = strtod(digits, &end);
        return !octal && *end == '\0' && isfinite(*ret_value);
    }
    int base = (digits[1] | 0x20) == 'x' ? 16 : (digits[1] | 0x20) == 'o' ? 8 : 2;
    double value = 0;
    for (const char *c = digits + 2; *c != '\0'; c++) {
        int digit = *c <= '9' ? *c - '0' : (*c | 0x20) - 'a' + 10;
        if (digit < 0 || digit >= base) {
            return false;
        }
        value = value * base + digit;
    }
    *ret_value = value;
    return digits[2] != '\0';
}

static json_t *read_number(struct reader *reader, double sign) {
    static const double exact_max = 9007199254740992.0;
    struct bytes text = token_text(reader->tokens, reader->at);
    char digits[DIGITS_MAX + 1];
    size_t len = 0;
    double value = 0;
    for (size_t i = 0; i < text.len && len < DIGITS_MAX; i++) {
        if (text.data[i] != '_') {
            digits[len++] = text.data[i];
        }
    }
    digits[len] = '\0';
    if (digits[len - 1] == 'n' && (digits[1] | 0x20) != 'x') {
        return reader_refuse(reader,
                             "meta must be a literal that JSON can hold: a big integer is none");
    }
    if (len == DIGITS_MAX || !number_value(digits, &value)) {
        return reader_refuse(reader, "this is no number, or one too large");
    }
    reader->at++;
    value *= sign; /* Whole numbers that fit exactly stay whole. */
    bool whole = value >= -exact_max && value <= exact_max && value == (double)(json_int_t)value;
    return reader_made(reader, whole ? json_integer((json_int_t)value) : json_real(value));
}

static json_t *read_text(struct reader *reader) {
    AUTO(text_done) struct text text = text_up_to(SCRIPT_META_MAX * 4);
    reader->err = literal_text(reader->tokens, reader->at, &text, reader->fault);
    if (err_failed(reader->err)) {
        return NULL;
    }
    reader->at++;
    return reader_made(reader, json_stringn(text.len == 0 ? "" : text.data, text.len));
}

static json_t *refuse_value(struct reader *reader) {
    const struct tokens *tokens = reader->tokens;
    uint32_t at = reader->at;
    enum word word = token_word(tokens, at);
    const char *kind = "a variable";
    switch (token_kind(tokens, at)) {
    case TOKEN_TEMPLATE_OPEN:
        kind = "a template with inner code";
        break;
    case TOKEN_PATTERN:
        kind = "a pattern";
        break;
    case TOKEN_END:
        kind = "nothing";
        break;
    case TOKEN_NAME:
        if (word == WORD_FUNCTION || word == WORD_ASYNC || word == WORD_CLASS) {
            kind = "a function or class";
        } else if (word == WORD_NEW || token_is(tokens, at + 1, "(")) {
            kind = "a call";
        }
        break;
    default:
        kind = token_is(tokens, at, "...") ? "a spread" : "an expression";
    }
    return reader_refuse_kind(reader, at, kind);
}

/* After a value: a comma, or the end. */
static void read_comma(struct reader *reader, const char *closing) {
    if (reader_is_at(reader, ",")) {
        reader->at++;
    } else if (!reader_is_at(reader, closing)) {
        bool call = token_is_any(reader->tokens, reader->at, "(.");
        reader->err = token_fault(reader->tokens, reader->at, bad_meta, reader->fault,
                                  "meta must be a literal: %s cannot stand in it; \",\" or \"%s\" "
                                  "comes next",
                                  call ? "a call" : "an operator", closing);
    }
}

static json_t *read_list(struct reader *reader) {
    AUTO(json_release) json_t *list = json_array();
    if (list == NULL) {
        return reader_out_of_memory(reader);
    }
    reader->at++;
    while (!reader_is_at(reader, "]")) {
        if (reader_is_at(reader, ",")) {
            return reader_refuse(reader, "a list in meta has no holes");
        }
        json_t *item = read_value(reader);
        if (item == NULL) {
            return NULL;
        }
        if (json_array_append_new(list, item) < 0) {
            return reader_out_of_memory(reader);
        }
        read_comma(reader, "]");
        if (err_failed(reader->err)) {
            return NULL;
        }
    }
    reader->at++;
    return json_incref(list);
}

static void read_key(struct reader *reader, struct text *key) {
    const struct tokens *tokens = reader->tokens;
    uint32_t at = reader->at;
    struct bytes text = token_text(tokens, at);
    bool name = token_kind(tokens, at) == TOKEN_NAME;
    if (token_kind(tokens, at) == TOKEN_STRING) {
        reader->err = literal_text(tokens, at, key, reader->fault);
    } else if (token_kind(tokens, at) == TOKEN_NUMBER) {
        json_decref(read_number(reader, 1));
        text_add(key, text.data, text.len);
    } else if (name && memchr(text.data, '\\', text.len) == NULL) {
        text_add(key, text.data, text.len);
    } else {
        (void)reader_refuse_kind(reader, at, /* There is no value. */
                                 token_is(tokens, at, "...") ? "a spread"
                                 : token_is(tokens, at, "[") ? "a computed key"
                                 : token_is(tokens, at, "*") ? "a method"
                                 : name                      ? "a key with an escape"
                                                             : "this");
    }
    reader->at = at + 1;
}

static void read_member(struct reader *reader, json_t *object) {
    const struct tokens *tokens = reader->tokens;
    uint32_t begun = reader->at;
    AUTO(text_done) struct text key = text_up_to(SCRIPT_META_MAX * 4);
    read_key(reader, &key);
    if (err_failed(reader->err)) {
        return;
    }
    struct bytes name = text_bytes(&key);
    if (bytes_is(name, "__proto__") || memchr(name.data, '\0', name.len) != NULL) {
        (void)reader_refuse_kind(reader, begun, "this key");
        return;
    }
    if (json_object_getn(object, name.data, name.len) != NULL) {
        reader->err = token_fault(tokens, begun, bad_meta, reader->fault,
                                  "\"%.80s\" stands here twice", name.data);
        return;
    }
    if (!reader_is_at(reader, ":")) {
        bool shorthand = token_is_any(tokens, reader->at, ",}");
        (void)reader_refuse_kind(reader, begun, shorthand ? "a variable" : "a method");
        return;
    }
    reader->at++;
    json_t *value = read_value(reader);
    if (value == NULL) {
        return;
    }
    if (json_object_setn_new_nocheck(object, name.data, name.len, value) < 0) {
        (void)reader_out_of_memory(reader);
        return;
    }
    read_comma(reader, "}");
}

static json_t *read_object(struct reader *reader) {
    AUTO(json_release) json_t *object = json_object();
    if (object == NULL) {
        return reader_out_of_memory(reader);
    }
    reader->at++;
    while (!reader_is_at(reader, "}")) {
        read_member(reader, object);
        if (err_failed(reader->err)) {
            return NULL;
        }
    }
    reader->at++;
    return json_incref(object);
}

/* NULL: an error. */
static json_t *read_value(struct reader *reader) {
    const struct tokens *tokens = reader->tokens;
    enum token_kind kind = token_kind(tokens, reader->at);
    enum word word = token_word(tokens, reader->at);
    if (kind == TOKEN_STRING || kind == TOKEN_TEMPLATE) {
        return read_text(reader);
    }
    if (kind == TOKEN_NUMBER) {
        return read_number(reader, 1);
    }
    if (token_is_any(tokens, reader->at, "+-") &&
        token_kind(tokens, reader->at + 1) == TOKEN_NUMBER) {
        double sign = reader_is_at(reader, "-") ? -1 : 1;
        reader->at++;
        return read_number(reader, sign);
    }
    if (token_is_any(tokens, reader->at, "{[")) {
        if (reader->depth == SCRIPT_META_DEPTH_MAX) {
            reader->err =
                token_fault(tokens, reader->at, bad_meta, reader->fault,
                            "meta is nested too deeply: at most %d levels", SCRIPT_META_DEPTH_MAX);
            return NULL;
        }
        reader->depth++;
        json_t *value = reader_is_at(reader, "{") ? read_object(reader) : read_list(reader);
        reader->depth--;
        return value;
    }
    if (word != WORD_TRUE && word != WORD_FALSE && word != WORD_NULL) {
        return refuse_value(reader);
    }
    reader->at++;
    return word == WORD_NULL ? json_null() : json_boolean(word == WORD_TRUE);
}

struct err literal_read(const struct tokens *tokens, uint32_t at, json_t **ret_json,
                        uint32_t *ret_end, struct script_fault *ret_fault) {
    struct reader reader = {.tokens = tokens, .at = at, .fault = ret_fault};
    uint32_t mate = tokens->list[at].mate;
    if (mate != TOKEN_NOWHERE &&
        tokens->list[mate].start - tokens->list[at].start > SCRIPT_META_MAX) {
        return token_fault(tokens, at, bad_meta, ret_fault, "meta is too large: at most %d kB",
                           SCRIPT_META_MAX >> 10);
    }
    json_t *value = read_value(&reader);
    if (value != NULL) {
        *ret_json = value;
        *ret_end = reader.at;
    }
    return reader.err;
}
