/* chores.c: one round an hour, a chain of small transactions.
 *
 * Each transaction decides from the rows what is left to do, so a round that was cut off needs no
 * memory of where it was.
 */
#include "engine/chores.h"

#include "engine/idempotency.h"
#include "engine/sessions.h"

enum {
    ROWS_MAX = 500,
    MINUTE_MS = 60 * 1000,
    HOUR_MS = 60 * MINUTE_MS,
};

static struct err answers_remove(struct tx *tx, bool *ret_more) {
    return tx_idempotency_prune(tx, tx_now_ms(tx) - IDEMPOTENCY_KEPT_MS, ROWS_MAX, ret_more);
}

/* In the order in which a round goes through them. */
static struct err (*const steps[])(struct tx *tx, bool *ret_more) = {answers_remove,
                                                                     tx_session_purge};

static void round_begin(struct timer *timer);

static struct err step_run(struct tx *tx, void *ctx) {
    struct chores *chores = ctx;
    chores->more = false;
    return steps[chores->step](tx, &chores->more);
}

/* An error ends the round; the next one starts from the beginning. */
static void step_done(struct err result, void *ctx) {
    struct chores *chores = ctx;
    if (chores->stopped) {
        return;
    }
    if (!err_failed(result) && !chores->more) {
        chores->step++;
    }
    if (!err_failed(result) && chores->step < COUNT_OF(steps)) {
        store_write(chores->store, step_run, step_done, chores);
    } else {
        timer_start(chores->loop, &chores->timer, HOUR_MS, round_begin);
    }
}

static void round_begin(struct timer *timer) {
    struct chores *chores = CONTAINER_OF(timer, struct chores, timer);
    chores->step = 0;
    store_write(chores->store, step_run, step_done, chores);
}

void chores_start(struct chores *chores, struct loop *loop, struct store *store) {
    *chores = (struct chores){.loop = loop, .store = store};
    timer_start(loop, &chores->timer, MINUTE_MS, round_begin);
}

void chores_stop(struct chores *chores) {
    if (chores->loop != NULL && !chores->stopped) {
        chores->stopped = true;
        timer_stop(chores->loop, &chores->timer);
    }
}
