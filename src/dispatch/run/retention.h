/* retention.h: deletes finished runs past their age, count or size limit, and folders of the spool.
 *
 * Promise    the commit that removes a row lists the run's folders; removals_part works off that
 *            list, of a leader and of a standby. Folders that no row and no list names are looked
 *            for once a day.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_RUN_RETENTION_H
#define DROVER_DISPATCH_RUN_RETENTION_H

#include "dispatch/job/dispatch.h"

extern const struct dispatch_part retention_part, removals_part;

/* Runs were removed: a round comes within a second, and their folders are looked for. */
void retention_wake(struct dispatch *dispatch);

/* Whether folders without a row are to be looked for: each day. Times of one life; looked_ns 0:
 * never yet. */
MUST_CHECK bool retention__look_due(uint64_t looked_ns, uint64_t now_ns);
void removals__look(struct dispatch *dispatch);

#endif
