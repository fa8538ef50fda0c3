/* syntax.h: constructs of several tokens, as far as tokens tell.
 *
 * Ownership  the tokens are borrowed.
 * Threads    any; pure.
 */
#ifndef DROVER_SCRIPT_READER_SYNTAX_H
#define DROVER_SCRIPT_READER_SYNTAX_H

#include "base/base.h"
#include "script/reader/tokens.h"

/* `name(…) {` in an object or a class. */
MUST_CHECK bool syntax_is_method(const struct tokens *tokens, uint32_t at);
/* The bracket at `open` opens the body of a function. */
MUST_CHECK bool syntax_opens_function(const struct tokens *tokens, uint32_t open);
/* The body of the arrow function that begins at `at`; TOKEN_NOWHERE: it is none. */
uint32_t syntax_arrow_body(const struct tokens *tokens, uint32_t at);

#endif
