/* processes.h: what a daemon has of the processes of its host, whatever its role: their folders,
 * the link to their holders, and their cgroups.
 *
 * Ownership  embedded; what the caller takes out of it (holders, when it closes them earlier) it
 *            sets to NULL. Options are borrowed for life.
 * Threads    the loop; processes_open blocks on the disk.
 * Failure    ended by processes_done all the same.
 */
#ifndef DROVER_MAIN_PROCESSES_H
#define DROVER_MAIN_PROCESSES_H

#include "base/base.h"
#include "base/err.h"
#include "cli/system/serve_options.h"
#include "loop/loop.h"
#include "main/place.h"
#include "proc/cgroups.h"
#include "proc/holder.h"
#include "proc/spool/spool.h"

struct processes {
    char *data_dir; /* Owned, as are all pointers below. Absolute, without links. */
    struct place_name host;
    char *host_name; /* For people. */
    struct spool *spool;
    struct holders *holders;
    struct cgroups *cgroups;
    struct why no_cgroups; /* Why commands get none; "": they do. */
    /* Set before processes_open: a child that is no holder ended. NULL: nobody asks. */
    void (*child_ended)(void *ctx, int pid, int status);
    void *ctx;
};

/* `processes` is zeroed, but for child_ended. */
MUST_CHECK struct err processes_open(const struct serve_options *serve, struct loop *loop,
                                     struct processes *processes);
/* After whoever uses it. The loop must turn again, or end. */
void processes_done(struct processes *processes);

#endif
