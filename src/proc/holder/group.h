/* group.h: a cgroup for the command alone, where the order names a place for it.
 *
 * Why        who clears its environment and forks twice is still in it, also when this holder is
 *            dead; and one word ends all that is in it. It is a help and no condition: where it
 *            can't be had, the command runs without (tree.h finds all that lives below a live
 *            holder).
 * Promise    the command is born in it: a process that is moved there afterwards waits for the
 *            whole machine, for some milliseconds at worst (measured; decisions/038).
 * Ownership  embedded; the descriptors end with the program.
 */
#ifndef DROVER_PROC_HOLDER_GROUP_H
#define DROVER_PROC_HOLDER_GROUP_H

#include "base/base.h"
#include "proc/holder/order.h"

struct group {
    int place, folder; /* Owned: where it is, and itself; -1: there is none. */
};
void group_make(struct group *group, const struct order *order);
void group_kill(const struct group *group); /* All that is in it. */
/* What is not empty stays, for the daemon. */
void group_remove(const struct group *group, const struct order *order);

/* Like fork, and the child is born in the group; the parent waits until it executes or ends. -1: it
 * can't be had, as an errno says. */
int group_fork(const struct group *group);

#endif
