/* hub.c: streams that somebody follows, their subscribers, and the pages that are read for
 * readers of what is not in memory.
 *
 * --- A subscriber's way along a stream
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
 *
 * --- A page on its way from the store
 *
 *             turn has come          read                      all have pulled, or left
 *   QUEUED ─────────────────> READING ─────────────> DONE ──────────────────> freed
 *     ^  │ nobody waits any more │  │ overloaded          nobody waits any more: freed at once
 *     │  v                       │  │
 *     │ freed                    │  └─> QUEUED, first in line, after a pause
 *     └──────────────────────────┘
 *
 * How a page joins the ring without gap or repeat. The stream's record in the hub exists before
 * the read begins, and lives on while the page does. So each event is either in the snapshot that
 * the read sees, or was committed after it, and then its note comes to that record. An event can
 * be both: committed, seen by the read, and its note still on its way to the loop. It is durable,
 * so it may be sent; when the note arrives, the subscriber's cursor is already there or beyond,
 * and it is not woken (subscriber_pending).
 *
 * A page outlives its subscribers: the reader thread writes into it until its end is reported.
 *
 * --- Waking
 *
 * Waking is the part that could hold the loop: a stream may have thousands of followers, and each
 * `ready` ends in a write. So nobody is called while notes arrive. The work is done by a task, in
 * turns of half a millisecond; the rest waits for the next turn, in order, while the loop does its
 * I/O. What is committed meanwhile joins the piece of each follower that has not been called yet:
 * the busier the loop, the more events each write carries.
 */
#include "journal/hub.h"

#include <string.h>

#include "base/memory.h"
#include "journal/frame.h"
#include "journal/note.h"
#include "journal/ring.h"
#include "journal/snapshot.h"

enum {
    RING_BYTES = 1 << 20,
    TOTAL_BYTES = 64 << 20,
    IDLE_MS = 10 * 1000,
    TURN_NS = 500 * 1000,
    CALLS_PER_STREAM = 64, /* Before the next stream has its turn. */
    SLOTS_FIRST = 64,
    READING_MAX = 8,        /* Pages at once: the readers are few, and others want them too. */
    PIECE_BYTES = 64 << 10, /* Cost of a client that does not read. */
    RETRY_MS = 20,
    TRIES_MAX = 250, /* With RETRY_MS: 5 s. */
};

/* A stream that somebody follows: found by name, forgotten with the last follower. */
struct hub_stream {
    struct hub *hub;              /* Borrowed. */
    struct hub_stream *same_slot; /* In the table. */
    uint64_t hash;
    unsigned refs;                   /* Subscribers and pages. */
    unsigned calls;                  /* Wake-ups so far; its turns are counted by it. */
    unsigned followers[HUB_FORMATS]; /* A ring is kept for a format that has one. */
    struct ring rings[HUB_FORMATS];
    uint64_t age;                         /* The hub's at the last event. */
    int64_t head;                         /* The highest seq heard of; -1: of none. */
    int64_t floor;                        /* The highest floor heard of. */
    int64_t last;                         /* The seq of its last event; -1: it has not ended. */
    struct hub_buffer *said[HUB_FORMATS]; /* The latest frames of hub_say; NULL: none. */
    uint64_t said_count;                  /* Buffers so far. */
    bool said_open;                       /* Nobody has pulled it, so that more may join it. */
    struct link waiting, waking;    /* Subscribers at the end; and those it is time to wake. */
    struct link pages;              /* Being read or queued for it. */
    struct link in_wakes, in_rings; /* In the hub's lists. */
    struct bytes owner, name;       /* Borrowed from text; read by reader threads too. */
    char text[];
};

struct hub {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    size_t ring_bytes_max, total_bytes_max;
    struct snapshot_kinds snapshots; /* Never changes: reader threads look at it. */
    struct hub_stream **slots;       /* Owned: hash table with chains. */
    size_t slot_count;               /* A power of two. */
    uint64_t seed;
    struct link wakes;          /* Streams with subscribers to wake, in turns. */
    struct link rings;          /* Streams that hold ring memory, least recently used first. */
    struct link signals;        /* Subscribers whose `ready` is owed. */
    struct link queue, reading; /* Pages. */
    unsigned reading_count;
    struct loop_task task;
    struct timer retry, idle;
    uint64_t idle_ms, age;  /* Counts each idle_ms, while there are rings. */
    struct hub_stats stats; /* ring_bytes and the rest. */
};

