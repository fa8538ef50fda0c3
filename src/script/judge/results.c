/* results.c: mistakes with the promise of agent() and its kin, and with its result: a promise that
 * nothing can await, and `.ok`, `.output`, `.error` and `.cached`, which results of another host
 * have, and those of a script whose meta asks for them.
 *
 * Only what tokens prove is noted. A variable counts if its name is declared once in the file, and
 * is no parameter of anything: then each use of the name is one of the variable. The same holds for
 * an item of parallel() or pipeline() within the function or the loop that names it. A list counts
 * if each item is the answer of an agent(), and if nothing changes the list or is given it. */
#include <string.h>

#include "script/judge/notes.h"
#include "script/reader/literal.h"
#include "script/reader/syntax.h"

enum { PATTERN_NAMES_MAX = 16 }; /* Each is searched for in the whole file. */

/* A call, from its first token to the one after its ")". */
struct expression {
    uint32_t first, after;
};

/* --- Its place -------------------------------------------------------------------------------- */

static bool begins_statement(const struct tokens *tokens, uint32_t at) {
    enum word before = token_word(tokens, at - 1);
    return at == 0 || token_is_any(tokens, at - 1, ";{}") || token_ends_header(tokens, at - 1) ||
           before == WORD_ELSE || before == WORD_DO ||
           (!token_same_line(tokens, at) && syntax_ends_value(tokens, at - 1));
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
        if (syntax_is_parameters(tokens, open)) {
            return true;
        }
        if (!token_is_any(tokens, open, "([{") || token_is(tokens, open - 1, "=>")) {
            return false;
        }
        if (!token_is(tokens, open, "(") && token_is(tokens, tokens->list[open].mate + 1, "=")) {
            return true;
        }
    }
    return false;
}

/* The next use of the variable at `name` before `end`. TOKEN_NOWHERE: there are no more.
 * *ret_doubt: the name may be that of something else, too, or the script asks what it is. */
