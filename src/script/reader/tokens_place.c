/* tokens_place.c: brackets, and whether a value may come next.
 *
 * A '/' divides behind a value and begins a pattern elsewhere. What decides is the token before,
 * but for ')' and '}': behind the head of an `if` or a block a statement begins, behind a call or
 * an object an operator follows. So each bracket keeps what it is of. The grammar has places where
 * this is not enough; none of them is written by people or minifiers.
 */
#include <string.h>

#include "script/reader/tokens_inside.h"

static const char syntax[] = "syntax_error";

enum place tokens__place(const struct reading *reading) {
    return (enum place)reading->places[reading->depth - 1].place;
}

uint32_t tokens__opener(const struct reading *reading) {
    unsigned depth = reading->depth;
    while (depth > 1 && reading->places[depth - 1].place >= PLACE_DECLARATION) {
        depth--;
    }
    return reading->places[depth - 1].opener;
}

static struct err push(struct reading *reading, enum place place, uint32_t opener) {
    bool head = place >= PLACE_DECLARATION;
    if (reading->depth == PLACES_MAX || (!head && reading->nesting == SCRIPT_NEST_MAX)) {
        return token_fault(reading->tokens, opener, syntax, reading->fault,
                           "this is nested too deeply: at most %d brackets within each other",
                           SCRIPT_NEST_MAX);
    }
    reading->nesting += head ? 0 : 1;
    reading->places[reading->depth++] = (struct place_at){(uint8_t)place, opener};
    return ERR_OK;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static bool is_class_or_function(enum place place) {
    return place == PLACE_DECLARATION || place == PLACE_EXPRESSION;
}

/* Behind these words stands a block, whatever else an expression could do there. */
static bool opens_block(enum word word) {
    return word == WORD_ELSE || word == WORD_DO || word == WORD_TRY || word == WORD_FINALLY ||
           word == WORD_CATCH || word == WORD_STATIC;
}

static bool brace_is_block(const struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    enum place place = tokens__place(reading);
    enum word word = token_is_member(tokens, at - 1) ? WORD_NONE : token_word(tokens, at - 1);
    if (is_class_or_function(place) || at == 0 || opens_block(word)) {
        return true;
    }
    if (word == WORD_RETURN) {
        return !token_same_line(tokens, at);
    }
    if (token_is(tokens, at - 1, ":") || token_is(tokens, at - 1, "{")) {
        return place == PLACE_STATEMENTS;
    }
    if (token_is(tokens, at - 1, ";") || token_is(tokens, at - 1, "=>") ||
        token_is(tokens, at - 1, ")") || token_is(tokens, at - 1, "}")) {
        return true;
    }
    return !reading->value_next && tokens->list[at - 1].kind != TOKEN_NAME;
}

static bool opens_head(const struct tokens *tokens, uint32_t at) {
    if (at == 0 || token_is_member(tokens, at - 1)) {
        return false;
    }
    enum word word = token_word(tokens, at - 1);
    return word == WORD_IF || word == WORD_FOR || word == WORD_WHILE || word == WORD_WITH ||
           (word == WORD_AWAIT && token_is_word(tokens, at - 2, WORD_FOR));
}

static struct err open_bracket(struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    enum place place = PLACE_TEMPLATE;
    if (token_is(tokens, at, "{")) {
        place = brace_is_block(reading, at) ? PLACE_STATEMENTS : PLACE_MEMBERS;
    } else if (token_is(tokens, at, "(")) {
        place = opens_head(tokens, at) ? PLACE_HEAD : PLACE_PAREN;
    } else if (token_is(tokens, at, "[")) {
        place = PLACE_BRACKET;
    }
    reading->value_next = true;
    return push(reading, place, at);
}

/* --- Closing ---------------------------------------------------------------------------------- */

static bool fits(enum place place, char closing) {
    switch (closing) {
    case ')':
        return place == PLACE_HEAD || place == PLACE_PAREN;
    case ']':
        return place == PLACE_BRACKET;
    default:
        return place == PLACE_STATEMENTS || place == PLACE_MEMBERS;
    }
}

static const char *closing_of(enum place place) {
    return place == PLACE_BRACKET ? "]" : place == PLACE_HEAD || place == PLACE_PAREN ? ")" : "}";
}

/* Heads whose body never came (a declaration without one, in another language) end with what they
 * stand in. */
static void drop_heads(struct reading *reading) {
    while (is_class_or_function(tokens__place(reading))) {
        reading->depth--;
    }
}

static struct err close_bracket(struct reading *reading, uint32_t at) {
    struct tokens *tokens = reading->tokens;
    char closing = token_text(tokens, at).data[0];
    drop_heads(reading);
    enum place place = tokens__place(reading);
    if (reading->depth == 1) {
        return token_fault(tokens, at, syntax, reading->fault, "nothing is open that this closes");
    }
    if (!fits(place, closing)) {
        return token_fault(tokens, at, syntax, reading->fault,
                           "\"%c\" where \"%s\" must come first", closing, closing_of(place));
    }
    struct place_at ended = reading->places[--reading->depth];
    reading->nesting--;
    tokens->list[at].mate = ended.opener;
    tokens->list[ended.opener].mate = at;
    tokens->list[at].parent = tokens->list[ended.opener].parent;
    bool body = place == PLACE_STATEMENTS && is_class_or_function(tokens__place(reading));
    reading->value_next = place == PLACE_HEAD || place == PLACE_STATEMENTS;
    if (body) {
        reading->value_next = tokens__place(reading) == PLACE_DECLARATION;
        reading->depth--;
    }
    return ERR_OK;
}

static void next_piece(struct reading *reading, uint32_t at) {
    struct tokens *tokens = reading->tokens;
    struct place_at *template = &reading->places[reading->depth - 1];
    tokens->list[at].parent = tokens->list[template->opener].parent;
    tokens->list[template->opener].mate = at;
    if (tokens->list[at].kind == TOKEN_TEMPLATE_MIDDLE) {
        template->opener = at;
        reading->value_next = true;
        return;
    }
    tokens->list[at].mate = template->opener;
    reading->depth--;
    reading->nesting--;
    reading->value_next = false;
}

/* --- Words and signs -------------------------------------------------------------------------- */

/* Of `function` and `class`: whether it stands where a statement may. */
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
    enum place place = tokens__place(reading);
    if (token_is(tokens, before, ";") || token_is(tokens, before, ":") ||
        token_is(tokens, before, "{")) {
        return place == PLACE_STATEMENTS;
    }
    return token_is(tokens, before, "}") || token_is(tokens, before, ")") ||
           !token_same_line(tokens, before + 1);
}

