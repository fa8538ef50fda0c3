/* members.c: parameters of a main function, and members of the object that it gets, that are not
 * there. */
#include "script/judge/notes.h"
#include "script/reader/literal.h"

enum { NAME_SHOWN_MAX = 60 };

struct pattern {
    struct judge *judge;
    const struct context_object *context;
    unsigned keys;
};

static void member_note(const struct pattern *pattern, uint32_t at, bool called) {
    struct bytes name = token_text(pattern->judge->tokens, at);
    if (name.len <= NAME_SHOWN_MAX) {
        (void)script__note_once(pattern->judge, at, "main_member", called ? NOTE_GRAVE : NOTE_WARNS,
                                "the main function gets no \"%.*s\": there are agent, parallel, "
                                "pipeline, phase, log, workflow, args, budget, console and meta",
                                (int)name.len, name.data);
    }
}

static void pattern_note(void *ctx, struct bytes key, uint32_t value) {
    struct pattern *pattern = ctx;
    const struct tokens *tokens = pattern->judge->tokens;
    uint32_t at = token_is(tokens, value - 1, ":") ? value - 2 : value;
    if (key.len > 0 && !context_object_offers(key) && pattern->keys++ < CONTEXT_KEYS_MAX &&
        !token_is(tokens, token_after(tokens, value), "=")) {
        member_note(pattern, at,
                    context_object_calls(tokens, pattern->context, token_text(tokens, value)));
    }
}

void script_note_context(struct judge *judge, const struct context_object *context) {
    const struct tokens *tokens = judge->tokens;
    struct pattern pattern = {.judge = judge, .context = context};
    if (!context->taken) {
        uint32_t behind =
            context->second == TOKEN_NOWHERE ? 0 : token_after(tokens, context->second);
        if (behind > 0 && !token_is(tokens, behind, "=") &&
            !token_is(tokens, context->second, "...")) {
            (void)script__note(judge, context->second, "main_parameter", NOTE_WARNS,
                               "the main function gets the args alone: this parameter is "
                               "undefined");
        }
        return;
    }
    if (token_is(tokens, context->first, "{")) {
        literal_each_key(tokens, context->first, pattern_note, &pattern);
    }
    for (uint32_t at = context->body; at < context->end; at++) {
        bool called = token_is(tokens, at + 1, "(");
        bool tested = token_is(tokens, at + 1, "?.") || token_is(tokens, at + 1, "?\?") ||
                      token_is(tokens, at + 1, "=") || token_is_word(tokens, at - 3, WORD_TYPEOF);
        if (context_object_parts(tokens, context, at)) {
            literal_each_key(tokens, at, pattern_note, &pattern);
        } else if (context_object_has(tokens, context, at) && !tested &&
                   !context_object_offers(token_text(tokens, at))) {
            member_note(&pattern, at, called);
        }
    }
}
