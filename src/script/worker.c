/* worker.c: one worker, from its start to its end.
 *
 *   WAITING ──a zygote was asked──> ASKED ──BORN──> LIVE
 *      │                              │ UNBORN,       │ ENDED, the zygote's end,
 *      │ no zygote                    │ its end       │ what it did
 *      └──────────────────────────> ENDED <───────────┘     script_close leads here from everywhere
 *
 * Its socket and its process end in either order, as seen from here. `ended` waits for both: what
 * it said last is heard, and how it ended is known. A socket that is over condemns the process; a
 * process that is over ends the socket, since nobody else holds its other end.
 *
 * Rest   a worker that was given back stays LIVE, for the next script of its owner alone. If it
 *        sends anything before that, it is killed.
 * In     almost always a read brings whole frames, and they are heard where they arrived, in the
 *        buffer that all sockets share. What is left of it is kept; and of a long frame the kept
 *        part grows with what came, never with what its length promises.
 * Out    most frames go whole and at once; what the socket does not take waits in a list.
 * CPU    the engine looks at its clock by itself and ends a script that computes for too long, with
 *        its line. The watch here is for what does not look: a long step of a built-in function, or
 *        a worker that was taken over. So it may be coarse: a worker is first measured when the
 *        timer finds it busy, which costs nothing to those that rest again by then.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "loop/loop_uv.h"
#include "script/inside.h"

enum {
    FRAMES_AT_ONCE = 16,
    RECEIVED_AT_ONCE = 256 << 10,
    KEPT_SIZE_MIN = 256,
    CPU_STEP_MS = 500,
    CPU_GRACE_MS = 1000,
    NS_OF_MS = 1000000,
    NS_OF_S = 1000000000,
    RESTING_MAX = 32,
    REST_MS = 2000,       /* Each rests for as long, or twice that. */
    SEND_MAX = 128 << 10, /* Bytes that one turn of the loop sends. */
};

/* A frame on its way out, or what is left of it. */
struct outgoing {
    struct outgoing *next;
    struct script_piece piece; /* Owned. */
    size_t head, done;         /* head: SCRIPT_HEADER_SIZE for the first of a frame, else 0. */
    uint8_t header[SCRIPT_HEADER_SIZE]; /* Counts in `done`. */
};

static void worker_set_state(struct script_worker *worker, enum worker_state state) {
    static const bool legal[WORKER_STATES][WORKER_STATES] = {
        [WORKER_WAITING] = {[WORKER_ASKED] = true, [WORKER_ENDED] = true},
        [WORKER_ASKED] = {[WORKER_LIVE] = true, [WORKER_ENDED] = true},
        [WORKER_LIVE] = {[WORKER_ENDED] = true},
    };
    assert(legal[worker->state][state]);
    worker->state = state;
}

static void worker_kill(const struct script_worker *worker) {
    if (worker->pidfd >= 0) {
        pidfd_kill(worker->pidfd);
    }
}

static void worker_judge(struct script_worker *worker, struct script_end end) {
    if (!worker->judged) {
        worker->judged = true;
        worker->end = end;
    }
}

/* For what it did: it is killed, and that is why. */
static void worker_condemn(struct script_worker *worker, enum script_end_kind kind,
                           const char *detail) {
    if (worker->judged) {
        return;
    }
    worker_judge(worker, (struct script_end){kind, 0, detail});
    worker->scripts->stats.killed++;
    worker_kill(worker);
    if (kind == SCRIPT_REFUSED) { /* Nothing of it is looked at any more, so its end need not be. */
        worker->inlet.over = worker->inlet.shut = worker->ended = true;
    }
}

/* --- In --------------------------------------------------------------------------------------- */

enum first { FIRST_PART, FIRST_WHOLE, FIRST_NONSENSE };

/* Kind of the first frame of `view`; *ret_len is with its header, where that is there. */
static enum first inlet_look(struct bytes view, size_t *ret_len) {
    *ret_len = SCRIPT_HEADER_SIZE;
    if (view.len < SCRIPT_HEADER_SIZE) {
        return FIRST_PART;
    }
    uint32_t len = 0;
    for (unsigned i = 0; i < SCRIPT_HEADER_SIZE; i++) {
        len |= (uint32_t)(uint8_t)view.data[i] << (8 * i);
    }
    if (len == 0 || len > SCRIPT_FRAME_MAX) {
        return FIRST_NONSENSE;
    }
    *ret_len = SCRIPT_HEADER_SIZE + (size_t)len;
    return view.len >= *ret_len ? FIRST_WHOLE : FIRST_PART;
}

