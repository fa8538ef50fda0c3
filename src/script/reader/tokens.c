/* tokens.c: where each token ends and what it is, which bracket it stands in, and the questions
 * that others ask of the list.
 *
 * A '/' divides after a value and begins a pattern elsewhere. The token before decides, except for
 * ')' and '}': after the head of an `if` or after a block a statement begins, after a call or an
 * object an operator follows. So each bracket keeps what it belongs to. The grammar has places
 * where this is not enough; none of them is written by people or minifiers. */
#include "script/reader/tokens.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

static const char syntax[] = "syntax_error";

/* The construct that encloses the next token, as far as it decides what a '/' begins: a bracket, or
 * the head of a function or class, which stays until the '}' of its body. */
enum place {
    PLACE_STATEMENTS,  /* { of a block; also the whole file */
    PLACE_MEMBERS,     /* { of an object */
    PLACE_TEMPLATE,    /* ${ */
    PLACE_HEAD,        /* ( of if, for, while, with */
    PLACE_PAREN,       /* any other ( */
    PLACE_BRACKET,     /* [ */
    PLACE_DECLARATION, /* function or class where a statement stands */
    PLACE_EXPRESSION,  /* the same, as a value */
};
struct place_at {
    uint8_t place;
    uint32_t opener; /* Token that opens; of a template, the latest piece. */
};

enum { PLACES_MAX = 2 * SCRIPT_NEST_MAX };

/* State of the reading of a source. The first error ends it. */
struct reading {
    struct tokens *tokens; /* Borrowed. */
    struct script_fault *fault;
    struct err err;
    size_t at;        /* The next byte. */
    bool new_line;    /* A line ended since the last token. */
    bool value_next;  /* An expression can stand here: a '/' starts a pattern. */
    unsigned depth;   /* Number of `places`; the file itself is the first. */
    unsigned nesting; /* Brackets alone. */
    struct place_at places[PLACES_MAX];
};

/* --- Faults ----------------------------------------------------------------------------------- */

/* "\r\n" ends one line. The separators beyond ASCII do not count: no editor counts them. */
static struct script_place source_place(struct bytes source, size_t offset) {
    struct script_place place = {1, 1};
    for (size_t i = 0; i < offset && i < source.len; i++) {
        unsigned char c = (unsigned char)source.data[i];
        bool pair = c == '\r' && i + 1 < source.len && source.data[i + 1] == '\n';
        if (c == '\n' || (c == '\r' && !pair)) {
            place = (struct script_place){place.line + 1, 1};
        } else if ((c & 0xc0) != 0x80 && !pair) { /* Not the rest of a character. */
            place.column++;
        }
    }
    return place;
}

struct script_place token_place(const struct tokens *tokens, uint32_t at) {
    return source_place(tokens->source,
                        tokens->list[at < tokens->count ? at : tokens->count].start);
}

PRINTF_LIKE(5, 0)
static struct err fault_set(struct bytes source, size_t offset, const char *code,
                            struct script_fault *ret_fault, const char *format, va_list args) {
    ret_fault->code = code;
    (void)vsnprintf(ret_fault->message, sizeof ret_fault->message, format,
                    args); /* Cut at worst. */
    const struct script_place place = source_place(source, offset);
    ret_fault->line = place.line;
    ret_fault->column = place.column;
    return err_make(ERR_BAD_SCRIPT, "script: read");
}

struct err script__fault(struct bytes source, size_t offset, const char *code,
                         struct script_fault *ret_fault, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct err err = fault_set(source, offset, code, ret_fault, format, args);
    va_end(args);
    return err;
}

struct err token_fault(const struct tokens *tokens, uint32_t at, const char *code,
                       struct script_fault *ret_fault, const char *format, ...) {
    va_list args;
    va_start(args, format);
    uint32_t known = at < tokens->count ? at : tokens->count;
    struct err err =
        fault_set(tokens->source, tokens->list[known].start, code, ret_fault, format, args);
    va_end(args);
    return err;
}

/* At the next byte. */
static void reading_fail(struct reading *reading, const char *text) {
    reading->err =
        script__fault(reading->tokens->source, reading->at, syntax, reading->fault, "%s", text);
}

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

