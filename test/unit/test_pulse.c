/* The pulse of a daemon with nothing to write: what counts as a sign of its life. */
#include <sched.h>

#include "runs_kit.h"

#include "engine/host/pulse.h"

/* The timer that is armed; the test lets it fire. */
static struct {
    struct timer *timer;
    void (*fire)(struct timer *timer);
} armed;

void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    (void)loop;
    assert_int_equal(after_ms, PULSE_MS);
    armed.timer = timer;
    armed.fire = fire;
}

void __wrap_timer_stop(struct loop *loop, struct timer *timer);
void __wrap_timer_stop(struct loop *loop, struct timer *timer) {
    (void)loop;
    armed.timer = armed.timer == timer ? NULL : armed.timer;
}

static void wait_over(struct runs_kit *runs) {
    assert_non_null(armed.timer);
    struct timer *timer = armed.timer;
    armed.timer = NULL;
    armed.fire(timer);
    kit_store(&runs->kit);
}

static uint64_t commits(struct runs_kit *runs) {
    struct store_stats stats;
    store_get_stats(runs->kit.store, &stats);
    return stats.commits;
}

static struct err refused_tx(struct tx *tx, void *ctx) {
    (void)tx;
    (void)ctx;
    return err_make(ERR_CONFLICT, "test: refused");
}

static struct err nothing_tx(struct tx *tx, void *ctx) {
    (void)tx;
    (void)ctx;
    return ERR_OK;
}

static void a_daemon_that_only_refuses_shows_that_it_lives(void **state) {
    struct runs_kit *runs = *state;
    struct pulse pulse;
    struct kit_call call;
    pulse_start(&pulse, (struct loop *)&armed /* not used */, runs->kit.store);
    uint64_t before = commits(runs);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(kit_write(&runs->kit, refused_tx, &call).code, ERR_CONFLICT);
        assert_int_equal(commits(runs), before + i - 1);
        wait_over(runs);
        assert_int_equal(commits(runs), before + i);
    }
    pulse_stop(&pulse);
}

static void a_daemon_that_writes_needs_no_pulse(void **state) {
    struct runs_kit *runs = *state;
    struct pulse pulse;
    struct kit_call call;
    pulse_start(&pulse, (struct loop *)&armed /* not used */, runs->kit.store);
    assert_int_equal(kit_write(&runs->kit, nothing_tx, &call).code, ERR_NONE);
    uint64_t before = commits(runs);
    wait_over(runs);
    assert_int_equal(commits(runs), before);
    wait_over(runs); /* Nothing was written since. */
    assert_int_equal(commits(runs), before + 1);
    pulse_stop(&pulse);
}

/* Commits of a store with threads come by themselves. */
static void commits_await(struct store *store, uint64_t count) {
    struct store_stats stats;
    do {
        store_get_stats(store, &stats);
        sched_yield();
    } while (stats.commits < count);
}

static void a_daemon_whose_loop_does_not_run_yet_shows_that_it_lives(void **state) {
    (void)state;
    struct kit *kit = kit_new(STORE_THREAD, NULL /* sizes */); /* Nobody runs its loop. */
    struct store_stats before;
    store_get_stats(kit->store, &before);
    struct pulse pulse;
    pulse_start(&pulse, (struct loop *)&armed /* not used */, kit->store);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_non_null(armed.timer);
        struct timer *timer = armed.timer;
        armed.timer = NULL;
        armed.fire(timer);
        commits_await(kit->store, before.commits + i);
    }
    pulse_move(&pulse, kit->loop);
    assert_ptr_equal(armed.timer, &pulse.timer);
    pulse_stop(&pulse);
    kit_free(kit);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, runs_begin, runs_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_daemon_that_only_refuses_shows_that_it_lives),
        CASE(a_daemon_that_writes_needs_no_pulse),
        cmocka_unit_test(a_daemon_whose_loop_does_not_run_yet_shows_that_it_lives),
    };
    return cmocka_run_group_tests_name("pulse", tests, NULL /* no group fixture */, NULL);
}