static bool inlet_has_frame(const struct inlet *inlet) {
    size_t len = 0;
    return !inlet->shut && inlet_look(inlet->view, &len) != FIRST_PART;
}

static void inlet_done(struct inlet *inlet) {
    mem_free(inlet->kept);
    inlet->kept = NULL;
    inlet->view = (struct bytes){NULL, 0};
    inlet->size = 0;
}

static void inlet_consume(struct inlet *inlet, size_t len) {
    inlet->view.data += len;
    inlet->view.len -= len;
    if (inlet->view.len == 0) {
        inlet_done(inlet);
    }
}

/* Out of the shared buffer, before that is used again: at most as much as it holds. */
static void inlet_keep(struct inlet *inlet) {
    if (inlet->kept != NULL || inlet->view.len == 0) {
        return;
    }
    inlet->size = inlet->view.len < KEPT_SIZE_MIN ? KEPT_SIZE_MIN : inlet->view.len;
    inlet->kept = mem_new(inlet->size);
    memcpy(inlet->kept, inlet->view.data, inlet->view.len);
    inlet->view.data = inlet->kept;
}

/* Room after what is kept, up to the end of its frame; what lies before it was heard. 0: there is
 * no memory. */
static size_t inlet_make_room(struct inlet *inlet) {
    size_t wanted = 0;
    (void)inlet_look(inlet->view, &wanted); /* A part: there would be nothing to receive else. */
    if (inlet->view.data != inlet->kept) {
        memmove(inlet->kept, inlet->view.data, inlet->view.len);
        inlet->view.data = inlet->kept;
    }
    if (inlet->size < wanted && inlet->size - inlet->view.len < RECEIVED_AT_ONCE) {
        size_t size = inlet->size * 2 < RECEIVED_AT_ONCE ? RECEIVED_AT_ONCE : inlet->size * 2;
        size = size < wanted ? size : wanted;
        char *grown = mem_try_grow(inlet->kept, size);
        if (grown == NULL) {
            return 0;
        }
        inlet->view.data = inlet->kept = grown;
        inlet->size = size;
    }
    size_t room = (inlet->size < wanted ? inlet->size : wanted) - inlet->view.len;
    return room < RECEIVED_AT_ONCE ? room : RECEIVED_AT_ONCE;
}

static void inlet_receive(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    char *at = worker->scripts->buffer;
    size_t room = SCRIPTS_BUFFER_SIZE;
    if (inlet->kept == NULL) {
        inlet->view.data = at;
    } else {
        room = inlet_make_room(inlet);
        at = inlet->kept + inlet->view.len;
    }
    if (room == 0) {
        worker_condemn(worker, SCRIPT_REFUSED, "there was no memory for what it sent");
        return;
    }
    ssize_t got = recv(worker->fd, at, room, MSG_DONTWAIT);
    if (got > 0) {
        inlet->view.len += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        inlet->over = true; /* The process's end says more than the errno. */
    }
}

/* Receives, unless a whole frame is there or it is paused, and lets frames be heard. */
static void inlet_turn(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    if (inlet->paused) {
        return;
    }
    if (!inlet->over && !inlet_has_frame(inlet)) {
        inlet_receive(worker);
    }
    for (unsigned i = 0; i < FRAMES_AT_ONCE && inlet_has_frame(inlet); i++) {
        size_t len = 0;
        if (inlet_look(inlet->view, &len) == FIRST_NONSENSE) {
            worker_condemn(worker, SCRIPT_REFUSED,
                           "it sent a frame of a length that is not allowed");
            break;
        }
        inlet->hearing = len;
        worker->watch->heard(worker->ctx, (struct bytes){inlet->view.data + SCRIPT_HEADER_SIZE,
                                                         len - SCRIPT_HEADER_SIZE});
        if (worker->state == WORKER_ENDED || inlet->paused) {
            break;
        }
        inlet->hearing = 0;
        inlet_consume(inlet, len);
    }
    inlet_keep(inlet);
}

