/* log_pace.c: see log_pace.h. */
#include "base/log_pace.h"

static const uint64_t every_ns = 1000 * 1000 * 1000;

bool log_pace_take(struct log_pace *pace, uint64_t now_ns, uint64_t *ret_omitted) {
    if (now_ns < pace->next_ns) {
        pace->omitted++;
        return false;
    }
    *ret_omitted = pace->omitted;
    *pace = (struct log_pace){.next_ns = now_ns + every_ns};
    return true;
}
