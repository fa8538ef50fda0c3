/* timer.c: timers that a script makes: sleep() and setTimeout() (rules/workflow/timer.h).
 *
 *   asked ──row──> waits ──its time──> stored as fired ────> delivered, like any outcome
 *     │              ├──cleared──────> stored as cleared ──^
 *     │              └──a pause: waits for the resume
 *     └──the run that is resumed had it fire: stored at once, in the place that it had there
 *
 * The row says when the timer is due, and the loop only waits for that time. So a daemon that was
 * killed, or was down at that time, finds the row among the open steps, and the timer fires when
 * the script has asked for it again. Where the script has not, in a replay, no timer is missed: the
 * script cannot wait for it.
 *
 * A timer that the script clears gets a number, too, and the script is sent that outcome, which it
 * ignores. So a clear that meets the end of its timer has one order for ever: whatever was stored
 * is what the script hears of, and it knows by itself that it cleared the timer before.
 *
 * Two clocks. A wait ends by the monotonic clock, or by the wall clock where that is looked at:
 * after a restart, a pause and a suspend. See timer.h. */
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"

enum { HELD_RETRY_MS = 200 }; /* Until the note of the pause that held it has come, and more. */

/* --- It waits --------------------------------------------------------------------------------- */

static void timer_arm(struct call *call);

static void timer_over(struct call *call) {
    timer_stop(call->workflow->workflows->options.loop, &call->timer);
    call->cause = CAUSE_COMPLETED;
    call__tick(call);
}

static int64_t timer_wait_ms(const struct call *call) {
    const struct workflows *workflows = call->workflow->workflows;
    const struct call_timing *timing = &call->timing;
    const int64_t mono_ms = timing->rings_ms - workflows__mono_ms(workflows);
    const int64_t wall_ms =
        timer_left_ms(timing->made_ms, timing->due_ms, workflows__now_ms(workflows));
    const int64_t least_ms = mono_ms < wall_ms ? mono_ms : wall_ms;
    return least_ms > 0 ? least_ms : 0;
}

static bool timer_rings_before(const struct call *one, const struct call *other) {
    const struct call_timing *a = &one->timing, *b = &other->timing;
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->number < b->number;
}

/* This call's timer, or one that was due before it: after a start several are overdue at once, and
 * end in the order in which they would have rung. */
static struct call *timer_first_due(struct call *call) {
    struct call *first = call;
    for (struct call *other = workflow__first(call->workflow, CALL_TIMER); other != NULL;
         other = call__next(other)) {
        if (other->timing.number > 0 && other->cause == CAUSE_NONE &&
            timer_rings_before(other, first) && timer_wait_ms(other) == 0) {
            first = other;
        }
    }
    return first;
}

/* A resume of a paused run looks at its timers again. */
static void timer_on_ring(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    if (workflow__is_over(call->workflow) || call->workflow->paused) {
        return;
    }
    if (timer_wait_ms(call) > 0) { /* The loop's clock is a little coarser. */
        timer_arm(call);
        return;
    }
    struct call *first = timer_first_due(call);
    if (first != call) {
        timer_arm(call);
    }
    timer_over(first);
}

static void timer_arm(struct call *call) {
    struct loop *loop = call->workflow->workflows->options.loop;
    timer_stop(loop, &call->timer);
    timer_start(loop, &call->timer, (uint64_t)timer_wait_ms(call), timer_on_ring);
}

/* Both clocks are cut to milliseconds, at different moments: one more makes sure that the due time
 * has come by the wall clock, too. */
static void timer_begin_wait(struct call *call) {
    const struct workflows *workflows = call->workflow->workflows;
    struct call_timing *timing = &call->timing;
    timing->rings_ms = workflows__mono_ms(workflows) + 1 +
                       timer_left_ms(timing->made_ms, timing->due_ms, workflows__now_ms(workflows));
    timer_arm(call);
}

void workflow__look_at_timers(struct workflow *workflow) {
    if (workflow__is_over(workflow)) {
        return;
    }
    for (struct call *call = workflow__first(workflow, CALL_TIMER); call != NULL;
         call = call__next(call)) {
        if (call->timing.number > 0) {
            timer_arm(call);
        }
    }
}

/* --- Its row ---------------------------------------------------------------------------------- */

