/* brood.h: the processes in which a daemon's scripts run: the children of its zygote.
 *
 * Threads    one.
 */
#ifndef DROVER_BENCH_BROOD_H
#define DROVER_BENCH_BROOD_H

#include <sys/types.h>

#include "load.h"

/* Of the zygote and all workers, those that have ended as well. */
uint64_t brood_cpu_ns(pid_t daemon);
void load_brood(const struct load *load); /* How many there are, and their memory. */

#endif
