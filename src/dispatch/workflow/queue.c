/* queue.c: which agent begins next. A workflow that is paused begins none.
 *
 * Its script goes on and hears what those at work come to; what it asks for then waits in line. So
 * nothing is held back that has to be remembered: that it is paused stands in its row, and whoever
 * takes it up reads it there. */
#include "dispatch/workflow/flow.h"

/* A call that has begun is at work, also when it is asked anew after a restart of the daemon; not a
 * call that a budget let go while the run was paused.
 *
 * A budget that is used up ends a call in the commit that begins it. Where the run resumes another,
 * that end must not come before the cached results, so the call does not begin before them. */
static bool may_begin(const struct call *call) {
    const struct flow *flow = call->flow;
    const bool held = flow->paused && (!call->written || call->parked);
    const bool early = !call->written && call__is_budgeted(call) && flow__must_wait(flow);
    return !held && !early;
}

struct call *flow__next(const struct flow *flow) {
    struct call *call = flow->waiting;
    while (call != NULL && !may_begin(call)) {
        call = call->next;
    }
    return call;
}

void call__let_go(struct call *call) {
    if (call->flow->paused) {
        call->parked = true;
    } else if (flow__total_is_spent(call->flow)) {
        call__fail_total(call);
    } else {
        call__ask(call);
    }
}

static void unpark(void *ctx, struct table_node *node) {
    struct call *call = CONTAINER_OF(node, struct call, node);
    (void)ctx; /* The call knows all. */
    bool waited = call->parked && call->state == CALL_BEGUN;
    call->parked = false;
    if (waited) {
        call__let_go(call);
    }
}

void flow__hear_pause(struct flow *flow, const struct run_row *row) {
    bool paused = row->state == RUN_WAITING;
    if (paused == flow->paused) {
        return;
    }
    flow->paused = paused;
    if (!paused && !flow->ended && flow->state != FLOW_ENDING) {
        table_each(&flow->calls, unpark, NULL);
        flow__pump(flow);
    }
}
