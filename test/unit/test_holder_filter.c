/* The filter of the sandbox: read step by step as the kernel does, and given to the kernel. */
/* links: base, src/proc/sandbox/filter.c, src/proc/sandbox/confine.c */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/base.h"
#include "proc/sandbox/sandbox.h"

#if defined(__x86_64__)
#define HERE AUDIT_ARCH_X86_64
#define FOREIGN AUDIT_ARCH_I386
enum {
    OLD_CALLS = true, /* Those that newer processors never had. */
    OLD_OPEN = SYS_open,
    OLD_CREAT = SYS_creat,
    OLD_CHMOD = SYS_chmod,
    OLD_MKNOD = SYS_mknod,
    X32_BIT = 0x40000000,
};
#else
#define HERE AUDIT_ARCH_AARCH64
#define FOREIGN AUDIT_ARCH_ARM
enum {
    OLD_CALLS = false,
    OLD_OPEN = -1,
    OLD_CREAT = -1,
    OLD_CHMOD = -1,
    OLD_MKNOD = -1,
    X32_BIT = 0
};
#endif

enum { NEW_ABI = 7, OLD_ABI = 2, HIGH = 1 };
#define ALLOWED SECCOMP_RET_ALLOW
#define KILLED SECCOMP_RET_KILL_PROCESS
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define UNKNOWN (SECCOMP_RET_ERRNO | ENOSYS)

/* --- Read here -------------------------------------------------------------------------------- */

/* What the kernel does with the program, for the steps that it may have. */
static uint32_t run(const struct filter *filter, const struct seccomp_data *data) {
    uint32_t value = 0;
    for (size_t at = 0; at < filter->len; at++) {
        const struct filter_step *step = &filter->steps[at];
        bool yes;
        switch (step->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_true(step->value + sizeof value <= sizeof *data);
            memcpy(&value, (const char *)data + step->value, sizeof value);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            value &= step->value;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JSET | BPF_K:
            yes = step->code == (BPF_JMP | BPF_JEQ | BPF_K) ? value == step->value
                                                            : (value & step->value) != 0;
            at += yes ? step->yes : step->no;
            break;
        case BPF_RET | BPF_K:
            return step->value;
        default:
            fail_msg("a step of another kind: %x", step->code);
        }
    }
    fail_msg("the program has no end");
    return 0;
}

struct call {
    int number;
    uint64_t arguments[4];
};

static uint32_t answer(int abi, struct call call) {
    static struct filter filter;
    filter_make(&filter, abi);
    struct seccomp_data data = {.nr = call.number, .arch = HERE};
    memcpy(data.args, call.arguments, sizeof call.arguments);
    return run(&filter, &data);
}

static void expect(uint32_t expected, struct call call) {
    uint32_t found = answer(NEW_ABI, call);
    if (found != expected) {
        fail_msg("call %d (%llx, %llx, %llx, %llx): %x and not %x", call.number,
                 (unsigned long long)call.arguments[0], (unsigned long long)call.arguments[1],
                 (unsigned long long)call.arguments[2], (unsigned long long)call.arguments[3],
                 found, expected);
    }
}

