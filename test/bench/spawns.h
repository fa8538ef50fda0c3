/* spawns.h: what starting a program costs without us: posix_spawn and waitpid, nothing between.
 *
 * Promise    always `outstanding` children, as a shell script with so many jobs would have.
 * Threads    one.
 */
#ifndef DROVER_BENCH_SPAWNS_H
#define DROVER_BENCH_SPAWNS_H

#include "base/base.h"

struct spawns {
    int64_t outstanding, milliseconds;
    const char *program; /* NULL: /bin/true. Else bench_stamp, alone: how long until it began. */
    const char *folder;  /* The file for its stamps. */
};
void measure_spawns(const struct spawns *spawns);

#endif