static struct timer_new timer_of(const struct call *call) {
    const bool sleeps = strcmp(json_str(call->message, "kind", ""), "sleep") == 0;
    return (struct timer_new){.place = workflow__place(call->workflow),
                              .key = {bytes_of(call->key), call->occurrence},
                              .kind = sleeps ? TIMER_SLEEP : TIMER_TIMEOUT,
                              .delay_ms = json_int(call->message, "ms", 0),
                              .at = call__place(call->message)};
}

struct timer_op {
    struct workflow_op op;
    struct timer_new begin;
    struct timer_made made;
    struct timer_end end;
    enum timer_ended ended;
};

static struct err timer_begin_tx(struct tx *tx, void *ctx) {
    struct timer_op *own = ctx;
    return tx_timer_begin(tx, &own->begin, &own->made);
}

/* Late: a note reports the end of the run. */
static void timer_begin_done(struct workflow_op *op) {
    struct call *call = op->call;
    const struct timer_made *made = &CONTAINER_OF(op, struct timer_op, op)->made;
    if (made->late || call->state != CALL_TIMER || workflow__is_over(call->workflow)) {
        return;
    }
    call->timing.number = made->number;
    call->timing.made_ms = made->made_ms;
    call->timing.due_ms = made->due_ms;
    if (call->timing.cleared) {
        timer_over(call);
    } else {
        timer_begin_wait(call);
    }
}

void call__begin_timer(struct call *call, struct prior *open, struct prior *old) {
    struct workflow *workflow = call->workflow;
    if (open == NULL && old != NULL) {
        call->cached = old;
        workflow->cached++;
        call__enter(call, CALL_CACHED);
        return;
    }
    call__enter(call, CALL_TIMER);
    if (open == NULL) {
        struct timer_op *own = call__op(call, sizeof *own, timer_begin_tx, timer_begin_done);
        own->begin = timer_of(call);
        workflow__op_send(&own->op);
        return;
    }
    call->timing = open->timing;
    table_remove(&workflow->open, &open->node);
    prior__free(open);
    timer_begin_wait(call);
}

/* --- Its end ---------------------------------------------------------------------------------- */

static struct err timer_end_tx(struct tx *tx, void *ctx) {
    struct timer_op *own = ctx;
    return tx_timer_end(tx, &own->end, &own->ended);
}

/* Held: the run was paused in the same moment. Late: its end comes as a note. */
static void timer_end_done(struct workflow_op *op) {
    struct call *call = op->call;
    struct workflow *workflow = call->workflow;
    const enum timer_ended ended = CONTAINER_OF(op, struct timer_op, op)->ended;
    if (ended == TIMER_ENDED) {
        call__stored(call);
    } else if (ended == TIMER_HELD && !workflow__is_over(workflow)) {
        call__enter(call, CALL_TIMER);
        call->cause = CAUSE_NONE;
        if (call->timing.cleared) {
            timer_over(call);
        } else {
            timer_start(workflow->workflows->options.loop, &call->timer, HELD_RETRY_MS,
                        timer_on_ring);
            call__tick(call); /* Others may have waited for this. */
        }
    }
}

void call__store_timer(struct call *call) {
    struct timer_op *own = call__op(call, sizeof *own, timer_end_tx, timer_end_done);
    own->end = (struct timer_end){.place = workflow__place(call->workflow),
                                  .number = call->timing.number,
                                  .state = call->timing.cleared ? TIMER_CLEARED : TIMER_FIRED};
    call__send_stored(call, &own->op);
}

static void timer_cached_done(struct workflow_op *op) {
    struct call *call = op->call;
    if (!CONTAINER_OF(op, struct timer_op, op)->made.late) {
        call__release_cached(call);
        call->workflow->workflows->stats.cached++;
        call->cause = CAUSE_COMPLETED;
        call__stored(call);
    }
}

void call__store_cached_timer(struct call *call) {
    struct timer_op *own = call__op(call, sizeof *own, timer_begin_tx, timer_cached_done);
    own->begin = timer_of(call);
    own->begin.cached = true;
    call__send_stored(call, &own->op);
}

/* A timer whose end is being stored, or was, has ended: its script ignores that. */
void workflow__on_clear(struct workflow *workflow, const json_t *message) {
    char name[CALL_NAME];
    call__name_of(name, json_bytes(message, "k"), json_int(message, "n", 0));
    struct call *call = workflow__find_call(workflow, bytes_of(name));
    if (call == NULL || call->kind != CALL_OF_TIMER) {
        return;
    }
    call->timing.cleared = true;
    if (call->state == CALL_TIMER && call->timing.number > 0) {
        timer_over(call);
    }
}
