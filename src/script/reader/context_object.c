/* context_object.c: see context_object.h. */
#include "script/reader/context_object.h"

#include "script/reader/literal.h"
#include "script/reader/syntax.h"

static const char *const functions[] = {"agent", "parallel", "pipeline", "phase",
                                        "log",   "workflow", NULL};
const char context_object_text[] =
    "{agent,parallel,pipeline,phase,log,workflow,args,budget,console,meta}";

enum { CONTEXT_KEYS_MAX = 64 /* At most, each of which has the body searched. */ };

struct context_object {
    uint32_t body, end;  /* Tokens of the body. */
    struct bytes object; /* Name of the first parameter; empty: that is a pattern. */
};

static bool is_one_of(struct bytes name, const char *const *names) {
    return bytes_find(name, names, &(unsigned){0});
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

/* The body calls a function by this name. */
static bool calls(const struct tokens *tokens, const struct context_object *context,
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
        calls(pattern->tokens, pattern->context, token_text(pattern->tokens, value))) {
        pattern->taken = true;
    }
}

/* The "{" at `at` is a pattern that the object is taken apart with: const { agent } = ctx; */
static bool takes_apart(const struct tokens *tokens, const struct context_object *context,
                        uint32_t at) {
    uint32_t behind = token_is(tokens, at, "{") ? token_after(tokens, at) : TOKEN_NOWHERE;
    return token_is(tokens, behind, "=") && context->object.len > 0 &&
           bytes_equal(token_text(tokens, behind + 1), context->object) &&
           !token_is(tokens, behind + 2, ".");
}

/* ctx.NAME, of the first parameter. */
static bool is_of(const struct tokens *tokens, const struct context_object *context, uint32_t at) {
    return context->object.len > 0 && token_is_member(tokens, at) &&
           bytes_equal(token_text(tokens, at - 2), context->object) &&
           !token_is_member(tokens, at - 2);
}

bool context_object_is_taken(const struct tokens *tokens, const struct forms *forms) {
    const uint32_t open =
        forms->form == SCRIPT_FORM_MAIN ? parameters_find(tokens, forms) : TOKEN_NOWHERE;
    if (open == TOKEN_NOWHERE || token_is(tokens, open + 1, ")")) {
        return false;
    }
    struct context_object context = {.body = 0};
    body_find(tokens, open, &context);
    const uint32_t first = token_is(tokens, open, "(") ? open + 1 : open;
    context.object = token_is_free_name(tokens, first) ? token_text(tokens, first) : BYTES("");
    struct pattern pattern = {.tokens = tokens, .context = &context};
    if (token_is(tokens, first, "{")) {
        literal_each_key(tokens, first, pattern_take, &pattern);
    }
    for (uint32_t at = context.body; at < context.end && !pattern.taken; at++) {
        if (takes_apart(tokens, &context, at)) {
            literal_each_key(tokens, at, pattern_take, &pattern);
        }
        pattern.taken |= is_of(tokens, &context, at) && token_is(tokens, at + 1, "(") &&
                         is_one_of(token_text(tokens, at), functions);
    }
    return pattern.taken;
}
