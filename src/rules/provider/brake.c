/* brake.c: see brake.h. */
#include "rules/provider/brake.h"

/* Whole periods of quiet since the last refusal. */
static int64_t quiet_periods(const struct brake *brake, int64_t now_ms) {
    return now_ms <= brake->refused_ms ? 0 : (now_ms - brake->refused_ms) / BRAKE_QUIET_MS;
}

int64_t brake_limit(const struct brake *brake, int64_t most, int64_t now_ms) {
    const int64_t raised = quiet_periods(brake, now_ms);
    return brake->limit == 0 || raised >= most - brake->limit ? most : brake->limit + raised;
}

int64_t brake_rises_ms(const struct brake *brake, int64_t most, int64_t now_ms) {
    if (brake_limit(brake, most, now_ms) == most) {
        return 0;
    }
    return brake->refused_ms + (quiet_periods(brake, now_ms) + 1) * BRAKE_QUIET_MS;
}

void brake_refuse(struct brake *brake, const struct brake_refusal *refusal) {
    const int64_t limit = brake_limit(brake, refusal->most, refusal->now_ms);
    const int64_t before = limit == BRAKE_UNLIMITED ? refusal->running : limit;
    const bool again = brake->limit > 0 && refusal->sent_ms <= brake->halved_ms;
    brake->refused_ms = refusal->now_ms;
    if (again) {
        brake->limit = limit;
        return;
    }
    brake->limit = before / 2 > 0 ? before / 2 : 1;
    brake->halved_ms = refusal->now_ms;
}
