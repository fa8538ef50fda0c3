/* filter.c: see filter.h.
 *
 * Each row becomes a few steps: is it this call, does each condition hold, then the answer. A path
 * through it costs some hundred comparisons at worst, and the kernel remembers which calls are
 * allowed whatever their arguments are.
 *
 * Arguments are compared by their low 32 bits: where the kernel takes 32, the rest is ignored by it
 * too, and a filter that looked at them could be got around.
 */
#include "proc/holder/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "proc/landlock.h"

#if defined(__x86_64__)
enum { FOREIGN_BIT = 0x40000000 }; /* x32: the same processor by other numbers. */
#define PROCESSOR 0xC000003EU
#elif defined(__aarch64__)
enum { FOREIGN_BIT = 0 };
#define PROCESSOR 0xC00000B7U
#else
#error "the sandbox has no filter for this processor"
#endif

/* Newer than the C library; the same on every processor. */
enum {
    CALL_QUOTACTL_FD = 443,
    CALL_PROCESS_MRELEASE = 448,
    CALL_FCHMODAT2 = 452,
    CALL_OPEN_TREE_ATTR = 467
};

enum { LOAD = 0x20, AND = 0x54, IF_EQUAL = 0x15, IF_ANY_BIT = 0x45, RETURN = 0x06 };
enum { AT_NUMBER = 0, AT_PROCESSOR = 4, AT_ARGUMENTS = 16, ARGUMENT_SIZE = 8 };
#define ANSWER_KILL 0x80000000U
#define ANSWER_ERRNO 0x00050000U
#define ANSWER_ALLOW 0x7FFF0000U

enum { WHOLE = -1, CONDITIONS_MAX = 3 };
enum how { UNUSED, EQUAL, NOT_EQUAL, ANY_BIT };
struct condition {
    enum how how;
    unsigned char argument; /* From 0. */
    int mask;               /* What of it counts. */
    int value;              /* Not of ANY_BIT. */
};
/* Refused when all conditions hold; without any, always. */
struct row {
    int call, answer;
    struct condition conditions[CONDITIONS_MAX];
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

static const struct row rows[] = {
    /* Namespaces and mounts would show the hidden again under another name. */
    {SYS_mount, EPERM, {{0}}},
    {SYS_umount2, EPERM, {{0}}},
    {SYS_move_mount, EPERM, {{0}}},
    {SYS_fsopen, EPERM, {{0}}},
    {SYS_fsconfig, EPERM, {{0}}},
    {SYS_fsmount, EPERM, {{0}}},
    {SYS_fspick, EPERM, {{0}}},
    {SYS_open_tree, EPERM, {{0}}},
    {CALL_OPEN_TREE_ATTR, EPERM, {{0}}},
    {SYS_mount_setattr, EPERM, {{0}}},
    {SYS_pivot_root, EPERM, {{0}}},
    {SYS_chroot, EPERM, {{0}}},
    {SYS_setns, EPERM, {{0}}},
    {SYS_unshare, EPERM, {{ANY_BIT, 0, SPACES | SPACE_OF_TIME, 0}}},
    {SYS_clone, EPERM, {{ANY_BIT, 0, SPACES, 0}}},
    /* Its flags are in memory. The C library then uses clone. */
    {SYS_clone3, ENOSYS, {{0}}},
    {SYS_open_by_handle_at, EPERM, {{0}}},

    /* Other processes of the user. */
    {SYS_ptrace, EPERM, {{0}}},
    {SYS_process_vm_readv, EPERM, {{0}}},
    {SYS_process_vm_writev, EPERM, {{0}}},
    {SYS_process_madvise, EPERM, {{0}}},
    {CALL_PROCESS_MRELEASE, EPERM, {{0}}},
    {SYS_pidfd_getfd, EPERM, {{0}}},
    {SYS_kcmp, EPERM, {{0}}},
    {SYS_migrate_pages, EPERM, {{0}}},
    {SYS_move_pages, EPERM, {{0}}},
    {SYS_prlimit64, EPERM, {{ANY_BIT, 0, WHOLE, 0}}}, /* 0: the process itself. */

    /* Memory and queues that all processes of the user share by name or number. */
    {SYS_shmget, EPERM, {{0}}},
    {SYS_shmat, EPERM, {{0}}},
    {SYS_shmctl, EPERM, {{0}}},
    {SYS_semget, EPERM, {{0}}},
    {SYS_semctl, EPERM, {{0}}},
    {SYS_semop, EPERM, {{0}}},
    {SYS_semtimedop, EPERM, {{0}}},
    {SYS_msgget, EPERM, {{0}}},
    {SYS_msgctl, EPERM, {{0}}},
    {SYS_msgsnd, EPERM, {{0}}},
    {SYS_msgrcv, EPERM, {{0}}},
    {SYS_mq_open, EPERM, {{0}}},
    {SYS_mq_unlink, EPERM, {{0}}},
    {SYS_add_key, EPERM, {{0}}},
    {SYS_request_key, EPERM, {{0}}},
    {SYS_keyctl, EPERM, {{0}}},

    /* The kernel itself. */
    {SYS_bpf, EPERM, {{0}}},
    {SYS_perf_event_open, EPERM, {{0}}},
    {SYS_userfaultfd, EPERM, {{0}}},
    {SYS_init_module, EPERM, {{0}}},
    {SYS_finit_module, EPERM, {{0}}},
    {SYS_delete_module, EPERM, {{0}}},
    {SYS_kexec_load, EPERM, {{0}}},
    {SYS_kexec_file_load, EPERM, {{0}}},
    {SYS_reboot, EPERM, {{0}}},
    {SYS_swapon, EPERM, {{0}}},
    {SYS_swapoff, EPERM, {{0}}},
    {SYS_acct, EPERM, {{0}}},
    {SYS_quotactl, EPERM, {{0}}},
    {CALL_QUOTACTL_FD, EPERM, {{0}}},
    {SYS_syslog, EPERM, {{0}}},
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
     {{NOT_EQUAL, 0, WHOLE, AF_INET},
      {NOT_EQUAL, 0, WHOLE, AF_INET6},
      {NOT_EQUAL, 0, WHOLE, AF_NETLINK}}},
    {SYS_socket, EPERM, {{EQUAL, 0, WHOLE, AF_NETLINK}, {ANY_BIT, 2, WHOLE, 0}}},
    {SYS_socketpair,
     EPERM,
     {{NOT_EQUAL, 1, SOCKET_TYPE, SOCK_STREAM}, {NOT_EQUAL, 1, SOCKET_TYPE, SOCK_SEQPACKET}}},