struct bytes script_pause(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    assert(inlet->hearing > 0);
    inlet->paused = true;
    inlet_keep(inlet);
    return (struct bytes){inlet->view.data + SCRIPT_HEADER_SIZE,
                          inlet->hearing - SCRIPT_HEADER_SIZE};
}

void script_resume(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    if (inlet->paused) {
        inlet->paused = false;
        inlet_consume(inlet, inlet->hearing);
        inlet->hearing = 0;
        loop_soon(worker->scripts->loop, &worker->task);
    }
}

/* --- Out -------------------------------------------------------------------------------------- */

static void outlet_drop_first(struct script_worker *worker) {
    struct outlet *outlet = &worker->outlet;
    struct outgoing *out = outlet->first;
    outlet->first = out->next;
    outlet->last = outlet->first == NULL ? NULL : outlet->last;
    outlet->waiting -= out->head + out->piece.len - out->done;
    loop_free(worker->scripts->loop, mem_free, out->piece.data, out->piece.len);
    mem_free(out);
}

/* Sends a part of one piece, its header in the same call: others want their turn, too, and a worker
 * that reads meanwhile would make room in the socket without end. */
static void outlet_turn(struct script_worker *worker) {
    struct outlet *outlet = &worker->outlet;
    struct outgoing *out = outlet->first;
    if (out == NULL) {
        return;
    }
    size_t left = out->head + out->piece.len - out->done;
    size_t of_header = out->done < out->head ? out->head - out->done : 0;
    size_t of_piece = left - of_header, now = of_piece < SEND_MAX ? of_piece : SEND_MAX;
    struct iovec parts[] = {
        {.iov_base = out->header + out->head - of_header, .iov_len = of_header},
        {.iov_base = out->piece.data + out->piece.len - of_piece, .iov_len = now}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
    ssize_t sent = sendmsg(worker->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
        out->done += (size_t)sent;
        outlet->waiting -= (size_t)sent;
        if ((size_t)sent == left) {
            outlet_drop_first(worker);
        }
    } else if (errno != EAGAIN && errno != EINTR) {
        outlet->broken = true;
        while (outlet->first != NULL) {
            outlet_drop_first(worker);
        }
    }
}

/* --- CPU time --------------------------------------------------------------------------------- */

/* By its pid, which is its own as long as we have not heard of its end; in the moment between, a
 * stranger's clock could condemn at most the one that is dead. */
static bool cpu_read(int pid, uint64_t *ret_ns) {
    clockid_t clock_of = 0;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock_of) != 0 || clock_gettime(clock_of, &used) != 0) {
        return false;
    }
    *ret_ns = (uint64_t)used.tv_sec * NS_OF_S + (uint64_t)used.tv_nsec;
    return true;
}

static void cpu_on_step(struct timer *timer) {
    struct scripts *scripts = CONTAINER_OF(timer, struct scripts, cpu);
    scripts->cpu_watched = false;
    for (struct script_worker *worker = scripts->workers; worker != NULL; worker = worker->next) {
        uint64_t now_ns = 0;
        scripts->cpu_watched = scripts->cpu_watched || worker->cpu != CPU_RESTS;
        if (worker->cpu == CPU_RESTS || worker->state != WORKER_LIVE || worker->ended ||
            !cpu_read(worker->pid, &now_ns)) {
            continue;
        }
        uint64_t allowed_ms = (uint64_t)worker->bounds.cpu_ms + CPU_GRACE_MS;
        if (worker->cpu == CPU_BUSY) {
            worker->cpu = CPU_MEASURED;
            worker->cpu_from_ns = now_ns;
        } else if (now_ns > worker->cpu_from_ns &&
                   (now_ns - worker->cpu_from_ns) / NS_OF_MS > allowed_ms) {
            worker_condemn(worker, SCRIPT_STUCK, "it computed for too long and had to be killed");
        }
    }
    if (scripts->cpu_watched) {
        timer_start(scripts->loop, &scripts->cpu, CPU_STEP_MS, cpu_on_step);
    }
}

