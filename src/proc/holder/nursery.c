/* nursery.c: see nursery.h and protocol.h.
 *
 * Children are not waited for: SIGCHLD is ignored here, so the kernel collects them. All other
 * signals are blocked, as in a holder. A child that outlives the nursery is given to the daemon, or
 * to process 1 if that has ended, too.
 */
#include "proc/holder/nursery.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/control.h"
#include "proc/protocol.h"

enum { FDS = 2 };

bool nursery_is(const char *word) {
    return word != NULL && strcmp(word, PROTOCOL_NURSERY) == 0;
}

static struct err take_signals(void) {
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t all;
    (void)sigfillset(&all); /* Cannot fail. */
    if (sigaction(SIGCHLD, &ignore, /* old */ NULL) < 0 ||
        sigprocmask(SIG_SETMASK, &all, /* old */ NULL) < 0) {
        return err_from_errno(errno, "signals");
    }
    return ERR_OK;
}

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

/* The nursery's own link goes where ours comes. */
static struct err settle_in(char *word, const int fds[FDS]) {
    if (dup2(fds[0], PROTOCOL_ORDER_FD) < 0 || dup2(fds[1], PROTOCOL_LINK_FD) < 0) {
        return err_from_errno(errno, "nursery");
    }
    memset(word, '\0', strlen(word));
    return ERR_OK;
}

struct err nursery_keep(char *word, enum nursery_outcome *ret_outcome) {
    struct err err = take_signals();
    int fds[FDS] = {-1, -1};
    while (!err_failed(err) && next_order(fds)) {
        pid_t pid = fork();
        if (pid == 0) {
            *ret_outcome = NURSERY_BORN;
            err = settle_in(word, fds);
            fd_release(&fds[0]);
            fd_release(&fds[1]);
            return err;
        }
        if (pid < 0) {
            control_tell_failed(fds[1], errno);
        }
        fd_release(&fds[0]);
        fd_release(&fds[1]);
    }
    *ret_outcome = NURSERY_OVER;
    return err;
}
