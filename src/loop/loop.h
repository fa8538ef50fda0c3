/* loop.h: the one thread that holds the daemon's logic, over libuv.
 *
 * Promise    messages posted from one thread arrive in the order they were posted. A callback never
 *            runs inside the call that asked for it.
 * Ownership  the caller owns the loop; messages, works and timers are embedded in the caller's
 *            objects and must outlive their callback.
 * Threads    loop_post: any. Everything else: the loop's thread.
 * Watchdog   a callback that takes over 2 ms of the thread's CPU is counted and handed to `slow`.
 *            Messages, tasks and timers that would make a turn longer than about a millisecond
 *            wait for the next one.
 * Ending     after loop_stop everything still works until nobody else's handle, message, task or
 *            work is left; timers alone hold nothing up. Then loop_run returns. Threads that post
 *            must have ended before loop_close, which runs what they left, waits for works, and
 *            closes the loop's own handles.
 */
#ifndef DROVER_LOOP_LOOP_H
#define DROVER_LOOP_LOOP_H

#include "base/base.h"
#include "base/err.h"
#include "base/link.h"
#include "loop/world.h"

struct loop;

struct loop_options {
    const struct world *world;                /* Borrowed for the loop's life. */
    void (*slow)(void *ctx, uint64_t cpu_ns); /* May be NULL. */
    void *slow_ctx;
};

MUST_CHECK struct err loop_open(const struct loop_options *options, struct loop **ret_loop);
void loop_run(struct loop *loop);  /* Until loop_stop, then until every handle is closed. */
void loop_stop(struct loop *loop); /* Loop thread. */
/* Runs messages and tasks until none is left, without a look at sockets and timers. For the loop's
 * thread while the loop does not run: after a thread that posted was joined. */
void loop_drain(struct loop *loop);
void loop_close(struct loop *loop); /* After loop_run returned, or unrun. NULL is allowed. */
const struct world *loop_world(const struct loop *loop);
uint64_t loop_slow_turns(const struct loop *loop);

/* Tells the watchdog that a new piece of work begins. The loop knows that of messages, tasks,
 * timers and works; callbacks that libuv calls itself (reads, writes, accepts, closings) say it,
 * first thing. One that does not is not watched, or its time is held against another. */
void loop_breathe(struct loop *loop);

/* A message to the loop, from any thread. */
struct loop_msg {
    struct loop_msg *next;
    void (*run)(struct loop_msg *msg);
};
void loop_post(struct loop *loop, struct loop_msg *msg);

/* Runs soon, on the loop, after the I/O of this turn; queueing twice is queueing once. What wants
 * to go on for more than about a millisecond does a part and queues itself again. */
struct loop_task {
    struct link link; /* Private. */
    bool queued;
    void (*run)(struct loop_task *task);
};
void loop_soon(struct loop *loop, struct loop_task *task);
void loop_task_cancel(struct loop *loop, struct loop_task *task);

/* Coarse timers (granularity: the loop's millisecond clock). Embedded and zeroed before first use,
 * armed once, no close needed: timer_stop is immediate. Starting one that runs restarts it; pushing
 * it further away costs next to nothing. They fire by due time, equal ones as they were started. */
struct timer {
    uint64_t due_ms, order; /* Private, as is slot: 1 + place in the heap, 0 when not started. */
    size_t slot;
    void (*fire)(struct timer *timer);
};
void timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                 void (*fire)(struct timer *timer));
void timer_stop(struct loop *loop, struct timer *timer); /* Not started is allowed. */
/* Makes a running timer fire in at most `after_ms`. Never delays it. */
void timer_hasten(struct loop *loop, struct timer *timer, uint64_t after_ms);
static inline bool timer_runs(const struct timer *timer) {
    return timer->slot != 0;
}

/* Pure work (bytes in, bytes out) in a pool of threads; `done` on the loop. */
struct loop_work {
    void (*run)(struct loop_work *work);
    void (*done)(struct loop_work *work);
};
void loop_work(struct loop *loop, struct loop_work *work);
/* `release(what)`; where it frees many bytes, in that pool. */
void loop_free(struct loop *loop, void (*release)(void *what), void *what, size_t bytes);

#endif
