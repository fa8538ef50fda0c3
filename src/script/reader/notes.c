/* notes.c: what will throw, or may, when a run comes there. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/text.h"
#include "base/utf8.h"
#include "script/reader/literal.h"
#include "script/reader/refuse.h"

enum { ITEMS_MAX = 4096 };

struct noting {
    const struct tokens *tokens;
    struct script_prepared *prepared;
    uint32_t call; /* The object of options that is looked at. */
};

/* NULL: there is no room. What is grave takes the place of the last that is not. */
static struct script_note *place_of(struct script_prepared *prepared, bool grave) {
    if (prepared->note_count < SCRIPT_NOTES_MAX) {
        return &prepared->notes[prepared->note_count++];
    }
    size_t at = grave ? prepared->note_count : 0;
    while (at > 0 && prepared->notes[at - 1].grave) {
        at--;
    }
    if (at == 0) {
        return NULL;
    }
    size_t behind = prepared->note_count - at;
    memmove(&prepared->notes[at - 1], &prepared->notes[at], behind * sizeof *prepared->notes);
    return &prepared->notes[prepared->note_count - 1];
}

static struct script_fault *note(struct noting *noting, uint32_t at, const char *code, bool grave) {
    struct script_note *made = place_of(noting->prepared, grave);
    if (made == NULL) {
        return NULL;
    }
    *made = (struct script_note){.fault = {.code = code}, .grave = grave};
    script__place(noting->tokens->source, noting->tokens->list[at].start, &made->fault);
    return &made->fault;
}

static void note_text(struct noting *noting, uint32_t at, const char *code, const char *text) {
    struct script_fault *fault = note(noting, at, code, false);
    if (fault != NULL) {
        (void)snprintf(fault->message, sizeof fault->message, "%s", text); /* Cut at worst. */
    }
}

/* --- Time and chance -------------------------------------------------------------------------- */

static void note_date(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    bool made = token_is_word(tokens, at - 1, WORD_NEW);
    bool called = token_is(tokens, at + 1, "(");
    if (token_is(tokens, at + 1, ".") && token_is_word(tokens, at + 2, WORD_NOW) &&
        token_is(tokens, at + 3, "(")) {
        note_text(noting, at, "not_deterministic",
                  "Date.now() throws in a workflow: pass the time in args");
    } else if (made && (!called || token_is(tokens, at + 2, ")")) &&
               !token_is(tokens, at + 1, ".")) {
        note_text(noting, at - 1, "not_deterministic",
                  "new Date() without a time throws in a workflow: pass the time in args");
    } else if (!made && called) {
        note_text(noting, at, "not_deterministic",
                  "Date() throws in a workflow: pass the time in args");
    }
}

static void note_math(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    if (token_is(tokens, at + 1, ".") && token_is_word(tokens, at + 2, WORD_RANDOM) &&
        token_is(tokens, at + 3, "(")) {
        note_text(noting, at, "not_deterministic",
                  "Math.random() throws in a workflow: vary by index instead");
    }
}

/* --- Calls ------------------------------------------------------------------------------------ */

static const char *const options[] = {
    "label",     "phase",        "schema",         "model",          "effort", "isolation",
    "agentType", "capabilities", "max_tool_calls", "max_tool_iters", "tools",  "budget",
};

static bool is_noted(const struct noting *noting, const char *message) {
    for (size_t i = 0; i < noting->prepared->note_count; i++) {
        if (strcmp(noting->prepared->notes[i].fault.message, message) == 0) {
            return true;
        }
    }
    return false;
}

/* Scripts of other hosts name models by words of theirs. Each is told once. */
static void note_model(struct noting *noting, uint32_t value, struct text *name) {
    char message[sizeof noting->prepared->notes[0].fault.message];
    utf8_make_plain(name->data, name->len);
    (void)snprintf(message, sizeof message,
                   "\"%s\" is no CONNECTION/MODEL: the model of the run is asked instead",
                   name->data); /* Cut at worst. */
    if (!is_noted(noting, message)) {
        note_text(noting, value, "foreign_model", message);
    }
}

static void check_model(struct noting *noting, uint32_t value) {
    AUTO(text_done) struct text name;
    struct script_fault ignored;
    text_init(&name, 200);
    const bool plain =
        noting->tokens->list[value].kind == TOKEN_STRING &&
        (token_is(noting->tokens, value + 1, ",") || token_is(noting->tokens, value + 1, "}"));
    if (!plain || err_failed(literal_text(noting->tokens, value, &name, &ignored)) ||
        text_failed(&name) || name.len == 0 || memchr(name.data, '/', name.len) != NULL ||
        memchr(name.data, '\0', name.len) != NULL || strcmp(name.data, "inherit") == 0) {
        return;
    }
    note_model(noting, value, &name);
}

