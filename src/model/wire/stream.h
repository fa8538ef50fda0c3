/* stream.h: from the bytes of a provider's stream to an answer.
 *
 * The caller pulls events one by one, because a large one is parsed in the pool (the loop has 2 ms
 * for everything), and hands each back when it is parsed.
 *
 * Threads    the loop; stream_parse: any.
 * Failure    in stream->answer.failure.
 */
#ifndef DROVER_MODEL_WIRE_STREAM_H
#define DROVER_MODEL_WIRE_STREAM_H

#include "model/wire/wire.h"

void stream_init(struct stream *stream, const struct wire *wire, const struct model_watch *watch,
                 void *ctx, uint64_t salt);
void stream_done(struct stream *stream);
void stream_clear(struct stream *stream, const char *secret); /* For the next try. */

/* false: no whole event is left in `rest`, or the stream is over or has failed. */
MUST_CHECK bool stream_pull(struct stream *stream, struct bytes *rest, struct sse_event *ret_event);
/* Parses and takes one event. */
void stream_take(struct stream *stream, const struct sse_event *event);
/* The same in two steps. *ret_json is owned. */
struct err stream_parse(struct bytes data, json_t **ret_json);
void stream_take_json(struct stream *stream, const char *name, struct err parsed,
                      const json_t *json);
/* No byte comes any more. A failure that is set before (the connection broke) stays, unless the
 * final marker had come. */
void stream_end(struct stream *stream);

#endif
