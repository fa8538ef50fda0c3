/* tokens_scan.c: where one token ends, and what it is. */
#include <string.h>

#include "script/reader/tokens_inside.h"

static const char syntax[] = "syntax_error";

/* --- Characters ------------------------------------------------------------------------------- */

static char byte_at(const struct reading *reading, size_t at) {
    struct bytes source = reading->tokens->source;
    return at < source.len ? source.data[at] : '\0';
}

/* The source is valid UTF-8: the length comes from the first byte. */
static size_t char_at(const struct reading *reading, size_t at, uint32_t *ret_char) {
    struct bytes source = reading->tokens->source;
    unsigned char first = (unsigned char)source.data[at];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t value = len == 1 ? first : first & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        value = value << 6 | ((unsigned char)source.data[at + i] & 0x3fU);
    }
    *ret_char = value;
    return len;
}

static bool is_line_end(uint32_t c) {
    return c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029;
}

static bool is_blank(uint32_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0 || c == 0xfeff || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || is_line_end(c) || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '\\';
}

/* What is beyond ASCII and no blank belongs to names; the engine knows which letters do not. */
static size_t name_part(const struct reading *reading, size_t at) {
    char c = byte_at(reading, at);
    if ((unsigned char)c < 0x80) {
        return is_letter(c) || is_digit(c) ? 1 : 0;
    }
    uint32_t value = 0;
    size_t len = char_at(reading, at, &value);
    return is_blank(value) ? 0 : len;
}

/* --- Blanks and comments ---------------------------------------------------------------------- */

static struct err skip_block(struct reading *reading) {
    struct bytes source = reading->tokens->source;
    size_t at = reading->at + 2;
    for (; at + 1 < source.len; at++) {
        if (source.data[at] == '*' && source.data[at + 1] == '/') {
            reading->at = at + 2;
            return ERR_OK;
        }
        if (source.data[at] == '\n' || source.data[at] == '\r') {
            reading->new_line = true;
        }
    }
    return script__fault(source, reading->at, syntax, reading->fault,
                         "this comment is opened and never closed");
}

static void skip_line(struct reading *reading) {
    while (reading->at < reading->tokens->source.len) {
        uint32_t c = 0;
        size_t len = char_at(reading, reading->at, &c);
        if (is_line_end(c)) {
            return;
        }
        reading->at += len;
    }
}

struct err tokens__skip(struct reading *reading) {
    struct bytes source = reading->tokens->source;
    while (reading->at < source.len) {
        char next = byte_at(reading, reading->at + 1);
        uint32_t c = 0;
        size_t len = char_at(reading, reading->at, &c);
        if ((c == '/' && next == '/') || (c == '#' && next == '!' && reading->at == 0)) {
            skip_line(reading);
        } else if (c == '/' && next == '*') {
            struct err err = skip_block(reading);
            if (err_failed(err)) {
                return err;
            }
        } else if (is_blank(c)) {
            reading->new_line |= is_line_end(c);
            reading->at += len;
        } else {
            return ERR_OK;
        }
    }
    return ERR_OK;
}

/* --- What is quoted --------------------------------------------------------------------------- */

/* From behind a backslash: "\r\n" is one character of a continued line. */
static size_t behind_escape(const struct reading *reading, size_t at) {
    return byte_at(reading, at) == '\r' && byte_at(reading, at + 1) == '\n' ? at + 2 : at + 1;
}

static struct err scan_string(struct reading *reading, struct token *token) {
    struct bytes source = reading->tokens->source;
    char quote = source.data[reading->at];
    size_t at = reading->at + 1;
    while (at < source.len && source.data[at] != '\n' && source.data[at] != '\r') {
        if (source.data[at] == quote) {
            token->kind = TOKEN_STRING;
            token->len = (uint32_t)(at + 1 - reading->at);
            return ERR_OK;
        }
        at = source.data[at] == '\\' ? behind_escape(reading, at + 1) : at + 1;
    }
    return script__fault(source, reading->at, syntax, reading->fault,
                         "this string has no end on its line");
}

struct err tokens__scan_template(struct reading *reading, size_t from, size_t *ret_end,
                                 enum template_end *ret_how) {
    struct bytes source = reading->tokens->source;
    for (size_t at = from; at < source.len; at++) {
        char c = source.data[at];
        if (c == '`' || (c == '$' && byte_at(reading, at + 1) == '{')) {
            *ret_how = c == '`' ? TEMPLATE_OVER : TEMPLATE_CODE;
            *ret_end = c == '`' ? at + 1 : at + 2;
            return ERR_OK;
        }
        at += c == '\\' ? 1 : 0;
    }
    return script__fault(source, reading->at, syntax, reading->fault,
                         "this template is opened and never closed");
}

static struct err scan_template(struct reading *reading, struct token *token) {
    size_t end = 0;
    enum template_end how = TEMPLATE_OVER;
    struct err err = tokens__scan_template(reading, reading->at + 1, &end, &how);
    if (!err_failed(err)) {
        token->kind = how == TEMPLATE_CODE ? TOKEN_TEMPLATE_OPEN : TOKEN_TEMPLATE;
        token->len = (uint32_t)(end - reading->at);
    }
    return err;
}