enum page_state { PAGE_QUEUED, PAGE_READING, PAGE_DONE };

struct hub_page {
    struct hub *hub;           /* Borrowed. */
    struct hub_stream *stream; /* Holds one reference, until done. */
    enum hub_format format;    /* The wish: format, after, snapshot. */
    int64_t after;
    bool snapshot;
    bool held;   /* The daemon held when the page was asked for. */
    bool joined; /* By a subscriber that came after the read was asked for. */
    enum page_state state;
    unsigned refs, tries; /* Subscribers hold one reference each, and so does the store. */
    struct link in_hub;   /* In the hub's queue or reading. */
    struct link in_stream;
    struct link waiting; /* Subscribers. */
    struct err err;
    /* The reader's while READING. */
    struct hub_buffer *buffer; /* Owned; NULL: nothing to send. */
    struct stream_state found;
    int64_t cursor;
};

/* --- The table of streams --------------------------------------------------------------------- */

/* A note of a stream that nobody follows costs one look into this table and nothing more. The hash
 * is seeded: who may choose names of streams must not be able to choose which of them collide. */
static uint64_t hash_mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9fb21c651e98df25u;
    return hash ^ (hash >> 32);
}

static uint64_t hash_bytes(uint64_t hash, struct bytes bytes) {
    uint64_t word;
    for (; bytes.len >= sizeof word; bytes.data += sizeof word, bytes.len -= sizeof word) {
        memcpy(&word, bytes.data, sizeof word);
        hash = hash_mix(hash, word);
    }
    word = bytes.len;
    for (size_t at = 0; at < bytes.len; at++) {
        word = word << 8 | (uint8_t)bytes.data[at];
    }
    return hash_mix(hash, word);
}

static struct hub_stream **slot_of(const struct hub *hub, uint64_t hash) {
    return &hub->slots[hash & (hub->slot_count - 1)];
}

/* NULL: nobody follows it. */
static struct hub_stream *stream_find(const struct hub *hub, uint64_t hash, struct bytes owner,
                                      struct bytes name) {
    struct hub_stream *stream = *slot_of(hub, hash);
    while (stream != NULL && (stream->hash != hash || !bytes_equal(stream->name, name) ||
                              !bytes_equal(stream->owner, owner))) {
        stream = stream->same_slot;
    }
    return stream;
}

static void stream_enter(struct hub_stream *stream) {
    struct hub_stream **slot = slot_of(stream->hub, stream->hash);
    stream->same_slot = *slot;
    *slot = stream;
}

static void table_grow(struct hub *hub) {
    size_t old_count = hub->slot_count;
    struct hub_stream **old = hub->slots;
    hub->slot_count = old_count * 2;
    hub->slots = mem_new_array(hub->slot_count, sizeof(struct hub_stream *));
    for (size_t at = 0; at < old_count; at++) {
        while (old[at] != NULL) {
            struct hub_stream *stream = old[at];
            old[at] = stream->same_slot;
            stream_enter(stream);
        }
    }
    mem_free(old);
}

/* Found or made, with one more reference. */
static struct hub_stream *stream_ref(struct hub *hub, struct bytes owner, struct bytes name) {
    uint64_t hash = hash_bytes(hash_bytes(hub->seed, owner), name);
    struct hub_stream *stream = stream_find(hub, hash, owner, name);
    if (stream == NULL) {
        if (hub->stats.streams == hub->slot_count) {
            table_grow(hub);
        }
        stream = mem_new(sizeof *stream + owner.len + name.len);
        memcpy(stream->text, owner.data, owner.len);
        memcpy(stream->text + owner.len, name.data, name.len);
        stream->owner = (struct bytes){stream->text, owner.len};
        stream->name = (struct bytes){stream->text + owner.len, name.len};
        stream->hub = hub;
        stream->hash = hash;
        stream->head = stream->last = -1;
        links_init(&stream->waiting);
        links_init(&stream->waking);
        links_init(&stream->pages);
        stream_enter(stream);
        hub->stats.streams++;
    }
    stream->refs++;
    return stream;
}

static size_t stream_bytes(const struct hub_stream *stream) {
    size_t bytes = 0;
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        bytes += stream->rings[format].bytes;
    }
    return bytes;
}

static void said_drop(struct hub_stream *stream) {
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        hub_buffer_unref(stream->said[format]);
        stream->said[format] = NULL;
    }
}

