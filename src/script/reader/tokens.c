/* tokens.c: the list of tokens, and the questions that others ask of it. */
#include "script/reader/tokens.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "script/reader/tokens_inside.h"

/* --- Where something stands ------------------------------------------------------------------- */

/* "\r\n" ends one line. The separators beyond ASCII do not count: no editor counts them. */
void script__place(struct bytes source, size_t offset, struct script_fault *fault) {
    fault->line = 1;
    fault->column = 1;
    for (size_t i = 0; i < offset && i < source.len; i++) {
        unsigned char c = (unsigned char)source.data[i];
        bool pair = c == '\r' && i + 1 < source.len && source.data[i + 1] == '\n';
        if (c == '\n' || (c == '\r' && !pair)) {
            fault->line++;
            fault->column = 1;
        } else if ((c & 0xc0) != 0x80 && !pair) { /* Not the rest of a character. */
            fault->column++;
        }
    }
}

PRINTF_LIKE(4, 0)
static struct err fault_tell(struct bytes source, size_t offset, struct script_fault *ret_fault,
                             const char *format, va_list args) {
    (void)vsnprintf(ret_fault->message, sizeof ret_fault->message, format,
                    args); /* Cut at worst. */
    script__place(source, offset, ret_fault);
    return err_make(ERR_BAD_SCRIPT, "script: read");
}

struct err script__fault(struct bytes source, size_t offset, const char *code,
                         struct script_fault *ret_fault, const char *format, ...) {
    va_list args;
    va_start(args, format);
    ret_fault->code = code;
    struct err err = fault_tell(source, offset, ret_fault, format, args);
    va_end(args);
    return err;
}

struct err token_fault(const struct tokens *tokens, uint32_t at, const char *code,
                       struct script_fault *ret_fault, const char *format, ...) {
    va_list args;
    va_start(args, format);
    ret_fault->code = code;
    uint32_t known = at < tokens->count ? at : tokens->count;
    struct err err = fault_tell(tokens->source, tokens->list[known].start, ret_fault, format, args);
    va_end(args);
    return err;
}

/* --- Reading ---------------------------------------------------------------------------------- */

void tokens_done(struct tokens *tokens) {
    mem_free(tokens->list);
    *tokens = (struct tokens){0};
}

/* Room for one more and for the end. */
static struct err make_room(struct tokens *tokens) {
    if (tokens->count + 1 < tokens->size) {
        return ERR_OK;
    }
    uint32_t size = tokens->size == 0 ? 256 : 2 * tokens->size;
    struct token *list = mem_try_grow(tokens->list, size * sizeof *list);
    if (list == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "script: tokens");
    }
    tokens->list = list;
    tokens->size = size;
    return ERR_OK;
}

/* The '}' behind the inner code of a template goes on with its text. */
static struct err next_piece(struct reading *reading, struct token *ret_token) {
    size_t end = 0;
    enum template_end how = TEMPLATE_OVER;
    struct err err = tokens__scan_template(reading, reading->at + 1, &end, &how);
    if (!err_failed(err)) {
        ret_token->kind = how == TEMPLATE_CODE ? TOKEN_TEMPLATE_MIDDLE : TOKEN_TEMPLATE_CLOSE;
        ret_token->len = (uint32_t)(end - reading->at);
    }
    return err;
}

static struct err read_one(struct reading *reading) {
    struct tokens *tokens = reading->tokens;
    struct token token = {.start = (uint32_t)reading->at,
                          .mate = TOKEN_NOWHERE,
                          .parent = tokens__opener(reading),
                          .new_line = reading->new_line};
    bool piece =
        tokens->source.data[reading->at] == '}' && tokens__place(reading) == PLACE_TEMPLATE;
    struct err err = piece ? next_piece(reading, &token) : tokens__scan(reading, &token);
    if (err_failed(err)) {
        return err;
    }
    tokens->list[tokens->count++] = token;
    reading->at += token.len;
    reading->new_line = false;
    return tokens__enter(reading, tokens->count - 1);
}

