/* memories.h: what agents remember, as clients know it (ops_memory.c).
 */
#ifndef DROVER_TEST_SIM_MEMORIES_H
#define DROVER_TEST_SIM_MEMORIES_H

#include "sim.h"

/* A prompt of a turn that answers a person's message. */
struct memories_shown {
    const char *session; /* Number of the session, */
    int64_t run;         /* and of the turn's run. */
    const char *words;   /* What follows the question. */
};
void memories_check(struct sim *sim, const struct memories_shown *shown);

#endif
