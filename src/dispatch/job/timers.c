/* timers.c: runs that may not begin before their time, and the timers that wait for it.
 *
 * A wait is measured by the monotonic clock while the daemon lives. After a start it is what the
 * row's wall clock says is left, and never more than the longest wait that the rules give: a clock
 * that was set back must not keep a run for years. One that is to end waits for nothing.
 *
 *   waiting ──due──> begins ──> gone
 *      ^                ├──an error that passes──> waiting (a pause)
 *      │                └──refused for good──> gives up ──> gone: the run failed
 *      └── its row asks for another wait
 *
 * A run that the store refuses to begin fails with a cause, as one whose end is refused; only if
 * that is refused, too, is it left to the next start. Where a wake-up hands out places for others
 * (rules/run/run.h), no run is at fault: it is tried for as long as the daemon lives, and shown. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/job/inside.h"

enum { WAIT_MAX_MS = RETRY_BACKOFF_MAX_MS + RETRY_BACKOFF_MAX_MS / 2 };

enum wake_step { WAKE_BEGIN, WAKE_GIVE_UP };

struct waker {
    struct table_node node;
    struct dispatch *dispatch;
    struct id run;
    struct timer timer;
    struct run_bounds bounds;
    unsigned tries;
    struct effect effect;
    enum wake_step step;
    enum run_gate gate; /* Of the row when it was last heard of. */
    char sentence[100]; /* Why it was given up. */
    bool away;          /* In the store. */
    bool again;         /* Its row asked for another wait meanwhile. */
    uint64_t wait_ms;
};

static void waker_free(struct waker *waker) {
    struct dispatch *dispatch = waker->dispatch;
    table_remove(&dispatch->wakers, &waker->node);
    timer_stop(dispatch->options.loop, &waker->timer);
    effect_done(&waker->effect);
    mem_free(waker);
}

static struct err wake_tx(struct tx *tx, void *ctx) {
    const struct waker *waker = ctx;
    struct run_key key = {.run = {waker->run.text, strlen(waker->run.text)}};
    effects_at(waker->dispatch->options.effects, key.run);
    if (waker->step == WAKE_GIVE_UP) {
        const struct run_give_up what = {.run = key.run,
                                         .sentence = {waker->sentence, strlen(waker->sentence)},
                                         .exit_code = -1,
                                         .bounds = waker->bounds};
        bool late = false;
        return tx_run_give_up_wait(tx, &what, &late);
    }
    return tx_run_wake(tx, &key, &waker->bounds);
}

static void on_timer(struct timer *timer);

/* A constraint that refuses the begin refuses it again. */
static bool begin_is_refused(const struct waker *waker, struct err err) {
    bool refused = err.code == ERR_CONFLICT && waker->step == WAKE_BEGIN;
    return waker->gate == GATE_TIME && (refused || effect_is_hopeless(waker->tries + 1, err));
}

static void begin_refused(struct waker *waker, struct err err) {
    struct dispatch *dispatch = waker->dispatch;
    if (waker->step == WAKE_BEGIN) {
        (void)snprintf(waker->sentence, sizeof waker->sentence, "its begin could not be stored: %s",
                       err_name(err.code)); /* Short. */
        waker->step = WAKE_GIVE_UP;
        waker->tries = 0;
        on_timer(&waker->timer);
        return;
    }
    dispatch__failed(dispatch, "a run whose time has come could neither be begun nor ended",
                     waker->node.name, err);
    effects_abandon(dispatch->options.effects, &waker->effect, "begin a run in time", err);
    waker_free(waker);
}

static void wake_done(struct err err, void *ctx) {
    struct waker *waker = ctx;
    struct dispatch *dispatch = waker->dispatch;
    waker->away = false;
    dispatch__answered(dispatch);
    if (dispatch->stopping || (!err_failed(err) && !waker->again) || err.code == ERR_NOT_FOUND) {
        waker_free(waker);
        return;
    }
    if (err_failed(err) && begin_is_refused(waker, err)) {
        begin_refused(waker, err);
        return;
    }
    if (err_failed(err)) {
        dispatch->stats.store_retries++;
        waker->tries++;
        effect_begin(dispatch->options.effects, &waker->effect, "begin a run in time");
        effect_failed(&waker->effect, err);
        waker->wait_ms = dispatch__wait_ms(waker->tries);
    }
    if (!err_failed(err)) {
        effect_done(&waker->effect);
        waker->step = WAKE_BEGIN;
    }
    waker->again = false;
    timer_start(dispatch->options.loop, &waker->timer, waker->wait_ms, on_timer);
}

static void on_timer(struct timer *timer) {
    struct waker *waker = CONTAINER_OF(timer, struct waker, timer);
    waker->away = true;
    waker->bounds = dispatch_bounds(waker->dispatch);
    dispatch__write(waker->dispatch, wake_tx, wake_done, waker);
}

static struct waker *waker_new(struct dispatch *dispatch, struct bytes run) {
    struct waker *waker = mem_new(sizeof *waker);
    assert(run.len < sizeof waker->run.text);
    memcpy(waker->run.text, run.data, run.len);
    waker->dispatch = dispatch;
    waker->node.name = (struct bytes){waker->run.text, run.len};
    table_add(&dispatch->wakers, &waker->node);
    return waker;
}

void wake__note(struct dispatch *dispatch, const struct run_row *row, bool wanted) {
    struct table_node *node = table_find(&dispatch->wakers, row->run);
    struct waker *waker = node == NULL ? NULL : CONTAINER_OF(node, struct waker, node);
    if (!wanted) {
        if (waker != NULL && !waker->away) {
            waker_free(waker);
        } else if (waker != NULL) {
            waker->again = false;
        }
        return;
    }
    int64_t left_ms = row->not_before_ms - world_wall_ms(loop_world(dispatch->options.loop));
    left_ms = left_ms < 0 || row->stop != CAUSE_NONE ? 0 : left_ms;
    left_ms = left_ms > WAIT_MAX_MS ? WAIT_MAX_MS : left_ms;
    if (waker == NULL) {
        waker = waker_new(dispatch, row->run);
    }
    waker->wait_ms = (uint64_t)left_ms;
    waker->gate = row->gate;
    waker->tries = 0;
    waker->again = waker->away;
    if (!waker->away) {
        timer_start(dispatch->options.loop, &waker->timer, waker->wait_ms, on_timer);
    }
}

static void stop_one(void *ctx, struct table_node *node) {
    (void)ctx; /* The waker knows its dispatch. */
    struct waker *waker = CONTAINER_OF(node, struct waker, node);
    if (!waker->away) {
        waker_free(waker);
    }
}

void wake__stop(struct dispatch *dispatch) {
    table_each(&dispatch->wakers, stop_one, NULL);
}
