/* sse.h: answers an exchange with an endless stream of events.
 *
 * Promise    the head leaves as soon as the hub knows the stream, then whatever it has; a comment
 *            each heartbeat keeps proxies awake. The hub is pulled only while the client takes what
 *            it was given, so a slow client holds at most what one write was given. The stream ends
 *            with `event: closing`, data {"after": seq} when the server drains, and with the same
 *            frame plus "code" when the hub cannot go on or the token was revoked: a client resumes
 *            after that seq. A client that shut its sending side only is served on.
 * Ownership  the exchange belongs to the stream from the call on. `what` is copied. The hub lives
 *            longer than the server.
 * Threads    the loop.
 * Failure    a subscription that the hub refuses (cursor_ahead) is answered as a problem. Of a HEAD
 *            request only the head is sent.
 */
#ifndef DROVER_HTTP_STREAM_SSE_H
#define DROVER_HTTP_STREAM_SSE_H

#include "http/http.h"
#include "journal/hub.h"

void exchange_stream_sse(struct exchange *exchange, struct hub *hub,
                         const struct hub_subscribe *what);

#endif
