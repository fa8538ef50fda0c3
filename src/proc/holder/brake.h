/* brake.h: what keeps a fork bomb from winning the race against its keeper.
 *
 * Why        The limit on processes is kept by counting, some ten times a second, and by SIGKILL in
 *            rounds. A bomb doubles within a millisecond, and thousands of its processes hold one
 *            another up in the kernel, even dying: once it is large, it takes minutes. So it must
 *            stay small until it is counted. A user's bomb is held by RLIMIT_NPROC; where that does
 *            not bind (root), we are let run before everybody else, and are never late.
 * Failure    none: a brake that can't be had is done without.
 */
#ifndef DROVER_PROC_HOLDER_BRAKE_H
#define DROVER_PROC_HOLDER_BRAKE_H

#include <sys/types.h>

#include "base/base.h"

/* The soft RLIMIT_NPROC for a tree of that many processes. It counts the threads of everything that
 * the user runs, so those of now are added, and room for threads. 0: it would not bind. */
int64_t brake_tasks(int64_t processes_max);

/* From now on we run as soon as we can run. Children don't inherit it. */
void brake_hurry(void);

#endif