static void stream_unref(struct hub_stream *stream) {
    assert(stream->refs > 0);
    if (--stream->refs > 0) {
        return;
    }
    struct hub *hub = stream->hub;
    assert(links_empty(&stream->waiting));
    assert(links_empty(&stream->waking));
    assert(stream_bytes(stream) == 0); /* The last follower of each format took its ring along. */
    link_remove(&stream->in_wakes);
    struct hub_stream **at = slot_of(hub, stream->hash);
    while (*at != stream) {
        at = &(*at)->same_slot;
    }
    *at = stream->same_slot;
    said_drop(stream);
    hub->stats.streams--;
    mem_free(stream);
}

static void stream_heard(struct hub_stream *stream, int64_t head, int64_t floor) {
    stream->head = head > stream->head ? head : stream->head;
    stream->floor = floor > stream->floor ? floor : stream->floor;
}

/* --- Rings ------------------------------------------------------------------------------------ */

static void ring_drop(struct hub_stream *stream, enum hub_format format) {
    stream->hub->stats.ring_bytes -= stream->rings[format].bytes;
    ring_clear(&stream->rings[format]);
    if (stream_bytes(stream) == 0) {
        link_remove(&stream->in_rings);
    }
}

/* Followers that are not at the end read the store. */
static void rings_drop(struct hub_stream *stream) {
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        ring_drop(stream, format);
    }
    stream->hub->stats.rings_dropped++;
}

/* After a burst, a quiet daemon is small again. */
static void rings_age(struct timer *timer) {
    struct hub *hub = CONTAINER_OF(timer, struct hub, idle);
    hub->age++;
    while (!links_empty(&hub->rings)) {
        struct hub_stream *oldest = CONTAINER_OF(hub->rings.next, struct hub_stream, in_rings);
        if (oldest->age + 1 >= hub->age) {
            timer_start(hub->loop, &hub->idle, hub->idle_ms, rings_age);
            return;
        }
        rings_drop(oldest);
    }
}

static void stream_append(struct hub_stream *stream, const struct note *note) {
    struct hub *hub = stream->hub;
    const struct frame frame = {.name = note->name,
                                .type = note->type,
                                .data = note->data,
                                .seq = note->seq,
                                .at_ms = note->at_ms};
    size_t bytes_max =
        hub->ring_bytes_max < hub->total_bytes_max ? hub->ring_bytes_max : hub->total_bytes_max;
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        if (stream->followers[format] == 0) {
            continue;
        }
        struct ring *ring = &stream->rings[format];
        hub->stats.ring_bytes -= ring->bytes;
        size_t len = frame_len(format, &frame);
        char *at = ring_reserve(ring, len, bytes_max);
        if (at == NULL) {
            /* No memory for it: its followers read it from the store, where it is. */
            ring_clear(ring);
        } else {
            char *end = frame_write(format, &frame, at);
            assert((size_t)(end - at) == len);
            ring_commit(ring, note->seq, len);
        }
        hub->stats.ring_bytes += ring->bytes;
    }
    stream_heard(stream, note->seq, 0);
    if (note->kind == NOTE_LAST) {
        stream->last = note->seq;
    }

    link_remove(&stream->in_rings);
    if (stream_bytes(stream) == 0) {
        return;
    }
    link_add_last(&hub->rings, &stream->in_rings);
    stream->age = hub->age;
    if (!timer_runs(&hub->idle)) {
        timer_start(hub->loop, &hub->idle, hub->idle_ms, rings_age);
    }
    /* Over the total, the stream that was written to longest ago gives first. The one that is being
     * written stands last, and keeps the chunk that is being written. */
    while (hub->stats.ring_bytes > hub->total_bytes_max && hub->rings.next != &stream->in_rings) {
        rings_drop(CONTAINER_OF(hub->rings.next, struct hub_stream, in_rings));
    }
}

/* --- Subscribers ------------------------------------------------------------------------------ */

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

static void subscriber_enter(struct hub_subscriber *subscriber, enum state state) {
    assert(subscriber->state < STATES);
    assert((legal[subscriber->state] & TO(state)) != 0);
    subscriber->state = (unsigned char)state;
}

static void subscriber_signal(struct hub_subscriber *subscriber) {
    struct hub *hub = subscriber->stream->hub;
    subscriber_enter(subscriber, SIGNAL);
    link_add_last(&hub->signals, &subscriber->link);
    loop_soon(hub->loop, &hub->task);
}

