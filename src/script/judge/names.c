/* names.c: names that nothing in the file declares and that no global has. A run that reaches such
 * a name throws a ReferenceError, perhaps an hour and many agents after its start.
 *
 * A name counts as declared in the whole file if it is declared anywhere in it. Scopes would find a
 * few more mistakes, and each construct that this reader does not know would become a false
 * warning. For the same reason an assignment and `typeof NAME` count as declarations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "script/judge/notes.h"
#include "script/reader/syntax.h"

enum { NAME_SHOWN_MAX = 60, SUGGESTED_MAX = 2000 };

/* The globals of a script's engine, and our own (script/worker/); and what guards.c
 * knows more about. */
static const char globals[] =
    "agent parallel pipeline phase log args budget workflow console meta exports module "
    "require setTimeout setInterval setImmediate process fetch arguments undefined NaN "
    "Infinity globalThis eval Object Function Array String Number Boolean Symbol BigInt "
    "Date Math JSON RegExp Reflect Proxy Map Set WeakMap WeakSet Promise Iterator Error "
    "AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError "
    "InternalError SuppressedError DisposableStack AsyncDisposableStack ArrayBuffer "
    "DataView Uint8ClampedArray Int8Array Uint8Array Int16Array Uint16Array Int32Array "
    "Uint32Array BigInt64Array BigUint64Array Float16Array Float32Array Float64Array "
    "parseInt parseFloat isNaN isFinite queueMicrotask decodeURI decodeURIComponent "
    "encodeURI encodeURIComponent escape unescape";

struct names {
    const struct tokens *tokens;
    struct bytes *declared; /* Owned; sorted before the second pass. */
    size_t count, size;
    bool timers;       /* The script has some: their functions are known. */
    uint8_t *is_class; /* Owned: of each token, whether it is the "{" of a class's body. */
};

static void name_declare(struct names *names, uint32_t at) {
    if (!token_is_free_name(names->tokens, at)) {
        return;
    }
    if (names->count == names->size) {
        names->size = names->size > 0 ? 2 * names->size : 64;
        names->declared = mem_grow(names->declared, names->size * sizeof *names->declared);
    }
    names->declared[names->count++] = token_text(names->tokens, at);
}

/* --- Declarations ----------------------------------------------------------------------------- */

static void pattern_declare(struct names *names, uint32_t open);

/* A name, or a pattern with names in it; returns the token after it. */
static uint32_t target_declare(struct names *names, uint32_t at) {
    const struct tokens *tokens = names->tokens;
    if (token_is_any(tokens, at, "[{")) {
        pattern_declare(names, at);
    } else {
        name_declare(names, at);
    }
    return token_after(tokens, at);
}

/* The names that a pattern or a list of parameters binds: its keys and default values bind none.
 * Patterns are nested at most SCRIPT_NEST_MAX deep. */
static void pattern_declare(struct names *names, uint32_t open) {
    const struct tokens *tokens = names->tokens;
    uint32_t close = tokens->list[open].mate;
    for (uint32_t at = open + 1; close != TOKEN_NOWHERE && at < close;) {
        if (token_is(tokens, at, ",")) { /* A hole. */
            at++;
            continue;
        }
        if (token_is(tokens, at, "...")) {
            at++;
        }
        uint32_t after = token_after(tokens, at);
        if (token_is(tokens, after, ":")) {
            at = after + 1;
        }
        at = target_declare(names, at);
        while (at < close && !token_is(tokens, at, ",")) {
            at = token_after(tokens, at); /* The default value. */
        }
        at++;
    }
}

/* const a = 1, {b} = c */
static void variables_declare(struct names *names, uint32_t at) {
    const struct tokens *tokens = names->tokens;
    for (bool more = true; more;) {
        at = target_declare(names, at);
        while (at < tokens->count && !token_is_any(tokens, at, ",;)]}") &&
               !token_is_variable_word(tokens, at)) {
            at = token_after(tokens, at);
        }
        more = token_is(tokens, at, ",");
        at++;
    }
}

