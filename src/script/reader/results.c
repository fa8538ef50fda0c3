/* results.c: mistakes with the promise of agent() and its kin, and with its result: a promise that
 * nothing can await, and `.ok` and `.output`, which results of another host have.
 *
 * Only what tokens prove is noted. A variable counts if its name is declared once in the file, and
 * is no parameter of anything: then each use of the name is one of the variable. */
#include <string.h>

#include "script/reader/literal.h"
#include "script/reader/refuse.h"

/* A call, from its first token to the one after its ")". */
struct expression {
    uint32_t first, after;
};

/* --- Its place -------------------------------------------------------------------------------- */

/* A value ends with this token, so that a line's end after it may end the statement. */
static bool ends_statement(const struct tokens *tokens, uint32_t at) {
    enum word word = token_word(tokens, at);
    switch (token_kind(tokens, at)) {
    case TOKEN_NAME:
        return word == WORD_NONE || word > WORD__RESERVED_END || word == WORD_TRUE ||
               word == WORD_FALSE || word == WORD_NULL || word == WORD_THIS;
    case TOKEN_PUNCT:
        return token_is_any(tokens, at, ")]}");
    case TOKEN_END:
        return false;
    default:
        return true;
    }
}

static bool begins_statement(const struct tokens *tokens, uint32_t at) {
    enum word before = token_word(tokens, at - 1);
    return at == 0 || token_is_any(tokens, at - 1, ";{}") || token_ends_header(tokens, at - 1) ||
           before == WORD_ELSE || before == WORD_DO ||
           (!token_same_line(tokens, at) && ends_statement(tokens, at - 1));
}

/* The statement ends before this token. */
static bool follows_statement(const struct tokens *tokens, uint32_t at) {
    enum token_kind kind = token_kind(tokens, at);
    enum word word = token_word(tokens, at);
    bool begins = (kind == TOKEN_NAME && word != WORD_IN && word != WORD_INSTANCEOF) ||
                  kind == TOKEN_STRING || kind == TOKEN_NUMBER;
    return kind == TOKEN_END || token_is_any(tokens, at, ";}") ||
           (begins && !token_same_line(tokens, at));
}

/* `const NAME = CALL;`: the token of NAME. */
static uint32_t variable_of(const struct tokens *tokens, const struct expression *call) {
    uint32_t name = call->first - 2;
    return token_is(tokens, call->first - 1, "=") && token_is_free_name(tokens, name) &&
                   token_is_variable_word(tokens, name - 1) &&
                   follows_statement(tokens, call->after)
               ? name
               : TOKEN_NOWHERE;
}

/* --- Uses of a variable ----------------------------------------------------------------------- */

/* A parameter, the name of a catch, or bound by a pattern: in brackets before "=>", "{" or "=". */
static bool may_bind(const struct tokens *tokens, uint32_t at) {
    for (uint32_t open = tokens->list[at].parent; open != TOKEN_NOWHERE;
         open = tokens->list[open].parent) {
        uint32_t after = tokens->list[open].mate + 1;
        if (token_is(tokens, open, "(") &&
            (token_is(tokens, after, "=>") ||
             (token_is(tokens, after, "{") && !token_ends_header(tokens, after - 1)))) {
            return true;
        }
        if (!token_is_any(tokens, open, "([{") || token_is(tokens, open - 1, "=>")) {
            return false;
        }
        if (!token_is(tokens, open, "(") && token_is(tokens, after, "=")) {
            return true;
        }
    }
    return false;
}

/* The next use of the variable at `name`. TOKEN_NOWHERE: there are no more. *ret_doubt: the name
 * may be that of something else, too. */
static uint32_t use_next(const struct tokens *tokens, uint32_t name, uint32_t at, bool *ret_doubt) {
    const struct bytes text = token_text(tokens, name);
    for (at++; at < tokens->count; at++) {
        if (at == name || token_is_member(tokens, at) ||
            !bytes_equal(token_text(tokens, at), text)) {
            continue;
        }
        bool key = token_is(tokens, at + 1, ":") && token_is_any(tokens, at - 1, "{,");
        *ret_doubt |= token_is_variable_word(tokens, at - 1) || token_is(tokens, at + 1, "=") ||
                      token_is(tokens, at + 1, "=>") || may_bind(tokens, at) ||
                      token_is_word(tokens, at - 1, WORD_FUNCTION) ||
                      token_is_word(tokens, at - 1, WORD_CLASS);
        if (!key) {
            return at;
        }
    }
    return TOKEN_NOWHERE;
}

static bool is_handled(struct bytes member) {
    return bytes_is(member, "then") || bytes_is(member, "catch") || bytes_is(member, "finally");
}

/* The script only reads members of the variable, or puts it into a template: it is taken for the
 * result. */
