/* eviction.c: workers that only wait are ended where there are too many, and made again.
 *
 * Scripts wait for agents for minutes, and a worker costs some hundred kilobytes meanwhile. Above
 * `workers_max` that live, those go that have waited longest. Such a flow stays LIVE: its agents go
 * on, and what they come to is stored as ever. When there is something to tell its script, the
 * history is read again and a new worker does what the old one did (flow__deliver), as behind a
 * crash, but at once, and uncounted. To stop it, none is needed.
 *
 * Only a worker goes of which the journal knows all: its script is quiet behind its whole history,
 * and nothing is on its way from it or to it: no frame, no outcome, no result of another run, no
 * script of a workflow(). */
#include "dispatch/workflow/flow.h"

static bool waits_only(const struct flow *flow) {
    return flow->state == FLOW_LIVE && !flow->ended && flow->quiet && flow->replayed &&
           flow->worker != NULL && flow->hearing == NULL && flow->done == NULL &&
           flow->kept == NULL && flow->storing == 0 && flow->taking == 0 && !flow->seeks &&
           flow->line_count == 0;
}

static void drop(struct flow *flow) {
    flow__close_worker(flow);
    flow->dropped = true;
    flow->flows->stats.dropped++;
}

static size_t live(const struct flows *flows) {
    struct scripts_stats stats;
    flows_get_script_stats(flows, &stats);
    return (size_t)stats.live;
}

void flows__make_room(struct flows *flows, size_t wanted) {
    size_t most = (size_t)flows->options.limits.workers_max;
    struct flow *flow = flows->idle;
    while (flow != NULL && live(flows) + wanted > most) {
        struct flow *next = flow->next_idle;
        if (waits_only(flow)) {
            drop(flow); /* Which takes it out of the line. */
        }
        flow = next;
    }
}

void flow__rest(struct flow *flow) {
    struct flows *flows = flow->flows;
    if (flow->state != FLOW_LIVE || !flow->quiet || flow->worker == NULL || flow->idles) {
        return;
    }
    flow->idles = true;
    flow->next_idle = NULL;
    flow->prev_idle = flows->idle_last;
    *(flows->idle_last == NULL ? &flows->idle : &flows->idle_last->next_idle) = flow;
    flows->idle_last = flow;
    flows__make_room(flows, 0);
}

void flow__stir(struct flow *flow) {
    struct flows *flows = flow->flows;
    if (!flow->idles) {
        return;
    }
    flow->idles = false;
    *(flow->prev_idle == NULL ? &flows->idle : &flow->prev_idle->next_idle) = flow->next_idle;
    *(flow->next_idle == NULL ? &flows->idle_last : &flow->next_idle->prev_idle) = flow->prev_idle;
}
