/* main.c: the holder, step by step: order, claim, command, result; and the nursery that makes
 * holders ahead of their orders.
 *
 * It is started by the daemon with the order on PROTOCOL_ORDER_FD and, if the daemon wants to hear,
 * its end of a pair of sockets on PROTOCOL_LINK_FD. From the claim on it does not care who started
 * it. See protocol.h.
 *
 * Most holders are forks of a nursery: this program, and a spare of it, before there is an order.
 *
 *   nursery ──fork──> a SPARE, which makes itself ready and waits ──an order──> a holder
 *      ^ └──────── the spare has its order, or is no more: the next ───────┘
 *
 * A fork, and all that a holder does before it knows what for, would stand between a commit and its
 * command. There is one spare at a time, and the link is its own to read: an order goes from the
 * daemon straight to the process that carries it out.
 *
 * A spare and its nursery share a pipe, the tie, of which the spare alone holds the writing end.
 * The spare closes it when it has an order, and so does the kernel when the spare is killed: both
 * times the next spare is due. Only the end of the link is said in a byte.
 *
 * The nursery does not wait for its children: it ignores SIGCHLD, so the kernel collects them. All
 * other signals are blocked, as in a holder. A child that outlives the nursery is given to the
 * daemon, or to process 1 if that has ended, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/custody.h"
#include "proc/small/small.h"
#include "proc/spool/folder.h"

enum { FDS = 2, READ = 0, WRITE = 1 };

/* --- The process ------------------------------------------------------------------------------ */

/* Nobody but SIGKILL ends us: every signal is blocked, and that of our children's ends does what it
 * should. */
static struct err block_signals(void (*on_child)(int)) {
    const struct sigaction action = {.sa_handler = on_child};
    sigset_t all;
    (void)sigfillset(&all); /* Cannot fail. */
    if (sigaction(SIGCHLD, &action, /* old */ NULL) < 0 ||
        sigprocmask(SIG_SETMASK, &all, /* old */ NULL) < 0) {
        return err_from_errno(errno, "signals");
    }
    return ERR_OK;
}

/* Our own 0, 1 and 2 lead nowhere. What else was left open to us is closed. */
static struct err take_descriptors(void) {
    files_close_from(PROTOCOL_LINK_FD + 1);
    /* Not close-on-exec: where one of the three was closed, this becomes it. */
    int null = open("/dev/null", O_RDWR);
    if (null < 0) {
        return err_from_errno(errno, "descriptors");
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (dup2(null, fd) < 0) {
            return err_from_errno(errno, "descriptors");
        }
    }
    if (null > STDERR_FILENO) {
        fd_release(&null);
    }
    return ERR_OK;
}

/* All that does not need an order. The two signals that mean something are read from a descriptor;
 * an inherited SIG_IGN of SIGCHLD would take the exit codes away. */
static struct err get_ready(struct custody *custody) {
    (void)setsid(); /* Refused to a leader of a group; then we are one already. */
    /* So that no file system is kept busy by us. */
    if (chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
        return err_from_errno(errno, "stand alone");
    }
    TRY(block_signals(SIG_DFL));
    sigset_t ours;
    (void)sigemptyset(&ours); /* The three calls cannot fail. */
    (void)sigaddset(&ours, SIGCHLD);
    (void)sigaddset(&ours, SIGTERM);
    custody->signals = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    return custody->signals < 0 ? err_from_errno(errno, "signals")
                                : claim_know_self(&custody->self);
}

/* --- A holder --------------------------------------------------------------------------------- */

static struct err hold(struct custody *custody, struct err ready) {
    enum claim_outcome outcome = CLAIM_GO;
    struct err err = err_failed(ready) ? ready : order_read(PROTOCOL_ORDER_FD, &custody->order);
    if (!err_failed(err)) {
        err = claim_decide(&custody->order, &custody->self, &custody->claim, &outcome);
    }
    int link = fcntl(PROTOCOL_LINK_FD, F_GETFD) < 0 ? -1 : PROTOCOL_LINK_FD;
    if (err_failed(err)) {
        if (link >= 0) {
            control_tell_failed(link, err.os);
        }
        return err;
    }
    custody->child = (struct child){-1, -1, -1, -1, -1};
    control_init(&custody->control, custody->claim.listener, link);
    if (outcome == CLAIM_VOID) {
        control_tell_link(&custody->control, "void\n");
        return ERR_OK;
    }
    logs_init(&custody->logs, custody->claim.folder, custody->order.log_max);
    group_make(&custody->group, &custody->order);
    custody_run(custody);
    group_remove(&custody->group, &custody->order);
    if (order_has(&custody->order, ORDER_SANDBOX) || order_has(&custody->order, ORDER_TMP)) {
        /* With the lock free, an observer sees an end and not a holder that does not answer:
         * there may be much to remove. What can't be removed stays until the whole folder goes. */
        fd_release(&custody->claim.listener);
        fd_release(&custody->claim.lock);
        (void)folder_remove(custody->claim.folder, PROTOCOL_TMP); /* As said above. */
    }
    return ERR_OK;
}

