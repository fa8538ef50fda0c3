/* place.c: see place.h. */
#include "script/worker/place.h"

#include <string.h>

#include "script/reader/syntax.h"

/* Reads a number backwards from the end, and the colon before it. */
static bool take_number(struct bytes *text, uint32_t *ret_number) {
    size_t at = text->len;
    uint64_t number = 0, scale = 1;
    while (at > 0 && text->data[at - 1] >= '0' && text->data[at - 1] <= '9' &&
           scale < 10000000000U) {
        number += (uint64_t)(text->data[--at] - '0') * scale;
        scale *= 10;
    }
    if (at == text->len || at == 0 || text->data[at - 1] != ':' || number > UINT32_MAX) {
        return false;
    }
    text->len = at - 1;
    *ret_number = (uint32_t)number;
    return true;
}

static bool holds(struct bytes text, const char *word) {
    assert(text.data != NULL);
    return memmem(text.data, text.len, word, strlen(word)) != NULL;
}

bool place_next(struct bytes *stack, struct bytes *ret_line, struct place *ret_place) {
    struct bytes line;
    while (bytes_next(stack, '\n', &line)) {
        if (line.len == 0 || holds(line, PLACE_PRELUDE) || holds(line, "(native)") ||
            holds(line, "at " PLACE_JSON ":")) {
            continue;
        }
        struct bytes rest = line;
        if (rest.data[rest.len - 1] == ')') {
            rest.len--;
        }
        struct place place = {0, 0};
        if (!take_number(&rest, &place.column) || !take_number(&rest, &place.line)) {
            place = (struct place){0, 0};
        }
        *ret_line = line;
        *ret_place = place;
        return true;
    }
    return false;
}

/* --- Loops ------------------------------------------------------------------------------------ */

static bool is_loop(const struct tokens *tokens, uint32_t at) {
    enum word word = token_is_member(tokens, at) ? WORD_NONE : token_word(tokens, at);
    return word == WORD_FOR || word == WORD_WHILE || word == WORD_DO;
}

static bool opens_function(const struct tokens *tokens, uint32_t at) {
    return token_is(tokens, at, "{") && syntax_opens_function(tokens, at);
}

/* The "{" of the innermost function around a token; TOKEN_NOWHERE: the script. */
static uint32_t function_around(const struct tokens *tokens, uint32_t at) {
    uint32_t open = at < tokens->count ? tokens->list[at].parent : TOKEN_NOWHERE;
    while (open != TOKEN_NOWHERE && !opens_function(tokens, open)) {
        open = tokens->list[open].parent;
    }
    return open;
}

/* The last token of a loop. */
static uint32_t loop_end(const struct tokens *tokens, uint32_t loop) {
    uint32_t at = loop + 1;
    at += token_is_word(tokens, at, WORD_AWAIT) ? 1 : 0;
    if (token_is(tokens, at, "(")) {
        at = token_after(tokens, at);
    }
    while (at < tokens->count && !token_is_any(tokens, at, ";}")) {
        if (token_is(tokens, at, "{")) {
            return tokens->list[at].mate;
        }
        at = token_after(tokens, at);
    }
    return at;
}

static size_t offset_of(struct bytes text, struct place at) {
    size_t offset = 0;
    for (uint32_t line = 1; line < at.line && offset < text.len; offset++) {
        line += text.data[offset] == '\n' ? 1 : 0;
    }
    return offset + (at.column > 0 ? at.column - 1 : 0);
}

/* The function that begins at a place. Its name, parameters and arrow stand before its body. The
 * engine gives the first column of its line for one that it has no place in yet. */
static uint32_t function_begun(const struct tokens *tokens, struct place at, uint32_t from) {
    for (uint32_t i = from; i < tokens->count; i = token_after(tokens, i)) {
        if (opens_function(tokens, i)) {
            return i;
        }
        enum token_kind kind = token_kind(tokens, i);
        if (!token_is(tokens, i, "(") && !token_is(tokens, i, "=>") && kind != TOKEN_NAME &&
            kind != TOKEN_PRIVATE) {
            break;
        }
    }
    size_t end = offset_of(tokens->source, (struct place){at.line + 1, 1});
    for (uint32_t i = from; at.column == 1 && i < tokens->count; i++) {
        if (tokens->list[i].start >= end) {
            break;
        }
        if (opens_function(tokens, i)) {
            return i;
        }
    }
    return TOKEN_NOWHERE;
}

struct place loops_find(struct bytes script, struct place at) {
    AUTO(tokens_done) struct tokens tokens;
    struct script_fault fault;
    if (tokens_read(script, &tokens, &fault).code == ERR_OUT_OF_MEMORY) {
        return at;
    } /* After any other error, the tokens before it are there. */
    uint32_t from = 0;
    for (size_t offset = offset_of(script, at);
         at.line > 0 && from < tokens.count && tokens.list[from].start < offset; from++) {
    }
    uint32_t function = function_around(&tokens, from);
    uint32_t begun = at.line == 0 ? TOKEN_NOWHERE : function_begun(&tokens, at, from);
    if (begun != TOKEN_NOWHERE) {
        function = from = begun;
    }
    for (uint32_t i = 0; i < tokens.count; i++) {
        if (!is_loop(&tokens, i) || function_around(&tokens, i) != function) {
            continue;
        }
        if (i >= from) {
            at = (struct place){1, 1};
            for (size_t k = 0; k < tokens.list[i].start; k++) {
                bool ends = script.data[k] == '\n';
                at = (struct place){at.line + ends, ends ? 1 : at.column + 1};
            }
            return at;
        }
        if (loop_end(&tokens, i) >= from) {
            return at; /* Inside of a loop already. */
        }
    }
    return at;
}
