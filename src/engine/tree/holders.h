/* holders.h: whether the holder of a working tree is busy in it, and whether it has ended.
 *
 * Threads    inside a store function.
 * Failure    as store.h: the transaction keeps the error.
 */
#ifndef DROVER_ENGINE_TREE_HOLDERS_H
#define DROVER_ENGINE_TREE_HOLDERS_H

#include "engine/tree/trees.h"

/* ERR_IN_USE, and who it is: a turn in the tree has not ended (of its session, of a subagent or a
 * review), or its agent or attempt has not. */
MUST_CHECK struct err tx_tree_idle(struct tx *tx, const struct tree_row *row, struct why *why);

/* The time at which the holder ended: its session was archived or deleted, its task is over, its
 * agent has ended. 0: it has not. */
MUST_CHECK int64_t tx_tree_ended_ms(struct tx *tx, const struct tree_row *row);

/* Trees of a host that stand, whose holders have ended, the oldest first. */
struct trees_over {
    struct bytes host;
    struct bytes owner, project; /* No data: any. */
    int64_t after;               /* Number of the last one; 0: from the first. */
    int64_t before_ms;           /* Ended before this time; 0: at any. */
    bool unkept;                 /* Only those that were not marked as kept since that end. */
};
/* False: there is none. Copied into the arena. */
MUST_CHECK bool tx_tree_over_next(struct tx *tx, const struct trees_over *over,
                                  struct tree_row *ret_row);

#endif
