/* literal.c: see literal.h. It calls itself for each level; the depth is bounded. */
#include "script/reader/literal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const char bad_meta[] = "bad_meta";

struct reader {
    const struct tokens *tokens;
    uint32_t at;
    unsigned depth;
    struct script_fault *fault;
};

static struct err read_value(struct reader *reader, json_t **ret_json);

static struct err out_of_memory(void) {
    return err_make(ERR_OUT_OF_MEMORY, "script: literal");
}

/* --- Numbers ---------------------------------------------------------------------------------- */

enum { DIGITS_MAX = 64 };

/* Whole ones that fit exactly stay whole. */
static json_t *number_json(double value) {
    static const double exact_max = 9007199254740992.0;
    bool fits = value >= -exact_max && value <= exact_max;
    bool whole = fits && value == (double)(json_int_t)value;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

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

static struct err read_number(struct reader *reader, double sign, json_t **ret_json) {
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
        return token_fault(reader->tokens, reader->at, bad_meta, reader->fault,
                           "meta must be a literal that JSON can hold: a big integer is none");
    }
    if (len == DIGITS_MAX || !number_value(digits, &value)) {
        return token_fault(reader->tokens, reader->at, bad_meta, reader->fault,
                           "this is no number, or one too large");
    }
    reader->at++;
    *ret_json = number_json(sign * value);
    return *ret_json == NULL ? out_of_memory() : ERR_OK;
}

/* --- Texts ------------------------------------------------------------------------------------ */

static struct err read_text(struct reader *reader, json_t **ret_json) {
    AUTO(text_done) struct text text;
    text_init(&text, SCRIPT_META_MAX * 4);
    struct err err = literal_text(reader->tokens, reader->at, &text, reader->fault);
    if (err_failed(err)) {
        return err;
    }
    *ret_json = json_stringn(text.len == 0 ? "" : text.data, text.len);
    reader->at++;
    return *ret_json == NULL ? out_of_memory() : ERR_OK;
}

/* --- What a value must not be ----------------------------------------------------------------- */

static const char *foreign_kind(const struct tokens *tokens, uint32_t at) {
    enum word word = token_word(tokens, at);
    switch (tokens->list[at].kind) {
    case TOKEN_TEMPLATE_OPEN:
        return "a template with inner code";
    case TOKEN_PATTERN:
        return "a pattern";
    case TOKEN_END:
        return "nothing";
    case TOKEN_NAME:
        break;
    default:
        return token_is(tokens, at, "...") ? "a spread" : "an expression";
    }
    if (word == WORD_FUNCTION || word == WORD_ASYNC || word == WORD_CLASS) {
        return "a function or class";
    }
    if (word == WORD_NEW || token_is(tokens, at + 1, "(")) {
        return "a call";
    }
    return "a variable";
}

static struct err refuse_value(struct reader *reader) {
    return token_fault(reader->tokens, reader->at, bad_meta, reader->fault,
                       "meta must be a literal: %s cannot stand in it",
                       foreign_kind(reader->tokens, reader->at));
}

/* --- Lists and objects ------------------------------------------------------------------------ */

/* Behind a value: a comma, or the end. */
static struct err read_comma(struct reader *reader, const char *closing) {
    const struct tokens *tokens = reader->tokens;
    if (token_is(tokens, reader->at, ",")) {
        reader->at++;
        return ERR_OK;
    }
    if (token_is(tokens, reader->at, closing)) {
        return ERR_OK;
    }
    bool call = token_is(tokens, reader->at, "(") || token_is(tokens, reader->at, ".");
    return token_fault(tokens, reader->at, bad_meta, reader->fault,
                       "meta must be a literal: %s cannot stand in it; \",\" or \"%s\" comes next",
                       call ? "a call" : "an operator", closing);
}

static struct err read_list(struct reader *reader, json_t **ret_json) {
    AUTO(json_release) json_t *list = json_array();
    if (list == NULL) {
        return out_of_memory();
    }
    reader->at++;
    while (!token_is(reader->tokens, reader->at, "]")) {
        if (token_is(reader->tokens, reader->at, ",")) {
            return token_fault(reader->tokens, reader->at, bad_meta, reader->fault,
                               "a list in meta has no holes");
        }
        json_t *item = NULL;
        struct err err = read_value(reader, &item);
        if (err_failed(err)) {
            return err;
        }
        if (json_array_append_new(list, item) < 0) {
            return out_of_memory();
        }
        err = read_comma(reader, "]");
        if (err_failed(err)) {
            return err;
        }
    }
    reader->at++;
    *ret_json = json_incref(list);
    return ERR_OK;
}

static struct err refuse_key(struct reader *reader) {
    const struct tokens *tokens = reader->tokens;
    uint32_t at = reader->at;
    const char *what = token_is(tokens, at, "...")           ? "a spread"
                       : token_is(tokens, at, "[")           ? "a computed key"
                       : token_is(tokens, at, "*")           ? "a method"
                       : tokens->list[at].kind == TOKEN_NAME ? "a key with an escape"
                                                             : "this";
    return token_fault(tokens, at, bad_meta, reader->fault,
                       "meta must be a literal: %s cannot stand in it", what);
}

