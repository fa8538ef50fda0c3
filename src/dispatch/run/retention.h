/* retention.h: deletes finished runs past their age, count or size limit, and folders of the spool.
 *
 * Promise    the commit that removes a row lists the run's folders; removals_part works off that
 *            list, of a leader and of a standby. Folders that no row and no list names are looked
 *            for once a day.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_RUN_RETENTION_H
#define DROVER_DISPATCH_RUN_RETENTION_H

#include "base/err.h"
#include "dispatch/job/dispatch.h"
#include "engine/job/spec.h"

extern const struct dispatch_part retention_part, removals_part;

/* Runs were removed: a round comes within a second, and their folders are looked for. */
void retention_wake(struct dispatch *dispatch);

/* Whether folders without a row are to be looked for: each day. Times of one life; looked_ns 0:
 * never yet. */
MUST_CHECK bool retention__look_due(uint64_t looked_ns, uint64_t now_ns);
void removals__look(struct dispatch *dispatch);

/* Most attempts that a job can have: each that counts (the first, its retries, those that reboots
 * ended) may come after some of which nothing came, and after those that found no descriptor. Of a
 * row that says more, the rest stays for the daily round. */
enum {
    RUN_FOLDERS_MAX = (1 + JOB_RETRY_MAX + RUN_REBOOTS_MAX) * RUN_VOIDS_MAX + RUN_UNBEGUN_MAX,
};
/* Removes the spool folders of a run that is gone from the database: no more than RUN_FOLDERS_MAX
 * of them, and none outside the spool, whatever the run's row said: a damaged one may hold any
 * number and any text. Any thread; blocks on the disk: in the pool. Where a folder stays, the
 * others are removed all the same; a folder without a row is looked for once a day. */
struct run_folders {
    struct bytes run;    /* Borrowed. */
    int64_t first, last; /* Attempts. */
};
/* Returns the error of the last folder that could not be removed. */
MUST_CHECK struct err run_folders_remove(const struct spool *spool,
                                         const struct run_folders *folders);

#endif
