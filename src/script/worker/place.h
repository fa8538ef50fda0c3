/* place.h: where in the user's files something was thrown.
 *
 * Stacks     a stack is the engine's text: one line for each call, "    at NAME (FILE:L:C)".
 *            Lines of the prelude and of the engine itself are not the user's.
 * Loops      the engine notes positions of calls, operators and members, and of nothing else: a
 *            script that is stuck in `for (;;) {}` is said to be wherever it last did one of those.
 *            So the text is read again: either that place lies inside of a loop, or the loop that
 *            runs is the next one after it in the same function.
 * Promise    pure. A loop's place is of use alone: on a text that is read wrongly (a regular
 *            expression taken for a division, say) it is another line, or the place as given.
 */
#ifndef DROVER_SCRIPT_WORKER_PLACE_H
#define DROVER_SCRIPT_WORKER_PLACE_H

#include "base/base.h"

/* The name that the prelude has as a file; no file of a user can have it. */
#define PLACE_PRELUDE "<drover>"
/* The engine's name for the text that JSON.parse was given. */
#define PLACE_JSON "<input>"

struct place {
    uint32_t line, column; /* 1, 2, …; 0: not known. */
};

/* Takes the next line of the user's off `stack`; false: there is none. Its place may be unknown. */
MUST_CHECK bool place_next(struct bytes *stack, struct bytes *ret_line, struct place *ret_place);

/* The place of the loop that `at` lies in, or before. `at`: what the engine said, with line 0 where
 * it knew none. */
MUST_CHECK struct place loops_find(struct bytes script, struct place at);

#endif
