/* buffer.h: shared bytes that are only ever added to.
 *
 * Promise    bytes that were written stay where they are and as they are while anybody holds a
 *            reference; more may be added behind them, up to `size`.
 * Ownership  counted; buffer_new gives the first reference.
 * Threads    one at a time: a page is filled on a reader thread and then handed to the loop.
 */
#ifndef DROVER_JOURNAL_BUFFER_H
#define DROVER_JOURNAL_BUFFER_H

#include "base/base.h"
#include "journal/hub.h"

struct hub_buffer {
    uint32_t refs;
    size_t size, len;
    char data[];
};

MUST_CHECK struct hub_buffer *buffer_try(size_t size); /* NULL: no memory. */

/* Room for `more` bytes, in a buffer (or none: *buffer NULL) that nobody else holds yet; it may
 * move. NULL when there is no memory; the buffer is then as it was. The caller adds to `len`. */
MUST_CHECK char *buffer_room(struct hub_buffer **buffer, size_t more);

#endif
