/* refuse.c: what no workflow script may hold: imports, and TypeScript as far as its tokens could
 * not be JavaScript. Generics are not refused: `a<b>(c)` is two comparisons, too.
 */
#include "script/reader/refuse.h"

#include <stdio.h>
#include <string.h>

#include "script/reader/read.h"
#include "script/reader/syntax.h"

/* --- TypeScript ------------------------------------------------------------------------------- */

/* A name on the same line: two names in a row are no expression. */
static bool name_follows(const struct tokens *tokens, uint32_t at) {
    return token_is_free_name(tokens, at + 1) && token_same_line(tokens, at + 1) &&
           !token_is_word(tokens, at + 1, WORD_OF) && !token_is_word(tokens, at + 1, WORD_AS);
}

/* A value ends with this token, for sure. */
static bool ends_value(const struct tokens *tokens, uint32_t at) {
    switch (token_kind(tokens, at)) {
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

static bool is_cast(const struct tokens *tokens, uint32_t at) {
    uint32_t open = tokens->list[at].parent;
    bool exported = open != TOKEN_NOWHERE && token_is(tokens, open, "{") &&
                    token_is_word(tokens, open - 1, WORD_EXPORT);
    bool value = ends_value(tokens, at - 1) || token_is_any(tokens, at - 1, ")}");
    bool type = token_is_free_name(tokens, at + 1) || token_is_word(tokens, at + 1, WORD_CONST) ||
                token_is_word(tokens, at + 1, WORD_TYPEOF);
    return value && type && !exported && token_same_line(tokens, at) &&
           token_same_line(tokens, at + 1);
}

/* A declaration that begins with this word. */
static const char *typescript_declaration(const struct tokens *tokens, uint32_t at) {
    bool named = (token_begins(tokens, at) || token_is_word(tokens, at - 1, WORD_EXPORT)) &&
                 name_follows(tokens, at);
    bool braced = token_is(tokens, at + 2, "{");
    bool assigned = token_is(tokens, at + 2, "=") || token_is(tokens, at + 2, "<");
    switch (token_word(tokens, at)) {
    case WORD_ENUM:
        return name_follows(tokens, at) && braced ? "an enum" : NULL;
    case WORD_INTERFACE:
        return named ? "an interface" : NULL;
    case WORD_TYPE:
        return named && assigned ? "a declaration of a type" : NULL;
    case WORD_NAMESPACE:
        return named && braced ? "a namespace" : NULL;
    default:
        return NULL;
    }
}

static const char *typescript_word(const struct tokens *tokens, uint32_t at) {
    switch (token_is_member(tokens, at) ? WORD_NONE : token_word(tokens, at)) {
    case WORD_AS:
    case WORD_SATISFIES:
        return is_cast(tokens, at) ? "a cast with `as` or `satisfies`" : NULL;
    case WORD_PRIVATE:
    case WORD_PROTECTED:
    case WORD_PUBLIC:
    case WORD_READONLY:
        return name_follows(tokens, at) ? "a member that says who may use it" : NULL;
    case WORD_ABSTRACT: /* Another declaration follows. */
    case WORD_DECLARE:
        return token_kind(tokens, at + 1) == TOKEN_NAME && token_same_line(tokens, at + 1) &&
                       token_word(tokens, at + 1) > WORD__BEFORE_VALUE_END
                   ? "a declaration"
                   : NULL;
    case WORD_NONE:
        return NULL;
    default:
        return typescript_declaration(tokens, at);
    }
}

/* The ")" at `at` ends the parameters of `function f(…): T`. */
static bool is_typed_function(const struct tokens *tokens, uint32_t at) {
    uint32_t open = tokens->list[at].mate;
    if (open == TOKEN_NOWHERE || !token_is(tokens, at, ")") || !token_is(tokens, at + 1, ":")) {
        return false;
    }
    bool named = token_kind(tokens, open - 1) == TOKEN_NAME &&
                 !token_is_word(tokens, open - 1, WORD_FUNCTION);
    uint32_t head = open - (named ? 2 : 1);
    return token_is_word(tokens, head, WORD_FUNCTION) && !token_is_member(tokens, head);
}

/* The sentence for what is TypeScript at this token; NULL: it is not, as far as one can tell. */
static const char *typescript_at(const struct tokens *tokens, uint32_t at) {
    uint32_t open = tokens->list[at].parent;
    if (token_is_free_name(tokens, at)) { /* `(a: T` and `, a?: T` in brackets; `const a: T` */
        bool parameter = open != TOKEN_NOWHERE && token_is(tokens, open, "(") &&
                         token_is_any(tokens, at - 1, "(,");
        if ((parameter || token_is_variable_word(tokens, at - 1)) &&
            token_is(tokens, at + 1, ":")) {
            return "the type of a variable or parameter";
        }
        if (token_is(tokens, at + 1, "?") && token_is_any(tokens, at + 2, ":),")) {
            return "an optional parameter or member";
        }
    }
    if (token_kind(tokens, at) == TOKEN_NAME) {
        return typescript_word(tokens, at);
    }
    if (is_typed_function(tokens, at)) {
        return "the type that a function returns";
    }
    bool asserted = token_is(tokens, at, "!") && token_same_line(tokens, at) &&
                    token_is_any(tokens, at + 1, ".);,") &&
                    (ends_value(tokens, at - 1) || token_is(tokens, at - 1, ")"));
    return asserted ? "an assertion with `!`" : NULL;
}

/* --- Refusals --------------------------------------------------------------------------------- */

struct err refuse_foreign(const struct tokens *tokens, struct script_fault *ret_fault) {
    for (uint32_t at = 0; at < tokens->count; at++) {
        bool free = !token_is_member(tokens, at) && !syntax_is_method(tokens, at);
        if (token_is_word(tokens, at, WORD_IMPORT) && free && !token_is(tokens, at + 1, ":")) {
            return token_fault(tokens, at, "import", ret_fault,
                               "%s: a workflow script is one file and cannot import; what needs a"
                               " module is work for an agent",
                               token_is(tokens, at + 1, "(")   ? "import(…)"
                               : token_is(tokens, at + 1, ".") ? "import.meta"
                                                               : "import");
        }
        const char *typescript = typescript_at(tokens, at);
        if (typescript != NULL) {
            return token_fault(tokens, at, "typescript", ret_fault,
                               "%s: workflow scripts are plain JavaScript, not TypeScript",
                               typescript);
        }
    }
    return ERR_OK;
}
