/* reap.c: see reap.h. One SIGCHLD may stand for many children, so all that ended are collected; and
 * thousands may end at once, so that is done in pieces.
 */
#include "proc/reap.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "loop/loop_uv.h"

enum { AT_ONCE_MAX = 64 };

struct reap {
    uv_signal_t sigchld;   /* Does not keep the loop alive. */
    struct loop *loop;     /* Borrowed. */
    struct loop_task task; /* Goes on, and collects what ended before we listened. */
    void (*ended)(void *ctx, struct reap_ended);
    void *ctx; /* Borrowed. */
    bool closing;
};

static void collect(struct loop_task *task) {
    struct reap *reap = CONTAINER_OF(task, struct reap, task);
    for (unsigned i = 0; i < AT_ONCE_MAX; i++) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR) {
            continue;
        }
        if (pid <= 0) {
            return;
        }
        reap->ended(reap->ctx, (struct reap_ended){(int)pid, status});
        if (reap->closing) {
            return;
        }
    }
    loop_soon(reap->loop, &reap->task);
}

static void on_sigchld(uv_signal_t *sigchld, int number) {
    (void)number; /* There is but one. */
    struct reap *reap = sigchld->data;
    loop_breathe(reap->loop);
    loop_soon(reap->loop, &reap->task);
}

static void on_closed(uv_handle_t *handle) {
    mem_free(handle->data);
}

struct err reap_open(struct loop *loop, void (*ended)(void *ctx, struct reap_ended), void *ctx,
                     struct reap **ret_reap) {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) < 0) {
        return err_from_errno(errno, "reap: adopt orphans");
    }
    struct reap *reap = mem_new(sizeof *reap);
    *reap = (struct reap){.loop = loop, .ended = ended, .ctx = ctx, .task.run = collect};
    int rc = uv_signal_init(loop_uv(loop), &reap->sigchld);
    if (rc != 0) {
        mem_free(reap);
        return err_from_errno(-rc, "reap: listen for children");
    }
    reap->sigchld.data = reap;
    rc = uv_signal_start(&reap->sigchld, on_sigchld, SIGCHLD);
    if (rc != 0) {
        uv_close((uv_handle_t *)&reap->sigchld, on_closed);
        return err_from_errno(-rc, "reap: listen for children");
    }
    uv_unref((uv_handle_t *)&reap->sigchld);
    loop_soon(loop, &reap->task);
    *ret_reap = reap;
    return ERR_OK;
}

void reap_close(struct reap *reap) {
    if (reap == NULL) {
        return;
    }
    reap->closing = true;
    loop_task_cancel(reap->loop, &reap->task);
    uv_close((uv_handle_t *)&reap->sigchld, on_closed);
}
