/* pruner.h: cuts, now and then, what the streams' own retention no longer keeps.
 *
 * Promise    each round looks at every stream that has a retention, a page of them at a time, and
 *            cuts in transactions of at most JOURNAL_PRUNE_MAX events, one after the other: it is
 *            never more than one function in the store's queue.
 * Ownership  the caller owns it.
 * Threads    the loop. `rounded` and `failed` may not stop the pruner.
 * Failure    an error ends the round; the next one starts from the beginning. `failed` tells.
 */
#ifndef DROVER_JOURNAL_PRUNER_H
#define DROVER_JOURNAL_PRUNER_H

#include "base/base.h"
#include "base/err.h"
#include "loop/loop.h"
#include "store/store.h"

struct pruner;

struct pruner_options {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    uint64_t every_ms;   /* Between the end of a round and the next; 0: the default (30 s). */
    void (*rounded)(void *ctx, uint64_t cuts); /* After each round; may be NULL. */
    void (*failed)(void *ctx, struct err err); /* May be NULL. */
    void *ctx;
};
struct pruner *pruner_start(const struct pruner_options *options);
/* No further round or cut begins. What the store still runs ends by itself, and only then goes the
 * memory. NULL is allowed. */
void pruner_stop(struct pruner *pruner);

#endif
