/* filter.h: the system calls that a command in the sandbox is refused, as a program for the kernel.
 *
 * What landlock does not judge is judged here, by numbers and plain arguments: the kernel shows a
 * filter no memory, so neither paths nor addresses. The rows of filter.c are the whole list; what
 * is not in it is allowed, since the commands are anything.
 *
 * Promise    a refused call answers EPERM, or ENOSYS where programs know another way. The rest is
 *            call_filter.h's.
 */
#ifndef DROVER_PROC_SANDBOX_FILTER_H
#define DROVER_PROC_SANDBOX_FILTER_H

#include "proc/sandbox/call_filter.h"

/* `landlock_abi`: what an older one lets pass is refused here. */
void filter_make(struct filter *filter, int landlock_abi);

#endif
