/* chores.h: what the daemon tidies by itself: answers kept for idempotent requests, revoked tokens,
 * and what deleted sessions left.
 *
 * Promise    a key stays 24 hours, a revoked token as long. Older ones go in transactions of at
 *            most 500 rows, one after the other, so that nobody waits for long.
 *            What a deleted session holds is removed at once, but for its runs that have not ended:
 *            these are looked for again until they have, CHORES_PURGE_SOON times each
 *            CHORES_PURGE_AGAIN_MS, then each CHORES_PURGE_LATER_MS.
 * Cost       one wake-up an hour.
 * Ownership  embedded; it and the store must live until the store has ended.
 * Threads    the loop.
 * Failure    a round that failed is tried again an hour later. A session that could not be removed
 *            keeps no other from it: it is tried again after CHORES_PURGE_LATER_MS. The caller is
 *            told when a cause of failure is a new one.
 *
 *   purge:  ASLEEP ──chores_purge, an hour, or a run is waited for──> RUNNING ──> … ──> ASLEEP
 *                                                 chores_purge: once more ──┘ AGAIN
 */
#ifndef DROVER_ENGINE_SYSTEM_CHORES_H
#define DROVER_ENGINE_SYSTEM_CHORES_H

#include "base/base.h"
#include "base/log_change.h"
#include "engine/system/session_delete.h"
#include "loop/loop.h"
#include "store/store.h"

enum {
    CHORES_PURGE_AGAIN_MS = 5000,
    CHORES_PURGE_SOON = 24,
    CHORES_PURGE_LATER_MS = 60 * 1000,
    CHORES_PURGE_FAILURES = 16, /* Sessions that a round leaves; then it ends, and the next round
                                   begins with those after them. */
};

struct chores_options {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    /* Something was removed that may have had files: they are looked for now. May be NULL. */
    void (*purged)(void *ctx);
    /* Something stays for the next round: see log_change.h. session: number of the row of the
     * deleted session; 0: of none. May be NULL. */
    void (*failed)(void *ctx, const char *what, int64_t session, struct err err);
    void *ctx;
};

struct chores {
    struct chores_options on;
    struct timer timer, purge_timer;
    bool stopped;
    size_t step; /* Of the round. */
    bool more;   /* Written by the transaction while it runs, as is the next one. */
    struct session_purge purge;
    enum { CHORES_ASLEEP, CHORES_RUNNING, CHORES_AGAIN } purging;
    unsigned soon;   /* Rounds that still come soon. */
    unsigned failed; /* Sessions that this round could not remove. */
    int64_t from;    /* Session after which the next round begins: one was cut off there; or 0. */
    bool partial;    /* The round that runs began there: earlier ones stay. */
    struct log_change round_log, purge_log;
};

/* The first round comes a minute after the start. */
void chores_start(struct chores *chores, const struct chores_options *options);
void chores_purge(struct chores *chores); /* A session was deleted. Never started is fine. */
void chores_stop(struct chores *chores);  /* Never started is fine. */

#endif
