/* typescript.c: what is TypeScript and could not be JavaScript, by its tokens. Generics are not
 * among it: `a<b>(c)` is two comparisons, too. */
#include <string.h>

#include "script/reader/refuse.h"

static bool is_name(const struct tokens *tokens, uint32_t at) {
    return at < tokens->count && tokens->list[at].kind == TOKEN_NAME;
}

/* A name on the same line: two names in a row are no expression. */
static bool name_follows(const struct tokens *tokens, uint32_t at) {
    return token_is_free_name(tokens, at + 1) && token_same_line(tokens, at + 1) &&
           !token_is_word(tokens, at + 1, WORD_OF) && !token_is_word(tokens, at + 1, WORD_AS);
}

/* What ends a value, for sure. */
static bool ends_value(const struct tokens *tokens, uint32_t at) {
    if (at >= tokens->count) {
        return false;
    }
    switch (tokens->list[at].kind) {
    case TOKEN_STRING:
    case TOKEN_NUMBER:
    case TOKEN_TEMPLATE:
    case TOKEN_TEMPLATE_CLOSE:
        return true;
    case TOKEN_NAME:
        return token_is_free_name(tokens, at) && !token_is_word(tokens, at, WORD_OF);
    default:
        return token_is(tokens, at, "]");
    }
}

static bool is_list_of_exports(const struct tokens *tokens, uint32_t at) {
    uint32_t open = tokens->list[at].parent;
    return open != TOKEN_NOWHERE && token_is(tokens, open, "{") &&
           token_is_word(tokens, open - 1, WORD_EXPORT);
}

static const char *cast(const struct tokens *tokens, uint32_t at) {
    bool value = ends_value(tokens, at - 1) || token_is(tokens, at - 1, ")") ||
                 token_is(tokens, at - 1, "}");
    bool type = token_is_free_name(tokens, at + 1) || token_is_word(tokens, at + 1, WORD_CONST) ||
                token_is_word(tokens, at + 1, WORD_TYPEOF);
    bool sure = value && type && token_same_line(tokens, at) && token_same_line(tokens, at + 1) &&
                !is_list_of_exports(tokens, at);
    return sure ? "a cast with `as` or `satisfies`" : NULL;
}

/* `declare`, `abstract`: what follows is another declaration. */
static bool is_prefix(const struct tokens *tokens, uint32_t at) {
    return is_name(tokens, at + 1) && token_same_line(tokens, at + 1) &&
           token_word(tokens, at + 1) > WORD__BEFORE_VALUE_END;
}

static const char *declaration(const struct tokens *tokens, uint32_t at) {
    bool named = token_begins(tokens, at) || token_is_word(tokens, at - 1, WORD_EXPORT);
    named = named && name_follows(tokens, at);
    bool assigned = token_is(tokens, at + 2, "=") || token_is(tokens, at + 2, "<");
    switch (token_word(tokens, at)) {
    case WORD_INTERFACE:
        return named ? "an interface" : NULL;
    case WORD_TYPE:
        return named && assigned ? "a declaration of a type" : NULL;
    case WORD_NAMESPACE:
        return named && token_is(tokens, at + 2, "{") ? "a namespace" : NULL;
    case WORD_ABSTRACT:
    case WORD_DECLARE:
        return is_prefix(tokens, at) ? "a declaration" : NULL;
    default:
        return NULL;
    }
}

static const char *by_word(const struct tokens *tokens, uint32_t at) {
    if (token_is_member(tokens, at)) {
        return NULL;
    }
    switch (token_word(tokens, at)) {
    case WORD_AS:
    case WORD_SATISFIES:
        return cast(tokens, at);
    case WORD_ENUM:
        return name_follows(tokens, at) && token_is(tokens, at + 2, "{") ? "an enum" : NULL;
    case WORD_PRIVATE:
    case WORD_PROTECTED:
    case WORD_PUBLIC:
    case WORD_READONLY:
        return name_follows(tokens, at) ? "a member that says who may use it" : NULL;
    default:
        return declaration(tokens, at);
    }
}

/* `(a: T` and `, a?: T` in round brackets; `const a: T`. */
static bool is_annotated(const struct tokens *tokens, uint32_t at) {
    uint32_t open = tokens->list[at].parent;
    bool parameter = open != TOKEN_NOWHERE && token_is(tokens, open, "(") &&
                     (token_is(tokens, at - 1, "(") || token_is(tokens, at - 1, ","));
    enum word before = token_word(tokens, at - 1);
    bool variable = before == WORD_CONST || before == WORD_LET || before == WORD_VAR;
    return (parameter || variable) && token_is(tokens, at + 1, ":");
}

static bool is_optional(const struct tokens *tokens, uint32_t at) {
    return token_is(tokens, at + 1, "?") &&
           (token_is(tokens, at + 2, ":") || token_is(tokens, at + 2, ")") ||
            token_is(tokens, at + 2, ","));
}

/* `function f(…): T` */
static bool is_returned(const struct tokens *tokens, uint32_t at) {
    uint32_t open = tokens->list[at].mate;
    if (open == TOKEN_NOWHERE || !token_is(tokens, at, ")") || !token_is(tokens, at + 1, ":")) {
        return false;
    }
    uint32_t head = is_name(tokens, open - 1) && !token_is_word(tokens, open - 1, WORD_FUNCTION)
                        ? open - 2
                        : open - 1;
    return token_is_word(tokens, head, WORD_FUNCTION) && !token_is_member(tokens, head);
}

static bool is_asserted(const struct tokens *tokens, uint32_t at) {
    static const char *const ends[] = {".", ")", ";", ","};
    if (!token_is(tokens, at, "!") || !token_same_line(tokens, at)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        if (token_is(tokens, at + 1, ends[i])) {
            return ends_value(tokens, at - 1) || token_is(tokens, at - 1, ")");
        }
    }
    return false;
}

const char *typescript_at(const struct tokens *tokens, uint32_t at) {
    if (token_is_free_name(tokens, at) && is_annotated(tokens, at)) {
        return "the type of a variable or parameter";
    }
    if (token_is_free_name(tokens, at) && is_optional(tokens, at)) {
        return "an optional parameter or member";
    }
    if (tokens->list[at].kind == TOKEN_NAME) {
        return by_word(tokens, at);
    }
    if (is_returned(tokens, at)) {
        return "the type that a function returns";
    }
    return is_asserted(tokens, at) ? "an assertion with `!`" : NULL;
}