static struct err read_all(struct reading *reading) {
    struct tokens *tokens = reading->tokens;
    for (;;) {
        struct err err = make_room(tokens);
        if (!err_failed(err)) {
            err = tokens__skip(reading);
        }
        if (err_failed(err) || reading->at == tokens->source.len) {
            return err;
        }
        err = read_one(reading);
        if (err_failed(err)) {
            return err;
        }
    }
}

static struct err check_closed(const struct reading *reading) {
    const struct tokens *tokens = reading->tokens;
    uint32_t open = tokens__opener(reading);
    return open == TOKEN_NOWHERE ? ERR_OK
                                 : token_fault(tokens, open, "syntax_error", reading->fault,
                                               "this is opened and never closed");
}

struct err tokens_read(struct bytes source, struct tokens *ret_tokens,
                       struct script_fault *ret_fault) {
    *ret_tokens = (struct tokens){.source = source};
    size_t valid = utf8_valid_len(source.data, source.len);
    if (valid < source.len) {
        return script__fault(source, valid, "syntax_error", ret_fault, "this is not UTF-8");
    }
    AUTO(mem_release) struct reading *reading = mem_new(sizeof *reading);
    reading->tokens = ret_tokens;
    reading->fault = ret_fault;
    reading->value_next = true;
    reading->depth = 1;
    reading->places[0] = (struct place_at){PLACE_STATEMENTS, TOKEN_NOWHERE};
    struct err err = read_all(reading);
    if (ret_tokens->list != NULL) {
        ret_tokens->list[ret_tokens->count] = (struct token){.kind = TOKEN_END,
                                                             .start = (uint32_t)reading->at,
                                                             .mate = TOKEN_NOWHERE,
                                                             .parent = TOKEN_NOWHERE,
                                                             .new_line = true};
    }
    return err_failed(err) ? err : check_closed(reading);
}

/* --- Questions -------------------------------------------------------------------------------- */

struct bytes token_text(const struct tokens *tokens, uint32_t at) {
    if (at >= tokens->count) {
        return BYTES("");
    }
    return (struct bytes){tokens->source.data + tokens->list[at].start, tokens->list[at].len};
}

bool token_is(const struct tokens *tokens, uint32_t at, const char *punct) {
    struct bytes text = token_text(tokens, at);
    return at < tokens->count && tokens->list[at].kind == TOKEN_PUNCT &&
           text.len == strlen(punct) && memcmp(text.data, punct, text.len) == 0;
}

enum word token_word(const struct tokens *tokens, uint32_t at) {
    return at < tokens->count ? (enum word)tokens->list[at].word : WORD_NONE;
}

bool token_is_word(const struct tokens *tokens, uint32_t at, enum word word) {
    return token_word(tokens, at) == word;
}

bool token_is_free_name(const struct tokens *tokens, uint32_t at) {
    enum word word = token_word(tokens, at);
    return at < tokens->count && tokens->list[at].kind == TOKEN_NAME &&
           (word == WORD_NONE || word > WORD__RESERVED_END);
}

bool token_is_member(const struct tokens *tokens, uint32_t at) {
    return token_is(tokens, at - 1, ".") || token_is(tokens, at - 1, "?.");
}

bool token_same_line(const struct tokens *tokens, uint32_t at) {
    return at < tokens->count && !tokens->list[at].new_line;
}

bool token_begins(const struct tokens *tokens, uint32_t at) {
    return at == 0 || token_is(tokens, at - 1, ";") || token_is(tokens, at - 1, "}") ||
           token_is(tokens, at - 1, "{") ||
           (!token_same_line(tokens, at) && !token_is_member(tokens, at));
}

uint32_t token_behind(const struct tokens *tokens, uint32_t at) {
    uint32_t mate = at < tokens->count ? tokens->list[at].mate : TOKEN_NOWHERE;
    if (mate == TOKEN_NOWHERE || mate < at) {
        return at + 1;
    }
    /* The piece of a template that closes one bracket opens the next. */
    return tokens->list[mate].kind == TOKEN_TEMPLATE_MIDDLE ? mate : mate + 1;
}