/* A ready subscriber that found nothing. */
static void subscriber_wait(struct hub_subscriber *subscriber) {
    subscriber_enter(subscriber, WAITING);
    link_add_last(&subscriber->stream->waiting, &subscriber->link);
}

/* The ring that may hold what the subscriber needs next; NULL for a silent one. */
static const struct ring *ring_of(const struct hub_subscriber *subscriber) {
    if (subscriber->format == HUB_SILENT) {
        return NULL;
    }
    const struct ring *ring = &subscriber->stream->rings[subscriber->format];
    return ring->oldest == NULL ? NULL : ring;
}

/* With a ring, its end counts and not the highest seq heard of: a page may have told of events
 * whose notes have not arrived. They will, and it costs nothing to wait for them. */
static bool subscriber_pending(const struct hub_subscriber *subscriber) {
    const struct ring *ring = ring_of(subscriber);
    if (ring != NULL && subscriber->cursor >= ring->first - 1) {
        return subscriber->cursor < ring->last;
    }
    return subscriber->cursor < subscriber->stream->head;
}

/* Whether the last of hub_say is to be pulled. */
static bool said_pending(const struct hub_subscriber *subscriber) {
    const struct hub_stream *stream = subscriber->stream;
    return subscriber->format != HUB_SILENT && subscriber->said < stream->said_count &&
           stream->said[subscriber->format] != NULL;
}

/* Nothing will ever come after its cursor. */
static bool subscriber_over(const struct hub_subscriber *subscriber) {
    return subscriber->stream->last >= 0 && subscriber->cursor >= subscriber->stream->last;
}

struct hub_ends hub_ends(const struct hub_subscriber *subscriber) {
    const struct hub_stream *stream = subscriber->stream;
    int64_t cursor = subscriber->cursor;
    return (struct hub_ends){.head = stream->head > cursor ? stream->head : cursor,
                             .floor = stream->floor,
                             .over = subscriber_over(subscriber)};
}

/* --- Pages: on a reader thread ---------------------------------------------------------------- */

static struct err page_add(struct hub_page *page, const struct frame *frame) {
    size_t len = frame_len(page->format, frame);
    char *at = buffer_room(&page->buffer, len);
    if (at == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "hub: page");
    }
    (void)frame_write(page->format, frame, at); /* The length is known. */
    page->buffer->len += len;
    page->cursor = frame->seq;
    return ERR_OK;
}

static struct err page_add_event(void *ctx, const struct event *event) {
    struct hub_page *page = ctx;
    return page_add(page, &(struct frame){.name = page->stream->name,
                                          .type = event->type,
                                          .data = event->data,
                                          .seq = event->seq,
                                          .at_ms = event->at_ms});
}

static struct err page_add_snapshot(struct tx *tx, struct hub_page *page) {
    const struct snapshot_ask ask = {.owner = page->stream->owner,
                                     .name = page->stream->name,
                                     .state = page->found,
                                     .held = page->held};
    AUTO(text_done) struct text text = text_up_to(SNAPSHOT_MAX);
    int64_t seq = 0;
    struct err err = tx_snapshot(tx, &page->hub->snapshots, &ask, &text, &seq);
    return err_failed(err) ? err
                           : page_add(page, &(struct frame){.name = page->stream->name,
                                                            .type = BYTES("snapshot"),
                                                            .data = text_bytes(&text),
                                                            .seq = seq,
                                                            .at_ms = tx_now_ms(tx)});
}

/* May run more than once: whatever it fills is filled again from its beginning. */
static struct err page_read(struct tx *tx, void *ctx) {
    struct hub_page *page = ctx;
    hub_buffer_unref(page->buffer);
    page->buffer = NULL;
    page->found = (struct stream_state){0}; /* A stream that does not exist yet is an empty one. */
    page->cursor = page->after;
    bool found = false;
    struct err err =
        tx_stream_find(tx, page->stream->owner, page->stream->name, &found, &page->found);
    bool from_end = page->after < 0 && !page->snapshot;
    if (err_failed(err) || page->format == HUB_SILENT || from_end ||
        page->after > page->found.head) {
        return err;
    }
    if (page->snapshot || page->after < page->found.floor) {
        TRY(page_add_snapshot(tx, page));
    }
    const struct journal__page rows = {.stream = page->found.stream,
                                       .after = page->cursor,
                                       .events_max = JOURNAL_PAGE_EVENTS,
                                       .bytes_max = PIECE_BYTES};
    return journal__read(tx, &rows, page_add_event, page);
}

