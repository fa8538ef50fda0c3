/* child.c: see child.h.
 *
 * The child is made by vfork: it shares our memory until it executes, so nothing is copied, and
 * what went wrong is left in a variable instead of a pipe. We stand still meanwhile, which takes as
 * long as chdir and execve take. The child therefore changes nothing that we rely on: it has its
 * own descriptors, signal dispositions and limits, and writes to its own frame and to `verdict`.
 *
 * In a cgroup of its own it is a copy, of a small program: who is moved there later waits longer.
 */
#include "proc/holder/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/brake.h"
#include "proc/holder/files.h"
#include "proc/holder/group.h"
#include "proc/holder/words.h"
#include "proc/sandbox/sandbox.h"

enum { READ, WRITE, PATH_SIZE = 4096 };

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

/* The child's ends. */
struct ends {
    int in, out, err;
    int terminal;      /* Or -1. */
    int64_t tasks_max; /* 0: none. */
    pid_t holder;
};

struct verdict {
    int os; /* 0: it runs. */
    const char *step;
};

/* --- In the child ----------------------------------------------------------------------------- */

/* What they do is the default already: main saw to that. */
static int unblock_signals(void) {
    sigset_t none;
    (void)sigemptyset(&none); /* Cannot fail. */
    return sigprocmask(SIG_SETMASK, &none, /* old */ NULL);
}

/* The ends all stand above 2, since we hold 0, 1 and 2 ourselves. */
static int take_stdio(const struct ends *ends) {
    bool taken = dup2(ends->in, STDIN_FILENO) >= 0 && dup2(ends->out, STDOUT_FILENO) >= 0 &&
                 dup2(ends->err, STDERR_FILENO) >= 0;
    return taken ? 0 : -1;
}

static int limit_memory(int64_t bytes) {
    if (bytes == 0) {
        return 0;
    }
    const struct rlimit limit = {.rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes};
    return setrlimit(RLIMIT_AS, &limit);
}

/* Until our program is there we do not carry the mark by which a killed holder's tree is found; so
 * who kills the holder kills us. It holds for the program as well, and its children don't inherit
 * it. */
static int die_with(pid_t holder) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
        return -1;
    }
    if (getppid() != holder) {
        _exit(127);
    }
    return 0;
}

/* Only the soft one: a brake, not a wall. */
static int limit_tasks(int64_t tasks) {
    struct rlimit limit;
    if (tasks == 0 || getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_cur <= (rlim_t)tasks) {
        return 0;
    }
    limit.rlim_cur = (rlim_t)tasks;
    return setrlimit(RLIMIT_NPROC, &limit);
}

/* A soft limit can be raised again by whoever wants more. */
static int limit_files(int64_t files) {
    struct rlimit limit;
    if (files == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= (rlim_t)files) {
        return 0;
    }
    limit.rlim_cur = (rlim_t)files;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

static const char *path_of(const struct order *order) {
    for (size_t i = order->envc; i-- > 0;) {
        if (strncmp(order->envp[i], "PATH=", 5) == 0) {
            return order->envp[i] + 5;
        }
    }
    return PATH_DEFAULT;
}

static void execute_file(const struct order *order, const char *file) {
    /* execve promises not to change what it is given; its type is older than const. */
    union {
        const char **ours;
        char *const *theirs;
    } argv = {.ours = order->argv}, envp = {.ours = order->envp};
    (void)execve(file, argv.theirs, envp.theirs); /* It returns only to fail: errno. */
}

/* Like execvp, but never by way of a shell: a script without "#!" is ENOEXEC. Returns an errno. */
static int execute(const struct order *order) {
    const char *program = order->argv[0];
    if (strchr(program, '/') != NULL || program[0] == '\0') {
        execute_file(order, program);
        return errno;
    }
    int os = ENOENT;
    for (const char *at = path_of(order);; at++) {
        size_t len = strcspn(at, ":");
        char file[PATH_SIZE];
        struct words words;
        words_init(&words, file, sizeof file);
        words_add_bytes(&words, len == 0 ? BYTES(".") : (struct bytes){at, len});
        words_add(&words, "/");
        words_add(&words, program);
        if (!words.failed) {
            execute_file(order, file);
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
                return errno;
            }
            os = errno == EACCES ? EACCES : os;
        }
        at += len;
        if (*at == '\0') {
            return os;
        }
    }
}

