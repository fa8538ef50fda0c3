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
#include "journal/hub.h"
#include "loop/loop.h"
#include "store/store.h"

struct streams {
    struct loop *loop;
    struct store *store;
    struct hub *hub;
};

struct route_table streams_table(struct streams *streams);

/* Shared inside api/. The id of the path, checked; the answer was given when it is false. */
enum streams_use { STREAMS_USE_READ, STREAMS_USE_WRITE };
MUST_CHECK bool streams__name(struct exchange *exchange, enum streams_use use,
                              struct bytes *ret_name);

void streams__append(struct exchange *exchange, void *ctx);
void streams__read(struct exchange *exchange, void *ctx);
void streams__prune(struct exchange *exchange, void *ctx);
void streams__list(struct exchange *exchange, void *ctx);
void streams__show(struct exchange *exchange, void *ctx);
void streams__keep(struct exchange *exchange, void *ctx);

/* Positions in the query tables, which stand beside the routes. */
enum { READ_AFTER, READ_LIMIT, READ_WAIT, READ_SNAPSHOT, READ_OWNER };
enum { LIST_Q = PAGE_OWN, LIST_SINCE };
enum { SHOW_OWNER };
enum { PRUNE_THROUGH };

enum {
    READ_LIMIT_MAX = 1000,
    READ_LIMIT_DEFAULT = 100,
    READ_WAIT_MAX_S = 60,
};

#endif
