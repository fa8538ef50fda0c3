/* group.c: see group.h. */
#include "proc/holder/group.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* linux/sched.h's struct clone_args, which musl doesn't bring. */
struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};

static const uint64_t into_cgroup = UINT64_C(1) << 33;

/* One that is there already is of a holder of the same name that came to no claim. */
void group_make(struct group *group, const struct order *order) {
    *group = (struct group){-1, -1};
    if (order->cgroup == NULL) {
        return;
    }
    group->place = open(order->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group->place < 0 || (mkdirat(group->place, order->name, 0700) < 0 && errno != EEXIST)) {
        return;
    }
    group->folder =
        openat(group->place, order->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void group_kill(const struct group *group) {
    AUTO(fd_release)
    int kill = group->folder < 0 ? -1 : openat(group->folder, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (kill >= 0) {
        (void)write(kill, "1", 1); /* Before Linux 5.14 there is none; then the walk does it. */
    }
}

void group_remove(const struct group *group, const struct order *order) {
    if (group->folder >= 0) {
        (void)unlinkat(group->place, order->name, AT_REMOVEDIR); /* As group.h says. */
    }
}

int group_fork(const struct group *group) {
    if (group->folder < 0) {
        errno = ENOENT;
        return -1;
    }
    const struct clone_arguments arguments = {.flags = into_cgroup | CLONE_VFORK,
                                              .exit_signal = SIGCHLD,
                                              .cgroup = (uint64_t)group->folder};
    return (int)syscall(SYS_clone3, &arguments, sizeof arguments);
}
