/* sse.h: a provider's server-sent events, out of pieces that are cut anywhere.
 *
 * Lines end with LF, CR LF or CR. "data: …" lines of one event are joined by LF; "event: …" names
 * it; a line that begins with a colon is a comment; other fields are skipped; an empty line ends
 * the event. A byte order mark at the very beginning is skipped.
 *
 * Promise    the same events come out however the bytes are cut. An event without data is none.
 * Ownership  embedded: sse_init, sse_done. An event is borrowed until the next pull.
 * Threads    one at a time.
 * Failure    SSE_TOO_LARGE: an event of more than SSE_EVENT_MAX bytes, or a line; nothing more
 *            comes of the reader then.
 */
#ifndef DROVER_MODEL_WIRE_SSE_H
#define DROVER_MODEL_WIRE_SSE_H

#include "base/base.h"
#include "base/text.h"

enum { SSE_EVENT_MAX = 8 << 20, SSE_NAME_MAX = 256 };

enum sse_found { SSE_NOTHING, SSE_EVENT, SSE_TOO_LARGE };

struct sse {
    struct text line, name, data;
    size_t before; /* Bytes of `data` that stand before it. */
    bool begun;    /* A line came: no byte order mark any more. */
    bool any;      /* The event has data. */
    bool after_cr; /* An LF now belongs to the line that has ended. */
    bool told;     /* The event was handed out: the next pull begins another. */
};

struct sse_event {
    struct bytes name, data;
};

void sse_init(struct sse *sse);
void sse_done(struct sse *sse);
void sse_clear(struct sse *sse); /* For another stream. */
/* Takes bytes off the front of `rest`, up to the end of the next event. */
enum sse_found sse_pull(struct sse *sse, struct bytes *rest, struct sse_event *ret_event);
/* The stream is over: what came of an event without its empty line. */
enum sse_found sse_end(struct sse *sse, struct sse_event *ret_event);
/* The bytes in which the data of the event stands that was just handed out: the caller's. */
MUST_CHECK char *sse_take(struct sse *sse, struct bytes *ret_data);

#endif
