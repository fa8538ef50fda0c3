/* timer.c: see timer.h. */
#include "rules/workflow/timer.h"

#define X(value, name) name,
const char *const timer_kind_names[] = {TIMER_KINDS(X) NULL};
const char *const timer_state_names[] = {TIMER_STATES(X) NULL};
#undef X

int64_t timer_left_ms(int64_t made_ms, int64_t due_ms, int64_t wall_ms) {
    const int64_t whole_ms = due_ms > made_ms ? due_ms - made_ms : 0;
    if (wall_ms >= due_ms) {
        return 0;
    }
    return wall_ms <= made_ms ? whole_ms : due_ms - wall_ms;
}