    /* What is typed into a terminal by a program, is run by whoever reads there next. */
    {SYS_ioctl, EPERM, {{EQUAL, 1, WHOLE, TIOCSTI}}},
    {SYS_ioctl, EPERM, {{EQUAL, 1, WHOLE, TIOCLINUX}}},

    {SYS_fchmod, EPERM, {{ANY_BIT, 1, SET_ID, 0}}},
    {SYS_fchmodat, EPERM, {{ANY_BIT, 2, SET_ID, 0}}},
    {CALL_FCHMODAT2, EPERM, {{ANY_BIT, 2, SET_ID, 0}}},
    {SYS_mknodat, EPERM, {{ANY_BIT, 2, SET_ID, 0}}},
    {SYS_openat, EPERM, {{ANY_BIT, 2, MAKES, 0}, {ANY_BIT, 3, SET_ID, 0}}},
    {SYS_openat2, ENOSYS, {{0}}}, /* Its mode is in memory. */
};

/* Calls that newer processors never had. */
static const struct row old_rows[] = {
#ifdef SYS_open
    {SYS_open, EPERM, {{ANY_BIT, 1, MAKES, 0}, {ANY_BIT, 2, SET_ID, 0}}},
    {SYS_creat, EPERM, {{ANY_BIT, 1, SET_ID, 0}}},
    {SYS_chmod, EPERM, {{ANY_BIT, 1, SET_ID, 0}}},
    {SYS_mknod, EPERM, {{ANY_BIT, 1, SET_ID, 0}}},
    {SYS_iopl, EPERM, {{0}}},
    {SYS_ioperm, EPERM, {{0}}},
#endif
    {-1, 0, {{0}}}, /* So that it is never empty. */
};

/* A landlock that does not judge truncation yet. Besides by its own name, it comes with opening for
 * reading, or for neither reading nor writing (3): nobody means that. */
