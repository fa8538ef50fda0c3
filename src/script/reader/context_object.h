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

/* The main function gets the functions of a workflow. */
MUST_CHECK bool context_object_is_taken(const struct tokens *tokens, const struct forms *forms);
/* All that a main function may take, as an object in JavaScript. */
extern const char context_object_text[];

#endif
