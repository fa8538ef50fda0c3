/* lane.h: a queue from the loop to a thread that sleeps while it is empty.
 *
 * Promise    first in, first out; slices are a queue of their own, which never starves. Where their
 *            number is bounded, the threads beyond it are left to other calls. Whoever pushes pays
 *            for a wake-up only when somebody sleeps.
 * Ownership  embedded: init/done; it owns the calls in it.
 * Threads    any.
 */
#ifndef DROVER_STORE_LANE_H
#define DROVER_STORE_LANE_H

#include <uv.h>

#include "base/base.h"
#include "loop/world.h"
#include "store/call.h"

enum { LANE_IN_A_ROW = 8 };

struct lane {
    uv_mutex_t lock; /* Guards what follows. */
    uv_cond_t wake;
    struct calls calls;
    struct calls slices; /* Rest of long reads: after `calls`. */
    unsigned in_a_row;   /* Calls taken since the last slice while one was waiting. */
    unsigned slices_now; /* Slices that were taken and have not ended. */
    unsigned slices_max; /* Bound of that; 0: none. */
    unsigned sleepers;
    bool ending;
};
void lane_init(struct lane *lane);
void lane_done(struct lane *lane);
void lane_push(struct lane *lane, struct call *call);
/* Of lane_wait_one: waits until no other call does, but for LANE_IN_A_ROW of them at most. */
void lane_push_slice(struct lane *lane, struct call *call);
/* At most so many slices at once. Before the first call. */
void lane_bound_slices(struct lane *lane, unsigned slices_max);
/* After a slice that was taken from the lane. */
void lane_slice_ended(struct lane *lane);
void lane_end(struct lane *lane); /* Waiting threads get what is left, then false. */

/* Waits for one call. False: the lane has ended and is empty. */
bool lane_wait_one(struct lane *lane, struct call **ret_call);
/* Waits until there is a call that is not lazy, or one that has been lazy for lazy_ns; then adds
 * all there is to *calls. False: the lane has ended and is empty. */
bool lane_wait_all(struct lane *lane, const struct world *world, uint64_t lazy_ns,
                   struct calls *calls);
void lane_take_all(struct lane *lane, struct calls *calls); /* Does not wait. */

#endif
