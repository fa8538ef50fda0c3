/* frame.h: one event as the bytes that a client reads.
 *
 * Promise    frame_len is exact: frame_write writes that many bytes and returns the end.
 * Threads    any; pure.
 */
#ifndef DROVER_JOURNAL_FRAME_H
#define DROVER_JOURNAL_FRAME_H

#include "base/base.h"
#include "journal/hub.h"

/* Borrowed parts. `name` is a valid stream name and `type` a valid type (neither needs escaping);
 * `data` is compact JSON. `seq` < 0: it is no event, and has neither a number nor a time. */
struct frame {
    struct bytes name, type, data;
    int64_t seq, at_ms;
};

MUST_CHECK size_t frame_len(enum hub_format format, const struct frame *frame);
char *frame_write(enum hub_format format, const struct frame *frame, char *at);

#endif
