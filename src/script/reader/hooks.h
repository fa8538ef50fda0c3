/* hooks.h: main functions of other hosts, which get the functions of a workflow as their first
 * argument and the args as their second: `({ agent, parallel, args })`, `(ctx, input)`. For meta.c.
 *
 * A main function gets the args alone, unless it calls a member of its first parameter by the name
 * of one of our functions: args are JSON, so no member of theirs can be called.
 *
 * Ownership  the tokens are borrowed.
 * Threads    any; pure.
 */
#ifndef DROVER_SCRIPT_READER_HOOKS_H
#define DROVER_SCRIPT_READER_HOOKS_H

#include "base/base.h"
#include "script/reader/forms.h"
#include "script/reader/meta.h"
#include "script/reader/tokens.h"

struct hooks {
    uint32_t first, second; /* Parameters; TOKEN_NOWHERE: there is none, or nobody knows. */
    uint32_t body, end;     /* Tokens of the body. */
    struct bytes object;    /* Name of the first parameter; empty: that is a pattern. */
    bool taken;             /* The main function gets the functions of a workflow. */
};

void hooks_find(const struct tokens *tokens, const struct forms *forms, struct hooks *ret_hooks);
/* ctx.NAME, of the first parameter. */
MUST_CHECK bool hooks_has(const struct tokens *tokens, const struct hooks *hooks, uint32_t at);
/* All that a main function may take, as an object in JavaScript. */
extern const char hooks_object[];

/* Fills the notes of a prepared script: parameters and members that it will not get. */
void script_note_hooks(const struct tokens *tokens, const struct hooks *hooks,
                       struct script_prepared *prepared);

#endif
