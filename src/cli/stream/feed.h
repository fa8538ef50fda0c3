/* feed.h: server-sent events of a stream, for a caller that polls several descriptors; and the
 * rule of all followers of a stream about outages.
 *
 *   FEED_AWAY ──due: asked──> FEED_READING ──done──> FEED_ENDED
 *      ^                          │
 *      └── broken, or closing ────┘   (after a pause that grows to 2 s)
 *
 * Promise    a connection that breaks, or is silent for three heartbeats, is made again; what no
 *            retry cures ends the feed at once. `on_frame` gets what comes, also twice: the caller
 *            knows where it goes on. A daemon that closes is an outage like any other.
 * Ownership  embedded: the caller fills the first members; feed_open, feed_done.
 * Threads    one.
 * Failure    that of the connection, once `retry_ms` have passed since the last byte.
 */
#ifndef DROVER_CLI_STREAM_FEED_H
#define DROVER_CLI_STREAM_FEED_H

#include "base/base.h"
#include "base/err.h"
#include "cli/base/api.h"
#include "cli/stream/sse_reader.h"

enum { FEED_SILENCE_MS = 45 * 1000 /* Three heartbeats. */, OUTAGE_ANY = -1 };

struct feed_outage {
    const struct world *world; /* Borrowed. */
    int64_t retry_ms;          /* Longest outage; 0: none is waited out; OUTAGE_ANY: each is. */
    uint64_t alive_ns;         /* Time of the last byte. */
    int64_t pause_ms;          /* Last pause of this outage; 0: there is none. */
};
struct feed_outage feed_outage_of(const struct talk *talk, int64_t retry_ms);
/* A byte came. True: that ended an outage. */
bool feed_outage_end(struct feed_outage *outage);
/* Hangs up. ERR_OK: the next try follows after *ret_pause_ms; else it is the end. */
MUST_CHECK struct err feed_outage_wait(struct feed_outage *outage, struct client *client,
                                       struct err err, int64_t *ret_pause_ms);

enum feed_state { FEED_AWAY, FEED_READING, FEED_ENDED };

struct feed {
    struct talk *talk;
    int64_t retry_ms;                                   /* See struct feed_outage. */
    bool (*on_connect)(void *ctx, struct text *target); /* Makes the target of the request. */
    struct err (*on_frame)(void *ctx, const struct sse_frame *frame, struct why *why);
    void (*on_alive)(void *ctx, bool was_away);                        /* Bytes came. */
    void (*on_away)(void *ctx, struct err err, const struct why *why); /* NULL: nobody asks. */
    void *ctx;
    /* Inside. */
    enum feed_state state;
    struct client *client; /* Owned. */
    struct sse_reader reader;
    struct feed_outage outage;
    uint64_t due_ns; /* Away: time of the next try. Reading: end of a silence that is too long. */
};

MUST_CHECK struct err feed_open(struct feed *feed, struct why *why);
void feed_done(struct feed *feed);
/* Does what is due: connects, reads where the descriptor is `ready`, or gives up a connection that
 * is silent. */
MUST_CHECK struct err feed_turn(struct feed *feed, bool ready, struct why *why);
/* Milliseconds until feed_turn has something to do by itself. */
int feed_wait_ms(const struct feed *feed);
int feed_fd(const struct feed *feed); /* For poll(2); -1: there is no connection. */
/* The next turn connects again. */
void feed_restart(struct feed *feed);
/* An outage that another connection of the caller met. */
MUST_CHECK struct err feed_break(struct feed *feed, struct err err, struct why *why);

static inline bool feed_is_away(const struct feed *feed) {
    return feed->outage.pause_ms > 0;
}

#endif