/* --- Pages: on the loop ----------------------------------------------------------------------- */

static void pages_go(struct hub *hub);

static void page_unref(struct hub_page *page) {
    assert(page->refs > 0);
    if (--page->refs == 0) {
        hub_buffer_unref(page->buffer);
        mem_free(page);
    }
}

/* The store has nothing to do with it any more. */
static void page_end(struct hub_page *page) {
    link_remove(&page->in_hub);
    link_remove(&page->in_stream);
    stream_unref(page->stream);
    page->stream = NULL;
    page_unref(page);
}

/* The result of the read stays true; the hub may have heard of more meanwhile. */
static void page_finish(struct hub_page *page, struct err result) {
    int64_t head = page->stream->head;
    page->hub->stats.pages_read++;
    page->state = PAGE_DONE;
    page->err = result;
    if (!err_failed(result) && page->after > head) {
        page->err = err_make(ERR_CURSOR_AHEAD, "hub: subscribe");
    } else if (!err_failed(result) && page->after < 0 && !page->snapshot) {
        page->cursor = head;
    }
    for (struct link *at; (at = links_take(&page->waiting)) != NULL;) {
        struct hub_subscriber *subscriber = CONTAINER_OF(at, struct hub_subscriber, link);
        subscriber->err = page->err;
        if (err_failed(page->err) || page->buffer == NULL) {
            if (!err_failed(page->err)) {
                subscriber->cursor = page->cursor;
            }
            subscriber->page = NULL;
            page_unref(page);
        }
        subscriber_signal(subscriber);
    }
    page_end(page);
}

static void pages_retry(struct timer *timer) {
    pages_go(CONTAINER_OF(timer, struct hub, retry));
}

static void page_done(struct err result, void *ctx) {
    struct hub_page *page = ctx;
    struct hub *hub = page->hub;
    assert(page->state == PAGE_READING);
    hub->reading_count--;
    bool wanted = !links_empty(&page->waiting);
    bool overloaded = result.code == ERR_OVERLOADED && page->tries < TRIES_MAX;
    bool early = false;
    if (!err_failed(result)) {
        stream_heard(page->stream, page->found.head, page->found.floor);
        if (page->found.ended) {
            page->stream->last = page->found.head;
        }
        /* A subscriber that joined during the read may know of events that it could not see yet.
         * Such a cursor only looks ahead, so it is judged by a read that began after it came. */
        early = page->joined && page->after > page->stream->head;
    }
    if (wanted && (overloaded || early)) {
        page->state = PAGE_QUEUED;
        page->joined = false;
        link_remove(&page->in_hub);
        link_add_first(&hub->queue, &page->in_hub);
        if (overloaded) {
            page->tries++;
            if (!timer_runs(&hub->retry)) {
                timer_start(hub->loop, &hub->retry, RETRY_MS, pages_retry);
            }
        }
    } else {
        page_finish(page, result);
    }
    pages_go(hub);
}

static void pages_go(struct hub *hub) {
    while (!timer_runs(&hub->retry) && hub->reading_count < READING_MAX &&
           !links_empty(&hub->queue)) {
        struct hub_page *page = CONTAINER_OF(links_take(&hub->queue), struct hub_page, in_hub);
        link_add_last(&hub->reading, &page->in_hub);
        page->state = PAGE_READING;
        hub->reading_count++;
        store_read(hub->store, page_read, page_done, page);
    }
}

/* Reads for the subscriber, or lets it share a page that is already on its way: after a restart,
 * all the followers of a stream come back with nearly the same cursor. */
static void subscriber_fetch(struct hub_subscriber *subscriber, int64_t after, bool snapshot) {
    struct hub_stream *stream = subscriber->stream;
    struct hub *hub = stream->hub;
    struct hub_page *page = NULL;
    for (struct link *at = stream->pages.next; at != &stream->pages && page == NULL;
         at = at->next) {
        page = CONTAINER_OF(at, struct hub_page, in_stream);
        if (page->format != subscriber->format || page->after != after ||
            page->snapshot != snapshot) {
            page = NULL;
        }
    }
    if (page == NULL) {
        page = mem_new(sizeof *page);
        page->hub = hub;
        page->stream = stream_ref(hub, stream->owner, stream->name);
        page->format = subscriber->format;
        page->after = after;
        page->snapshot = snapshot;
        page->held = snapshots_held(&hub->snapshots);
        page->refs = 1;
        links_init(&page->waiting);
        link_add_last(&stream->pages, &page->in_stream);
        link_add_last(&hub->queue, &page->in_hub);
    }
    page->joined = page->joined || page->state == PAGE_READING;
    page->refs++;
    subscriber_enter(subscriber, FETCH);
    subscriber->page = page;
    link_add_last(&page->waiting, &subscriber->link);
    pages_go(hub);
}

