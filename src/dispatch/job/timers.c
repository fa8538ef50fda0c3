/* timers.c: runs that may not begin before their time, and the timers that wait for it.
 *
 * A wait is measured by the monotonic clock while the daemon lives. After a start it is what the
 * row's wall clock says is left, and never more than the longest wait that the rules give: a clock
 * that was set back must not keep a run for years. A run that is to end waits for nothing.
 *
 * The monotonic clock stands still in a suspend, and a retry is due by the time of day: so each
 * wake of the machine takes the rest from the wall clock again.
 *
 *   waiting ──due──> begins ──> gone
 *      ^                ├──an error that passes──> a pause, and begins again
 *      │                └──refused for good──> gives up ──> gone: the run failed
 *      └── its row asks for another wait
 *
 * A run that the store refuses to begin fails with a cause, as one whose end is refused; only if
 * that is refused, too, is it left to the next start. Where a wake-up hands out places for others
 * (rules/run/run.h), no run is at fault: it is tried for as long as the daemon lives, and shown. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/job/inside.h"

enum { WAIT_MAX_MS = RETRY_BACKOFF_MAX_MS + RETRY_BACKOFF_MAX_MS / 2 };

struct waker {
    struct table_node node;
    struct dispatch *dispatch;
    struct id run;
    struct ask ask;
    struct run_bounds bounds;
    enum run_gate gate; /* The row's, at its last note. */
    char sentence[100]; /* The reason why it was given up; "": it was not. */
    bool again;         /* Its row asked for another wait meanwhile. */
    uint64_t wait_ms;
    int64_t due_ms; /* The same by the wall clock; 0: at once. */
};

static void waker_free(void *ctx) {
    struct waker *waker = ctx;
    table_remove(&waker->dispatch->wakers, &waker->node);
    ask_drop(&waker->ask);
    mem_free(waker);
}

static void waker_begin(void *ctx) {
    struct waker *waker = ctx;
    waker->bounds = dispatch_bounds(waker->dispatch);
}

/* A constraint that refuses the begin refuses it again. */
static enum ask_verdict waker_judge(void *ctx, unsigned tries, struct err err) {
    const struct waker *waker = ctx;
    if (err.code == ERR_NOT_FOUND) {
        return ASK_ANSWERED;
    }
    if (waker->gate != GATE_TIME) {
        return ASK_AGAIN;
    }
    return err.code == ERR_CONFLICT && waker->sentence[0] == '\0'
               ? ASK_REFUSED
               : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static struct err wake_tx(struct tx *tx, void *ctx) {
    const struct waker *waker = ctx;
    const struct run_key key = {.run = bytes_of(waker->run.text)};
    return tx_run_wake(tx, &key, &waker->bounds);
}

static struct err give_up_tx(struct tx *tx, void *ctx) {
    const struct waker *waker = ctx;
    const struct run_give_up what = {.run = bytes_of(waker->run.text),
                                     .sentence = bytes_of(waker->sentence),
                                     .exit_code = -1,
                                     .bounds = waker->bounds};
    bool late = false;
    return tx_run_give_up_wait(tx, &what, &late);
}

static void wake_done(void *ctx) {
    struct waker *waker = ctx;
    if (err_failed(waker->ask.err) || !waker->again) {
        waker_free(waker);
        return;
    }
    waker->again = false;
    waker->sentence[0] = '\0';
    ask_write_in(&waker->ask, waker->wait_ms, wake_tx, wake_done);
}

static void wake_refused(void *ctx, struct err err) {
    struct waker *waker = ctx;
    struct dispatch *dispatch = waker->dispatch;
    if (waker->sentence[0] == '\0') {
        (void)snprintf(waker->sentence, sizeof waker->sentence, "its begin could not be stored: %s",
                       err_name(err.code)); /* Short. */
        ask_write(&waker->ask, give_up_tx, wake_done);
        return;
    }
    dispatch__report(dispatch, "a run whose time has come could neither be begun nor ended",
                     waker->node.name, err);
    effects_abandon(dispatch->options.effects, &waker->ask.retry.effect);
    waker_free(waker);
}

static uint64_t waker_left_ms(const struct waker *waker) {
    int64_t left_ms = waker->due_ms - world_wall_ms(loop_world(waker->dispatch->options.loop));
    left_ms = left_ms < 0 ? 0 : left_ms;
    return (uint64_t)(left_ms > WAIT_MAX_MS ? WAIT_MAX_MS : left_ms);
}

/* Recomputes the timers from the wall clock. No wait becomes longer, whatever that clock says. */
void wake__after_sleep(struct dispatch *dispatch) {
    for (struct table_node *node = table_next(&dispatch->wakers, NULL); node != NULL;
         node = table_next(&dispatch->wakers, node)) {
        struct waker *waker = CONTAINER_OF(node, struct waker, node);
        timer_hasten(dispatch->options.loop, &waker->ask.timer, waker_left_ms(waker));
    }
}

void wake__note(struct dispatch *dispatch, const struct run_row *row, bool wanted) {
    static const struct ask_rules rules = {.words = {.effect = "begin a run in time"},
                                           .judge = waker_judge,
                                           .begin = waker_begin,
                                           .refused = wake_refused,
                                           .dropped = waker_free};
    struct table_node *node = table_find(&dispatch->wakers, row->run);
    struct waker *waker = node == NULL ? NULL : CONTAINER_OF(node, struct waker, node);
    bool away = waker != NULL && waker->ask.state == ASK_AWAY;
    if (!wanted) {
        if (away) {
            waker->again = false;
        } else if (waker != NULL) {
            waker_free(waker);
        }
        return;
    }
    if (waker == NULL) {
        waker = mem_new(sizeof *waker);
        waker->run = id_copy(row->run);
        waker->dispatch = dispatch;
        ask_init(&waker->ask, &dispatch->asker, &rules, waker);
        waker->node.name = waker->ask.run = bytes_of(waker->run.text);
        table_add(&dispatch->wakers, &waker->node);
    }
    waker->due_ms = row->stop != CAUSE_NONE ? 0 : row->not_before_ms;
    waker->wait_ms = waker_left_ms(waker);
    waker->gate = row->gate;
    waker->ask.retry.tries = 0;
    waker->again = away;
    if (!away) {
        ask_drop(&waker->ask);
        ask_write_in(&waker->ask, waker->wait_ms, wake_tx, wake_done);
    }
}

void wake__stop(struct dispatch *dispatch) {
    for (struct table_node *node = table_next(&dispatch->wakers, NULL), *next; node != NULL;
         node = next) {
        struct waker *waker = CONTAINER_OF(node, struct waker, node);
        next = table_next(&dispatch->wakers, node);
        if (waker->ask.state != ASK_AWAY) {
            waker_free(waker);
        }
    }
}
