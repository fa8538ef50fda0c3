/* jail.h: what a worker may do, which is next to nothing.
 *
 * A script reaches the system through the engine alone, and the engine is translated so that it
 * stays in its own memory. The jail is for the day on which that turns out to be wrong: a worker
 * that somebody took over has its socket, its memory, and a clock.
 *
 * Promise    after jail_enter the process has SCRIPT_FD and no other descriptor, nor room for one;
 *            no capability; no file that it could reach by a path (landlock, where the kernel has
 *            it); it makes no process; its memory and its CPU time have a limit that it can't
 *            raise; nobody of its user looks into it; and a system call that jail.c doesn't list
 *            kills it (SIGSYS).
 * Failure    the worker must not run. A kernel without seccomp filters fails jail_enter.
 */
#ifndef DROVER_SCRIPT_WORKER_JAIL_H
#define DROVER_SCRIPT_WORKER_JAIL_H

#include "base/base.h"
#include "base/err.h"
#include "proc/sandbox/confine.h"
#include "script/protocol.h"

enum { JAIL_FILES_MAX = 16 }; /* Numbers of descriptors in a zygote stay below. */

struct jail {
    struct filter filter; /* Of a worker. */
};

/* Once, in the zygote: what holds for it, too, and is inherited. */
MUST_CHECK struct err jail_prepare(struct jail *ret_jail);
/* In the fork, with its socket on SCRIPT_FD and no signal blocked. */
MUST_CHECK struct err jail_enter(const struct jail *jail, const struct script_birth *birth);

#endif
