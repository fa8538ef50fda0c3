/* nursery.h: the holder's program as it makes holders ahead of their orders.
 *
 *   nursery ──fork──> a SPARE, which makes itself ready and waits ──an order──> a holder
 *      ^ └──────── the spare has its order, or is no more: the next ───────┘
 *
 * Why        a fork, and all that a holder does before it knows what for, would stand between a
 *            commit and its command. There is one spare at a time, and the link is its own to read:
 *            an order goes from the daemon straight to whoever carries it out.
 * Promise    nursery_keep returns in each spare, and in the nursery itself once its link has ended:
 *            nothing is left to do then. nursery_wait returns in a spare with the order and the
 *            link where main expects them, as if it had been started with them.
 * Failure    the nursery's own: it can do nothing for anybody.
 */
#ifndef DROVER_PROC_HOLDER_NURSERY_H
#define DROVER_PROC_HOLDER_NURSERY_H

#include "base/base.h"
#include "base/err.h"

enum nursery_outcome { NURSERY_BORN, NURSERY_OVER };

/* `word` is the program's first argument, or NULL. It is blanked in whoever has an order, so that
 * who looks at the processes can tell them from the nursery. */
MUST_CHECK bool nursery_is(const char *word);
/* BORN: `ret_tie` is the spare's; nursery_wait takes it. */
MUST_CHECK struct err nursery_keep(int *ret_tie, enum nursery_outcome *ret_outcome);
MUST_CHECK struct err nursery_wait(char *word, int tie, enum nursery_outcome *ret_outcome);

#endif
