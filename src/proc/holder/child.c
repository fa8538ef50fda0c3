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
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/tree.h"
#include "proc/sandbox/sandbox.h"
#include "proc/small/small.h"

enum { READ, WRITE, PATH_SIZE = 4096 };

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

/* The child's ends. */
struct ends {
    int in, out, err;
    int terminal; /* Or -1. */
};

/* Input of the child, beside its plan. */
struct birth {
    const struct child_plan *plan;
    struct ends ends;
    int64_t tasks_max; /* 0: none. */
    pid_t holder;
};

struct verdict {
    int os; /* 0: it runs. */
    const char *step;
};

/* --- The cgroup ------------------------------------------------------------------------------- */

/* A group that exists already is of a holder of the same name that came to no claim. */
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
        (void)unlinkat(group->place, order->name, AT_REMOVEDIR); /* As child.h says. */
    }
}

/* --- The brake -------------------------------------------------------------------------------- */

/* The limit on processes is kept by counting, some ten times a second, and by SIGKILL in rounds. A
 * bomb doubles within a millisecond, and thousands of its processes hold one another up in the
 * kernel, even dying: once it is large, it takes minutes. So it must stay small until it is
 * counted: a user's bomb is held by the soft RLIMIT_NPROC. That counts the threads of everything
 * that the user runs, so those of now are added, and room for threads. 0: it would not bind, as for
 * root; there tree_hurry must do. */
static int64_t tasks_for(const struct order *order) {
    enum { THREADS_EACH = 8, TASKS_SPARE = 256, FIELD_THREADS = 20, SIZE = 1024 };
    uid_t user = getuid();
    if (order->processes_max == 0 || user == 0 || order->processes_max > TREE_MAX) {
        return 0;
    }
    AUTO(fd_release) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int64_t count = 0;
    struct names names;
    names_start(&names, proc);
    for (const char *name; proc >= 0 && (name = names_next(&names)) != NULL;) {
        char path[PATH_SIZE], stat[SIZE];
        struct stat about;
        if (name[0] >= '1' && name[0] <= '9' && fstatat(proc, name, &about, 0) == 0 &&
            about.st_uid == user && line_make(path, sizeof path, "/proc/%s/stat", name) &&
            files_read(path, stat, sizeof stat)) {
            count += tree_stat_number(stat, FIELD_THREADS);
        }
    }
    return count + order->processes_max * THREADS_EACH + TASKS_SPARE;
}

/* --- In the child ----------------------------------------------------------------------------- */

/* Only the soft one: a brake, not a wall, which whoever wants more can raise again. 0: none. */
static int lower_limit(int resource, int64_t value) {
    struct rlimit limit;
    if (value == 0 || getrlimit(resource, &limit) < 0 || limit.rlim_cur <= (rlim_t)value) {
        return 0;
    }
    limit.rlim_cur = (rlim_t)value;
    return setrlimit(resource, &limit);
}

static void execute_file(const struct order *order, const char *file) {
    /* execve promises not to change what it is given; its type is older than const. */
    union {
        const char **ours;
        char *const *theirs;
    } argv = {.ours = order->argv}, envp = {.ours = order->envp};
    (void)execve(file, argv.theirs, envp.theirs); /* execve returns only to fail: errno. */
}

