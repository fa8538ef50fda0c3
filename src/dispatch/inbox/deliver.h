/* deliver.h: brings notices to the webhooks that wait for them (promise P3).
 *
 *     QUEUED ──a slot──> ASKING ──nothing is owed──> forgotten
 *       ^ ^ ^              │  └──due later──> WAITING ──its time, or a note──> QUEUED
 *       │ │ └──────────────┼─────── the store or the client is busy: a pause
 *       │ └─ too slow ─┐   v
 *       └── SETTLING <── SENDING
 *             └── the store cannot take it: a pause, and the same outcome again
 *
 * Promise    a row is settled by the answer of its receiver alone: 2xx has it, 410 says that the
 *            receiver is gone, everything else is a failure and is tried again by the row's times.
 *            Each try has the same delivery id. What was answered while the store could not take it
 *            is not sent again by this daemon; after a crash it is.
 * Order      a receiver is an owner and an address. One delivery at a time for each, in the order
 *            in which its rows are due, so that a row that fails moves behind the others; no
 *            receiver waits for another, but for a slot.
 * Bounds     DELIVER_AT_ONCE slots, at most DELIVER_SLOW_MAX of them in the hands of receivers that
 *            let us wait: one that is silent for DELIVER_SLOW_MS, while so many are, is taken back
 *            and sent again, with the same id, when one of their slots is free.
 *            DELIVER_RECEIVERS_MAX receivers are known at a time. Beyond it notes are dropped, and
 *            above half of it nobody is kept who waits: whom we don't know, a walk over the rows
 *            finds again. As long as there may be such, rounds of it follow each other, and each
 *            goes to the end, waiting for room where there is none: nobody is passed over.
 * Threads    the loop.
 * Ownership  options, and what they point to, are borrowed for life.
 *
 * The request: POST, the body is the notice as it stands in the row.
 *   Content-Type: application/json
 *   Drover-Delivery: dlv_…       the same in every try
 *   Drover-Attempt: N            from 1
 *   Drover-Timestamp: SECONDS    since 1970, of this try
 *   Drover-Signature: v1=HEX     HMAC-SHA-256 with the secret, over TIMESTAMP.DELIVERY.BODY
 */
#ifndef DROVER_DISPATCH_INBOX_DELIVER_H
#define DROVER_DISPATCH_INBOX_DELIVER_H

#include "base/base.h"
#include "base/err.h"
#include "dispatch/provider/connections.h"
#include "engine/inbox/inbox.h"
#include "engine/run/runs.h"
#include "loop/fetch.h"
#include "loop/loop.h"
#include "rules/run/run.h"
#include "store/store.h"

enum {
    DELIVER_AT_ONCE = 32,
    DELIVER_SLOW_MAX = DELIVER_AT_ONCE / 2,
    DELIVER_SLOW_MS = 1000,
    DELIVER_RECEIVERS_MAX = 10000,
    DELIVER_ROUND_MS = 10000, /* Between two rounds, at least; */
    DELIVER_ROUND_REST = 4,   /* and so many times what the last one took. */
    DELIVER_SECRET_MIN = 16,
    DELIVER_SECRET_MAX = 1024,
};

struct deliver;
struct deliver_options {
    struct loop *loop;
    struct store *store;
    struct effects *effects; /* Borrowed; NULL: none. */
    struct fetch *client;
    const struct address_list *allow; /* NULL: public addresses only. */
    struct bytes secret;
    struct inbox_waits waits; /* Of webhooks. */
    uint64_t timeout_ms;
    size_t receivers_max;     /* 0: DELIVER_RECEIVERS_MAX. */
    enum run_hold hold;       /* RUN_HELD: nothing is sent until it is set free. */
    struct run_bounds bounds; /* Of the runs that sessions begin. */
    /* Model of a session that names none; NULL: no session is notified. */
    struct connections *connections;
    void *ctx;
    /* Somebody should know: the store cannot be read; `run` is empty. May be NULL. */
    void (*failed)(void *ctx, const char *what, struct bytes run, struct err err);
};
struct deliver *deliver_open(const struct deliver_options *options);
/* Walks every receiver that is owed something. */
void deliver_recover(struct deliver *deliver);
/* HELD: before deliver_recover. */
void deliver_set_hold(struct deliver *deliver, enum run_hold hold);
/* Cancels what is on its way: it is sent again by the next daemon. `stopped`, never inside the
 * call: the client is not used any more. Answers of the store may still come, until store_close. */
void deliver_stop(void *deliver, void (*stopped)(void *ctx), void *ctx);
/* After `stopped`, or never recovered; and after store_close. NULL: fine. */
void deliver_close(struct deliver *deliver);

/* What store_options.notes[INBOX_NOTE] must reach. */
void deliver_note(struct deliver *deliver, struct bytes note);

struct deliver_stats {
    uint64_t delivered, failed, gone, late, store_retries;
    uint64_t in_flight, receivers; /* Now. */
    uint64_t pending, stalled;     /* Rows, as they were a second ago at most; sessions' too. */
    int64_t oldest_ms;             /* made_ms of the oldest of them; 0: none. */
};
void deliver_get_stats(const struct deliver *deliver, struct deliver_stats *ret_stats);

/* Blocks: before the loop runs. From `file`, which only its owner may read, or with NULL from
 * DIR/webhook.key, which is made if it is absent: 64 hexadecimal digits. Without the line's end.
 * *ret_secret is owned (mem_free). */
MUST_CHECK struct err deliver_secret_load(const struct world *world, const char *data_dir,
                                          const char *file, char **ret_secret, struct why *why);

#endif
