/* inside.h: whether a process belongs to a run of this data directory, and to which one.
 *
 * How        the nearest holder among the ancestors of the process decides: a holder is known by
 *            the lock of its folder, which it keeps open, and by the pid and the start time in its
 *            claim. Where no holder is left among them, the mark DROVER_RUN in the environment of
 *            the process or of an ancestor decides, if its nonce is that of the claim; at last the
 *            cgroup of the process, whose leaf is named after the attempt. So a process that forked
 *            twice, or began a session of its own, is found below its holder, which adopts it; and
 *            below a holder that was killed by its mark, or by its cgroup if it cleared its
 *            environment, too.
 * Promise    a process that cannot be followed to its end is INSIDE_UNKNOWN, never outside: it is
 *            gone, its ancestors change faster than they are read, or they are too many; so is one
 *            below a holder whose folder was removed, since no claim names that holder any more. A
 *            mark, a name or a cgroup of another data directory is nobody's.
 * Limits     a hostile program of the same user can ask a process outside to act for it (tmux, at,
 *            a daemon of its own that was there before), or signal the daemon: this stops accidents
 *            and injected instructions, not an attacker (SECURITY.md).
 * Threads    any; blocks on /proc and on the disk: in the pool.
 */
#ifndef DROVER_PROC_INSIDE_H
#define DROVER_PROC_INSIDE_H

#include "base/base.h"
#include "base/id.h"
#include "proc/spool/spool.h"

struct inside_place {
    const struct spool *spool; /* Borrowed. */
    const char *proc;          /* "/proc"; tests have one of their own. */
    int self;                  /* Pid of the daemon: its own ancestors concern nobody. */
};

enum inside_found { INSIDE_NO, INSIDE_RUN, INSIDE_UNKNOWN };
/* *ret_run is written for INSIDE_RUN only. */
enum inside_found inside_find(const struct inside_place *place, int pid, struct id *ret_run);

#endif
