/* chores.h: what the daemon tidies by itself: answers kept for idempotent requests, and what
 * deleted sessions left.
 *
 * Promise    a key stays 24 hours. Older ones go in transactions of at most 500 rows, one after the
 *            other, so that nobody waits behind them.
 * Cost       one wake-up an hour.
 * Ownership  embedded; it and the store must live until the store has ended.
 * Threads    the loop.
 * Failure    a round that failed is tried again an hour later.
 */
#ifndef DROVER_ENGINE_CHORES_H
#define DROVER_ENGINE_CHORES_H

#include "base/base.h"
#include "loop/loop.h"
#include "store/store.h"

struct chores {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    struct timer timer;
    bool stopped;
    size_t step; /* Of the round. */
    bool more;   /* Written by the transaction while it runs. */
};

/* The first round comes a minute after the start. */
void chores_start(struct chores *chores, struct loop *loop, struct store *store);
void chores_stop(struct chores *chores); /* Never started is fine. */

#endif
