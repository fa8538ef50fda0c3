/* pulse.c: see pulse.h. */
#include "engine/host/pulse.h"

static void look(struct timer *timer);

static uint64_t commits_of(struct pulse *pulse) {
    struct store_stats stats;
    store_get_stats(pulse->store, &stats);
    return stats.commits;
}

static void arm(struct pulse *pulse) {
    pulse->commits = commits_of(pulse);
    timer_start(pulse->loop, &pulse->timer, PULSE_MS, look);
}

/* The driver's own part of a transaction is enough, and must be all: of a function that wrote
 * something, a COMMIT that nobody can look up is the daemon's end. */
static struct err write_nothing(struct tx *tx, void *ctx) {
    return ERR_OK;
}

/* A server that is away is no news: the next write reports it. */
static void written(struct err result, void *ctx) {
    struct pulse *pulse = ctx;
    pulse->away = false;
    if (!pulse->stopped) {
        arm(pulse);
    }
}

/* A write that was committed and not answered tells that the store's loop does not run yet: it is
 * this pulse alone that shows a sign of life then. One that was not committed is waited for. */
static void look(struct timer *timer) {
    struct pulse *pulse = CONTAINER_OF(timer, struct pulse, timer);
    bool committed = commits_of(pulse) != pulse->commits;
    if (committed != pulse->away) {
        arm(pulse);
        return;
    }
    pulse->away = true;
    arm(pulse);
    store_write(pulse->store, write_nothing, written, pulse);
}

void pulse_start(struct pulse *pulse, struct loop *loop, struct store *store) {
    *pulse = (struct pulse){.loop = loop, .store = store};
    arm(pulse);
}

void pulse_move(struct pulse *pulse, struct loop *loop) {
    timer_stop(pulse->loop, &pulse->timer);
    pulse->loop = loop;
    arm(pulse);
}

void pulse_stop(struct pulse *pulse) {
    if (pulse->loop != NULL && !pulse->stopped) {
        pulse->stopped = true;
        timer_stop(pulse->loop, &pulse->timer);
    }
}