void script_busy(struct script_worker *worker) {
    struct scripts *scripts = worker->scripts;
    if (worker->state == WORKER_ENDED) {
        return;
    }
    worker->cpu = CPU_BUSY;
    if (!scripts->cpu_watched) {
        scripts->cpu_watched = true;
        timer_start(scripts->loop, &scripts->cpu, CPU_STEP_MS, cpu_on_step);
    }
}

/* The timer is left alone: most are busy again before it rings, and if not, it rings in vain once.
 */
void script_rest(struct script_worker *worker) {
    worker->cpu = CPU_RESTS;
}

/* --- The end ---------------------------------------------------------------------------------- */

static void worker_free(struct script_worker *worker) {
    inlet_done(&worker->inlet);
    mem_free(worker->owner);
    while (worker->outlet.first != NULL) {
        outlet_drop_first(worker);
    }
    mem_free(worker);
}

static void worker_on_closed(uv_handle_t *handle) {
    struct script_worker *worker = handle->data;
    struct scripts *scripts = worker->scripts;
    loop_breathe(scripts->loop);
    worker_free(worker);
    scripts__handle_closed(scripts);
}

static void worker_await_no_more(struct script_worker *worker) {
    if (worker->awaited) {
        worker->awaited = false;
        worker->scripts->awaited--;
        scripts__await(worker->scripts);
    }
}

/* Silence from here on; the handle's callback frees it all. Without a handle it is gone at once. */
static void worker_leave(struct script_worker *worker) {
    struct scripts *scripts = worker->scripts;
    if (worker->state == WORKER_WAITING) {
        scripts__dequeue(scripts, worker);
    }
    worker_set_state(worker, WORKER_ENDED);
    script_rest(worker);
    worker_await_no_more(worker);
    scripts->stats.live -= link_listed(&worker->resting) ? 0 : 1;
    scripts->rests -= link_listed(&worker->resting) ? 1 : 0;
    link_remove(&worker->resting);
    loop_task_cancel(scripts->loop, &worker->task);
    *(worker->prev == NULL ? &scripts->workers : &worker->prev->next) = worker->next;
    if (worker->next != NULL) {
        worker->next->prev = worker->prev;
    }
    worker_kill(worker);
    fd_release(&worker->theirs);
    fd_release(&worker->pidfd);
    if (worker->poll.data == NULL) {
        worker_free(worker);
        return;
    }
    uv_close((uv_handle_t *)&worker->poll, worker_on_closed);
    fd_release(&worker->fd);
}

void script_close(struct script_worker *worker) {
    if (worker != NULL && worker->state != WORKER_ENDED) {
        worker_leave(worker);
    }
}

/* --- Rest ------------------------------------------------------------------------------------- */

static void on_resting_frame(void *ctx, struct bytes frame) {
    (void)frame;
    script_close(ctx);
}

static void on_resting_end(void *ctx, const struct script_end *end) {
    (void)ctx; /* Nobody missed it. */
    (void)end;
}

static struct script_worker *of_resting(struct link *link) {
    return CONTAINER_OF(link, struct script_worker, resting);
}

static void on_rouse(struct timer *timer) {
    struct scripts *scripts = CONTAINER_OF(timer, struct scripts, rouse);
    for (struct link *link = scripts->resting.next, *next; link != &scripts->resting; link = next) {
        next = link->next;
        if (of_resting(link)->rests_since < scripts->rounds) {
            script_close(of_resting(link));
        }
    }
    scripts->rounds++;
    if (scripts->rests > 0) {
        timer_start(scripts->loop, timer, REST_MS, on_rouse);
    }
}

/* A frame that was not sent yet, or that came after the end, would reach the next script. */
static bool worker_is_at_rest(const struct script_worker *worker) {
    const struct inlet *inlet = &worker->inlet;
    return worker->owner != NULL && worker->state == WORKER_LIVE && !worker->judged &&
           !worker->ended && !inlet->over && inlet->view.len == inlet->hearing &&
           worker->outlet.first == NULL && !worker->outlet.broken &&
           !shortage_lasts(worker->scripts->shortage);
}