/* The body of a class: the first brace after its head. What it extends may have brackets. */
static void class_mark(struct names *names, uint32_t at) {
    const struct tokens *tokens = names->tokens;
    for (unsigned steps = 0; steps < 64 && at < tokens->count; steps++) {
        if (token_is(tokens, at, "{")) {
            names->is_class[at] = true;
            return;
        }
        at = token_after(tokens, at);
    }
}

/* using a = …, await using b = …, for (using c of …): a name follows on the same line. */
static bool is_using(const struct tokens *tokens, uint32_t at) {
    return bytes_is(token_text(tokens, at), "using") && !token_is_member(tokens, at) &&
           token_is_free_name(tokens, at + 1) && token_same_line(tokens, at + 1) &&
           (token_is(tokens, at + 2, "=") || token_is_word(tokens, at + 2, WORD_OF));
}

/* a.NAME, whose call may stand before a block. */
static bool is_member_name(const struct tokens *tokens, uint32_t at) {
    return token_kind(tokens, at) == TOKEN_NAME && token_is_member(tokens, at);
}

static void declarations_find(struct names *names) {
    const struct tokens *tokens = names->tokens;
    for (uint32_t at = 0; at < tokens->count; at++) {
        enum word word = token_word(tokens, at), before = token_word(tokens, at - 1);
        bool member = token_is_member(tokens, at);
        if (token_is_variable_word(tokens, at) && !member) {
            variables_declare(names, at + 1);
        } else if (is_using(tokens, at)) {
            name_declare(names, at); /* The word itself, which is no reserved one. */
            variables_declare(names, at + 1);
        } else if (word == WORD_FUNCTION && !member) {
            name_declare(names, token_is(tokens, at + 1, "*") ? at + 2 : at + 1);
        } else if (word == WORD_CLASS && !member) {
            class_mark(names, at + 1);
            name_declare(names, at + 1);
        } else if (syntax_is_parameters(tokens, at) && !is_member_name(tokens, at - 1)) {
            name_declare(names, at - 1); /* A method, mostly. */
            pattern_declare(names, at);
        } else if (token_is_free_name(tokens, at) && !member &&
                   (token_is(tokens, at + 1, "=") || token_is(tokens, at + 1, "=>") ||
                    before == WORD_TYPEOF)) {
            name_declare(names, at);
        }
    }
}

/* --- Uses ------------------------------------------------------------------------------------- */

/* Names are compared as bytes; a shorter one comes first. */
static int name_compare(const void *a, const void *b) {
    const struct bytes *one = a, *other = b;
    size_t len = one->len < other->len ? one->len : other->len;
    int order = memcmp(one->data, other->data, len);
    return order != 0 ? order : (one->len > other->len) - (one->len < other->len);
}

/* `words`: with blanks between them. */
static bool is_one_of(struct bytes words, struct bytes name) {
    for (struct bytes word; bytes_next(&words, ' ', &word);) {
        if (bytes_equal(word, name)) {
            return true;
        }
    }
    return false;
}

static bool is_known(const struct names *names, struct bytes name) {
    return (names->count > 0 && bsearch(&name, names->declared, names->count,
                                        sizeof *names->declared, name_compare) != NULL) ||
           (names->timers && is_one_of(BYTES("clearTimeout sleep"), name)) ||
           is_one_of(BYTES(globals), name);
}

/* Words that mean something only where they stand: get, set, static, async, of, as, from, let. */
static bool is_contextual(const struct tokens *tokens, uint32_t at) {
    struct bytes name = token_text(tokens, at);
    switch (token_word(tokens, at)) {
    case WORD_AS:
    case WORD_ASYNC:
    case WORD_FROM:
    case WORD_LET:
    case WORD_OF:
    case WORD_STATIC:
        return true;
    default:
        return bytes_is(name, "get") || bytes_is(name, "set") || bytes_is(name, "accessor");
    }
}

