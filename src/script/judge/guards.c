/* guards.c: names of other hosts that no workflow has: timers, `require`, `process` and `fetch`. A
 * use of one throws a ReferenceError, so scripts that run on several hosts test it with `typeof`
 * before. A use after such a test is noted as a warning, any other as an error.
 *
 * A use is guarded, as far as tokens tell, if
 *   - a test stands before it in its statement: `typeof N === "function" && N(f)`, `if (typeof N …)
 *     {…} else {…}`, `typeof N … ? N(f) : g()`;
 *   - a function around it has a test anywhere, which covers an early return;
 *   - an earlier `if` of a block around it has a test and leaves: `if (typeof N …) return;`;
 *   - a `try` with a `catch` is around it, which gets the ReferenceError.
 * A name that the script declares, or defines in the global object (is_installed), is its own.
 * A test is `typeof N`, or the name of a variable or function that has one in its value.
 *
 * In doubt a use counts as guarded: a missed error is found by the run, with its line, and a wrong
 * one would have a good script refused by `workflow check`. The cost is linear: at most USES_MAX
 * uses of a name are looked at, and a look goes over each token at most once. */
#include "base/memory.h"
#include "script/judge/notes.h"
#include "script/reader/syntax.h"

enum { USES_MAX = 64, ALIASES_MAX = 16 };

static const struct absent {
    enum word word;
    const char *name, *code, *text;
} absent[] = {
    {WORD_REQUIRE, "require", "import",
     "require: a workflow script is one file, and what needs a module is work for an agent"},
    {WORD_SET_TIMEOUT, "setTimeout", "timer",
     "setTimeout: this script has no timers; `timers: true` in its meta gives it setTimeout, "
     "clearTimeout and sleep"},
    {WORD_SET_INTERVAL, "setInterval", "timer",
     "setInterval: no workflow script has it: use sleep() in a loop, in a script with `timers: "
     "true` in its meta"},
    {WORD_SET_IMMEDIATE, "setImmediate", "timer",
     "setImmediate: a workflow script has no timers, since a replay could not repeat them"},
    {WORD_PROCESS, "process", "host",
     "process: a workflow script has no process around it: pass what it needs in args"},
    {WORD_FETCH, "fetch", "host",
     "fetch: a workflow script has no network, and what needs it is work for an agent"},
};

struct guards {
    const struct tokens *tokens;
    enum word word;
    uint32_t *tests; /* Owned: for each token, the number of tests before it. */
    struct bytes aliases[ALIASES_MAX];
    size_t alias_count;
};

static bool has_test(const struct guards *guards, uint32_t from, uint32_t to) {
    return guards->tests[to] > guards->tests[from];
}

/* --- Statements ------------------------------------------------------------------------------- */

/* First token of what ends with `at` on its level: the opening bracket of a closing one. */
static uint32_t sibling_start(const struct tokens *tokens, uint32_t at) {
    uint32_t mate = tokens->list[at].mate;
    return mate != TOKEN_NOWHERE && mate < at ? mate : at;
}

/* A statement begins at `at`, after the sibling that ends one token before. */
static bool is_boundary(const struct tokens *tokens, uint32_t at) {
    enum word word = token_word(tokens, at);
    bool continues = word == WORD_ELSE || word == WORD_CATCH || word == WORD_FINALLY ||
                     word == WORD_IN || word == WORD_INSTANCEOF || word == WORD_OF ||
                     word == WORD_AS || word == WORD_FROM;
    enum token_kind kind = token_kind(tokens, at);
    bool begins = kind == TOKEN_NAME || kind == TOKEN_STRING || kind == TOKEN_NUMBER ||
                  token_is(tokens, at, "{");
    if (continues) {
        return false;
    }
    return token_is(tokens, at - 1, ";") || (begins && token_is(tokens, at - 1, "}")) ||
           (begins && !token_same_line(tokens, at) && syntax_ends_value(tokens, at - 1));
}

/* First token of the statement that `at` is in, on its level, whose first token is `first`. */
static uint32_t statement_start(const struct tokens *tokens, uint32_t first, uint32_t at) {
    while (at > first && !is_boundary(tokens, at)) {
        at = sibling_start(tokens, at - 1);
    }
    return at;
}

