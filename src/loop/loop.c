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

enum {
    SLOW_NS = 2 * 1000 * 1000,
    TOGETHER_NS = 100 * 1000, /* By so much the watchdog may be stricter than it says. */
    /* Messages and tasks of one turn, or timers of one: half of what is called slow. A batch of
     * timers that fires longer goes on in the next turn: thousands of heartbeats may fall due in
     * the same millisecond. */
    BATCH_NS = 1000 * 1000,
    HEAP_FIRST = 64,
};

/* The heap of timers, over one uv_timer. Starting, stopping and firing cost O(log n); pushing a
 * running timer further away, which is what every idle time-out does all day, is O(1): the heap
 * keeps the old key and looks again when that key comes up. */
struct timers_entry {
    uint64_t due_ms, order; /* The key; at most what the timer itself says. */
    struct timer *timer;    /* Borrowed while it is started. */
};

struct timers {
    struct timers_entry *heap; /* Owned. */
    size_t count, size;
    uint64_t order;    /* Number of the next start; breaks ties. */
    uint64_t armed_ms; /* When the alarm rings; UINT64_MAX when it does not. */
    uv_timer_t alarm;  /* Does not keep the loop alive. */
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
    size_t works;           /* In the pool. */
    bool stopping, polling; /* polling: no callback ran since on_before. */

    struct loop_msg *ready; /* Taken from `posted`, oldest first. */
    struct link tasks;      /* Queued for the next turn, */
    struct link round;      /* and those whose turn it is. */

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

static bool has_work(const struct loop *loop) {
    return loop->ready != NULL || !links_empty(&loop->tasks) || !links_empty(&loop->round) ||
           atomic_load(&loop->posted) != NULL;
}

static void on_busy(uv_idle_t *busy) {
    (void)busy; /* Being active is all that it does. */
}

static void stay_awake(struct loop *loop) {
    int rc = uv_idle_start(&loop->busy, on_busy);
    assert(rc == 0);
}

/* The first callback after poll does not answer for the CPU that poll itself took: the kernel does
 * its own work in there (it may free ten thousand sockets at once) and charges it to us. Of ours
 * nothing is lost by that: on_before judged whatever was longer than TOGETHER_NS. */
static uint64_t breathe(struct loop *loop) {
    uint64_t now_ns = uv_hrtime();
    bool polled = loop->polling;
    loop->polling = false;
    if (now_ns - loop->piece_began_ns > TOGETHER_NS) {
        uint64_t cpu_ns = thread_cpu_ns();
        uint64_t spent_ns = cpu_ns - loop->piece_began_cpu_ns;
        loop->piece_began_ns = now_ns;
        loop->piece_began_cpu_ns = cpu_ns;
        if (!polled && spent_ns > SLOW_NS) {
            loop->slow_turns++;
            if (loop->slow != NULL) {
                loop->slow(loop->slow_ctx, spent_ns);
            }
        }
    }
    return now_ns;
}

void loop_breathe(struct loop *loop) {
    (void)breathe(loop); /* The time is for those who count what is left of a batch. */
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

/* At least one message runs in each turn. */
static void run_messages(struct loop *loop, uint64_t until_ns) {
    do {
        if (loop->ready == NULL) {
            struct loop_msg *newest = atomic_exchange(&loop->posted, NULL);
            while (newest != NULL) {
                struct loop_msg *next = newest->next;
                newest->next = loop->ready;
                loop->ready = newest;
                newest = next;
            }
        }
        struct loop_msg *msg = loop->ready;
        if (msg == NULL) {
            return;
        }
        loop->ready = msg->next;
        msg->run(msg);
    } while (breathe(loop) < until_ns);
}

/* Runs one round: what a task queues runs in the next turn, or a task that goes on by queueing
 * itself would keep the sockets waiting. At least one task runs in each turn; those that found no
 * time are first in the next. */
static void run_tasks(struct loop *loop, uint64_t until_ns) {
    links_move(&loop->round, &loop->tasks);
    for (struct link *at; (at = links_take(&loop->round)) != NULL;) {
        struct loop_task *task = CONTAINER_OF(at, struct loop_task, link);
        task->queued = false;
        task->run(task);
        if (breathe(loop) >= until_ns) {
            return;
        }
    }
}

static void on_after(uv_check_t *after) {
    struct loop *loop = after->data;
    atomic_store(&loop->asleep, false);
    uint64_t until_ns = breathe(loop) + BATCH_NS;
    run_messages(loop, until_ns);
    run_tasks(loop, until_ns);
}

static void on_wake(uv_async_t *wake) {
    (void)wake; /* on_after does the work, when the sockets of this turn had theirs. */
}

/* --- Timers ----------------------------------------------------------------------------------- */

static bool entry_before(const struct timers_entry *a, const struct timers_entry *b) {
    return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->order < b->order);
}

static void heap_place(struct timers *timers, size_t at, struct timers_entry entry) {
    timers->heap[at] = entry;
    entry.timer->slot = at + 1;
}

/* Each sift moves a hole instead of swapping, and fills it once at the end. */
static void sift_up(struct timers *timers, size_t at, struct timers_entry entry) {
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!entry_before(&entry, &timers->heap[parent])) {
            break;
        }
        heap_place(timers, at, timers->heap[parent]);
        at = parent;
    }
    heap_place(timers, at, entry);
}

