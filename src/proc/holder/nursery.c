/* nursery.c: see nursery.h and protocol.h.
 *
 * A spare and its nursery share a pipe, the tie, of which the spare alone holds the writing end. It
 * lets go of it when it has an order, and so does the kernel when it is killed: both times the next
 * spare is due. Only the end of the link is said in a byte.
 *
 * Children are not waited for: SIGCHLD is ignored here, so the kernel collects them. All other
 * signals are blocked, as in a holder. A child that outlives the nursery is given to the daemon, or
 * to process 1 if that has ended, too.
 */
#include "proc/holder/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/control.h"
#include "proc/protocol.h"

enum { FDS = 2, READ = 0, WRITE = 1 };

bool nursery_is(const char *word) {
    return word != NULL && strcmp(word, PROTOCOL_NURSERY) == 0;
}

static struct err take_signals(void) {
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t all;
    (void)sigfillset(&all); /* Cannot fail. */
    /* A command can stop us, and who stands still does not see the end of a link. (Our children do
     * not inherit this.) */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
        sigaction(SIGCHLD, &ignore, /* old */ NULL) < 0 ||
        sigprocmask(SIG_SETMASK, &all, /* old */ NULL) < 0) {
        return err_from_errno(errno, "signals");
    }
    return ERR_OK;
}

/* --- Orders ----------------------------------------------------------------------------------- */

/* False: the message has not brought what an order has. */
static bool take_descriptors(struct msghdr *message, int fds[FDS]) {
    const struct cmsghdr *first = CMSG_FIRSTHDR(message);
    if (first == NULL || first->cmsg_level != SOL_SOCKET || first->cmsg_type != SCM_RIGHTS ||
        first->cmsg_len != CMSG_LEN(FDS * sizeof *fds)) {
        return false;
    }
    memcpy(fds, CMSG_DATA(first), FDS * sizeof *fds);
    return true;
}

/* Waits. False: that was all. */
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
    return recvmsg(PROTOCOL_LINK_FD, &message, MSG_CMSG_CLOEXEC) == 1 &&
           take_descriptors(&message, fds);
}

/* --- A spare ---------------------------------------------------------------------------------- */

/* The nursery's own link goes where ours comes. */
static struct err settle_in(char *word, const int fds[FDS]) {
    if (dup2(fds[0], PROTOCOL_ORDER_FD) < 0 || dup2(fds[1], PROTOCOL_LINK_FD) < 0) {
        return err_from_errno(errno, "nursery");
    }
    memset(word, '\0', strlen(word));
    return ERR_OK;
}

struct err nursery_wait(char *word, int tie, enum nursery_outcome *ret_outcome) {
    AUTO(fd_release) int held = tie;
    int fds[FDS];
    if (!next_order(fds)) {
        char over = '.';
        *ret_outcome = NURSERY_OVER;
        (void)write(held, &over, 1); /* A nursery that is gone needs no word. */
        return ERR_OK;
    }
    *ret_outcome = NURSERY_BORN;
    struct err err = settle_in(word, fds);
    fd_release(&fds[0]);
    fd_release(&fds[1]);
    return err;
}

/* --- The nursery ------------------------------------------------------------------------------ */

static bool wait_for_turn(int tie) {
    char over;
    ssize_t got;
    do {
        got = read(tie, &over, 1);
    } while (got < 0 && errno == EINTR); /* Of a stop and a continue. */
    return got == 0;
}

/* No spare can be made now, and an order must not wait for better times: it is answered. */
static bool refuse_one(int os) {
    int fds[FDS];
    if (!next_order(fds)) {
        return false;
    }
    control_tell_failed(fds[1], os);
    fd_release(&fds[0]);
    fd_release(&fds[1]);
    return true;
}

struct err nursery_keep(int *ret_tie, enum nursery_outcome *ret_outcome) {
    struct err err = take_signals();
    for (bool more = !err_failed(err); more;) {
        AUTO(fd_release) int ours = -1;
        AUTO(fd_release) int theirs = -1;
        int tie[2];
        pid_t pid = -1;
        if (pipe2(tie, O_CLOEXEC) == 0) {
            ours = tie[READ];
            theirs = tie[WRITE];
            pid = fork();
        }
        if (pid == 0) {
            *ret_tie = fd_take(&theirs);
            *ret_outcome = NURSERY_BORN;
            return ERR_OK;
        }
        int os = errno;
        fd_release(&theirs);
        more = pid > 0 ? wait_for_turn(ours) : refuse_one(os);
    }
    *ret_outcome = NURSERY_OVER;
    return err;
}
