/* worktree_job.h: what git is asked for, about the working trees of agents.
 *
 * Promise    pure: a job's spec from paths, and from what that job wrote the line that says what
 *            went wrong. In the pool or on the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_WORKTREE_JOB_H
#define DROVER_DISPATCH_WORKFLOW_WORKTREE_JOB_H

#include "base/text.h"
#include "proc/spool/spool.h"

enum place_job { PLACE_ADD, PLACE_REMOVE, PLACE_WIPE /* What is left of half a one. */ };
struct place_git {
    const char *top, *from, *path;
    const char *repository; /* "": as what stands in the trees says. */
    bool sandbox;
};
MUST_CHECK bool place__write_job(const struct place_git *git, enum place_job job,
                                 struct text *text);
const char *place__label(enum place_job job);
/* The line of what it wrote that says what went wrong. */
void place__read_fault(const struct spool *spool, const char *name, struct text *text);

#endif
