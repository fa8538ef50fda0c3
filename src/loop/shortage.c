/* shortage.c: see the header.
 *
 * The probe opens event counters: they need no path, and count against the limit of the process and
 * that of the system like any file. It takes as many as the start that follows it, and closes them
 * before, so that a thread never has more than it is counted for (main/descriptors.c); some
 * microseconds are little beside the files that a start reads. After a probe that succeeded all
 * waiters start at once, and some may find that others were faster. So the shortage is over only
 * after a second without a report, and one that comes and goes is one entry of the log. */
#include "loop/shortage.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "base/memory.h"

enum { ROOM = 3 }; /* A start takes as many at once, and so does a thread that reads the spool. */

enum shortage_state { SHORTAGE_CLEAR, SHORTAGE_PAUSED, SHORTAGE_TRIED };

struct shortage {
    struct shortage_options options;
    enum shortage_state state;
    uint64_t wait_ms; /* Of the present pause. */
    uint64_t since_ns, tried_ns;
    struct timer timer;
    struct link waiters;
    struct shortage_stats stats;
};

bool shortage_is(struct err err) {
    return err_failed(err) && (err.os == EMFILE || err.os == ENFILE);
}

bool shortage_room(void) {
    int opened[ROOM];
    unsigned count = 0;
    while (count < ROOM && (opened[count] = eventfd(0, EFD_CLOEXEC)) >= 0) {
        count++;
    }
    bool room = count == ROOM || (errno != EMFILE && errno != ENFILE);
    while (count > 0) {
        fd_release(&opened[--count]);
    }
    return room;
}

static bool has_room(const struct shortage *shortage) {
    const struct shortage_options *options = &shortage->options;
    return options->room != NULL ? options->room(options->ctx) : shortage_room();
}

static uint64_t shortage_now_ns(const struct shortage *shortage) {
    return world_mono_ns(loop_world(shortage->options.loop));
}

/* --- States ----------------------------------------------------------------------------------- */

static void waiters_wake(struct shortage *shortage) {
    while (!links_empty(&shortage->waiters)) {
        struct shortage_waiter *waiter =
            CONTAINER_OF(shortage->waiters.next, struct shortage_waiter, link);
        struct loop_task *task = waiter->task;
        shortage_leave(waiter);
        loop_soon(shortage->options.loop, task);
    }
}

static void calm(struct timer *timer) {
    struct shortage *shortage = CONTAINER_OF(timer, struct shortage, timer);
    assert(shortage->state == SHORTAGE_TRIED);
    const uint64_t lasted_ms = (shortage->tried_ns - shortage->since_ns) / (1000 * 1000);
    shortage->state = SHORTAGE_CLEAR;
    shortage->wait_ms = 0;
    shortage->stats.waited_ms += lasted_ms;
    shortage->stats.since_ms = 0;
    if (shortage->options.ended != NULL) {
        shortage->options.ended(shortage->options.ctx, lasted_ms);
    }
}

static void probe(struct timer *timer);

static void pause_begin(struct shortage *shortage) {
    uint64_t wait_ms = shortage->wait_ms == 0 ? SHORTAGE_FIRST_MS : shortage->wait_ms * 2;
    shortage->wait_ms = wait_ms < SHORTAGE_MAX_MS ? wait_ms : SHORTAGE_MAX_MS;
    shortage->state = SHORTAGE_PAUSED;
    timer_start(shortage->options.loop, &shortage->timer, shortage->wait_ms, probe);
}

static void probe(struct timer *timer) {
    struct shortage *shortage = CONTAINER_OF(timer, struct shortage, timer);
    assert(shortage->state == SHORTAGE_PAUSED);
    if (!has_room(shortage)) {
        pause_begin(shortage);
        if (shortage_is_endless(shortage)) {
            waiters_wake(shortage); /* Starts fail by themselves now. */
        }
        return;
    }
    shortage->state = SHORTAGE_TRIED;
    shortage->tried_ns = shortage_now_ns(shortage);
    timer_start(shortage->options.loop, &shortage->timer, SHORTAGE_CALM_MS, calm);
    waiters_wake(shortage);
}

void shortage_report(struct shortage *shortage, const char *what, struct err err) {
    if (shortage == NULL) {
        return;
    }
    shortage->stats.reports++;
    if (shortage->state == SHORTAGE_PAUSED) {
        return; /* The start was on its way before the pause. */
    }
    bool first = shortage->state == SHORTAGE_CLEAR;
    shortage->since_ns = first ? shortage_now_ns(shortage) : shortage->since_ns;
    pause_begin(shortage);
    if (first) {
        shortage->stats.since_ms = world_wall_ms(loop_world(shortage->options.loop));
        shortage->stats.begun++;
        if (shortage->options.began != NULL) {
            shortage->options.began(shortage->options.ctx, what, err);
        }
    }
}

bool shortage_suspect(struct shortage *shortage, const char *what) {
    if (shortage == NULL || has_room(shortage)) {
        return false;
    }
    shortage_report(shortage, what, err_from_errno(EMFILE, "shortage: probe"));
    return true;
}

bool shortage_lasts(const struct shortage *shortage) {
    return shortage != NULL && shortage->state == SHORTAGE_PAUSED && !shortage_is_endless(shortage);
}

bool shortage_is_endless(const struct shortage *shortage) {
    const uint64_t max_ns = (uint64_t)SHORTAGE_PATIENCE_MS * 1000 * 1000;
    return shortage->state != SHORTAGE_CLEAR &&
           shortage_now_ns(shortage) - shortage->since_ns > max_ns;
}

/* --- Waiters ---------------------------------------------------------------------------------- */

void shortage_await(struct shortage *shortage, struct shortage_waiter *waiter,
                    struct loop_task *task) {
    assert(shortage->state == SHORTAGE_PAUSED); /* The hour may end right here. */
    if (waiter->task == NULL) {
        waiter->task = task;
        link_add_last(&shortage->waiters, &waiter->link);
    }
}

void shortage_leave(struct shortage_waiter *waiter) {
    if (waiter->task != NULL) {
        link_remove(&waiter->link);
        waiter->task = NULL;
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

struct shortage *shortage_new(const struct shortage_options *options) {
    struct shortage *shortage = mem_new(sizeof *shortage);
    shortage->options = *options;
    links_init(&shortage->waiters);
    return shortage;
}

void shortage_free(struct shortage *shortage) {
    if (shortage != NULL) {
        assert(links_empty(&shortage->waiters));
        timer_stop(shortage->options.loop, &shortage->timer);
        mem_free(shortage);
    }
}

void shortage_get_stats(const struct shortage *shortage, struct shortage_stats *ret_stats) {
    *ret_stats = shortage->stats;
    ret_stats->lasts = shortage->state != SHORTAGE_CLEAR;
}