static struct err read_key(struct reader *reader, struct text *key) {
    const struct tokens *tokens = reader->tokens;
    struct bytes text = token_text(tokens, reader->at);
    switch (tokens->list[reader->at].kind) {
    case TOKEN_STRING:
        return literal_text(tokens, reader->at, key, reader->fault);
    case TOKEN_NUMBER: {
        json_t *number = NULL;
        struct err err = read_number(reader, 1, &number);
        json_release(&number);
        reader->at -= err_failed(err) ? 0 : 1;
        text_add(key, text.data, text.len);
        return err;
    }
    case TOKEN_NAME:
        if (memchr(text.data, '\\', text.len) == NULL) {
            text_add(key, text.data, text.len);
            return ERR_OK;
        }
        break;
    default:
        break;
    }
    return refuse_key(reader);
}

static bool key_is(const struct text *key, const char *text) {
    return key->len == strlen(text) && (key->len == 0 || memcmp(key->data, text, key->len) == 0);
}

/* The key, checked, and over the colon. */
static struct err read_head(struct reader *reader, const json_t *object, struct text *key) {
    const struct tokens *tokens = reader->tokens;
    uint32_t begun = reader->at;
    struct err err = read_key(reader, key);
    if (err_failed(err)) {
        return err;
    }
    const char *bytes = key->len == 0 ? "" : key->data;
    if (key_is(key, "__proto__") || memchr(bytes, '\0', key->len) != NULL) {
        return token_fault(tokens, begun, bad_meta, reader->fault,
                           "meta must be a literal: this key cannot stand in it");
    }
    if (json_object_getn(object, bytes, key->len) != NULL) {
        return token_fault(tokens, begun, bad_meta, reader->fault, "\"%.80s\" stands here twice",
                           bytes);
    }
    reader->at++;
    if (!token_is(tokens, reader->at, ":")) {
        bool shorthand = token_is(tokens, reader->at, ",") || token_is(tokens, reader->at, "}");
        return token_fault(tokens, begun, bad_meta, reader->fault,
                           "meta must be a literal: %s cannot stand in it",
                           shorthand ? "a variable" : "a method");
    }
    reader->at++;
    return ERR_OK;
}

static struct err read_member(struct reader *reader, json_t *object) {
    AUTO(text_done) struct text key;
    text_init(&key, SCRIPT_META_MAX * 4);
    struct err err = read_head(reader, object, &key);
    json_t *value = NULL;
    if (!err_failed(err)) {
        err = read_value(reader, &value);
    }
    if (err_failed(err)) {
        return err;
    }
    if (json_object_setn_new_nocheck(object, key.len == 0 ? "" : key.data, key.len, value) < 0) {
        return out_of_memory();
    }
    return read_comma(reader, "}");
}

static struct err read_object(struct reader *reader, json_t **ret_json) {
    AUTO(json_release) json_t *object = json_object();
    if (object == NULL) {
        return out_of_memory();
    }
    reader->at++;
    while (!token_is(reader->tokens, reader->at, "}")) {
        struct err err = read_member(reader, object);
        if (err_failed(err)) {
            return err;
        }
    }
    reader->at++;
    *ret_json = json_incref(object);
    return ERR_OK;
}

/* --- Values ----------------------------------------------------------------------------------- */

static struct err read_nested(struct reader *reader, json_t **ret_json) {
    if (reader->depth == SCRIPT_META_DEPTH_MAX) {
        return token_fault(reader->tokens, reader->at, bad_meta, reader->fault,
                           "meta is nested too deeply: at most %d levels", SCRIPT_META_DEPTH_MAX);
    }
    reader->depth++;
    struct err err = token_is(reader->tokens, reader->at, "{") ? read_object(reader, ret_json)
                                                               : read_list(reader, ret_json);
    reader->depth--;
    return err;
}

static struct err read_punct(struct reader *reader, json_t **ret_json) {
    const struct tokens *tokens = reader->tokens;
    bool minus = token_is(tokens, reader->at, "-");
    if (token_is(tokens, reader->at, "{") || token_is(tokens, reader->at, "[")) {
        return read_nested(reader, ret_json);
    }
    if ((minus || token_is(tokens, reader->at, "+")) &&
        tokens->list[reader->at + 1].kind == TOKEN_NUMBER) {
        reader->at++;
        return read_number(reader, minus ? -1 : 1, ret_json);
    }
    return refuse_value(reader);
}

static struct err read_value(struct reader *reader, json_t **ret_json) {
    switch (reader->tokens->list[reader->at].kind) {
    case TOKEN_STRING:
    case TOKEN_TEMPLATE:
        return read_text(reader, ret_json);
    case TOKEN_NUMBER:
        return read_number(reader, 1, ret_json);
    case TOKEN_PUNCT:
        return read_punct(reader, ret_json);
    default:
        break;
    }
    enum word word = token_word(reader->tokens, reader->at);
    if (word != WORD_TRUE && word != WORD_FALSE && word != WORD_NULL) {
        return refuse_value(reader);
    }
    reader->at++;
    *ret_json = word == WORD_NULL ? json_null() : json_boolean(word == WORD_TRUE);
    return ERR_OK;
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
    struct err err = read_value(&reader, ret_json);
    if (!err_failed(err)) {
        *ret_end = reader.at;
    }
    return err;
}
