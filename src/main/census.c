/* census.c: see census.h. */
#include "main/census.h"

enum { CENSUS_MS = 1000 };

void census_start(struct census *census, struct loop *loop, struct store *store) {
    census->loop = loop;
    census->store = store;
}

static struct err census_tx(struct tx *tx, void *ctx) {
    struct census *census = ctx;
    return tx_run_census(tx, &census->read);
}

static void census_done(struct err err, void *ctx) {
    struct census *census = ctx;
    census->away = false;
    if (!err_failed(err)) {
        census->counts = census->read;
    }
}

static void census_ask(struct timer *timer) {
    struct census *census = CONTAINER_OF(timer, struct census, timer);
    if (census->away) { /* The answer on its way may be older than the change. */
        timer_start(census->loop, timer, CENSUS_MS, census_ask);
        return;
    }
    census->state = CENSUS_FRESH;
    census->away = true;
    store_read(census->store, census_tx, census_done, census);
}

void census_stale(struct census *census) {
    if (census->state == CENSUS_FRESH) {
        census->state = CENSUS_DUE;
        timer_start(census->loop, &census->timer, CENSUS_MS, census_ask);
    }
}

void census_stop(struct census *census) {
    timer_stop(census->loop, &census->timer);
    census->state = CENSUS_STOPPED;
}
