#include "loop/timers.h"

#include "base/memory.h"
#include "loop/loop.h"
#include "loop/loop_uv.h"

/* A batch that fires longer than this goes on in the next turn: thousands of heartbeats may fall
 * due in the same millisecond, and the watchdog's limit is two. */
enum { FIRE_BUDGET_NS = 1000 * 1000 };

static bool entry_before(const struct timers_entry *a, const struct timers_entry *b) {
    return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->order < b->order);
}

static void place(struct timers *timers, size_t at, struct timers_entry entry) {
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
        place(timers, at, timers->heap[parent]);
        at = parent;
    }
    place(timers, at, entry);
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
        place(timers, at, timers->heap[child]);
        at = child;
    }
    place(timers, at, entry);
}

static void settle(struct timers *timers, size_t at, struct timers_entry entry) {
    if (at > 0 && entry_before(&entry, &timers->heap[(at - 1) / 2])) {
        sift_up(timers, at, entry);
    } else {
        sift_down(timers, at, entry);
    }
}

static void heap_add(struct timers *timers, struct timers_entry entry) {
    if (timers->count == timers->size) {
        size_t size = timers->size == 0 ? 64 : 2 * timers->size;
        timers->heap = mem_grow(timers->heap, size * sizeof *timers->heap);
        timers->size = size;
    }
    timers->count++;
    sift_up(timers, timers->count - 1, entry);
}

static void heap_remove(struct timers *timers, size_t at) {
    assert(at < timers->count);
    timers->heap[at].timer->slot = 0;
    timers->count--;
    if (at < timers->count) {
        settle(timers, at, timers->heap[timers->count]);
    }
}

static void ring(uv_timer_t *alarm);

/* The alarm is only ever moved to an earlier time. One that rings with nothing due finds the next
 * key and is set again, which is cheaper than moving it with each stop and restart. At least one
 * millisecond: libuv runs an alarm of zero again in the same round, without looking at sockets. */
static void arm(struct timers *timers) {
    if (timers->count == 0 || timers->heap[0].due_ms >= timers->armed_ms) {
        return;
    }
    uint64_t now_ms = uv_now(timers->alarm.loop);
    uint64_t due_ms = timers->heap[0].due_ms;
    timers->armed_ms = due_ms;
    uint64_t delay_ms = due_ms > now_ms ? due_ms - now_ms : 1;
    int rc = uv_timer_start(&timers->alarm, ring, delay_ms, 0 /* once */);
    assert(rc == 0);
}

/* A restarted timer still has its old key: gives it the true one. */
static bool root_was_stale(struct timers *timers) {
    struct timers_entry root = timers->heap[0];
    if (root.order == root.timer->order) {
        return false;
    }
    root.due_ms = root.timer->due_ms;
    root.order = root.timer->order;
    sift_down(timers, 0, root);
    return true;
}

/* A timer that a callback starts gets an order from `order_end` on and waits for the next turn, or
 * a timer of 0 ms that restarts itself would never let go of the loop. */
static void fire_due(struct timers *timers, uint64_t now_ms, uint64_t order_end) {
    uint64_t until_ns = loop__breathe(timers->loop) + FIRE_BUDGET_NS;
    while (timers->count > 0 && timers->heap[0].due_ms <= now_ms) {
        if (root_was_stale(timers)) {
            continue;
        }
        struct timer *timer = timers->heap[0].timer;
        if (timer->order >= order_end) {
            break;
        }
        heap_remove(timers, 0);
        timer->fire(timer);
        if (loop__breathe(timers->loop) >= until_ns) {
            break;
        }
    }
}

static void ring(uv_timer_t *alarm) {
    struct timers *timers = alarm->data;
    /* While callbacks run, nothing that they start may set the alarm: it is set once, below. */
    timers->armed_ms = 0;
    fire_due(timers, uv_now(alarm->loop), timers->order);
    timers->armed_ms = UINT64_MAX;
    arm(timers);
}

void timers_init(struct timers *timers, struct loop *loop) {
    *timers = (struct timers){.armed_ms = UINT64_MAX, .loop = loop};
    int rc = uv_timer_init(loop_uv(loop), &timers->alarm);
    assert(rc == 0);
    timers->alarm.data = timers;
    uv_unref((uv_handle_t *)&timers->alarm);
}

void timers_close(struct timers *timers) {
    while (timers->count > 0) {
        heap_remove(timers, timers->count - 1);
    }
    uv_close((uv_handle_t *)&timers->alarm, NULL /* nothing to do then */);
}

void timers_done(struct timers *timers) {
    assert(timers->count == 0);
    mem_free(timers->heap);
    timers->heap = NULL;
    timers->size = 0;
}

void timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                 void (*fire)(struct timer *timer)) {
    assert(fire != NULL);
    struct timers *timers = loop__timers(loop);
    assert(!uv_is_closing((uv_handle_t *)&timers->alarm));
    uint64_t now_ms = uv_now(timers->alarm.loop);
    timer->fire = fire;
    timer->due_ms = after_ms > UINT64_MAX - 1 - now_ms ? UINT64_MAX - 1 : now_ms + after_ms;
    timer->order = timers->order++;
    struct timers_entry entry = {timer->due_ms, timer->order, timer};
    if (timer->slot == 0) {
        heap_add(timers, entry);
    } else if (timer->due_ms < timers->heap[timer->slot - 1].due_ms) {
        settle(timers, timer->slot - 1, entry);
    }
    arm(timers);
}

void timer_stop(struct loop *loop, struct timer *timer) {
    if (timer->slot != 0) {
        struct timers *timers = loop__timers(loop);
        assert(timers->heap[timer->slot - 1].timer == timer);
        heap_remove(timers, timer->slot - 1);
    }
}
