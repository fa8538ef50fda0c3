/* nursery.h: the holder's program as it waits for orders, and makes a holder for each.
 *
 * Promise    nursery_keep returns in a new process for each order that came, with the order and the
 *            link where main expects them, as if it had been started with them; and in the nursery
 *            itself once its own link has ended: nothing is left to do then.
 * Failure    the nursery's own: it can do nothing for anybody.
 */
#ifndef DROVER_PROC_HOLDER_NURSERY_H
#define DROVER_PROC_HOLDER_NURSERY_H

#include "base/base.h"
#include "base/err.h"

enum nursery_outcome { NURSERY_BORN, NURSERY_OVER };

/* `word` is the program's first argument, or NULL. It is blanked in whoever is born, so that who
 * looks at the processes can tell them from the nursery. */
MUST_CHECK bool nursery_is(const char *word);
MUST_CHECK struct err nursery_keep(char *word, enum nursery_outcome *ret_outcome);

#endif
