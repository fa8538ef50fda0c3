/* worker.c: one worker, from its start to its end.
 *
 *   WAITING ──a zygote was told──> ASKED ──BORN──> LIVE
 *      │                             │ UNBORN,       │ ENDED, the zygote's end,
 *      │ no zygote                   │ its end       │ what it did
 *      └─────────────────────────> ENDED <───────────┘      script_close leads here from everywhere
 *
 * Its socket and its process end in either order, as seen from here. `ended` waits for both: what
 * it said last is heard, and how it ended is known. A socket that is over condemns the process; a
 * process that is over ends the socket, since nobody else holds its other end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "loop/loop_uv.h"
#include "script/inside.h"

static void set_state(struct script_worker *worker, enum worker_state state) {
    static const bool legal[WORKER_STATES][WORKER_STATES] = {
        [WORKER_WAITING] = {[WORKER_ASKED] = true, [WORKER_ENDED] = true},
        [WORKER_ASKED] = {[WORKER_LIVE] = true, [WORKER_ENDED] = true},
        [WORKER_LIVE] = {[WORKER_ENDED] = true},
    };
    assert(legal[worker->state][state]);
    worker->state = state;
}

/* --- The end ---------------------------------------------------------------------------------- */

static void list_add(struct script_worker *worker) {
    struct scripts *scripts = worker->scripts;
    worker->next = scripts->workers;
    if (worker->next != NULL) {
        worker->next->prev = worker;
    }
    scripts->workers = worker;
    scripts->stats.live++;
}

static void list_remove(struct script_worker *worker) {
    struct scripts *scripts = worker->scripts;
    if (worker->prev == NULL) {
        scripts->workers = worker->next;
    } else {
        worker->prev->next = worker->next;
    }
    if (worker->next != NULL) {
        worker->next->prev = worker->prev;
    }
    scripts->stats.live--;
}

static void worker_free(struct script_worker *worker) {
    inlet__done(&worker->inlet);
    outlet__done(&worker->outlet);
    mem_free(worker);
}

static void on_closed(uv_handle_t *handle) {
    struct script_worker *worker = handle->data;
    struct scripts *scripts = worker->scripts;
    loop_breathe(scripts->loop);
    worker_free(worker);
    scripts__handle_closed(scripts);
}

static void await_no_more(struct script_worker *worker) {
    if (worker->awaited) {
        worker->awaited = false;
        worker->scripts->awaited--;
        scripts__await(worker->scripts);
    }
}

static void kill_it(const struct script_worker *worker) {
    if (worker->pidfd >= 0) {
        pidfd_kill(worker->pidfd);
    }
}

/* Silence from here on; the handle's callback frees it all. Without a handle it is gone at once. */
static void leave(struct script_worker *worker) {
    struct scripts *scripts = worker->scripts;
    if (worker->state == WORKER_WAITING) {
        scripts__dequeue(scripts, worker);
    }
    set_state(worker, WORKER_ENDED);
    script_rest(worker);
    await_no_more(worker);
    loop_task_cancel(scripts->loop, &worker->task);
    list_remove(worker);
    scripts__slot_give(scripts, worker);
    kill_it(worker);
    if (worker->polled) {
        uv_close((uv_handle_t *)&worker->poll, on_closed);
    }
    fd_release(&worker->fd);
    fd_release(&worker->theirs);
    fd_release(&worker->pidfd);
    if (!worker->polled) {
        worker_free(worker);
    }
}

static void finish(struct script_worker *worker) {
    const struct script_watch *watch = worker->watch;
    const struct script_end end = worker->end;
    void *ctx = worker->ctx;
    leave(worker);
    watch->ended(ctx, &end);
}

void script_close(struct script_worker *worker) {
    if (worker != NULL && worker->state != WORKER_ENDED) {
        leave(worker);
    }
}

static void judge(struct script_worker *worker, struct script_end end) {
    if (!worker->judged) {
        worker->judged = true;
        worker->end = end;
    }
}

void worker__condemn(struct script_worker *worker, enum script_end_kind kind, const char *detail) {
    if (worker->judged) {
        return;
    }
    judge(worker, (struct script_end){kind, 0, detail});
    worker->scripts->stats.killed++;
    kill_it(worker);
    if (kind == SCRIPT_REFUSED) { /* What it says is not looked at, so its end need not be. */
        worker->inlet.over = worker->inlet.shut = worker->ended = true;
    }
}

