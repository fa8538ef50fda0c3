/* chores.c: one round an hour, a chain of small transactions.
 *
 * Each transaction decides from the rows what is left to do, so a round that was cut off needs no
 * memory of where it was.
 */
#include "engine/system/chores.h"

#include "engine/base/idempotency.h"
#include "engine/token/token.h"

enum {
    ROWS_MAX = 500,
    MINUTE_MS = 60 * 1000,
    HOUR_MS = 60 * MINUTE_MS,
};

/* In the order in which a round goes through them. */
static const struct {
    struct err (*prune)(struct tx *tx, int64_t before_ms, int64_t count_max, bool *ret_more);
    int64_t kept_ms;
} steps[] = {{tx_session_expire, SESSION_DELETED_KEPT_MS},
             {tx_idempotency_prune, IDEMPOTENCY_KEPT_MS},
             {tx_token_prune, TOKEN_REVOKED_KEPT_MS}};

static void round_begin(struct timer *timer);

struct fault {
    const char *what;
    int64_t session; /* 0: none. */
    struct err err;
};

static void tell(const struct chores *chores, struct log_change *change,
                 const struct fault *fault) {
    const struct world *world = loop_world(chores->on.loop);
    if (log_change_take(change, fault->err, world_mono_ns(world)) && chores->on.failed != NULL) {
        chores->on.failed(chores->on.ctx, fault->what, fault->session, fault->err);
    }
}

static struct err step_run(struct tx *tx, void *ctx) {
    struct chores *chores = ctx;
    chores->more = false;
    const int64_t before_ms = tx_now_ms(tx) - steps[chores->step].kept_ms;
    return steps[chores->step].prune(tx, before_ms, ROWS_MAX, &chores->more);
}

/* An error ends the round; the next one starts from the beginning. */
static void step_done(struct err result, void *ctx) {
    struct chores *chores = ctx;
    if (chores->stopped) {
        return;
    }
    const struct fault fault = {.what = "old answers and tokens could not be removed",
                                .err = result};
    tell(chores, &chores->round_log, &fault);
    if (!err_failed(result) && !chores->more) {
        chores->step++;
    }
    if (!err_failed(result) && chores->step < COUNT_OF(steps)) {
        store_write(chores->on.store, step_run, step_done, chores);
    } else {
        timer_start(chores->on.loop, &chores->timer, HOUR_MS, round_begin);
    }
}

static void round_begin(struct timer *timer) {
    struct chores *chores = CONTAINER_OF(timer, struct chores, timer);
    chores->step = 0;
    store_write(chores->on.store, step_run, step_done, chores);
}

/* --- Deleted sessions ------------------------------------------------------------------------- */

static void purge_begin(struct chores *chores);

static void purge_wake(struct timer *timer) {
    purge_begin(CONTAINER_OF(timer, struct chores, purge_timer));
}

/* A function that is run again must find what it found the first time. */
static struct err purge_run(struct tx *tx, void *ctx) {
    struct chores *chores = ctx;
    return tx_session_purge(tx, &chores->purge);
}

static void purge_sleep(struct chores *chores, uint64_t ms) {
    chores->purging = CHORES_ASLEEP;
    timer_start(chores->on.loop, &chores->purge_timer, ms, purge_wake);
}

static void purge_end(struct chores *chores, struct err result) {
    bool again = chores->purging == CHORES_AGAIN;
    uint64_t wait_ms = HOUR_MS;
    bool cut_off = err_failed(result) && chores->failed >= CHORES_PURGE_FAILURES;
    chores->from = cut_off ? chores->purge.after : 0;
    if (chores->purge.removed && chores->on.purged != NULL) {
        chores->on.purged(chores->on.ctx);
    }
    if (err_failed(result) || chores->failed > 0 || chores->partial) {
        wait_ms = CHORES_PURGE_LATER_MS; /* Also to those that an earlier round has left. */
    } else {
        chores->purge_log.last = ERR_OK;
    }
    if (!err_failed(result) && chores->purge.waits) {
        wait_ms = chores->soon > 0 ? CHORES_PURGE_AGAIN_MS : CHORES_PURGE_LATER_MS;
        chores->soon -= chores->soon > 0;
    }
    if (again && !err_failed(result)) {
        purge_begin(chores);
    } else {
        purge_sleep(chores, wait_ms);
    }
}

/* The rows of one may be damaged: the others go nevertheless. False: the round ends. */
static bool purge_leave(struct chores *chores) {
    struct session_purge *purge = &chores->purge;
    if (purge->at <= purge->after || chores->failed >= CHORES_PURGE_FAILURES) {
        return false;
    }
    purge->after = purge->at;
    chores->failed++;
    return true;
}

static void purge_done(struct err result, void *ctx) {
    struct chores *chores = ctx;
    if (chores->stopped) {
        return;
    }
    if (err_failed(result)) {
        const struct fault fault = {.what = "a deleted session could not be removed: it is tried"
                                            " again",
                                    .session = chores->purge.at,
                                    .err = result};
        tell(chores, &chores->purge_log, &fault);
    }
    if (err_failed(result) ? purge_leave(chores) : chores->purge.more) {
        store_write(chores->on.store, purge_run, purge_done, chores);
    } else {
        purge_end(chores, result);
    }
}

static void purge_begin(struct chores *chores) {
    chores->purging = CHORES_RUNNING;
    chores->partial = chores->from > 0;
    chores->purge = (struct session_purge){.after = chores->from};
    chores->failed = 0;
    store_write(chores->on.store, purge_run, purge_done, chores);
}

void chores_purge(struct chores *chores) {
    if (chores->on.loop == NULL || chores->stopped) {
        return;
    }
    chores->soon = CHORES_PURGE_SOON;
    if (chores->purging == CHORES_ASLEEP) {
        timer_stop(chores->on.loop, &chores->purge_timer);
        purge_begin(chores);
    } else {
        chores->purging = CHORES_AGAIN;
    }
}

/* --- All of it -------------------------------------------------------------------------------- */

void chores_start(struct chores *chores, const struct chores_options *options) {
    *chores = (struct chores){.on = *options, .soon = CHORES_PURGE_SOON};
    timer_start(chores->on.loop, &chores->timer, MINUTE_MS, round_begin);
    purge_sleep(chores, CHORES_PURGE_AGAIN_MS);
}

void chores_stop(struct chores *chores) {
    if (chores->on.loop != NULL && !chores->stopped) {
        chores->stopped = true;
        timer_stop(chores->on.loop, &chores->timer);
        timer_stop(chores->on.loop, &chores->purge_timer);
    }
}
