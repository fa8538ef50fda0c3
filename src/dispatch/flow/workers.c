/* workers.c: flows whose functions only wait give up their workers where another one needs room. */
#include "dispatch/flow/flow_run.h"

static int64_t calls_of(const struct flow_run *run, size_t at) {
    int64_t count = 0;
    for (const struct link *link = run->calls.next; link != &run->calls; link = link->next) {
        count += CONTAINER_OF(link, const struct flow_order, link)->at == at ? 1 : 0;
    }
    return count;
}

/* All functions that run wait for agents, whose answers are stored. */
static bool evaluator_only_waits(const struct flow_run *run) {
    bool waits = run->state == FLOW_RUN_IDLE && run->evaluator != NULL && run->report <= 0 &&
                 run->naming == 0 && links_empty(&run->orders) && !links_empty(&run->calls) &&
                 !run->again && evaluator_is_quiet(run->evaluator);
    for (size_t i = 0; i < run->count && waits; i++) {
        waits = run->hands[i].evaluation == 0 || calls_of(run, i) > 0;
    }
    return waits;
}

/* As after a crash, another worker asks for the same agents again; but not before one has ended. */
static void evaluator_evict(struct flow_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        if (run->hands[i].evaluation > 0) {
            run->hands[i].evaluation = 0;
            run->hands[i].evicted = calls_of(run, i);
        }
    }
    flow_run__orders_free(&run->calls);
    evaluator_close(run->evaluator);
    run->evaluator = NULL;
}

/* An agent of a step has ended: the function of that goes on. */
void flow_run__wake_evicted(struct flow_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        if (run->hands[i].evicted > run->seen[i].calls) {
            run->hands[i].version = -1;
            run->hands[i].evicted = 0;
        }
    }
}

void flows__make_room(struct flows *flows) {
    struct table_node *node = NULL;
    struct scripts_stats stats;
    workflows_make_room(flows->options.workflows, 1);
    workflows_get_script_stats(flows->options.workflows, &stats);
    while (stats.live >= (uint64_t)flows->options.workers_max &&
           (node = table_next(&flows->table, node)) != NULL) {
        struct flow_run *run = CONTAINER_OF(node, struct flow_run, node);
        if (evaluator_only_waits(run)) {
            evaluator_evict(run);
            stats.live--;
        }
    }
}
