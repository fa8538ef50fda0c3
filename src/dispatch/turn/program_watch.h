/* program_watch.h: samples of a program that runs (program.c), for the rules of its supervision
 * (rules/agent/watch.h): what its processes take, and how much they have written.
 *
 * Everything here is forgotten when the daemon ends: the next one begins a new window. How often a
 * program was begun again is in the row of the turn.
 *
 * Threads    program_watch_look: the pool, while the loop leaves the object alone. Others: loop.
 */
#ifndef DROVER_DISPATCH_TURN_PROGRAM_WATCH_H
#define DROVER_DISPATCH_TURN_PROGRAM_WATCH_H

#include "proc/spool/spool.h"
#include "rules/agent/watch.h"

struct program_watch {
    struct agent_watch rule;        /* Zeroed for each process. */
    struct agent_evidence evidence; /* The last sample, and requests that were too many. */
};

void program_watch_reset(struct program_watch *watch);
/* The process is that of RUN.ATTEMPT. What cannot be looked at is not known. */
void program_watch_look(struct program_watch *watch, const struct spool *spool, const char *name);

#endif
