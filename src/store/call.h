/* call.h: one store function on its way: queued, run, answered.
 *
 * Ownership  a list owns the calls in it. Calls come from and return to a pool that belongs to the
 *            thread that calls store_write, so a function costs no allocation and no lock there.
 * Threads    one at a time; lists are handed from thread to thread as a whole.
 */
#ifndef DROVER_STORE_CALL_H
#define DROVER_STORE_CALL_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

struct call {
    struct call *next;
    store_fn fn;
    store_done done;
    void *ctx; /* Borrowed until `done`. */
    struct err result;
    uint64_t queued_ns; /* Of a lazy one. */
    bool lazy;
    bool slice; /* Whether it is the rest of a long read. */
};

struct calls {
    struct call *first, *last;
    size_t count, eager; /* `eager`: how many are not lazy. */
};

void calls_push(struct calls *calls, struct call *call);
struct call *calls_pop(struct calls *calls); /* NULL when it is empty. */
void calls_free(struct calls *calls);        /* Frees all that are in it. */
void calls_move(struct calls *to, struct calls *from);

struct call_pool {
    struct call *free; /* Owned. */
    size_t count;
};
struct call *call_pool_take(struct call_pool *pool);
void call_pool_give(struct call_pool *pool, struct call *call);
void call_pool_done(struct call_pool *pool);

#endif
