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
    struct agent_watch rule; /* Zeroed for each process. */
    struct agent_sample sample;
    int64_t measured; /* Memory or requests when a limit was passed; 0: none was. */
};

void program_watch_reset(struct program_watch *watch);
/* The process is that of RUN.ATTEMPT. What cannot be looked at is not known. */
void program_watch_look(struct program_watch *watch, const struct spool *spool, const char *name);
enum agent_watch_verdict program_watch_judge(struct program_watch *watch,
                                             const struct agent_definition *agent,
                                             const struct agent_moment *moment);

#endif
