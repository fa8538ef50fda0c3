/* context_object.h: the object of functions that main functions of other hosts get as their first
 * argument, before the args: `({ agent, parallel, args })`, `(ctx, input)`. For read.c.
 *
 * A main function gets the args alone, unless it calls a member of its first parameter by the name
 * of one of our functions: args are JSON, so no member of theirs can be called.
 *
 * Ownership  the tokens are borrowed.
 * Threads    any; pure.
 */
#ifndef DROVER_SCRIPT_READER_CONTEXT_OBJECT_H
#define DROVER_SCRIPT_READER_CONTEXT_OBJECT_H

#include "base/base.h"
#include "script/reader/forms.h"
#include "script/reader/read.h"
#include "script/reader/tokens.h"

struct context_object {
    uint32_t first, second; /* Parameters; TOKEN_NOWHERE: there is none, or nobody knows. */
    uint32_t body, end;     /* Tokens of the body. */
    struct bytes object;    /* Name of the first parameter; empty: that is a pattern. */
    bool taken;             /* The main function gets the functions of a workflow. */
};

void context_object_find(const struct tokens *tokens, const struct forms *forms,
                         struct context_object *ret_context);
/* ctx.NAME, of the first parameter. */
MUST_CHECK bool context_object_has(const struct tokens *tokens,
                                   const struct context_object *context, uint32_t at);
/* The "{" at `at` is a pattern that the object is taken apart with: const { agent } = ctx; */
MUST_CHECK bool context_object_parts(const struct tokens *tokens,
                                     const struct context_object *context, uint32_t at);
/* The body calls a function by this name. */
MUST_CHECK bool context_object_calls(const struct tokens *tokens,
                                     const struct context_object *context, struct bytes name);
MUST_CHECK bool context_object_offers(struct bytes name);
enum { CONTEXT_KEYS_MAX = 64 /* At most, each of which has the body searched. */ };
/* All that a main function may take, as an object in JavaScript. */
extern const char context_object_text[];

#endif