/* --- The nursery ------------------------------------------------------------------------------ */

/* Waits. False: that was all, or not what an order has. */
static bool next_order(int fds[FDS]) {
    char byte;
    union {
        char bytes[CMSG_SPACE(FDS * sizeof *fds)];
        struct cmsghdr aligned;
    } control;
    struct iovec text = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    if (recvmsg(PROTOCOL_LINK_FD, &message, MSG_CMSG_CLOEXEC) != 1) {
        return false;
    }
    const struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    if (first == NULL || first->cmsg_level != SOL_SOCKET || first->cmsg_type != SCM_RIGHTS ||
        first->cmsg_len != CMSG_LEN(FDS * sizeof *fds)) {
        return false;
    }
    memcpy(fds, CMSG_DATA(first), FDS * sizeof *fds);
    return true;
}

/* A spare becomes a holder, as if it had been started with order and link. One that is not ready
 * takes its order nevertheless, since it is the one who can say why. */
static struct err nursery_serve(struct custody *custody, char *word, int tie_end) {
    AUTO(fd_release) int tie = tie_end;
    struct err ready = get_ready(custody);
    int fds[FDS];
    if (!next_order(fds)) {
        (void)write(tie, ".", 1); /* A nursery that is gone needs no word. */
        return ERR_OK;
    }
    /* The nursery's own link goes where ours comes. */
    if (dup2(fds[0], PROTOCOL_ORDER_FD) < 0 || dup2(fds[1], PROTOCOL_LINK_FD) < 0) {
        return err_from_errno(errno, "nursery");
    }
    fd_release(&fds[0]);
    fd_release(&fds[1]);
    fd_release(&tie);
    memset(word, '\0', strlen(word)); /* In a list of processes it is no nursery. */
    return hold(custody, ready);
}

/* No spare can be made now, and an order must not wait for better times: it is answered. */
static bool nursery_refuse(int os) {
    int fds[FDS];
    if (!next_order(fds)) {
        return false;
    }
    control_tell_failed(fds[1], os);
    fd_release(&fds[0]);
    fd_release(&fds[1]);
    return true;
}

/* Until the link ends; in each spare, until its command does. */
static struct err nursery_keep(struct custody *custody, char *word) {
    /* A command can stop us, and who stands still does not see the end of a link. (Our children do
     * not inherit this.) */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
        return err_from_errno(errno, "signals");
    }
    struct err err = block_signals(SIG_IGN);
    for (bool more = !err_failed(err); more;) {
        int tie[2] = {-1, -1};
        pid_t pid = pipe2(tie, O_CLOEXEC) < 0 ? -1 : fork();
        int os = errno;
        if (pid == 0) {
            fd_release(&tie[READ]);
            return nursery_serve(custody, word, tie[WRITE]);
        }
        fd_release(&tie[WRITE]);
        if (pid < 0) {
            more = nursery_refuse(os);
        } else {
            char over;
            ssize_t got;
            do {
                got = read(tie[READ], &over, 1);
            } while (got < 0 && errno == EINTR); /* By a stop and a continue. */
            more = got == 0;
        }
        fd_release(&tie[READ]);
    }
    return err;
}

int main(int argc, char **argv) {
    char *word = argc > 1 ? argv[1] : NULL;
    /* All that this program will ever need, zeroed; what is never used takes no memory. */
    struct custody *custody = mmap(/* address */ NULL, sizeof *custody, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (custody == MAP_FAILED) {
        return errno;
    }
    /* The parent may have ignored some signals, and a command would inherit that. Here and
     * not for each command: it is some sixty calls. */
    const struct sigaction fresh = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        (void)sigaction(number, &fresh, /* old */ NULL); /* SIGKILL and its like stay. */
    }
    struct err err = take_descriptors();
    if (!err_failed(err)) {
        bool nursery = word != NULL && strcmp(word, PROTOCOL_NURSERY) == 0;
        err = nursery ? nursery_keep(custody, word) : hold(custody, get_ready(custody));
    }
    return err.os;
}
