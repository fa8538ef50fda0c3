/* flow_pause.c: a workflow that is paused begins no agent.
 *
 * Its script goes on and hears what those at work come to; what it asks for then waits in line. So
 * nothing is held back that has to be remembered: that it is paused stands in its row, and whoever
 * takes it up reads it there. */
#include "dispatch/flow.h"

/* One that has begun is at work, also when it is asked anew behind a restart of the daemon; not one
 * that a budget let go while the run was paused. */
struct call *flow__next(const struct flow *flow) {
    struct call *call = flow->waiting;
    while (flow->paused && call != NULL && (!call->written || call->parked)) {
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
