/* folders.h: removal of the spool folders of a run that is gone from the database.
 *
 * Promise    no more than RUN_FOLDERS_MAX folders are looked for, and none outside the spool,
 *            whatever the run's row said: a damaged one may hold any number and any text.
 * Threads    any; the call blocks on the disk: in the pool.
 * Failure    the other folders are removed all the same. What stays has no row, which the
 *            dispatcher looks for once a day (retention.c).
 */
#ifndef DROVER_DISPATCH_RUN_FOLDERS_H
#define DROVER_DISPATCH_RUN_FOLDERS_H

#include "base/base.h"
#include "base/err.h"
#include "engine/job/spec.h"
#include "proc/spool/spool.h"
#include "rules/run/run.h"

/* Most attempts that a job can have: each that counts (the first, its retries, those that reboots
 * ended) may come after some of which nothing came, and after those that found no descriptor. Of a
 * row that says more, the rest stays for the daily round. */
enum {
    RUN_FOLDERS_MAX = (1 + JOB_RETRY_MAX + RUN_REBOOTS_MAX) * RUN_VOIDS_MAX + RUN_UNBEGUN_MAX,
};

struct run_folders {
    struct bytes run;    /* Borrowed. */
    int64_t first, last; /* Attempts. */
};
/* The error of the last folder that could not be removed. */
MUST_CHECK struct err run_folders_remove(const struct spool *spool,
                                         const struct run_folders *folders);

#endif
