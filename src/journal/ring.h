/* ring.h: shared buffers, and the latest events of one stream in one format, serialised once.
 *
 * Promise    a ring holds events first … last without a hole, or nothing. A run of them is one
 *            slice of one shared buffer: nothing is copied when it is read. Bytes of a buffer that
 *            were written stay where and as they are while anybody holds a reference; more may be
 *            added after them, up to `size`.
 * Ownership  a ring is embedded, zeroed at birth; ring_clear ends it. Slices hold their buffer by
 *            reference, so they outlive what the ring drops.
 * Threads    the loop; a page's buffer is filled on a reader thread and then handed to the loop.
 * Bound      `bytes` counts buffers and indexes. At most bytes_max after each ring_reserve, or one
 *            chunk, where a single event is larger than that.
 */
#ifndef DROVER_JOURNAL_RING_H
#define DROVER_JOURNAL_RING_H

#include "base/base.h"
#include "journal/hub.h"

struct hub_buffer {
    uint32_t refs;
    size_t size, len;
    char data[];
};

/* Room for `more` bytes, in a buffer (or none: *buffer NULL) that nobody else holds yet; it may
 * move. NULL when there is no memory; the buffer is then as it was. The caller adds to `len`. */
MUST_CHECK char *buffer_room(struct hub_buffer **buffer, size_t more);

struct ring_chunk;

struct ring {
    struct ring_chunk *oldest, *newest; /* Owned. NULL: holds nothing. */
    int64_t first, last;                /* Valid while it holds something. */
    size_t bytes;
};

/* Room for the next event, of exactly `len` bytes; drops old ones to stay within bytes_max. NULL
 * when there is no memory. Then ring_commit, before anything else is done with the ring. */
MUST_CHECK char *ring_reserve(struct ring *ring, size_t len, size_t bytes_max);
void ring_commit(struct ring *ring, int64_t seq, size_t len);

/* The longest run after `after` that lies in one chunk; first - 1 <= after < last. */
struct hub_piece ring_slice(const struct ring *ring, int64_t after);

void ring_clear(struct ring *ring);

#endif