/* Like execvp, but never by way of a shell: a script without "#!" is ENOEXEC. Returns an errno. */
static int execute(const struct order *order) {
    const char *program = order->argv[0], *path = PATH_DEFAULT;
    if (strchr(program, '/') != NULL || program[0] == '\0') {
        execute_file(order, program);
        return errno;
    }
    for (size_t i = 0; i < order->envc; i++) { /* The last one counts. */
        path = strncmp(order->envp[i], "PATH=", 5) == 0 ? order->envp[i] + 5 : path;
    }
    int os = ENOENT;
    for (const char *at = path;; at++) {
        int len = (int)strcspn(at, ":");
        char file[PATH_SIZE];
        if (line_make(file, sizeof file, "%.*s/%s", len == 0 ? 1 : len, len == 0 ? "." : at,
                      program)) {
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

/* Sets errno: which step is tried is in the verdict. It returns only to fail. */
static void become(const struct birth *birth, volatile struct verdict *verdict) {
    const struct order *order = birth->plan->order;
    const struct sandbox *sandbox = birth->plan->sandbox;
    const struct ends *ends = &birth->ends;
    verdict->step = "fork";
    if (die_with(birth->holder) < 0 || setsid() < 0) {
        return;
    }
    /* The ends all stand above 2, since we hold 0, 1 and 2 ourselves. */
    if (dup2(ends->in, STDIN_FILENO) < 0 || dup2(ends->out, STDOUT_FILENO) < 0 ||
        dup2(ends->err, STDERR_FILENO) < 0) {
        return;
    }
    const struct rlimit memory = {(rlim_t)order->memory_max, (rlim_t)order->memory_max};
    if ((order->memory_max > 0 && setrlimit(RLIMIT_AS, &memory) < 0) ||
        lower_limit(RLIMIT_NPROC, birth->tasks_max) < 0 ||
        lower_limit(RLIMIT_NOFILE, order->files) < 0) {
        return;
    }
    if (order->umask != 0) {
        (void)umask((mode_t)order->umask & 0777); /* Cannot fail. */
    }
    verdict->step = "pty";
    if (ends->terminal >= 0 && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0) {
        return;
    }
    verdict->step = sandbox == NULL ? "chdir" : "sandbox";
    if (sandbox == NULL ? chdir(order->cwd) < 0
                        : sandbox_enter(sandbox, ends->terminal < 0 ? -1 : STDIN_FILENO) < 0) {
        return;
    }
    files_close_from(STDERR_FILENO + 1);
    /* Last, since from here on a signal may end us. What signals do is the default already: main
     * saw to that. */
    sigset_t none;
    (void)sigemptyset(&none); /* Cannot fail. */
    if (sigprocmask(SIG_SETMASK, &none, /* old */ NULL) < 0 ||
        (sandbox != NULL && sandbox_close_gate(sandbox) < 0)) {
        return;
    }
    verdict->step = "exec";
    errno = execute(order);
}

/* --- In the holder ---------------------------------------------------------------------------- */

static void child_live(const struct birth *birth, volatile struct verdict *verdict) {
    become(birth, verdict);
    verdict->os = errno;
    _exit(127);
}

/* In functions of their own, since vfork returns twice. */
static pid_t split(const struct birth *birth, volatile struct verdict *verdict) {
    pid_t pid = vfork();
    if (pid == 0) {
        child_live(birth, verdict);
    }
    return pid;
}

/* With a memory of its own, since a clone on our stack is for an assembler; the verdict's is
 * shared. The parent waits until the child executes or ends. */
static pid_t split_in_group(const struct birth *birth, volatile struct verdict *verdict) {
    /* linux/sched.h's struct clone_args, which musl doesn't bring. */
    const struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
            set_tid_size, cgroup;
    } arguments = {.flags = UINT64_C(1) << 33 /* CLONE_INTO_CGROUP */ | CLONE_VFORK,
                   .exit_signal = SIGCHLD,
                   .cgroup = (uint64_t)birth->plan->group->folder};
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        child_live(birth, verdict);
    }
    return pid;
}

static struct err judge(pid_t pid, const volatile struct verdict *verdict, pid_t *ret_pid) {
    if (pid < 0) {
        return err_from_errno(errno, "fork");
    }
    if (verdict->os != 0) {
        (void)waitpid(pid, /* status */ NULL, 0); /* The child has ended already. */
        return err_from_errno(verdict->os, verdict->step);
    }
    *ret_pid = pid;
    return ERR_OK;
}

static struct err launch(const struct child_plan *plan, const struct ends *ends, pid_t *ret_pid) {
    const struct birth birth = {plan, *ends, tasks_for(plan->order), getpid()};
    if (plan->group->folder >= 0) {
        void *page = mmap(/* address */ NULL, sizeof(struct verdict), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page != MAP_FAILED) {
            volatile struct verdict *shared = page;
            pid_t pid = split_in_group(&birth, shared);
            struct err err = judge(pid, shared, ret_pid);
            (void)munmap(page, sizeof(struct verdict)); /* Fails only for a range that is none. */
            if (pid >= 0) {
                return err;
            }
        }
    }
    volatile struct verdict verdict = {.os = 0, .step = "fork"};
    pid_t pid = split(&birth, &verdict);
    return judge(pid, &verdict, ret_pid);
}

/* Our end does not block. */
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
    const struct ends ends = {has_input ? in[READ] : STDIN_FILENO, out[WRITE], err[WRITE], -1};
    failed = launch(plan, &ends, &child->pid);
    if (err_failed(failed)) {
        return failed;
    }
    child->in = fd_take(&in[WRITE]);
    child->out = fd_take(&out[READ]);
    child->err = fd_take(&err[READ]);
    return ERR_OK;
}

struct err child_resize(int terminal, struct order_size size) {
    const struct winsize wanted = {.ws_row = (unsigned short)size.rows,
                                   .ws_col = (unsigned short)size.columns};
    return ioctl(terminal, TIOCSWINSZ, &wanted) < 0 ? err_from_errno(errno, "pty") : ERR_OK;
}

static struct err start_with_terminal(const struct child_plan *plan, struct child *child) {
    struct order_size size = plan->order->size;
    AUTO(fd_release) int ours = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int locked = 0;
    if (ours < 0 || ioctl(ours, TIOCSPTLCK, &locked) < 0) {
        return err_from_errno(errno, "pty");
    }
    AUTO(fd_release) int theirs = ioctl(ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (theirs < 0) {
        return err_from_errno(errno, "pty");
    }
    TRY(size.rows > 0 && size.columns > 0 ? child_resize(ours, size) : ERR_OK);
    AUTO(fd_release) int second = fcntl(ours, F_DUPFD_CLOEXEC, 0);
    if (second < 0) {
        return err_from_errno(errno, "pty");
    }
    const struct ends ends = {theirs, theirs, theirs, theirs};
    TRY(launch(plan, &ends, &child->pid));
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
