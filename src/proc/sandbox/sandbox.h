/* sandbox.h: what a command with ORDER_SANDBOX may do, prepared here and entered by it.
 *
 * Promise    after sandbox_enter and sandbox_close_gate the calling thread, and whatever it starts,
 *            writes only below its folder and in `tmp` of the run's folder, sees nothing of what
 *            the order hides, has no capability, can't get any, and is refused the calls that
 *            filter.c lists. docs/sandbox.md says it in the words of users, and what it does not
 *            keep.
 * Ownership  sandbox_done ends the descriptors; the folder `tmp` stays until it is removed.
 * Failure    nothing may be started. ENOSYS, EOPNOTSUPP: this kernel has no landlock. The step is
 *            "sandbox"; "sandbox_cwd": the command's folder holds something hidden, or lies in it;
 *            "chdir": there is no such folder.
 */
#ifndef DROVER_PROC_SANDBOX_SANDBOX_H
#define DROVER_PROC_SANDBOX_SANDBOX_H

#include "base/base.h"
#include "base/err.h"
#include "proc/holder/order.h"
#include "proc/sandbox/filter.h"

struct sandbox {
    int abi;          /* Of landlock; 0: the order wants no sandbox. */
    int ruleset, cwd; /* Owned; -1: none. */
    struct filter filter;
};

/* `folder`: the run's. */
MUST_CHECK struct err sandbox_prepare(const struct order *order, int folder,
                                      struct sandbox *ret_sandbox);
void sandbox_done(struct sandbox *sandbox);

/* In the child, which shares our memory: nothing of ours is written to. -1: errno. Enter: goes to
 * the folder, too; `terminal`: the command's own, or -1. The gate comes last before execve. */
int sandbox_enter(const struct sandbox *sandbox, int terminal);
int sandbox_close_gate(const struct sandbox *sandbox);

#endif
