/* commit_batch.c: what several workflows have to store at about the same time goes in one commit.
 *
 * A commit tells many scripts at once of what they waited for. Each of them computes a moment, and
 * asks for more; what comes of it would find the writer free each time, and get a sync, a wake-up
 * and a page of the log for each table by itself. So an outcome waits while another script computes
 * that was told of something within FLOW_COMPANY_NS: most often that one has something to store in
 * the same moment. The last one takes all of them along.
 *
 * Nobody waits where no other script computes, nor behind FLOW_CROWD_MAX others; a function that
 * waits in the store goes with whatever else is written, and by itself after 5 ms (store.h). */
#include "dispatch/workflow/flow.h"

static uint64_t now_ns(const struct flows *flows) {
    return world_mono_ns(loop_world(flows->options.loop));
}

void flow__computes(struct flow *flow) {
    struct flows *flows = flow->flows;
    flow__computed(flow);
    flow->computes = true;
    flow->told_ns = now_ns(flows);
    flow->next_computing = NULL;
    flow->prev_computing = flows->computing_last;
    *(flows->computing_last == NULL ? &flows->computing : &flows->computing_last->next_computing) =
        flow;
    flows->computing_last = flow;
}

void flow__computed(struct flow *flow) {
    struct flows *flows = flow->flows;
    if (!flow->computes) {
        return;
    }
    flow->computes = false;
    *(flow->prev_computing == NULL ? &flows->computing : &flow->prev_computing->next_computing) =
        flow->next_computing;
    *(flow->next_computing == NULL ? &flows->computing_last
                                   : &flow->next_computing->prev_computing) = flow->prev_computing;
}

bool flows__expects_company(struct flows *flows) {
    if (flows->computing == NULL || flows->crowd >= FLOW_CROWD_MAX) {
        return false;
    }
    const uint64_t now = now_ns(flows);
    while (flows->computing != NULL && now - flows->computing->told_ns > FLOW_COMPANY_NS) {
        flow__computed(flows->computing); /* It computes for long: nobody waits for it. */
    }
    return flows->computing != NULL;
}
