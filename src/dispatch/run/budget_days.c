/* budget_days.c: lets runs go on that wait for the end of a day of a budget.
 *
 *   WAITING ──midnight, an hour, or a wake of the machine──> LOOKING (a write, a page) ──more──┐
 *      ^ ─────────────────────────────────────────── the last page ──┘ ^ ──────────────────────┘
 *
 * Timers run by the monotonic clock, which stands still in a suspend, and the wall clock may be
 * set. So a look comes each hour, too, and when the machine wakes. */
#include "dispatch/run/budget_days.h"

#include "base/memory.h"
#include "dispatch/job/inside.h"
#include "engine/budget/budget.h"
#include "loop/local_day.h"

enum { LOOK_MS = 60 * 60 * 1000 };

struct budget_looks {
    struct dispatch *dispatch;
    struct ask ask;
    struct budget_days days; /* The store function's. */
    struct budget_days page; /* The same for one try of it. */
    bool again;              /* The machine woke during a look. */
};

/* A function of the store may run again, and finds what it found at first. */
static struct err days_tx(struct tx *tx, void *ctx) {
    struct budget_looks *looks = ctx;
    looks->page = looks->days;
    return tx_budget_days(tx, &looks->page);
}

static void days_begin(void *ctx) {
    struct budget_looks *looks = ctx;
    looks->days.bounds = dispatch_bounds(looks->dispatch);
}

/* Timers count whole milliseconds, and so may the day. */
static uint64_t days_wait_ms(const struct budget_looks *looks) {
    const int64_t now_ms = world_wall_ms(loop_world(looks->dispatch->options.loop));
    const int64_t midnight_ms = local_day_end_ms(now_ms);
    const int64_t end_ms = looks->days.next_ms < midnight_ms ? looks->days.next_ms : midnight_ms;
    const int64_t left_ms = end_ms > now_ms ? end_ms - now_ms : 1;
    return (uint64_t)(left_ms < LOOK_MS ? left_ms : LOOK_MS);
}

static void days_done(void *ctx);

static void days_look(struct budget_looks *looks) {
    looks->again = false;
    looks->days = (struct budget_days){.next_ms = INT64_MAX};
    ask_write(&looks->ask, days_tx, days_done);
}

static void days_done(void *ctx) {
    struct budget_looks *looks = ctx;
    looks->days = looks->page;
    if (looks->days.more) {
        ask_write(&looks->ask, days_tx, days_done);
    } else if (looks->again) {
        days_look(looks);
    } else {
        const uint64_t wait_ms = days_wait_ms(looks);
        looks->days = (struct budget_days){.next_ms = INT64_MAX};
        ask_write_in(&looks->ask, wait_ms, days_tx, days_done);
    }
}

static void days_start(struct dispatch *dispatch) {
    static const struct ask_rules rules = {
        .words = {"begin the day of budgets",
                  "the day of budgets could not begin; it is tried again"},
        .begin = days_begin};
    bool held = dispatch->options.hold == RUN_HELD; /* The release recovers again. */
    if (!held && dispatch->budget_looks == NULL && !dispatch->stopping) {
        dispatch->budget_looks = mem_new(sizeof *dispatch->budget_looks);
        dispatch->budget_looks->dispatch = dispatch;
        ask_init(&dispatch->budget_looks->ask, &dispatch->asker, &rules, dispatch->budget_looks);
        days_look(dispatch->budget_looks);
    }
}

static void days_after_sleep(struct dispatch *dispatch) {
    struct budget_looks *looks = dispatch->budget_looks;
    if (looks != NULL && looks->ask.state != ASK_AWAY && !dispatch->stopping) {
        days_look(looks);
    } else if (looks != NULL) {
        looks->again = true;
    }
}

static void days_stop(struct dispatch *dispatch) {
    if (dispatch->budget_looks != NULL) {
        ask_stop(&dispatch->budget_looks->ask);
    }
}

const struct dispatch_part budget_days_part = {.steps = {[PART_RECOVER] = days_start,
                                                         [PART_AFTER_SLEEP] = days_after_sleep,
                                                         [PART_STOP] = days_stop}};
