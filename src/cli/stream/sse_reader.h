/* sse_reader.h: server-sent events, as the daemon writes them, cut out of bytes as they come.
 *
 *   id: 7\n  event: type\n  data: {json}\n  \n        one frame; fields in any order
 *   : comment\n                                         the heartbeat
 *
 * Promise    a frame is handed out when its empty line has come; one whose connection broke in it
 *            never is. Bytes may be cut anywhere.
 * Ownership  embedded: sse_reader_init/done. A frame is borrowed during its call.
 * Threads    one.
 * Failure    ERR_IO with *why: an id that is no number, a line of over SSE_LINE_MAX; or the error
 *            that `frame` answered. The reader is good for nothing then, until it is cleared.
 */
#ifndef DROVER_CLI_STREAM_SSE_READER_H
#define DROVER_CLI_STREAM_SSE_READER_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

enum { SSE_LINE_MAX = 1 << 20 };

struct sse_frame {
    int64_t id; /* Of this frame, or else the last one that came. */
    struct bytes type, data;
};

struct sse_reader {
    struct text line;       /* Owned: the part of a line that has come. */
    struct text type, data; /* Owned. */
    int64_t id;
    bool any;
    struct err (*frame)(void *ctx, const struct sse_frame *frame, struct why *why);
    void *ctx;
};

/* The caller sets `frame` and `ctx` afterwards. */
void sse_reader_init(struct sse_reader *reader);
void sse_reader_done(struct sse_reader *reader);  /* For AUTO. */
void sse_reader_clear(struct sse_reader *reader); /* A new connection begins. */
MUST_CHECK struct err sse_reader_feed(struct sse_reader *reader, struct bytes piece,
                                      struct why *why);

/* The type of a frame is that word. */
static inline bool sse_is(const struct sse_frame *frame, const char *type) {
    return bytes_is(frame->type, type);
}

#endif