static struct err scan_pattern(struct reading *reading, struct token *token) {
    struct bytes source = reading->tokens->source;
    bool in_class = false;
    for (size_t at = reading->at + 1; at < source.len; at++) {
        char c = source.data[at];
        if (c == '\n' || c == '\r') {
            break;
        }
        if (c == '/' && !in_class) {
            at++;
            for (size_t len = name_part(reading, at); len > 0; len = name_part(reading, at)) {
                at += len;
            }
            token->kind = TOKEN_PATTERN;
            token->len = (uint32_t)(at - reading->at);
            return ERR_OK;
        }
        in_class = c == '[' || (in_class && c != ']');
        at += c == '\\' ? 1 : 0;
    }
    return script__fault(source, reading->at, syntax, reading->fault,
                         "this pattern has no end on its line");
}

/* --- Numbers, names, signs -------------------------------------------------------------------- */

/* Digits of any base, separators, an exponent with its sign: what is no number is for the engine to
 * refuse. */
static void scan_number(struct reading *reading, struct token *token) {
    size_t at = reading->at;
    bool hex = byte_at(reading, at) == '0' && (byte_at(reading, at + 1) | 0x20) == 'x';
    for (;; at++) {
        char c = byte_at(reading, at);
        bool sign = (c == '+' || c == '-') && !hex && at > reading->at &&
                    (byte_at(reading, at - 1) | 0x20) == 'e';
        if (!is_digit(c) && !sign && c != '.' && (c == '\\' || !is_letter(c))) {
            break;
        }
    }
    token->kind = TOKEN_NUMBER;
    token->len = (uint32_t)(at - reading->at);
}

static enum word word_of(struct bytes text) {
    static const struct bytes words[WORD__END] = {
#define X(name, text) [WORD_##name] = BYTES_INIT(text),
        SCRIPT_WORDS_BEFORE_VALUE(X) SCRIPT_WORDS_RESERVED(X) SCRIPT_WORDS_FREE(X)
#undef X
    };
    for (unsigned i = 1; i < WORD__END; i++) {
        if (words[i].len == text.len && words[i].data[0] == text.data[0] &&
            memcmp(words[i].data, text.data, text.len) == 0) {
            return (enum word)i;
        }
    }
    return WORD_NONE;
}

static void scan_name(struct reading *reading, struct token *token) {
    const char *start = reading->tokens->source.data + reading->at;
    bool private = *start == '#';
    size_t at = reading->at + (private ? 1 : 0);
    for (size_t len = name_part(reading, at); len > 0; len = name_part(reading, at)) {
        /* The braces of an escape belong to it. */
        bool braced = byte_at(reading, at) == '\\' && byte_at(reading, at + 1) == 'u' &&
                      byte_at(reading, at + 2) == '{';
        at += braced ? 3 : len;
        while (braced && name_part(reading, at) > 0) {
            at++;
        }
        at += braced && byte_at(reading, at) == '}' ? 1 : 0;
    }
    token->kind = private ? TOKEN_PRIVATE : TOKEN_NAME;
    token->len = (uint32_t)(at - reading->at);
    token->word = private ? WORD_NONE : (uint8_t)word_of((struct bytes){start, token->len});
}

/* Longer ones first. */
static const char *const signs[] = {
    ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "?\?=",
    "=>",   "==",  "!=",  "<=",  ">=",  "&&",  "||",  "??",  "?.",  "++",  "--",
    "+=",   "-=",  "*=",  "/=",  "%=",  "&=",  "|=",  "^=",  "<<",  ">>",  "**",
};

static struct err scan_punct(struct reading *reading, struct token *token) {
    struct bytes source = reading->tokens->source;
    const char *start = source.data + reading->at;
    size_t left = source.len - reading->at;
    token->kind = TOKEN_PUNCT;
    token->len = 1;
    if (strchr("(){}[];,:", *start) != NULL && *start != '\0') {
        return ERR_OK;
    }
    for (size_t i = 0; i < COUNT_OF(signs); i++) {
        size_t len = strlen(signs[i]);
        bool here = len <= left && memcmp(start, signs[i], len) == 0;
        if (here && !(strcmp(signs[i], "?.") == 0 && is_digit(byte_at(reading, reading->at + 2)))) {
            token->len = (uint32_t)len;
            return ERR_OK;
        }
    }
    if (*start == '\0' || strchr("<>+-*/%&|^!~?=.@", *start) == NULL) {
        return script__fault(source, reading->at, syntax, reading->fault,
                             "this character has no meaning here");
    }
    return ERR_OK;
}

struct err tokens__scan(struct reading *reading, struct token *ret_token) {
    char c = byte_at(reading, reading->at), next = byte_at(reading, reading->at + 1);
    if (c == '\'' || c == '"') {
        return scan_string(reading, ret_token);
    }
    if (c == '`') {
        return scan_template(reading, ret_token);
    }
    if (c == '/' && reading->value_next) {
        return scan_pattern(reading, ret_token);
    }
    if (is_digit(c) || (c == '.' && is_digit(next))) {
        scan_number(reading, ret_token);
        return ERR_OK;
    }
    if (name_part(reading, reading->at + (c == '#' ? 1 : 0)) > 0) {
        scan_name(reading, ret_token);
        return ERR_OK;
    }
    return scan_punct(reading, ret_token);
}
