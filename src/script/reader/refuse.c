/* refuse.c: imports, `require`, timers. */
#include "script/reader/refuse.h"

#include <string.h>

/* --- Names that the file declares ------------------------------------------------------------- */

static bool declares_by_word(const struct tokens *tokens, uint32_t at) {
    switch (token_word(tokens, at - 1)) {
    case WORD_CONST:
    case WORD_LET:
    case WORD_VAR:
    case WORD_FUNCTION:
    case WORD_CLASS:
        return true;
    default:
        return token_is(tokens, at - 1, "*") && token_is_word(tokens, at - 2, WORD_FUNCTION);
    }
}

/* Behind `at` ends a binding of a list: of parameters, or of a pattern. */
static bool ends_binding(const struct tokens *tokens, uint32_t at) {
    static const char *const ends[] = {",", ")", "]", "}"};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        if (token_is(tokens, at, ends[i])) {
            return true;
        }
    }
    return false;
}

/* It stands in brackets that may be parameters or a pattern. */
static bool in_bindings(const struct tokens *tokens, uint32_t at) {
    for (uint32_t open = tokens->list[at].parent; open != TOKEN_NOWHERE;
         open = tokens->list[open].parent) {
        uint32_t behind = tokens->list[open].mate + 1;
        if (tokens->list[open].mate == TOKEN_NOWHERE) {
            return false;
        }
        if (token_is(tokens, open, "(")) {
            return token_is(tokens, behind, "=>") || token_is(tokens, behind, "{");
        }
        if (token_is(tokens, behind, "=") || token_is_word(tokens, behind, WORD_OF)) {
            return true;
        }
    }
    return false;
}

bool script_declares(const struct tokens *tokens, enum word word) {
    unsigned climbs = 0;
    for (uint32_t at = 0; at < tokens->count; at++) {
        if (!token_is_word(tokens, at, word) || token_is_member(tokens, at)) {
            continue;
        }
        if (declares_by_word(tokens, at) || token_is(tokens, at + 1, "=") ||
            token_is(tokens, at + 1, "=>")) {
            return true;
        }
        /* Climbing costs as much as brackets are nested: after a few, doubt is enough. */
        if (ends_binding(tokens, at + 1) && (++climbs > 64 || in_bindings(tokens, at))) {
            return true;
        }
    }
    return false;
}

/* --- Refusals --------------------------------------------------------------------------------- */

/* `name(…) {` in an object or a class. */
static bool is_method(const struct tokens *tokens, uint32_t at) {
    return tokens->list[at].parent != TOKEN_NOWHERE &&
           token_is(tokens, tokens->list[at].parent, "{") && token_is(tokens, at + 1, "(") &&
           token_is(tokens, token_behind(tokens, at + 1), "{");
}

static bool is_call(const struct tokens *tokens, uint32_t at) {
    return token_is(tokens, at + 1, "(") && !token_is_member(tokens, at) &&
           !is_method(tokens, at) && !token_is_word(tokens, at - 1, WORD_FUNCTION) &&
           !token_is(tokens, at - 1, "*");
}

static struct err refuse_import(const struct tokens *tokens, uint32_t at,
                                struct script_fault *ret_fault) {
    if (token_is_member(tokens, at) || token_is(tokens, at + 1, ":") || is_method(tokens, at)) {
        return ERR_OK;
    }
    const char *what = token_is(tokens, at + 1, "(")   ? "import(…)"
                       : token_is(tokens, at + 1, ".") ? "import.meta"
                                                       : "import";
    return token_fault(tokens, at, "import", ret_fault,
                       "%s: a workflow script is one file and cannot import; what needs a module is"
                       " work for an agent",
                       what);
}

struct unwanted {
    enum word word;
    const char *code, *text;
};
static const struct unwanted unwanted[] = {
    {WORD_REQUIRE, "import",
     "require(…): a workflow script is one file and cannot import; what needs a module is work for"
     " an agent"},
    {WORD_SET_TIMEOUT, "timer",
     "setTimeout: a workflow script has no timers, since a replay could not repeat them"},
    {WORD_SET_INTERVAL, "timer",
     "setInterval: a workflow script has no timers, since a replay could not repeat them"},
    {WORD_SET_IMMEDIATE, "timer",
     "setImmediate: a workflow script has no timers, since a replay could not repeat them"},
};

/* What the file declares under one of these names is its own: looked up at most once for each. */
struct known {
    bool asked[COUNT_OF(unwanted)], declared[COUNT_OF(unwanted)];
};

static struct err refuse_call(const struct tokens *tokens, uint32_t at, struct known *known,
                              struct script_fault *ret_fault) {
    for (size_t i = 0; i < COUNT_OF(unwanted); i++) {
        if (!token_is_word(tokens, at, unwanted[i].word) || !is_call(tokens, at)) {
            continue;
        }
        if (!known->asked[i]) {
            known->asked[i] = true;
            known->declared[i] = script_declares(tokens, unwanted[i].word);
        }
        if (!known->declared[i]) {
            return token_fault(tokens, at, unwanted[i].code, ret_fault, "%s", unwanted[i].text);
        }
    }
    return ERR_OK;
}

struct err refuse_foreign(const struct tokens *tokens, struct script_fault *ret_fault) {
    struct known known = {.asked = {false}};
    for (uint32_t at = 0; at < tokens->count; at++) {
        struct err err = ERR_OK;
        enum word word = token_word(tokens, at);
        if (word == WORD_IMPORT) {
            err = refuse_import(tokens, at, ret_fault);
        } else if (word > WORD__RESERVED_END) {
            err = refuse_call(tokens, at, &known, ret_fault);
        }
        const char *typescript = err_failed(err) ? NULL : typescript_at(tokens, at);
        if (typescript != NULL) {
            err = token_fault(tokens, at, "typescript", ret_fault,
                              "%s: workflow scripts are plain JavaScript, not TypeScript",
                              typescript);
        }
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}
