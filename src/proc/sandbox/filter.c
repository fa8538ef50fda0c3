/* filter.c: the system calls that a command in the sandbox is refused.
 *
 * What landlock does not judge is judged here, by numbers and plain arguments. The tables are the
 * whole list; what is not in them is allowed, since the commands are anything. A refused call
 * answers EPERM, or ENOSYS where programs know another way.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "proc/sandbox/sandbox.h"

/* Newer than the C library; the same on every processor. */
enum {
    CALL_QUOTACTL_FD = 443,
    CALL_PROCESS_MRELEASE = 448,
    CALL_FCHMODAT2 = 452,
    CALL_OPEN_TREE_ATTR = 467
};

/* Bits that make a file run as its owner: a command that cannot have other rights itself could hand
 * them to whoever runs the file later. Of open they only count where it makes a file; without that,
 * the mode is whatever stands in the register. */
enum { SET_ID = S_ISUID | S_ISGID, MAKES = O_CREAT | (O_TMPFILE & ~O_DIRECTORY) };
enum {
    SPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
             CLONE_NEWPID | CLONE_NEWNET,
    SPACE_OF_TIME = 0x80, /* Of unshare alone: clone has the exit signal there. */
    SOCKET_TYPE = 0xF,
};

/* Refused whatever their arguments are. */
static const int refused[] = {
    /* Namespaces and mounts would show the hidden again under another name. */
    SYS_mount, SYS_umount2, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
    SYS_open_tree, CALL_OPEN_TREE_ATTR, SYS_mount_setattr, SYS_pivot_root, SYS_chroot, SYS_setns,
    SYS_open_by_handle_at,
    /* Other processes of the user. */
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise,
    CALL_PROCESS_MRELEASE, SYS_pidfd_getfd, SYS_kcmp, SYS_migrate_pages, SYS_move_pages,
    /* Memory and queues that all processes of the user share by name or number. */
    SYS_shmget, SYS_shmat, SYS_shmctl, SYS_semget, SYS_semctl, SYS_semop, SYS_semtimedop,
    SYS_msgget, SYS_msgctl, SYS_msgsnd, SYS_msgrcv, SYS_mq_open, SYS_mq_unlink, SYS_add_key,
    SYS_request_key, SYS_keyctl,
    /* The kernel itself. */
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_init_module, SYS_finit_module,
    SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load, SYS_reboot, SYS_swapon, SYS_swapoff,
    SYS_acct, SYS_quotactl, CALL_QUOTACTL_FD, SYS_syslog};

