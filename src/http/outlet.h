/* outlet.h: a connection that was handed over to a stream.
 *
 * Promise    `start` comes when all earlier answers are on their way. A writer that was told to
 *            wait holds nothing but what it had given. After `gone`, which comes exactly once, the
 *            connection does not know the outlet any more.
 * Ownership  the outlet is embedded in its stream's object, which frees itself in `gone`. Buffers
 *            given to outlet_write change hands.
 * Threads    the loop.
 */
#ifndef DROVER_HTTP_OUTLET_H
#define DROVER_HTTP_OUTLET_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "journal/hub.h"

struct conn;
struct exchange;
struct outlet;

struct outlet_ops {
    void (*start)(struct outlet *outlet);
    void (*receive)(struct outlet *outlet, struct bytes bytes); /* What the client sent. */
    void (*writable)(struct outlet *outlet); /* After a write that had to wait. */
    /* End soon; perhaps before `start`, or twice. ERR_CLOSING: the server drains;
     * ERR_UNAUTHORIZED: the token was revoked. */
    void (*drain)(struct outlet *outlet, enum err_code why);
    /* The client has shut its side, which need not mean that it is gone. NULL: it does. */
    void (*half_closed)(struct outlet *outlet);
    void (*gone)(struct outlet *outlet);
};

struct outlet {
    const struct outlet_ops *ops;
    struct conn *conn;   /* Borrowed until `gone`; NULL before `start`. */
    char token[ID_SIZE]; /* Filled when it is handed over. */
    bool revoked;        /* That token was, before `start`. */
};

/* Answers the exchange with this outlet. What the client sends from now on is the outlet's. */
void exchange_hand_over(struct exchange *exchange, struct outlet *outlet);

enum { OUTLET_PIECES_MAX = 18 };
struct outlet_piece {
    struct bytes bytes;
    struct hub_buffer *buffer; /* Holds the bytes; NULL: they are copied if they must wait. */
};
/* False: the client does not take it all now; write nothing until `writable`. */
bool outlet_write(struct outlet *outlet, const struct outlet_piece *pieces, unsigned count);
bool outlet_waits(const struct outlet *outlet);
/* Between `start` and the end: it may be written. */
bool outlet_is_open(const struct outlet *outlet);
/* Stops reading from the client, until outlet_hear. */
void outlet_sate(struct outlet *outlet);
void outlet_hear(struct outlet *outlet);
/* Ends the connection once all is written; `gone` follows later. */
void outlet_end(struct outlet *outlet);
/* Ends it at once. */
void outlet_cut(struct outlet *outlet);

#endif