static void calls_that_lead_out_are_refused_whatever_they_say(void **state) {
    (void)state;
    static const int calls[] = {
        SYS_mount,
        SYS_umount2,
        SYS_move_mount,
        SYS_fsopen,
        SYS_fsconfig,
        SYS_fsmount,
        SYS_fspick,
        SYS_open_tree,
        467 /* open_tree_attr */,
        SYS_mount_setattr,
        SYS_pivot_root,
        SYS_chroot,
        SYS_setns,
        SYS_open_by_handle_at,
        SYS_ptrace,
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_process_madvise,
        448 /* process_mrelease */,
        SYS_pidfd_getfd,
        SYS_kcmp,
        SYS_migrate_pages,
        SYS_move_pages,
        SYS_shmget,
        SYS_shmat,
        SYS_shmctl,
        SYS_semget,
        SYS_semctl,
        SYS_semop,
        SYS_semtimedop,
        SYS_msgget,
        SYS_msgctl,
        SYS_msgsnd,
        SYS_msgrcv,
        SYS_mq_open,
        SYS_mq_unlink,
        SYS_add_key,
        SYS_request_key,
        SYS_keyctl,
        SYS_bpf,
        SYS_perf_event_open,
        SYS_userfaultfd,
        SYS_init_module,
        SYS_finit_module,
        SYS_delete_module,
        SYS_kexec_load,
        SYS_kexec_file_load,
        SYS_reboot,
        SYS_swapon,
        SYS_swapoff,
        SYS_acct,
        SYS_quotactl,
        443 /* quotactl_fd */,
        SYS_syslog,
    };
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        expect(REFUSED, (struct call){calls[i], {0}});
        expect(REFUSED, (struct call){calls[i], {~0U, ~0U, ~0U, ~0U}});
    }
}

static void calls_whose_arguments_are_in_memory_are_said_not_to_be(void **state) {
    (void)state;
    static const int calls[] = {SYS_clone3, SYS_openat2, SYS_io_uring_setup, SYS_io_uring_enter,
                                SYS_io_uring_register};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        expect(UNKNOWN, (struct call){calls[i], {0}});
    }
}

static void what_programs_do_all_day_is_allowed(void **state) {
    (void)state;
    static const int calls[] = {
        SYS_read,
        SYS_write,
        SYS_mmap,
        SYS_execve,
        SYS_exit_group,
        SYS_futex,
        SYS_connect,
        SYS_sendto,
        SYS_bind,
        SYS_listen,
        SYS_kill,
        SYS_wait4,
        SYS_statx,
        SYS_getdents64,
        SYS_renameat2,
        SYS_unlinkat,
        SYS_linkat,
        SYS_symlinkat,
        SYS_mkdirat,
        SYS_ftruncate,
        SYS_truncate,
        SYS_seccomp,
        SYS_prctl,
        SYS_memfd_create,
        SYS_pidfd_open,
        SYS_inotify_add_watch,
        SYS_getrandom,
        SYS_setsid,
        SYS_landlock_restrict_self,
    };
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        expect(ALLOWED, (struct call){calls[i], {0}});
    }
}

static void namespaces_are_refused_and_threads_are_not(void **state) {
    (void)state;
    static const uint64_t spaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                      CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    for (size_t i = 0; i < COUNT_OF(spaces); i++) {
        expect(REFUSED, (struct call){SYS_clone, {spaces[i] | SIGCHLD}});
        expect(REFUSED, (struct call){SYS_unshare, {spaces[i]}});
        expect(REFUSED, (struct call){SYS_unshare, {spaces[i] | CLONE_FILES}});
    }
    expect(REFUSED, (struct call){SYS_unshare, {0x80 /* of time */}});
    expect(ALLOWED, (struct call){SYS_clone, {SIGCHLD}});
    expect(ALLOWED, (struct call){SYS_clone,
                                  {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                   CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS}});
    expect(ALLOWED, (struct call){SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD}});
    expect(ALLOWED, (struct call){SYS_unshare, {CLONE_FILES | CLONE_FS}});
}

static void only_sockets_of_the_internet_are_made(void **state) {
    (void)state;
    for (int family = 0; family < AF_MAX; family++) {
        bool internet = family == AF_INET || family == AF_INET6;
        bool routes = family == AF_NETLINK;
        expect(internet || routes ? ALLOWED : REFUSED,
               (struct call){SYS_socket, {(uint64_t)family, SOCK_STREAM, 0}});
    }
    expect(REFUSED, (struct call){SYS_socket, {AF_NETLINK, SOCK_RAW, 15 /* kernel events */}});
    expect(ALLOWED, (struct call){SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0}});
    /* The kernel takes 32 bits of it. */
    expect(REFUSED, (struct call){SYS_socket, {(uint64_t)HIGH << 32 | AF_UNIX, SOCK_STREAM, 0}});
}

