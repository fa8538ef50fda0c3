/* syntax.c: see syntax.h. */
#include "script/reader/syntax.h"

bool syntax_is_method(const struct tokens *tokens, uint32_t at) {
    return tokens->list[at].parent != TOKEN_NOWHERE &&
           token_is(tokens, tokens->list[at].parent, "{") && token_is(tokens, at + 1, "(") &&
           token_is(tokens, token_after(tokens, at + 1), "{");
}

bool syntax_is_parameters(const struct tokens *tokens, uint32_t open) {
    const uint32_t close = token_is(tokens, open, "(") ? tokens->list[open].mate : TOKEN_NOWHERE;
    return close != TOKEN_NOWHERE &&
           (token_is(tokens, close + 1, "=>") ||
            (token_is(tokens, close + 1, "{") && !token_ends_header(tokens, close)));
}

bool syntax_opens_function(const struct tokens *tokens, uint32_t open) {
    const uint32_t head = token_is(tokens, open - 1, ")") ? tokens->list[open - 1].mate : open;
    return token_is(tokens, open - 1, "=>") ||
           (token_is(tokens, open, "{") && syntax_is_parameters(tokens, head) &&
            !token_is_word(tokens, head - 1, WORD_CATCH));
}

uint32_t syntax_arrow_body(const struct tokens *tokens, uint32_t at) {
    at += token_is_word(tokens, at, WORD_ASYNC) ? 1 : 0;
    bool takes = token_is(tokens, at, "(") || token_is_free_name(tokens, at);
    uint32_t arrow = token_after(tokens, at);
    return takes && token_is(tokens, arrow, "=>") ? arrow + 1 : TOKEN_NOWHERE;
}

bool syntax_ends_value(const struct tokens *tokens, uint32_t at) {
    enum word word = token_word(tokens, at);
    switch (token_kind(tokens, at)) {
    case TOKEN_NAME:
        return word == WORD_NONE || word > WORD__RESERVED_END || word == WORD_TRUE ||
               word == WORD_FALSE || word == WORD_NULL || word == WORD_THIS || word == WORD_BREAK ||
               word == WORD_CONTINUE || word == WORD_RETURN;
    case TOKEN_PUNCT:
        return token_is(tokens, at, "]") || token_is(tokens, at, "++") ||
               token_is(tokens, at, "--") ||
               (token_is(tokens, at, ")") && !token_ends_header(tokens, at));
    default:
        return token_kind(tokens, at) != TOKEN_END;
    }
}

/* The name stands in brackets that may be parameters or a pattern. */
static bool in_bindings(const struct tokens *tokens, uint32_t at) {
    for (uint32_t open = tokens->list[at].parent; open != TOKEN_NOWHERE;
         open = tokens->list[open].parent) {
        uint32_t after = tokens->list[open].mate + 1;
        if (tokens->list[open].mate == TOKEN_NOWHERE) {
            return false;
        }
        if (token_is(tokens, open, "(")) {
            return syntax_is_parameters(tokens, open);
        }
        if (token_is(tokens, after, "=") || token_is_word(tokens, after, WORD_OF)) {
            return true;
        }
    }
    return false;
}

bool syntax_declares(const struct tokens *tokens, enum word word) {
    unsigned climbs = 0;
    for (uint32_t at = 0; at < tokens->count; at++) {
        if (!token_is_word(tokens, at, word) || token_is_member(tokens, at) ||
            token_is_word(tokens, at - 1, WORD_TYPEOF)) {
            continue;
        }
        enum word before = token_word(tokens, at - 1);
        if (token_is_variable_word(tokens, at - 1) || before == WORD_FUNCTION ||
            before == WORD_CLASS ||
            (token_is(tokens, at - 1, "*") && token_is_word(tokens, at - 2, WORD_FUNCTION)) ||
            token_is(tokens, at + 1, "=") || token_is(tokens, at + 1, "=>")) {
            return true;
        }
        /* A binding of a list of parameters, or of a pattern, ends here. Climbing costs as much as
         * brackets are nested: after a few, doubt is enough. */
        if (token_is_any(tokens, at + 1, ",)]}") && (++climbs > 64 || in_bindings(tokens, at))) {
            return true;
        }
    }
    return false;
}