static bool is_read_as_result(const struct tokens *tokens, uint32_t name) {
    bool doubt = false, read = false;
    for (uint32_t at = TOKEN_NOWHERE; (at = use_next(tokens, name, at, &doubt)) != TOKEN_NOWHERE;) {
        bool member = token_is(tokens, at + 1, ".") || token_is(tokens, at + 1, "?.");
        enum token_kind before = token_kind(tokens, at - 1), after = token_kind(tokens, at + 1);
        bool shown = (before == TOKEN_TEMPLATE_OPEN || before == TOKEN_TEMPLATE_MIDDLE) &&
                     (after == TOKEN_TEMPLATE_MIDDLE || after == TOKEN_TEMPLATE_CLOSE);
        if (doubt || (!shown && (!member || is_handled(token_text(tokens, at + 2))))) {
            return false;
        }
        read = true;
    }
    return read && !doubt;
}

/* --- Notes ------------------------------------------------------------------------------------ */

static bool is_foreign_member(const struct tokens *tokens, uint32_t at) {
    bool member = token_is(tokens, at, ".") || token_is(tokens, at, "?.");
    return member && !token_is(tokens, at + 2, "(") &&
           (bytes_is(token_text(tokens, at + 1), "ok") ||
            bytes_is(token_text(tokens, at + 1), "output"));
}

static void foreign_member_note(const struct tokens *tokens, struct script_prepared *prepared,
                                uint32_t member) {
    const struct bytes name = token_text(tokens, member);
    (void)script__note(tokens, prepared, member, "result_member", NOTE_WARNS,
                       "agent() resolves to the answer itself, a text, or null: it has no member "
                       "\"%.*s\", and this is undefined",
                       (int)name.len, name.data);
}

/* The call has no schema, as far as its arguments are there: the result is a text. */
static bool gives_text(const struct tokens *tokens, uint32_t call) {
    uint32_t end = tokens->list[call + 1].mate, at = call + 2;
    while (at < end && !token_is(tokens, at, ",")) {
        at = token_after(tokens, at);
    }
    if (token_is(tokens, call + 2, "...") || at + 1 >= end) {
        return at + 1 >= end && !token_is(tokens, call + 2, "...");
    }
    if (!token_is(tokens, at + 1, "{") || token_after(tokens, at + 1) < end - 1) {
        return false;
    }
    for (uint32_t i = at + 2; i < tokens->list[at + 1].mate; i = token_after(tokens, i)) {
        if (token_is(tokens, i, "...") || token_is(tokens, i, "[")) {
            return false;
        }
    }
    return literal_value_of(tokens, at + 1, "schema") == TOKEN_NOWHERE;
}

static void result_note(const struct tokens *tokens, struct script_prepared *prepared,
                        const struct expression *call) {
    if (token_is(tokens, call->first - 1, "(") && token_is(tokens, call->after, ")") &&
        is_foreign_member(tokens, call->after + 1)) { /* (await agent(…)).output */
        foreign_member_note(tokens, prepared, call->after + 2);
        return;
    }
    const uint32_t name = variable_of(tokens, call);
    uint32_t found = TOKEN_NOWHERE;
    bool doubt = false;
    for (uint32_t at = TOKEN_NOWHERE; name != TOKEN_NOWHERE && !doubt &&
                                      (at = use_next(tokens, name, at, &doubt)) != TOKEN_NOWHERE;) {
        found = found == TOKEN_NOWHERE && is_foreign_member(tokens, at + 1) ? at + 2 : found;
    }
    if (found != TOKEN_NOWHERE && !doubt) {
        foreign_member_note(tokens, prepared, found);
    }
}

void script_note_result(const struct tokens *tokens, struct script_prepared *prepared,
                        uint32_t at) {
    const struct bytes called = token_text(tokens, at);
    struct expression call = {token_is_member(tokens, at) ? at - 2 : at,
                              token_after(tokens, at + 1)};
    if (token_is_word(tokens, call.first - 1, WORD_AWAIT)) {
        call.first--;
        if (token_is_word(tokens, at, WORD_AGENT) && gives_text(tokens, at)) {
            result_note(tokens, prepared, &call);
        }
        return;
    }
    if (begins_statement(tokens, call.first) && follows_statement(tokens, call.after)) {
        (void)script__note(tokens, prepared, at, "not_awaited", NOTE_WARNS,
                           "nothing awaits this %.*s(): write \"await %.*s(…)\"", (int)called.len,
                           called.data, (int)called.len, called.data);
        return;
    }
    const uint32_t name = variable_of(tokens, &call);
    if (name != TOKEN_NOWHERE && is_read_as_result(tokens, name)) {
        const struct bytes variable = token_text(tokens, name);
        (void)script__note(tokens, prepared, at, "not_awaited", NOTE_WARNS,
                           "\"%.*s\" is a promise, and is read as its result: write \"await "
                           "%.*s(…)\"",
                           variable.len > 60 ? 60 : (int)variable.len, variable.data,
                           (int)called.len, called.data);
    }
}
