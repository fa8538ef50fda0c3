/* feed.h: subscriptions of a WebSocket that are no streams of events, and messages about them that
 * are requests.
 *
 * Promise    frames of a feed take turns with the events of all subscriptions; each feed has one
 *            round of frames under way, and a socket FEEDS_MAX feeds. A message that is a request
 *            passes the checks of its route and gets the answer of that.
 * Ownership  a feed is its kind's object and frees itself in `close`, which comes exactly once.
 * Threads    the loop; feed_frame_add and feed_error_add any, pure.
 */
#ifndef DROVER_HTTP_STREAM_FEED_H
#define DROVER_HTTP_STREAM_FEED_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

enum { FEEDS_MAX = 16, FEED_REQUESTS_MAX = 64 /* Number under way on one socket. */ };

struct feed;
struct feed_ops {
    /* The next frames, which stay as they are until `taken` or `close`; empty: none now. */
    struct bytes (*pull)(struct feed *feed);
    void (*taken)(struct feed *feed); /* The frames are on their way. */
    /* The client has processed its subscription up to `offset`. */
    MUST_CHECK struct err (*acknowledge)(struct feed *feed, int64_t offset, struct why *why);
    /* Adds members from which a client can resume after what was taken. */
    void (*mark)(const struct feed *feed, struct text *json);
    void (*close)(struct feed *feed);
};
struct feed {
    const struct feed_ops *ops;
    bool begun; /* The subscription was confirmed. */
    bool over;  /* Nothing comes after what is pulled: then the subscription ends. */
    /* Set by the socket. To be called, not inside `open` or `pull`, when there is something. */
    void (*ready)(struct feed *feed);
    void *subscription;
};

struct feed_open {
    const char *owner;
    struct bytes name; /* Name of the subscription. */
    const json_t *message;
};
/* Subscriptions whose names begin with the prefix. */
struct feed_kind {
    const char *prefix;
    void *ctx; /* Borrowed. */
    MUST_CHECK struct err (*open)(void *ctx, const struct feed_open *what, struct feed **ret_feed,
                                  struct why *why);
    /* Messages {"WORD":NAME, …}: a POST of the other members to the path that is added. */
    const char *const *words; /* Ends with NULL. */
    MUST_CHECK struct err (*path)(const char *word, struct bytes name, struct text *path,
                                  struct why *why);
};

/* Adds an unmasked text frame. */
void feed_frame_add(struct text *frames, struct bytes json);
/* {"stream":name,"error":{…}} as a frame. `name` may be empty. */
void feed_error_add(struct text *frames, struct bytes name, struct err err, const struct why *why);

#endif