static bool char_ends_line(uint32_t c) {
    return c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029;
}

static bool char_is_blank(uint32_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0 || c == 0xfeff || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || char_ends_line(c) || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

static bool char_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool char_is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '\\';
}

/* Length of the part of a name at `at`; 0: none. Characters beyond ASCII that are no blanks belong
 * to names; the engine knows which letters do not. */
static size_t name_part(const struct reading *reading, size_t at) {
    char c = byte_at(reading, at);
    if ((unsigned char)c < 0x80) {
        return char_is_letter(c) || char_is_digit(c) ? 1 : 0;
    }
    uint32_t value = 0;
    size_t len = char_at(reading, at, &value);
    return char_is_blank(value) ? 0 : len;
}

/* --- Blanks and comments ---------------------------------------------------------------------- */

static void skip_block_comment(struct reading *reading) {
    struct bytes source = reading->tokens->source;
    for (size_t at = reading->at + 2; at + 1 < source.len; at++) {
        if (source.data[at] == '*' && source.data[at + 1] == '/') {
            reading->at = at + 2;
            return;
        }
        reading->new_line |= source.data[at] == '\n' || source.data[at] == '\r';
    }
    reading_fail(reading, "this comment is opened and never closed");
}

static void skip_blanks(struct reading *reading) {
    size_t end = reading->tokens->source.len;
    while (reading->at < end && !err_failed(reading->err)) {
        char next = byte_at(reading, reading->at + 1);
        uint32_t c = 0;
        size_t len = char_at(reading, reading->at, &c);
        if ((c == '/' && next == '/') || (c == '#' && next == '!' && reading->at == 0)) {
            while (reading->at < end && !char_ends_line(c)) {
                reading->at += len;
                len = reading->at < end ? char_at(reading, reading->at, &c) : 0;
            }
        } else if (c == '/' && next == '*') {
            skip_block_comment(reading);
        } else if (char_is_blank(c)) {
            reading->new_line |= char_ends_line(c);
            reading->at += len;
        } else {
            return;
        }
    }
}

/* --- Quoted tokens ---------------------------------------------------------------------------- */

static void scan_string(struct reading *reading, struct token *token) {
    struct bytes source = reading->tokens->source;
    size_t at = reading->at + 1;
    while (at < source.len && source.data[at] != '\n' && source.data[at] != '\r') {
        char c = source.data[at++];
        if (c == source.data[reading->at]) {
            token->kind = TOKEN_STRING;
            token->len = (uint32_t)(at - reading->at);
            return;
        }
        if (c == '\\') { /* Over what is escaped; "\r\n" is one character of a continued line. */
            at += byte_at(reading, at) == '\r' && byte_at(reading, at + 1) == '\n' ? 2 : 1;
        }
    }
    reading_fail(reading, "this string has no end on its line");
}

/* From "`", or from the "}" after inner code, up to "${" (`open`) or "`" (`close`). */
static void scan_template(struct reading *reading, struct token *token, enum token_kind open,
                          enum token_kind close) {
    struct bytes source = reading->tokens->source;
    for (size_t at = reading->at + 1; at < source.len; at++) {
        char c = source.data[at];
        if (c == '`' || (c == '$' && byte_at(reading, at + 1) == '{')) {
            token->kind = (uint8_t)(c == '`' ? close : open);
            token->len = (uint32_t)(at + (c == '`' ? 1 : 2) - reading->at);
            return;
        }
        at += c == '\\' ? 1 : 0;
    }
    reading_fail(reading, "this template is opened and never closed");
}

static void scan_pattern(struct reading *reading, struct token *token) {
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
            return;
        }
        in_class = c == '[' || (in_class && c != ']');
        at += c == '\\' ? 1 : 0;
    }
    reading_fail(reading, "this pattern has no end on its line");
}

/* --- Numbers, names, signs -------------------------------------------------------------------- */

/* Digits of any base, separators, an exponent with its sign. Malformed numbers are for the engine
 * to refuse. */