static void only_pairs_that_stay_pairs_are_made(void **state) {
    (void)state;
    expect(ALLOWED, (struct call){SYS_socketpair, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}});
    expect(ALLOWED, (struct call){SYS_socketpair, {AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK}});
    expect(REFUSED, (struct call){SYS_socketpair, {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC}});
    expect(REFUSED, (struct call){SYS_socketpair, {AF_UNIX, SOCK_RAW}}); /* Another word for it. */
}

static void nobody_types_into_a_terminal(void **state) {
    (void)state;
    expect(REFUSED, (struct call){SYS_ioctl, {0, TIOCSTI}});
    expect(REFUSED, (struct call){SYS_ioctl, {0, (uint64_t)HIGH << 32 | TIOCSTI}});
    expect(REFUSED, (struct call){SYS_ioctl, {0, TIOCLINUX}});
    expect(ALLOWED, (struct call){SYS_ioctl, {TIOCSTI, TIOCGWINSZ}});
    expect(ALLOWED, (struct call){SYS_ioctl, {0, TCGETS}});
}

static void limits_are_set_for_oneself_alone(void **state) {
    (void)state;
    expect(ALLOWED, (struct call){SYS_prlimit64, {0, RLIMIT_NOFILE}});
    expect(REFUSED, (struct call){SYS_prlimit64, {1, RLIMIT_NOFILE}});
    expect(REFUSED, (struct call){SYS_prlimit64, {0x80000000U, RLIMIT_NOFILE}});
}

static void files_do_not_become_their_owners(void **state) {
    (void)state;
    static const uint64_t modes[] = {04755, 02755, 06000};
    static const struct {
        int call;
        unsigned at;
    } calls[] = {{SYS_fchmod, 1},  {SYS_fchmodat, 2}, {452 /* fchmodat2 */, 2},
                 {SYS_mknodat, 2}, {OLD_CHMOD, 1},    {OLD_CREAT, 1},
                 {OLD_MKNOD, 1}};
    for (size_t i = 0; i < COUNT_OF(calls) && calls[i].call >= 0; i++) {
        struct call call = {calls[i].call, {0}};
        for (size_t mode = 0; mode < COUNT_OF(modes); mode++) {
            call.arguments[calls[i].at] = modes[mode];
            expect(REFUSED, call);
        }
        call.arguments[calls[i].at] = 01777;
        expect(ALLOWED, call);
    }
}

static void a_mode_counts_only_where_a_file_is_made(void **state) {
    (void)state;
    expect(REFUSED, (struct call){SYS_openat, {0, 0, O_CREAT | O_WRONLY, 04755}});
    expect(REFUSED, (struct call){SYS_openat, {0, 0, O_TMPFILE | O_WRONLY, 02755}});
    expect(ALLOWED, (struct call){SYS_openat, {0, 0, O_CREAT | O_WRONLY, 0644}});
    expect(ALLOWED, (struct call){SYS_openat, {0, 0, O_RDONLY, 04755}});
    expect(ALLOWED, (struct call){SYS_openat, {0, 0, O_RDONLY | O_DIRECTORY, 06000}});
    if (OLD_CALLS) {
        expect(REFUSED, (struct call){OLD_OPEN, {0, O_CREAT | O_RDWR, 04755}});
        expect(REFUSED, (struct call){OLD_OPEN, {0, O_TMPFILE | O_RDWR, 04755}});
        expect(ALLOWED, (struct call){OLD_OPEN, {0, O_RDONLY, 04755}});
    }
}

