/* hub_parts.h: what the files of the hub share: hub.c, streams.c, page.c, subscriber.c, watch.c.
 *
 * Ownership  the hub owns its streams and pages; both are counted by who needs them. Subscribers
 *            belong to their owners.
 * Threads    the loop, but for the part of a page that its reader fills (page.c).
 */
#ifndef DROVER_JOURNAL_HUB_PARTS_H
#define DROVER_JOURNAL_HUB_PARTS_H

#include "base/base.h"
#include "journal/hub.h"
#include "journal/ring.h"

/* --- Lists: a ring of links around a head, so that taking one out needs no head. -------------- */

static inline void links_init(struct hub_link *head) {
    head->prev = head->next = head;
}
static inline bool links_empty(const struct hub_link *head) {
    return head->next == head;
}
static inline void link_add_last(struct hub_link *head, struct hub_link *link) {
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}
static inline void link_add_first(struct hub_link *head, struct hub_link *link) {
    link_add_last(head->next, link);
}
static inline void link_remove(struct hub_link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}
/* Moves all of `from` behind the last of `to`. */
static inline void links_move(struct hub_link *to, struct hub_link *from) {
    if (!links_empty(from)) {
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        links_init(from);
    }
}

/* --- A stream that somebody follows ----------------------------------------------------------- */

struct hub_stream {
    struct hub *hub;              /* Borrowed. */
    struct hub_stream *same_slot; /* In the table. */
    uint64_t hash;
    unsigned refs;                   /* Subscribers and pages. */
    unsigned calls;                  /* Wake-ups so far; its turns are counted by it. */
    unsigned followers[HUB_FORMATS]; /* A ring is kept for a format that has one. */
    struct ring rings[HUB_FORMATS];
    uint64_t age;                       /* The hub's at the last event. */
    int64_t head;                       /* The highest seq heard of; -1: of none. */
    int64_t floor;                      /* The highest floor heard of. */
    int64_t last;                       /* The seq of its last event; -1: it has not ended. */
    struct hub_link waiting, waking;    /* Subscribers at the end; and those it is time to wake. */
    struct hub_link pages;              /* Being read or queued for it. */
    struct hub_link in_wakes, in_rings; /* In the hub's lists; .next NULL: in none. */
    struct bytes owner, name;           /* Borrowed from text; read by reader threads too. */
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
    struct hub_link wakes;          /* Streams with subscribers to wake, in turns. */
    struct hub_link rings;          /* Streams that hold ring memory, least recently used first. */
    struct hub_link signals;        /* Subscribers whose `ready` is owed. */
    struct hub_link queue, reading; /* Pages. */
    unsigned reading_count;
    struct loop_task task;
    struct timer retry, idle;
    bool retrying, aging;
    uint64_t idle_ms, age;  /* One more with each idle_ms, while there are rings. */
    struct hub_stats stats; /* ring_bytes and the rest. */
};

/* NULL when nobody follows it. */
struct hub_stream *stream_find(struct hub *hub, struct bytes owner, struct bytes name);
/* Found or made, with one more reference. */
struct hub_stream *stream_ref(struct hub *hub, struct bytes owner, struct bytes name);
void stream_unref(struct hub_stream *stream);
void stream_heard(struct hub_stream *stream, int64_t head, int64_t floor);
void stream_wake(struct hub_stream *stream); /* All that wait. */
struct note;
void stream_append(struct hub_stream *stream, const struct note *note);
void stream_left(struct hub_stream *stream, enum hub_format format); /* By a follower. */
void streams_age(struct timer *timer);                               /* The hub's `idle`. */
void streams_init(struct hub *hub);
void streams_done(struct hub *hub);

/* --- A page on its way from the store --------------------------------------------------------- */

struct hub_page_wish {
    enum hub_format format;
    int64_t after;
    bool snapshot;
};
/* Begins reading for the subscriber, or lets it share a page that is already on its way. Its end
 * calls subscriber_page_done for each that still waits. */
void page_wish(struct hub *hub, struct hub_stream *stream, const struct hub_page_wish *wish,
               struct hub_subscriber *subscriber);
void page_leave(struct hub_page *page, struct hub_subscriber *subscriber); /* While it waits. */
void page_unref(struct hub_page *page);
/* What was read, once done. */
struct err page_result(const struct hub_page *page, int64_t *ret_cursor);
struct hub_piece page_take(const struct hub_page *page); /* .buffer NULL: there was nothing. */
void pages_retry(struct timer *timer);
void pages_forget(struct hub *hub); /* When the store is closed. */

/* --- Subscribers ------------------------------------------------------------------------------ */

void subscriber_page_done(struct hub_subscriber *subscriber);
void subscriber_wake(struct hub_subscriber *subscriber); /* Taken out of its list just now. */
/* A ready subscriber that found nothing goes to wait. */
void subscriber_wait(struct hub_subscriber *subscriber);
MUST_CHECK bool subscriber_pending(const struct hub_subscriber *subscriber);
/* Nothing will ever come behind its cursor. */
MUST_CHECK bool subscriber_over(const struct hub_subscriber *subscriber);

void hub__signal(struct hub *hub); /* Something is in wakes or signals. */

#endif
