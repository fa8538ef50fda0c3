/* faulty_holder.c: a holder that is killed at its N-th call of the C library.
 *
 * The objects of the shipped holder, linked with calls of ours in front (-Wl,--wrap). Put in the
 * place of DIR/libexec/HASH/holder it reads `holder.fault` beside it, once and for all: the file is
 * removed, so that only one holder is hit. Without it nothing happens.
 *
 *   N alone    SIGKILL to itself before its N-th call
 *   N both     the same, and to the daemon that started it just before
 *   N late     like alone; and where the call is made by the command's process, before it executes
 *              its program, that process goes on only after a second
 *   N pause    SIGKILL to the daemon; the holder goes on, but only after half a second
 *
 * A process that was hit leaves `holder.hit`. The command's process shares our memory until it
 * executes; its calls count as well, and then it is the holder that is killed: the command goes on.
 *
 * A call with a variable number of arguments is read in its largest form, as the kernel does.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

enum { PATH_SIZE = 4096, PLAN_SIZE = 32 };

static struct {
    bool read, both, late, pause;
    unsigned at, count;
    pid_t holder, daemon;
    char hit[PATH_SIZE];
} plan;

/* --- The plan, by calls that nobody stands in front of ---------------------------------------- */

static void beside(char *path, size_t len, const char *suffix) {
    size_t i = 0;
    do {
        path[len + i] = suffix[i];
    } while (suffix[i++] != '\0');
}

static void parse(const char *text, long len) {
    long i = 0;
    for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        plan.at = plan.at * 10 + (unsigned)(text[i] - '0');
    }
    char how = i + 1 < len ? text[i + 1] : ' ';
    plan.both = how == 'b';
    plan.late = how == 'l';
    plan.pause = how == 'p';
}

static void read_plan(void) {
    plan.read = true;
    char path[PATH_SIZE], text[PLAN_SIZE];
    long len = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", plan.hit, PATH_SIZE - 8);
    if (len <= 0) {
        return;
    }
    for (long i = 0; i < len; i++) {
        path[i] = plan.hit[i];
    }
    beside(path, (size_t)len, ".fault");
    beside(plan.hit, (size_t)len, ".hit");
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    parse(text, syscall(SYS_read, fd, text, sizeof text));
    (void)syscall(SYS_close, fd);
    /* The process that removes it has it. */
    if (syscall(SYS_unlinkat, AT_FDCWD, path, 0) < 0) {
        plan.at = 0;
    }
    plan.holder = (pid_t)syscall(SYS_getpid);
    plan.daemon = (pid_t)syscall(SYS_getppid);
}

static void point(void) {
    if (!plan.read) {
        read_plan();
    }
    if (plan.at == 0 || ++plan.count != plan.at) {
        return;
    }
    (void)syscall(SYS_mknodat, AT_FDCWD, plan.hit, S_IFREG | 0600, 0);
    if (plan.both || plan.pause) {
        (void)syscall(SYS_kill, plan.daemon, SIGKILL);
    }
    if (!plan.pause) {
        (void)syscall(SYS_kill, plan.holder, SIGKILL);
    }
    if (plan.late || plan.pause) {
        const struct timespec time = {plan.late ? 1 : 0, plan.late ? 0 : 500000000};
        (void)syscall(SYS_nanosleep, &time, /* rest */ NULL);
    }
}

/* --- The calls -------------------------------------------------------------------------------- */

/* The name's forms for large files are what glibc's headers make of the plain ones. */
#define CALLS(X)                                                                                   \
    X(int, accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d))                \
    X(int, bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c))                        \
    X(int, chdir, (const char *a), (a))                                                            \
    X(int, close, (int a), (a))                                                                    \
    X(int, dup2, (int a, int b), (a, b))                                                           \
    X(int, execve, (const char *a, char *const b[], char *const c[]), (a, b, c))                   \
    X(int, faccessat, (int a, const char *b, int c, int d), (a, b, c, d))                          \
    X(int, fdatasync, (int a), (a))                                                                \
    X(int, flock, (int a, int b), (a, b))                                                          \
    X(int, fsync, (int a), (a))                                                                    \
    X(int, getrusage, (int a, struct rusage *b), (a, b))                                           \
    X(int, kill, (pid_t a, int b), (a, b))                                                         \
    X(int, linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e))           \
    X(int, listen, (int a, int b), (a, b))                                                         \
    X(int, mkdir, (const char *a, mode_t b), (a, b))                                               \
    X(int, munmap, (void *a, size_t b), (a, b))                                                    \
    X(int, pipe2, (int a[2], int b), (a, b))                                                       \
    X(int, poll, (struct pollfd * a, nfds_t b, int c), (a, b, c))                                  \
    X(int, prctl, (int a, long b, long c, long d, long e), (a, b, c, d, e))                        \
    X(ssize_t, read, (int a, void *b, size_t c), (a, b, c))                                        \
    X(ssize_t, recv, (int a, void *b, size_t c, int d), (a, b, c, d))                              \
    X(int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))                   \
    X(ssize_t, send, (int a, const void *b, size_t c, int d), (a, b, c, d))                        \
    X(pid_t, setsid, (void), ())                                                                   \
    X(int, signalfd, (int a, const sigset_t *b, int c), (a, b, c))                                 \
    X(int, sigprocmask, (int a, const sigset_t *b, sigset_t *c), (a, b, c))                        \
    X(int, socket, (int a, int b, int c), (a, b, c))                                               \
    X(int, unlinkat, (int a, const char *b, int c), (a, b, c))                                     \
    X(pid_t, waitpid, (pid_t a, int *b, int c), (a, b, c))                                         \
    X(ssize_t, write, (int a, const void *b, size_t c), (a, b, c))                                 \
    X(int, fcntl, (int a, int b, long c), (a, b, c))                                               \
    X(int, fcntl64, (int a, int b, long c), (a, b, c))                                             \
    X(int, fstat, (int a, struct stat *b), (a, b))                                                 \
    X(int, fstat64, (int a, struct stat *b), (a, b))                                               \
    X(int, ftruncate, (int a, off_t b), (a, b))                                                    \
    X(int, ftruncate64, (int a, off_t b), (a, b))                                                  \
    X(void *, mmap, (void *a, size_t b, int c, int d, int e, off_t f), (a, b, c, d, e, f))         \
    X(void *, mmap64, (void *a, size_t b, int c, int d, int e, off_t f), (a, b, c, d, e, f))       \
    X(int, open, (const char *a, int b, mode_t c), (a, b, c))                                      \
    X(int, open64, (const char *a, int b, mode_t c), (a, b, c))                                    \
    X(int, openat, (int a, const char *b, int c, mode_t d), (a, b, c, d))                          \
    X(int, openat64, (int a, const char *b, int c, mode_t d), (a, b, c, d))                        \
    X(ssize_t, pread, (int a, void *b, size_t c, off_t d), (a, b, c, d))                           \
    X(ssize_t, pread64, (int a, void *b, size_t c, off_t d), (a, b, c, d))                         \
    X(ssize_t, pwrite, (int a, const void *b, size_t c, off_t d), (a, b, c, d))                    \
    X(ssize_t, pwrite64, (int a, const void *b, size_t c, off_t d), (a, b, c, d))

#define X(result, name, parameters, arguments)                                                     \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters {                                                              \
        point();                                                                                   \
        return __real_##name arguments;                                                            \
    }
CALLS(X)
#undef X
