/* clock.c: see clock.h. */
#include "proc/holder/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id) {
    struct timespec now = {0};
    (void)clock_gettime(id, &now); /* Cannot fail for these two. */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_ms(void) {
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void) {
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_after(int64_t now, int64_t wait_ms) {
    int64_t sum;
    return __builtin_add_overflow(now, wait_ms, &sum) ? CLOCK_NEVER : sum;
}
