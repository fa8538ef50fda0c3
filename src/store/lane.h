/* lane.h: a queue from the loop to a thread that sleeps while it is empty; and such a thread.
 *
 * Promise    first in, first out; slices are a queue of their own, which never starves. Where the
 *            number of slices is bounded, the threads beyond it are left to other calls. A push
 *            costs a wake-up only when a thread sleeps.
 * Ownership  embedded: init/done; the lane owns the calls in it.
 * Threads    any.
 */
#ifndef DROVER_STORE_LANE_H
#define DROVER_STORE_LANE_H

#include <pthread.h>
#include <uv.h>

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"
#include "store/call.h"

enum { LANE_IN_A_ROW = 8 };

struct lane {
    uv_mutex_t lock; /* Guards the members below. */
    uv_cond_t wake;
    struct calls calls;
    struct calls slices; /* Rest of long reads: after `calls`. */
    unsigned in_a_row;   /* Calls taken since the last slice while one was waiting. */
    unsigned slices_now; /* Slices that were taken and have not ended. */
    unsigned slices_max; /* Bound of slices_now; 0: none. */
    unsigned sleepers;
    bool ending;
};
void lane_init(struct lane *lane);
void lane_done(struct lane *lane);
void lane_push(struct lane *lane, struct call *call);
/* A slice is taken when no other call waits, or after LANE_IN_A_ROW of those. Only for threads that
 * use lane_wait_one. */
void lane_push_slice(struct lane *lane, struct call *call);
/* Bound of the slices at once; 0: none. Before the first call. */
void lane_bound_slices(struct lane *lane, unsigned slices_max);
/* After a slice that was taken from the lane. */
void lane_slice_ended(struct lane *lane);
void lane_end(struct lane *lane); /* Waiting threads get what is left, then false. */

/* Waits for one call. False: the lane has ended and is empty. */
bool lane_wait_one(struct lane *lane, struct call **ret_call);
/* Waits for a call that is not lazy, or until a lazy one is lazy_ns old; then moves all calls to
 * *calls. False: the lane has ended and is empty. */
bool lane_wait_all(struct lane *lane, const struct world *world, uint64_t lazy_ns,
                   struct calls *calls);
void lane_take_all(struct lane *lane, struct calls *calls); /* Does not wait. */

/* A thread with every signal blocked: they belong to the loop's thread. */
MUST_CHECK struct err store__thread_start(pthread_t *ret_thread, const char *name,
                                          void *(*run)(void *arg), void *arg);

#endif
