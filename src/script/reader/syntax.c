/* syntax.c: see syntax.h. */
#include "script/reader/syntax.h"

bool syntax_is_method(const struct tokens *tokens, uint32_t at) {
    return tokens->list[at].parent != TOKEN_NOWHERE &&
           token_is(tokens, tokens->list[at].parent, "{") && token_is(tokens, at + 1, "(") &&
           token_is(tokens, token_after(tokens, at + 1), "{");
}

/* The "(" at `open` opens the parameters of a function, or the name of a catch: `(…) =>`, `(…) {`.
 * The head of a statement is none. */
static bool is_parameters(const struct tokens *tokens, uint32_t open) {
    const uint32_t close = token_is(tokens, open, "(") ? tokens->list[open].mate : TOKEN_NOWHERE;
    return close != TOKEN_NOWHERE &&
           (token_is(tokens, close + 1, "=>") ||
            (token_is(tokens, close + 1, "{") && !token_ends_header(tokens, close)));
}

bool syntax_opens_function(const struct tokens *tokens, uint32_t open) {
    const uint32_t head = token_is(tokens, open - 1, ")") ? tokens->list[open - 1].mate : open;
    return token_is(tokens, open - 1, "=>") ||
           (token_is(tokens, open, "{") && is_parameters(tokens, head) &&
            !token_is_word(tokens, head - 1, WORD_CATCH));
}

uint32_t syntax_arrow_body(const struct tokens *tokens, uint32_t at) {
    at += token_is_word(tokens, at, WORD_ASYNC) ? 1 : 0;
    bool takes = token_is(tokens, at, "(") || token_is_free_name(tokens, at);
    uint32_t arrow = token_after(tokens, at);
    return takes && token_is(tokens, arrow, "=>") ? arrow + 1 : TOKEN_NOWHERE;
}
