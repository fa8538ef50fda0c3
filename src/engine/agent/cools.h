/* cools.h: agents that cool down, as rows: until when, and which failure of the provider caused it
 * (the rule is rules/agent/cool.h). An agent is known by its name; like its definition, the row
 * belongs to the daemon, to no owner.
 *
 * Promise    a cool-down outlives the daemon. A row stays until it is cleared, or until its end
 *            has passed for so long that nobody waits for it any more.
 * Bounds     AGENT_COOLS_MAX rows: those that end first make room.
 * Ownership  texts are borrowed: for the call, or from the transaction's arena.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_AGENT_COOLS_H
#define DROVER_ENGINE_AGENT_COOLS_H

#include "base/base.h"
#include "base/err.h"
#include "rules/agent/cool.h"
#include "store/store.h"

enum { AGENT_COOLS_MAX = 256 };

struct agent_cool_row {
    struct bytes agent;
    struct agent_cool_stored cool;
};

/* In place of an earlier one. `until_ms`: by the wall clock. */
MUST_CHECK struct err tx_agent_cool_set(struct tx *tx, struct bytes agent, int64_t until_ms,
                                        enum agent_outcome outcome);
MUST_CHECK struct err tx_agent_cool_clear(struct tx *tx,
                                          struct bytes agent); /* Or there is none. */
/* Also those whose end has passed, less than AGENT_WAIT_MAX_MS ago. The last end comes first. */
MUST_CHECK struct err tx_agent_cools(
    struct tx *tx, struct err (*each)(void *ctx, const struct agent_cool_row *row), void *ctx);
/* False: the agent does not cool down at that time. */
MUST_CHECK struct err tx_agent_cool_find(struct tx *tx, struct bytes agent, int64_t now_ms,
                                         bool *ret_found, struct agent_cool_stored *ret_cool);

#endif
