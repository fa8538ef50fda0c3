/* subscriber.c: one follower's way along a stream.
 *
 *                 the ring has it,
 *                 or nothing is new            ready() is called
 *   NONE ──────────────────────────> SIGNAL ──────────────────────────────> OPEN ──┐ pull: a piece
 *    │                                 ^                                  ^ │ │ ^  │
 *    │ the store must be asked         │ page read, or failed             │ │ │ └──┘
 *    └──────────────────────> FETCH ───┘                                  │ │ └─────> GONE
 *                               ^                                         │ │  pull: it failed
 *                               └─────────────────────────────────────────┼─┤
 *                                 pull: the cursor is out of the ring     │ │ pull: nothing left
 *                                                                         │ v
 *                                        new events: ready() is called   WAITING
 *
 *   Each but NONE ──> NONE: hub_unsubscribe.
 *
 * In FETCH the subscriber stands in its page's list, in SIGNAL in the hub's, in WAITING in one of
 * its stream's two; in OPEN and GONE in none. A slow follower stays in OPEN until it pulls again,
 * and costs nothing meanwhile.
 */
#include "journal/hub_parts.h"

enum state { NONE, FETCH, SIGNAL, OPEN, WAITING, GONE, STATES };

#define TO(state) (1u << (state))

static const unsigned legal[STATES] = {
    [NONE] = TO(FETCH) | TO(SIGNAL),
    [FETCH] = TO(SIGNAL) | TO(NONE),
    [SIGNAL] = TO(OPEN) | TO(NONE),
    [OPEN] = TO(OPEN) | TO(FETCH) | TO(WAITING) | TO(GONE) | TO(NONE),
    [WAITING] = TO(OPEN) | TO(NONE),
    [GONE] = TO(NONE),
};

static void enter(struct hub_subscriber *subscriber, enum state state) {
    assert(subscriber->state < STATES);
    assert((legal[subscriber->state] & TO(state)) != 0);
    subscriber->state = (unsigned char)state;
}

static void owe_ready(struct hub_subscriber *subscriber) {
    struct hub *hub = subscriber->stream->hub;
    enter(subscriber, SIGNAL);
    link_add_last(&hub->signals, &subscriber->link);
    hub__signal(hub);
}

static void fetch(struct hub_subscriber *subscriber, const struct hub_page_wish *wish) {
    enter(subscriber, FETCH);
    page_wish(subscriber->stream->hub, subscriber->stream, wish, subscriber);
}

/* The ring that may hold what the subscriber needs next; NULL for a silent one. */
static const struct ring *ring_of(const struct hub_subscriber *subscriber) {
    if (subscriber->format == HUB_SILENT) {
        return NULL;
    }
    const struct ring *ring = &subscriber->stream->rings[subscriber->format];
    return ring_empty(ring) ? NULL : ring;
}

/* With a ring, its end counts and not the highest seq heard of: a page may have told of events
 * whose notes have not arrived. They will, and it costs nothing to wait for them. */
bool subscriber_pending(const struct hub_subscriber *subscriber) {
    const struct ring *ring = ring_of(subscriber);
    if (ring != NULL && subscriber->cursor >= ring->first - 1) {
        return subscriber->cursor < ring->last;
    }
    return subscriber->cursor < subscriber->stream->head;
}

bool subscriber_over(const struct hub_subscriber *subscriber) {
    return subscriber->stream->last >= 0 && subscriber->cursor >= subscriber->stream->last;
}

/* What is in memory decides without a read, if it is sure. The end of the ring is sure; `floor` is
 * heard of with every cut that came after the ring began. */
static bool stands_already(const struct hub_subscriber *subscriber, int64_t after) {
    const struct hub_stream *stream = subscriber->stream;
    const struct ring *ring = ring_of(subscriber);
    if (after < 0 || after == stream->head) {
        return stream->head >= 0;
    }
    if (subscriber->format == HUB_SILENT) {
        return after < stream->head;
    }
    return ring != NULL && after >= ring->first - 1 && after <= ring->last &&
           after >= stream->floor;
}

void hub_subscribe(struct hub *hub, const struct hub_subscribe *what,
                   struct hub_subscriber *subscriber) {
    assert(subscriber->state == NONE);
    assert(subscriber->ready != NULL);
    assert(hub->store != NULL);
    subscriber->stream = stream_ref(hub, what->owner, what->name);
    subscriber->err = ERR_OK;
    subscriber->snapshot = what->snapshot;
    subscriber->cursor = what->after < 0 && what->snapshot ? 0 : what->after;
    hub->stats.subscribers++;
    bool stands = !what->snapshot && stands_already(subscriber, what->after);
    if (subscriber->format != HUB_SILENT) {
        subscriber->stream->followers[subscriber->format]++;
    }
    if (stands) {
        subscriber->cursor = what->after < 0 ? subscriber->stream->head : what->after;
        owe_ready(subscriber);
        return;
    }
    const struct hub_page_wish wish = {
        .format = subscriber->format, .after = what->after, .snapshot = what->snapshot};
    fetch(subscriber, &wish);
}

