/* program_cool.h: agents that cool down, since their providers refused or failed (the rule is
 * rules/agent/cool.h). An agent is known by its name.
 *
 * Kept in memory, as what is known of a connection: after a restart of the daemon the turns that
 * wait for their next attempt go on waiting, and others find out again.
 *
 * Promise    an agent that does not cool down takes no memory; of the others COOLS_MAX are known,
 *            and one more begins at once.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_TURN_PROGRAM_COOL_H
#define DROVER_DISPATCH_TURN_PROGRAM_COOL_H

#include "dispatch/base/table.h"
#include "rules/agent/cool.h"

enum { COOLS_MAX = 256 };

/* After the last of its turns nobody asks any more: it is forgotten some time later. */
struct program_cools {
    struct table table; /* struct program_cool, by agent. */
};
void program_cools_init(struct program_cools *cools);
void program_cools_done(struct program_cools *cools);

/* The state of an agent; AGENT_OPEN where nothing is known. */
MUST_CHECK struct agent_cool program_cools_find(const struct program_cools *cools,
                                                struct bytes agent);

struct program_cool_news {
    struct bytes agent;
    enum agent_cool_event event;
    enum agent_outcome outcome; /* FAILED: which failure, */
    int64_t now_ms, wait_ms;    /* and its wait from now on. */
};
void program_cools_take(struct program_cools *cools, const struct program_cool_news *news);

#endif
