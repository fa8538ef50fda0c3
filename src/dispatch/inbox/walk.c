/* walk.c: the walk over all receivers that are owed something, and the count of rows. */
#include "dispatch/inbox/deliver_inside.h"

enum { PAGE = 200, CENSUS_MS = 1000 };

/* --- Recovery --------------------------------------------------------------------------------- */

static struct err page_tx(struct tx *tx, void *ctx) {
    struct deliver_walk *walk = &((struct deliver *)ctx)->walk;
    return tx_inbox_recover(tx, &walk->after, walk->limit, &walk->next, &walk->damaged);
}

static void walk_on(struct deliver *deliver);

static void on_timer(struct timer *timer) {
    struct deliver *deliver = CONTAINER_OF(timer, struct deliver, walk.timer);
    if (deliver->walk.asleep) {
        deliver->walk.asleep = false;
        deliver_recover(deliver);
    } else {
        walk_on(deliver);
    }
}

/* So that walking, and asking whom it finds, has its share of a day and no more. */
static uint64_t rest_ms(const struct deliver *deliver) {
    uint64_t now_ns = world_mono_ns(loop_world(deliver->options.loop));
    uint64_t rest_ms = (now_ns - deliver->walk.began_ns) / 1000000 * DELIVER_ROUND_REST;
    return rest_ms > DELIVER_ROUND_MS ? rest_ms : DELIVER_ROUND_MS;
}

static void sleep_a_round(struct deliver *deliver, uint64_t for_ms) {
    struct deliver_walk *walk = &deliver->walk;
    if (!walk->asleep && !deliver->asker.stopping) {
        walk->asleep = true;
        timer_start(deliver->options.loop, &walk->timer, for_ms, on_timer);
    }
}

static void page_done(void *ctx) {
    struct deliver *deliver = ctx;
    struct deliver_walk *walk = &deliver->walk;
    struct err err = walk->ask.err;
    if (err_failed(err)) {
        timer_start(deliver->options.loop, &walk->timer,
                    deliver__retry_ms(deliver, &walk->retry, err), on_timer);
        return;
    }
    retry_done(&walk->retry);
    if (walk->damaged > 0) {
        deliver__damaged(deliver, "receivers of notices could not be read: they are left out");
    }
    walk->after = walk->next;
    if (walk->next.len > 0) {
        walk_on(deliver);
        return;
    }
    walk->running = false;
    if (walk->again) {
        deliver_recover(deliver);
    } else if (walk->missed) {
        sleep_a_round(deliver, rest_ms(deliver));
    }
}

/* A page's notes need room for all of them: one that is dropped is missed until the next round. */
static void walk_on(struct deliver *deliver) {
    struct deliver_walk *walk = &deliver->walk;
    size_t max = deliver->options.receivers_max, page = max / 2 < PAGE ? max / 2 : PAGE;
    walk->limit = (int64_t)page;
    walk->paused = deliver->receivers.count + page > max;
    if (!walk->paused) {
        ask_write(&walk->ask, page_tx, page_done);
    }
}

void walk__room(struct deliver *deliver) {
    if (deliver->walk.paused && !deliver->asker.stopping &&
        deliver->receivers.count <= deliver->options.receivers_max / 2) {
        walk_on(deliver);
    }
}

void walk__missed(struct deliver *deliver) {
    deliver->walk.missed = true;
    if (!deliver->walk.running) {
        sleep_a_round(deliver, DELIVER_ROUND_MS);
    }
}

void deliver_recover(struct deliver *deliver) {
    struct deliver_walk *walk = &deliver->walk;
    walk->again = walk->running;
    if (!walk->running && !deliver->asker.stopping) {
        timer_stop(deliver->options.loop, &walk->timer);
        walk->running = true;
        walk->asleep = walk->missed = false;
        walk->after.len = 0;
        walk->began_ns = world_mono_ns(loop_world(deliver->options.loop));
        walk_on(deliver);
    }
}

/* --- The census ------------------------------------------------------------------------------- */

/* Of what is not settled, once a second at most, and only when notes came. */
static struct err census_tx(struct tx *tx, void *ctx) {
    return tx_inbox_census(tx, &((struct deliver *)ctx)->census.asked);
}

static void census_done(void *ctx) {
    struct deliver *deliver = ctx;
    struct deliver_census *census = &deliver->census;
    if (!err_failed(census->ask.err)) {
        census->known = census->asked;
    }
    if (census->again) {
        census->again = false;
        census__touch(deliver);
    }
}

static void census_due(struct timer *timer) {
    struct deliver_census *census = CONTAINER_OF(timer, struct deliver_census, timer);
    ask_read(&census->ask, census_tx, census_done);
}

void census__touch(struct deliver *deliver) {
    struct deliver_census *census = &deliver->census;
    if (census->ask.state == ASK_AWAY) {
        census->again = true;
    } else if (!timer_runs(&census->timer)) {
        timer_start(deliver->options.loop, &census->timer, CENSUS_MS, census_due);
    }
}

void walk__init(struct deliver *deliver) {
    static const struct ask_rules rules = {.judge = ask_any};
    ask_init(&deliver->walk.ask, &deliver->asker, &rules, deliver);
    ask_init(&deliver->census.ask, &deliver->asker, &rules, deliver);
}

void walk__stop(struct deliver *deliver) {
    timer_stop(deliver->options.loop, &deliver->walk.timer);
    timer_stop(deliver->options.loop, &deliver->census.timer);
    retry_done(&deliver->walk.retry);
}
