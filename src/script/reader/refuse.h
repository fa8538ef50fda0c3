/* refuse.h: what no workflow script may hold: imports and TypeScript, each only where tokens leave
 * no doubt. For read.c.
 *
 * Ownership  the tokens are borrowed.
 * Threads    any; pure.
 * Failure    ERR_BAD_SCRIPT and a fault.
 */
#ifndef DROVER_SCRIPT_READER_REFUSE_H
#define DROVER_SCRIPT_READER_REFUSE_H

#include "base/base.h"
#include "base/err.h"
#include "script/reader/tokens.h"

/* The tokens need not be whole: those before a syntax error are looked at, too. */
MUST_CHECK struct err refuse_foreign(const struct tokens *tokens, struct script_fault *ret_fault);

#endif
