/* rules/inbox.h: when a delivery that failed is tried again. Pure.
 *
 *   pending ──taken──> delivering ──> acknowledged | gone (the receiver is no more)
 *      ^                   │
 *      └─── failed ────────┘   20 failures: stalled, tried hourly and on demand, never dropped
 *
 * `delivering` is in memory only: a daemon that died while delivering tries again (at least once).
 */
#ifndef DROVER_RULES_INBOX_H
#define DROVER_RULES_INBOX_H

#include "base/base.h"

#define INBOX_STATES(X)                                                                            \
    X(PENDING, "pending")                                                                          \
    X(STALLED, "stalled")                                                                          \
    X(ACKNOWLEDGED, "acknowledged")                                                                \
    X(GONE, "gone")                                                                                \
    X(DROPPED, "dropped")

enum inbox_state {
#define X(state, name) INBOX_##state,
    INBOX_STATES(X)
#undef X
        INBOX_STATE_COUNT
};
const char *inbox_state_name(enum inbox_state state);
MUST_CHECK bool inbox_state_find(struct bytes name, enum inbox_state *ret_state);

/* Settings, with these defaults. */
struct inbox_waits {
    int64_t first_ms, max_ms, stalled_ms;
    int64_t stalled_after; /* Failures. */
};
#define INBOX_WAITS_DEFAULT                                                                        \
    ((struct inbox_waits){.first_ms = 1000,                                                        \
                          .max_ms = INT64_C(5) * 60 * 1000,                                        \
                          .stalled_ms = INT64_C(3600) * 1000,                                      \
                          .stalled_after = 20})

struct inbox_next {
    enum inbox_state state;
    int64_t wait_ms;
};
/* After the `failures`th failure in a row (from 1). `random` spreads: up to a quarter more. */
struct inbox_next inbox_after_failure(const struct inbox_waits *waits, int64_t failures,
                                      uint32_t random);

#endif
