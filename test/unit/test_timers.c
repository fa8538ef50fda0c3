/* Timers of the loop: order, restart, stop, and twenty thousand of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "loop/loop_uv.h"

static int open_loop(void **state) {
    struct loop *loop = NULL;
    assert_false(err_failed(loop_open(&(struct loop_options){.world = world_real()}, &loop)));
    *state = loop;
    return 0;
}

static int close_loop(void **state) {
    loop_close(*state);
    return 0;
}

struct alarm {
    struct timer timer;
    struct loop *loop;
    uint64_t due_ms;
    struct alarms *all;
    bool fired;
};

struct alarms {
    struct loop *loop;
    uint64_t last_due_ms;
    unsigned fired, wanted, early, out_of_order;
};

static void on_alarm(struct timer *timer) {
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);
    struct alarms *all = alarm->all;
    alarm->fired = true;
    all->early += uv_now(loop_uv(all->loop)) < alarm->due_ms;
    all->out_of_order += alarm->due_ms < all->last_due_ms;
    all->last_due_ms = alarm->due_ms;
    all->fired++;
    if (all->fired == all->wanted) {
        loop_stop(all->loop);
    }
}

static void set_alarm(struct alarm *alarm, struct alarms *all, uint64_t after_ms) {
    alarm->all = all;
    alarm->due_ms = uv_now(loop_uv(all->loop)) + after_ms;
    timer_start(all->loop, &alarm->timer, after_ms, on_alarm);
}

static void twenty_thousand_timers_fire_in_order_and_never_early(void **state) {
    enum { COUNT = 20000 };
    struct alarms all = {.loop = *state, .wanted = COUNT - COUNT / 10};
    struct alarm *alarms = mem_new_array(COUNT, sizeof *alarms);
    uint32_t random = 12345;
    for (unsigned i = 0; i < COUNT; i++) {
        random = random * 1664525 + 1013904223;
        set_alarm(&alarms[i], &all, 1 + (random >> 16) % 50);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        random = random * 1664525 + 1013904223;
        if (i % 10 == 0) {
            timer_stop(*state, &alarms[i].timer);
        } else if (i % 3 == 0) { /* Restarted: earlier or later than it was. */
            set_alarm(&alarms[i], &all, 1 + (random >> 16) % 60);
        }
    }
    loop_run(*state);
    assert_int_equal(all.fired, all.wanted);
    assert_int_equal(all.early, 0);
    assert_int_equal(all.out_of_order, 0);
    assert_false(alarms[0].fired);
    mem_free(alarms);
}

static void a_stopped_timer_does_not_fire_and_stopping_twice_is_allowed(void **state) {
    struct alarms all = {.loop = *state, .wanted = 1};
    struct alarm stopped = {.loop = *state};
    struct alarm last = {.loop = *state};
    timer_stop(*state, &stopped.timer);
    set_alarm(&stopped, &all, 1);
    set_alarm(&last, &all, 5);
    timer_stop(*state, &stopped.timer);
    timer_stop(*state, &stopped.timer);
    loop_run(*state);
    assert_false(stopped.fired);
    assert_true(last.fired);
}

struct repeating {
    struct timer timer;
    struct timer victim;
    struct loop *loop;
    uint64_t fired_ms;
    unsigned left, same_turn;
    bool victim_fired;
};

static void on_victim(struct timer *timer) {
    CONTAINER_OF(timer, struct repeating, victim)->victim_fired = true;
}

static void on_repeat(struct timer *timer) {
    struct repeating *repeating = CONTAINER_OF(timer, struct repeating, timer);
    timer_stop(repeating->loop, &repeating->victim);
    uint64_t now_ms = uv_now(loop_uv(repeating->loop));
    repeating->same_turn += now_ms == repeating->fired_ms;
    repeating->fired_ms = now_ms;
    if (repeating->left == 0) {
        loop_stop(repeating->loop);
        return;
    }
    repeating->left--;
    timer_start(repeating->loop, timer, 0, on_repeat);
}

static void a_timer_may_restart_itself_and_stop_another_that_is_due_too(void **state) {
    struct repeating repeating = {.loop = *state, .left = 5};
    timer_start(*state, &repeating.timer, 2, on_repeat);
    timer_start(*state, &repeating.victim, 2, on_victim);
    loop_run(*state);
    assert_int_equal(repeating.left, 0);
    assert_int_equal(repeating.same_turn, 0);
    assert_false(repeating.victim_fired);
}

static void a_timer_pushed_away_again_and_again_fires_once_at_its_last_time(void **state) {
    struct alarms all = {.loop = *state, .wanted = 1};
    struct alarm alarm = {.loop = *state};
    for (unsigned i = 0; i < 1000; i++) {
        set_alarm(&alarm, &all, 1 + i % 20);
    }
    set_alarm(&alarm, &all, 10);
    loop_run(*state);
    assert_int_equal(all.fired, 1);
    assert_int_equal(all.early, 0);
}

static void timers_alone_do_not_keep_a_stopped_loop_running(void **state) {
    struct alarms all = {.loop = *state, .wanted = 1};
    struct alarm far = {.loop = *state};
    set_alarm(&far, &all, UINT64_MAX);
    loop_stop(*state);
    loop_run(*state);
    assert_false(far.fired);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOOP_TEST(twenty_thousand_timers_fire_in_order_and_never_early),
        LOOP_TEST(a_stopped_timer_does_not_fire_and_stopping_twice_is_allowed),
        LOOP_TEST(a_timer_may_restart_itself_and_stop_another_that_is_due_too),
        LOOP_TEST(a_timer_pushed_away_again_and_again_fires_once_at_its_last_time),
        LOOP_TEST(timers_alone_do_not_keep_a_stopped_loop_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
