/* catalog.h: which streams there are, what lists and pages show of each, and its retention.
 *
 * Threads    inside a store function.
 */
#ifndef DROVER_JOURNAL_CATALOG_H
#define DROVER_JOURNAL_CATALOG_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

struct stream_row {
    struct bytes name; /* Borrowed during the call. */
    int64_t head, floor, made_ms;
    int64_t keep_events, keep_ms; /* 0: kept for ever. */
};
typedef struct err (*stream_row_fn)(void *ctx, const struct stream_row *row);

struct stream_page {
    struct bytes owner, after; /* Names above `after`; empty: from the first. */
    int64_t limit;
};
MUST_CHECK struct err tx_stream_each(struct tx *tx, const struct stream_page *page,
                                     stream_row_fn each, void *ctx);

struct stream_key {
    struct bytes owner, name;
};
/* Calls `show` with the row. *ret_found false: there is none. */
MUST_CHECK struct err tx_stream_show(struct tx *tx, const struct stream_key *key, bool *ret_found,
                                     stream_row_fn show, void *ctx);

/* Absent values stay as they are. 0 means for ever. */
struct stream_keep {
    bool has_events, has_ms;
    int64_t events, ms;
};
MUST_CHECK struct err tx_stream_set_keep(struct tx *tx, const struct stream_key *key,
                                         const struct stream_keep *keep, bool *ret_found);

#endif
