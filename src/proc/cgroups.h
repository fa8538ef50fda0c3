/* cgroups.h: cgroups for commands, one each, where this system lets us make any.
 *
 * How        below the daemon's own cgroup (version 2) lies one for the data directory,
 *            drover-HASH, and in it a leaf for each attempt, RUN.ATTEMPT, made and removed by its
 *            holder (proc/holder/child.h). No controller is asked for, so nothing is limited by it
 *            and processes may stay where they are. Where the daemon stood before is kept in
 *            DIR/cgroups, a path a line, so that what an older one left is found.
 * Promise    a leaf is ended whole, whoever its processes say that they are. Where none can be
 *            made, everything works without: trees are found by mark and descent (tree.h).
 * Threads    any, but for cgroups_open, which is for the start. All block, on the kernel.
 */
#ifndef DROVER_PROC_CGROUPS_H
#define DROVER_PROC_CGROUPS_H

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"

enum { CGROUP_PATH_MAX = 1024 };

/* Pure: our own cgroup as a folder, from /proc/self/cgroup and /proc/self/mountinfo. NULL: it is in
 * ret_path; else why there is none, as a sentence. */
const char *cgroup_find(const char *cgroup, const char *mounts, char ret_path[CGROUP_PATH_MAX]);

/* Whether one can be made here, and where, or why not; for people. Leaves nothing behind. */
bool cgroups_probe(struct why *ret_text);

struct cgroups;
enum cgroups_use { CGROUPS_AUTO, CGROUPS_OFF }; /* OFF: only what older daemons left is seen to. */
/* Removes what is empty of older daemons. NULL where there are none, and were none; ret_why says
 * why where new commands get none. */
struct cgroups *cgroups_open(const struct world *world, const char *data_dir, enum cgroups_use use,
                             struct why *ret_why);
/* Ours goes where no command lives on. NULL is allowed. */
void cgroups_free(struct cgroups *cgroups);
/* Where new leaves go; NULL: nowhere. */
const char *cgroups_path(const struct cgroups *cgroups);
/* What all who were ever in it took of the processors; -1: nobody knows. Before its end. */
int64_t cgroups_cpu_us(const struct cgroups *cgroups, const char *name);
/* Ends all that is in the leaf of an attempt, and removes it. How many live when the time is over.
 */
unsigned cgroups_end(const struct cgroups *cgroups, const char *name, unsigned wait_ms);

#endif
