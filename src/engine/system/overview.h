/* overview.h: all of an owner at a glance, and what somebody has seen of it.
 *
 *   {"runs": {KIND: {STATE: n}},     of those that have not ended, and are inside no other
 *    "waiting": {…}                   what waits for a person (waiting.h)
 *    "unseen": {"runs": {STATE: n}, "ended": […], "sessions": […]}       the newest of each
 *    "today": {"calls", "output", "tokens", "cost_micros", "cost_unknown", "reserved_tokens",
 *              "reserved_cost_micros"}}
 *
 * Seen       an ended run is, once somebody said so; a run of a session with its session, and a
 *            session up to a number of its events. Kept for the owner.
 * Bounds     OVERVIEW_WAITING rows that wait, OVERVIEW_ITEMS of each other list; counts stop at
 *            OVERVIEW_COUNT_MAX. Only the newest OVERVIEW_SESSIONS sessions can be unseen.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_SYSTEM_OVERVIEW_H
#define DROVER_ENGINE_SYSTEM_OVERVIEW_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "journal/snapshot.h"
#include "store/store.h"

enum {
    OVERVIEW_ITEMS = 20,
    OVERVIEW_WAITING = 100,
    OVERVIEW_COUNT_MAX = 10000,
    OVERVIEW_SESSIONS = 100
};

MUST_CHECK struct err tx_overview(struct tx *tx, struct bytes owner, struct text *text);
extern const struct snapshot_kind owner_snapshot; /* The same, for owner:NAME. */

/* Either the run or the session is named. */
struct seen {
    struct bytes owner, run, session;
    int64_t seq;
};
/* *ret_seq: up to which it is seen now; seen_changed says so where that has risen. Of a run that
 * has not ended nothing is kept: its end will be news. ERR_NOT_FOUND. */
MUST_CHECK struct err tx_seen(struct tx *tx, const struct seen *seen, int64_t *ret_seq);

#endif