/* The name stands for a variable, and for nothing else that a name may be. */
static bool is_use(const struct names *names, uint32_t at) {
    const struct tokens *tokens = names->tokens;
    uint32_t parent = tokens->list[at].parent;
    enum word before = token_word(tokens, at - 1);
    bool begins = token_begins(tokens, at) || token_is(tokens, at - 1, ",");
    struct bytes name = token_text(tokens, at);
    return token_is_free_name(tokens, at) && !token_is_member(tokens, at) &&
           !is_contextual(tokens, at) && memchr(name.data, '\\', name.len) == NULL &&
           !(begins && token_is(tokens, at + 1, ":")) && /* A key, or a label. */
           before != WORD_BREAK && before != WORD_CONTINUE && before != WORD_AS &&
           !(parent != TOKEN_NOWHERE && names->is_class[parent]);
}

/* The best of the names that are near enough. */
struct nearest {
    const char *used;
    size_t distance;
    char name[NAME_SHOWN_MAX + 1]; /* "": none. */
};

static void nearest_offer(struct nearest *nearest, struct bytes name) {
    char offered[NAME_SHOWN_MAX + 1];
    struct suggest suggest;
    if (name.len >= sizeof offered) {
        return;
    }
    (void)snprintf(offered, sizeof offered, "%.*s", (int)name.len, name.data); /* Fits. */
    suggest_begin(&suggest, nearest->used);
    suggest_offer(&suggest, offered);
    if (suggest_best(&suggest) != NULL && suggest.distance < nearest->distance) {
        nearest->distance = suggest.distance;
        memcpy(nearest->name, offered, sizeof offered);
    }
}

static void name_note(struct judge *judge, const struct names *names, uint32_t at) {
    char name[NAME_SHOWN_MAX + 1];
    struct bytes used = token_text(names->tokens, at), rest = BYTES(globals), word;
    struct nearest nearest = {.used = name, .distance = SIZE_MAX};
    (void)snprintf(name, sizeof name, "%.*s", (int)used.len, used.data); /* Fits: see uses_note. */
    while (bytes_next(&rest, ' ', &word)) {
        nearest_offer(&nearest, word);
    }
    for (size_t i = 0; i < names->count && i < SUGGESTED_MAX; i++) {
        nearest_offer(&nearest, names->declared[i]);
    }
    if (nearest.name[0] != '\0') {
        (void)script__note(judge, at, "undefined_name", NOTE_WARNS,
                           "\"%s\" is not defined; did you mean \"%s\"?", name, nearest.name);
    } else {
        (void)script__note(judge, at, "undefined_name", NOTE_WARNS,
                           "\"%s\" is not defined: neither this script nor its engine has it",
                           name);
    }
}

/* Each name is noted once, at its first place. */
static void uses_note(struct judge *judge, const struct names *names) {
    struct bytes noted[SCRIPT_NOTES_MAX];
    unsigned count = 0;
    for (uint32_t at = 0; at < names->tokens->count && count < SCRIPT_NOTES_MAX; at++) {
        if (!is_use(names, at) || is_known(names, token_text(names->tokens, at))) {
            continue;
        }
        struct bytes name = token_text(names->tokens, at);
        bool again = name.len > NAME_SHOWN_MAX;
        for (unsigned i = 0; i < count && !again; i++) {
            again = name_compare(&noted[i], &name) == 0;
        }
        if (!again) {
            noted[count++] = name;
            name_note(judge, names, at);
        }
    }
}

void script_note_names(struct judge *judge) {
    const struct tokens *tokens = judge->tokens;
    struct names names = {.tokens = tokens, .timers = judge->prepared->timers};
    for (uint32_t at = 0; at < tokens->count; at++) {
        if (bytes_is(token_text(tokens, at), "globalThis")) {
            return; /* The script may add globals there. */
        }
    }
    names.is_class = mem_new_array(tokens->count + 1, sizeof *names.is_class);
    declarations_find(&names);
    if (names.count > 0) {
        qsort(names.declared, names.count, sizeof *names.declared, name_compare);
    }
    uses_note(judge, &names);
    mem_free(names.declared);
    mem_free(names.is_class);
}
