/* agents.h: definitions of agents that somebody has stored, as rows.
 *
 * Promise    like a connection to a provider, a definition belongs to the daemon, not to an owner:
 *            it names a program that runs as the user of the daemon. So admins change them, and
 *            a client that may read sees them. A row holds no secret: `env` refers to those.
 * Ownership  texts are borrowed: by the caller's call, or from the cursor.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_AGENT_AGENTS_H
#define DROVER_ENGINE_AGENT_AGENTS_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum { AGENT_ROWS_STORED_MAX = 200 };

struct agent_row {
    struct bytes name, definition; /* JSON that agent_definition_read takes. */
    int64_t made_ms, changed_ms;
};

/* All of them, by their names. */
MUST_CHECK struct err tx_agent_each(struct tx *tx,
                                    struct err (*each)(void *ctx, const struct agent_row *row),
                                    void *ctx);
/* ERR_CONFLICT: there is one of that name. ERR_TOO_MANY: AGENT_ROWS_STORED_MAX are there. */
MUST_CHECK struct err tx_agent_add(struct tx *tx, const struct agent_row *row);
/* Adds the row, or takes the place of the one of that name, whose made_ms stays. */
MUST_CHECK struct err tx_agent_put(struct tx *tx, const struct agent_row *row);
MUST_CHECK struct err tx_agent_remove(struct tx *tx, struct bytes name, bool *ret_found);

#endif