/* `if (a test) return;`: what follows is reached only where the name is there, or is not. */
static bool leaves(const struct guards *guards, uint32_t start, uint32_t end) {
    const struct tokens *tokens = guards->tokens;
    bool tests = token_is_word(tokens, start, WORD_IF) && has_test(guards, start, end);
    for (uint32_t at = start; tests && at < end; at++) {
        enum word word = token_word(tokens, at);
        if (word == WORD_RETURN || word == WORD_THROW || word == WORD_CONTINUE ||
            word == WORD_BREAK) {
            return true;
        }
    }
    return false;
}

static bool is_guarded(const struct guards *guards, uint32_t use) {
    const struct tokens *tokens = guards->tokens;
    for (uint32_t at = use, open; at != TOKEN_NOWHERE; at = open) {
        open = tokens->list[at].parent;
        const uint32_t first = open + 1; /* TOKEN_NOWHERE + 1: 0. */
        uint32_t start = statement_start(tokens, first, at);
        if (has_test(guards, start, at)) {
            return true;
        }
        while (start > first) {
            uint32_t end = start;
            start = statement_start(tokens, first, sibling_start(tokens, end - 1));
            if (leaves(guards, start, end)) {
                return true;
            }
        }
        if (open == TOKEN_NOWHERE) {
            return false;
        }
        uint32_t close = tokens->list[open].mate;
        bool caught = token_is_word(tokens, open - 1, WORD_TRY) &&
                      token_is_word(tokens, close + 1, WORD_CATCH);
        if (caught || (syntax_opens_function(tokens, open) && has_test(guards, open, close))) {
            return true;
        }
    }
    return false;
}

/* --- Tests and uses --------------------------------------------------------------------------- */

/* The name is used as a variable: not as a key, a method, or a member of something. */
static bool is_variable(const struct guards *guards, uint32_t at) {
    const struct tokens *tokens = guards->tokens;
    bool key = token_is(tokens, at + 1, ":") && token_is_any(tokens, at - 1, "{,;}");
    return token_is_word(tokens, at, guards->word) && !token_is_member(tokens, at) && !key &&
           !syntax_is_method(tokens, at);
}

/* `typeof N`, `typeof (N)`; of a member of N it is a use. */
static bool is_typeof(const struct tokens *tokens, uint32_t at) {
    bool braced = token_is(tokens, at - 1, "(") && token_is(tokens, at + 1, ")");
    uint32_t after = braced ? at + 2 : at + 1;
    return token_is_word(tokens, braced ? at - 2 : at - 1, WORD_TYPEOF) &&
           !token_is(tokens, after, ".") && !token_is(tokens, after, "?.") &&
           !token_is_any(tokens, after, "[(");
}

static void alias_add(struct guards *guards, uint32_t at) {
    if (token_is_free_name(guards->tokens, at) && guards->alias_count < ALIASES_MAX) {
        guards->aliases[guards->alias_count++] = token_text(guards->tokens, at);
    }
}

/* The variable that the test at `at` is a value of, or the function that it is in: const ready =
 * typeof N === "function"; function ready() { return typeof N === "function"; } */
static void alias_find(struct guards *guards, uint32_t at) {
    const struct tokens *tokens = guards->tokens;
    bool in_function = false;
    for (unsigned climbs = 0; at != TOKEN_NOWHERE && climbs < 8; climbs++) {
        uint32_t open = tokens->list[at].parent, start = at;
        while (start > open + 1 && !is_boundary(tokens, start) &&
               !token_is(tokens, start - 1, ",")) {
            start = sibling_start(tokens, start - 1);
            if (token_is(tokens, start, "=") && start > open + 1) {
                alias_add(guards, start - 1);
                return;
            }
            if (token_is_word(tokens, start, WORD_FUNCTION)) {
                alias_add(guards, start + 1);
                return;
            }
        }
        bool body = open != TOKEN_NOWHERE && syntax_opens_function(tokens, open);
        if (open == TOKEN_NOWHERE || in_function || (!body && token_is(tokens, open, "{"))) {
            return;
        }
        in_function = body;
        at = open;
    }
}

