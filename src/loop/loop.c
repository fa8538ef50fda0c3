/* loop.c: a turn, in libuv's order:
 *
 *     timers -> prepare -> poll (sockets, wake, pool) -> check -> closing
 *                 |                                        |
 *                 from here a post must wake us            messages, then tasks
 *
 * The watchdog reads the CPU clock of the thread, so the time that poll sleeps does not count. That
 * clock costs a system call (0.4 us), the wall clock does not (0.02 us): so short pieces are taken
 * together, until the wall clock says that they might amount to something.
 */
#include "loop/loop.h"

#include <stdatomic.h>
#include <time.h>

#include "base/memory.h"
#include "loop/loop_uv.h"
#include "loop/timers.h"

enum {
    SLOW_NS = 2 * 1000 * 1000,
    TOGETHER_NS = 100 * 1000, /* By so much the watchdog may be stricter than it says. */
    BATCH_NS = 1000 * 1000,   /* Messages and tasks of one turn; half of what is called slow. */
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;     /* Keeps the loop alive until loop_stop. */
    uv_prepare_t before; /* Handles from here on do not. */
    uv_check_t after;
    uv_idle_t busy; /* Active while something waits for the next turn, so that poll does not. */
    struct timers timers;
    const struct world *world; /* Borrowed. */
    void (*slow)(void *ctx, uint64_t cpu_ns);
    void *slow_ctx;
    uint64_t slow_turns, piece_began_ns, piece_began_cpu_ns;
    bool stopping, polling; /* polling: no callback ran since on_before. */

    struct loop_msg *ready; /* Taken from `posted`, oldest first. */
    struct loop_task tasks; /* Heads of rings: queued for the next turn, */
    struct loop_task round; /* and those whose turn it is. */

    /* Posters push here, newest first: one compare-and-swap. Whoever then finds the loop asleep
     * wakes it, and nobody else has to. Other threads write here, so it is kept off the cache
     * lines above. */
    char apart[64];
    _Atomic(struct loop_msg *) posted;
    atomic_bool asleep;
};

