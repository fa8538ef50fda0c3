/* place.h: where in the user's files something was thrown.
 *
 * Promise    pure. A stack is the engine's text: one line for each call, "    at NAME (FILE:L:C)".
 *            Lines of the prelude and of the engine itself are not the user's.
 */
#ifndef DROVER_SCRIPT_WORKER_PLACE_H
#define DROVER_SCRIPT_WORKER_PLACE_H

#include "base/base.h"

/* The name that the prelude has as a file; no file of a user can have it. */
#define PLACE_PRELUDE "<drover>"
/* What the engine calls the text that JSON.parse was given. */
#define PLACE_JSON "<input>"

struct place {
    uint32_t line, column; /* 1, 2, …; 0: not known. */
};

/* Takes the next line of the user's off `stack`; false: there is none. Its place may be unknown. */
MUST_CHECK bool place_next(struct bytes *stack, struct bytes *ret_line, struct place *ret_place);

#endif
