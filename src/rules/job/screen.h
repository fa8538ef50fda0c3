/* screen.h: where a replay of a terminal's output begins, so that it ends with the right screen.
 *
 * A replay of everything is right and may be long. A part of it is right from a point on at which
 * the screen was empty, or where nothing of the screen before can be seen any more:
 *
 *   clear (ESC[2J, ESC[3J), reset (ESC c)   while the main screen is shown, or nobody knows which
 *   leaving the alternate screen            if it was entered before the part begins
 *   otherwise                               the first line or escape sequence of the part
 *
 * A clear of the alternate screen is none: the sequence that entered it must be replayed, too, as
 * must the main screen before that, which comes back at the end.
 *
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_JOB_SCREEN_H
#define DROVER_RULES_JOB_SCREEN_H

#include "base/base.h"

enum { SCREEN_WINDOW_MAX = 256 << 10 };

/* Offset in `part`, the last bytes of the output, where the replay begins. */
size_t screen_begin(struct bytes part);

#endif
