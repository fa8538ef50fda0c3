/* usage_walk.h: sums of what models took, read in slices.
 *
 * Promise    each row is added once, in the slice that met it, and the total is the sum of the same
 *            rows: items and total never contradict each other. A transaction each, the slices are
 *            no snapshot: a call that is counted meanwhile is in the sums if its row was not read
 *            yet, and one that tx_usage_forget moves meanwhile may be in them twice or not at all.
 * Bounds     a slice has at most USAGE_SLICE_ROWS rows, or ends by tx_slice_over. Of more than
 *            USAGE_KEYS_MAX models, agents or projects those have items that were used last;
 *            sessions and days have no such bound. A walk ends after USAGE_SLICES_MAX slices.
 * Ownership  the caller owns the walk; the texts of what it asks are borrowed for the walk's life.
 * Threads    one at a time: the store's while the function runs, else the caller's.
 * Failure    as store.h; ERR_TOO_EXPENSIVE: rows are left after the last slice; there is no sum. A
 *            function that runs again for the same slice adds nothing twice.
 */
#ifndef DROVER_ENGINE_TRACE_USAGE_WALK_H
#define DROVER_ENGINE_TRACE_USAGE_WALK_H

#include "base/base.h"
#include "base/err.h"
#include "engine/trace/usage_totals.h"
#include "store/store.h"

enum { USAGE_SLICE_ROWS = 512, USAGE_SLICES_MAX = 10000, USAGE_KEYS_MAX = 10000 };

struct usage_walk;
MUST_CHECK struct usage_walk *usage_walk_new(const struct usage_ask *ask);
void usage_walk_free(struct usage_walk *walk); /* NULL is allowed. */

/* Inside a store function: adds the slice before, and reads the next one. */
MUST_CHECK struct err tx_usage_slice(struct tx *tx, struct usage_walk *walk);
/* After that function has succeeded: its rows count. */
void usage_walk_accept(struct usage_walk *walk);
/* Whether all rows are added: no slice is left. */
bool usage_walk_ended(const struct usage_walk *walk);

/* Of a walk that has ended. Days from the newest, the others from those with most calls, at most
 * USAGE_ROWS_MAX; `each` only copies. */
void usage_walk_each(struct usage_walk *walk,
                     void (*each)(void *ctx, const struct usage_total *total), void *ctx);
struct session_usage usage_walk_sum(const struct usage_walk *walk);

#endif
