/* adopt.c: tells the rows that this daemon holds an attempt which an older one began.
 *
 * The command is followed already, and its end does not wait for this: a row that still names the
 * older epoch would only be looked into again at the next start. So it is tried again while the
 * command lives, and forgotten when it ends: the commit of its end says more. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/job/inside.h"

static struct err adopted_tx(struct tx *tx, void *ctx) {
    struct adoption *adoption = ctx;
    struct run_key key = {.run = {adoption->run.text, strlen(adoption->run.text)}};
    return tx_run_adopted(tx, &key, adoption->attempt, &adoption->late);
}

static void on_timer(struct timer *timer) {
    struct flight *flight = CONTAINER_OF(timer, struct flight, timer);
    if (flight->state == FLIGHT_FOLLOWING && flight->adoption == NULL) {
        adopt__write(flight);
    }
}

static void judge(struct flight *flight, struct err err, bool late) {
    struct dispatch *dispatch = flight->dispatch;
    flight->adoption = NULL;
    if (flight->state != FLIGHT_FOLLOWING) {
        return;
    }
    if (err_failed(err)) {
        dispatch->stats.store_retries++;
        if (effect_is_hopeless(++flight->tries, err)) {
            dispatch__failed(dispatch, "the row of a command that goes on could not be written",
                             flight__run(flight), err);
            effects_abandon(dispatch->options.effects, &flight->effect, "adopt a command", err);
            return;
        }
        effect_begin(dispatch->options.effects, &flight->effect, "adopt a command");
        effect_failed(&flight->effect, err);
        timer_start(dispatch->options.loop, &flight->timer, dispatch__wait_ms(flight->tries),
                    on_timer);
        return;
    }
    flight->tries = 0;
    effect_done(&flight->effect);
    flight->ours = true;
    if (late) {
        /* Nobody owns it any more: a process that no row knows may not live. */
        flight__stop(flight, 0);
    }
}

static void adopted_done(struct err err, void *ctx) {
    struct adoption *adoption = ctx;
    dispatch__answered(adoption->dispatch);
    if (adoption->flight != NULL) {
        judge(adoption->flight, err, adoption->late);
    }
    mem_free(adoption);
}

void adopt__write(struct flight *flight) {
    struct bytes run = flight__run(flight);
    struct adoption *adoption = mem_new(sizeof *adoption);
    assert(run.len < sizeof adoption->run.text);
    memcpy(adoption->run.text, run.data, run.len);
    adoption->dispatch = flight->dispatch;
    adoption->flight = flight;
    adoption->attempt = flight->attempt;
    flight->adoption = adoption;
    dispatch__write(flight->dispatch, adopted_tx, adopted_done, adoption);
}
