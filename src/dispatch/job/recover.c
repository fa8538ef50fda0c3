/* recover.c: the walk over every run that has not ended, at the start and after a hold.
 *
 *   walking ──page──> walking ... ──last page──> admitting ──> ... ──> done
 *      └── an error of the store, or the pool is behind: a pause, then the same page again
 *
 * The pages' notes come through the door of every other note, so recovery knows no second way. The
 * pool takes a few folders at once; while many wait for it no further page is asked for, so that
 * thousands of runs lie in the database and not in our queues. */
#include "base/memory.h"
#include "dispatch/job/inside.h"

enum {
    PAGE = 50,    /* Notes of one turn of the loop: some 10 us each. */
    BEHIND = 400, /* Jobs that wait for the pool. */
    LOOK_AGAIN_MS = 5,
};

struct recovery {
    struct dispatch *dispatch;
    struct timer timer; /* While the pool is behind. */
    struct ask ask;
    int64_t after;
    struct run_recovered page; /* The store function's. */
    enum { WALK_IDLE, WALK_READING, WALK_ADMITTING } state;
    bool again; /* Another walk follows. */
    bool more;  /* The store function's. */
    struct run_bounds bounds;
    void (*done)(void *ctx); /* NULL: nobody waits. */
    void *ctx;
};

static void recovery_next(struct recovery *walk);

static void recovery_resume(struct timer *timer) {
    recovery_next(CONTAINER_OF(timer, struct recovery, timer));
}

/* After the first walk, a follower that waited for a flight which did not come reads the row. */
static void recovery_end(struct recovery *walk) {
    struct dispatch *dispatch = walk->dispatch;
    walk->state = WALK_IDLE;
    if (walk->again) {
        dispatch_recover(dispatch, walk->done, walk->ctx);
        return;
    }
    dispatch->recovered = true;
    dispatch__parts(dispatch, PART_RECOVERED);
    log_watch__all(dispatch, &dispatch->parked);
    if (walk->done != NULL) {
        walk->done(walk->ctx);
    }
}

static struct err page_tx(struct tx *tx, void *ctx) {
    struct recovery *walk = ctx;
    return tx_run_recover(tx, walk->after, PAGE, &walk->page);
}

static void page_done(void *ctx) {
    struct recovery *walk = ctx;
    struct dispatch *dispatch = walk->dispatch;
    if (walk->page.unreadable > 0) {
        struct err unread = err_make(ERR_STORE_CORRUPT, "dispatch: recover");
        dispatch__report(dispatch, "the row of a run is damaged: it is asked to end",
                         bytes_of(walk->page.first.text), unread);
        effects_abandon(dispatch->options.effects, &walk->ask.retry.effect);
    }
    walk->after = walk->page.last;
    walk->state = walk->page.last == 0 ? WALK_ADMITTING : WALK_READING;
    if (walk->state == WALK_ADMITTING && dispatch->options.hold == RUN_HELD) {
        recovery_end(walk);
    } else {
        recovery_next(walk);
    }
}

static struct err admit_tx(struct tx *tx, void *ctx) {
    struct recovery *walk = ctx;
    return tx_run_admit_all(tx, &walk->bounds, PAGE, &walk->more);
}

static void admit_done(void *ctx) {
    struct recovery *walk = ctx;
    if (walk->more) {
        recovery_next(walk);
    } else {
        recovery_end(walk);
    }
}

static void recovery_begin(void *ctx) {
    struct recovery *walk = ctx;
    walk->bounds = dispatch_bounds(walk->dispatch);
}

static void recovery_next(struct recovery *walk) {
    struct dispatch *dispatch = walk->dispatch;
    if (dispatch->pool.count > BEHIND) {
        timer_start(dispatch->options.loop, &walk->timer, LOOK_AGAIN_MS, recovery_resume);
    } else if (walk->state == WALK_ADMITTING) {
        ask_write(&walk->ask, admit_tx, admit_done);
    } else {
        ask_write(&walk->ask, page_tx, page_done);
    }
}

void dispatch_recover(struct dispatch *dispatch, void (*done)(void *ctx), void *ctx) {
    static const struct ask_rules rules = {
        .words = {"read the runs that have not ended",
                  "the runs could not be read; it is tried again"},
        .begin = recovery_begin};
    if (dispatch->recovery == NULL) {
        dispatch->recovery = mem_new(sizeof *dispatch->recovery);
        dispatch->recovery->dispatch = dispatch;
        ask_init(&dispatch->recovery->ask, &dispatch->asker, &rules, dispatch->recovery);
    }
    struct recovery *walk = dispatch->recovery;
    walk->done = done;
    walk->ctx = ctx;
    walk->again = walk->state != WALK_IDLE;
    dispatch__parts(dispatch, PART_RECOVER);
    if (walk->state == WALK_IDLE && !dispatch->stopping) {
        walk->state = WALK_READING;
        walk->after = 0;
        recovery_next(walk);
    }
}

void recover__again(struct dispatch *dispatch) {
    const struct recovery *walk = dispatch->recovery;
    dispatch_recover(dispatch, walk == NULL ? NULL : walk->done, walk == NULL ? NULL : walk->ctx);
}

void recover__stop(struct dispatch *dispatch) {
    struct recovery *walk = dispatch->recovery;
    if (walk != NULL && walk->ask.state != ASK_AWAY) {
        timer_stop(dispatch->options.loop, &walk->timer);
        ask_drop(&walk->ask);
    }
    log_watch__all(dispatch, &dispatch->parked);
}
