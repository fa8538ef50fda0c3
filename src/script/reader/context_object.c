/* context_object.c: see context_object.h. */
#include "script/reader/context_object.h"

#include "script/reader/literal.h"
#include "script/reader/syntax.h"

static const char *const functions[] = {"agent", "parallel", "pipeline", "phase",
                                        "log",   "workflow", NULL};
static const char *const values[] = {"args", "budget", "console", "meta", NULL};
const char context_object_text[] =
    "{agent,parallel,pipeline,phase,log,workflow,args,budget,console,meta}";

static bool is_one_of(struct bytes name, const char *const *names) {
    return bytes_find(name, names, &(unsigned){0});
}

bool context_object_offers(struct bytes name) {
    return is_one_of(name, functions) || is_one_of(name, values);
}

/* --- Its parameters --------------------------------------------------------------------------- */

/* The "(" before the parameters of the function that is the value at `at`, or the name of the only
 * one of an arrow function; TOKEN_NOWHERE: it is no function, as far as its first tokens tell. */
static uint32_t parameters_of(const struct tokens *tokens, uint32_t at) {
    if (token_is_word(tokens, at, WORD_ASYNC) && token_same_line(tokens, at + 1)) {
        at++;
    }
    if (token_is_word(tokens, at, WORD_FUNCTION)) {
        at += token_kind(tokens, at + 1) == TOKEN_NAME ? 2 : 1;
        return token_is(tokens, at, "(") ? at : TOKEN_NOWHERE;
    }
    if (syntax_is_method(tokens, at)) {
        return at + 1;
    }
    return syntax_arrow_body(tokens, at) != TOKEN_NOWHERE ? at : TOKEN_NOWHERE;
}

static uint32_t parameters_find(const struct tokens *tokens, const struct forms *forms) {
    uint32_t at = forms->how == MAIN_MEMBER ? literal_value_of(tokens, forms->main_at, "default")
                                            : forms->main_at;
    uint32_t found = parameters_of(tokens, at);
    if (found == TOKEN_NOWHERE && token_is_free_name(tokens, at)) {
        at = forms_declared(tokens, token_text(tokens, at));
        found = at == TOKEN_NOWHERE ? at : parameters_of(tokens, at);
    }
    return found;
}

static void body_find(const struct tokens *tokens, uint32_t parameters,
                      struct context_object *context) {
    uint32_t at = token_after(tokens, parameters);
    at += token_is(tokens, at, "=>") ? 1 : 0;
    context->body = context->end = at;
    if (token_is(tokens, at, "{")) {
        context->end = token_after(tokens, at);
    }
    while (context->end == at && at < tokens->count && !token_is_any(tokens, at, ",;)}")) {
        at = token_after(tokens, at);
        context->end = at;
    }
}

/* --- What it takes ---------------------------------------------------------------------------- */

struct pattern {
    const struct tokens *tokens;
    const struct context_object *context;
    unsigned keys;
    bool taken;
};

bool context_object_calls(const struct tokens *tokens, const struct context_object *context,
                          struct bytes name) {
    for (uint32_t at = context->body; at < context->end; at++) {
        if (token_is(tokens, at + 1, "(") && !token_is_member(tokens, at) &&
            bytes_equal(token_text(tokens, at), name) && !syntax_is_method(tokens, at)) {
            return true;
        }
    }
    return false;
}

/* { agent, log: say }: the name that a key is bound to is called. */
static void pattern_take(void *ctx, struct bytes key, uint32_t value) {
    struct pattern *pattern = ctx;
    if (is_one_of(key, functions) && pattern->keys++ < CONTEXT_KEYS_MAX &&
        context_object_calls(pattern->tokens, pattern->context,
                             token_text(pattern->tokens, value))) {
        pattern->taken = true;
    }
}

bool context_object_parts(const struct tokens *tokens, const struct context_object *context,
                          uint32_t at) {
    uint32_t behind = token_is(tokens, at, "{") ? token_after(tokens, at) : TOKEN_NOWHERE;
    return token_is(tokens, behind, "=") && context->object.len > 0 &&
           bytes_equal(token_text(tokens, behind + 1), context->object) &&
           !token_is(tokens, behind + 2, ".");
}

bool context_object_has(const struct tokens *tokens, const struct context_object *context,
                        uint32_t at) {
    return context->object.len > 0 && token_is_member(tokens, at) &&
           bytes_equal(token_text(tokens, at - 2), context->object) &&
           !token_is_member(tokens, at - 2);
}

void context_object_find(const struct tokens *tokens, const struct forms *forms,
                         struct context_object *ret_context) {
    struct context_object context = {.first = TOKEN_NOWHERE, .second = TOKEN_NOWHERE};
    uint32_t open =
        forms->form == SCRIPT_FORM_MAIN ? parameters_find(tokens, forms) : TOKEN_NOWHERE;
    *ret_context = context;
    if (open == TOKEN_NOWHERE || token_is(tokens, open + 1, ")")) {
        return;
    }
    body_find(tokens, open, &context);
    context.first = token_is(tokens, open, "(") ? open + 1 : open;
    uint32_t behind = token_after(tokens, context.first);
    while (context.first > open && behind < tokens->count && !token_is_any(tokens, behind, ",)")) {
        behind = token_after(tokens, behind); /* The default value. */
    }
    if (context.first > open && token_is(tokens, behind, ",") &&
        !token_is(tokens, behind + 1, ")")) {
        context.second = behind + 1;
    }
    context.object =
        token_is_free_name(tokens, context.first) ? token_text(tokens, context.first) : BYTES("");
    struct pattern pattern = {.tokens = tokens, .context = &context};
    if (token_is(tokens, context.first, "{")) {
        literal_each_key(tokens, context.first, pattern_take, &pattern);
    }
    for (uint32_t at = context.body; at < context.end && !pattern.taken; at++) {
        if (context_object_parts(tokens, &context, at)) {
            literal_each_key(tokens, at, pattern_take, &pattern);
        }
        pattern.taken |= context_object_has(tokens, &context, at) &&
                         token_is(tokens, at + 1, "(") &&
                         is_one_of(token_text(tokens, at), functions);
    }
    context.taken = pattern.taken;
    *ret_context = context;
}