void worker__over(struct script_worker *worker, struct script_end end) {
    judge(worker, end);
    worker->ended = true;
    worker->inlet.over = worker->inlet.over || worker->fd < 0;
    kill_it(worker);
    fd_release(&worker->theirs);
    await_no_more(worker);
    loop_soon(worker->scripts->loop, &worker->task);
}

/* --- The middle ------------------------------------------------------------------------------- */

static void settle(struct script_worker *worker);

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct script_worker *worker = poll->data;
    loop_breathe(worker->scripts->loop);
    bool broken = status < 0; /* Then libuv has stopped the handle. What is left can be read. */
    worker->events = broken ? 0 : worker->events;
    if (broken || (events & UV_WRITABLE) != 0) {
        outlet__turn(worker);
    }
    if (broken || (events & UV_READABLE) != 0) {
        inlet__turn(worker);
    }
    settle(worker);
}

void worker__listen(struct script_worker *worker) {
    const struct inlet *inlet = &worker->inlet;
    if (!worker->polled || worker->state == WORKER_ENDED) {
        return;
    }
    bool reads = !inlet->over && !inlet->paused && !inlet__has_frame(worker);
    bool writes = worker->outlet.first != NULL;
    int events = (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);
    if (events == worker->events) {
        return;
    }
    worker->events = events;
    int rc =
        events == 0 ? uv_poll_stop(&worker->poll) : uv_poll_start(&worker->poll, events, on_ready);
    assert(rc == 0); /* It only fails for a handle that is closing. */
}

static void settle(struct script_worker *worker) {
    const struct inlet *inlet = &worker->inlet;
    if (worker->state == WORKER_ENDED) {
        return;
    }
    if (inlet__has_frame(worker) && !inlet->paused) {
        loop_soon(worker->scripts->loop, &worker->task);
    } else if (inlet->over && worker->ended && !inlet->paused) {
        finish(worker);
        return;
    }
    if (inlet->over && !worker->ended && !worker->awaited) {
        worker->awaited = true;
        worker->scripts->awaited++;
        scripts__await(worker->scripts);
        kill_it(worker);
    }
    worker__listen(worker);
}

static void on_task(struct loop_task *task) {
    struct script_worker *worker = CONTAINER_OF(task, struct script_worker, task);
    inlet__turn(worker);
    settle(worker);
}

void worker__asked(struct script_worker *worker) {
    set_state(worker, WORKER_ASKED);
    fd_release(&worker->theirs); /* It is on its way. */
}

void worker__born(struct script_worker *worker, int pid, int pidfd) {
    set_state(worker, WORKER_LIVE);
    worker->pid = pid;
    worker->pidfd = pidfd;
    if (worker->pidfd < 0) { /* It has not arrived for want of room, and nothing else kills it. */
        (void)shutdown(worker->fd, SHUT_RDWR); /* It cannot fail for what it is. */
        worker__over(worker, (struct script_end){SCRIPT_NOT_STARTED, EMFILE,
                                                 "there was no descriptor left for its process"});
    } else if (worker->inlet.over) {
        kill_it(worker);
    }
}

/* --- The beginning ---------------------------------------------------------------------------- */

static struct err make_socket(struct script_worker *worker) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0 /* protocol */, pair) < 0) {
        return err_from_errno(errno, "script: make a socket");
    }
    AUTO(fd_release) int ours = pair[0];
    AUTO(fd_release) int theirs = pair[1];
    int rc = uv_poll_init(loop_uv(worker->scripts->loop), &worker->poll, ours);
    if (rc != 0) {
        return err_from_errno(-rc, "script: watch a socket");
    }
    worker->polled = true;
    worker->poll.data = worker;
    worker->scripts->handles++;
    worker->fd = fd_take(&ours);
    worker->theirs = fd_take(&theirs);
    return ERR_OK;
}

struct script_worker *script_start(struct scripts *scripts, const struct script_bounds *bounds,
                                   const struct script_watch *watch, void *ctx) {
    struct script_worker *worker = mem_new(sizeof *worker);
    worker->scripts = scripts;
    worker->watch = watch;
    worker->ctx = ctx;
    worker->bounds = *bounds;
    worker->fd = worker->theirs = worker->pidfd = -1;
    worker->task.run = on_task;
    list_add(worker);
    scripts__slot_take(scripts, worker);
    scripts->stats.started++;
    struct err err = make_socket(worker);
    scripts__enqueue(scripts, worker);
    if (err_failed(err)) {
        worker__over(worker,
                     (struct script_end){SCRIPT_NOT_STARTED, err.os, "there was no socket for it"});
    }
    worker__listen(worker);
    return worker;
}
