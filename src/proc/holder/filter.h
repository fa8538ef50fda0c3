/* filter.h: the system calls that a command in the sandbox is refused, as a program for the kernel.
 *
 * What landlock does not judge is judged here, by numbers and plain arguments: the kernel shows a
 * filter no memory, so neither paths nor addresses. The rows of filter.c are the whole list; what
 * is not in it is allowed, since the commands are anything.
 *
 * Promise    a call in a foreign numbering (another processor's, x32) ends the process; a refused
 *            one answers EPERM, or ENOSYS where programs know another way. Nothing that descends
 *            from the process gets rid of it.
 * Ownership  plain memory.
 */
#ifndef DROVER_PROC_HOLDER_FILTER_H
#define DROVER_PROC_HOLDER_FILTER_H

#include "base/base.h"

enum { FILTER_MAX = 512 };

/* As the kernel's struct sock_filter, whose header the C library of the holder doesn't bring. */
struct filter_step {
    uint16_t code;
    uint8_t yes, no;
    uint32_t value;
};
struct filter {
    uint16_t len;
    struct filter_step steps[FILTER_MAX];
};

/* `landlock_abi`: what an older one lets pass is refused here. */
void filter_make(struct filter *filter, int landlock_abi);
/* For this thread and what it starts, for ever; it must have given up new privileges. -1: errno. */
int filter_enter(const struct filter *filter);

#endif