/* --- Subscribe, pull, unsubscribe ------------------------------------------------------------- */

/* Memory decides without a read where it is sure. The end of the ring is sure; `floor` is
 * heard of with every cut that came after the ring began. */
static bool subscriber_stands(const struct hub_subscriber *subscriber, int64_t after) {
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
    subscriber->said = subscriber->stream->said_count;
    subscriber->snapshot = what->snapshot;
    subscriber->cursor = what->after < 0 && what->snapshot ? 0 : what->after;
    hub->stats.subscribers++;
    bool stands = !what->snapshot && subscriber_stands(subscriber, what->after);
    if (subscriber->format != HUB_SILENT) {
        subscriber->stream->followers[subscriber->format]++;
    }
    if (stands) {
        subscriber->cursor = what->after < 0 ? subscriber->stream->head : what->after;
        subscriber_signal(subscriber);
    } else {
        subscriber_fetch(subscriber, what->after, what->snapshot);
    }
}

enum hub_pull hub_pull(struct hub *hub, struct hub_subscriber *subscriber,
                       struct hub_piece *ret_piece) {
    assert(subscriber->state != NONE);
    assert(subscriber->format != HUB_SILENT);
    if (subscriber->state == FETCH || subscriber->state == SIGNAL ||
        (subscriber->state == WAITING && !subscriber_pending(subscriber) &&
         !said_pending(subscriber))) {
        return HUB_WAIT;
    }
    if (subscriber->state == WAITING) {
        link_remove(&subscriber->link);
        subscriber_enter(subscriber, OPEN);
    }
    if (subscriber->state == OPEN && err_failed(subscriber->err)) {
        subscriber_enter(subscriber, GONE);
    }
    if (subscriber->state == GONE) {
        return HUB_GONE;
    }

    struct hub_piece piece = {0};
    struct hub_page *page = subscriber->page;
    const struct ring *ring = ring_of(subscriber);
    if (page != NULL) {
        assert(page->state == PAGE_DONE);
        hub_buffer_ref(page->buffer);
        piece = (struct hub_piece){.buffer = page->buffer,
                                   .bytes = {page->buffer->data, page->buffer->len},
                                   .last_seq = page->cursor};
        subscriber->page = NULL;
        page_unref(page);
    } else if (!subscriber_pending(subscriber) && said_pending(subscriber)) {
        struct hub_stream *stream = subscriber->stream;
        struct hub_buffer *buffer = stream->said[subscriber->format];
        hub_buffer_ref(buffer);
        piece = (struct hub_piece){
            .buffer = buffer, .bytes = {buffer->data, buffer->len}, .last_seq = subscriber->cursor};
        subscriber->said = stream->said_count;
        stream->said_open = false;
    } else if (!subscriber_pending(subscriber)) {
        if (subscriber_over(subscriber)) {
            return HUB_DONE;
        }
        subscriber_wait(subscriber);
        return HUB_WAIT;
    } else if (ring != NULL && subscriber->cursor >= ring->first - 1) {
        piece = ring_slice(ring, subscriber->cursor);
    } else {
        subscriber_fetch(subscriber, subscriber->cursor, false /* events, no snapshot */);
        return HUB_WAIT;
    }
    /* A snapshot that was asked for goes back to the floor, wherever the cursor was. */
    assert(subscriber->snapshot || piece.last_seq >= subscriber->cursor);
    subscriber->snapshot = false;
    subscriber_enter(subscriber, OPEN);
    subscriber->cursor = piece.last_seq;
    hub->stats.pieces_pulled++;
    *ret_piece = piece;
    return HUB_PIECE;
}

