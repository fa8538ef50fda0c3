/* thread_queue.h: calls on their way from the loop to threads, which sleep while there are none.
 *
 * Promise    first in, first out; slices are a queue of their own, which never starves. Where the
 *            number of slices is bounded, the threads beyond it are left to other calls. A push
 *            costs a wake-up only when a thread sleeps.
 * Ownership  embedded: init/done; the queue owns the calls in it.
 * Threads    any.
 */
#ifndef DROVER_STORE_THREAD_QUEUE_H
#define DROVER_STORE_THREAD_QUEUE_H

#include <pthread.h>
#include <uv.h>

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"
#include "store/call.h"

enum { THREAD_QUEUE_IN_A_ROW = 8 };

struct thread_queue {
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
void thread_queue_init(struct thread_queue *queue);
void thread_queue_done(struct thread_queue *queue);
void thread_queue_push(struct thread_queue *queue, struct call *call);
/* A slice is taken when no other call waits, or after THREAD_QUEUE_IN_A_ROW of those. Only for
 * threads that use thread_queue_wait_one. */
void thread_queue_push_slice(struct thread_queue *queue, struct call *call);
/* Bound of the slices at once; 0: none. Before the first call. */
void thread_queue_bound_slices(struct thread_queue *queue, unsigned slices_max);
/* After a slice that was taken from the queue. */
void thread_queue_slice_ended(struct thread_queue *queue);
void thread_queue_end(
    struct thread_queue *queue); /* Waiting threads get what is left, then false. */

/* Waits for one call. False: the queue has ended and is empty. */
bool thread_queue_wait_one(struct thread_queue *queue, struct call **ret_call);
/* Waits for a call that is not lazy, or until a lazy one is lazy_ns old; then moves all calls to
 * *calls. False: the queue has ended and is empty. */
bool thread_queue_wait_all(struct thread_queue *queue, const struct world *world, uint64_t lazy_ns,
                           struct calls *calls);
void thread_queue_take_all(struct thread_queue *queue, struct calls *calls); /* Does not wait. */

/* A thread with every signal blocked: they belong to the loop's thread. */
MUST_CHECK struct err store__thread_start(pthread_t *ret_thread, const char *name,
                                          void *(*run)(void *arg), void *arg);

#endif
