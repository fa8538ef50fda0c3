/* notes.c: what will throw, or may, when a run comes there. */
#include <stdarg.h>
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
    unsigned agents;  /* Calls of agent(). */
    bool names_model; /* An agent has a model of its own, or may have one. */
};

static void note_add(struct script_prepared *prepared, const struct script_note *note) {
    if (prepared->note_count == SCRIPT_NOTES_MAX) {
        unsigned last = note->grave ? SCRIPT_NOTES_MAX : 0;
        while (last > 0 && prepared->notes[last - 1].grave) {
            last--;
        }
        if (last == 0) {
            return;
        }
        memmove(&prepared->notes[last - 1], &prepared->notes[last],
                (SCRIPT_NOTES_MAX - last) * sizeof *prepared->notes);
        prepared->note_count--;
    }
    prepared->notes[prepared->note_count++] = *note;
}

void script__note(const struct tokens *tokens, struct script_prepared *prepared, uint32_t at,
                  const char *code, enum note_gravity gravity, const char *format, ...) {
    struct script_note note = {.fault = {.code = code}, .grave = gravity == NOTE_GRAVE};
    va_list args;
    script__place(tokens->source, tokens->list[at].start, &note.fault);
    va_start(args, format);
    (void)vsnprintf(note.fault.message, sizeof note.fault.message, format,
                    args); /* Cut at worst. */
    va_end(args);
    note_add(prepared, &note);
}

/* --- Time and chance -------------------------------------------------------------------------- */

static void note_date(struct noting *noting, uint32_t at) {
    static const char code[] = "not_deterministic";
    const struct tokens *tokens = noting->tokens;
    bool made = token_is_word(tokens, at - 1, WORD_NEW);
    bool called = token_is(tokens, at + 1, "(");
    if (token_is(tokens, at + 1, ".") && token_is_word(tokens, at + 2, WORD_NOW) &&
        token_is(tokens, at + 3, "(")) {
        script__note(noting->tokens, noting->prepared, at, code, NOTE_WARNS,
                     "Date.now() throws in a workflow: pass the time in args");
    } else if (made && (!called || token_is(tokens, at + 2, ")")) &&
               !token_is(tokens, at + 1, ".")) {
        script__note(noting->tokens, noting->prepared, at - 1, code, NOTE_WARNS,
                     "new Date() without a time throws in a workflow: pass the time in args");
    } else if (!made && called) {
        script__note(noting->tokens, noting->prepared, at, code, NOTE_WARNS,
                     "Date() throws in a workflow: pass the time in args");
    }
}

/* --- Calls ------------------------------------------------------------------------------------ */

/* Adds a warning, unless the same one is there: options and models are noted where they come first.
 */
PRINTF_LIKE(4, 5)
static void note_once(struct noting *noting, uint32_t at, const char *code, const char *format,
                      ...) {
    char message[sizeof noting->prepared->notes[0].fault.message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args); /* Cut at worst. */
    va_end(args);
    for (size_t i = 0; i < noting->prepared->note_count; i++) {
        if (strcmp(noting->prepared->notes[i].fault.message, message) == 0) {
            return;
        }
    }
    script__note(noting->tokens, noting->prepared, at, code, NOTE_WARNS, "%s", message);
}

/* Scripts of other hosts name models by words of theirs, and leave the choice to us with them. */
static void note_model(struct noting *noting, uint32_t value) {
    const struct tokens *tokens = noting->tokens;
    AUTO(text_done) struct text name = text_up_to(200);
    struct script_fault ignored;
    if (token_kind(tokens, value) != TOKEN_STRING || !token_is_any(tokens, value + 1, ",}") ||
        err_failed(literal_text(tokens, value, &name, &ignored)) || text_failed(&name) ||
        (name.len > 0 &&
         (memchr(name.data, '/', name.len) != NULL || memchr(name.data, '\0', name.len) != NULL))) {
        noting->names_model = true;
        return;
    }
    if (name.len == 0 || strcmp(name.data, "inherit") == 0) {
        return;
    }
    utf8_make_plain(name.data, name.len);
    note_once(noting, value, "foreign_model",
              "\"%s\" is no CONNECTION/MODEL: the setting model_aliases says which model is asked, "
              "else it is that of the run",
              name.data);
}