void hub_unsubscribe(struct hub *hub, struct hub_subscriber *subscriber) {
    if (subscriber->state == NONE) {
        return;
    }
    struct hub_stream *stream = subscriber->stream;
    struct hub_page *page = subscriber->page;
    assert(stream->hub == hub);
    link_remove(&subscriber->link);
    if (page != NULL) {
        bool unwanted = page->state == PAGE_QUEUED && links_empty(&page->waiting);
        page_unref(page);
        if (unwanted) {
            page_end(page);
        }
    }
    subscriber_enter(subscriber, NONE);
    subscriber->page = NULL;
    subscriber->stream = NULL;
    hub->stats.subscribers--;
    if (subscriber->format != HUB_SILENT) {
        assert(stream->followers[subscriber->format] > 0);
        if (--stream->followers[subscriber->format] == 0) {
            ring_drop(stream, subscriber->format);
        }
    }
    stream_unref(stream);
}

/* --- A watch: a subscriber that is woken, and given nothing ----------------------------------- */

static void watch_look(struct hub_subscriber *subscriber) {
    struct hub_watch *watch = CONTAINER_OF(subscriber, struct hub_watch, subscriber);
    struct err err = subscriber->err;
    if (!err_failed(err) && !subscriber_pending(subscriber) && !subscriber_over(subscriber)) {
        subscriber_wait(subscriber);
        return;
    }
    hub_watch_stop(watch);
    watch->ready(watch, err); /* Last: the watch may be gone, or started again. */
}

void hub_watch_start(struct hub *hub, const struct hub_subscribe *what, struct hub_watch *watch,
                     void (*ready)(struct hub_watch *watch, struct err result)) {
    const struct hub_subscribe silent = {
        .owner = what->owner, .name = what->name, .after = what->after};
    watch->hub = hub;
    watch->ready = ready;
    watch->subscriber.ready = watch_look;
    watch->subscriber.format = HUB_SILENT;
    hub_subscribe(hub, &silent, &watch->subscriber);
}

void hub_watch_stop(struct hub_watch *watch) {
    if (watch->hub != NULL) {
        hub_unsubscribe(watch->hub, &watch->subscriber);
        watch->hub = NULL;
    }
}

/* --- Notes in, wakes out ---------------------------------------------------------------------- */

static void stream_wake(struct hub_stream *stream) {
    if (!links_empty(&stream->waiting)) {
        links_move(&stream->waking, &stream->waiting);
        if (!link_listed(&stream->in_wakes)) {
            link_add_last(&stream->hub->wakes, &stream->in_wakes);
        }
    }
}

void hub_deliver(void *ctx, struct bytes bytes) {
    struct hub *hub = ctx;
    struct note note;
    bool valid = note_read(bytes, &note);
    assert(valid); /* We wrote it. */
    hub->stats.notes++;
    if (hub->stats.streams == 0) {
        return;
    }
    uint64_t hash = hash_bytes(hash_bytes(hub->seed, note.owner), note.name);
    struct hub_stream *stream = stream_find(hub, hash, note.owner, note.name);
    if (stream == NULL) {
        return;
    }
    if (note.kind == NOTE_PRUNED) {
        stream_heard(stream, -1, note.seq);
        return;
    }
    hub->stats.events++;
    stream_append(stream, &note);
    stream_wake(stream);
}

void hub_flush(void *ctx) {
    struct hub *hub = ctx;
    if (!links_empty(&hub->wakes)) {
        loop_soon(hub->loop, &hub->task);
    }
}

static struct hub_stream *said_stream(const struct hub *hub, struct bytes owner,
                                      struct bytes name) {
    return stream_find(hub, hash_bytes(hash_bytes(hub->seed, owner), name), owner, name);
}

bool hub_follows(const struct hub *hub, struct bytes owner, struct bytes name) {
    return said_stream(hub, owner, name) != NULL;
}

void hub_say(struct hub *hub, const struct hub_said *said) {
    struct hub_stream *stream = said_stream(hub, said->owner, said->name);
    const struct frame frame = {
        .name = said->name, .type = said->type, .data = said->data, .seq = -1};
    if (stream == NULL) {
        return;
    }
    if (!stream->said_open) {
        said_drop(stream);
        stream->said_count++;
        stream->said_open = true;
    }
    for (enum hub_format format = HUB_SSE; format <= HUB_WS; format++) {
        struct hub_buffer **buffer = &stream->said[format];
        const size_t len = frame_len(format, &frame);
        const bool fits = *buffer == NULL || (*buffer)->len + len <= PIECE_BYTES;
        char *at = fits && stream->followers[format] > 0 ? buffer_room(buffer, len) : NULL;
        if (at != NULL) {
            (void)frame_write(format, &frame, at); /* The length is known. */
            (*buffer)->len += len;
        }
    }
    stream_wake(stream);
    hub_flush(hub);
}

