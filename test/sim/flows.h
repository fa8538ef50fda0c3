/* flows.h: the model of flows: what was asked for and acknowledged, and the world of each.
 *
 *   run   ASKED ──acknowledged──> ACCEPTED ──delete acknowledged──> DELETED
 *           │ └──refused──> REFUSED
 *           └──the life ends before an answer──> UNKNOWN
 */
#ifndef DROVER_TEST_SIM_FLOWS_H
#define DROVER_TEST_SIM_FLOWS_H

#include "../flow_world.h"
#include "jobs.h"
#include "sim.h"

enum { FLOWS_MAX = 256, FLOW_WORLD_STEPS = 12, FLOW_CHILDREN_MAX = 200 };

/* A child as its row was seen: retention may remove it before its flow has ended. */
struct sim_child {
    int64_t id;
    size_t at; /* Step. */
    bool ended, succeeded;
    uint64_t orphan_ns; /* First time at which no step waited for it; 0: one does. */
};
/* Since when this life of the daemon knows a question, the steps of a batch, or a run. */
struct sim_still {
    int64_t version; /* Number of the question; for a batch, rewinds of the flow and one more. */
    unsigned life;
    uint64_t since_ns;
};
/* Signs of life of the child of a step: their sums, and when this life of the daemon saw the last
 * one. */
struct sim_signs {
    int64_t version, child; /* child: signs of the child itself. */
    unsigned life;
    uint64_t child_ns;
    struct sim_still below; /* The same of all runs below the step. */
};
struct sim_flow {
    int64_t op;
    struct flow_world world;
    char run[ID_SIZE];
    enum told told;
    struct sim_child children[FLOW_CHILDREN_MAX];
    size_t child_count;
    struct sim_still asked[WORLD_STEPS], batched[WORLD_BATCHES], ran;
    struct sim_signs signs[WORLD_STEPS];
    int64_t timeout_ms;     /* Time of the run; 0: none. */
    struct sim_still began; /* life 0: not seen at its start. */
    bool deleting;          /* A delete was sent. */
    bool final;             /* Seen at its end: retention may take it in the same commit. */
    bool judged;            /* The end was looked at. */
    unsigned misfortunes;   /* Workers of it that crashed or computed for too long. */
    bool rooted;
    /* The ended flow from whose results it began; NULL: none. */
    const struct sim_flow *before;
    enum flow_again again[WORLD_STEPS];
    /* Ends of its steps, once it was judged; settled: a new run ends the step in the same way. */
    bool ends_known, completed[WORLD_STEPS], settled[WORLD_STEPS];
};
struct sim_flows {
    struct sim_flow list[FLOWS_MAX];
    size_t count;
    int64_t last_child; /* Highest id of a child that was seen. */
};
struct sim_options;
/* Whether this seed has flows. */
bool flows_play(const struct sim_options *options);
struct sim_flows *flows_of(struct sim *sim);
struct sim_flow *flows_by_op(struct sim *sim, int64_t op); /* The last one; NULL: none. */
/* A new one; NULL: there are too many. */
struct sim_flow *flows_add(struct sim *sim, int64_t op, struct bytes source);

/* Place of a step by its name; FLOW_NONE: the world has none. */
size_t flows_step(const struct flow_world *world, const char *name);

/* check_flow_ends.c: the flow has ended; fails when its end is not the one of the model. */
void flows_judge(struct sim *sim, struct sim_flow *flow);

/* ops_flows.c */
/* Resumes the workflows of steps that are paused; false: none is. */
bool flows_unpause(struct sim *sim);
extern const struct sim_op flows_ops[];
/* flow_player.c asks: rounds of the loop of a step that are over. */
int64_t flows_rounds(struct sim *sim, int64_t op, size_t at);
/* script.c tells: a worker of that flow ended by chance. */
void flows_worker_lost(struct sim *sim, int64_t op);

#endif
