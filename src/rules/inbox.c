/* inbox.c: 1 s, 2 s, 4 s … 5 min, then hourly; each a little longer by chance, so that receivers
 * which failed together are not all tried together.
 */
#include "rules/inbox.h"

#include <string.h>

static const char *const state_names[INBOX_STATE_COUNT] = {
#define X(state, name) name,
    INBOX_STATES(X)
#undef X
};

const char *inbox_state_name(enum inbox_state state) {
    assert(state < INBOX_STATE_COUNT);
    return state_names[state];
}

bool inbox_state_find(struct bytes name, enum inbox_state *ret_state) {
    for (unsigned i = 0; i < INBOX_STATE_COUNT; i++) {
        if (strlen(state_names[i]) == name.len &&
            memcmp(state_names[i], name.data, name.len) == 0) {
            *ret_state = (enum inbox_state)i;
            return true;
        }
    }
    return false;
}

/* Doubling stops at the bound, so no number of failures can overflow it. */
static int64_t doubled(const struct inbox_waits *waits, int64_t failures) {
    int64_t wait = waits->first_ms;
    for (int64_t i = 1; i < failures && wait < waits->max_ms; i++) {
        wait = wait > waits->max_ms / 2 ? waits->max_ms : wait * 2;
    }
    return wait < waits->max_ms ? wait : waits->max_ms;
}

struct inbox_next inbox_after_failure(const struct inbox_waits *waits, int64_t failures,
                                      uint32_t random) {
    bool stalled = failures >= waits->stalled_after;
    int64_t wait = stalled ? waits->stalled_ms : doubled(waits, failures);
    int64_t more = (int64_t)((double)wait / 4 * random / UINT32_MAX);
    return (struct inbox_next){.state = stalled ? INBOX_STALLED : INBOX_PENDING,
                               .wait_ms = wait + more};
}