void script_give_back(struct script_worker *worker) {
    static const struct script_watch watch = {.heard = on_resting_frame, .ended = on_resting_end};
    struct scripts *scripts = worker->scripts;
    if (!worker_is_at_rest(worker)) {
        script_close(worker);
        return;
    }
    if (scripts->rests == RESTING_MAX) {
        script_close(of_resting(scripts->resting.next));
    }
    script_resume(worker); /* Nobody reads the frame any more. */
    script_rest(worker);
    worker->watch = &watch;
    worker->ctx = worker;
    worker->rests_since = scripts->rounds;
    link_add_last(&scripts->resting, &worker->resting);
    scripts->stats.live--;
    if (scripts->rests++ == 0) {
        timer_start(scripts->loop, &scripts->rouse, REST_MS, on_rouse);
    }
}

/* The latest that may be used, since its pages are warm. NULL: none. */
static struct script_worker *resting_take(struct scripts *scripts,
                                          const struct script_bounds *bounds) {
    for (struct link *link = scripts->resting.prev; link != &scripts->resting; link = link->prev) {
        struct script_worker *worker = of_resting(link);
        if (bytes_is(bounds->owner, worker->owner) && !worker->ended && !worker->inlet.over &&
            worker->bounds.memory_max == bounds->memory_max) {
            link_remove(link);
            scripts->rests--;
            scripts->stats.live++;
            return worker;
        }
    }
    return NULL;
}

void worker__over(struct script_worker *worker, enum script_end_kind kind, int number,
                  const char *detail) {
    worker_judge(worker, (struct script_end){kind, number, detail});
    worker->ended = true;
    worker->inlet.over = worker->inlet.over || worker->fd < 0;
    worker_kill(worker);
    fd_release(&worker->theirs);
    worker_await_no_more(worker);
    loop_soon(worker->scripts->loop, &worker->task);
}

/* --- The middle ------------------------------------------------------------------------------- */

static void worker_on_ready(uv_poll_t *poll, int status, int events);

/* Waits for what it needs of its socket. */
static void worker_listen(struct script_worker *worker) {
    const struct inlet *inlet = &worker->inlet;
    if (worker->poll.data == NULL || worker->state == WORKER_ENDED) {
        return;
    }
    bool reads = !inlet->over && !inlet->paused && !inlet_has_frame(inlet);
    bool writes = worker->outlet.first != NULL;
    int events = (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);
    if (events != worker->events) {
        worker->events = events;
        int rc = events == 0 ? uv_poll_stop(&worker->poll)
                             : uv_poll_start(&worker->poll, events, worker_on_ready);
        assert(rc == 0); /* It only fails for a handle that is closing. */
    }
}

static void worker_settle(struct script_worker *worker) {
    const struct inlet *inlet = &worker->inlet;
    if (worker->state == WORKER_ENDED) {
        return;
    }
    if (inlet_has_frame(inlet) && !inlet->paused) {
        loop_soon(worker->scripts->loop, &worker->task);
    } else if (inlet->over && worker->ended && !inlet->paused) {
        const struct script_watch *watch = worker->watch;
        const struct script_end end = worker->end;
        void *ctx = worker->ctx;
        worker_leave(worker);
        watch->ended(ctx, &end);
        return;
    }
    if (inlet->over && !worker->ended && !worker->awaited) {
        worker->awaited = true;
        worker->scripts->awaited++;
        scripts__await(worker->scripts);
        worker_kill(worker);
    }
    worker_listen(worker);
}

static void worker_on_ready(uv_poll_t *poll, int status, int events) {
    struct script_worker *worker = poll->data;
    loop_breathe(worker->scripts->loop);
    bool broken = status < 0; /* Then libuv has stopped the handle. What is left can be read. */
    worker->events = broken ? 0 : worker->events;
    if (broken || (events & UV_WRITABLE) != 0) {
        outlet_turn(worker);
    }
    if (broken || (events & UV_READABLE) != 0) {
        inlet_turn(worker);
    }
    worker_settle(worker);
}

static void worker_on_task(struct loop_task *task) {
    struct script_worker *worker = CONTAINER_OF(task, struct script_worker, task);
    inlet_turn(worker);
    worker_settle(worker);
}

