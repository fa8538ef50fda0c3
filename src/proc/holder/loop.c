/* loop.c: the turns of one command: wait, reap, read, write, decide, tell. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/clock.h"
#include "proc/holder/custody_steps.h"
#include "proc/holder/exit.h"
#include "proc/holder/files.h"

enum { AT_SIGNALS, AT_IN, AT_OUT, AT_ERR, AT_CONTROL, POLLS = AT_CONTROL + CONTROL_POLLS };
enum { PART_MS = 1000, RESULT_TRIES = 60, RESULT_RETRY_MS = 1000 };

/* --- Output ----------------------------------------------------------------------------------- */

static enum logs_stream stream_of(const struct custody *custody, const int *fd) {
    if (order_has(&custody->order, ORDER_PTY)) {
        return LOGS_PTY;
    }
    return fd == &custody->child.out ? LOGS_OUT : LOGS_ERR;
}

/* One piece, while the disk takes it. False: there is nothing (now, or any more). */
static bool read_output(struct custody *custody, int *fd) {
    struct logs *logs = &custody->logs;
    if (*fd < 0 || logs->full) {
        return false;
    }
    ssize_t got = read(*fd, logs->buffer, sizeof logs->buffer);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            fd_release(fd); /* EIO is a terminal's end. */
        }
        return false;
    }
    logs_add(logs, stream_of(custody, fd), (size_t)got);
    if (logs->full) {
        custody->retry_at = clock_after(clock_ms(), CUSTODY_RETRY_MS);
    }
    return true;
}

/* When the tree is gone, all that it said is there to be read: nothing more means the end. (Only
 * somebody outside of the tree could still hold the other end.) */
static void finish_output(struct custody *custody, int *fd) {
    if (*fd >= 0 && !custody->logs.full && !read_output(custody, fd) && !custody->logs.full) {
        fd_release(fd);
    }
}

static void read_outputs(struct custody *custody, const struct pollfd *polls) {
    if (custody->tree_empty && !custody->alive) {
        finish_output(custody, &custody->child.out);
        finish_output(custody, &custody->child.err);
        return;
    }
    if (polls[AT_OUT].revents != 0) {
        (void)read_output(custody, &custody->child.out); /* The next turn sees what is left. */
    }
    if (polls[AT_ERR].revents != 0) {
        (void)read_output(custody, &custody->child.err); /* The same. */
    }
}

/* --- One turn --------------------------------------------------------------------------------- */

static void take_signals(struct custody *custody) {
    struct signalfd_siginfo infos[4];
    ssize_t got = read(custody->signals, infos, sizeof infos);
    for (ssize_t at = 0; got > 0 && at < got; at += (ssize_t)sizeof infos[0]) {
        if (infos[at / (ssize_t)sizeof infos[0]].ssi_signo == SIGTERM) {
            custody_stop(custody, custody->order.grace_ms, WHY_STOPPED);
        }
    }
    custody_reap(custody);
}

static int wait_ms(int64_t until) {
    if (until == CLOCK_NEVER) {
        return -1;
    }
    int64_t left = until - clock_ms();
    return left <= 0 ? 0 : (int)(left < INT32_MAX ? left : INT32_MAX);
}

static void make_polls(const struct custody *custody, struct pollfd *polls) {
    bool reads = !custody->logs.full;
    polls[AT_SIGNALS] = (struct pollfd){.fd = custody->signals, .events = POLLIN};
    polls[AT_IN] = (struct pollfd){.fd = input_waits(&custody->input) ? custody->input.fd : -1,
                                   .events = POLLOUT};
    polls[AT_OUT] = (struct pollfd){.fd = reads ? custody->child.out : -1, .events = POLLIN};
    polls[AT_ERR] = (struct pollfd){.fd = reads ? custody->child.err : -1, .events = POLLIN};
    control_poll(&custody->control, polls + AT_CONTROL);
}

static int64_t turn(struct custody *custody, int64_t until) {
    struct pollfd polls[POLLS];
    make_polls(custody, polls);
    if (poll(polls, POLLS, wait_ms(until)) < 0) {
        memset(polls, 0, sizeof polls); /* Of memory alone: the next turn tries again. */
    }
    control_serve(&custody->control, polls + AT_CONTROL, custody);
    if (polls[AT_SIGNALS].revents != 0) {
        take_signals(custody);
    }
    read_outputs(custody, polls);
    input_push(&custody->input);
    int64_t now = clock_ms();
    custody_advance(custody, now);
    return control_tell(&custody->control, custody, now);
}

/* Bytes that stay behind in a pipe because the disk was full to the last. */
static int64_t unread(int fd) {
    int bytes = 0;
    return fd >= 0 && ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

void custody_run(struct custody *custody) {
    int64_t tell_at = CLOCK_NEVER;
    while (!custody_is_settled(custody, clock_ms())) {
        int64_t until = custody_next(custody);
        tell_at = turn(custody, tell_at < until ? tell_at : until);
    }
    if (custody->logs.full) {
        custody->unsaved = (int64_t)custody->logs.pending_len + unread(custody->child.out) +
                           unread(custody->child.err);
    }
}

/* --- The last word ---------------------------------------------------------------------------- */

void custody_part(struct custody *custody) {
    char result[PROTOCOL_EXIT_SIZE];
    struct bytes json = exit_make(custody, result, sizeof result);
    bool there = exit_put(custody, json);
    for (unsigned i = 0; !there && i < RESULT_TRIES && exit_has_place(custody); i++) {
        files_pause(RESULT_RETRY_MS);
        there = exit_put(custody, json);
    }
    if (!there && exit_has_place(custody)) {
        return; /* Without it on the disk it isn't true: the lock goes, and the run is lost. */
    } /* But where the folder is gone, nothing will ever stand there: who listens is told. */
    control_set_last(&custody->control, json);
    int64_t until = clock_after(clock_ms(), PART_MS);
    (void)control_tell(&custody->control, custody, clock_ms()); /* At once: nothing is quiet now. */
    while (!control_is_done(&custody->control) && clock_ms() < until) {
        struct pollfd polls[CONTROL_POLLS];
        control_poll(&custody->control, polls);
        if (poll(polls, CONTROL_POLLS, wait_ms(until)) > 0) {
            control_serve(&custody->control, polls, custody);
            (void)control_tell(&custody->control, custody, clock_ms()); /* The same. */
        }
    }
}
