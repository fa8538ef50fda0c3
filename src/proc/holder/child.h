/* child.h: the main process of the command, the pipes or the terminal between us, and its cgroup.
 *
 * Promise    the child starts with the order's arguments, environment, folder and limits, default
 *            signals, an empty mask, a session of its own and no descriptor but 0, 1 and 2; or it
 *            did not start, and the error says at which step and why. With ORDER_PTY the terminal
 *            is its controlling one. Where the order names a place for a cgroup, the child is born
 *            in one of its own if that can be had: a process that is moved there afterwards waits
 *            for the whole machine, for some milliseconds at worst (measured; decisions/038).
 * Ownership  the descriptors are the caller's; -1 where there is none. Those of the group end with
 *            the program.
 * Failure    nothing runs and no descriptor is open. `step` is one of chdir, exec, pty, fork, pipe,
 *            sandbox.
 */
#ifndef DROVER_PROC_HOLDER_CHILD_H
#define DROVER_PROC_HOLDER_CHILD_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"
#include "proc/holder/order.h"

/* A cgroup for the command alone. Whatever clears its environment and forks twice is still in it,
 * also when this holder is dead; and one word ends all that is in it. It is a help and no
 * condition: without it, tree.h finds all that lives below a live holder. */
struct group {
    int place, folder; /* Where it is, and itself; -1: there is none. */
};
void group_make(struct group *group, const struct order *order);
void group_kill(const struct group *group); /* All that is in it. */
/* A group that is not empty stays, for the daemon. */
void group_remove(const struct group *group, const struct order *order);

struct child {
    pid_t pid;
    int in; /* Where its input goes; the terminal's other end with ORDER_PTY. */
    int out,
        err; /* Output of the command. With ORDER_PTY `out` is a second name of the terminal. */
    /* The command's end of the terminal, or -1. While we hold it, it has no end: a command
     * that closes its own on the way out would be hung up otherwise, before its exit code. To be
     * closed when the main process has ended. */
    int terminal;
};
struct sandbox;

/* All borrowed. */
struct child_plan {
    const struct order *order;
    const struct sandbox *sandbox; /* NULL: none. */
    const struct group *group;     /* Where it can't be born there, it is born beside us. */
};
MUST_CHECK struct err child_start(const struct child_plan *plan, struct child *ret_child);

/* An error is for those who start: later it is a wish, since the terminal may just be gone. */
struct err child_resize(int terminal, struct order_size size);

#endif