static struct outgoing *outlet_add(struct outlet *outlet, const struct script_piece *piece) {
    struct outgoing *out = mem_new(sizeof *out);
    out->piece = *piece;
    *(outlet->first == NULL ? &outlet->first : &outlet->last->next) = out;
    outlet->last = out;
    outlet->waiting += piece->len;
    return out;
}

void script_send(struct script_worker *worker, const struct script_piece *pieces, size_t count) {
    struct outlet *outlet = &worker->outlet;
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += pieces[i].len;
    }
    assert(len > 0 && len <= SCRIPT_ORDER_MAX);
    bool too_much = outlet->first != NULL && len > SCRIPT_ORDER_MAX - outlet->waiting;
    if (too_much) {
        worker_condemn(worker, SCRIPT_REFUSED, "it did not take what it was told");
        loop_soon(worker->scripts->loop, &worker->task);
    }
    if (too_much || outlet->broken || worker->judged || worker->state == WORKER_ENDED) {
        for (size_t i = 0; i < count; i++) {
            mem_free(pieces[i].data);
        }
        return;
    }
    bool alone = outlet->first == NULL;
    struct outgoing *first = outlet_add(outlet, &pieces[0]);
    first->head = SCRIPT_HEADER_SIZE;
    outlet->waiting += first->head;
    for (unsigned i = 0; i < SCRIPT_HEADER_SIZE; i++) {
        first->header[i] = (uint8_t)(len >> (8 * i));
    }
    for (size_t i = 1; i < count; i++) {
        (void)outlet_add(outlet, &pieces[i]);
    }
    if (alone) {
        outlet_turn(worker);
    }
    if (outlet->first != NULL) {
        worker_listen(worker);
    }
}

/* --- The beginning ---------------------------------------------------------------------------- */

void worker__asked(struct script_worker *worker) {
    worker_set_state(worker, WORKER_ASKED);
    fd_release(&worker->theirs); /* It is on its way. */
}

void worker__born(struct script_worker *worker, int pid, int pidfd) {
    worker_set_state(worker, WORKER_LIVE);
    worker->pid = pid;
    worker->pidfd = pidfd;
    if (worker->pidfd < 0) { /* The pidfd found no room, and nothing else kills it. */
        (void)shutdown(worker->fd, SHUT_RDWR); /* Cannot fail for what it is. */
        worker__over(worker, SCRIPT_NOT_STARTED, EMFILE,
                     "there was no descriptor left for its process");
    } else if (worker->inlet.over) {
        worker_kill(worker);
    }
}

static struct err worker_make_socket(struct script_worker *worker) {
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
    worker->poll.data = worker;
    worker->scripts->handles++;
    worker->fd = fd_take(&ours);
    worker->theirs = fd_take(&theirs);
    return ERR_OK;
}

struct script_worker *script_start(struct scripts *scripts, const struct script_bounds *bounds,
                                   const struct script_watch *watch, void *ctx) {
    struct script_worker *worker = resting_take(scripts, bounds);
    scripts->stats.started++;
    if (worker != NULL) {
        worker->watch = watch;
        worker->ctx = ctx;
        worker->bounds.cpu_ms = bounds->cpu_ms;
        return worker;
    }
    worker = mem_new(sizeof *worker);
    *worker = (struct script_worker){.scripts = scripts,
                                     .watch = watch,
                                     .ctx = ctx,
                                     .bounds = *bounds,
                                     .id = ++scripts->id,
                                     .fd = -1,
                                     .theirs = -1,
                                     .pidfd = -1,
                                     .task = {.run = worker_on_task},
                                     .next = scripts->workers};
    if (worker->next != NULL) {
        worker->next->prev = worker;
    }
    scripts->workers = worker;
    worker->bounds.owner = BYTES("");
    worker->owner = bounds->owner.len == 0 ? NULL : mem_copy(bounds->owner.data, bounds->owner.len);
    scripts->stats.live++;
    struct err err = worker_make_socket(worker);
    scripts__enqueue(scripts, worker);
    if (err_failed(err)) {
        worker__over(worker, SCRIPT_NOT_STARTED, err.os, "there was no socket for it");
    }
    worker_listen(worker);
    return worker;
}
