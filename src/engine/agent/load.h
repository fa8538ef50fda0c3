/* load.h: the present work of agents, counted from the rows of runs that have not ended.
 *
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_AGENT_LOAD_H
#define DROVER_ENGINE_AGENT_LOAD_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum { AGENT_LOADS_MAX = 1000 }; /* Agents that are counted; further ones are left out. */

/* An agent that is a program has processes and turns; one of models has steps of workflows. */
struct agent_load {
    struct bytes agent;           /* Borrowed for the call. */
    int64_t processes;            /* Number of its processes that run: the slots in use. */
    int64_t turns_waiting;        /* Number of its turns without such a process. */
    int64_t steps, steps_waiting; /* Number of steps that run, and of those that wait. */
};
/* Agents of the owner that have any. */
MUST_CHECK struct err tx_agent_loads(struct tx *tx, struct bytes owner,
                                     struct err (*each)(void *ctx, const struct agent_load *load),
                                     void *ctx);

#endif
