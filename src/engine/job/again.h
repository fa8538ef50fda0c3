/* again.h: a job that has ended is tried again: a new run with the same spec.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_JOB_AGAIN_H
#define DROVER_ENGINE_JOB_AGAIN_H

#include "engine/run/runs.h"

struct job_again {
    const struct run_row *job; /* Borrowed: whole, ended, and inside no other run. */
    const char *inside;        /* run_… inside of which the client is; "": outside (inside.h). */
    struct id run;
    struct run_bounds bounds;
};
/* Input that came while the job lived is not sent again. ERR_CONFLICT: its spec is damaged. */
MUST_CHECK struct err tx_job_again(struct tx *tx, const struct job_again *again,
                                   struct run_row *ret_row, struct why *why);

#endif
