/* tree.h: the processes of runs whose holders are dead, found and ended.
 *
 * How        every process of a run carries DROVER_RUN=RUN.ATTEMPT.NONCE in its environment;
 *            /proc/PID/environ tells. Descendants of such a process belong to it, too, whatever
 *            their environment says. A process is named by pid and start time and signalled through
 *            a pidfd whose start time was read after it was opened, so a recycled pid is never hit.
 * Promise    tree_end returns when nothing of the tree is left, or after its time: SIGTERM is not
 *            sent, since nobody is left who would collect the output; SIGKILL, and again for what
 *            was forked meanwhile, until two walks in a row find nothing. Many trees are ended
 *            by the same walks: a walk passes over everything that lives on the machine.
 *            Who cleared its environment and left all parents is found by cgroup alone (cgroups.h).
 * Threads    any; blocks for up to some seconds: in the pool.
 */
#ifndef DROVER_PROC_TREE_H
#define DROVER_PROC_TREE_H

#include "base/base.h"
#include "base/err.h"

struct tree_mark {
    const char *name, *nonce; /* RUN.ATTEMPT, and what the claim says; "" where nobody knows. */
};
struct tree_end {
    unsigned killed; /* Processes that were sent SIGKILL. */
    unsigned left;   /* Still there when the time was over. */
};
enum { TREE_MARKS_MAX = 64 };
/* An end for each mark. */
MUST_CHECK struct err tree_end(const struct tree_mark *marks, size_t count, unsigned wait_ms,
                               struct tree_end *ret_ends);
/* How many processes of each tree live, by one look; any number of marks. */
MUST_CHECK struct err tree_count(const struct tree_mark *marks, size_t count, unsigned *ret_counts);

/* Resources of a tree now, by one look. `cpu_us` has that of ended processes while the process of
 * the tree that waited for them lives. Memory that processes share is counted for each. */
struct tree_use {
    int64_t processes, cpu_us, memory;
};
MUST_CHECK struct err tree_measure(const struct tree_mark *mark, struct tree_use *ret_use);

/* SIGKILL to the process of that pid and start time, and to no other: the pidfd names it before its
 * start time is compared. Returns when it has ended, or after wait_ms; where it is gone already, at
 * once. */
void process_kill(int pid, uint64_t start_time, unsigned wait_ms);

/* What /proc/PID/stat says. False: no such process. */
struct process_stat {
    int parent;
    uint64_t start_time; /* Field 22. */
    bool alive;          /* Not a zombie. */
    bool kernel;         /* A thread of the kernel's own. */
};
MUST_CHECK bool process_stat(int pid, struct process_stat *ret_stat);
/* The same of a text that was read. False: it is none. */
MUST_CHECK bool process_stat_parse(struct bytes stat, struct process_stat *ret_stat);

#endif