static bool hub_signal_one(struct hub *hub) {
    struct link *first = links_take(&hub->signals);
    if (first == NULL) {
        return false;
    }
    struct hub_subscriber *subscriber = CONTAINER_OF(first, struct hub_subscriber, link);
    subscriber_enter(subscriber, OPEN);
    subscriber->ready(subscriber); /* Last: it may be gone afterwards. */
    return true;
}

/* Everything that is read of the stream is read before the call: it may be its last follower. */
static bool hub_wake_one(struct hub *hub) {
    if (links_empty(&hub->wakes)) {
        return false;
    }
    struct hub_stream *stream = CONTAINER_OF(hub->wakes.next, struct hub_stream, in_wakes);
    struct link *first = links_take(&stream->waking);
    if (first == NULL) { /* The last ones left by themselves. */
        link_remove(&stream->in_wakes);
        return true;
    }
    bool last = links_empty(&stream->waking);
    if (last || ++stream->calls % CALLS_PER_STREAM == 0) {
        link_remove(&stream->in_wakes);
    }
    if (!last && !link_listed(&stream->in_wakes)) {
        link_add_last(&hub->wakes, &stream->in_wakes);
    }
    hub->stats.wakes++;
    struct hub_subscriber *subscriber = CONTAINER_OF(first, struct hub_subscriber, link);
    if (subscriber_pending(subscriber) || said_pending(subscriber)) {
        subscriber_enter(subscriber, OPEN);
        subscriber->ready(subscriber); /* Last, as above. */
    } else {
        link_add_last(&stream->waiting, &subscriber->link);
    }
    return true;
}

static void hub_turn(struct loop_task *task) {
    struct hub *hub = CONTAINER_OF(task, struct hub, task);
    const struct world *world = loop_world(hub->loop);
    uint64_t end_ns = world_mono_ns(world) + TURN_NS;
    /* The clock is looked at after each call: one may write half a megabyte. */
    do {
        loop_breathe(hub->loop);
        bool signalled = hub_signal_one(hub);
        bool woken = hub_wake_one(hub);
        if (!signalled && !woken) {
            return;
        }
    } while (world_mono_ns(world) < end_ns);
    loop_soon(hub->loop, &hub->task);
}

/* --- The hub ---------------------------------------------------------------------------------- */

struct err hub_open(const struct hub_options *options, struct hub **ret_hub) {
    struct hub *hub = mem_new(sizeof *hub);
    hub->loop = options->loop;
    hub->ring_bytes_max = options->ring_bytes_max > 0 ? options->ring_bytes_max : RING_BYTES;
    hub->total_bytes_max = options->total_bytes_max > 0 ? options->total_bytes_max : TOTAL_BYTES;
    hub->idle_ms = options->idle_ms > 0 ? options->idle_ms : IDLE_MS;
    hub->snapshots = options->snapshots;
    hub->task.run = hub_turn;
    links_init(&hub->wakes);
    links_init(&hub->rings);
    links_init(&hub->signals);
    links_init(&hub->queue);
    links_init(&hub->reading);
    world_random(loop_world(hub->loop), &hub->seed, sizeof hub->seed);
    hub->slot_count = SLOTS_FIRST;
    hub->slots = mem_new_array(hub->slot_count, sizeof(struct hub_stream *));
    *ret_hub = hub;
    return ERR_OK;
}

void hub_attach(struct hub *hub, struct store *store) {
    assert(hub->store == NULL);
    hub->store = store;
}

void hub_close(struct hub *hub) {
    if (hub == NULL) {
        return;
    }
    assert(hub->stats.subscribers == 0);
    loop_task_cancel(hub->loop, &hub->task);
    timer_stop(hub->loop, &hub->retry);
    timer_stop(hub->loop, &hub->idle);
    while (!links_empty(&hub->reading)) { /* The store is closed, and will not answer. */
        struct hub_page *page = CONTAINER_OF(hub->reading.next, struct hub_page, in_hub);
        assert(links_empty(&page->waiting));
        page_end(page);
    }
    assert(hub->stats.streams == 0);
    mem_free(hub->slots);
    mem_free(hub);
}

const struct snapshot_kinds *hub_snapshots(const struct hub *hub) {
    return &hub->snapshots;
}

void hub_get_stats(const struct hub *hub, struct hub_stats *ret_stats) {
    *ret_stats = hub->stats;
}
