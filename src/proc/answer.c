/* answer.c: see answer.h. The handle of libuv outlives the answer, since its close is later. */
#include "proc/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "loop/loop_uv.h"

enum { READ_BYTES = 64 << 10, READS_AT_ONCE = 4 };

struct answer_watch {
    uv_poll_t poll;
    struct answer *answer; /* Borrowed; NULL: nobody listens any more. */
    int fd, pidfd;         /* Owned. */
};

static void on_watch_closed(uv_handle_t *handle) {
    struct answer_watch *watch = CONTAINER_OF((uv_poll_t *)handle, struct answer_watch, poll);
    fd_release(&watch->fd);
    fd_release(&watch->pidfd);
    mem_free(watch);
}

enum child_fate { CHILD_ENDS_ITSELF, CHILD_IS_KILLED };

static void watch_end(struct answer *answer, enum child_fate fate) {
    struct answer_watch *watch = answer->watch;
    answer->watch = NULL;
    watch->answer = NULL;
    timer_stop(answer->loop, &answer->deadline);
    if (fate == CHILD_IS_KILLED && watch->pidfd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, watch->pidfd, SIGKILL, NULL, 0); /* Gone is fine. */
    }
    (void)uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static void answer_end(struct answer *answer, enum child_fate fate, struct err err) {
    watch_end(answer, fate);
    answer->done(answer, err);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct answer_watch *watch = CONTAINER_OF(poll, struct answer_watch, poll);
    struct answer *answer = watch->answer;
    (void)events; /* Readable, or the end: the read tells. */
    loop_breathe(answer->loop);
    AUTO(mem_release) char *bytes = mem_new(READ_BYTES);
    for (int reads = 0; status == 0 && reads < READS_AT_ONCE; reads++) {
        ssize_t got = read(watch->fd, bytes, READ_BYTES);
        if (got == 0) {
            answer_end(answer, CHILD_ENDS_ITSELF, ERR_OK);
            return;
        }
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got < 0) {
            status = -errno;
            break;
        }
        text_add(&answer->output, bytes, (size_t)got);
        if (text_failed(&answer->output)) {
            answer_end(answer, CHILD_IS_KILLED, text_error(&answer->output, "answer: output"));
            return;
        }
    }
    if (status != 0) {
        answer_end(answer, CHILD_IS_KILLED, err_from_errno(-status, "answer: read"));
    }
}

static void on_deadline(struct timer *timer) {
    struct answer *answer = CONTAINER_OF(timer, struct answer, deadline);
    answer_end(answer, CHILD_IS_KILLED, err_make(ERR_STALLED, "answer: deadline"));
}

struct err answer_start(struct answer *answer, struct loop *loop,
                        const struct answer_order *order) {
    assert(answer->watch == NULL);
    struct answer_watch *watch = mem_new(sizeof *watch);
    watch->fd = order->fd;
    watch->pidfd = (int)syscall(SYS_pidfd_open, order->pid, 0);
    int rc = fcntl(watch->fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    rc = rc == 0 ? uv_poll_init(loop_uv(loop), &watch->poll, watch->fd) : rc;
    if (rc != 0) {
        if (watch->pidfd >= 0) {
            (void)syscall(SYS_pidfd_send_signal, watch->pidfd, SIGKILL, NULL, 0); /* As above. */
        }
        fd_release(&watch->fd);
        fd_release(&watch->pidfd);
        mem_free(watch);
        return err_from_errno(-rc, "answer: watch");
    }
    rc = uv_poll_start(&watch->poll, UV_READABLE, on_readable);
    assert(rc == 0);
    watch->answer = answer;
    answer->watch = watch;
    answer->loop = loop;
    text_done(&answer->output);
    answer->output = text_up_to(order->size_max);
    timer_start(loop, &answer->deadline, order->deadline_ms, on_deadline);
    return ERR_OK;
}

void answer_cancel(struct answer *answer) {
    if (answer->watch != NULL) {
        watch_end(answer, CHILD_IS_KILLED);
    }
    text_done(&answer->output);
}
