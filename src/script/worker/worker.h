/* worker.h: runs of workflow scripts, one after the other, in a process of their own.
 *
 * Promise    worker_boot() starts the engine and reads our part of the language, so that forks of
 *            the process share those pages. worker_run() lives the whole life of one run over the
 *            socket `fd`, and of others if the host wants that, and never returns: it ends the
 *            process with a script_exit of protocol.h. Nothing of a run is left for the next.
 *            After worker_boot() only these system calls are made: read, write, mmap, mremap,
 *            munmap, madvise, mprotect, brk, clock_gettime, exit, exit_group.
 * Ownership  the worker is one per process and is never freed; the descriptor becomes its own.
 * Threads    none, neither before nor after.
 * Failure    worker_boot() is NULL when memory or stack cannot be had.
 */
#ifndef DROVER_SCRIPT_WORKER_WORKER_H
#define DROVER_SCRIPT_WORKER_WORKER_H

#include <stdnoreturn.h>

#include "base/base.h"

struct worker;

/* Grows the soft limit of the stack (RLIMIT_STACK) to 64 MB: call it before any jail. */
MUST_CHECK struct worker *worker_boot(void);

noreturn void worker_run(struct worker *worker, int fd);

#endif
