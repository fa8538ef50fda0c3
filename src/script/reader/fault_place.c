/* fault_place.c: the place of a syntax error that the engine found, with a hint where a guess is
 * enough. */
#include <stdio.h>
#include <string.h>

#include "script/reader/read.h"
#include "script/reader/tokens.h"

static bool looks_foreign(const struct tokens *tokens, uint32_t at) {
    static const char *const types[] = {"string", "number",  "boolean", "any",   "unknown", "void",
                                        "never",  "Promise", "Record",  "Array", "object"};
    bool typed = token_is_any(tokens, at, ":<");
    for (size_t i = 0; typed && i < COUNT_OF(types); i++) {
        if (bytes_is(token_text(tokens, at + 1), types[i])) {
            return true;
        }
    }
    return token_is_word(tokens, at, WORD_AS) || token_is_word(tokens, at, WORD_INTERFACE) ||
           token_is_word(tokens, at, WORD_TYPE) || token_is_word(tokens, at, WORD_READONLY);
}

/* Engines tell the line on which they stumbled: the cause may stand on the one before. */
static bool looks_foreign_near(const struct tokens *tokens, unsigned line) {
    const struct bytes source = tokens->source;
    size_t offset = 0;
    for (unsigned at_line = 1; offset < source.len && at_line + 1 < line; offset++) {
        at_line += source.data[offset] == '\n' ? 1 : 0;
    }
    unsigned lines = 0;
    for (uint32_t at = 0; at < tokens->count && lines < 3; at++) {
        if (tokens->list[at].start < offset) {
            continue;
        }
        lines += tokens->list[at].new_line ? 1 : 0;
        if (lines < 3 && looks_foreign(tokens, at)) {
            return true;
        }
    }
    return false;
}

void script_fault_place(struct bytes source, struct script_fault *fault) {
    AUTO(tokens_done) struct tokens tokens = {.list = NULL};
    struct script_fault other;
    unsigned lines = 1;
    if (source.len > SCRIPT_SOURCE_MAX || fault->line == 0 ||
        tokens_read(source, &tokens, &other).code == ERR_OUT_OF_MEMORY) {
        return;
    } /* After any other error, the tokens before it are there. */
    for (size_t at = 0; at < source.len; at++) {
        lines += source.data[at] == '\n' ? 1 : 0;
    }
    if (fault->line > lines) {
        const struct script_place end = tokens.count == 0 ? (struct script_place){0, 0}
                                                          : token_place(&tokens, tokens.count - 1);
        fault->line = end.line;
        fault->column = end.column;
        if (tokens.count == 0) {
            return;
        }
        (void)snprintf(fault->message, sizeof fault->message,
                       "the script ends in the middle of a statement");
    }
    if (looks_foreign_near(&tokens, fault->line)) {
        char told[sizeof fault->message];
        (void)snprintf(told, sizeof told,
                       "%.180s (workflow scripts are plain JavaScript, not TypeScript)",
                       fault->message);
        memcpy(fault->message, told, sizeof told);
    }
}
