/* test_sleep_watch.c: a suspend, and time that only passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loop/sleep_watch.h"

static void only_time_that_the_monotonic_clock_missed_is_sleep(void **state) {
    static const struct {
        struct sleep_clocks now;
        uint64_t slept_ms;
    } rows[] = {
        {{.boot_ms = 60000, .mono_ms = 50000}, 0},    /* Ten seconds awake. */
        {{.boot_ms = 64999, .mono_ms = 50000}, 0},    /* A short one does not count. */
        {{.boot_ms = 65000, .mono_ms = 50000}, 5000}, /* Five seconds of fifteen. */
        {{.boot_ms = 3660000, .mono_ms = 50000}, 3600000},
        {{.boot_ms = 50000, .mono_ms = 40001}, 0},     /* Readings that are not exact. */
        {{.boot_ms = 3650000, .mono_ms = 3640000}, 0}, /* A loop that was busy for an hour. */
    };
    const struct sleep_clocks before = {.boot_ms = 50000, .mono_ms = 40000};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(sleep_between(&before, &rows[i].now), rows[i].slept_ms);
    }
}

struct machine {
    struct world world;
    struct loop *loop;
    uint64_t mono_ns, slept_ns;
    unsigned woken;
    uint64_t told_ms;
};

static uint64_t machine_mono_ns(void *ctx) {
    return ((struct machine *)ctx)->mono_ns;
}

static uint64_t machine_boot_ns(void *ctx) {
    const struct machine *machine = ctx;
    return machine->mono_ns + machine->slept_ns;
}

static void machine_after_sleep(void *ctx, uint64_t slept_ms) {
    struct machine *machine = ctx;
    machine->woken++;
    machine->told_ms = slept_ms;
}

static void each_suspend_is_reported_once(void **state) {
    struct machine machine = {.mono_ns = 1, .world = *world_real()};
    machine.world.ctx = &machine;
    machine.world.mono_ns = machine_mono_ns;
    machine.world.boot_ns = machine_boot_ns;
    struct sleep_watch watch = {.loop = NULL};
    sleep_watch_stop(&watch); /* Never started. */
    assert_false(
        err_failed(loop_open(&(struct loop_options){.world = &machine.world}, &machine.loop)));
    sleep_watch_start(&watch, machine.loop, machine_after_sleep, &machine);
    for (unsigned night = 1; night <= 3; night++) {
        watch.timer.fire(&watch.timer); /* Awake. */
        assert_int_equal(machine.woken, night - 1);
        machine.slept_ns += UINT64_C(3600) * 1000 * 1000 * 1000;
        machine.mono_ns += UINT64_C(1000) * 1000 * 1000;
        watch.timer.fire(&watch.timer);
        assert_int_equal(machine.woken, night);
        assert_int_equal(machine.told_ms, 3600 * 1000);
    }
    sleep_watch_stop(&watch);
    loop_stop(machine.loop);
    loop_run(machine.loop);
    loop_close(machine.loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_suspend_is_reported_once),
        cmocka_unit_test(only_time_that_the_monotonic_clock_missed_is_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