void subscriber_page_done(struct hub_subscriber *subscriber) {
    int64_t cursor = subscriber->cursor;
    subscriber->err = page_result(subscriber->page, &cursor);
    struct hub_piece nothing = page_take(subscriber->page);
    hub_buffer_unref(nothing.buffer);
    if (err_failed(subscriber->err) || nothing.buffer == NULL) {
        page_unref(subscriber->page);
        subscriber->page = NULL;
        subscriber->cursor = cursor;
    }
    owe_ready(subscriber);
}

static void open_up(struct hub_subscriber *subscriber) {
    enter(subscriber, OPEN);
    subscriber->ready(subscriber); /* Last: it may be gone afterwards. */
}

void subscriber_wake(struct hub_subscriber *subscriber) {
    if (subscriber->state == WAITING && !subscriber_pending(subscriber)) {
        link_add_last(&subscriber->stream->waiting, &subscriber->link);
        return;
    }
    open_up(subscriber);
}

void subscriber_wait(struct hub_subscriber *subscriber) {
    enter(subscriber, WAITING);
    link_add_last(&subscriber->stream->waiting, &subscriber->link);
}

static enum hub_pull hand_out(struct hub_subscriber *subscriber, struct hub_piece piece,
                              struct hub_piece *ret_piece) {
    /* A snapshot that was asked for goes back to the floor, wherever the cursor was. */
    assert(subscriber->snapshot || piece.last_seq >= subscriber->cursor);
    subscriber->snapshot = false;
    enter(subscriber, OPEN);
    subscriber->cursor = piece.last_seq;
    subscriber->stream->hub->stats.pieces_pulled++;
    *ret_piece = piece;
    return HUB_PIECE;
}

static enum hub_pull pull_page(struct hub_subscriber *subscriber, struct hub_piece *ret_piece) {
    struct hub_page *page = subscriber->page;
    struct hub_piece piece = page_take(page);
    subscriber->page = NULL;
    page_unref(page);
    return hand_out(subscriber, piece, ret_piece);
}

static enum hub_pull pull_open(struct hub_subscriber *subscriber, struct hub_piece *ret_piece) {
    if (err_failed(subscriber->err)) {
        enter(subscriber, GONE);
        return HUB_GONE;
    }
    if (subscriber->page != NULL) {
        return pull_page(subscriber, ret_piece);
    }
    if (!subscriber_pending(subscriber)) {
        if (subscriber_over(subscriber)) {
            return HUB_DONE;
        }
        subscriber_wait(subscriber);
        return HUB_WAIT;
    }
    const struct ring *ring = ring_of(subscriber);
    if (ring != NULL && subscriber->cursor >= ring->first - 1) {
        return hand_out(subscriber, ring_slice(ring, subscriber->cursor), ret_piece);
    }
    const struct hub_page_wish wish = {.format = subscriber->format, .after = subscriber->cursor};
    fetch(subscriber, &wish);
    return HUB_WAIT;
}

enum hub_pull hub_pull(struct hub *hub, struct hub_subscriber *subscriber,
                       struct hub_piece *ret_piece) {
    assert(subscriber->state != NONE);
    assert(subscriber->format != HUB_SILENT);
    (void)hub; /* The subscriber knows it; the call says it for the reader. */
    switch ((enum state)subscriber->state) {
    case FETCH:
    case SIGNAL:
        return HUB_WAIT;
    case GONE:
        return HUB_GONE;
    case WAITING:
        if (!subscriber_pending(subscriber)) {
            return HUB_WAIT;
        }
        link_remove(&subscriber->link);
        enter(subscriber, OPEN);
        break;
    case OPEN:
    case NONE:
    case STATES:
        break;
    }
    return pull_open(subscriber, ret_piece);
}

struct hub_ends hub_ends(const struct hub_subscriber *subscriber) {
    const struct hub_stream *stream = subscriber->stream;
    int64_t cursor = subscriber->cursor;
    return (struct hub_ends){.head = stream->head > cursor ? stream->head : cursor,
                             .floor = stream->floor,
                             .over = subscriber_over(subscriber)};
}

static void let_page_go(struct hub_subscriber *subscriber) {
    if (subscriber->page != NULL && subscriber->state != FETCH) {
        page_unref(subscriber->page);
        subscriber->page = NULL;
    }
}

void hub_unsubscribe(struct hub *hub, struct hub_subscriber *subscriber) {
    if (subscriber->state == NONE) {
        return;
    }
    struct hub_stream *stream = subscriber->stream;
    assert(stream->hub == hub);
    if (subscriber->state == FETCH) {
        page_leave(subscriber->page, subscriber);
    } else if (subscriber->link.next != NULL) {
        link_remove(&subscriber->link);
    }
    let_page_go(subscriber);
    enter(subscriber, NONE);
    subscriber->stream = NULL;
    hub->stats.subscribers--;
    if (subscriber->format != HUB_SILENT) {
        stream_left(stream, subscriber->format);
    }
    stream_unref(stream);
}