static bool value_follows(const struct reading *reading, uint32_t at, enum word word) {
    if (word == WORD_OF) { /* for (x of /…/) */
        return !reading->value_next && tokens__place(reading) == PLACE_HEAD;
    }
    return word > WORD_NONE && word < WORD__BEFORE_VALUE_END;
}

static struct err enter_name(struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    enum word word = token_is_member(tokens, at) ? WORD_NONE : token_word(tokens, at);
    bool key = token_is(tokens, at - 1, "{") || token_is(tokens, at - 1, ",");
    if ((word == WORD_FUNCTION || word == WORD_CLASS) &&
        !(key && tokens__place(reading) == PLACE_MEMBERS)) {
        enum place place = is_declaration(reading, at) ? PLACE_DECLARATION : PLACE_EXPRESSION;
        reading->value_next = false;
        return push(reading, place, at);
    }
    reading->value_next = value_follows(reading, at, word);
    return ERR_OK;
}

static struct err enter_punct(struct reading *reading, uint32_t at) {
    const struct tokens *tokens = reading->tokens;
    switch (token_text(tokens, at).data[0]) {
    case '(':
    case '[':
    case '{':
        return open_bracket(reading, at);
    case ')':
    case ']':
    case '}':
        return close_bracket(reading, at);
    case ':': /* `{function: 1}` */
        drop_heads(reading);
        break;
    default:
        break;
    }
    /* `a++ / b` and `++/x/`: as before. */
    if (!token_is(tokens, at, "++") && !token_is(tokens, at, "--")) {
        reading->value_next = true;
    }
    return ERR_OK;
}

struct err tokens__enter(struct reading *reading, uint32_t at) {
    switch (reading->tokens->list[at].kind) {
    case TOKEN_PUNCT:
        return enter_punct(reading, at);
    case TOKEN_NAME:
        return enter_name(reading, at);
    case TOKEN_TEMPLATE_OPEN:
        return open_bracket(reading, at);
    case TOKEN_TEMPLATE_MIDDLE:
    case TOKEN_TEMPLATE_CLOSE:
        next_piece(reading, at);
        return ERR_OK;
    default:
        reading->value_next = false;
        return ERR_OK;
    }
}