enum { OPENED_FOR = O_TRUNC | O_ACCMODE, FOR_NEITHER = 3 };
static const struct row truncate_rows[] = {
    {SYS_truncate, EPERM, {{0}}},
    {SYS_openat, EPERM, {{EQUAL, 2, OPENED_FOR, O_TRUNC}}},
    {SYS_openat, EPERM, {{EQUAL, 2, OPENED_FOR, O_TRUNC | FOR_NEITHER}}},
#ifdef SYS_open
    {SYS_open, EPERM, {{EQUAL, 1, OPENED_FOR, O_TRUNC}}},
    {SYS_open, EPERM, {{EQUAL, 1, OPENED_FOR, O_TRUNC | FOR_NEITHER}}},
#endif
};

/* --- Writing it ------------------------------------------------------------------------------- */

static struct filter_step *put(struct filter *filter, int code, uint32_t value) {
    assert(filter->len < FILTER_MAX);
    struct filter_step *step = &filter->steps[filter->len++];
    *step = (struct filter_step){.code = (uint16_t)code, .value = value};
    return step;
}

/* What does not hold goes on behind the row: the distance is known when the row is whole. */
struct exits {
    struct filter_step *steps[CONDITIONS_MAX];
    bool on_yes[CONDITIONS_MAX];
    size_t count;
};

static void put_condition(struct filter *filter, const struct condition *condition,
                          struct exits *exits) {
    put(filter, LOAD, AT_ARGUMENTS + ARGUMENT_SIZE * (uint32_t)condition->argument);
    if (condition->mask != WHOLE || condition->how == ANY_BIT) {
        put(filter, AND, (uint32_t)condition->mask);
    }
    bool any = condition->how == ANY_BIT;
    exits->steps[exits->count] = put(filter, IF_EQUAL, any ? 0U : (uint32_t)condition->value);
    exits->on_yes[exits->count++] = condition->how != EQUAL;
}

static void put_row(struct filter *filter, const struct row *row) {
    struct filter_step *other_call = put(filter, IF_EQUAL, (uint32_t)row->call);
    uint16_t begin = filter->len;
    struct exits exits = {.count = 0};
    for (size_t i = 0; i < CONDITIONS_MAX && row->conditions[i].how != UNUSED; i++) {
        put_condition(filter, &row->conditions[i], &exits);
    }
    put(filter, RETURN, ANSWER_ERRNO | (uint32_t)row->answer);
    for (size_t i = 0; i < exits.count; i++) {
        struct filter_step *step = exits.steps[i];
        ptrdiff_t distance = &filter->steps[filter->len] - step - 1;
        *(exits.on_yes[i] ? &step->yes : &step->no) = (uint8_t)distance;
    }
    if (exits.count > 0) {
        put(filter, LOAD, AT_NUMBER);
    }
    other_call->no = (uint8_t)(filter->len - begin);
}

static void put_rows(struct filter *filter, const struct row *at, size_t count) {
    for (size_t i = 0; i < count && at[i].call >= 0; i++) {
        put_row(filter, &at[i]);
    }
}

void filter_make(struct filter *filter, int landlock_abi) {
    filter->len = 0;
    put(filter, LOAD, AT_PROCESSOR);
    put(filter, IF_EQUAL, PROCESSOR)->yes = 1;
    put(filter, RETURN, ANSWER_KILL);
    put(filter, LOAD, AT_NUMBER);
    put(filter, IF_ANY_BIT, FOREIGN_BIT)->no = 1;
    put(filter, RETURN, ANSWER_KILL);
    put_rows(filter, rows, COUNT_OF(rows));
    put_rows(filter, old_rows, COUNT_OF(old_rows));
    if (landlock_abi < LANDLOCK_ABI_TRUNCATE) {
        put_rows(filter, truncate_rows, COUNT_OF(truncate_rows));
    }
    put(filter, RETURN, ANSWER_ALLOW);
}

int filter_enter(const struct filter *filter) {
    enum { MODE_FILTER = 2 };
    const struct {
        unsigned short len;
        const struct filter_step *steps;
    } program = {filter->len, filter->steps};
    return prctl(PR_SET_SECCOMP, MODE_FILTER, &program);
}
