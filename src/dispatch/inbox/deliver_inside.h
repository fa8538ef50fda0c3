/* deliver_inside.h: what the files of the delivery know of each other. Only deliver*.c includes it.
 *
 *   deliver.c    receivers: which are known, which is next, when
 *   delivery.c   one delivery: asked for, sent, settled
 *   walk.c       questions about all rows: recovery, and the census
 *   secret.c     the key
 */
#ifndef DROVER_DISPATCH_INBOX_DELIVER_INSIDE_H
#define DROVER_DISPATCH_INBOX_DELIVER_INSIDE_H

#include "dispatch/base/ask.h"
#include "dispatch/base/table.h"
#include "dispatch/inbox/deliver.h"
#include "engine/turn/turns.h"

enum {
    DELIVER_RETRY_FIRST_MS = 1000, /* Waits after an error of the store, */
    DELIVER_RETRY_MAX_MS = 10000,  /* doubling up to this. */
    DELIVER_HOPELESS_MS = 3600 * 1000,
};

enum receiver_state {
    RECEIVER_QUEUED,
    RECEIVER_ASKING,
    RECEIVER_SENDING,
    RECEIVER_SETTLING,
    RECEIVER_WAITING,
    RECEIVER_STATES
};

/* A row in the hands of this daemon. Holds a slot. */
struct parcel {
    struct receiver *receiver;
    bool found, late;
    int64_t damaged; /* Id of a row that cannot be delivered; 0: none. */
    bool slow;       /* The slot is one of those for slow receivers. */
    bool lasting;    /* The delivery takes long. */
    char delivery[ID_SIZE];
    int64_t failures, wait_ms;
    uint32_t random; /* Of how long the next wait is. */
    size_t payload_len;
    struct fetch_request *request; /* The client's; NULL: none. */
    enum inbox_outcome outcome;
    char cause[INBOX_CAUSE_MAX * 2];
    char payload[INBOX_PAYLOAD_MAX];
    struct turn_followup followup; /* To a session. */
    struct default_model model;    /* What followup names. */
    enum turn_followed followed;
};

struct receiver {
    struct table_node node; /* By the note that names it. */
    struct deliver *deliver;
    struct receiver *next; /* In the queue. */
    enum receiver_state state;
    bool touched; /* A note came while it was busy. */
    bool slow;    /* The last delivery took long. */
    struct retry retry;
    struct ask ask;
    struct timer timer;        /* WAITING, SENDING, or SETTLING while the store cannot. */
    char waited[ID_SIZE];      /* The row whose time the timer counts, and */
    bool ripe;                 /* whether that is over, whatever the wall clock says. */
    struct parcel *parcel;     /* Owned; ASKING, SENDING, SETTLING. */
    char *note, *url;          /* Owned. */
    struct inbox_receiver key; /* Borrows `note`. */
};

/*   asleep ──> walking ──the last page──> asleep, or, where somebody was missed, a round later
 *                ^  └──no room──> paused ──room──> walking
 */
struct deliver_walk {
    struct timer timer;
    struct ask ask;
    uint64_t began_ns;               /* This round. */
    int64_t limit;                   /* Of a page. */
    int64_t damaged;                 /* Number of receivers that the page left out. */
    struct inbox_cursor after, next; /* next: the store function's. */
    struct retry retry;
    bool running, again;
    bool paused; /* There is no room. */
    bool missed; /* Since this round began: somebody is owed something whom we don't know. */
    bool asleep; /* The timer counts to the next round. */
};

struct receiver_queue {
    struct receiver *first, **end; /* Oldest first. */
};

struct deliver_census {
    struct timer timer;
    struct ask ask;
    bool again;
    struct inbox_census asked, known; /* asked: the store function's. */
};

struct deliver {
    struct deliver_options options;
    struct table receivers;
    struct receiver_queue quick, slow;
    bool slow_next; /* Whose turn it is. */
    struct loop_task pump, stop_task;
    size_t slots;      /* Taken. */
    size_t slow_slots; /* Of them, by the slow. */
    struct asker asker;
    struct deliver_walk walk;
    struct deliver_census census;
    bool held;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct deliver_stats stats;
};

/* deliver.c */
void deliver__enter(struct receiver *receiver, enum receiver_state state);
void deliver__queue(struct receiver *receiver);
/* Gives back its slot, and it is queued again after `wait_ms`. It may be gone then. */
void deliver__wait(struct receiver *receiver, uint64_t wait_ms);
void deliver__idle(struct receiver *receiver); /* Nothing is owed. It may be gone then. */
/* SENDING for too long: it goes on where a slot for such is free, else back to its queue. */
void deliver__slow(struct receiver *receiver);
/* The wait before the next try. The first one in a row is reported. An error that no try cures is
 * reported once more, and tried again each DELIVER_HOPELESS_MS: what is owed is never dropped. */
uint64_t deliver__retry_ms(struct deliver *deliver, struct retry *retry, struct err err);
/* Rows that cannot be delivered are reported, and counted as given up. */
void deliver__damaged(struct deliver *deliver, const char *what);

/* delivery.c */
void parcel__ask(struct receiver *receiver);
void parcel__cancel(struct receiver *receiver);

/* walk.c */
void walk__missed(struct deliver *deliver); /* Somebody is not known who is owed something. */
void walk__room(struct deliver *deliver);   /* Somebody was forgotten. */
void walk__init(struct deliver *deliver);
void walk__stop(struct deliver *deliver);
void census__touch(struct deliver *deliver);

#endif
