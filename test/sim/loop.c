/* loop.c: loop.h in one thread, a step at a time.
 *
 * The real loop runs messages in the order in which they were posted, tasks in the order in which
 * they were queued, timers by due time; between these kinds, and against the pool, there is no
 * order that code may rely on. So the scheduler chooses the kind. A job of the pool runs whole, at
 * a later step, and its `done` at another: two jobs may end in another order than they began.
 */
#include "loop/loop.h"

#include "base/memory.h"
#include "hosts.h"
#include "inside.h"
#include "loop/loop_uv.h"

struct work_entry {
    struct work_entry *next;
    struct loop_work *work; /* Borrowed. */
};

/* Timers of polls, each second or each sign of life. */
enum {
    STRETCHED_MAX = 8,
    POLL_MS = 1000,
    SIGN_MS = 10000,
    CALM_MS = 15000,       /* Nothing has happened for so long, */
    STRETCH_MS_MAX = 60000 /* and then a poll waits for at most this. */
};

struct stretched {
    struct timer *timer; /* Borrowed; NULL: none. */
    uint64_t after_ms;   /* As asked for. */
};

struct loop {
    struct sim *sim; /* Borrowed. */
    const struct world *world;
    struct loop_msg *messages, **messages_end;
    struct link tasks;
    struct timer **timers; /* Owned; in no order. */
    size_t timers_count, timers_size;
    uint64_t timers_order;
    struct stretched stretched[STRETCHED_MAX];
    struct work_entry *works, *worked; /* Owned: not run yet; run, and not told. */
};

/* --- Life ------------------------------------------------------------------------------------- */

struct err loop_open(const struct loop_options *options, struct loop **ret_loop) {
    struct loop *loop = mem_new(sizeof *loop);
    loop->sim = options->world->ctx;
    loop->world = options->world;
    loop->messages_end = &loop->messages;
    links_init(&loop->tasks);
    *ret_loop = loop;
    return ERR_OK;
}

void loop_run(struct loop *loop) {
    (void)loop;
    assert(false && "the scheduler takes the steps");
}

void loop_stop(struct loop *loop) {
    (void)loop; /* Whoever stops the daemon in order goes on until nothing is ready. */
}

void loop_close(struct loop *loop) {
    if (loop != NULL) {
        mem_free(loop->timers);
        mem_free(loop);
    }
}

uv_loop_t *loop_uv(struct loop *loop) {
    (void)loop;
    assert(false && "somebody does I/O around the stand-ins");
    return NULL;
}

const struct world *loop_world(const struct loop *loop) {
    return loop->world;
}

uint64_t loop_slow_turns(const struct loop *loop) {
    (void)loop;
    return 0;
}

void loop_breathe(struct loop *loop) {
    (void)loop; /* Nobody watches the CPU here. */
}

/* --- Messages and tasks ----------------------------------------------------------------------- */

void loop_post(struct loop *loop, struct loop_msg *msg) {
    msg->next = NULL;
    *loop->messages_end = msg;
    loop->messages_end = &msg->next;
}

static void message_run(struct loop *loop) {
    struct loop_msg *msg = loop->messages;
    loop->messages = msg->next;
    if (loop->messages == NULL) {
        loop->messages_end = &loop->messages;
    }
    msg->run(msg);
}

void loop_soon(struct loop *loop, struct loop_task *task) {
    if (!task->queued) {
        task->queued = true;
        link_add_last(&loop->tasks, &task->link);
    }
}

void loop_task_cancel(struct loop *loop, struct loop_task *task) {
    (void)loop; /* The links are enough. */
    if (task->queued) {
        link_remove(&task->link);
        task->queued = false;
    }
}

static void task_run(struct loop *loop) {
    struct loop_task *task = CONTAINER_OF(loop->tasks.next, struct loop_task, link);
    loop_task_cancel(loop, task);
    task->run(task);
}

void loop_drain(struct loop *loop) {
    for (;;) {
        if (loop->messages != NULL) {
            message_run(loop);
        } else if (!links_empty(&loop->tasks)) {
            task_run(loop);
        } else {
            return;
        }
    }
}

/* --- Timers ----------------------------------------------------------------------------------- */

static uint64_t now_ms(const struct loop *loop) {
    return sim_now_ns(loop->sim) / 1000000;
}

void timer_stop(struct loop *loop, struct timer *timer) {
    if (timer->slot == 0) {
        return;
    }
    size_t at = timer->slot - 1;
    loop->timers[at] = loop->timers[--loop->timers_count];
    loop->timers[at]->slot = at + 1;
    timer->slot = 0;
    for (size_t i = 0; i < STRETCHED_MAX; i++) {
        loop->stretched[i].timer =
            loop->stretched[i].timer == timer ? NULL : loop->stretched[i].timer;
    }
}

