/* read.h: a page with bounds of one's own, for the hub.
 *
 * Threads    inside a store function.
 */
#ifndef DROVER_JOURNAL_READ_H
#define DROVER_JOURNAL_READ_H

#include "journal/journal.h"

struct journal__page {
    int64_t stream, after;
    int64_t events_max;
    size_t bytes_max; /* Of types and data; the first event is given in any case. */
};
/* As tx_events. */
MUST_CHECK struct err journal__read(struct tx *tx, const struct journal__page *page,
                                    struct err (*each)(void *ctx, const struct event *event),
                                    void *ctx);

#endif
