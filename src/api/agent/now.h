/* now.h: the present work of agents, as rows of the store have it: beside their definitions,
 * which are read in the pool.
 *
 * Ownership  embedded, zeroed at first: agents_now_done frees its rows.
 * Threads    one at a time: filled inside a store function, read in the pool.
 */
#ifndef DROVER_API_AGENT_NOW_H
#define DROVER_API_AGENT_NOW_H

#include "agent/rows.h"
#include "rules/agent/resource.h"
#include "store/store.h"

struct agents_now_row;
struct agents_now {
    struct agents_now_row *rows; /* Owned. */
    size_t count, size;
};
/* `agent`: only whether that one cools down is read; "": of all. What `owner` has asked of agents
 * is counted for all of them. */
MUST_CHECK struct err tx_agents_now(struct tx *tx, struct bytes owner, struct bytes agent,
                                    struct agents_now *now);
/* Fills in the members of an agent that tell of it. */
void agents_now_show(const struct agents_now *now, struct agent_shown *io_shown);
void agents_now_done(struct agents_now *now);

#endif
