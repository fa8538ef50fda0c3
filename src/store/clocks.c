/* clocks.c: see clocks.h. */
#include "store/clocks.h"

#include <string.h>

void clocks_look(struct clocks *clocks, int64_t wall_ms, int64_t steady_ms) {
    const int64_t difference_ms = wall_ms - steady_ms;
    struct clock_span *last = clocks->count > 0 ? &clocks->spans[clocks->count - 1] : NULL;
    const int64_t from_ms = last == NULL ? steady_ms : last->until_ms;
    if (last != NULL) {
        const int64_t change_ms = difference_ms - last->difference_ms;
        last->until_ms = steady_ms;
        if (change_ms > -CLOCK_DRIFT_MS && change_ms < CLOCK_DRIFT_MS) {
            return;
        }
    }
    if (clocks->count == CLOCK_SPANS_MAX) {
        memmove(clocks->spans, clocks->spans + 1, (CLOCK_SPANS_MAX - 1) * sizeof *clocks->spans);
        clocks->count--;
    }
    clocks->spans[clocks->count++] = (struct clock_span){from_ms, steady_ms, difference_ms};
}

int64_t clocks_steady_ms(const struct clocks *clocks, int64_t wall_ms) {
    for (size_t i = clocks->count; i > 0; i--) {
        const struct clock_span *span = &clocks->spans[i - 1];
        const int64_t steady_ms = wall_ms - span->difference_ms;
        if ((i == 1 || steady_ms > span->from_ms - CLOCK_DRIFT_MS) &&
            steady_ms < span->until_ms + CLOCK_DRIFT_MS) {
            return steady_ms;
        }
    }
    return -1;
}
