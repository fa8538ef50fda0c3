/* clocks.h: the wall clock and the steady one side by side, as long as a daemon lives.
 *
 * Rows have times of the wall clock. That may be set, and goes on in a suspend, while the steady
 * clock stands still. So it is kept by how much the two differed, and when: the steady time of a
 * row is then known, whatever became of the wall clock since it was written.
 *
 *   steady   0 ─────────── 100 ──────────── 200 ─────── now
 *   span       difference 5      difference 65     …          set forward by 60, somewhere
 *                                                             between two looks at both
 *
 * Promise    a time that a look has seen is found. Of one that the wall clock has shown twice, the
 *            later is meant. Before the first look, times are as far away as the wall clock says.
 *            CLOCK_SPANS_MAX settings are known, the oldest are forgotten.
 * Threads    one at a time. Pure.
 */
#ifndef DROVER_STORE_CLOCKS_H
#define DROVER_STORE_CLOCKS_H

#include "base/base.h"

enum {
    CLOCK_SPANS_MAX = 32,
    CLOCK_DRIFT_MS = 500, /* A difference that changes by less is the same one. */
};

/* Spans meet: the clock was set between two looks, and nobody knows when. */
struct clock_span {
    int64_t from_ms, until_ms; /* Steady. */
    int64_t difference_ms;     /* Wall clock less the steady one. */
};
struct clocks {
    struct clock_span spans[CLOCK_SPANS_MAX]; /* The last one is the present. */
    size_t count;
};

void clocks_look(struct clocks *clocks, int64_t wall_ms, int64_t steady_ms);
/* Steady time of a time of the wall clock; -1: it is still to come. */
int64_t clocks_steady_ms(const struct clocks *clocks, int64_t wall_ms);

#endif