/* The longer nothing has happened, the longer a poll waits: half as long. */
static uint64_t stretch(struct loop *loop, struct timer *timer, uint64_t after_ms) {
    const struct sim *sim = loop->sim;
    uint64_t calm_ms = (sim->now_ns - sim->news_ns) / 1000000;
    if (!hosts_several(sim) || calm_ms < CALM_MS || (after_ms != POLL_MS && after_ms != SIGN_MS)) {
        return after_ms;
    }
    for (size_t i = 0; i < STRETCHED_MAX; i++) {
        if (loop->stretched[i].timer == NULL) {
            loop->stretched[i] = (struct stretched){timer, after_ms};
            uint64_t longer_ms = calm_ms / 2 < STRETCH_MS_MAX ? calm_ms / 2 : STRETCH_MS_MAX;
            return longer_ms > after_ms ? longer_ms : after_ms;
        }
    }
    return after_ms;
}

void loop_hurry(struct loop *loop) {
    for (size_t i = 0; i < STRETCHED_MAX; i++) {
        struct stretched *stretched = &loop->stretched[i];
        if (stretched->timer != NULL) {
            uint64_t due_ms = now_ms(loop) + stretched->after_ms;
            struct timer *timer = stretched->timer;
            timer->due_ms = due_ms < timer->due_ms ? due_ms : timer->due_ms;
            stretched->timer = NULL;
        }
    }
}

void timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                 void (*fire)(struct timer *timer)) {
    timer_stop(loop, timer);
    if (loop->timers_count == loop->timers_size) {
        loop->timers_size = loop->timers_size == 0 ? 64 : 2 * loop->timers_size;
        loop->timers = mem_grow(loop->timers, loop->timers_size * sizeof(struct timer *));
    }
    uint64_t from_ms = now_ms(loop);
    after_ms = stretch(loop, timer, after_ms);
    timer->due_ms = after_ms > UINT64_MAX - from_ms ? UINT64_MAX : from_ms + after_ms;
    timer->order = ++loop->timers_order;
    timer->fire = fire;
    loop->timers[loop->timers_count++] = timer;
    timer->slot = loop->timers_count;
}

void timer_hasten(struct loop *loop, struct timer *timer, uint64_t after_ms) {
    const uint64_t from_ms = now_ms(loop);
    if (timer->slot != 0 && timer->due_ms > from_ms && after_ms < timer->due_ms - from_ms) {
        timer_start(loop, timer, after_ms, timer->fire);
    }
}

static struct timer *timer_first(const struct loop *loop) {
    struct timer *first = NULL;
    for (size_t i = 0; i < loop->timers_count; i++) {
        struct timer *timer = loop->timers[i];
        if (first == NULL || timer->due_ms < first->due_ms ||
            (timer->due_ms == first->due_ms && timer->order < first->order)) {
            first = timer;
        }
    }
    return first;
}

static void timer_run(struct loop *loop) {
    struct timer *timer = timer_first(loop);
    timer_stop(loop, timer);
    timer->fire(timer);
}

uint64_t loop_next_ns(const struct loop *loop) {
    const struct timer *first = timer_first(loop);
    return first == NULL || first->due_ms > UINT64_MAX / 1000000 ? UINT64_MAX
                                                                 : first->due_ms * 1000000;
}

/* --- The pool --------------------------------------------------------------------------------- */

void loop_work(struct loop *loop, struct loop_work *work) {
    struct work_entry *entry = mem_new(sizeof *entry);
    entry->work = work;
    entry->next = loop->works;
    loop->works = entry;
}

static struct work_entry *entry_take(struct work_entry **list, uint64_t index) {
    struct work_entry **at = list;
    for (; index > 0; index--) {
        at = &(*at)->next;
    }
    struct work_entry *entry = *at;
    *at = entry->next;
    return entry;
}

static uint64_t entries(const struct work_entry *list) {
    uint64_t count = 0;
    for (; list != NULL; list = list->next) {
        count++;
    }
    return count;
}

static void work_run(struct loop *loop) {
    uint64_t index = sim_choose(loop->sim, "pool", entries(loop->works));
    struct work_entry *entry = entry_take(&loop->works, index);
    entry->work->run(entry->work);
    entry->next = loop->worked;
    loop->worked = entry;
}

static void work_done(struct loop *loop) {
    uint64_t index = sim_choose(loop->sim, "pool", entries(loop->worked));
    struct work_entry *entry = entry_take(&loop->worked, index);
    struct loop_work *work = entry->work;
    mem_free(entry);
    work->done(work);
}

/* --- Steps ------------------------------------------------------------------------------------ */

bool loop_ready(const struct loop *loop, enum loop_kind kind) {
    switch (kind) {
    case LOOP_MESSAGE:
        return loop->messages != NULL;
    case LOOP_TASK:
        return !links_empty(&loop->tasks);
    case LOOP_TIMER: {
        const struct timer *first = timer_first(loop);
        return first != NULL && first->due_ms <= now_ms(loop);
    }
    case LOOP_WORK:
        return loop->works != NULL;
    case LOOP_WORK_DONE:
        return loop->worked != NULL;
    case LOOP_KINDS:
        break;
    }
    return false;
}

void loop_step(struct loop *loop, enum loop_kind kind) {
    static void (*const run[LOOP_KINDS])(struct loop *) = {[LOOP_MESSAGE] = message_run,
                                                           [LOOP_TASK] = task_run,
                                                           [LOOP_TIMER] = timer_run,
                                                           [LOOP_WORK] = work_run,
                                                           [LOOP_WORK_DONE] = work_done};
    run[kind](loop);
}
