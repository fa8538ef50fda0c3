/* timers.h: the heap of timers behind loop.h, over one uv_timer.
 *
 * Promise    starting, stopping and firing cost O(log n); pushing a running timer further away,
 *            which is what every idle time-out does all day, is O(1): the heap keeps the old key
 *            and looks again when that key comes up.
 * Ownership  embedded in the loop; the timers themselves belong to whoever embeds them.
 * Threads    the loop's thread.
 */
#ifndef DROVER_LOOP_TIMERS_H
#define DROVER_LOOP_TIMERS_H

#include <uv.h>

#include "base/base.h"

struct loop;
struct timer;

struct timers_entry {
    uint64_t due_ms, order; /* The key; at most what the timer itself says. */
    struct timer *timer;    /* Borrowed while it is started. */
};

struct timers {
    struct timers_entry *heap; /* Owned. */
    size_t count, size;
    uint64_t order;    /* Of the next start; breaks ties. */
    uint64_t armed_ms; /* When the alarm rings; UINT64_MAX when it does not. */
    uv_timer_t alarm;  /* Does not keep the loop alive. */
    struct loop *loop; /* Borrowed: the one that embeds this. */
};

void timers_init(struct timers *timers, struct loop *loop);
void timers_close(struct timers *timers); /* Closes the alarm; forgets what was started. */
void timers_done(struct timers *timers);  /* After the alarm was closed. */

/* Between loop.c and timers.c only. */
struct timers *loop__timers(struct loop *loop);
uint64_t loop__breathe(struct loop *loop); /* loop_breathe, and the time. */

#endif
