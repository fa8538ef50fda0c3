/* hub.h: carries committed events to whoever follows a stream.
 *
 * Promise    a subscriber gets every event after its cursor once, in order, and only durable ones.
 *            Nobody is dropped silently; a slow subscriber costs its own cursor and at most one
 *            piece in flight, never a queue: it *pulls*.
 * How        each followed stream has a ring of events, serialised once per format that somebody
 *            follows, shared by reference among all subscribers. A subscriber whose cursor fell
 *            out of the ring is fed page by page from the store until it meets the ring again.
 * Fairness   new events wake the waiting subscribers in turns of at most about 1 ms each
 *            (loop_soon), so a stream with 10,000 followers never holds the loop; under load
 *            several commits are pulled as one piece.
 * Ownership  subscribers and watches are embedded in their owner's objects; a piece's buffer is
 *            one reference that the puller ends with hub_buffer_unref.
 * Threads    the loop.
 */
#ifndef DROVER_JOURNAL_HUB_H
#define DROVER_JOURNAL_HUB_H

#include "base/base.h"
#include "base/err.h"
#include "base/link.h"
#include "journal/journal.h"
#include "journal/snapshot.h"
#include "loop/loop.h"
#include "store/store.h"

struct hub;

struct hub_options {
    struct loop *loop;      /* Borrowed. */
    size_t ring_bytes_max;  /* Per stream and format; 0: the default (1 MB). */
    size_t total_bytes_max; /* Over all rings; 0: the default (64 MB). */
    uint64_t idle_ms;       /* A ring that nothing was added to for so long goes; 0: 10 s. */
    struct snapshot_kinds snapshots; /* Streams that have a state; none: {0}. */
};
MUST_CHECK struct err hub_open(const struct hub_options *options, struct hub **ret_hub);
void hub_attach(struct hub *hub, struct store *store); /* Once, before the first subscriber. */
/* After store_close, with no subscriber or watch left. NULL is allowed. Buffers may outlive it. */
void hub_close(struct hub *hub);

/* What store_options.notes[JOURNAL_NOTE] must be; ctx is the hub. */
void hub_deliver(void *hub, struct bytes note);
void hub_flush(void *hub);

/* A frame that is stored nowhere and has no number, to followers over SSE or WebSocket that are
 * at the end of the stream `name`. A follower that takes none until the next is said misses
 * it. */
struct hub_said {
    struct bytes owner, name, type, data;
};
MUST_CHECK bool hub_follows(const struct hub *hub, struct bytes owner, struct bytes name);
void hub_say(struct hub *hub, const struct hub_said *said);

/* The forms in which an event is serialised:
 * SSE   "id: 7\nevent: type\ndata: {...}\n\n"
 * WS    a whole unmasked text frame: {"stream":"name","seq":7,"at_ms":…,"type":"…","data":{…}}
 * POLL  a member of a list after another one: ,{"seq":7,"at_ms":…,"type":"…","data":{…}} */
enum hub_format {
    HUB_SSE,
    HUB_WS,
    HUB_POLL,
    HUB_FORMATS,
    HUB_SILENT = HUB_FORMATS /* Private: watches. */
};

/* Shared immutable bytes. */
struct hub_buffer;
void hub_buffer_ref(struct hub_buffer *buffer);
void hub_buffer_unref(struct hub_buffer *buffer); /* NULL is allowed. */

struct hub_piece {
    struct hub_buffer *buffer; /* One reference, now the caller's. */
    struct bytes bytes;        /* Whole frames; lives as long as the reference. About 64 kB at most,
                                  but always at least one whole event. */
    int64_t last_seq;          /* The cursor after these bytes. */
};

enum hub_pull {
    HUB_PIECE, /* *ret_piece is filled, the cursor moved on. */
    HUB_WAIT,  /* Nothing now; `ready` will be called, once. */
    HUB_DONE,  /* The stream has ended, and all of it was handed out. Unsubscribe. */
    HUB_GONE,  /* Cannot go on: hub_subscriber.err says why. Unsubscribe. */
};

/* Embedded in the connection's object. Private but for the first four fields. Zeroed, or ended by
 * hub_unsubscribe, before hub_subscribe; the caller sets `ready` and `format`. */
struct hub_subscriber {
    void (*ready)(struct hub_subscriber *subscriber); /* Never inside subscribe or pull. */
    enum hub_format format;
    int64_t cursor; /* seq of the last event handed out; before that, where it began: what a client
                       that is cut off now should resume from. From the end: once `ready` ran. */
    struct err err;
    struct hub_stream *stream; /* One reference. */
    struct link link;          /* In the one list that its state names. */
    struct hub_page *page;     /* One reference while it is read, until it was pulled. */
    uint64_t said;             /* Of the stream's: what it has, or came after. */
    unsigned char state;
    bool snapshot;
};

struct hub_subscribe {
    struct bytes owner, name; /* Borrowed during the call. */
    int64_t after;            /* Cursor; < 0: from the end (only new events). */
    bool snapshot;            /* Begin with a snapshot in any case. */
};
/* Asynchronous. `ready` is always called once as soon as it is known whether the subscription
 * stands, also when there is no event yet: the first pull after it tells (HUB_GONE, or not), so
 * that a response can begin with the right status. A stream that does not exist yet is followed
 * from 0; `after` above head: HUB_GONE with ERR_CURSOR_AHEAD. A cursor below floor: a snapshot
 * (snapshot.h) comes first, then the events after it. */
void hub_subscribe(struct hub *hub, const struct hub_subscribe *what,
                   struct hub_subscriber *subscriber);
MUST_CHECK enum hub_pull hub_pull(struct hub *hub, struct hub_subscriber *subscriber,
                                  struct hub_piece *ret_piece);
/* What is known of its stream, once it has pulled something. */
struct hub_ends {
    int64_t head, floor;
    bool over; /* Nothing will ever come after its cursor. */
};
struct hub_ends hub_ends(const struct hub_subscriber *subscriber);
/* Immediate, in every state, also inside any `ready`; twice, or never subscribed, is fine. */
void hub_unsubscribe(struct hub *hub, struct hub_subscriber *subscriber);

/* Waits until a stream has events after `after`, or has ended: what a long-poll does between two
 * reads. `ready` is called once, never inside hub_watch_start, and the watch has then ended by
 * itself; it may be started again in there. It misses nothing: an event that was committed before
 * the watch began, even just after the caller's own read, fires it too. result: success (read now),
 * or why it cannot wait (ERR_CURSOR_AHEAD, a store error). A time-out is the caller's:
 * hub_watch_stop. */
struct hub_watch {
    struct hub_subscriber subscriber; /* Private. */
    struct hub *hub;                  /* Borrowed while it waits. */
    void (*ready)(struct hub_watch *watch, struct err result);
};
void hub_watch_start(struct hub *hub, const struct hub_subscribe *what, struct hub_watch *watch,
                     void (*ready)(struct hub_watch *watch, struct err result));
void hub_watch_stop(struct hub_watch *watch); /* Immediate; zeroed, ended or twice is fine. */

/* `events`: notes of followed streams. Monotonic but for the last row. */
struct hub_stats {
    uint64_t events, pieces_pulled, pages_read;
    uint64_t notes, wakes, rings_dropped;
    uint64_t streams, subscribers, ring_bytes;
};
/* For who reads pages without following. From any thread. */
const struct snapshot_kinds *hub_snapshots(const struct hub *hub);

void hub_get_stats(const struct hub *hub, struct hub_stats *ret_stats);

#endif
