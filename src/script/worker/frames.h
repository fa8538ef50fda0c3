/* frames.h: how a worker reads and writes its socket: protocol.h has the bytes.
 *
 * Promise    messages are collected, and travel together. Blocking, one at a time.
 * Ownership  embedded: init, never ended: the end of the process does that.
 * Threads    none.
 * Failure    the process ends: without its host a worker has nothing to do.
 */
#ifndef DROVER_SCRIPT_WORKER_FRAMES_H
#define DROVER_SCRIPT_WORKER_FRAMES_H

#include "base/base.h"

struct frames {
    int fd;     /* Borrowed. */
    char *data; /* Owned. Header, and messages so far. */
    size_t len; /* 0: no message yet. */
    size_t size;
    size_t opened; /* Where the latest message began. */
    char *ahead;   /* Owned. What was read beyond the bytes that were wanted. */
    size_t ahead_at, ahead_len;
};

void frames_init(struct frames *frames, int fd);

/* Opens a message, which the pieces then make up. A message is at most some 8 MB: the limits on
 * what it holds, with each byte escaped. */
void frames_open(struct frames *frames);
void frames_undo(struct frames *frames); /* Takes the latest message back. */
void frames_add(struct frames *frames, struct bytes piece);
void frames_add_string(struct frames *frames, struct bytes text); /* As a string of JSON. */
/* Without the quotes. */
void frames_add_string_inside(struct frames *frames, struct bytes text);
void frames_add_number(struct frames *frames, uint32_t number);

/* Sends the collected lines: once they are many, or now. */
enum frames_when { FRAMES_WHEN_MUCH, FRAMES_NOW };
void frames_send(struct frames *frames, enum frames_when when);

/* Nothing is collected: gives back the room of a frame that was long. */
void frames_shrink(struct frames *frames);

/* The length of the next frame, then its bytes. */
MUST_CHECK uint32_t frames_next(struct frames *frames);
void frames_read(struct frames *frames, char *data, size_t len);

#endif
