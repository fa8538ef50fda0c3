/* outage.c: 0.5 s, 2 s, 8 s, then 15 s, 30 s, … 5 min, with the usual first long wait. */
#include "rules/provider/outage.h"

uint64_t outage_wait_ms(const struct outage_wait *wait) {
    assert(wait->failures > 0);
    const uint64_t random = wait->random;
    if (wait->failures <= OUTAGE_QUICK) {
        const uint64_t quick_ms = (wait->first_ms << (2 * (wait->failures - 1))) / 30;
        return quick_ms * 3 / 4 + quick_ms / 2 * random / UINT32_MAX;
    }
    const uint64_t most_ms = wait->hurried ? wait->first_ms : wait->first_ms * OUTAGE_LONGEST;
    uint64_t wait_ms = wait->first_ms;
    for (unsigned i = OUTAGE_QUICK + 1; i < wait->failures && wait_ms < most_ms; i++) {
        wait_ms *= 2;
    }
    wait_ms = wait_ms < most_ms ? wait_ms : most_ms;
    return wait_ms + wait_ms / 8 * random / UINT32_MAX;
}

uint64_t outage_patience_ms(enum outage_patience patience, uint64_t first_ms) {
    return patience == PATIENCE_NONE     ? first_ms
           : patience == PATIENCE_PERSON ? OUTAGE_PERSON * first_ms
           : patience == PATIENCE_YIELDS ? OUTAGE_YIELDS * first_ms
                                         : UINT64_MAX / 2;
}

unsigned outage_failures(const struct outage *outage, bool probes) {
    return outage->failures + (probes || outage->failures == 0);
}

void outage_fail(struct outage *outage, const struct outage_failure *failure) {
    if (outage->failures > 0 && !failure->probes) {
        return;
    }
    outage->failures++;
    outage->failed_ms = failure->now_ms;
    outage->next_ms = failure->now_ms + failure->wait_ms;
    outage->named = failure->named;
}

void outage_end(struct outage *outage, uint64_t now_ms) {
    outage->failures = 0;
    outage->good_ms = now_ms;
}

void outage_hurry(struct outage *outage, uint64_t now_ms, uint64_t first_ms) {
    const uint64_t soonest_ms = outage->failed_ms + first_ms / 3;
    const uint64_t soon_ms = soonest_ms > now_ms ? soonest_ms : now_ms;
    if (outage->failures > OUTAGE_QUICK && !outage->named && outage->next_ms > soon_ms) {
        outage->next_ms = soon_ms;
    }
}

void outage_wake(struct outage *outage, uint64_t now_ms, uint64_t slept_ms) {
    if (outage->named) {
        outage->next_ms -= slept_ms < outage->next_ms ? slept_ms : outage->next_ms;
    } else if (outage->failures > 0) {
        outage->failures = 1;
        outage->next_ms = outage->next_ms < now_ms ? outage->next_ms : now_ms;
    }
}

static bool is_cold(const struct outage *outage, uint64_t now_ms) {
    return outage->good_ms == 0 || now_ms - outage->good_ms > OUTAGE_COLD_MS;
}

bool outage_may_send(const struct outage *outage, const struct outage_calls *calls,
                     uint64_t *ret_again_ms) {
    *ret_again_ms = 0;
    if (outage_is_away(outage)) {
        *ret_again_ms = calls->probing ? 0 : outage->next_ms;
        return !calls->probing && calls->now_ms >= outage->next_ms;
    }
    const uint64_t open_ms = outage->burst_ms + OUTAGE_BURST_MS;
    if (calls->out < OUTAGE_BURST || !is_cold(outage, calls->now_ms) || calls->now_ms >= open_ms) {
        return true;
    }
    *ret_again_ms = open_ms;
    return false;
}

void outage_note_sent(struct outage *outage, const struct outage_calls *calls) {
    if (calls->out == 0) {
        outage->burst_ms = calls->now_ms;
    }
}
