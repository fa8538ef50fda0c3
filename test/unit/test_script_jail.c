/* What a worker may do, tried from within: in its own jail, by its own program. And the parts of
 * the jail that the filter of system calls stands before, each without it.
 */
/* links: script, src/script/worker/jail.c, src/proc/sandbox/confine.c */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/sandbox/confine.h"
#include "script/worker/jail.h"
#include "script_kit.h"

enum { ARGUMENTS = 6, STATUS_SIZE = 4096 };

struct call {
    const char *name;
    long number;
    uint64_t arguments[ARGUMENTS];
};

/* Pointers among the arguments are NULL or small: who gets so far would see EFAULT, and live. */
#define CALL(name, ...)                                                                            \
    {                                                                                              \
#name, SYS_##name, {                                                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
static const struct call refused[] = {
    /* Files. */
    CALL(openat, (uint64_t)AT_FDCWD, 1, O_RDONLY),
    CALL(openat2, (uint64_t)AT_FDCWD),
    CALL(name_to_handle_at, (uint64_t)AT_FDCWD),
    CALL(open_by_handle_at, 0),
    CALL(newfstatat, (uint64_t)AT_FDCWD),
    CALL(statx, (uint64_t)AT_FDCWD),
    CALL(fstat, 0),
    CALL(readlinkat, (uint64_t)AT_FDCWD),
    CALL(faccessat, (uint64_t)AT_FDCWD),
    CALL(mkdirat, (uint64_t)AT_FDCWD),
    CALL(unlinkat, (uint64_t)AT_FDCWD),
    CALL(renameat2, (uint64_t)AT_FDCWD),
    CALL(linkat, (uint64_t)AT_FDCWD),
    CALL(symlinkat, 0),
    CALL(mknodat, (uint64_t)AT_FDCWD),
    CALL(fchmodat, (uint64_t)AT_FDCWD),
    CALL(truncate, 0),
    CALL(ftruncate, 0),
    CALL(getdents64, 0),
    CALL(getcwd, 0),
    CALL(chdir, 0),
    CALL(chroot, 0),
    CALL(mount, 0),
    CALL(umount2, 0),
    CALL(pivot_root, 0),
    CALL(fsopen, 0),
    CALL(open_tree, 0),
    CALL(memfd_create, 0),
    CALL(inotify_init1, 0),
    CALL(fanotify_init, 0),
    CALL(ioctl, 0, 0x5401),
    CALL(fcntl, 0, F_GETFD),
    CALL(fcntl, 0, F_DUPFD, 1),
    CALL(dup, 0),
    CALL(dup3, 0, 1),
    CALL(close, 0),
    CALL(close_range, 0, 10, CLOSE_RANGE_CLOEXEC),
    CALL(pipe2, 0),
    CALL(eventfd2, 0),
    CALL(signalfd4, (uint64_t)-1),
    CALL(timerfd_create, 0),
    CALL(epoll_create1, 0),
    CALL(sendfile, 0, 0),
    CALL(splice, 0),
    CALL(copy_file_range, 0),
    /* Descriptors that it doesn't have, and ways to its own that bring more. */
    CALL(read, 1),
    CALL(write, 1),
    CALL(write, 2),
    CALL(readv, 0),
    CALL(writev, 0),
    CALL(pread64, 0),
    CALL(recvmsg, 0),
    CALL(recvfrom, 0),
    CALL(sendmsg, 0),
    CALL(sendto, 0),
    CALL(shutdown, 0, SHUT_RDWR),
    /* The network. */
    CALL(socket, AF_INET, SOCK_STREAM),
    CALL(socket, AF_UNIX, SOCK_STREAM),
    CALL(socket, AF_NETLINK, SOCK_RAW),
    CALL(socketpair, AF_UNIX, SOCK_STREAM),
    CALL(connect, 0),
    CALL(bind, 0),
    CALL(listen, 0, 1),
    CALL(accept4, 0),
    CALL(getpeername, 0),
    CALL(getsockopt, 0),
    CALL(setsockopt, 0),
    /* Processes. */
    CALL(clone, SIGCHLD),
    CALL(clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND),
    CALL(clone3, 0),
    CALL(execve, 1),
    CALL(execveat, 0),
    CALL(kill, 1, 0),
    CALL(kill, 0, 0),
    CALL(tkill, 1, 0),
    CALL(tgkill, 1, 1, 0),
    CALL(rt_sigqueueinfo, 1),
    CALL(pidfd_open, 1),
    CALL(pidfd_send_signal, 0),
    CALL(pidfd_getfd, 0),
    CALL(wait4, (uint64_t)-1),
    CALL(waitid, 0),
    CALL(ptrace, PTRACE_TRACEME),
    CALL(ptrace, PTRACE_ATTACH, 1),
    CALL(process_vm_readv, 1),
    CALL(process_vm_writev, 1),
    CALL(process_madvise, 0),
    CALL(kcmp, 1),
    CALL(getppid, 0),
    CALL(setsid, 0),
    CALL(setpgid, 0, 0),
    CALL(unshare, CLONE_NEWUSER),
    CALL(setns, 0),
    CALL(sched_setaffinity, 0),
    CALL(setpriority, 0),
    /* Itself. */
    CALL(prctl, PR_SET_DUMPABLE, 1),
    CALL(prctl, PR_SET_NAME, 0),
    CALL(prctl, PR_SET_PDEATHSIG, 0),
    CALL(seccomp, 0),
    CALL(prlimit64, 0, RLIMIT_CPU),
    CALL(prlimit64, 0, RLIMIT_AS),
    CALL(setrlimit, RLIMIT_NOFILE),
    CALL(setuid, 0),
    CALL(setresuid, 0),
    CALL(setgroups, 0),
    CALL(capset, 0),
    CALL(personality, 0x0040000),
    CALL(rt_sigaction, SIGXCPU),
    CALL(rt_sigprocmask, 0),
    CALL(setitimer, 0),
    CALL(timer_create, 0),
    CALL(landlock_restrict_self, 0),
    /* Memory that others could have, or that could be run. */
    CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1),
    CALL(mmap, 0, 4096, PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, (uint64_t)-1),
    CALL(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, 0),
    CALL(mprotect, 0, 4096, PROT_EXEC),
    CALL(mprotect, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC),
    CALL(pkey_mprotect, 0, 4096, PROT_EXEC),
    CALL(remap_file_pages, 0),
    CALL(mlockall, MCL_FUTURE),
    CALL(shmget, 0),
    CALL(shmat, 0),
    CALL(semget, 0),
    CALL(msgget, 0),
    CALL(mq_open, 0),
    CALL(userfaultfd, 0),
    CALL(membarrier, 0),
    /* The kernel. */
    CALL(io_uring_setup, 1),
    CALL(io_uring_enter, 0),
    CALL(io_uring_register, 0),
    CALL(bpf, 0),
    CALL(perf_event_open, 0),
    CALL(keyctl, 0),
    CALL(add_key, 0),
    CALL(init_module, 0),
    CALL(finit_module, 0),
    CALL(kexec_load, 0),
    CALL(reboot, 0),
    CALL(swapon, 0),
    CALL(syslog, 0),
    CALL(uname, 0),
    CALL(sysinfo, 0),
    CALL(getrandom, 0),
    CALL(futex, 0),
    CALL(nanosleep, 0),
    CALL(ppoll, 0),
    CALL(getpid, 0),
    CALL(settimeofday, 0),
    CALL(clock_settime, 0),
    CALL(clock_gettime, (uint64_t)(~1ULL << 3 | 2) /* the CPU time of process 1 */),
    CALL(clock_gettime, (uint64_t)(~1ULL << 3 | 2) & UINT32_MAX),
    {"a number that nobody has", 0xFFFF, {0}},
    {"x32: read", 0x40000000, {0}},
};

