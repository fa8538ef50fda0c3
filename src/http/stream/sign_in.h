/* sign_in.h: a WebSocket that a page opened without a token, until it has sent its key.
 *
 *   waiting ──{"key":"drv_…"}──> signed in
 *      └── any other message, a key that is not valid for this page, or 5 s without one: refused
 *
 * A page of a browser cannot send a token along with its request (websocket.h).
 *
 * Promise    at most `unsigned_max` sockets of an address wait at a time, and each at most
 *            `sign_in_ms`: one more ends the wait of the oldest, so that a page, which sends its
 *            key at once, is never refused for the sake of sockets that stay silent. All loopback
 *            addresses are one. The key counts for pages of its own origin alone, and reads at
 *            least.
 * Ownership  embedded, zeroed: nothing is waited for.
 * Threads    the loop.
 * Failure    sign_in_hear leaves the socket waiting: the caller closes it.
 */
#ifndef DROVER_HTTP_STREAM_SIGN_IN_H
#define DROVER_HTTP_STREAM_SIGN_IN_H

#include "http/host.h"
#include "http/http.h"
#include "loop/loop.h"

struct address_slot;
struct http_server;

struct sign_in {
    struct http_server *server;         /* Borrowed; NULL: nothing is waited for. */
    struct link link;                   /* Among all that wait for a key, the oldest first. */
    const struct address_slot *address; /* Borrowed, and compared; NULL: loopback. */
    struct timer limit;
    void (*late)(struct sign_in *sign_in);
    char origin[ORIGIN_SIZE]; /* Origin of the page. */
};

/* For an exchange that check.c let pass without a token. `late` comes at the limit of time, or of
 * the address. */
void sign_in_begin(struct sign_in *sign_in, const struct exchange *exchange,
                   void (*late)(struct sign_in *sign_in));
MUST_CHECK bool sign_in_waits(const struct sign_in *sign_in);
/* The first message. *ret_identity is what its key may do, without the origin. */
MUST_CHECK struct err sign_in_hear(struct sign_in *sign_in, struct bytes message,
                                   struct identity *ret_identity);
/* The socket is gone. One that waits for nothing is allowed. */
void sign_in_end(struct sign_in *sign_in);

#endif