static void tests_find(struct guards *guards) {
    const struct tokens *tokens = guards->tokens;
    uint32_t count = 0;
    for (uint32_t at = 0; at < tokens->count; at++) {
        if (is_variable(guards, at) && is_typeof(tokens, at) && count++ < USES_MAX) {
            alias_find(guards, at);
        }
    }
    guards->tests = mem_new_array(tokens->count + 1, sizeof *guards->tests);
    for (uint32_t at = 0; at < tokens->count; at++) {
        bool test = is_variable(guards, at) && is_typeof(tokens, at);
        for (size_t i = 0; i < guards->alias_count && !test; i++) {
            test = bytes_equal(token_text(tokens, at), guards->aliases[i]) &&
                   !token_is_member(tokens, at);
        }
        guards->tests[at + 1] = guards->tests[at] + (test ? 1 : 0);
    }
}

/* --- Definitions in the global object --------------------------------------------------------- */

static bool assigns(const struct tokens *tokens, uint32_t at) {
    return token_is(tokens, at, "=") || token_is(tokens, at, "?\?=") || token_is(tokens, at, "||=");
}

/* The name, or a text that is the name. */
static bool is_called(const struct tokens *tokens, uint32_t at, const struct absent *one) {
    struct bytes text = token_text(tokens, at);
    enum token_kind kind = token_kind(tokens, at);
    bool quoted = kind == TOKEN_STRING || kind == TOKEN_TEMPLATE;
    return token_is_word(tokens, at, one->word) ||
           (quoted && bytes_is((struct bytes){text.data + 1, text.len - 2}, one->name));
}

/* `root.N = …`, `root["N"] ??= …` in a script that has `globalThis`, by this or another name; or
 * `Object.assign(globalThis, …)`, `Object.defineProperty(globalThis, …)`, `globalThis[name] = …` in
 * one that has N as a key, a method or a text: which object or text that is, tokens cannot tell. */
static bool is_installed(const struct tokens *tokens, const struct absent *one) {
    bool global = false, given = false, assigned = false, keyed = false;
    for (uint32_t at = 0; at < tokens->count; at++) {
        if (bytes_is(token_text(tokens, at), "globalThis") && !token_is_member(tokens, at)) {
            global = true;
            given |=
                (token_is(tokens, at - 1, "(") && token_is(tokens, at + 1, ",")) ||
                (token_is(tokens, at + 1, "[") && assigns(tokens, token_after(tokens, at + 1)));
        } else if (is_called(tokens, at, one)) {
            bool bracketed = token_is(tokens, at - 1, "[") && token_is(tokens, at + 1, "]");
            assigned |= bracketed ? assigns(tokens, at + 2)
                                  : token_is(tokens, at - 1, ".") && assigns(tokens, at + 1);
            keyed |= token_kind(tokens, at) != TOKEN_NAME || token_is(tokens, at + 1, ":") ||
                     syntax_is_method(tokens, at);
        }
    }
    return global && (assigned || (given && keyed));
}

void script_note_absent(struct judge *judge) {
    const struct tokens *tokens = judge->tokens;
    for (size_t i = 0; i < COUNT_OF(absent); i++) {
        if (judge->prepared->timers && absent[i].word == WORD_SET_TIMEOUT) {
            continue;
        }
        struct guards guards = {.tokens = tokens, .word = absent[i].word};
        uint32_t noted = TOKEN_NOWHERE;
        bool guarded = true, declared = false;
        unsigned uses = 0;
        for (uint32_t at = 0; at < tokens->count && guarded && uses < USES_MAX; at++) {
            if (!is_variable(&guards, at) || is_typeof(tokens, at)) {
                continue;
            }
            if (uses++ == 0) {
                declared =
                    syntax_declares(tokens, absent[i].word) || is_installed(tokens, &absent[i]);
                if (declared) {
                    break;
                }
                tests_find(&guards);
            }
            guarded = is_guarded(&guards, at);
            noted = !guarded || noted == TOKEN_NOWHERE ? at : noted;
        }
        mem_free(guards.tests);
        if (noted != TOKEN_NOWHERE && guarded) {
            (void)script__note(
                judge, noted, absent[i].code, NOTE_WARNS,
                "%s; typeof says \"undefined\", so what this test guards does not run",
                absent[i].text);
        } else if (noted != TOKEN_NOWHERE) {
            (void)script__note(judge, noted, absent[i].code, NOTE_GRAVE,
                               "%s; without a test by typeof this throws a ReferenceError",
                               absent[i].text);
        }
    }
}
