/* timeline.h: the turns of a session, newest first: what each was asked, took, changed and cost.
 *
 * Bounds     a turn shows TIMELINE_FILES files, of its first TIMELINE_DIFFS calls that changed one.
 * Ownership  texts of a row live in the transaction's arena.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_TIMELINE_H
#define DROVER_ENGINE_TURN_TIMELINE_H

#include "engine/run/runs.h"
#include "rules/turn/timeline.h"

enum { TIMELINE_FILES = 50, TIMELINE_DIFFS = 200, TIMELINE_CALLS_BACK = 20 };

struct timeline_page {
    int64_t session; /* id */
    int64_t before;  /* Number of a turn; 0: from the newest. */
    int64_t limit;
    enum run_hold hold;
};
/* Ends with the slice, after a whole row: *ret_last is the number of that turn; 0: all were read.
 */
MUST_CHECK struct err tx_turn_timeline(struct tx *tx, const struct timeline_page *page,
                                       struct err (*each)(void *ctx,
                                                          const struct timeline_turn *turn),
                                       void *ctx, int64_t *ret_last);

#endif
