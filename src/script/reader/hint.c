/* hint.c: a word for a syntax error that the engine found: whether the line looks like TypeScript.
 * Here a guess is enough, since that something is wrong is known. And where it is, when the engine
 * stumbled only over what we put behind the script. */
#include <stdio.h>
#include <string.h>

#include "script/reader/refuse.h"

static const char *const types[] = {"string", "number",  "boolean", "any",   "unknown", "void",
                                    "never",  "Promise", "Record",  "Array", "object"};

static bool is_type(const struct tokens *tokens, uint32_t at) {
    struct bytes text = token_text(tokens, at);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (text.len == strlen(types[i]) && memcmp(text.data, types[i], text.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool looks_foreign(const struct tokens *tokens, uint32_t at) {
    bool typed = token_is(tokens, at, ":") || token_is(tokens, at, "<");
    return (typed && is_type(tokens, at + 1)) || token_is_word(tokens, at, WORD_AS) ||
           token_is_word(tokens, at, WORD_INTERFACE) || token_is_word(tokens, at, WORD_TYPE) ||
           token_is_word(tokens, at, WORD_READONLY);
}

/* Engines tell the line on which they stumbled: the cause may stand on the one before. */
static uint32_t first_on_line(const struct tokens *tokens, unsigned line) {
    unsigned at_line = 1;
    size_t offset = 0;
    for (; offset < tokens->source.len && at_line + 1 < line; offset++) {
        at_line += tokens->source.data[offset] == '\n' ? 1 : 0;
    }
    uint32_t at = 0;
    while (at < tokens->count && tokens->list[at].start < offset) {
        at++;
    }
    return at;
}

const char *script_syntax_hint(struct bytes source, unsigned line) {
    AUTO(tokens_done) struct tokens tokens = {.list = NULL};
    struct script_fault fault;
    if (source.len > SCRIPT_SOURCE_MAX) {
        return NULL;
    }
    struct err err = tokens_read(source, &tokens, &fault); /* What was read is looked at. */
    if (err.code == ERR_OUT_OF_MEMORY) {
        return NULL;
    }
    unsigned lines = 0;
    for (uint32_t at = first_on_line(&tokens, line); at < tokens.count && lines < 3; at++) {
        lines += tokens.list[at].new_line ? 1 : 0;
        if (lines < 3 && looks_foreign(&tokens, at)) {
            return "workflow scripts are plain JavaScript, not TypeScript";
        }
    }
    return NULL;
}

/* --- Places ----------------------------------------------------------------------------------- */

static unsigned lines_of(struct bytes source) {
    unsigned lines = 1;
    for (size_t at = 0; at < source.len; at++) {
        lines += source.data[at] == '\n' ? 1 : 0;
    }
    return lines;
}

static void place_at_end(struct bytes source, struct script_fault *fault) {
    AUTO(tokens_done) struct tokens tokens = {.list = NULL};
    struct script_fault other;
    struct err err = tokens_read(source, &tokens, &other); /* It was read before: it is whole. */
    if (err_failed(err) || tokens.count == 0) {
        fault->line = fault->column = 0;
        return;
    }
    const struct token *last = &tokens.list[tokens.count - 1];
    script__place(source, last->start, fault);
    (void)snprintf(fault->message, sizeof fault->message,
                   "the script ends in the middle of a statement");
}

static void add_hint(struct bytes source, struct script_fault *fault) {
    const char *hint = script_syntax_hint(source, fault->line);
    if (hint != NULL) {
        char told[sizeof fault->message];
        (void)snprintf(told, sizeof told, "%.180s (%s)", fault->message, hint);
        memcpy(fault->message, told, sizeof told);
    }
}

void script_fault_place(struct bytes source, struct script_fault *fault) {
    if (source.len > SCRIPT_SOURCE_MAX || fault->line == 0) {
        return;
    }
    if (fault->line > lines_of(source)) {
        place_at_end(source, fault);
    }
    if (fault->line > 0) {
        add_hint(source, fault);
    }
}
