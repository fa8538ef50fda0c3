/* again.h: a job from a stored spec: of a terminal, or of a job that has ended and is tried again.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_JOB_AGAIN_H
#define DROVER_ENGINE_JOB_AGAIN_H

#include "engine/run/runs.h"

struct job_again {
    const struct run_row *job; /* Borrowed: what the new run has of it; its id is not read. */
    const char *inside;        /* run_… inside of which the client is; "": outside (inside.h). */
    struct id run;
    struct run_bounds bounds;
};
/* A new run. ERR_CONFLICT: the spec is damaged. */
MUST_CHECK struct err tx_job_submit(struct tx *tx, const struct job_again *again,
                                    struct run_row *ret_row, struct why *why);
/* The same of a whole row that has ended, and is inside no other run: a further try of it. Input
 * that came while the job lived is not sent again. */
MUST_CHECK struct err tx_job_again(struct tx *tx, const struct job_again *again,
                                   struct run_row *ret_row, struct why *why);

#endif