static const struct call granted[] = {
    CALL(read, 0, 0, 0),
    CALL(write, 0, 0, 0),
    CALL(brk, 0),
    CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1),
    CALL(munmap, 4096, 4096),
    CALL(mprotect, 4096, 4096, PROT_READ),
    CALL(madvise, 4096, 4096),
    CALL(mremap, 4096, 4096),
    CALL(clock_gettime, CLOCK_PROCESS_CPUTIME_ID),
    CALL(clock_gettime, CLOCK_MONOTONIC),
};

static void make(struct ear *ear, struct pen *pen, const struct call *call) {
    char frame[1 + sizeof(uint64_t) * (1 + ARGUMENTS)] = "c";
    uint64_t number = (uint64_t)call->number;
    memcpy(frame + 1, &number, sizeof number);
    memcpy(frame + 1 + sizeof number, call->arguments, sizeof call->arguments);
    ear_start(ear, pen);
    ear_tell_bytes(ear, (struct bytes){frame, sizeof frame});
}

/* --- From within ------------------------------------------------------------------------------ */

static void each_call_that_leads_out_kills_it(void **state) {
    assert_true(COUNT_OF(refused) > 50);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct ear ear;
        make(&ear, *state, &refused[i]);
        pen_run_until(*state, &ear.ended);
        if (ear.end.kind != SCRIPT_CRASHED || ear.end.number != SIGSYS || ear.frames > 0) {
            fail_msg("%s: end %d, %d, %zu frames", refused[i].name, ear.end.kind, ear.end.number,
                     ear.frames);
        }
        ear_done(&ear);
    }
}

