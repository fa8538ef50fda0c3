/* sandbox.h: the rights of a sandboxed command, prepared by the holder and entered by the command.
 *
 * Promise    after sandbox_enter and sandbox_close_gate the calling thread, and whatever it starts,
 *            writes only below its folder, in `tmp` of the run's folder and in the folders of the
 *            plan, sees nothing of what the plan hides, has no capability, can't get any, and is
 *            refused the calls that filter.c lists. docs/sandbox.md says it in the words of users,
 *            and what it does not keep.
 * Limits     a hidden file is known by device and inode. A second mount of a hidden folder is
 *            recognised where its root is hidden or stands above; one whose root lies below, or
 *            that stands somewhere inside a granted folder, shows what it shows. Nobody without
 *            rights over mounts makes one; see decisions/021.
 * Ownership  sandbox_done ends the descriptors; the folder `tmp` stays until it is removed.
 * Failure    nothing may be started. ENOSYS, EOPNOTSUPP: this kernel has no landlock. The step is
 *            "sandbox"; "sandbox_cwd": the command's folder holds something hidden, or lies in it;
 *            "chdir": there is no such folder.
 */
#ifndef DROVER_PROC_SANDBOX_SANDBOX_H
#define DROVER_PROC_SANDBOX_SANDBOX_H

#include "base/base.h"
#include "base/err.h"
#include "proc/sandbox/confine.h"

/* All borrowed; all paths are absolute. */
struct sandbox_plan {
    int folder; /* The run's. */
    const char *cwd;
    const char *const *hide;  /* Files and folders out of sight; none is a link. */
    const char *const *write; /* Folders to write in, beside `cwd`. */
    size_t hide_count, write_count;
};
struct sandbox {
    int abi;          /* Of landlock; 0: there is no sandbox. */
    int ruleset, cwd; /* Owned; -1: none. */
    struct filter filter;
};
MUST_CHECK struct err sandbox_prepare(const struct sandbox_plan *plan, struct sandbox *ret_sandbox);
void sandbox_done(struct sandbox *sandbox);

/* In the child, which shares our memory: nothing of ours is written to. -1: errno. Enter: goes to
 * the folder, too; `terminal`: the command's own, or -1. The gate comes last before execve. */
int sandbox_enter(const struct sandbox *sandbox, int terminal);
int sandbox_close_gate(const struct sandbox *sandbox);

/* filter.c. `landlock_abi`: what an older one lets pass is refused here. */
void filter_make(struct filter *filter, int landlock_abi);

#endif