static void scan_number(struct reading *reading, struct token *token) {
    size_t at = reading->at;
    bool hex = byte_at(reading, at) == '0' && (byte_at(reading, at + 1) | 0x20) == 'x';
    for (;; at++) {
        char c = byte_at(reading, at);
        bool sign = (c == '+' || c == '-') && !hex && at > reading->at &&
                    (byte_at(reading, at - 1) | 0x20) == 'e';
        if (!char_is_digit(c) && !sign && c != '.' && (c == '\\' || !char_is_letter(c))) {
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

static void scan_punct(struct reading *reading, struct token *token) {
    /* Longer ones first. */
    static const char *const signs[] = {
        ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "?\?=",
        "=>",   "==",  "!=",  "<=",  ">=",  "&&",  "||",  "??",  "?.",  "++",  "--",
        "+=",   "-=",  "*=",  "/=",  "%=",  "&=",  "|=",  "^=",  "<<",  ">>",  "**",
    };
    struct bytes source = reading->tokens->source;
    struct bytes rest = {source.data + reading->at, source.len - reading->at};
    char first = rest.data[0];
    token->kind = TOKEN_PUNCT;
    token->len = 1;
    for (size_t i = 0; i < COUNT_OF(signs); i++) {
        struct bytes sign = bytes_of(signs[i]);
        bool fraction =
            bytes_is(sign, "?.") && char_is_digit(byte_at(reading, reading->at + 2)); /* `a?.5:b` */
        if (bytes_begin(rest, sign) && !fraction) {
            token->len = (uint32_t)sign.len;
            return;
        }
    }
    if (first == '\0' || strchr("(){}[];,:<>+-*/%&|^!~?=.@", first) == NULL) {
        reading_fail(reading, "this character has no meaning here");
    }
}

static enum place place_now(const struct reading *reading) {
    return (enum place)reading->places[reading->depth - 1].place;
}

static void scan_token(struct reading *reading, struct token *token) {
    char c = byte_at(reading, reading->at), next = byte_at(reading, reading->at + 1);
    if (c == '}' && place_now(reading) == PLACE_TEMPLATE) {
        scan_template(reading, token, TOKEN_TEMPLATE_MIDDLE, TOKEN_TEMPLATE_CLOSE);
    } else if (c == '\'' || c == '"') {
        scan_string(reading, token);
    } else if (c == '`') {
        scan_template(reading, token, TOKEN_TEMPLATE_OPEN, TOKEN_TEMPLATE);
    } else if (c == '/' && reading->value_next) {
        scan_pattern(reading, token);
    } else if (char_is_digit(c) || (c == '.' && char_is_digit(next))) {
        scan_number(reading, token);
    } else if (name_part(reading, reading->at + (c == '#' ? 1 : 0)) > 0) {
        scan_name(reading, token);
    } else {
        scan_punct(reading, token);
    }
}

/* --- Brackets --------------------------------------------------------------------------------- */

static bool place_is_head(enum place place) {
    return place == PLACE_DECLARATION || place == PLACE_EXPRESSION;
}

/* The bracket that encloses the next token, or TOKEN_NOWHERE. */
static uint32_t opener_now(const struct reading *reading) {
    unsigned depth = reading->depth;
    while (depth > 1 && place_is_head((enum place)reading->places[depth - 1].place)) {
        depth--;
    }
    return reading->places[depth - 1].opener;
}

static void place_push(struct reading *reading, enum place place, uint32_t opener) {
    bool head = place_is_head(place);
    if (reading->depth == PLACES_MAX || (!head && reading->nesting == SCRIPT_NEST_MAX)) {
        reading->err = token_fault(reading->tokens, opener, syntax, reading->fault,
                                   "this is nested too deeply: at most %d brackets within each "
                                   "other",
                                   SCRIPT_NEST_MAX);
        return;
    }
    reading->nesting += head ? 0 : 1;
    reading->places[reading->depth++] = (struct place_at){(uint8_t)place, opener};
}

static bool brace_is_block(const struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    enum place place = place_now(reading);
    if (place_is_head(place) || at == 0) {
        return true;
    }
    switch (token_is_member(tokens, at - 1) ? WORD_NONE : token_word(tokens, at - 1)) {
    case WORD_ELSE: /* After these words a block stands, whatever an expression could do there. */
    case WORD_DO:
    case WORD_TRY:
    case WORD_FINALLY:
    case WORD_CATCH:
    case WORD_STATIC:
        return true;
    case WORD_RETURN:
        return !token_same_line(tokens, at);
    default:
        break;
    }
    if (token_is_any(tokens, at - 1, ":{")) {
        return place == PLACE_STATEMENTS;
    }
    return token_is_any(tokens, at - 1, ";)}") || token_is(tokens, at - 1, "=>") ||
           (!reading->value_next && tokens->list[at - 1].kind != TOKEN_NAME);
}

static bool paren_is_head(const struct tokens *tokens, uint32_t at) {
    if (at == 0 || token_is_member(tokens, at - 1)) {
        return false;
    }
    enum word word = token_word(tokens, at - 1);
    return word == WORD_IF || word == WORD_FOR || word == WORD_WHILE || word == WORD_WITH ||
           (word == WORD_AWAIT && token_is_word(tokens, at - 2, WORD_FOR));
}

static void open_bracket(struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    enum place place = PLACE_TEMPLATE;
    if (token_is(tokens, at, "{")) {
        place = brace_is_block(reading, at) ? PLACE_STATEMENTS : PLACE_MEMBERS;
    } else if (token_is(tokens, at, "(")) {
        place = paren_is_head(tokens, at) ? PLACE_HEAD : PLACE_PAREN;
    } else if (token_is(tokens, at, "[")) {
        place = PLACE_BRACKET;
    }
    reading->value_next = true;
    place_push(reading, place, at);
}

/* Heads whose body never came (a declaration without one, in another language) end with the bracket
 * that they stand in. */
static void drop_heads(struct reading *reading) {
    while (place_is_head(place_now(reading))) {
        reading->depth--;
    }
}

static void close_bracket(struct reading *reading, uint32_t at) {
    static const char closings[] = {
        [PLACE_STATEMENTS] = '}', [PLACE_MEMBERS] = '}', [PLACE_TEMPLATE] = '}',
        [PLACE_HEAD] = ')',       [PLACE_PAREN] = ')',   [PLACE_BRACKET] = ']',
    };
    struct tokens *tokens = reading->tokens;
    char closing = token_text(tokens, at).data[0];
    drop_heads(reading);
    enum place place = place_now(reading);
    if (reading->depth == 1) {
        reading->err =
            token_fault(tokens, at, syntax, reading->fault, "nothing is open that this closes");
        return;
    }
    if (closing != closings[place] || place == PLACE_TEMPLATE /* a piece closes that */) {
        reading->err = token_fault(tokens, at, syntax, reading->fault,
                                   "\"%c\" where \"%c\" must come first", closing, closings[place]);
        return;
    }
    uint32_t opener = reading->places[--reading->depth].opener;
    reading->nesting--;
    tokens->list[at].mate = opener;
    tokens->list[opener].mate = at;
    tokens->list[at].parent = tokens->list[opener].parent;
    reading->value_next = place == PLACE_HEAD || place == PLACE_STATEMENTS;
    if (place == PLACE_STATEMENTS && place_is_head(place_now(reading))) { /* The end of a body. */
        reading->value_next = place_now(reading) == PLACE_DECLARATION;
        reading->depth--;
    }
}

static void next_piece(struct reading *reading, uint32_t at) {
    struct tokens *tokens = reading->tokens;
    struct place_at *template = &reading->places[reading->depth - 1];
    tokens->list[at].parent = tokens->list[template->opener].parent;
    tokens->list[template->opener].mate = at;
    reading->value_next = tokens->list[at].kind == TOKEN_TEMPLATE_MIDDLE;
    if (reading->value_next) {
        template->opener = at;
    } else {
        tokens->list[at].mate = template->opener;
        reading->depth--;
        reading->nesting--;
    }
}

/* Whether the `function` or `class` at `at` stands where a statement may. */
static bool is_declaration(const struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    uint32_t before = at - 1;
    if (token_is_word(tokens, before, WORD_ASYNC) && token_same_line(tokens, at)) {
        before--;
    }
    enum word word = token_word(tokens, before);
    if (before >= tokens->count || word == WORD_ELSE || word == WORD_EXPORT ||
        (word == WORD_DEFAULT && token_is_word(tokens, before - 1, WORD_EXPORT))) {
        return true;
    }
    if (token_is_any(tokens, before, ";:{")) {
        return place_now(reading) == PLACE_STATEMENTS;
    }
    return token_is_any(tokens, before, "})") || !token_same_line(tokens, before + 1);
}

static void enter_name(struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    enum word word = token_is_member(tokens, at) ? WORD_NONE : token_word(tokens, at);
    bool key = token_is_any(tokens, at - 1, "{,") && place_now(reading) == PLACE_MEMBERS;
    if ((word == WORD_FUNCTION || word == WORD_CLASS) && !key) {
        reading->value_next = false;
        place_push(reading, is_declaration(reading, at) ? PLACE_DECLARATION : PLACE_EXPRESSION, at);
    } else if (word == WORD_OF) { /* for (x of /…/) */
        reading->value_next = !reading->value_next && place_now(reading) == PLACE_HEAD;
    } else {
        reading->value_next = word > WORD_NONE && word < WORD__BEFORE_VALUE_END;
    }
}

static void enter_punct(struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    if (token_is_any(tokens, at, "([{")) {
        open_bracket(reading, at);
    } else if (token_is_any(tokens, at, ")]}")) {
        close_bracket(reading, at);
    } else if (!token_is(tokens, at, "++") && !token_is(tokens, at, "--")) {
        if (token_is(tokens, at, ":")) { /* `{function: 1}` */
            drop_heads(reading);
        }
        reading->value_next = true;
    } /* Else `a++ / b` or `++/x/`: as before. */
}

/* The token at `at`, just listed, changes what may come next; sets its mate and parent. */
static void enter_token(struct reading *reading, uint32_t at) {
    switch (reading->tokens->list[at].kind) {
    case TOKEN_PUNCT:
        enter_punct(reading, at);
        break;
    case TOKEN_NAME:
        enter_name(reading, at);
        break;
    case TOKEN_TEMPLATE_OPEN:
        open_bracket(reading, at);
        break;
    case TOKEN_TEMPLATE_MIDDLE:
    case TOKEN_TEMPLATE_CLOSE:
        next_piece(reading, at);
        break;
    default:
        reading->value_next = false;
        break;
    }
}

/* --- The list --------------------------------------------------------------------------------- */

void tokens_done(struct tokens *tokens) {
    mem_free(tokens->list);
    *tokens = (struct tokens){0};
}

/* Room for one more and for the end. */
static void make_room(struct reading *reading) {
    struct tokens *tokens = reading->tokens;
    if (tokens->count + 1 < tokens->size) {
        return;
    }
    uint32_t size = tokens->size == 0 ? 256 : 2 * tokens->size;
    struct token *list = mem_try_grow(tokens->list, size * sizeof *list);
    if (list == NULL) {
        reading->err = err_make(ERR_OUT_OF_MEMORY, "script: tokens");
        return;
    }
    tokens->list = list;
    tokens->size = size;
}

static void read_tokens(struct reading *reading) {
    struct tokens *tokens = reading->tokens;
    for (;;) {
        make_room(reading);
        if (!err_failed(reading->err)) {
            skip_blanks(reading);
        }
        if (err_failed(reading->err) || reading->at == tokens->source.len) {
            return;
        }
        struct token token = {.start = (uint32_t)reading->at,
                              .mate = TOKEN_NOWHERE,
                              .parent = opener_now(reading),
                              .new_line = reading->new_line};
        scan_token(reading, &token);
        if (err_failed(reading->err)) {
            return;
        }
        tokens->list[tokens->count++] = token;
        reading->at += token.len;
        reading->new_line = false;
        enter_token(reading, tokens->count - 1);
        if (err_failed(reading->err)) {
            return;
        }
    }
}

struct err tokens_read(struct bytes source, struct tokens *ret_tokens,
                       struct script_fault *ret_fault) {
    *ret_tokens = (struct tokens){.source = source};
    size_t valid = utf8_valid_len(source.data, source.len);
    if (valid < source.len) {
        return script__fault(source, valid, syntax, ret_fault, "this is not UTF-8");
    }
    AUTO(mem_release) struct reading *reading = mem_new(sizeof *reading);
    reading->tokens = ret_tokens;
    reading->fault = ret_fault;
    reading->value_next = true;
    reading->depth = 1;
    reading->places[0] = (struct place_at){PLACE_STATEMENTS, TOKEN_NOWHERE};
    read_tokens(reading);
    if (ret_tokens->list != NULL) {
        ret_tokens->list[ret_tokens->count] = (struct token){.kind = TOKEN_END,
                                                             .start = (uint32_t)reading->at,
                                                             .mate = TOKEN_NOWHERE,
                                                             .parent = TOKEN_NOWHERE,
                                                             .new_line = true};
    }
    uint32_t open = opener_now(reading);
    if (!err_failed(reading->err) && open != TOKEN_NOWHERE) {
        reading->err =
            token_fault(ret_tokens, open, syntax, ret_fault, "this is opened and never closed");
    }
    return reading->err;
}

/* --- Questions -------------------------------------------------------------------------------- */

struct bytes token_text(const struct tokens *tokens, uint32_t at) {
    if (at >= tokens->count) {
        return BYTES("");
    }
    return (struct bytes){tokens->source.data + tokens->list[at].start, tokens->list[at].len};
}

enum token_kind token_kind(const struct tokens *tokens, uint32_t at) {
    return at < tokens->count ? (enum token_kind)tokens->list[at].kind : TOKEN_END;
}

bool token_is(const struct tokens *tokens, uint32_t at, const char *punct) {
    return token_kind(tokens, at) == TOKEN_PUNCT && bytes_is(token_text(tokens, at), punct);
}

bool token_is_any(const struct tokens *tokens, uint32_t at, const char *puncts) {
    return token_kind(tokens, at) == TOKEN_PUNCT && tokens->list[at].len == 1 &&
           strchr(puncts, token_text(tokens, at).data[0]) != NULL;
}

enum word token_word(const struct tokens *tokens, uint32_t at) {
    return at < tokens->count ? (enum word)tokens->list[at].word : WORD_NONE;
}

bool token_is_word(const struct tokens *tokens, uint32_t at, enum word word) {
    return token_word(tokens, at) == word;
}

bool token_is_variable_word(const struct tokens *tokens, uint32_t at) {
    enum word word = token_word(tokens, at);
    return word == WORD_CONST || word == WORD_LET || word == WORD_VAR;
}

bool token_is_free_name(const struct tokens *tokens, uint32_t at) {
    enum word word = token_word(tokens, at);
    return token_kind(tokens, at) == TOKEN_NAME && (word == WORD_NONE || word > WORD__RESERVED_END);
}

bool token_is_member(const struct tokens *tokens, uint32_t at) {
    return token_is(tokens, at - 1, ".") || token_is(tokens, at - 1, "?.");
}

bool token_same_line(const struct tokens *tokens, uint32_t at) {
    return at < tokens->count && !tokens->list[at].new_line;
}

bool token_begins(const struct tokens *tokens, uint32_t at) {
    return at == 0 || token_is_any(tokens, at - 1, ";}{") ||
           (!token_same_line(tokens, at) && !token_is_member(tokens, at));
}

bool token_ends_header(const struct tokens *tokens, uint32_t at) {
    uint32_t open = token_is(tokens, at, ")") ? tokens->list[at].mate : TOKEN_NOWHERE;
    switch (open == TOKEN_NOWHERE ? WORD_NONE : token_word(tokens, open - 1)) {
    case WORD_FOR:
    case WORD_IF:
    case WORD_SWITCH:
    case WORD_WHILE:
    case WORD_WITH:
        return true;
    case WORD_AWAIT:
        return token_is_word(tokens, open - 2, WORD_FOR);
    default:
        return false;
    }
}

uint32_t token_after(const struct tokens *tokens, uint32_t at) {
    uint32_t mate = at < tokens->count ? tokens->list[at].mate : TOKEN_NOWHERE;
    if (mate == TOKEN_NOWHERE || mate < at) {
        return at + 1;
    }
    /* The piece of a template that closes one bracket opens the next. */
    return tokens->list[mate].kind == TOKEN_TEMPLATE_MIDDLE ? mate : mate + 1;
}
