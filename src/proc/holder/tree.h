/* tree.h: all processes of the command, found by descent from us.
 *
 * How        we are the reaper of orphans, so whoever forked twice and changed session is still our
 *            descendant. /proc/PID/task/TID/children names the children of each thread; the walk
 *            begins with us. The walk is no atomic snapshot, so it is repeated: a process that
 *            forks where the walk has passed is found in the next round. Only waitpid (ECHILD)
 *            proves that none is left.
 * Promise    a recycled pid is never signalled. The pid of a child of ours cannot be recycled
 *            before we reap it; any other process is signalled through a pidfd, after its parent
 *            was read again once the pidfd was open.
 *
 * Cgroups    where the command has one (child.h) it is killed as well; the rounds are needed where
 *            it has none, and for processes that left it.
 */
#ifndef DROVER_PROC_HOLDER_TREE_H
#define DROVER_PROC_HOLDER_TREE_H

#include <sys/types.h>

#include "base/base.h"

enum { TREE_MAX = 32768 }; /* More are found as soon as these have ended. */

struct tree_member {
    pid_t pid, parent;
};

struct tree {
    pid_t self;
    size_t count;
    struct tree_member members[TREE_MAX]; /* Touched as far as it is used. */
};

/* A number of /proc/PID/stat, by the number of its field (from 4). 0: there is none. */
int64_t tree_stat_number(const char *stat, unsigned field);

void tree_walk(struct tree *tree);
/* To each of the last walk that is still there. */
void tree_signal(const struct tree *tree, int number);

/* From now on we run as soon as we can run, if we may, and are never late where nothing else keeps
 * a fork bomb small. Children don't inherit it. */
void tree_hurry(void);

#endif
