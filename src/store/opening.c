/* opening.c: see opening.h. */
#include "store/opening.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "store/threads.h"

struct store_opening {
    struct store_opening_options options;
    struct store_options store_options;
    pthread_t thread;
    atomic_bool cancelled;
    atomic_bool ousts; /* `ousted` is posted. */
    struct loop_msg waiting, ousted, opened;
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

static void thread_ousts(void *ctx) {
    struct store_opening *opening = ctx;
    if (!atomic_exchange(&opening->ousts, true)) {
        loop_post(opening->options.loop, &opening->ousted);
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

static void ousted_run(struct loop_msg *msg) {
    struct store_opening *opening = CONTAINER_OF(msg, struct store_opening, ousted);
    atomic_store(&opening->ousts, false);
    opening->options.ousted(opening->options.ctx);
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
    opening->store_options.ousted = thread_ousts;
    opening->store_options.give_up = thread_gives_up;
    opening->store_options.waits = opening;
    opening->waiting.run = waiting_run;
    opening->ousted.run = ousted_run;
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
