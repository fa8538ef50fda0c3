/* custody.c: the life of a command, from its start to the last word about it. */
#include "proc/holder/custody.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/sandbox/sandbox.h"
#include "proc/small/small.h"

enum {
    DRAIN_MS = 1000,   /* For what goes on after the main process has ended. */
    FINAL_MS = 1000,   /* For reading what a dead tree left in its pipes. */
    FULL_MS = 10000,   /* The same on a full disk, if nobody wants it to stop. */
    GIVE_UP_MS = 5000, /* For processes that SIGKILL does not end. */
    ROUND_MAX_MS = 64,
    COUNT_FIRST_MS = 100,
    COUNT_MS = 50,
    COUNT_NEAR_MS = 10,
    COUNT_SHARE = 20,
    COUNT_GROWS = 4, /* Without a limit, counts are for the result alone, and become seldom. */
    COUNT_FAR_MS = 60 * 1000,
    RETRY_MS = 1000, /* Of a full disk, for output and for the result. */
    RESULT_TRIES = 60,
    PART_MS = 1000, /* For clients that want the last word. */
};

enum { AT_SIGNALS, AT_IN, AT_OUT, AT_ERR, AT_CONTROL, POLLS = AT_CONTROL + CONTROL_POLLS };

/* --- Start ------------------------------------------------------------------------------------ */

/* In a frame of its own: its filter and its lists are needed for a moment only. */
static struct err custody_start_child(struct custody *custody) {
    const struct order *order = &custody->order;
    const struct child_plan plan = {order, /* sandbox */ NULL, &custody->group};
    if (!order_has(order, ORDER_SANDBOX)) {
        const bool made =
            !order_has(order, ORDER_TMP) || mkdirat(custody->claim.folder, PROTOCOL_TMP, 0700) == 0;
        return made ? child_start(&plan, &custody->child) : err_from_errno(errno, "tmp");
    }
    const struct sandbox_plan wanted = {
        .folder = custody->claim.folder,
        .cwd = order->cwd,
        .hide = order->hide,
        .write = order->write,
        .hide_count = order->hide_count,
        .write_count = order->write_count,
    };
    AUTO(sandbox_done) struct sandbox sandbox = {.ruleset = -1, .cwd = -1};
    struct err err = sandbox_prepare(&wanted, &sandbox);
    if (!err_failed(err)) {
        const struct child_plan held = {order, &sandbox, &custody->group};
        err = child_start(&held, &custody->child);
    }
    custody->sandbox = err_failed(err) ? 0 : sandbox.abi;
    return err;
}

/* The command runs, or *custody says why it doesn't. The order's texts are not needed any more. */
static void custody_start(struct custody *custody) {
    const struct order *order = &custody->order;
    struct err err = order_has(order, ORDER_ONCE) ? claim_sync(&custody->claim) : ERR_OK;
    int64_t now = clock_ms();
    custody->started_wall_ms = clock_wall_ms();
    custody->started_at = now;
    custody->timeout_at = order->timeout_ms > 0 ? clock_after(now, order->timeout_ms) : CLOCK_NEVER;
    custody->kill_at = CLOCK_NEVER;
    custody->count_ms = COUNT_FIRST_MS;
    custody->count_at = order->processes_max > 0 ? 0 : clock_after(now, COUNT_FIRST_MS);
    if (!err_failed(err)) {
        control_tell_link(&custody->control, "claimed\n");
        err = custody_start_child(custody);
    }
    custody->not_started = err;
    custody->phase = err_failed(err) ? CUSTODY_EMPTY : CUSTODY_RUNNING;
    custody->processes_peak = err_failed(err) ? 0 : 1;
    input_init(&custody->input, order, custody->child.in);
    order_forget(&custody->order);
    if (custody->order.processes_max > 0) {
        tree_hurry();
    }
}

/* --- Words from outside ----------------------------------------------------------------------- */

void custody_stop(struct custody *custody, int64_t grace_ms, enum exit_why why) {
    int64_t at = clock_after(clock_ms(), grace_ms);
    if (at < custody->kill_at) {
        custody->kill_at = at;
    }
    if (custody->phase != CUSTODY_RUNNING && at < custody->drain_until) {
        custody->drain_until = at;
    }
    if (custody->stopping) {
        return;
    }
    custody->stopping = true;
    if (custody->phase == CUSTODY_RUNNING) {
        custody->why = why;
    }
    (void)custody_count(custody); /* For its walk. */
    tree_signal(&custody->tree, SIGTERM);
    tree_signal(&custody->tree, SIGCONT); /* A stopped process can't hear. */
}

