/* no_progress.c: an agent with tools whose model says nothing for too long.
 *
 * Who performs its turn knows when the model was heard of last; it is asked from time to time. What
 * counts is a model that is being asked: a tool, a command, a check and a summary have limits of
 * their own, and whoever waits for a person, a budget or a place in line does not work at all. Like
 * an agent that is one call it is begun anew, WORKFLOW_RESTARTS_MAX times, each time as a new
 * attempt of its row and with a turn of its own; then it is null, `stuck`. */
#include <string.h>

#include "dispatch/turn/turns.h"
#include "dispatch/workflow/flow.h"

static void watch(struct call *call, int64_t wait_ms);

/* Somebody may have been faster: then it is another attempt, or over. */
static struct err restart_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    const struct run_key key = {.run = errand->run};
    const struct run_bounds bounds = flow__bounds(errand->flow);
    struct run_row row;
    struct why why = {""};
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err) || !found || row.attempt != errand->end.attempt) {
        return err;
    }
    err = tx_step_restart(tx, &key, &bounds, &row, &why);
    return err.code == ERR_STEP_ENDED ? ERR_OK : err;
}

/* The note of its row has told what came of it. */
static void restart_done(struct flow_errand *errand) {
    struct call *call = errand->call;
    flow__errand_free(errand);
    if (call->state == CALL_TALKING) {
        call__watch_silence(call);
    }
}

static void restart(struct call *call) {
    struct flow_errand *errand = flow__errand(call->flow, restart_tx, restart_done);
    call->silences++;
    call->hushed = true;
    errand->call = call;
    text_init(&errand->bytes, ID_SIZE); /* The call may be gone before it is written. */
    text_add_str(&errand->bytes, call->run.text);
    errand->run = (struct bytes){errand->bytes.data, errand->bytes.len};
    errand->end.attempt = call->attempt;
    flow__send(errand);
}

static void on_time(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    struct flows *flows = call->flow->flows;
    const int64_t stuck_ms = flows->options.limits.stuck_ms;
    const struct bytes turn = bytes_of(call->turn.text);
    if (call->state != CALL_TALKING) {
        return;
    }
    int64_t silence_ms = turns_silence_ms(flows->turns_of, turn);
    if (silence_ms < stuck_ms) {
        watch(call, silence_ms < 0 ? stuck_ms / 2 : stuck_ms - silence_ms);
    } else if (call->silences < WORKFLOW_RESTARTS_MAX) {
        restart(call);
    } else {
        call__fail(call, CAUSE_STUCK, "its model said nothing for too long, three times");
    }
}

static void watch(struct call *call, int64_t wait_ms) {
    timer_start(call->flow->flows->options.loop, &call->timer, (uint64_t)wait_ms, on_time);
}

void call__watch_silence(struct call *call) {
    if (call->flow->flows->turns_of != NULL) {
        watch(call, call->flow->flows->options.limits.stuck_ms);
    }
}

void flows_listen(struct flows *flows, struct turns *turns) {
    flows->turns_of = turns;
}
