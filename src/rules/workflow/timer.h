/* rules/workflow/timer.h: a timer of a workflow's script: setTimeout() or sleep(). Pure.
 *
 *   pending ──its time, or the clock, is there──> fired
 *      ├─────clearTimeout()─────────────────────> cleared
 *      └─────the run ends───────────────────────> cancelled
 *
 * Promise    a timer ends once. Fired and cleared ones have a number in the order of the run's
 *            outcomes, cancelled ones have none: no script hears of them any more.
 * Clocks     the due time is a time of the wall clock, stored by the commit that makes the timer.
 *            Within one life of the daemon a timer waits by the monotonic clock, so that a clock
 *            that is set forward or back moves nothing. Another life, and a machine that wakes
 *            from a suspend, know the wall clock alone. No wait is longer than the delay that the
 *            script asked for, whatever the wall clock says.
 */
#ifndef DROVER_RULES_WORKFLOW_TIMER_H
#define DROVER_RULES_WORKFLOW_TIMER_H

#include "base/base.h"

enum {
    WORKFLOW_TIMERS_OPEN_MAX = 1000, /* Pending timers of one run, */
    WORKFLOW_TIMERS_MAX = 10000,     /* and all that it makes. */
};
#define WORKFLOW_TIMER_MS_MAX (INT64_C(30) * 24 * 60 * 60 * 1000)

#define TIMER_KINDS(X)                                                                             \
    X(SLEEP, "sleep")                                                                              \
    X(TIMEOUT, "timeout")
#define TIMER_STATES(X)                                                                            \
    X(PENDING, "pending")                                                                          \
    X(FIRED, "fired")                                                                              \
    X(CLEARED, "cleared")                                                                          \
    X(CANCELLED, "cancelled")

#define X(value, name) TIMER_##value,
enum timer_kind { TIMER_KINDS(X) TIMER_KIND_COUNT };
enum timer_state { TIMER_STATES(X) TIMER_STATE_COUNT };
#undef X
extern const char *const timer_kind_names[], *const timer_state_names[]; /* NULL ends them. */

/* Rest of a wait at this time of the wall clock: from 0 up to the whole delay. */
int64_t timer_left_ms(int64_t made_ms, int64_t due_ms, int64_t wall_ms);

#endif
