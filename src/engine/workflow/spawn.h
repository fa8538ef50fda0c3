/* spawn.h: a workflow that a session starts, by a tool of its turn.
 *
 * It is no run below the turn: it goes on when that has ended, is charged to the budgets of the
 * session, and its end is told to the session by the inbox, as that of a subagent is.
 *
 * Threads    inside a store function, the one that ends the card. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_WORKFLOW_SPAWN_H
#define DROVER_ENGINE_WORKFLOW_SPAWN_H

#include "base/base.h"
#include "base/err.h"
#include "engine/turn/subagents.h"
#include "engine/workflow/workflows.h"

enum { WORKFLOWS_OPEN_MAX = 16 }; /* That have not ended, of one session. */

/* ERR_CONFLICT, ERR_NOT_FOUND: nothing was written, and `why` says it to the model. */
MUST_CHECK struct err tx_workflow_spawn(struct tx *tx, const struct turn_seat *seat,
                                        const struct workflow_new *what, struct run_row *ret_row,
                                        struct why *why);

#endif
