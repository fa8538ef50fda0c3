/* process.h: what /proc says of processes.
 *
 * Threads    one.
 */
#ifndef DROVER_BENCH_PROCESS_H
#define DROVER_BENCH_PROCESS_H

#include <sys/types.h>

#include "base/base.h"

struct process {
    pid_t pid, parent;
    char state, name[32];
    uint64_t own_ticks, childrens_ticks, start_time;
};
MUST_CHECK bool process_look(pid_t pid, struct process *ret_process);
void process_each(void (*each)(void *ctx, pid_t pid), void *ctx);

#endif
