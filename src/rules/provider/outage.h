/* outage.h: when a provider that is away is asked again. Pure.
 *
 *   answers ──a try fails──> away ──the wait is over──> probed ──an answer begins──> answers
 *      ^                      ^                            │
 *      │                      └───────── fails ────────────┘
 *      └── an answer that somebody else gets begins
 *
 * Promise    while a provider is away, one call of its connection, the probe, is sent after each
 *            wait, and all others wait for its result. So the number of requests during an outage
 *            follows from its length, not from the number of calls.
 *            The first waits are short, since most failures pass at once: OUTAGE_QUICK of them, up
 *            to half of the first long one. The long ones double up to OUTAGE_LONGEST times the
 *            first. While a person waits, none is longer than the first.
 * Cold       nobody knows whether a provider that was silent for OUTAGE_COLD_MS answers. Calls that
 *            begin together are not all sent to find that out: OUTAGE_BURST are, and the rest when
 *            one of them is answered, at the latest OUTAGE_BURST_MS later.
 * Times      milliseconds of the monotonic clock.
 */
#ifndef DROVER_RULES_PROVIDER_OUTAGE_H
#define DROVER_RULES_PROVIDER_OUTAGE_H

#include "base/base.h"

enum {
    OUTAGE_WAIT_MS = 15000, /* First long wait, unless the daemon is given another one. */
    OUTAGE_QUICK = 3,
    OUTAGE_LONGEST = 20,
    OUTAGE_PERSON = 8,
    OUTAGE_YIELDS = 4, /* A minute. */
    OUTAGE_BURST = 4,
    OUTAGE_BURST_MS = 500,
    OUTAGE_COLD_MS = 60000,
};

/* Time that the caller of a model waits for a provider that is away. */
enum outage_patience {
    PATIENCE_NONE,   /* The quick waits: together not longer than the first long one. */
    PATIENCE_PERSON, /* OUTAGE_PERSON times the first long one. */
    PATIENCE_YIELDS, /* OUTAGE_YIELDS times it: another agent may do the work. */
    PATIENCE_AGENT,  /* As long as it takes: its own deadline ends it. */
};
/* From the first failure to the last try. */
uint64_t outage_patience_ms(enum outage_patience patience, uint64_t first_ms);

/* The wait after that number of failures in a row, from 1. `first_ms`: the first long one. `random`
 * spreads: calls that failed together are not tried again together. */
struct outage_wait {
    uint64_t first_ms;
    unsigned failures;
    bool hurried; /* A person waits. */
    uint32_t random;
};
uint64_t outage_wait_ms(const struct outage_wait *wait);

/* State of one connection. Zeroed: its provider answers. */
struct outage {
    unsigned failures;  /* Failed probes in a row, and the failure before them; 0: it answers. */
    uint64_t failed_ms; /* Time of the last of them, */
    uint64_t next_ms;   /* and of the next probe; */
    bool named;         /* the provider named that time. */
    uint64_t good_ms;   /* Last sign that it answers; 0: none. */
    uint64_t burst_ms;  /* Begin of the calls that were sent to find out. */
};

static inline bool outage_is_away(const struct outage *outage) {
    return outage->failures > 0;
}
/* Failures in a row once a call has failed that was sent while `probes`, or before. */
unsigned outage_failures(const struct outage *outage, bool probes);
/* A call failed. Calls that were sent before the provider was known to be away are ignored. */
struct outage_failure {
    bool probes, named; /* named: the provider wants this wait. */
    uint64_t now_ms, wait_ms;
};
void outage_fail(struct outage *outage, const struct outage_failure *failure);
void outage_end(struct outage *outage, uint64_t now_ms); /* The provider answers. */
/* A call comes that does not wait for long: the next probe comes soon, but not sooner after the
 * last one than a third of the first long wait, nor before a time that the provider named. */
void outage_hurry(struct outage *outage, uint64_t now_ms, uint64_t first_ms);
/* The machine was suspended: whatever was away then, may be there now. So the next probe comes at
 * once, and if it fails, the quick waits come again, since a network needs seconds to come back. A
 * time that the provider named comes nearer by the time slept. */
void outage_wake(struct outage *outage, uint64_t now_ms, uint64_t slept_ms);

/* Whether one more call may be sent beside those that are out. *ret_again_ms: otherwise, when that
 * is to be asked again; 0: when a call has ended. */
struct outage_calls {
    uint64_t out;
    bool probing;
    uint64_t now_ms;
};
MUST_CHECK bool outage_may_send(const struct outage *outage, const struct outage_calls *calls,
                                uint64_t *ret_again_ms);
void outage_note_sent(struct outage *outage, const struct outage_calls *calls);

#endif
