/* recover.c: the walk over every run that has not ended, at the start and after a hold.
 *
 *   walking ──page──> walking ... ──last page──> admitting ──> ... ──> done
 *      └── an error of the store, or the pool is behind: a pause, then the same page again
 *
 * The pages' notes come through the door of every other note, so recovery knows no second way. The
 * pool takes a few folders at once; while many wait for it no further page is asked for, so that
 * thousands of runs lie in the database and not in our queues. */
#include <string.h>

#include "dispatch/job/inside.h"

enum {
    PAGE = 50,    /* Notes of one turn of the loop: some 10 us each. */
    BEHIND = 400, /* Jobs that wait for the pool. */
    LOOK_AGAIN_MS = 5,
};

static void walk_on(struct dispatch *dispatch);

static struct dispatch *of_walk(struct walk *walk) {
    return CONTAINER_OF(walk, struct dispatch, walk);
}

static void on_timer(struct timer *timer) {
    walk_on(of_walk(CONTAINER_OF(timer, struct walk, timer)));
}

static void pause_walk(struct dispatch *dispatch, uint64_t wait_ms) {
    timer_start(dispatch->options.loop, &dispatch->walk.timer, wait_ms, on_timer);
}

static struct err page_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    return tx_run_recover(tx, walk->after, PAGE, &walk->page);
}

static struct err admit_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    return tx_run_admit_all(tx, &walk->bounds, PAGE, &walk->more);
}

/* The first walk is over: who waited for a flight that did not come reads the row. */
static void finish(struct dispatch *dispatch) {
    struct walk *walk = &dispatch->walk;
    walk->running = false;
    if (walk->again) {
        dispatch_recover(dispatch, walk->done, walk->ctx);
        return;
    }
    dispatch->recovered = true;
    strays__look(dispatch);
    watch__all(dispatch, &dispatch->parked);
    if (walk->done != NULL) {
        walk->done(walk->ctx);
    }
}

/* False: the answer is of no use, and what follows from that was done. */
static bool walked(struct dispatch *dispatch, struct err err) {
    struct walk *walk = &dispatch->walk;
    dispatch__answered(dispatch);
    if (dispatch->stopping) {
        return false;
    }
    if (err_failed(err)) {
        if (walk->tries == 0) {
            dispatch__failed(dispatch, "the runs could not be read; it is tried again",
                             (struct bytes){"", 0}, err);
        }
        dispatch->stats.store_retries++;
        effect_begin(dispatch->options.effects, &walk->effect, "read the runs that have not ended");
        effect_failed(&walk->effect, err);
        pause_walk(dispatch, dispatch__wait_ms(++walk->tries));
        return false;
    }
    walk->tries = 0;
    effect_done(&walk->effect);
    return true;
}

static void admit_done(struct err err, void *ctx) {
    struct dispatch *dispatch = of_walk(ctx);
    if (!walked(dispatch, err)) {
        return;
    }
    if (dispatch->walk.more) {
        walk_on(dispatch);
    } else {
        finish(dispatch);
    }
}

static void page_done(struct err err, void *ctx) {
    struct walk *walk = ctx;
    struct dispatch *dispatch = of_walk(walk);
    if (!walked(dispatch, err)) {
        return;
    }
    if (walk->page.unreadable > 0) {
        struct err unread = err_make(ERR_STORE_CORRUPT, "dispatch: recover");
        dispatch__failed(dispatch, "the row of a run is damaged: it is asked to end",
                         bytes_of(walk->page.first.text), unread);
        effects_abandon(dispatch->options.effects, &walk->effect, "read a row of a run", unread);
    }
    walk->after = walk->page.last;
    walk->admitting = walk->page.last == 0;
    if (walk->admitting && dispatch->options.hold == RUN_HELD) {
        finish(dispatch);
    } else {
        walk_on(dispatch);
    }
}

static void walk_on(struct dispatch *dispatch) {
    struct walk *walk = &dispatch->walk;
    if (dispatch->pool.count > BEHIND) {
        pause_walk(dispatch, LOOK_AGAIN_MS);
    } else if (walk->admitting) {
        walk->bounds = dispatch_bounds(dispatch);
        dispatch__write(dispatch, admit_tx, admit_done, walk);
    } else {
        dispatch__write(dispatch, page_tx, page_done, walk);
    }
}

void dispatch_recover(struct dispatch *dispatch, void (*done)(void *ctx), void *ctx) {
    struct walk *walk = &dispatch->walk;
    walk->done = done;
    walk->ctx = ctx;
    walk->again = walk->running;
    reports__start(dispatch);
    host_watch__start(dispatch);
    removals__start(dispatch);
    if (!walk->running && !dispatch->stopping) {
        walk->running = true;
        walk->after = 0;
        walk->admitting = false;
        walk_on(dispatch);
    }
}

void recover__stop(struct dispatch *dispatch) {
    timer_stop(dispatch->options.loop, &dispatch->walk.timer);
    watch__all(dispatch, &dispatch->parked);
}