static int leave_for(const struct order *order, const struct sandbox *sandbox,
                     const struct ends *ends, volatile struct verdict *verdict) {
    if (sandbox->abi == 0) {
        verdict->step = "chdir";
        return chdir(order->cwd);
    }
    verdict->step = "sandbox";
    return sandbox_enter(sandbox, ends->terminal < 0 ? -1 : STDIN_FILENO);
}

static void become(const struct order *order, const struct sandbox *sandbox,
                   const struct ends *ends, volatile struct verdict *verdict) {
    verdict->step = "fork";
    if (die_with(ends->holder) < 0 || setsid() < 0 || take_stdio(ends) < 0 ||
        limit_memory(order->memory_max) < 0 || limit_tasks(ends->tasks_max) < 0 ||
        limit_files(order->files) < 0) {
        verdict->os = errno;
        return;
    }
    if (ends->terminal >= 0 && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0) {
        verdict->os = errno;
        verdict->step = "pty";
        return;
    }
    if (leave_for(order, sandbox, ends, verdict) < 0) {
        verdict->os = errno;
        return;
    }
    files_close_from(STDERR_FILENO + 1);
    /* Last, since from here on a signal may end us. */
    if (unblock_signals() < 0) {
        verdict->os = errno;
        return;
    }
    if (sandbox->abi > 0 && sandbox_close_gate(sandbox) < 0) {
        verdict->os = errno;
        return;
    }
    verdict->os = execute(order);
    verdict->step = "exec";
}

/* --- In the holder ---------------------------------------------------------------------------- */

/* In functions of their own, since vfork returns twice. */
static pid_t split(const struct child_plan *plan, const struct ends *ends,
                   volatile struct verdict *verdict) {
    pid_t pid = vfork();
    if (pid == 0) {
        become(plan->order, plan->sandbox, ends, verdict);
        _exit(127);
    }
    return pid;
}

/* With a memory of its own, since a clone on our stack is for an assembler; the verdict's is
 * shared. */
static pid_t split_in_group(const struct child_plan *plan, const struct ends *ends,
                            volatile struct verdict *verdict) {
    pid_t pid = group_fork(plan->group);
    if (pid == 0) {
        become(plan->order, plan->sandbox, ends, verdict);
        _exit(127);
    }
    return pid;
}

static struct err judge(pid_t pid, const volatile struct verdict *verdict, pid_t *ret_pid) {
    if (pid < 0) {
        return err_from_errno(errno, "fork");
    }
    if (verdict->os != 0) {
        (void)waitpid(pid, /* status */ NULL, 0); /* It has ended already. */
        return err_from_errno(verdict->os, verdict->step);
    }
    *ret_pid = pid;
    return ERR_OK;
}

static struct err launch_plain(const struct child_plan *plan, const struct ends *ends,
                               pid_t *ret_pid) {
    volatile struct verdict verdict = {.os = 0, .step = "fork"};
    pid_t pid = split(plan, ends, &verdict);
    return judge(pid, &verdict, ret_pid);
}

/* False: no process was made. */
static bool launch_in_group(const struct child_plan *plan, const struct ends *ends, pid_t *ret_pid,
                            struct err *ret_err) {
    if (plan->group->folder < 0) {
        return false;
    }
    void *page = mmap(/* address */ NULL, sizeof(struct verdict), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return false;
    }
    volatile struct verdict *verdict = page;
    verdict->step = "fork";
    pid_t pid = split_in_group(plan, ends, verdict);
    if (pid >= 0) {
        *ret_err = judge(pid, verdict, ret_pid);
    }
    (void)munmap(page, sizeof(struct verdict)); /* Fails only for a range that is none. */
    return pid >= 0;
}

static struct err launch(const struct child_plan *plan, const struct ends *ends, pid_t *ret_pid) {
    struct err err = ERR_OK;
    return launch_in_group(plan, ends, ret_pid, &err) ? err : launch_plain(plan, ends, ret_pid);
}

