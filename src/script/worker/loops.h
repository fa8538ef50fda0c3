/* loops.h: the line of a loop that the engine has no line for.
 *
 * The engine notes positions of calls, operators and members, and of nothing else: a script that is
 * stuck in `for (;;) {}` is said to be wherever it last did one of those. So the text is read
 * again: either that place lies inside of a loop, or the loop that runs is the next one behind it
 * in the same function.
 *
 * Promise    pure, and of use alone: on a text that is read wrongly (a regular expression taken for
 *            a division, say) the answer is another line, or the place as it was given.
 */
#ifndef DROVER_SCRIPT_WORKER_LOOPS_H
#define DROVER_SCRIPT_WORKER_LOOPS_H

#include "base/base.h"
#include "script/worker/place.h"

/* `at`: what the engine said, with line 0 where it knew none. */
MUST_CHECK struct place loops_find(struct bytes script, struct place at);

#endif