int64_t custody_count(struct custody *custody) {
    tree_walk(&custody->tree);
    int64_t count = (int64_t)custody->tree.count;
    if (count > custody->processes_peak) {
        custody->processes_peak = count;
    }
    custody->counted = custody->counted || count > 0;
    return count;
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void custody_note_empty(struct custody *custody) {
    bool patient = custody->logs.full && !custody->stopping;
    custody->phase = CUSTODY_EMPTY;
    custody->final_until = clock_after(clock_ms(), patient ? FULL_MS : FINAL_MS);
}

/* After SIGCHLD. */
static void custody_reap(struct custody *custody) {
    bool just_ended = false;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
        if (pid > 0 && pid == custody->child.pid) {
            just_ended = true;
            custody->phase = CUSTODY_DRAINING;
            custody->status = status;
            fd_release(&custody->child.terminal);
            custody->drain_until =
                custody->stopping ? custody->kill_at : clock_after(clock_ms(), DRAIN_MS);
        } else if (pid == 0 && just_ended) {
            /* Processes that outlive the main process lived beside it. Without such a child none
             * are looked for. */
            int64_t count = custody_count(custody) + 1;
            if (custody->counted && count > custody->processes_peak) {
                custody->processes_peak = count;
            }
        } else if (pid < 0 && errno == ECHILD && custody->phase == CUSTODY_DRAINING) {
            custody_note_empty(custody);
        }
        if (pid <= 0) {
            return;
        }
    }
}

static void custody_begin_killing(struct custody *custody, int64_t now) {
    if (!custody->killing) {
        custody->killing = true;
        custody->round_at = now;
        custody->round_ms = 1;
        custody->fewest = INT64_MAX;
        tree_hurry();
    }
}

/* A process that cannot be killed (another user's, or waiting in the kernel) ends the wait, not the
 * custody: but the main process's end is waited for, since only it knows the result. */
static void custody_kill_round(struct custody *custody, int64_t now) {
    int64_t count = custody_count(custody);
    tree_signal(&custody->tree, SIGKILL);
    group_kill(&custody->group);
    custody_reap(custody);
    if (count < custody->fewest) {
        custody->fewest = count; /* A large tree may die slowly, as long as it dies. */
        custody->give_up_at = clock_after(now, GIVE_UP_MS);
    }
    if (custody->phase == CUSTODY_DRAINING && now >= custody->give_up_at) {
        custody->left = count;
        custody_note_empty(custody);
    }
    custody->round_at = clock_after(now, custody->round_ms);
    custody->round_ms = custody->round_ms < ROUND_MAX_MS ? custody->round_ms * 2 : ROUND_MAX_MS;
}

/* Near the limit it is looked at more often; but a walk over many processes costs, and what it
 * costs is at most a twentieth of the time. */
static void custody_check_count(struct custody *custody, int64_t now) {
    int64_t limit = custody->order.processes_max;
    int64_t count = custody_count(custody);
    if (limit > 0 && (count > limit || count == TREE_MAX)) {
        custody->why = custody->stopping ? custody->why : EXIT_PROCESSES;
        custody->stopping = true;
        custody->kill_at = now;
    }
    int64_t ended = clock_ms(), rest = (ended - now) * COUNT_SHARE;
    int64_t wait = count > limit / 4 ? COUNT_NEAR_MS : COUNT_MS;
    if (limit == 0) {
        wait = custody->count_ms * COUNT_GROWS;
        wait = custody->count_ms = wait < COUNT_FAR_MS ? wait : COUNT_FAR_MS;
    }
    custody->count_at = ended + (rest > wait ? rest : wait);
}

static bool custody_outputs_closed(const struct custody *custody) {
    return custody->child.out < 0 && custody->child.err < 0;
}

/* Does what is due by the clock. */
static void custody_advance(struct custody *custody, int64_t now) {
    if (custody->logs.full && now >= custody->retry_at) {
        logs_retry(&custody->logs);
        custody->retry_at = clock_after(now, RETRY_MS);
    }
    if (custody->phase == CUSTODY_RUNNING) {
        if (now >= custody->timeout_at) {
            custody->timeout_at = CLOCK_NEVER;
            custody_stop(custody, custody->order.grace_ms, EXIT_TIMED_OUT);
        }
        if (now >= custody->count_at && !custody->killing) {
            custody_check_count(custody, now);
        }
        if (now >= custody->kill_at) {
            custody_begin_killing(custody, now);
        }
    } else if (custody->phase == CUSTODY_DRAINING &&
               (now >= custody->drain_until ||
                (custody_outputs_closed(custody) && !custody->stopping))) {
        custody_begin_killing(custody, now);
    }
    if (custody->killing && custody->phase != CUSTODY_EMPTY && now >= custody->round_at) {
        custody_kill_round(custody, now);
    }
}