static void note_option(void *ctx, struct bytes key, uint32_t value) {
    static const char *const options[] = {
        "label",     "phase",        "schema",         "model",          "effort", "isolation",
        "agentType", "capabilities", "max_tool_calls", "max_tool_iters", "tools",  "budget",
    };
    struct noting *noting = ctx;
    char typed[64] = "";
    if (bytes_is(key, "model")) {
        note_model(noting, value);
        return;
    }
    noting->names_model = noting->names_model || key.len == 0 || bytes_is(key, "agentType");
    if (key.len == 0 || key.len >= sizeof typed) {
        return;
    }
    memcpy(typed, key.data, key.len);
    utf8_make_plain(typed, key.len);
    struct suggest suggest;
    suggest_begin(&suggest, typed);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(options[i], typed) == 0) {
            return;
        }
        suggest_offer(&suggest, options[i]);
    }
    uint32_t at = token_is(noting->tokens, value - 1, ":") ? value - 2 : value;
    const char *best = suggest_best(&suggest);
    note_once(noting, at, "unknown_option", "agent() has no option \"%s\", and ignores it%s%s%s",
              typed, best == NULL ? "" : "; did you mean \"", best == NULL ? "" : best,
              best == NULL ? "" : "\"?");
}

/* The next comma of the level, or `end`. */
static uint32_t comma_after(const struct tokens *tokens, uint32_t at, uint32_t end) {
    while (at < end && !token_is(tokens, at, ",")) {
        at = token_after(tokens, at);
    }
    return at;
}

/* parallel([…]), pipeline([…]): the number of items, and whether they are promises already. */
static void note_items(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    if (!token_is(tokens, at + 2, "[")) {
        return;
    }
    uint32_t end = tokens->list[at + 2].mate;
    unsigned items = 0;
    for (uint32_t item = at + 3; item < end; items++) {
        if (items == 0 && token_is_word(tokens, at, WORD_PARALLEL) &&
            token_is_word(tokens, item, WORD_AGENT) && token_is(tokens, item + 1, "(")) {
            script__note(noting->tokens, noting->prepared, item, "not_a_function", NOTE_GRAVE,
                         "parallel() takes functions: write `() => agent(…)`");
        }
        item = comma_after(tokens, item, end) + 1;
    }
    if (items > ITEMS_MAX) {
        script__note(noting->tokens, noting->prepared, at, "too_many_items", NOTE_GRAVE,
                     "%u items: at most %d are taken by one call", items, ITEMS_MAX);
    }
}

/* agent(…, {…}): the second argument, where it is an object. */
static void note_agent(struct noting *noting, uint32_t at) {
    const struct tokens *tokens = noting->tokens;
    uint32_t end = tokens->list[at + 1].mate, comma = comma_after(tokens, at + 2, end);
    noting->agents++;
    if (comma < end && token_is(tokens, comma + 1, "{")) {
        literal_each_key(tokens, comma + 1, note_option, noting);
    } else if (comma + 1 < end || token_is(tokens, at + 2, "...")) {
        noting->names_model = true; /* Options that only a run knows. */
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
        enum word word = token_word(tokens, at);
        if (own[word] || token_is_member(tokens, at)) {
            continue;
        }
        bool called =
            token_is(tokens, at + 1, "(") && !token_is_word(tokens, at - 1, WORD_FUNCTION);
        if (word == WORD_DATE) {
            note_date(&noting, at);
        } else if (word == WORD_MATH && token_is(tokens, at + 1, ".") &&
                   token_is_word(tokens, at + 2, WORD_RANDOM) && token_is(tokens, at + 3, "(")) {
            script__note(tokens, prepared, at, "not_deterministic", NOTE_WARNS,
                         "Math.random() throws in a workflow: vary by index instead");
        } else if (called && word == WORD_AGENT) {
            note_agent(&noting, at);
        } else if (word == WORD_AGENT) {
            noting.names_model = true; /* A value that is called elsewhere. */
        } else if (called && (word == WORD_PARALLEL || word == WORD_PIPELINE)) {
            note_items(&noting, at);
        }
    }
    prepared->names_no_model = noting.agents > 0 && !noting.names_model;
}
