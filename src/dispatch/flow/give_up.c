/* give_up.c: a flow that the store refuses for good ends, and its row says why. See flow_run.h.
 *
 *   a transaction is refused ──> STEPS ──refused──> ALONE ──refused──> LATER ──┐
 *                                  │                  │                ^  │    │ a longer pause
 *                                  v                  v                └──│────┘
 *                               it has failed, with the cause not_stored <┘
 *
 * Trouble that passes (store_error_passes) is waited out in each state: no flow fails by it. Any
 * other error comes from the rows of this flow. A child that cannot begin fails its step alone. All
 * else fails the run: first with the ends of its steps and their events, then by statements that
 * read no row of it. Where even that is refused, the daemon counts it as a step that was given up,
 * which `drover doctor` shows, and tries again after pauses that grow.
 */
#include "dispatch/flow/flow_run.h"

enum { PAUSE_MS = 30000, PAUSE_MAX_MS = 3600000 };

static struct err steps_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    bool late = false;
    const struct flow_over over = {.run = bytes_of(run->run),
                                   .report = BYTES(""),
                                   .note = bytes_of(run->fault.text),
                                   .artifact = BYTES(""),
                                   .artifact_fault = BYTES(""),
                                   .not_stored = true,
                                   .bounds = run->flows->options.bounds};
    const struct err err = tx_flow_end(tx, &over, &late);
    /* A flow whose row is gone is no flow any more: its run ends alone, if it has not ended. */
    return late && !err_failed(err) ? err_make(ERR_CONFLICT, "flows: end") : err;
}

static struct err alone_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    bool late = false;
    const struct run_give_up what = {.run = bytes_of(run->run),
                                     .attempt = run->attempt,
                                     .sentence = bytes_of(run->fault.text),
                                     .exit_code = -1,
                                     .bounds = run->flows->options.bounds};
    return tx_run_give_up(tx, &what, &late);
}

static void gave_up(void *ctx) {
    struct flow_run *run = ctx;
    run->giving_up = FLOW_GOES;
    flow_run__look(run);
}

enum ask_verdict flow_run__judge_end(unsigned tries, struct err err) {
    const bool same = err.code == ERR_CONFLICT || err.code == ERR_STORE_CORRUPT;
    return same ? ASK_REFUSED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static uint64_t pause_next(struct flow_run *run) {
    const uint64_t pause_ms = run->pause_ms == 0 ? PAUSE_MS : 2 * run->pause_ms;
    run->pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
    return run->pause_ms;
}

void flow_run__give_up(struct flow_run *run, struct err err) {
    const struct asker *asker = &run->flows->room.asker;
    run->state = FLOW_RUN_ENDING;
    if (run->giving_up == FLOW_GOES) {
        why_set(&run->fault, "a step of it could not be stored or read: %s (%s)",
                err_title(err.code), err_name(err.code));
        asker_report(asker, "a step of a flow could not be stored or read: it ends",
                     bytes_of(run->run), err);
        run->giving_up = FLOW_GIVES_UP_STEPS;
        ask_write(&run->ask, steps_tx, gave_up);
    } else if (run->giving_up == FLOW_GIVES_UP_STEPS) {
        run->giving_up = FLOW_GIVES_UP_ALONE;
        ask_write(&run->ask, alone_tx, gave_up);
    } else {
        if (run->giving_up == FLOW_GIVES_UP_ALONE) {
            asker_report(asker, "the end of a flow could not be stored; it is tried again later",
                         bytes_of(run->run), err);
            effects_abandon(run->flows->options.room.effects, &run->ask.retry.effect);
            run->giving_up = FLOW_GIVES_UP_LATER;
        }
        retry_done(&run->ask.retry);
        ask_write_in(&run->ask, pause_next(run), alone_tx, gave_up);
    }
}