static void check_option(void *ctx, struct bytes key, uint32_t value) {
    struct noting *noting = ctx;
    char typed[64] = "";
    if (key.len == strlen("model") && memcmp(key.data, "model", key.len) == 0) {
        check_model(noting, value);
        return;
    }
    if (key.len == 0 || key.len >= sizeof typed) {
        return;
    }
    memcpy(typed, key.data, key.len);
    struct suggest suggest;
    suggest_begin(&suggest, typed);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(options[i], typed) == 0) {
            return;
        }
        suggest_offer(&suggest, options[i]);
    }
    uint32_t at = token_is(noting->tokens, value - 1, ":") ? value - 2 : value;
    struct script_fault *fault = note(noting, at, "unknown_option", true);
    const char *best = suggest_best(&suggest);
    if (fault != NULL) {
        (void)snprintf(fault->message, sizeof fault->message, "agent() has no option \"%s\"%s%s%s",
                       typed, best == NULL ? "" : "; did you mean \"", best == NULL ? "" : best,
                       best == NULL ? "" : "\"?");
    }
}

/* agent(…, {…}): the second argument, where it is an object. */
static void note_agent(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    uint32_t end = tokens->list[at + 1].mate;
    uint32_t arg = at + 2;
    while (arg < end && !token_is(tokens, arg, ",")) {
        arg = token_behind(tokens, arg);
    }
    if (arg < end && token_is(tokens, arg + 1, "{")) {
        literal_each_key(tokens, arg + 1, check_option, noting);
    }
}

/* parallel([…]), pipeline([…]): how many there are, and whether they are promises already. */
static void note_items(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    bool thunks = token_is_word(tokens, at, WORD_PARALLEL);
    if (!token_is(tokens, at + 2, "[")) {
        return;
    }
    uint32_t end = tokens->list[at + 2].mate;
    unsigned items = 0;
    for (uint32_t item = at + 3; item < end; items++) {
        if (thunks && items == 0 && token_is_word(tokens, item, WORD_AGENT) &&
            token_is(tokens, item + 1, "(")) {
            struct script_fault *fault = note(noting, item, "not_a_function", true);
            if (fault != NULL) {
                (void)snprintf(fault->message, sizeof fault->message,
                               "parallel() takes functions: write `() => agent(…)`");
            }
        }
        while (item < end && !token_is(tokens, item, ",")) {
            item = token_behind(tokens, item);
        }
        item++;
    }
    struct script_fault *fault =
        items <= ITEMS_MAX ? NULL : note(noting, at, "too_many_items", true);
    if (fault != NULL) {
        (void)snprintf(fault->message, sizeof fault->message,
                       "%u items: at most %d are taken by one call", items, ITEMS_MAX);
    }
}

static void note_call(struct noting *noting, uint32_t at) {
    bool called = token_is(noting->tokens, at + 1, "(") && !token_is_member(noting->tokens, at) &&
                  !token_is_word(noting->tokens, at - 1, WORD_FUNCTION);
    if (called && token_is_word(noting->tokens, at, WORD_AGENT)) {
        note_agent(noting, at);
    } else if (called) {
        note_items(noting, at);
    }
}

static void note_at(struct noting *noting, uint32_t at) {
    switch (token_word(noting->tokens, at)) {
    case WORD_DATE:
        note_date(noting, at);
        return;
    case WORD_MATH:
        note_math(noting, at);
        return;
    case WORD_AGENT:
    case WORD_PARALLEL:
    case WORD_PIPELINE:
        note_call(noting, at);
        return;
    default:
        return;
    }
}

void script_note_risks(const struct tokens *tokens, struct script_prepared *prepared) {
    static const enum word words[] = {WORD_DATE, WORD_MATH, WORD_AGENT, WORD_PARALLEL,
                                      WORD_PIPELINE};
    bool own[WORD__END] = {false};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        own[words[i]] = script_declares(tokens, words[i]);
    }
    struct noting noting = {.tokens = tokens, .prepared = prepared};
    for (uint32_t at = 0; at < tokens->count; at++) {
        if (!own[token_word(tokens, at)] && !token_is_member(tokens, at)) {
            note_at(&noting, at);
        }
    }
}
