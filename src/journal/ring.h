/* ring.h: the latest events of one stream in one format, serialised once.
 *
 * Promise    holds events first … last without a hole, or nothing. A run of them is one slice of
 *            one shared buffer: nothing is copied when it is read.
 * Ownership  embedded, zeroed at birth; ring_clear ends it. Slices hold their buffer by reference,
 *            so they outlive what the ring drops.
 * Threads    the loop.
 * Bound      `bytes` counts buffers and indexes. At most bytes_max after each ring_reserve, or one
 *            chunk, where a single event is larger than that.
 */
#ifndef DROVER_JOURNAL_RING_H
#define DROVER_JOURNAL_RING_H

#include "base/base.h"
#include "journal/hub.h"

struct ring_chunk;

struct ring {
    struct ring_chunk *oldest, *newest; /* Owned. NULL: holds nothing. */
    int64_t first, last;                /* Valid while it holds something. */
    size_t bytes;
};

static inline bool ring_empty(const struct ring *ring) {
    return ring->oldest == NULL;
}

/* Room for the next event, of exactly `len` bytes; drops old ones to stay within bytes_max. NULL
 * when there is no memory. Then ring_commit, before anything else is done with the ring. */
MUST_CHECK char *ring_reserve(struct ring *ring, size_t len, size_t bytes_max);
void ring_commit(struct ring *ring, int64_t seq, size_t len);

/* The longest run behind `after` that lies in one chunk; first - 1 <= after < last. */
struct hub_piece ring_slice(const struct ring *ring, int64_t after);

void ring_drop_oldest(struct ring *ring); /* One chunk. */
void ring_clear(struct ring *ring);

#endif