static void an_old_landlock_has_truncation_refused_here(void **state) {
    (void)state;
    static const struct call calls[] = {
        {SYS_truncate, {0}},
        {SYS_openat, {0, 0, O_TRUNC | O_RDONLY}},
        {SYS_openat, {0, 0, O_TRUNC | 3}},
        {OLD_OPEN, {0, O_TRUNC | O_RDONLY}},
        {OLD_OPEN, {0, O_TRUNC | 3 | O_NOFOLLOW}},
    };
    for (size_t i = 0; i < COUNT_OF(calls) && calls[i].number >= 0; i++) {
        assert_int_equal(answer(OLD_ABI, calls[i]), REFUSED);
        assert_int_equal(answer(LANDLOCK_ABI_TRUNCATE, calls[i]), ALLOWED);
    }
    const struct call usual = {SYS_openat, {0, 0, O_TRUNC | O_CREAT | O_WRONLY, 0644}};
    assert_int_equal(answer(OLD_ABI, usual), ALLOWED); /* That is writing: landlock judges it. */
}

static void foreign_numbers_end_the_process(void **state) {
    (void)state;
    static struct filter filter;
    filter_make(&filter, NEW_ABI);
    struct seccomp_data data = {.nr = SYS_read, .arch = FOREIGN};
    assert_int_equal(run(&filter, &data), KILLED);
    if (X32_BIT != 0) {
        data = (struct seccomp_data){.nr = X32_BIT | SYS_read, .arch = HERE};
        assert_int_equal(run(&filter, &data), KILLED);
    }
}

/* --- Given to the kernel ---------------------------------------------------------------------- */

static struct filter installed;

/* In a child that has the filter: its errno, or 0. It makes bare system calls only. */
static int errno_of(long (*call)(void)) {
    filter_make(&installed, landlock_abi());
    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || call_filter_enter(&installed) < 0) {
            _exit(255);
        }
        _exit(call() < 0 ? errno : 0);
    }
    int status = 0;
    assert_true(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static long make_unix_socket(void) {
    return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}
static long make_internet_socket(void) {
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}
static long make_pair(void) {
    int pair[2];
    return syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
}
static long enter_user_namespace(void) {
    return syscall(SYS_unshare, CLONE_NEWUSER);
}
static long clone_by_memory(void) {
    return syscall(SYS_clone3, NULL, 0UL);
}
static long open_for_reading(void) {
    return syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 04755);
}
static long another_filter(void) {
    filter_make(&installed, landlock_abi());
    return call_filter_enter(&installed);
}
static long count_as_x32(void) {
    return syscall(X32_BIT | SYS_getpid);
}

static void the_kernel_takes_it_and_keeps_to_it(void **state) {
    (void)state;
    assert_int_equal(errno_of(make_unix_socket), EPERM);
    assert_int_equal(errno_of(make_internet_socket), 0);
    assert_int_equal(errno_of(make_pair), 0);
    assert_int_equal(errno_of(enter_user_namespace), EPERM);
    assert_int_equal(errno_of(clone_by_memory), ENOSYS);
    assert_int_equal(errno_of(open_for_reading), 0);
    assert_int_equal(errno_of(another_filter), 0);
    if (X32_BIT != 0) {
        assert_int_equal(errno_of(count_as_x32), -SIGSYS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_lead_out_are_refused_whatever_they_say),
        cmocka_unit_test(calls_whose_arguments_are_in_memory_are_said_not_to_be),
        cmocka_unit_test(what_programs_do_all_day_is_allowed),
        cmocka_unit_test(namespaces_are_refused_and_threads_are_not),
        cmocka_unit_test(only_sockets_of_the_internet_are_made),
        cmocka_unit_test(only_pairs_that_stay_pairs_are_made),
        cmocka_unit_test(nobody_types_into_a_terminal),
        cmocka_unit_test(limits_are_set_for_oneself_alone),
        cmocka_unit_test(files_do_not_become_their_owners),
        cmocka_unit_test(a_mode_counts_only_where_a_file_is_made),
        cmocka_unit_test(an_old_landlock_has_truncation_refused_here),
        cmocka_unit_test(foreign_numbers_end_the_process),
        cmocka_unit_test(the_kernel_takes_it_and_keeps_to_it),
    };
    return cmocka_run_group_tests_name("holder_filter", tests, NULL, NULL);
}
