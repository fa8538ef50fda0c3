/* deliver_inside.h: what the files of the delivery know of each other. Only deliver*.c includes it.
 *
 *   deliver.c         receivers: which are known, which is next, when
 *   deliver_parcel.c  one delivery: asked for, sent, settled
 *   deliver_walk.c    what is asked of all rows: recovery, and the census
 *   deliver_secret.c  the key
 */
#ifndef DROVER_DISPATCH_DELIVER_INSIDE_H
#define DROVER_DISPATCH_DELIVER_INSIDE_H

#include "dispatch/deliver.h"
#include "dispatch/table.h"

enum {
    DELIVER_RETRY_FIRST_MS = 1000, /* Waits after an error of the store, */
    DELIVER_RETRY_MAX_MS = 10000,  /* doubling up to this. */
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
    char delivery[ID_SIZE];
    int64_t failures, not_before_ms;
    uint32_t random; /* Of how long the next wait is. */
    size_t payload_len;
    struct fetch_request *request; /* The client's; NULL: none. */
    enum inbox_outcome outcome;
    char cause[INBOX_CAUSE_MAX * 2];
    char payload[INBOX_PAYLOAD_MAX];
};

struct receiver {
    struct table_node node; /* By the note that names it. */
    struct deliver *deliver;
    struct receiver *next; /* In the queue. */
    enum receiver_state state;
    bool touched;              /* A note came while it was busy. */
    unsigned tries;            /* In a row, of what a busy store refused. */
    struct timer timer;        /* WAITING, or SETTLING while the store cannot. */
    char waited[ID_SIZE];      /* The row whose time the timer counts, and */
    bool ripe;                 /* whether that is over, whatever the wall clock says. */
    struct parcel *parcel;     /* Owned; ASKING, SENDING, SETTLING. */
    char *note, *url;          /* Owned. */
    struct inbox_receiver key; /* Borrows `note`. */
};

struct deliver_walk {
    struct timer timer;
    int64_t after, last;
    unsigned tries;
    bool running, again;
};

struct deliver_census {
    struct timer timer;
    bool waiting, reading, again;
    struct inbox_census asked, known; /* asked: the store function's. */
};

struct deliver {
    struct deliver_options options;
    struct table receivers;
    struct receiver *queue, **queue_end; /* Oldest first. */
    struct loop_task pump, stop_task;
    size_t slots; /* Taken. */
    size_t busy;  /* Answers of the store that are awaited. */
    struct deliver_walk walk;
    struct deliver_census census;
    bool held, stopping;
    bool overflow; /* A note was dropped. */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct deliver_stats stats;
};

/* deliver.c */
void deliver__enter(struct receiver *receiver, enum receiver_state state);
void deliver__queue(struct receiver *receiver);
/* Gives back its slot, and it is queued again after `wait_ms`. */
void deliver__wait(struct receiver *receiver, uint64_t wait_ms);
void deliver__idle(struct receiver *receiver); /* Nothing is owed. It may be gone then. */
/* A function of the store that is counted as awaited; its `done` begins with deliver__answered,
 * which says false when the daemon stops. */
void deliver__write(struct deliver *deliver, store_fn fn, store_done done, void *ctx);
void deliver__read(struct deliver *deliver, store_fn fn, store_done done, void *ctx);
MUST_CHECK bool deliver__answered(struct deliver *deliver);
/* How long to wait before the next try; the first one in a row is told. */
uint64_t deliver__retry_ms(struct deliver *deliver, unsigned *tries, struct err err);

/* deliver_parcel.c */
void parcel__ask(struct receiver *receiver);
void parcel__cancel(struct receiver *receiver);

/* deliver_walk.c */
void walk__stop(struct deliver *deliver);
void census__touch(struct deliver *deliver);

#endif
