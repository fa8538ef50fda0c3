/* main.c: the holder, step by step: order, claim, command, result.
 *
 * It is started by the daemon with the order on PROTOCOL_ORDER_FD and, if the daemon wants to hear,
 * its end of a pair of sockets on PROTOCOL_LINK_FD. From the claim on it does not care who started
 * it. See protocol.h.
 *
 * Most holders are forks of a nursery: this program, and a spare of it, before there is an order.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/brake.h"
#include "proc/holder/clock.h"
#include "proc/holder/custody_steps.h"
#include "proc/holder/files.h"
#include "proc/holder/nursery.h"
#include "proc/sandbox/sandbox.h"
#include "proc/spool/folder.h"

/* Whoever started us may have ignored some, and a command would inherit that. Here and not for each
 * command: it is some sixty calls. */
static void reset_signals(void) {
    const struct sigaction fresh = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        (void)sigaction(number, &fresh, /* old */ NULL); /* SIGKILL and its like stay. */
    }
}

/* Nobody but SIGKILL ends us: every other signal is blocked, and the two that mean something are
 * read from a descriptor. An inherited SIG_IGN of SIGCHLD would take the exit codes away. */
static struct err take_signals(int *ret_fd) {
    const struct sigaction fresh = {.sa_handler = SIG_DFL};
    sigset_t all, ours;
    (void)sigfillset(&all); /* These four cannot fail. */
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGCHLD);
    (void)sigaddset(&ours, SIGTERM);
    if (sigaction(SIGCHLD, &fresh, /* old */ NULL) < 0 ||
        sigprocmask(SIG_SETMASK, &all, /* old */ NULL) < 0) {
        return err_from_errno(errno, "signals");
    }
    *ret_fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    return *ret_fd < 0 ? err_from_errno(errno, "signals") : ERR_OK;
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

static struct err stand_alone(struct custody *custody) {
    (void)setsid(); /* Refused to a leader of a group; then we are one already. */
    /* So that no file system is kept busy by us. */
    if (chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
        return err_from_errno(errno, "stand alone");
    }
    return take_signals(&custody->signals);
}

static int find_link(void) {
    return fcntl(PROTOCOL_LINK_FD, F_GETFD) < 0 ? -1 : PROTOCOL_LINK_FD;
}

/* In a frame of its own: its filter and its lists are needed for a moment only. */
static struct err start_child(struct custody *custody) {
    AUTO(sandbox_done) struct sandbox sandbox;
    struct err err = sandbox_prepare(&custody->order, custody->claim.folder, &sandbox);
    if (!err_failed(err)) {
        const struct child_plan plan = {&custody->order, &sandbox, &custody->group};
        err = child_start(&plan, &custody->child);
    }
    custody->sandbox = err_failed(err) ? 0 : sandbox.abi;
    return err;
}

/* The command runs, or *custody says why it doesn't. The order's texts are not needed any more. */
static void start(struct custody *custody) {
    int64_t timeout_ms = custody->order.timeout_ms;
    struct err err = ERR_OK;
    if (order_has(&custody->order, ORDER_ONCE)) {
        err = claim_sync(&custody->claim);
    }
    custody->started_wall_ms = clock_wall_ms();
    custody->started_at = clock_ms();
    custody->timeout_at = timeout_ms > 0 ? clock_after(clock_ms(), timeout_ms) : CLOCK_NEVER;
    custody->kill_at = CLOCK_NEVER;
    custody->count_ms = CUSTODY_COUNT_FIRST_MS;
    custody->count_at =
        custody->order.processes_max > 0 ? 0 : clock_after(clock_ms(), custody->count_ms);
    if (!err_failed(err)) {
        control_tell_link(&custody->control, "claimed\n");
        err = start_child(custody);
    }
    custody->not_started = err;
    custody->alive = !err_failed(err);
    custody->tree_empty = err_failed(err);
    custody->processes_peak = err_failed(err) ? 0 : 1;
    input_init(&custody->input, &custody->order, custody->child.in);
    order_forget(&custody->order);
    if (custody->order.processes_max > 0) {
        brake_hurry();
    }
}

/* With the lock free, whoever looks sees an end and not a holder that does not answer: there may be
 * much to remove. What can't be removed stays until the whole folder goes. */
static void tidy(struct custody *custody) {
    if (!order_has(&custody->order, ORDER_SANDBOX)) {
        return;
    }
    fd_release(&custody->claim.listener);
    fd_release(&custody->claim.lock);
    (void)folder_remove(custody->claim.folder, PROTOCOL_TMP); /* As said above. */
}

/* All that does not need an order. */
static struct err get_ready(struct custody *custody) {
    struct err err = stand_alone(custody);
    return err_failed(err) ? err : claim_know_self(&custody->self);
}

static struct err decide(struct custody *custody, enum claim_outcome *ret_outcome) {
    struct err err = order_read(PROTOCOL_ORDER_FD, &custody->order);
    if (!err_failed(err)) {
        err = claim_decide(&custody->order, &custody->self, &custody->claim, ret_outcome);
    }
    return err;
}

static struct err hold(struct custody *custody, struct err ready) {
    enum claim_outcome outcome = CLAIM_GO;
    struct err err = err_failed(ready) ? ready : decide(custody, &outcome);
    int link = find_link();
    if (err_failed(err)) {
        if (link >= 0) {
            control_tell_failed(link, err.os);
        }
        return err;
    }
    custody->child = (struct child){-1, -1, -1, -1, -1};
    custody->group = (struct group){-1, -1};
    control_init(&custody->control, (struct control_ends){custody->claim.listener, link});
    if (outcome == CLAIM_VOID) {
        control_tell_link(&custody->control, "void\n");
        return ERR_OK;
    }
    logs_init(&custody->logs, custody->claim.folder, custody->order.log_max);
    tree_init(&custody->tree);
    group_make(&custody->group, &custody->order);
    start(custody);
    custody_run(custody);
    custody_part(custody);
    group_remove(&custody->group, &custody->order);
    tidy(custody);
    return ERR_OK;
}

/* A spare that is not ready takes its order nevertheless, since it is the one who can say why. */
static struct err serve(struct custody *custody, char *word) {
    int tie = -1;
    enum nursery_outcome outcome = NURSERY_OVER;
    struct err err = nursery_keep(&tie, &outcome);
    if (err_failed(err) || outcome == NURSERY_OVER) {
        return err;
    }
    struct err ready = get_ready(custody);
    err = nursery_wait(word, tie, &outcome);
    return err_failed(err) || outcome == NURSERY_OVER ? err : hold(custody, ready);
}

int main(int argc, char **argv) {
    char *word = argc > 1 ? argv[1] : NULL;
    /* All that this program will ever need, zeroed; what is never used takes no memory. */
    struct custody *custody = mmap(/* address */ NULL, sizeof *custody, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (custody == MAP_FAILED) {
        return errno;
    }
    reset_signals();
    struct err err = take_descriptors();
    if (!err_failed(err)) {
        err = nursery_is(word) ? serve(custody, word) : hold(custody, get_ready(custody));
    }
    return err.os;
}
