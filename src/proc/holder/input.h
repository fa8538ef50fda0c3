/* input.h: what the command reads, by offset.
 *
 *   order's memfd ──┐
 *                   ├──> ring ──> pipe or terminal
 *   `input` words ──┘
 *
 * Promise    each offset is written once: what we have already is skipped, a gap is refused. The
 *            ring holds PROTOCOL_INPUT_MAX bytes, so what lies within that of `accepted` has room
 *            as soon as the order's own bytes are in. When the reader is gone, everything counts as
 *            accepted.
 * Ownership  embedded; `fd` is owned and closed when the input has ended. The order's descriptor is
 *            borrowed.
 */
#ifndef DROVER_PROC_HOLDER_INPUT_H
#define DROVER_PROC_HOLDER_INPUT_H

#include "base/base.h"
#include "proc/holder/order.h"

enum input_answer { INPUT_TAKEN, INPUT_GAP };

struct input {
    int fd; /* -1: it has ended, or nobody reads. */
    int order_fd;
    int64_t order_at, order_len; /* The order's own bytes: where in the memfd, and how many. */
    int64_t have;                /* Offset after what is in the ring. */
    int64_t accepted;            /* Offset after what was written, or can never be. */
    int64_t end;                 /* INT64_MAX: open. */
    bool terminal;               /* Its end is a character, not a close. */
    char last;                   /* The last byte written; 0: none. */
    size_t ring_at, ring_len;
    char ring[PROTOCOL_INPUT_MAX];
};

/* Takes `fd` (-1: the command has no input). Non-blocking. */
void input_init(struct input *input, const struct order *order, int fd);

MUST_CHECK enum input_answer input_take(struct input *input, int64_t offset, struct bytes bytes);
void input_finish(struct input *input, int64_t offset);

/* Writes what the reader takes. Call when `fd` is writable, and after taking. */
void input_push(struct input *input);

bool input_waits(const struct input *input); /* For the reader. */
bool input_has_room(const struct input *input);

#endif
