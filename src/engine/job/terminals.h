/* terminals.h: starts and the end of terminals. Lists and names are those of every resource
 * (engine/base/resource.h).
 *
 * Promise    row and job change in one commit. A terminal has at most one job that has not ended.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_JOB_TERMINALS_H
#define DROVER_ENGINE_JOB_TERMINALS_H

#include "engine/base/resource.h"
#include "engine/run/runs.h"
#include "rules/job/terminal.h"

enum { TERMINAL_GRACE_MS = 1000 }; /* An interactive shell ignores SIGTERM. */

struct terminal_start {
    struct bytes run; /* Id of the job. Borrowed, as long as the row. */
    struct run_bounds bounds;
};
/* Makes the row, and starts it. ERR_TOO_MANY: TERMINALS_MAX. */
MUST_CHECK struct err tx_terminal_open(struct tx *tx, const struct terminal_start *start,
                                       struct terminal *io_row, struct why *why);
/* ERR_NOT_FOUND. ERR_RUN_ALIVE: its job has not ended. */
MUST_CHECK struct err tx_terminal_restart(struct tx *tx, const struct resource_key *key,
                                          const struct terminal_start *start,
                                          struct terminal *ret_row, struct why *why);
/* Removes the row, and asks its job to end. ERR_NOT_FOUND. */
MUST_CHECK struct err tx_terminal_close(struct tx *tx, const struct resource_key *key,
                                        const struct run_bounds *bounds);

#endif
