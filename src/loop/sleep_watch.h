/* sleep_watch.h: notices that the machine was suspended.
 *
 * Why        CLOCK_MONOTONIC, by which timers and deadlines run, stands still in a suspend: no
 *            limit runs out because a laptop was closed. But connections die meanwhile without a
 *            word, and a call of a model would wait its whole limit for an answer that cannot come.
 *            CLOCK_BOOTTIME goes on; the difference of the two is the time slept.
 * Promise    `woke` once for each suspend of SLEEP_LEAST_MS or more, at most SLEEP_LOOK_MS after
 *            the end of it. A clock that somebody sets changes neither of the two.
 * Ownership  embedded; the loop lives until sleep_watch_stop.
 * Threads    the loop.
 */
#ifndef DROVER_LOOP_SLEEP_WATCH_H
#define DROVER_LOOP_SLEEP_WATCH_H

#include "base/base.h"
#include "loop/loop.h"

enum { SLEEP_LOOK_MS = 10000, SLEEP_LEAST_MS = 5000 };

struct sleep_clocks {
    uint64_t boot_ms, mono_ms;
};

struct sleep_watch {
    struct loop *loop;
    struct timer timer;
    struct sleep_clocks last;
    void (*woke)(void *ctx, uint64_t slept_ms);
    void *ctx;
};

/* Pure: time slept between the two readings; 0 where it was less than SLEEP_LEAST_MS. */
uint64_t sleep_between(const struct sleep_clocks *before, const struct sleep_clocks *now);

void sleep_watch_start(struct sleep_watch *watch, struct loop *loop,
                       void (*woke)(void *ctx, uint64_t slept_ms), void *ctx);
void sleep_watch_stop(struct sleep_watch *watch); /* Never started is fine. */

#endif
