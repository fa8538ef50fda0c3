/* worker.c: the worker of a workflow, and what it is told. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"

static void on_ended(void *ctx, const struct script_end *end) {
    struct flow *flow = ctx;
    flow__hearing_free(flow); /* What was paused does not end, so nothing is in the pool. */
    flow__stir(flow);
    flow__computed(flow);
    flow->worker = NULL;
    flow__crashed(flow, end);
}

static const struct script_watch watch = {.heard = flow__heard, .ended = on_ended};

void flow__tell(struct flow *flow, struct text *message) {
    size_t len = 0;
    if (flow->worker == NULL) {
        return;
    }
    flow->quiet = false;
    flow__stir(flow);
    flow__computes(flow);
    char *frame = text_take(message, &len);
    script_busy(flow->worker);
    script_send(flow->worker, frame, len);
}

static void forget_number(void *ctx, struct table_node *node) {
    (void)ctx; /* Nothing of it is needed. */
    CONTAINER_OF(node, struct call, node)->number = 0;
}

void flow__start(struct flow *flow, struct text *order) {
    const struct flows_limits *limits = &flow->flows->options.limits;
    const struct script_bounds bounds = {.cpu_ms = (uint32_t)limits->cpu_ms};
    flow->state = FLOW_LIVE;
    flow->replayed = flow->dropped = false;
    flow->line_last = 0;
    table_each(&flow->calls, forget_number, NULL);
    flows__make_room(flow->flows, 1);
    flow->worker = script_start(flow__scripts(flow), &bounds, &watch, flow);
    flow__tell(flow, order);
    flow__release(flow);
}

void flow__close_worker(struct flow *flow) {
    flow__stir(flow);
    flow__computed(flow);
    flow__hearing_free(flow); /* It may need the worker a little longer. */
    script_close(flow->worker);
    flow->worker = NULL;
}
