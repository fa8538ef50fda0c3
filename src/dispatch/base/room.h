/* room.h: a dispatcher's way to the store and to the pool: opened, stopped and closed as one.
 *
 *   room_init ──> (asks, jobs of the pool) ──> room_stop ──jobs are back──> `stopped` ──> room_done
 *
 * Promise    `stopped` comes once, never inside room_stop. Answers of the store that come after
 *            room_stop drop their asks (ask.h).
 * Ownership  embedded; what the options point to is borrowed for life.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_BASE_ROOM_H
#define DROVER_DISPATCH_BASE_ROOM_H

#include "dispatch/base/ask.h"
#include "dispatch/base/pool.h"

struct shortage;

/* The options that each dispatcher with a room takes. */
struct room_options {
    struct loop *loop;
    struct store *store;
    struct effects *effects;
    struct shortage *shortage;
    void *ctx;
    void (*failed)(void *ctx, const char *what, struct bytes run, struct err err);
};

/* Pauses after failures of the store: after the first one, and the maximum of its doublings. */
struct room_pauses {
    uint64_t first_ms, max_ms;
};

struct room {
    struct asker asker;
    struct pool pool;
    size_t held; /* Other work that a stop waits for: the caller counts it up and down. */
    /* Private. */
    struct loop_task stop_task;
    bool told; /* `stopped` is on its way. */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};
void room_init(struct room *room, const struct room_options *options, struct room_pauses pauses);
/* After the caller has stopped its own asks and timers, with `stopping` set before. */
void room_stop(struct room *room, void (*stopped)(void *ctx), void *ctx);
/* A job of the pool, or what was held, has come back: the last one that the stop waits for, if it
 * stops. */
void room_maybe_stopped(struct room *room);
void room_done(struct room *room);

#endif
