/* streams.h: followers of streams, over all lives of a daemon.
 *
 * What a follower was handed stays with it: after a crash it resumes from its cursor, as a client
 * does, and what comes then must continue there. In the end the rows must hold what it was handed.
 */
#ifndef DROVER_TEST_SIM_STREAMS_H
#define DROVER_TEST_SIM_STREAMS_H

#include "sim.h"

/* Follows the stream of that name of owner "ann" from its begin; twice is once. Beyond a limit
 * nothing happens: enough are followed. */
void streams_follow(struct sim *sim, const char *name);
/* What the stream belongs to has ended, or is being deleted: it may be gone from now on. */
void streams_may_go(struct sim *sim, const char *name);

#endif
