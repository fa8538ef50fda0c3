/* retention.c: see retention.h. */
#include "rules/run/retention.h"

int64_t retain_now(const struct retain_clock *clock) {
    assert(clock->lived_ms >= 0);
    if (clock->judged_ms == 0 || clock->wall_ms <= clock->judged_ms) {
        return clock->wall_ms;
    }
    int64_t ahead_ms = clock->wall_ms - clock->judged_ms;
    int64_t step_ms = clock->lived_ms <= INT64_MAX / (RETAIN_CATCH_UP + 1)
                          ? clock->lived_ms * (RETAIN_CATCH_UP + 1)
                          : INT64_MAX;
    return ahead_ms <= step_ms ? clock->wall_ms : clock->judged_ms + step_ms;
}
