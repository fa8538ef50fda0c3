/* opening.c: see opening.h. */
#include "store/opening.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "store/thread_queue.h"

enum stall { STALL_NONE, STALL_ENDED, STALL_REFUSED };

struct store_opening {
    struct store_opening_options options;
    struct store_options store_options;
    pthread_t thread;
    atomic_bool cancelled;
    atomic_int stall; /* Of enum stall; `stalled` is posted unless STALL_NONE. */
    struct loop_msg waiting, stalled, opened;
    /* Of the thread, until it posts `opened`. */
    struct err err;
    struct why why;
    struct store *store; /* The caller's, once it is handed over. */
};

/* --- The thread ------------------------------------------------------------------------------- */

static void thread_waits(void *ctx) {
    struct store_opening *opening = ctx;
    loop_post(opening->options.loop, &opening->waiting);
}

static void thread_stalled(void *ctx, bool ended) {
    struct store_opening *opening = ctx;
    enum stall stall = ended ? STALL_ENDED : STALL_REFUSED;
    if (atomic_exchange(&opening->stall, stall) == STALL_NONE) {
        loop_post(opening->options.loop, &opening->stalled);
    }
}

static bool thread_gives_up(void *ctx) {
    const struct store_opening *opening = ctx;
    return atomic_load(&opening->cancelled);
}

static void *thread_main(void *arg) {
    struct store_opening *opening = arg;
    opening->err = store_open(&opening->store_options, &opening->store, &opening->why);
    loop_post(opening->options.loop, &opening->opened);
    return NULL;
}

/* --- The loop --------------------------------------------------------------------------------- */

static void waiting_run(struct loop_msg *msg) {
    struct store_opening *opening = CONTAINER_OF(msg, struct store_opening, waiting);
    if (!atomic_load(&opening->cancelled)) {
        opening->options.waiting(opening->options.ctx);
    }
}

static void stalled_run(struct loop_msg *msg) {
    struct store_opening *opening = CONTAINER_OF(msg, struct store_opening, stalled);
    int stall = atomic_exchange(&opening->stall, STALL_NONE);
    opening->options.stalled(opening->options.ctx, /* ended */ stall == STALL_ENDED);
}

static void opened_run(struct loop_msg *msg) {
    struct store_opening *opening = CONTAINER_OF(msg, struct store_opening, opened);
    int rc = pthread_join(opening->thread, NULL /* no result */);
    assert(rc == 0);
    opening->options.opened(opening->options.ctx, opening->err, opening->store, &opening->why);
    mem_free(opening);
}

struct err store_opening_start(const struct store_opening_options *options,
                               struct store_opening **ret_opening) {
    struct store_opening *opening = mem_new(sizeof *opening);
    opening->options = *options;
    opening->store_options = *options->store;
    opening->store_options.waiting = thread_waits;
    opening->store_options.stalled = thread_stalled;
    opening->store_options.give_up = thread_gives_up;
    opening->store_options.waits = opening;
    opening->waiting.run = waiting_run;
    opening->stalled.run = stalled_run;
    opening->opened.run = opened_run;
    struct err err = store__thread_start(&opening->thread, "store-opening", thread_main, opening);
    if (err_failed(err)) {
        mem_free(opening);
        return err;
    }
    *ret_opening = opening;
    return ERR_OK;
}

void store_opening_cancel(struct store_opening *opening) {
    atomic_store(&opening->cancelled, true);
}