static void the_few_calls_of_the_engine_do_not(void **state) {
    for (size_t i = 0; i < COUNT_OF(granted); i++) {
        struct ear ear;
        make(&ear, *state, &granted[i]);
        while (ear.frames == 0 && !ear.ended) {
            pen_turn(*state);
        }
        if (ear.ended) {
            fail_msg("%s: end %d, %d", granted[i].name, ear.end.kind, ear.end.number);
        }
        ear_expect(&ear, "done");
        ear_done(&ear);
    }
}

/* --- From outside ----------------------------------------------------------------------------- */

static size_t read_of(pid_t pid, const char *file, char *text, size_t size) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0) {
        (void)close(fd);
    }
    text[got < 0 ? 0 : got] = '\0';
    return got < 0 ? 0 : (size_t)got;
}

static void assert_line(const char *text, const char *line) {
    const char *at = strstr(text, line);
    if (at == NULL || (at != text && at[-1] != '\n')) {
        fail_msg("no line \"%s\" in:\n%s", line, text);
    }
}

static void its_process_has_no_rights_and_hard_limits(void **state) {
    struct ear ear;
    pid_t pid = 0;
    char text[STATUS_SIZE];
    ear_start(&ear, *state);
    ear_ask(&ear, "e");
    assert_int_equal(count_workers(&pid), 1);
    (void)read_of(pid, "status", text, sizeof text);
    assert_line(text, "NoNewPrivs:\t1\n");
    assert_line(text, "Seccomp:\t2\n");
    assert_line(text, "Threads:\t1\n");
    assert_line(text, "CapInh:\t0000000000000000\n");
    assert_line(text, "CapPrm:\t0000000000000000\n");
    assert_line(text, "CapEff:\t0000000000000000\n");
    assert_line(text, "CapAmb:\t0000000000000000\n");
    (void)read_of(pid, "limits", text, sizeof text);
    assert_line(text, "Max open files            1                    1 ");
    assert_line(text, "Max processes             0                    0 ");
    assert_line(text, "Max file size             0                    0 ");
    assert_line(text, "Max core file size        0                    0 ");
    assert_line(text, "Max cpu time              3600                 3601 ");
    ear_done(&ear);
}

/* Whose user is not root can't look: so much for PR_SET_DUMPABLE. */
static void it_has_one_descriptor_and_no_environment(void **state) {
    struct ear ear;
    pid_t pid = 0;
    char path[64], text[STATUS_SIZE];
    ear_start(&ear, *state);
    ear_ask(&ear, "e");
    assert_int_equal(count_workers(&pid), 1);
    (void)snprintf(path, sizeof path, "/proc/%d/fd/0", (int)pid);
    if (geteuid() != 0) {
        assert_true(readlink(path, text, sizeof text) < 0);
        ear_done(&ear);
        skip();
    }
    assert_true(readlink(path, text, sizeof text) > 0);
    assert_memory_equal(text, "socket:[", 8);
    for (int fd = 1; fd < 1024; fd++) {
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        assert_true(readlink(path, text, sizeof text) < 0);
    }
    assert_int_equal(read_of(pid, "environ", text, sizeof text), 0);
    ear_done(&ear);
}

/* --- Without the filter ----------------------------------------------------------------------- */

/* In a child, after jail_prepare. Its exit code is what `attempt` answered. */
static int code_of(int (*attempt)(void)) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        static struct jail jail;
        _exit(err_failed(jail_prepare(&jail)) ? 250 : attempt());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int open_something(void) {
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int make_something(void) {
    return open("/tmp/drover-jail-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 ? errno : 0;
}

static int run_something(void) {
    char name[] = "/bin/true", *argv[] = {name, NULL};
    (void)execv(name, argv);
    return errno;
}

static int raise_a_limit(void) {
    const struct rlimit one = {1, 1}, two = {2, 2};
    return setrlimit(RLIMIT_NOFILE, &one) == 0 && setrlimit(RLIMIT_NOFILE, &two) < 0 ? errno : 0;
}

static int be_dumpable(void) {
    return prctl(PR_GET_DUMPABLE);
}

static void landlock_alone_keeps_it_from_files(void **state) {
    if (landlock_abi() < 1) {
        print_message("skipped: this kernel has no landlock; the filter is alone\n");
        skip();
    }
    assert_int_equal(code_of(open_something), EACCES);
    assert_int_equal(code_of(make_something), EACCES);
    assert_int_equal(code_of(run_something), EACCES);
}

static void limits_are_not_raised_even_by_root(void **state) {
    assert_int_equal(code_of(raise_a_limit), EPERM);
    assert_int_equal(code_of(be_dumpable), 0);
}

#define PEN(test) cmocka_unit_test_setup_teardown(test, pen_open, pen_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(landlock_alone_keeps_it_from_files),
        cmocka_unit_test(limits_are_not_raised_even_by_root),
        PEN(each_call_that_leads_out_kills_it),
        PEN(the_few_calls_of_the_engine_do_not),
        PEN(its_process_has_no_rights_and_hard_limits),
        PEN(it_has_one_descriptor_and_no_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