static uint64_t thread_cpu_ns(void) {
    struct timespec now;
    int rc = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    assert(rc == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void list_init(struct loop_task *head) {
    head->prev = head;
    head->next = head;
}

static bool list_empty(const struct loop_task *head) {
    return head->next == head;
}

static void list_add(struct loop_task *head, struct loop_task *task) {
    task->prev = head->prev;
    task->next = head;
    head->prev->next = task;
    head->prev = task;
}

static void list_remove(struct loop_task *task) {
    task->prev->next = task->next;
    task->next->prev = task->prev;
    task->prev = NULL;
    task->next = NULL;
    task->queued = false;
}

/* Moves everything from `from` to the end of `to`. */
static void list_append(struct loop_task *to, struct loop_task *from) {
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

static bool has_work(const struct loop *loop) {
    return loop->ready != NULL || !list_empty(&loop->tasks) || !list_empty(&loop->round) ||
           atomic_load(&loop->posted) != NULL;
}

static void on_busy(uv_idle_t *busy) {
    (void)busy; /* Being active is all that it does. */
}

static void stay_awake(struct loop *loop) {
    int rc = uv_idle_start(&loop->busy, on_busy);
    assert(rc == 0);
}

static void begin_piece(struct loop *loop, uint64_t now_ns, uint64_t cpu_ns) {
    loop->piece_began_ns = now_ns;
    loop->piece_began_cpu_ns = cpu_ns;
}

static void judge_piece(struct loop *loop, uint64_t spent_ns) {
    if (spent_ns > SLOW_NS) {
        loop->slow_turns++;
        if (loop->slow != NULL) {
            loop->slow(loop->slow_ctx, spent_ns);
        }
    }
}

/* The first callback after poll does not answer for the CPU that poll itself took: the kernel does
 * its own work in there (it may free ten thousand sockets at once) and charges it to us. Of ours
 * nothing is lost by that: on_before judged whatever was longer than TOGETHER_NS. */
uint64_t loop__breathe(struct loop *loop) {
    uint64_t now_ns = uv_hrtime();
    bool polled = loop->polling;
    loop->polling = false;
    if (now_ns - loop->piece_began_ns > TOGETHER_NS) {
        uint64_t cpu_ns = thread_cpu_ns();
        uint64_t spent_ns = cpu_ns - loop->piece_began_cpu_ns;
        begin_piece(loop, now_ns, cpu_ns);
        if (!polled) {
            judge_piece(loop, spent_ns);
        }
    }
    return now_ns;
}

void loop_breathe(struct loop *loop) {
    (void)loop__breathe(loop); /* The time is for those who count what is left of a batch. */
}

static void on_before(uv_prepare_t *before) {
    struct loop *loop = before->data;
    loop_breathe(loop);
    loop->polling = true;
    /* Order matters: first say that we sleep, then look once more. A poster pushes first and looks
     * at `asleep` after. Both are sequentially consistent, so one of the two sees the other. */
    atomic_store(&loop->asleep, true);
    if (has_work(loop)) {
        stay_awake(loop);
    } else {
        uv_idle_stop(&loop->busy);
    }
}

static void take_posted(struct loop *loop) {
    struct loop_msg *newest = atomic_exchange(&loop->posted, NULL);
    struct loop_msg *oldest = NULL;
    while (newest != NULL) {
        struct loop_msg *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    loop->ready = oldest;
}

/* At least one message runs in each turn. */
static void run_messages(struct loop *loop, uint64_t until_ns) {
    do {
        if (loop->ready == NULL) {
            take_posted(loop);
        }
        struct loop_msg *msg = loop->ready;
        if (msg == NULL) {
            return;
        }
        loop->ready = msg->next;
        msg->run(msg);
    } while (loop__breathe(loop) < until_ns);
}

/* Runs one round: what a task queues runs in the next turn, or a task that goes on by queueing
 * itself would keep the sockets waiting. At least one task runs in each turn; those that found no
 * time are first in the next. */
static void run_tasks(struct loop *loop, uint64_t until_ns) {
    list_append(&loop->round, &loop->tasks);
    while (!list_empty(&loop->round)) {
        struct loop_task *task = loop->round.next;
        list_remove(task);
        task->run(task);
        if (loop__breathe(loop) >= until_ns) {
            return;
        }
    }
}

static void on_after(uv_check_t *after) {
    struct loop *loop = after->data;
    atomic_store(&loop->asleep, false);
    uint64_t until_ns = loop__breathe(loop) + BATCH_NS;
    run_messages(loop, until_ns);
    run_tasks(loop, until_ns);
}

static void on_wake(uv_async_t *wake) {
    (void)wake; /* on_after does the work, when the sockets of this turn had theirs. */
}

static struct err error_of_uv(int rc, const char *step) {
    return rc == 0 ? ERR_OK : err_from_errno(-rc, step);
}

struct err loop_open(const struct loop_options *options, struct loop **ret_loop) {
    assert(options->world != NULL);
    AUTO(mem_release) struct loop *loop = mem_new(sizeof *loop);
    struct err err = error_of_uv(uv_loop_init(&loop->uv), "loop: open");
    if (err_failed(err)) {
        return err;
    }
    err = error_of_uv(uv_async_init(&loop->uv, &loop->wake, on_wake), "loop: open the waker");
    if (err_failed(err)) {
        int rc = uv_loop_close(&loop->uv);
        assert(rc == 0);
        return err;
    }
    /* The three handles only link themselves into a list. */
    (void)uv_prepare_init(&loop->uv, &loop->before);
    (void)uv_check_init(&loop->uv, &loop->after);
    (void)uv_idle_init(&loop->uv, &loop->busy);
    (void)uv_prepare_start(&loop->before, on_before);
    (void)uv_check_start(&loop->after, on_after);
    uv_unref((uv_handle_t *)&loop->before);
    uv_unref((uv_handle_t *)&loop->after);
    loop->before.data = loop;
    loop->after.data = loop;
    timers_init(&loop->timers, loop);
    list_init(&loop->tasks);
    list_init(&loop->round);
    loop->world = options->world;
    loop->slow = options->slow;
    loop->slow_ctx = options->slow_ctx;
    *ret_loop = loop;
    loop = NULL; /* Handed over. */
    return ERR_OK;
}

void loop_run(struct loop *loop) {
    /* Timers that were started while databases were opened counted from a stale clock. */
    uv_update_time(&loop->uv);
    begin_piece(loop, uv_hrtime(), thread_cpu_ns());
    do {
        if (has_work(loop)) {
            stay_awake(loop);
        }
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* The answer is has_work's, but for races. */
    } while (has_work(loop));
    assert(loop->stopping);
}

void loop_stop(struct loop *loop) {
    if (!loop->stopping) {
        loop->stopping = true;
        uv_unref((uv_handle_t *)&loop->wake);
    }
}

void loop_drain(struct loop *loop) {
    while (has_work(loop)) {
        run_messages(loop, UINT64_MAX);
        run_tasks(loop, UINT64_MAX);
    }
}

void loop_close(struct loop *loop) {
    if (loop == NULL) {
        return;
    }
    loop_drain(loop);
    timers_close(&loop->timers);
    uv_close((uv_handle_t *)&loop->busy, NULL /* nothing to do then, here and below */);
    uv_close((uv_handle_t *)&loop->after, NULL);
    uv_close((uv_handle_t *)&loop->before, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    assert(!has_work(loop));
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0); /* Else somebody's handle was left open. */
    timers_done(&loop->timers);
    mem_free(loop);
}

uv_loop_t *loop_uv(struct loop *loop) {
    return &loop->uv;
}

const struct world *loop_world(const struct loop *loop) {
    return loop->world;
}

uint64_t loop_slow_turns(const struct loop *loop) {
    return loop->slow_turns;
}

struct timers *loop__timers(struct loop *loop) {
    return &loop->timers;
}

void loop_post(struct loop *loop, struct loop_msg *msg) {
    struct loop_msg *newest = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        msg->next = newest;
    } while (!atomic_compare_exchange_weak(&loop->posted, &newest, msg));
    /* From here on the loop may have run the message: it must not be touched. */
    if (atomic_load(&loop->asleep) && atomic_exchange(&loop->asleep, false)) {
        int rc = uv_async_send(&loop->wake);
        assert(rc == 0);
    }
}

void loop_soon(struct loop *loop, struct loop_task *task) {
    if (!task->queued) {
        task->queued = true;
        list_add(&loop->tasks, task);
    }
}

void loop_task_cancel(struct loop *loop, struct loop_task *task) {
    (void)loop; /* The links are enough; the contract leaves room for a list that needs it. */
    if (task->queued) {
        list_remove(task);
    }
}

/* A work on its way through libuv's pool. Separate from struct loop_work, so that those who embed
 * one do not depend on libuv. */
struct pool_request {
    uv_work_t uv;
    struct loop *loop;      /* Borrowed. */
    struct loop_work *work; /* Borrowed: the caller's, until its `done`. */
};

static void on_work(uv_work_t *uv) {
    struct loop_work *work = CONTAINER_OF(uv, struct pool_request, uv)->work;
    work->run(work);
}

static void on_work_done(uv_work_t *uv, int status) {
    assert(status == 0); /* Nobody cancels. */
    struct pool_request *request = CONTAINER_OF(uv, struct pool_request, uv);
    struct loop_work *work = request->work;
    loop_breathe(request->loop);
    mem_free(request);
    work->done(work);
}

void loop_work(struct loop *loop, struct loop_work *work) {
    struct pool_request *request = mem_new(sizeof *request);
    request->loop = loop;
    request->work = work;
    int rc = uv_queue_work(&loop->uv, &request->uv, on_work, on_work_done);
    assert(rc == 0);
}
