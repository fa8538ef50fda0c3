/* deliver_walk.c: the walk over all receivers that are owed something, and the count of rows. */
#include "dispatch/deliver_inside.h"

enum { PAGE = 200, CENSUS_MS = 1000 };

/* --- Recovery --------------------------------------------------------------------------------- */

static struct err page_tx(struct tx *tx, void *ctx) {
    struct deliver_walk *walk = ctx;
    return tx_inbox_recover(tx, walk->after, PAGE, &walk->last);
}

static void walk_on(struct deliver *deliver);

static void on_timer(struct timer *timer) {
    walk_on(CONTAINER_OF(timer, struct deliver, walk.timer));
}

static void page_done(struct err err, void *ctx) {
    struct deliver_walk *walk = ctx;
    struct deliver *deliver = CONTAINER_OF(walk, struct deliver, walk);
    if (!deliver__answered(deliver)) {
        return;
    }
    if (err_failed(err)) {
        timer_start(deliver->options.loop, &walk->timer,
                    deliver__retry_ms(deliver, &walk->tries, err), on_timer);
        return;
    }
    walk->tries = 0;
    walk->after = walk->last;
    if (walk->last != 0 && !deliver->overflow) {
        walk_on(deliver);
        return;
    }
    walk->running = false; /* The end, or more than we know at a time: those come later. */
    if (walk->again) {
        deliver_recover(deliver);
    }
}

static void walk_on(struct deliver *deliver) {
    deliver__write(deliver, page_tx, page_done, &deliver->walk);
}

void deliver_recover(struct deliver *deliver) {
    struct deliver_walk *walk = &deliver->walk;
    walk->again = walk->running;
    if (!walk->running && !deliver->stopping) {
        walk->running = true;
        walk->after = 0;
        walk_on(deliver);
    }
}

/* --- The census ------------------------------------------------------------------------------- */

/* Of what is not settled, once a second at most, and only when notes came. */
static struct err census_tx(struct tx *tx, void *ctx) {
    struct deliver_census *census = ctx;
    return tx_inbox_census(tx, &census->asked);
}

static void census_done(struct err err, void *ctx) {
    struct deliver_census *census = ctx;
    struct deliver *deliver = CONTAINER_OF(census, struct deliver, census);
    if (!deliver__answered(deliver)) {
        return;
    }
    census->reading = false;
    if (!err_failed(err)) {
        census->known = census->asked;
    }
    if (census->again) {
        census->again = false;
        census__touch(deliver);
    }
}

static void census_due(struct timer *timer) {
    struct deliver_census *census = CONTAINER_OF(timer, struct deliver_census, timer);
    census->waiting = false;
    census->reading = true;
    deliver__read(CONTAINER_OF(census, struct deliver, census), census_tx, census_done, census);
}

void census__touch(struct deliver *deliver) {
    struct deliver_census *census = &deliver->census;
    if (census->reading) {
        census->again = true;
    } else if (!census->waiting) {
        census->waiting = true;
        timer_start(deliver->options.loop, &census->timer, CENSUS_MS, census_due);
    }
}

void walk__stop(struct deliver *deliver) {
    timer_stop(deliver->options.loop, &deliver->walk.timer);
    timer_stop(deliver->options.loop, &deliver->census.timer);
}