static void sift_down(struct timers *timers, size_t at, struct timers_entry entry) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count &&
            entry_before(&timers->heap[child + 1], &timers->heap[child])) {
            child++;
        }
        if (!entry_before(&timers->heap[child], &entry)) {
            break;
        }
        heap_place(timers, at, timers->heap[child]);
        at = child;
    }
    heap_place(timers, at, entry);
}

static void heap_settle(struct timers *timers, size_t at, struct timers_entry entry) {
    if (at > 0 && entry_before(&entry, &timers->heap[(at - 1) / 2])) {
        sift_up(timers, at, entry);
    } else {
        sift_down(timers, at, entry);
    }
}

static void heap_remove(struct timers *timers, size_t at) {
    assert(at < timers->count);
    timers->heap[at].timer->slot = 0;
    timers->count--;
    if (at < timers->count) {
        heap_settle(timers, at, timers->heap[timers->count]);
    }
}

static void on_alarm(uv_timer_t *alarm);

/* The alarm is only ever moved to an earlier time. One that rings with nothing due finds the next
 * key and is set again, which is cheaper than moving it with each stop and restart. At least one
 * millisecond: libuv runs an alarm of zero again in the same round, without looking at sockets. */
static void alarm_set(struct timers *timers) {
    if (timers->count == 0 || timers->heap[0].due_ms >= timers->armed_ms) {
        return;
    }
    uint64_t now_ms = uv_now(timers->alarm.loop);
    timers->armed_ms = timers->heap[0].due_ms;
    uint64_t delay_ms = timers->armed_ms > now_ms ? timers->armed_ms - now_ms : 1;
    int rc = uv_timer_start(&timers->alarm, on_alarm, delay_ms, 0 /* once */);
    assert(rc == 0);
}

static void on_alarm(uv_timer_t *alarm) {
    struct loop *loop = alarm->data;
    struct timers *timers = &loop->timers;
    uint64_t now_ms = uv_now(alarm->loop), until_ns = breathe(loop) + BATCH_NS;
    /* A timer that a callback starts gets an order from here on and waits for the next turn, or a
     * timer of 0 ms that restarts itself would never leave the loop. */
    uint64_t order_end = timers->order;
    timers->armed_ms =
        0; /* Nothing that callbacks start may set the alarm: it is set once, below. */
    while (timers->count > 0 && timers->heap[0].due_ms <= now_ms) {
        struct timers_entry root = timers->heap[0];
        struct timer *timer = root.timer;
        if (root.order != timer->order) { /* Restarted: the old key gives way to the true one. */
            sift_down(timers, 0, (struct timers_entry){timer->due_ms, timer->order, timer});
            continue;
        }
        if (timer->order >= order_end) {
            break;
        }
        heap_remove(timers, 0);
        timer->fire(timer);
        if (breathe(loop) >= until_ns) {
            break;
        }
    }
    timers->armed_ms = UINT64_MAX;
    alarm_set(timers);
}

void timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                 void (*fire)(struct timer *timer)) {
    assert(fire != NULL);
    struct timers *timers = &loop->timers;
    assert(!uv_is_closing((uv_handle_t *)&timers->alarm));
    uint64_t now_ms = uv_now(&loop->uv);
    timer->fire = fire;
    timer->due_ms = after_ms > UINT64_MAX - 1 - now_ms ? UINT64_MAX - 1 : now_ms + after_ms;
    timer->order = timers->order++;
    struct timers_entry entry = {timer->due_ms, timer->order, timer};
    if (timer->slot == 0) {
        if (timers->count == timers->size) {
            timers->size = timers->size == 0 ? HEAP_FIRST : 2 * timers->size;
            timers->heap = mem_grow(timers->heap, timers->size * sizeof *timers->heap);
        }
        sift_up(timers, timers->count++, entry);
    } else if (timer->due_ms < timers->heap[timer->slot - 1].due_ms) {
        heap_settle(timers, timer->slot - 1, entry);
    }
    alarm_set(timers);
}

void timer_stop(struct loop *loop, struct timer *timer) {
    if (timer->slot != 0) {
        assert(loop->timers.heap[timer->slot - 1].timer == timer);
        heap_remove(&loop->timers, timer->slot - 1);
    }
}

void timer_hasten(struct loop *loop, struct timer *timer, uint64_t after_ms) {
    const uint64_t now_ms = uv_now(&loop->uv);
    if (timer->slot != 0 && timer->due_ms > now_ms && after_ms < timer->due_ms - now_ms) {
        timer_start(loop, timer, after_ms, timer->fire);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

struct err loop_open(const struct loop_options *options, struct loop **ret_loop) {
    assert(options->world != NULL);
    AUTO(mem_release) struct loop *loop = mem_new(sizeof *loop);
    int failed = uv_loop_init(&loop->uv);
    if (failed != 0) {
        return err_from_errno(-failed, "loop: open");
    }
    failed = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (failed != 0) {
        int rc = uv_loop_close(&loop->uv);
        assert(rc == 0);
        return err_from_errno(-failed, "loop: open the waker");
    }
    /* The four handles only link themselves into a list. */
    (void)uv_prepare_init(&loop->uv, &loop->before);
    (void)uv_check_init(&loop->uv, &loop->after);
    (void)uv_idle_init(&loop->uv, &loop->busy);
    (void)uv_prepare_start(&loop->before, on_before);
    (void)uv_check_start(&loop->after, on_after);
    uv_unref((uv_handle_t *)&loop->before);
    uv_unref((uv_handle_t *)&loop->after);
    loop->before.data = loop;
    loop->after.data = loop;
    (void)uv_timer_init(&loop->uv, &loop->timers.alarm);
    uv_unref((uv_handle_t *)&loop->timers.alarm);
    loop->timers.alarm.data = loop;
    loop->timers.armed_ms = UINT64_MAX;
    links_init(&loop->tasks);
    links_init(&loop->round);
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
    loop->piece_began_ns = uv_hrtime();
    loop->piece_began_cpu_ns = thread_cpu_ns();
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
    while (loop->timers.count > 0) {
        heap_remove(&loop->timers, loop->timers.count - 1);
    }
    uv_close((uv_handle_t *)&loop->timers.alarm, NULL /* nothing to do then, here and below */);
    uv_close((uv_handle_t *)&loop->busy, NULL);
    uv_close((uv_handle_t *)&loop->after, NULL);
    uv_close((uv_handle_t *)&loop->before, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    do { /* Once at least, for the closings; the pool may still free something. */
        (void)uv_run(&loop->uv, loop->works > 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    } while (loop->works > 0);
    assert(!has_work(loop));
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0); /* Else somebody's handle was left open. */
    mem_free(loop->timers.heap);
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

/* --- Messages, tasks, work -------------------------------------------------------------------- */

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
        link_add_last(&loop->tasks, &task->link);
    }
}

void loop_task_cancel(struct loop *loop, struct loop_task *task) {
    (void)loop; /* The links are enough; the contract leaves room for a list that needs it. */
    if (task->queued) {
        task->queued = false;
        link_remove(&task->link);
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
    request->loop->works--;
    mem_free(request);
    work->done(work);
}

void loop_work(struct loop *loop, struct loop_work *work) {
    struct pool_request *request = mem_new(sizeof *request);
    request->loop = loop;
    request->work = work;
    loop->works++;
    int rc = uv_queue_work(&loop->uv, &request->uv, on_work, on_work_done);
    assert(rc == 0);
}
