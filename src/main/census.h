/* census.h: counts of runs for /metrics: counted again within a second of a change.
 *
 * Ownership  embedded, and stays where it is. The store's last answer may come after census_stop.
 * Threads    the loop; the rows are counted on a reader thread.
 */
#ifndef DROVER_MAIN_CENSUS_H
#define DROVER_MAIN_CENSUS_H

#include "engine/run/runs.h"
#include "loop/loop.h"
#include "store/store.h"

struct census {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    struct run_census counts, read;
    struct timer timer;
    enum { CENSUS_FRESH, CENSUS_DUE, CENSUS_STOPPED } state;
    bool away; /* A count is under way. */
};
void census_start(struct census *census, struct loop *loop, struct store *store);
void census_stale(struct census *census);
void census_stop(struct census *census);

#endif
