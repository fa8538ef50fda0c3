/* opening.h: a store that is opened by a thread of its own, while the loop runs.
 *
 *   started ──> [waiting: another daemon holds the database] ──> opened (a store, or an error)
 *                          └── store_opening_cancel ──> opened (ERR_INTERRUPTED)
 *
 * Why        a standby waits for its turn for days, and looks after processes meanwhile.
 * Promise    `waiting` comes at most once, `opened` exactly once and last; `stalled` where the
 *            leader stood still, and says whether its session was ended. None of them comes inside
 *            a call. A cancelled opening ends within a second, unless a connection to the
 *            server is just being made: that may take as long as connect_timeout allows.
 * Ownership  the opening frees itself after `opened`. The store is the caller's. What the options
 *            of the store point to is borrowed until `opened`, or as store.h says.
 * Threads    the loop's. The loop of the callbacks need not be that of the store.
 * Failure    store_opening_start: no callback will come.
 */
#ifndef DROVER_STORE_OPENING_H
#define DROVER_STORE_OPENING_H

#include "base/base.h"
#include "base/err.h"
#include "loop/loop.h"
#include "store/store.h"

struct store_opening;
struct store_opening_options {
    struct loop *loop;                 /* Of the callbacks; borrowed until `opened`. */
    const struct store_options *store; /* Copied. Its waiting, stalled and give_up are ours. */
    void (*waiting)(void *ctx);
    void (*stalled)(void *ctx, bool ended);
    void (*opened)(void *ctx, struct err err, struct store *store, const struct why *why);
    void *ctx;
};
MUST_CHECK struct err store_opening_start(const struct store_opening_options *options,
                                          struct store_opening **ret_opening);
/* Before `opened`, any number of times. A store that is there already comes all the same. */
void store_opening_cancel(struct store_opening *opening);

#endif
