/* shortage.h: the pause of everything that begins while no file descriptor is free.
 *
 * A start that fails with EMFILE or ENFILE says nothing of the command, the provider or the
 * receiver that it was for. All others would fail alike, so they wait until a probe opens what a
 * start needs:
 *
 *   CLEAR ──report──> PAUSED ──wait over, the probe succeeds──> TRIED ──calm for a second──> CLEAR
 *                      ^  └─ it fails: longer wait ─┘             │
 *                      └────────── report: longer wait ───────────┘
 *
 * Promise    `began` once for each way from CLEAR, `ended` once for each way back. A waiter's task
 *            is queued once: at the end of the pause, or when a shortage became endless.
 * Limits     waits between probes double from 100 ms to 5 s. A shortage holds up starts for an hour
 *            at most, and waiters until the next probe after that.
 * Ownership  the caller's; waiters are embedded in their owners, zeroed at first.
 * Threads    the loop; shortage_room: any.
 */
#ifndef DROVER_LOOP_SHORTAGE_H
#define DROVER_LOOP_SHORTAGE_H

#include "base/base.h"
#include "base/err.h"
#include "loop/loop.h"

enum {
    SHORTAGE_FIRST_MS = 100,
    SHORTAGE_MAX_MS = 5000,
    SHORTAGE_CALM_MS = 1000,
    /* Time of a shortage after which starts are tried again, and fail by themselves. */
    SHORTAGE_PATIENCE_MS = 3600 * 1000,
};

struct shortage;
struct shortage_options {
    struct loop *loop;
    bool (*room)(void *ctx); /* NULL: shortage_room. */
    /* `what`: static name of the step that failed first. Both may be NULL. */
    void (*began)(void *ctx, const char *what, struct err err);
    void (*ended)(void *ctx, uint64_t lasted_ms);
    void *ctx;
};
struct shortage *shortage_new(const struct shortage_options *options);
/* After its waiters. NULL is allowed. */
void shortage_free(struct shortage *shortage);

/* True: EMFILE or ENFILE. */
MUST_CHECK bool shortage_is(struct err err);
/* True: the descriptors of one start can be opened now. */
MUST_CHECK bool shortage_room(void);

/* A start failed for lack of a descriptor. A NULL shortage never lasts. */
void shortage_report(struct shortage *shortage, const char *what, struct err err);
/* For a failure whose errno is not known: true, and reported, where the probe finds no room. */
MUST_CHECK bool shortage_suspect(struct shortage *shortage, const char *what);
/* True: nothing begins now. */
MUST_CHECK bool shortage_lasts(const struct shortage *shortage);
/* True: for over SHORTAGE_PATIENCE_MS. Then shortage_lasts is false. */
MUST_CHECK bool shortage_is_endless(const struct shortage *shortage);

struct shortage_waiter {
    struct link link;       /* Private, as is all of it. */
    struct loop_task *task; /* NULL: does not wait. */
};
/* While it lasts. Waiting already: nothing changes. */
void shortage_await(struct shortage *shortage, struct shortage_waiter *waiter,
                    struct loop_task *task);
void shortage_leave(struct shortage_waiter *waiter); /* Not waiting is allowed. */

struct shortage_stats {
    bool lasts;         /* Not CLEAR. */
    int64_t since_ms;   /* Wall clock; 0: it is clear. */
    uint64_t begun;     /* Shortages so far. */
    uint64_t reports;   /* Starts that failed so far. */
    uint64_t waited_ms; /* Time of all that have ended. */
};
void shortage_get_stats(const struct shortage *shortage, struct shortage_stats *ret_stats);

#endif