static bool custody_is_settled(const struct custody *custody, int64_t now) {
    return custody->phase == CUSTODY_EMPTY &&
           ((custody_outputs_closed(custody) && !custody->logs.full) ||
            now >= custody->final_until);
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* When to advance at the latest. */
static int64_t custody_next(const struct custody *custody) {
    int64_t at = custody->logs.full ? custody->retry_at : CLOCK_NEVER;
    int64_t round_at = custody->killing ? custody->round_at : CLOCK_NEVER;
    switch (custody->phase) {
    case CUSTODY_RUNNING:
        at = earlier(at, earlier(custody->timeout_at, custody->count_at));
        at = earlier(at, custody->killing ? CLOCK_NEVER : custody->kill_at);
        return earlier(at, round_at);
    case CUSTODY_DRAINING:
        at = earlier(at, custody->killing ? CLOCK_NEVER : custody->drain_until);
        return earlier(at, round_at);
    case CUSTODY_EMPTY:
    default:
        return earlier(at, custody->logs.full ? custody->final_until : 0);
    }
}

/* --- Output ----------------------------------------------------------------------------------- */

/* Reads one piece, while the disk takes it. False: there is nothing (now, or any more). */
static bool custody_read(struct custody *custody, int *fd) {
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
    bool terminal = order_has(&custody->order, ORDER_PTY);
    logs_add(logs, terminal ? LOG_PTY : fd == &custody->child.out ? LOG_OUT : LOG_ERR, (size_t)got);
    if (logs->full) {
        custody->retry_at = clock_after(clock_ms(), RETRY_MS);
    }
    return true;
}

static void custody_read_all(struct custody *custody, const struct pollfd *polls) {
    int *const outputs[] = {&custody->child.out, &custody->child.err};
    for (unsigned i = 0; i < COUNT_OF(outputs); i++) {
        if (custody->phase != CUSTODY_EMPTY) {
            if (polls[AT_OUT + i].revents != 0) {
                (void)custody_read(custody, outputs[i]); /* The next turn sees what is left. */
            }
        } else if (*outputs[i] >= 0 && !custody->logs.full && !custody_read(custody, outputs[i]) &&
                   !custody->logs.full) {
            /* When the tree is gone, all that it said is there to be read: nothing more means the
             * end. (Only somebody outside of the tree could still hold the other end.) */
            fd_release(outputs[i]);
        }
    }
}

/* --- One turn: wait, reap, read, write, decide, tell ------------------------------------------ */

static void custody_take_signals(struct custody *custody) {
    struct signalfd_siginfo infos[4];
    ssize_t got = read(custody->signals, infos, sizeof infos);
    for (ssize_t i = 0; i < got / (ssize_t)sizeof infos[0]; i++) {
        if (infos[i].ssi_signo == SIGTERM) {
            custody_stop(custody, custody->order.grace_ms, EXIT_STOPPED);
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

/* Returns when there is something to tell again. */
static int64_t custody_turn(struct custody *custody, int64_t until) {
    bool reads = !custody->logs.full;
    struct pollfd polls[POLLS] = {
        [AT_SIGNALS] = {.fd = custody->signals, .events = POLLIN},
        [AT_IN] = {.fd = input_waits(&custody->input) ? custody->input.fd : -1, .events = POLLOUT},
        [AT_OUT] = {.fd = reads ? custody->child.out : -1, .events = POLLIN},
        [AT_ERR] = {.fd = reads ? custody->child.err : -1, .events = POLLIN},
    };
    control_poll(&custody->control, polls + AT_CONTROL);
    if (poll(polls, POLLS, wait_ms(until)) < 0) {
        memset(polls, 0, sizeof polls); /* For want of memory alone: the next turn tries again. */
    }
    control_serve(&custody->control, polls + AT_CONTROL, custody);
    if (polls[AT_SIGNALS].revents != 0) {
        custody_take_signals(custody);
    }
    custody_read_all(custody, polls);
    input_push(&custody->input);
    int64_t now = clock_ms();
    custody_advance(custody, now);
    return control_tell(&custody->control, custody, now);
}

/* --- The result ------------------------------------------------------------------------------- */

/* Bytes that stay behind in a pipe because the disk was full to the last. */
static int64_t unread(int fd) {
    int bytes = 0;
    return fd >= 0 && ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

/* exit.json, as protocol.h has it: exactly `size` bytes of `buffer`. All texts are plain: no
 * escapes. */
static struct bytes custody_result(const struct custody *custody, char *buffer, size_t size) {
    const struct err *failed = &custody->not_started;
    bool started = !err_failed(*failed), exited = started && WIFEXITED(custody->status);
    enum exit_end end = !started ? EXIT_NOT_STARTED : exited ? EXIT_EXITED : EXIT_SIGNALED;
    struct line line = line_in(buffer, size);
    line_addf(&line, "{\"v\":1,\"name\":\"%s\",\"end\":\"%s\"", custody->order.name,
              exit_end_words()[end]);
    line_addf(&line, ",\"code\":%d,\"signal\":%d,\"errno\":%d,\"step\":\"%s\",\"why\":\"%s\"",
              exited ? WEXITSTATUS(custody->status) : 0,
              started && !exited ? WTERMSIG(custody->status) : 0, started ? 0 : failed->os,
              started ? "" : failed->step, exit_why_words()[custody->why]);
    for (unsigned i = 0; i < LOG_STREAMS; i++) {
        line_addf(&line, ",\"%s\":%lld", log_stream_name(i),
                  (long long)custody->logs.files[i].size);
    }
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_CHILDREN, &usage); /* Cannot fail. All of them were waited for. */
    int64_t cpu_s = (int64_t)usage.ru_utime.tv_sec + (int64_t)usage.ru_stime.tv_sec;
    int64_t cpu_us = cpu_s * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    line_addf(&line, ",\"in\":%lld,\"cpu_us\":%lld,\"memory_kb\":%lld",
              (long long)custody->input.accepted, (long long)cpu_us, (long long)usage.ru_maxrss);
    if (custody->counted || !started) {
        line_addf(&line, ",\"processes\":%lld", (long long)custody->processes_peak);
    }
    /* The end is not by the wall's clock, which may have been set meanwhile: the time between them
     * is true. */
    line_addf(&line, ",\"started_ms\":%lld,\"ended_ms\":%lld", (long long)custody->started_wall_ms,
              (long long)(custody->started_wall_ms + (clock_ms() - custody->started_at)));
    line_addf(&line, ",\"left\":%lld,\"unsaved\":%lld,\"sandbox\":%d}", (long long)custody->left,
              (long long)custody->unsaved, custody->sandbox);
    assert(!line.failed && line.len < size);
    memset(buffer + line.len, ' ', size - line.len - 1);
    buffer[size - 1] = '\n';
    return (struct bytes){buffer, size};
}

/* Says the last word to everybody and waits for the clients that want it. */
static void custody_part(struct custody *custody) {
    char result[PROTOCOL_EXIT_SIZE];
    struct control *control = &custody->control;
    bool sync = order_has(&custody->order, ORDER_ONCE);
    struct bytes json = custody_result(custody, result, sizeof result);
    bool there = claim_put_result(&custody->claim, json, sync);
    for (unsigned i = 0; !there && i < RESULT_TRIES && claim_has_folder(&custody->claim); i++) {
        clock_pause(RETRY_MS);
        there = claim_put_result(&custody->claim, json, sync);
    }
    if (!there && claim_has_folder(&custody->claim)) {
        return; /* Without it on the disk it isn't true: the lock goes, and the run is lost. */
    } /* But where the folder is gone, nothing will ever stand there: every client hears it. */
    control_set_last(control, json);
    int64_t until = clock_after(clock_ms(), PART_MS);
    (void)control_tell(control, custody, clock_ms()); /* At once: no size is held back now. */
    while (!control_is_done(control) && clock_ms() < until) {
        struct pollfd polls[CONTROL_POLLS];
        control_poll(control, polls);
        if (poll(polls, CONTROL_POLLS, wait_ms(until)) > 0) {
            control_serve(control, polls, custody);
            (void)control_tell(control, custody, clock_ms()); /* The same. */
        }
    }
}

void custody_run(struct custody *custody) {
    custody_start(custody);
    int64_t tell_at = CLOCK_NEVER;
    while (!custody_is_settled(custody, clock_ms())) {
        tell_at = custody_turn(custody, earlier(tell_at, custody_next(custody)));
    }
    if (custody->logs.full) {
        custody->unsaved = (int64_t)custody->logs.pending_len + unread(custody->child.out) +
                           unread(custody->child.err);
    }
    custody_part(custody);
}
