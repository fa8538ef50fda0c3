/* follow.h: reads a stream from a cursor on, over any of the three transports, and stays on it.
 *
 *   SSE         GET …/events, Accept: text/event-stream
 *   WebSocket   GET /api/v1/ws, {"subscribe":…,"after":…}
 *   long-poll   GET …/events?after=…&wait=…
 *
 * Promise    `on_event` gets each event once, in the order of seq, without a gap; that is checked
 *            here and not believed. After a disconnect the stream is resumed after the last event.
 *            Pauses between tries grow to 2 s; without any success for `retry_ms` it ends.
 *            It ends where the stream ends.
 *            Success is a byte after the head of the answer (the daemon sends a comment at once):
 *            a peer that closes after each head is retried with growing pauses, and not for ever.
 * Ownership  everything in the options is borrowed during the call.
 * Threads    one.
 * Failure    an error that no retry cures (a cursor ahead of the stream, a refused token) ends it
 *            at once. So does a first connect where nobody listens: no daemon was started.
 */
#ifndef DROVER_CLI_STREAM_FOLLOW_H
#define DROVER_CLI_STREAM_FOLLOW_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "cli/stream/feed.h"

enum follow_via { FOLLOW_SSE, FOLLOW_WS, FOLLOW_POLL };

struct follow_event {
    int64_t seq;
    struct bytes type, data; /* data: compact JSON. A snapshot: type "snapshot", seq the floor. */
};

struct follow_options {
    struct talk *talk;
    const char *name;
    enum follow_via via;
    int64_t after;      /* < 0: only new events. */
    int64_t count;      /* Ends after so many events; 0: never. */
    int64_t retry_ms;   /* 0: a disconnect ends it. */
    bool once;          /* Only what is there already. */
    const bool *enough; /* `on_event` sets it when it wants no more; NULL: it never does. */
    void (*on_event)(void *ctx, const struct follow_event *event);
    /* After a snapshot, which comes in place of pruned events: reads what these would have told,
     * with the talk, before the stream goes on. NULL: nobody asks. */
    struct err (*on_gap)(void *ctx, struct why *why);
    /* Disconnected, trying again; NULL: talk_trouble. */
    void (*on_trouble)(void *ctx, const char *text);
    void (*on_back)(void *ctx); /* Connected again after that; NULL: nobody asks. */
    void (*on_held)(void *ctx); /* The daemon that is there again holds; NULL: talk_held_print. */
    void *ctx;
};

MUST_CHECK struct err follow_run(const struct follow_options *options, struct why *why);

/* --- Inside ----------------------------------------------------------------------------------- */

struct follow {
    const struct follow_options *options;
    struct client *client; /* Borrowed from the talk. */
    struct why *why;
    int64_t cursor;    /* The last event handed out. */
    int64_t delivered; /* Events. */
    bool ended;        /* As many as were asked for, all that is there, or the stream is over. */
    bool gap;          /* Ended for on_gap. */
    struct feed_outage outage;
};
/* Prints the event as a line of JSON: {"event","seq",…members of `data`}. */
void follow_event_print(const struct follow_event *event, const json_t *data);
/* Checks the order and hands the event out. */
MUST_CHECK struct err follow__event(struct follow *follow, const struct follow_event *event);

#endif