static int64_t tasks_for(const struct order *order) {
    return order->processes_max > 0 ? brake_tasks(order->processes_max) : 0;
}

/* Ours is not to block. */
static struct err make_pipe(int pipe[2], int ours) {
    if (pipe2(pipe, O_CLOEXEC) < 0 || fcntl(pipe[ours], F_SETFL, O_NONBLOCK) < 0) {
        return err_from_errno(errno, "pipe");
    }
    return ERR_OK;
}

static void release_pipe(int (*pipe)[2]) {
    fd_release(&(*pipe)[READ]);
    fd_release(&(*pipe)[WRITE]);
}

static struct err start_with_pipes(const struct child_plan *plan, struct child *child) {
    const struct order *order = plan->order;
    AUTO(release_pipe) int in[2] = {-1, -1};
    AUTO(release_pipe) int out[2] = {-1, -1};
    AUTO(release_pipe) int err[2] = {-1, -1};
    bool has_input = order->input_len > 0 || order_has(order, ORDER_INPUT_OPEN);
    struct err failed = has_input ? make_pipe(in, WRITE) : ERR_OK;
    if (!err_failed(failed)) {
        failed = make_pipe(out, READ);
    }
    if (!err_failed(failed)) {
        failed = make_pipe(err, READ);
    }
    if (err_failed(failed)) {
        return failed;
    }
    /* Without any input, our own /dev/null ends it at once. */
    const struct ends ends = {has_input ? in[READ] : STDIN_FILENO,
                              out[WRITE],
                              err[WRITE],
                              -1,
                              tasks_for(order),
                              getpid()};
    failed = launch(plan, &ends, &child->pid);
    if (err_failed(failed)) {
        return failed;
    }
    child->in = fd_take(&in[WRITE]);
    child->out = fd_take(&out[READ]);
    child->err = fd_take(&err[READ]);
    return ERR_OK;
}

static struct err open_terminal(int *ret_ours, int *ret_theirs) {
    AUTO(fd_release) int ours = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int locked = 0;
    if (ours < 0 || ioctl(ours, TIOCSPTLCK, &locked) < 0) {
        return err_from_errno(errno, "pty");
    }
    int theirs = ioctl(ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (theirs < 0) {
        return err_from_errno(errno, "pty");
    }
    *ret_ours = fd_take(&ours);
    *ret_theirs = theirs;
    return ERR_OK;
}

struct err child_resize(int terminal, struct order_size size) {
    const struct winsize wanted = {.ws_row = size.rows, .ws_col = size.columns};
    return ioctl(terminal, TIOCSWINSZ, &wanted) < 0 ? err_from_errno(errno, "pty") : ERR_OK;
}

static struct err start_with_terminal(const struct child_plan *plan, struct child *child) {
    const struct order *order = plan->order;
    AUTO(fd_release) int ours = -1;
    AUTO(fd_release) int theirs = -1;
    struct err err = open_terminal(&ours, &theirs);
    if (!err_failed(err) && order->size.rows > 0 && order->size.columns > 0) {
        err = child_resize(ours, order->size);
    }
    if (err_failed(err)) {
        return err;
    }
    AUTO(fd_release) int second = fcntl(ours, F_DUPFD_CLOEXEC, 0);
    if (second < 0) {
        return err_from_errno(errno, "pty");
    }
    const struct ends ends = {theirs, theirs, theirs, theirs, tasks_for(order), getpid()};
    err = launch(plan, &ends, &child->pid);
    if (err_failed(err)) {
        return err;
    }
    child->in = fd_take(&ours);
    child->out = fd_take(&second);
    child->terminal = fd_take(&theirs);
    return ERR_OK;
}

struct err child_start(const struct child_plan *plan, struct child *ret_child) {
    struct child child = {.pid = -1, .in = -1, .out = -1, .err = -1, .terminal = -1};
    struct err err = order_has(plan->order, ORDER_PTY) ? start_with_terminal(plan, &child)
                                                       : start_with_pipes(plan, &child);
    if (!err_failed(err)) {
        *ret_child = child;
    }
    return err;
}