static const struct filter_row rows[] = {
    /* New namespaces. */
    {SYS_unshare, EPERM, {{FILTER_ANY_BIT, 0, SPACES | SPACE_OF_TIME, 0}}},
    {SYS_clone, EPERM, {{FILTER_ANY_BIT, 0, SPACES, 0}}},
    /* Its flags are in memory. The C library then uses clone. */
    {SYS_clone3, ENOSYS, {{0}}},

    /* Other processes; 0 is the process itself. */
    {SYS_prlimit64, EPERM, {{FILTER_ANY_BIT, 0, FILTER_WHOLE, 0}}},
    /* Its requests are in memory, so it would do all that is refused here. */
    {SYS_io_uring_setup, ENOSYS, {{0}}},
    {SYS_io_uring_enter, ENOSYS, {{0}}},
    {SYS_io_uring_register, ENOSYS, {{0}}},

    /* Sockets: the internet's, and the kernel's answers about routes. Above all no Unix sockets: an
     * address is in memory, so one that leads out (to drover, to other holders, to a service
     * manager, to a terminal's server) can't be told from a harmless one. A connected pair is
     * harmless, but not one that can still be sent elsewhere. */
    {SYS_socket,
     EPERM,
     {{FILTER_NOT_EQUAL, 0, FILTER_WHOLE, AF_INET},
      {FILTER_NOT_EQUAL, 0, FILTER_WHOLE, AF_INET6},
      {FILTER_NOT_EQUAL, 0, FILTER_WHOLE, AF_NETLINK}}},
    {SYS_socket,
     EPERM,
     {{FILTER_EQUAL, 0, FILTER_WHOLE, AF_NETLINK}, {FILTER_ANY_BIT, 2, FILTER_WHOLE, 0}}},
    {SYS_socketpair,
     EPERM,
     {{FILTER_NOT_EQUAL, 1, SOCKET_TYPE, SOCK_STREAM},
      {FILTER_NOT_EQUAL, 1, SOCKET_TYPE, SOCK_SEQPACKET}}},

    /* What is typed into a terminal by a program, is run by whoever reads there next. */
    {SYS_ioctl, EPERM, {{FILTER_EQUAL, 1, FILTER_WHOLE, TIOCSTI}}},
    {SYS_ioctl, EPERM, {{FILTER_EQUAL, 1, FILTER_WHOLE, TIOCLINUX}}},

    {SYS_fchmod, EPERM, {{FILTER_ANY_BIT, 1, SET_ID, 0}}},
    {SYS_fchmodat, EPERM, {{FILTER_ANY_BIT, 2, SET_ID, 0}}},
    {CALL_FCHMODAT2, EPERM, {{FILTER_ANY_BIT, 2, SET_ID, 0}}},
    {SYS_mknodat, EPERM, {{FILTER_ANY_BIT, 2, SET_ID, 0}}},
    {SYS_openat, EPERM, {{FILTER_ANY_BIT, 2, MAKES, 0}, {FILTER_ANY_BIT, 3, SET_ID, 0}}},
    {SYS_openat2, ENOSYS, {{0}}}, /* Its mode is in memory. */
};

/* Calls that newer processors never had. */
static const struct filter_row old_rows[] = {
#ifdef SYS_open
    {SYS_open, EPERM, {{FILTER_ANY_BIT, 1, MAKES, 0}, {FILTER_ANY_BIT, 2, SET_ID, 0}}},
    {SYS_creat, EPERM, {{FILTER_ANY_BIT, 1, SET_ID, 0}}},
    {SYS_chmod, EPERM, {{FILTER_ANY_BIT, 1, SET_ID, 0}}},
    {SYS_mknod, EPERM, {{FILTER_ANY_BIT, 1, SET_ID, 0}}},
    {SYS_iopl, EPERM, {{0}}},
    {SYS_ioperm, EPERM, {{0}}},
#endif
    {-1, 0, {{0}}}, /* So that it is never empty. */
};

/* A landlock that does not judge truncation yet. Besides by its own name, it comes with opening for
 * reading, or for neither reading nor writing (3): nobody means that. */
enum { OPENED_FOR = O_TRUNC | O_ACCMODE, FOR_NEITHER = 3 };
static const struct filter_row truncate_rows[] = {
    {SYS_truncate, EPERM, {{0}}},
    {SYS_openat, EPERM, {{FILTER_EQUAL, 2, OPENED_FOR, O_TRUNC}}},
    {SYS_openat, EPERM, {{FILTER_EQUAL, 2, OPENED_FOR, O_TRUNC | FOR_NEITHER}}},
#ifdef SYS_open
    {SYS_open, EPERM, {{FILTER_EQUAL, 1, OPENED_FOR, O_TRUNC}}},
    {SYS_open, EPERM, {{FILTER_EQUAL, 1, OPENED_FOR, O_TRUNC | FOR_NEITHER}}},
#endif
};

void filter_make(struct filter *filter, int landlock_abi) {
    call_filter_begin(filter);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        call_filter_add(filter, &(struct filter_row){refused[i], EPERM, {{0}}}, 1);
    }
    call_filter_add(filter, rows, COUNT_OF(rows));
    call_filter_add(filter, old_rows, COUNT_OF(old_rows));
    if (landlock_abi < LANDLOCK_ABI_TRUNCATE) {
        call_filter_add(filter, truncate_rows, COUNT_OF(truncate_rows));
    }
    call_filter_end(filter, FILTER_REST_ALLOWED);
}