static uint32_t use_next(const struct tokens *tokens, uint32_t name, uint32_t at, uint32_t end,
                         bool *ret_doubt) {
    const struct bytes text = token_text(tokens, name);
    for (at++; at < end; at++) {
        if (at == name || token_is_member(tokens, at) ||
            !bytes_equal(token_text(tokens, at), text)) {
            continue;
        }
        bool key = token_is(tokens, at + 1, ":") && token_is_any(tokens, at - 1, "{,");
        *ret_doubt |= token_is_variable_word(tokens, at - 1) || token_is(tokens, at + 1, "=") ||
                      token_is(tokens, at + 1, "=>") || may_bind(tokens, at) ||
                      token_is_word(tokens, at - 1, WORD_FUNCTION) ||
                      token_is_word(tokens, at - 1, WORD_CLASS) ||
                      token_is_word(tokens, at - 1, WORD_TYPEOF);
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
    for (uint32_t at = TOKEN_NOWHERE;
         (at = use_next(tokens, name, at, tokens->count, &doubt)) != TOKEN_NOWHERE;) {
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

/* --- Members ---------------------------------------------------------------------------------- */

static bool is_foreign_name(const struct tokens *tokens, uint32_t at) {
    static const char *const names[] = {"ok", "output", "error", "cached", NULL};
    return bytes_find(token_text(tokens, at), names, &(unsigned){0});
}

static bool is_foreign_member(const struct tokens *tokens, uint32_t at) {
    bool member = token_is(tokens, at, ".") || token_is(tokens, at, "?.");
    return member && !token_is(tokens, at + 2, "(") && is_foreign_name(tokens, at + 1);
}

/* The first such key of the pattern that opens at `open`: `{ ok, output: text }`. */
static uint32_t key_find(const struct tokens *tokens, uint32_t open) {
    const uint32_t close = token_is(tokens, open, "{") ? tokens->list[open].mate : open;
    for (uint32_t at = open + 1; at < close; at = token_comma(tokens, at, close) + 1) {
        if (token_kind(tokens, at) == TOKEN_NAME && is_foreign_name(tokens, at)) {
            return at;
        }
    }
    return TOKEN_NOWHERE;
}

/* `r.output ?? r`: right on either host. */
static bool has_fallback(const struct tokens *tokens, uint32_t name, uint32_t member) {
    return (token_is(tokens, member + 1, "??") || token_is(tokens, member + 1, "||")) &&
           bytes_equal(token_text(tokens, member + 2), token_text(tokens, name));
}

/* The first such member of the variable at `name` that is read between two tokens; TOKEN_NOWHERE:
 * there is none, or there is a doubt. */
static uint32_t member_find(const struct tokens *tokens, uint32_t name, uint32_t from,
                            uint32_t end) {
    uint32_t found = TOKEN_NOWHERE;
    bool doubt = false;
    for (uint32_t at = from - 1;
         !doubt && (at = use_next(tokens, name, at, end, &doubt)) != TOKEN_NOWHERE;) {
        if (found == TOKEN_NOWHERE && is_foreign_member(tokens, at + 1)) {
            doubt |= has_fallback(tokens, name, at + 2);
            found = at + 2;
        }
    }
    return doubt ? TOKEN_NOWHERE : found;
}

/* --- Items of a list -------------------------------------------------------------------------- */

/* The first member that the function at `at`, a callback for items, reads of its first parameter;
 * it ends before `end`. */
static uint32_t callback_find(const struct tokens *tokens, uint32_t at, uint32_t end) {
    const uint32_t body = syntax_arrow_body(tokens, at);
    at += token_is_word(tokens, at, WORD_ASYNC) ? 1 : 0;
    const bool listed = token_is(tokens, at, "(");
    const uint32_t name = listed ? at + 1 : at;
    if (body != TOKEN_NOWHERE && listed && token_is(tokens, name, "{")) {
        return key_find(tokens, name);
    }
    bool plain =
        token_is_free_name(tokens, name) && (!listed || token_is_any(tokens, name + 1, ",)"));
    return body != TOKEN_NOWHERE && plain ? member_find(tokens, name, body, end) : TOKEN_NOWHERE;
}

/* The same of what follows a list: `[0].ok`, `.map((r) => r.ok)`, `.filter(Boolean).map(…)`. */
static uint32_t chain_find(const struct tokens *tokens, uint32_t at) {
    static const char *const calls[] = {"map",  "filter",    "forEach", "some", "every",
                                        "find", "findIndex", "flatMap", NULL};
    static const char *const items[] = {"find", "at", NULL}, *const parts[] = {"filter", "slice",
                                                                               NULL};
    while (token_is(tokens, at, ".") && token_is(tokens, at + 2, "(")) {
        const struct bytes method = token_text(tokens, at + 1);
        const uint32_t close = tokens->list[at + 2].mate;
        const uint32_t found = bytes_find(method, calls, &(unsigned){0})
                                   ? callback_find(tokens, at + 3, close)
                                   : TOKEN_NOWHERE;
        if (found != TOKEN_NOWHERE) {
            return found;
        }
        if (bytes_find(method, items, &(unsigned){0}) && is_foreign_member(tokens, close + 1)) {
            return close + 2;
        }
        if (!bytes_find(method, parts, &(unsigned){0})) {
            return TOKEN_NOWHERE;
        }
        at = close + 1;
    }
    bool member = token_is(tokens, at, "[") && is_foreign_member(tokens, token_after(tokens, at));
    return member ? token_after(tokens, at) + 1 : TOKEN_NOWHERE;
}

/* The same of `for (const r of rs)`, where the list stands at `at`. */
static uint32_t loop_find(const struct tokens *tokens, uint32_t at) {
    const uint32_t open = tokens->list[at].parent, name = at - 2, body = at + 2;
    const bool pattern = token_is(tokens, name, "}");
    const uint32_t first = pattern ? tokens->list[name].mate : name;
    if (!token_is_word(tokens, at - 1, WORD_OF) || open != first - 2 ||
        !token_is_variable_word(tokens, first - 1) || !token_ends_header(tokens, at + 1)) {
        return TOKEN_NOWHERE;
    }
    if (pattern) {
        return key_find(tokens, first);
    }
    uint32_t end = token_after(tokens, body);
    while (!token_is(tokens, body, "{") && !follows_statement(tokens, end)) {
        end = token_after(tokens, end);
    }
    return member_find(tokens, name, body, end);
}

/* This use of a list changes it, or gives it to a function that may. */
static bool may_change(const struct tokens *tokens, uint32_t at) {
    static const char *const changes[] = {"push", "unshift", "splice", "fill", NULL};
    bool given = token_is_any(tokens, at - 1, "(,") && token_is_any(tokens, at + 1, ",)");
    return (token_is(tokens, at + 1, "[") && token_is(tokens, token_after(tokens, at + 1), "=")) ||
           (token_is(tokens, at + 1, ".") &&
            bytes_find(token_text(tokens, at + 2), changes, &(unsigned){0})) ||
           (given && !bytes_is(token_text(tokens, at - 2), "stringify"));
}

/* The same of the items of the list in the variable at `name`. */
static uint32_t item_member_find(const struct tokens *tokens, uint32_t name) {
    uint32_t found = TOKEN_NOWHERE;
    bool doubt = false;
    for (uint32_t at = TOKEN_NOWHERE;
         !doubt && (at = use_next(tokens, name, at, tokens->count, &doubt)) != TOKEN_NOWHERE;) {
        doubt |= may_change(tokens, at);
        found = found == TOKEN_NOWHERE ? chain_find(tokens, at + 1) : found;
        found = found == TOKEN_NOWHERE ? loop_find(tokens, at) : found;
    }
    return doubt ? TOKEN_NOWHERE : found;
}

/* The same of the first variables of a pattern: `[a, b]`, which ends at `close`. */
static uint32_t pattern_find(const struct tokens *tokens, uint32_t close) {
    uint32_t found = TOKEN_NOWHERE, at = tokens->list[close].mate + 1;
    for (unsigned i = 0; i < PATTERN_NAMES_MAX && at < close && found == TOKEN_NOWHERE; i++) {
        const uint32_t end = token_comma(tokens, at, close);
        if (end == at + 1 && token_is_free_name(tokens, at)) {
            found = member_find(tokens, at, 0, tokens->count);
        }
        at = end + 1;
    }
    return found;
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* The call has no schema, as far as its arguments are there: the result is a text. */
static bool gives_text(const struct tokens *tokens, uint32_t call) {
    const uint32_t end = tokens->list[call + 1].mate, at = token_comma(tokens, call + 2, end);
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

/* `() => agent(…)`, which ends before `end`, and gives a text. `who`: the name of the function
 * that calls it; of a member its object has the same agent(). */
static bool arrow_gives_text(const struct tokens *tokens, uint32_t at, uint32_t end, uint32_t who) {
    at = syntax_arrow_body(tokens, at);
    at += token_is_word(tokens, at, WORD_AWAIT) ? 1 : 0;
    if (token_is_member(tokens, who) && token_is(tokens, at + 1, ".") &&
        bytes_equal(token_text(tokens, at), token_text(tokens, who - 2))) {
        at += 2;
    }
    return token_is_word(tokens, at, WORD_AGENT) && token_is(tokens, at + 1, "(") &&
           token_is_member(tokens, at) == token_is_member(tokens, who) &&
           token_after(tokens, at + 1) == end && gives_text(tokens, at);
}

/* `…map((x) => () => agent(…))`, up to `end`. */
static bool map_gives_texts(const struct tokens *tokens, uint32_t at, uint32_t end, uint32_t who) {
    const uint32_t open = tokens->list[end - 1].mate;
    bool chained = token_is(tokens, end - 1, ")") && token_is(tokens, open - 2, ".") &&
                   bytes_is(token_text(tokens, open - 1), "map");
    for (; chained && at < open; at = token_after(tokens, at)) {
        chained = token_kind(tokens, at) == TOKEN_NAME || token_is(tokens, at, ".") ||
                  token_is_any(tokens, at, "([");
    }
    const uint32_t inner = chained ? syntax_arrow_body(tokens, open + 1) : TOKEN_NOWHERE;
    uint32_t close = end - (token_is(tokens, end - 2, ",") ? 2 : 1);
    return inner != TOKEN_NOWHERE && arrow_gives_text(tokens, inner, close, who);
}

/* Each item of this call of parallel() or pipeline() is a text. */
static bool items_are_texts(const struct tokens *tokens, uint32_t call) {
    uint32_t end = tokens->list[call + 1].mate, at = call + 2;
    end -= token_is(tokens, end - 1, ",") ? 1 : 0;
    if (token_is_word(tokens, call, WORD_PIPELINE)) { /* The last stage counts. */
        for (uint32_t comma; (comma = token_comma(tokens, at, end)) < end;) {
            at = comma + 1;
        }
        return at > call + 2 && arrow_gives_text(tokens, at, end, call);
    }
    if (!token_is(tokens, at, "[") || token_after(tokens, at) != end) {
        return token_comma(tokens, at, end) == end && map_gives_texts(tokens, at, end, call);
    }
    bool all = at + 2 < end;
    for (uint32_t item = at + 1, close = end - 1; all && item < close;) {
        const uint32_t comma = token_comma(tokens, item, close);
        all = arrow_gives_text(tokens, item, comma, call);
        item = comma + 1;
    }
    return all;
}

/* --- Notes ------------------------------------------------------------------------------------ */

static void foreign_member_note(struct judge *judge, uint32_t member) {
    const struct tokens *tokens = judge->tokens;
    const struct bytes name = token_text(tokens, member);
    (void)script__note(judge, member, NOTE_RESULT_MEMBER, NOTE_WARNS,
                       "agent() resolves to the answer itself, a text, or null: it has no member "
                       "\"%.*s\", and this is undefined; meta.results: \"object\" gives "
                       "{ok, output, error}",
                       (int)name.len, name.data);
}

/* `const { ok, output } = CALL;`: its first such key. */
static uint32_t bound_find(const struct tokens *tokens, const struct expression *call) {
    const uint32_t close = call->first - 2;
    bool binds = token_is(tokens, close + 1, "=") && token_is(tokens, close, "}") &&
                 token_is_variable_word(tokens, tokens->list[close].mate - 1) &&
                 follows_statement(tokens, call->after);
    return binds ? key_find(tokens, tokens->list[close].mate) : TOKEN_NOWHERE;
}

/* A result of workflow() is the other script's business, and may have any member; but a script that
 * reads both `ok` and what goes with it means the result of another host. */
static void nested_note(struct judge *judge, const struct expression *call) {
    const struct tokens *tokens = judge->tokens;
    const uint32_t name = variable_of(tokens, call);
    const struct bytes ok = BYTES("ok");
    uint32_t found = TOKEN_NOWHERE, others = 0;
    bool doubt = name == TOKEN_NOWHERE;
    for (uint32_t at = TOKEN_NOWHERE;
         !doubt && (at = use_next(tokens, name, at, tokens->count, &doubt)) != TOKEN_NOWHERE;) {
        const bool foreign = is_foreign_member(tokens, at + 1);
        const bool is_ok = foreign && bytes_equal(token_text(tokens, at + 2), ok);
        doubt |= foreign && has_fallback(tokens, name, at + 2);
        found = is_ok && found == TOKEN_NOWHERE ? at + 2 : found;
        others += foreign && !is_ok;
    }
    if (!doubt && found != TOKEN_NOWHERE && others > 0) {
        (void)script__note(judge, found, NOTE_RESULT_MEMBER, NOTE_WARNS,
                           "workflow() resolves to what the other script returns, which has a "
                           "member \"ok\" only if that script gives it one; meta.results: "
                           "\"object\" gives {ok, output, error}");
    }
}

/* The same of the result of this call: a text, or a list of texts. */
static uint32_t result_member_find(const struct tokens *tokens, const struct expression *call,
                                   bool is_list) {
    if (token_is(tokens, call->first - 1, "(") && token_is(tokens, call->after, ")")) {
        if (is_list) { /* (await parallel(…)).map(…) */
            return chain_find(tokens, call->after + 1);
        }
        if (is_foreign_member(tokens, call->after + 1)) { /* (await agent(…)).output */
            return call->after + 2;
        }
    }
    const uint32_t name = variable_of(tokens, call);
    if (name != TOKEN_NOWHERE) {
        return is_list ? item_member_find(tokens, name)
                       : member_find(tokens, name, 0, tokens->count);
    }
    if (!is_list) {
        return bound_find(tokens, call);
    }
    const uint32_t close = call->first - 2;
    bool binds = token_is(tokens, close + 1, "=") && token_is(tokens, close, "]") &&
                 token_is_variable_word(tokens, tokens->list[close].mate - 1) &&
                 follows_statement(tokens, call->after);
    return binds ? pattern_find(tokens, close) : TOKEN_NOWHERE;
}

static bool scan_take(const struct tokens *tokens, uint32_t *scan_left) {
    bool enough = *scan_left >= tokens->count;
    *scan_left -= enough ? tokens->count : 0;
    return enough;
}

static void result_note(struct judge *judge, const struct expression *call, uint32_t at,
                        uint32_t *scan_left) {
    const struct tokens *tokens = judge->tokens;
    const enum word word = token_word(tokens, at);
    const bool is_list = word == WORD_PARALLEL || word == WORD_PIPELINE;
    if (judge->prepared->objects) {
        return;
    }
    if (word == WORD_WORKFLOW && scan_take(tokens, scan_left)) {
        nested_note(judge, call);
        return;
    }
    if ((is_list ? !items_are_texts(tokens, at) : word != WORD_AGENT || !gives_text(tokens, at)) ||
        !scan_take(tokens, scan_left)) {
        return;
    }
    const uint32_t member = result_member_find(tokens, call, is_list);
    bool own = member != TOKEN_NOWHERE && is_list && !token_is_member(tokens, at) &&
               syntax_declares(tokens, WORD_AGENT);
    if (member != TOKEN_NOWHERE && !own) {
        foreign_member_note(judge, member);
    }
}

/* `[CALL, …]` whose first item the call is, or `list.map((x) => CALL)`: false: neither. */
static bool list_of(const struct tokens *tokens, const struct expression *call,
                    struct expression *ret_list) {
    const uint32_t open = tokens->list[call->first].parent;
    if (open == TOKEN_NOWHERE || open < 3) {
        return false;
    }
    const uint32_t close = tokens->list[open].mate;
    if (token_is(tokens, open, "[") && call->first == open + 1 &&
        token_is_any(tokens, call->after, ",]")) {
        *ret_list = (struct expression){open, close + 1};
        return true;
    }
    const uint32_t last = call->first - 2; /* The parameters end here. */
    uint32_t head = token_is(tokens, last, ")") ? tokens->list[last].mate : last;
    head -= token_is_word(tokens, head - 1, WORD_ASYNC) ? 1 : 0;
    const uint32_t of = open - 3;
    *ret_list =
        (struct expression){token_is(tokens, of, "]") ? tokens->list[of].mate : of, close + 1};
    return token_is(tokens, open, "(") && token_is(tokens, call->first - 1, "=>") &&
           head == open + 1 && call->after == close && token_is(tokens, open - 2, ".") &&
           bytes_is(token_text(tokens, open - 1), "map") &&
           (token_is(tokens, of, "]") || token_is_free_name(tokens, of));
}

/* No use of the list can await its promises: each reads its length, or joins it. */
static bool is_never_awaited(const struct tokens *tokens, uint32_t name) {
    static const char *const members[] = {"length", "join", NULL};
    bool doubt = false;
    for (uint32_t at = TOKEN_NOWHERE;
         (at = use_next(tokens, name, at, tokens->count, &doubt)) != TOKEN_NOWHERE;) {
        const bool harmless = token_is(tokens, at + 1, ".") &&
                              bytes_find(token_text(tokens, at + 2), members, &(unsigned){0});
        if (doubt || !harmless) {
            return false;
        }
    }
    return !doubt;
}

static void list_note(struct judge *judge, const struct expression *call, uint32_t at,
                      uint32_t *scan_left) {
    const struct tokens *tokens = judge->tokens;
    struct expression list;
    if (!list_of(tokens, call, &list)) {
        return;
    }
    const uint32_t name = variable_of(tokens, &list);
    const bool alone =
        begins_statement(tokens, list.first) && follows_statement(tokens, list.after);
    if (alone ||
        (name != TOKEN_NOWHERE && scan_take(tokens, scan_left) && is_never_awaited(tokens, name))) {
        (void)script__note(judge, at, "not_awaited", NOTE_WARNS,
                           "nothing awaits this list of promises: write \"await Promise.all(…)\"");
    }
}

void script_note_result(struct judge *judge, uint32_t at, uint32_t *scan_left) {
    const struct tokens *tokens = judge->tokens;
    const struct bytes called = token_text(tokens, at);
    struct expression call = {token_is_member(tokens, at) ? at - 2 : at,
                              token_after(tokens, at + 1)};
    if (token_is_word(tokens, call.first - 1, WORD_AWAIT)) {
        call.first--;
        result_note(judge, &call, at, scan_left);
        return;
    }
    if (begins_statement(tokens, call.first) && follows_statement(tokens, call.after)) {
        (void)script__note(judge, at, "not_awaited", NOTE_WARNS,
                           "nothing awaits this %.*s(): write \"await %.*s(…)\"", (int)called.len,
                           called.data, (int)called.len, called.data);
        return;
    }
    const uint32_t name = variable_of(tokens, &call);
    if (name != TOKEN_NOWHERE && scan_take(tokens, scan_left) && is_read_as_result(tokens, name)) {
        const struct bytes variable = token_text(tokens, name);
        (void)script__note(judge, at, "not_awaited", NOTE_WARNS,
                           "\"%.*s\" is a promise, and is read as its result: write \"await "
                           "%.*s(…)\"",
                           variable.len > 60 ? 60 : (int)variable.len, variable.data,
                           (int)called.len, called.data);
    } else if (name == TOKEN_NOWHERE) {
        list_note(judge, &call, at, scan_left);
    }
}
