/* streams.h: streams of events over HTTP.
 *
 *   POST   /api/v1/streams/{id}/events   append one event
 *   GET    /api/v1/streams/{id}/events   read a page, wait for more (long-poll), or follow (SSE)
 *   DELETE /api/v1/streams/{id}/events   prune the events up to ?through=N
 *   GET    /api/v1/streams               list
 *   GET    /api/v1/streams/{id}          one of them
 *   PATCH  /api/v1/streams/{id}          set its retention
 *   GET    /api/v1/ws                    follow many over one WebSocket
 *
 * A stream that does not exist yet is 404 for whoever reads it now; whoever waits for it (`wait`,
 * SSE, WebSocket) follows it from its first event.
 *
 * Ownership  everything in struct streams is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_STREAM_STREAMS_H
#define DROVER_API_STREAM_STREAMS_H

#include "api/base/page.h"
#include "base/base.h"
#include "http/http.h"
#include "http/server.h"
#include "http/stream/feed.h"
#include "journal/hub.h"
#include "loop/loop.h"
#include "store/store.h"

struct streams {
    struct request_host host; /* First. */
    struct hub *hub;
    const struct feed_kind *feeds; /* Over WebSocket, beside streams; NULL: none. */
};

extern const struct route streams_routes[];

/* Shared inside api/. */
extern const struct request_kind streams__keep, streams__read;
/* The answer over SSE; the stream's name is checked. */
void streams__follow(struct exchange *exchange, struct streams *streams);

enum {
    READ_LIMIT_MAX = 1000,
    READ_LIMIT_DEFAULT = 100,
    READ_WAIT_MAX_S = 60,
};

#endif
