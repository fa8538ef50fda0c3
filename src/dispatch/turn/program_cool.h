/* program_cool.h: agents that cool down, since their providers refused or failed (the rule is
 * rules/agent/cool.h). An agent is known by its name.
 *
 * A provider may name a wait of hours. The row has all of it, and boards begin nothing before;
 * turns of people wait for AGENT_WAIT_MAX_MS, then one of them tries, and its success ends the
 * whole.
 *
 * Decided in memory, by a clock that only goes on, and stored as rows (engine/agent/cools.h), from
 * which the next daemon begins. A failure is written after it counts, and an end is removed:
 *
 *   take ──the state is another one──> write the row, or remove it ──> as in memory: done
 *                                        ^ └─ changed meanwhile ─┐
 *                                        └───────────────────────┘
 *
 * A write that a crash loses is found out again: it is asked for before the end of the process that
 * failed is stored, so the next daemon reads that end, and the failure, from the output. Where the
 * store refused the write for a time, one process of another turn asks the provider. After a lost
 * removal others wait until the time of the row, which is mostly over: one tries.
 *
 * Promise    an agent that does not cool down takes no memory, once its row is removed; of the
 *            others COOLS_MAX are known, and one more begins at once.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_TURN_PROGRAM_COOL_H
#define DROVER_DISPATCH_TURN_PROGRAM_COOL_H

#include "dispatch/base/ask.h"
#include "dispatch/base/table.h"
#include "engine/agent/cools.h"
#include "rules/agent/cool.h"

enum { COOLS_MAX = AGENT_COOLS_MAX };

/* After the last of its turns nobody asks any more: it is forgotten some time later. */
struct program_cools {
    struct table table;  /* struct program_cool, by agent. */
    struct asker *asker; /* Borrowed. */
};
void program_cools_init(struct program_cools *cools, struct asker *asker);
void program_cools_stop(struct program_cools *cools); /* The asker stops. */
void program_cools_done(struct program_cools *cools);
/* A row that an earlier daemon wrote. */
void program_cools_restore(struct program_cools *cools, const struct agent_cool_row *row,
                           const struct agent_cool_clocks *now);

/* The state of an agent; AGENT_OPEN where nothing is known. */
MUST_CHECK struct agent_cool program_cools_find(const struct program_cools *cools,
                                                struct bytes agent);

struct program_cool_news {
    struct bytes agent;
    enum agent_cool_event event;
    enum agent_outcome outcome; /* FAILED: which failure, */
    int64_t wait_ms;            /* and its wait from now on. */
    struct agent_cool_clocks now;
};
void program_cools_take(struct program_cools *cools, const struct program_cool_news *news);

#endif
