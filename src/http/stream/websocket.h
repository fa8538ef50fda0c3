/* websocket.h: many streams on one socket.
 *
 * A client sends text messages, one JSON object each:
 *   {"subscribe":"name","after":N,"snapshot":true}   after and snapshot may be left out:
 *                                                    only new events (as by -1), no snapshot
 *   {"unsubscribe":"name"}
 *   {"ping":N}                                       N: 0 to 2^53-1
 *   {"ack":"name","offset":N}, and those of feed.h
 * and gets, beside the hub's event frames {"stream","seq","at_ms","type","data"}:
 *   {"subscribed":"name"}, {"unsubscribed":"name"}
 *   {"pong":N,"at_ms":…}, {"heartbeat":{"at_ms":…}}  the latter with each ping frame
 *   {"stream":"name","error":{"code","title","status","detail"}}   without "stream" when the
 *                                                    message named none; the socket stays open
 *   {"stream":"name","closing":{"after":seq}}        the server drains; close 1001 follows
 *   {"stream":"name","closing":{"after":seq,"code":"unauthorized"}}
 *                                                    the token was revoked; close 1008 follows
 *
 * A page of a browser cannot send a token along with its request. It opens the socket without one,
 * over TCP and with its Origin, and sends {"key":"drv_…"} first, which {"signed_in":OWNER} answers.
 * Until then nothing else is answered: any other message, a key that is not valid or of another
 * origin, and 5 s without one close the socket with 1008 and the error's name as its reason.
 *
 * Close codes: 1000 answers the client's close, 1001 drain, 1002 protocol error, 1003 binary
 * message, 1007 bad UTF-8, 1008 token revoked or too much unread output, 1009 message over 16 kB.
 *
 * Promise    events of all subscriptions are pulled in turns; a slow client holds one write and at
 *            most 64 kB of our own replies. A ping each heartbeat; silence for two of them ends it.
 * Ownership  the exchange is answered by the call. Streams are those of the exchange's identity.
 * Threads    the loop.
 * Failure    a request that is no WebSocket handshake is answered with 426 or 400.
 */
#ifndef DROVER_HTTP_STREAM_WEBSOCKET_H
#define DROVER_HTTP_STREAM_WEBSOCKET_H

#include "http/http.h"
#include "http/stream/feed.h"
#include "journal/hub.h"

/* `feeds` is borrowed; NULL: there are only streams. */
void exchange_upgrade_websocket(struct exchange *exchange, struct hub *hub,
                                const struct feed_kind *feeds);

#endif
