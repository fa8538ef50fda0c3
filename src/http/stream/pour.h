/* pour.h: answers an exchange piece by piece, as its handler comes by the pieces.
 *
 * Promise    what is written leaves in its order, in chunks for HTTP/1.1 and up to the connection's
 *            end for HTTP/1.0. A writer that got POUR_WAIT must wait for `ready`: of a client
 *            that reads slowly one piece is kept, and one that takes no byte for the server's
 *            write_ms is cut off. With a `beat`, a pour that is silent for the server's
 *            heartbeat_ms writes that, so that proxies stay awake and clients that left are found
 *            out. A client that shut its sending side only is served on.
 * Ownership  the pour is embedded in the handler's object and zeroed before it begins. From a begin
 *            that answered true on, the object lives until `gone`, which comes exactly once,
 *            whatever happened; the exchange must not be touched any more.
 * Threads    the loop. No callback runs inside exchange_pour_begin, pour_write or pour_end.
 * Failure    exchange_pour_begin answers false for a HEAD request, whose answer is out then: no
 *            callback comes. A client that went away is reported by `gone` alone.
 */
#ifndef DROVER_HTTP_STREAM_POUR_H
#define DROVER_HTTP_STREAM_POUR_H

#include "base/base.h"
#include "base/err.h"
#include "http/http.h"
#include "http/outlet.h"
#include "loop/loop.h"

enum { POUR_PIECE_MAX = 256 << 10 }; /* Of one write: what is kept for one slow client. */

enum pour_result { POUR_MORE, POUR_WAIT };

struct pour;
struct pour_ops {
    /* It may be written: first when the head is out, then after each POUR_WAIT, and after a beat
     * that had to wait. */
    void (*ready)(struct pour *pour);
    /* End soon, with whatever a client goes on from. ERR_CLOSING: the server drains;
     * ERR_UNAUTHORIZED: the token was revoked. Once, and never before the first `ready` was due. */
    void (*drain)(struct pour *pour, enum err_code why);
    void (*gone)(struct pour *pour);
};

struct pour_options {
    const struct pour_ops *ops;
    const char *media; /* Static. */
    struct bytes beat; /* Static; empty: none. */
};

/* Private, as all of it. */
struct pour {
    struct outlet outlet;
    struct pour_options options;
    struct http_server *server;
    struct loop_task task; /* Says `gone` when it would come inside a call. */
    struct timer heartbeat;
    bool chunked, beginning, started, told, over, wrote;
    size_t head_len;
    char *head; /* Owned, until it is out. */
};

/* Headers that were added to the exchange go out with the head. */
MUST_CHECK bool exchange_pour_begin(struct exchange *exchange, const struct pour_options *options,
                                    struct pour *pour);
/* From the first `ready` on. At most POUR_PIECE_MAX bytes, which are copied if they must wait. */
enum pour_result pour_write(struct pour *pour, struct bytes bytes);
/* The same for up to POUR_PIECES_MAX pieces, which are not copied where a buffer holds them. Their
 * references change hands. */
enum { POUR_PIECES_MAX = OUTLET_PIECES_MAX - 2 };
enum pour_result pour_write_pieces(struct pour *pour, const struct outlet_piece *pieces,
                                   unsigned count);
/* May it be written now? False before the first `ready`, after POUR_WAIT and after the end. */
bool pour_open(const struct pour *pour);
/* The answer is whole. After a POUR_WAIT too: what waits is written first. */
void pour_end(struct pour *pour);
/* It cannot be made whole: the client sees a connection that broke, not an end. */
void pour_cut(struct pour *pour);

#endif
