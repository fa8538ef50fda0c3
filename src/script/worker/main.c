/* main.c: the zygote, which boots the engine once and forks a worker for each birth that the daemon
 * asks for. See protocol.h.
 *
 * One thread, and nothing of a script: what a worker has inherited of others is the engine as it
 * was booted, and the numbers of the births before it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/number.h"
#include "proc/small/small.h"
#include "script/descriptor_passing.h"
#include "script/worker/jail.h"
#include "script/worker/worker.h"

enum { CHILDREN_MAX = 4096 };

/* How much nicer a worker is than the daemon. Where there are fewer processors than workers, what
 * they ask for waits for the daemon, not the other way round: its commit serves many of them. */
enum { GIVES_WAY_BY = 5 };

struct child {
    pid_t pid;
    uint64_t id; /* Of its birth. */
};

struct zygote {
    struct jail jail;
    struct worker *worker; /* Booted; each fork has its own. */
    int signals;           /* Owned: SIGCHLD, as a descriptor. */
    pid_t self;
    size_t child_count;
    struct child children[CHILDREN_MAX];
};

/* Waits for room. `fd`: -1, or to be sent. False: errno; a daemon that is gone shows elsewhere. */
static bool notice_send(struct script_notice note, int fd) {
    const struct parcel parcel = {.bytes = &note, .size = sizeof note, .fd = fd};
    ssize_t sent;
    do {
        sent = parcel_send(SCRIPT_FD, &parcel, 0 /* flags */);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* --- Births ----------------------------------------------------------------------------------- */

/* With the worker's socket at SCRIPT_FD. */
static noreturn void live(const struct zygote *zygote, const struct script_birth *birth) {
    sigset_t none;
    (void)sigemptyset(&none); /* Cannot fail. */
    if (sigprocmask(SIG_SETMASK, &none, /* old */ NULL) < 0 ||
        err_failed(jail_enter(&zygote->jail, birth))) {
        _exit(SCRIPT_EXIT_UNJAILED);
    }
    worker_run(zygote->worker, SCRIPT_FD);
}

/* In the fork: the socket goes where the zygote's own link was. */
static noreturn void become_worker(const struct zygote *zygote, const struct script_birth *birth,
                                   int socket) {
    (void)nice(GIVES_WAY_BY); /* Refused: it is as it was. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != zygote->self ||
        dup2(socket, SCRIPT_FD) != SCRIPT_FD) {
        _exit(SCRIPT_EXIT_UNJAILED);
    }
    live(zygote, birth);
}

/* Returns 0, or the errno for which there is no worker. Only the worker still holds its socket when
 * the birth is reported: the socket then closes exactly when the worker ends, even if the zygote is
 * stopped meanwhile. */
static int bear(struct zygote *zygote, const struct script_birth *birth, int *socket) {
    if (zygote->child_count == CHILDREN_MAX) {
        return EAGAIN;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become_worker(zygote, birth, *socket);
    }
    if (pid < 0) {
        return errno;
    }
    fd_release(socket);
    const struct script_notice note = {birth->id, SCRIPT_NOTICE_BORN, (int32_t)pid};
    AUTO(fd_release) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    if (pidfd < 0 || !notice_send(note, pidfd)) {
        int os = errno;
        /* Not reported, so it must not go on, and its end is not reported either. It is our child
         * and was not collected: it is there. */
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, /* status */ NULL, 0);
        return os;
    }
    zygote->children[zygote->child_count++] = (struct child){pid, birth->id};
    return 0;
}

/* False: the daemon is gone. */
static bool take_birth(struct zygote *zygote) {
    struct script_birth birth = {.id = 0};
    struct parcel parcel = {.bytes = &birth, .size = sizeof birth, .fd = -1};
    ssize_t got = parcel_take(SCRIPT_FD, &parcel, 0 /* flags */);
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    AUTO(fd_release) int socket = fd_take(&parcel.fd);
    bool whole = (size_t)got >= sizeof birth.id && socket >= 0;
    int os = whole ? bear(zygote, &birth, &socket) : EPROTO;
    if (os != 0) {
        const struct script_notice note = {birth.id, SCRIPT_NOTICE_UNBORN, os};
        (void)notice_send(note, -1 /* descriptor */); /* A daemon that hears nothing ends us. */
    }
    return true;
}

static void collect(struct zygote *zygote) {
    struct signalfd_siginfo about;
    (void)read(zygote->signals, &about, sizeof about); /* One may stand for many ends. */
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        size_t i = 0;
        while (i < zygote->child_count && zygote->children[i].pid != pid) {
            i++;
        }
        if (i < zygote->child_count) {
            const struct script_notice note = {zygote->children[i].id, SCRIPT_NOTICE_ENDED, status};
            (void)notice_send(note, -1 /* descriptor */); /* As above. */
            zygote->children[i] = zygote->children[--zygote->child_count];
        }
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

/* Signals that our starter had ignored or blocked are fresh here. */
static struct err take_signals(int *ret_fd) {
    const struct sigaction fresh = {.sa_handler = SIG_DFL};
    sigset_t ours;
    (void)sigemptyset(&ours); /* These cannot fail. */
    (void)sigaddset(&ours, SIGCHLD);
    for (int number = 1; number < NSIG; number++) {
        (void)sigaction(number, &fresh, /* old */ NULL); /* SIGKILL and its like stay. */
    }
    bool masked = sigprocmask(SIG_SETMASK, &ours, /* old */ NULL) == 0;
    *ret_fd = masked ? signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC) : -1;
    return *ret_fd < 0 ? err_from_errno(errno, "zygote: signals") : ERR_OK;
}

static struct err get_ready(struct zygote *zygote) {
    files_close_from(SCRIPT_FD + 1);
    zygote->self = getpid();
    TRY(take_signals(&zygote->signals));
    zygote->worker = worker_boot();
    return zygote->worker == NULL ? err_make(ERR_INTERNAL, "zygote: boot")
                                  : jail_prepare(&zygote->jail);
}

int main(int argc, char **argv) {
    int64_t daemon = 0;
    /* Nobody must survive the daemon; it may have died before we asked for the signal. */
    if (argc < 2 ||
        !number_parse(bytes_of(argv[1]), (struct number_bounds){1, INT32_MAX}, &daemon) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != (pid_t)daemon) {
        return EINVAL;
    }
    struct zygote *zygote = mmap(/* address */ NULL, sizeof *zygote, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (zygote == MAP_FAILED) {
        return errno;
    }
    struct err err = get_ready(zygote);
    if (err_failed(err)) {
        return err.os != 0 ? err.os : EIO;
    }
    if (argc > 2 && strcmp(argv[2], SCRIPT_ALONE) == 0) {
        (void)prctl(PR_SET_NAME, argv[0]); /* The system's name for it is that of a descriptor. */
        live(zygote, &(struct script_birth){.id = 0});
    }
    for (bool more = true; more;) {
        struct pollfd ready[] = {{.fd = zygote->signals, .events = POLLIN},
                                 {.fd = SCRIPT_FD, .events = POLLIN}};
        (void)poll(ready, COUNT_OF(ready), -1 /* without end */); /* Broken off: nothing is set. */
        if (ready[0].revents != 0) {
            collect(zygote);
        }
        more = ready[1].revents == 0 || take_birth(zygote);
    }
    return 0;
}
