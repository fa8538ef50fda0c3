/* brake.h: the limit of calls that a connection makes at once, lowered by its provider's 429. Pure.
 *
 * A refusal for too many requests halves the limit. Each BRAKE_QUIET_MS without another one add
 * one, until the connection's own limit is reached again. Calls that were sent before the limit was
 * halved were too many at the old limit: their refusals only prolong the quiet that is waited for,
 * so a burst of sixteen refusals halves once.
 *
 * Times are those of a clock that nobody sets, in milliseconds.
 * Threads    any.
 */
#ifndef DROVER_RULES_PROVIDER_BRAKE_H
#define DROVER_RULES_PROVIDER_BRAKE_H

#include "base/base.h"

enum { BRAKE_QUIET_MS = 30000 };

struct brake {
    int64_t limit;      /* As of the last refusal; 0: nothing was refused. */
    int64_t halved_ms;  /* When the limit was halved last. */
    int64_t refused_ms; /* When the last refusal came. */
};

/* Calls that may be made at once. `most`: the connection's own limit, from 1; BRAKE_UNLIMITED. */
#define BRAKE_UNLIMITED INT64_MAX
int64_t brake_limit(const struct brake *brake, int64_t most, int64_t now_ms);
/* Time after which the limit rises by one; 0: it does not, since it is the connection's own. */
int64_t brake_rises_ms(const struct brake *brake, int64_t most, int64_t now_ms);

struct brake_refusal {
    int64_t sent_ms; /* When the refused request was sent. */
    int64_t now_ms;
    int64_t most;    /* The connection's own limit; */
    int64_t running; /* where that is BRAKE_UNLIMITED, the calls at once are halved. */
};
void brake_refuse(struct brake *brake, const struct brake_refusal *refusal);

#endif
