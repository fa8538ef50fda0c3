/* Which work of the dispatchers makes no progress. The clock is the test's. */
#include "dispatch/base/effects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

struct bench {
    struct world world;
    uint64_t now_ms;
    struct effects *effects;
    struct effect first, second;
    struct why why;
};

static uint64_t bench_mono_ns(void *ctx) {
    const struct bench *bench = ctx;
    return bench->now_ms * 1000000;
}

static int open_bench(void **state) {
    struct bench *bench = mem_new(sizeof *bench);
    bench->world = *world_real();
    bench->world.ctx = bench;
    bench->world.mono_ns = bench_mono_ns;
    bench->now_ms = 1000;
    bench->effects = effects_new(&bench->world);
    *state = bench;
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    effect_done(&bench->first);
    effect_done(&bench->second);
    effects_free(bench->effects);
    mem_free(bench);
    return 0;
}

static const struct err full = {.code = ERR_DISK_FULL, .step = "test"};
static const struct err conflict = {.code = ERR_CONFLICT, .step = "test"};

static void what_fails_for_a_minute_is_stuck_and_named(void **state) {
    struct bench *bench = *state;
    effect_begin(bench->effects, &bench->first, "store the end of a command");
    effect_failed(&bench->first, full);
    bench->now_ms += EFFECTS_STUCK_MS - 1;
    assert_false(effects_stuck(bench->effects, &bench->why));
    bench->now_ms += 1;
    assert_true(effects_stuck(bench->effects, &bench->why));
    assert_non_null(strstr(bench->why.text, "1 step of runs"));
    assert_non_null(strstr(bench->why.text, "store the end of a command, for 60 s"));
    assert_non_null(strstr(bench->why.text, "disk_full"));
}

static void what_nobody_answers_is_stuck_too(void **state) {
    struct bench *bench = *state;
    effect_begin(bench->effects, &bench->first, "store the text of a turn");
    bench->now_ms += EFFECTS_STUCK_MS + 5000;
    assert_true(effects_stuck(bench->effects, &bench->why));
    assert_non_null(strstr(bench->why.text, "for 65 s: there was no answer"));
}

static void another_try_does_not_begin_the_minute_anew(void **state) {
    struct bench *bench = *state;
    effect_begin(bench->effects, &bench->first, "store");
    for (int i = 0; i < 12; i++) {
        assert_false(effects_stuck(bench->effects, &bench->why));
        bench->now_ms += EFFECTS_STUCK_MS / 12;
        effect_failed(&bench->first, full);
        effect_begin(bench->effects, &bench->first, "store");
    }
    assert_true(effects_stuck(bench->effects, &bench->why));
}

static void a_success_begins_the_minute_anew(void **state) {
    struct bench *bench = *state;
    effect_begin(bench->effects, &bench->first, "store");
    bench->now_ms += EFFECTS_STUCK_MS - 1;
    effect_done(&bench->first);
    effect_begin(bench->effects, &bench->first, "store");
    bench->now_ms += EFFECTS_STUCK_MS - 1;
    assert_false(effects_stuck(bench->effects, &bench->why));
}

static void the_oldest_is_named_and_all_are_counted(void **state) {
    struct bench *bench = *state;
    struct effects_stats stats;
    effect_begin(bench->effects, &bench->first, "read the runs");
    bench->now_ms += 5000;
    effect_begin(bench->effects, &bench->second, "store a step");
    bench->now_ms += EFFECTS_STUCK_MS;
    assert_true(effects_stuck(bench->effects, &bench->why));
    assert_non_null(strstr(bench->why.text, "2 steps of runs"));
    assert_non_null(strstr(bench->why.text, "the oldest, read the runs, for 65 s"));
    effect_done(&bench->first);
    effects_get_stats(bench->effects, &stats);
    assert_int_equal(stats.listed, 1);
    assert_int_equal(stats.stuck, 1);
    assert_true(effects_stuck(bench->effects, &bench->why));
    assert_non_null(strstr(bench->why.text, "the oldest, store a step, for 60 s"));
}

static void only_an_error_of_the_row_itself_is_given_up(void **state) {
    (void)state;
    assert_false(effect_is_hopeless(EFFECT_TRIES_MAX - 1, conflict));
    assert_true(effect_is_hopeless(EFFECT_TRIES_MAX, conflict));
    assert_false(effect_is_hopeless(1000, full));
    assert_false(effect_is_hopeless(1000, err_make(ERR_STORE_DOWN, "test")));
}

/* An arena that is full looks like that, too, and stays full for the same rows. */
static void want_of_memory_is_tried_again_with_a_limit(void **state) {
    (void)state;
    const struct err no_memory = err_make(ERR_OUT_OF_MEMORY, "test");
    assert_false(effect_is_hopeless(EFFECT_TRIES_MAX - 1, no_memory));
    assert_true(effect_is_hopeless(EFFECT_TRIES_MAX, no_memory));
    assert_true(effect_is_hopeless_after(2, 2, no_memory));
}

static void a_text_that_is_too_long_is_not_tried_again(void **state) {
    (void)state;
    assert_true(effect_is_hopeless(1, err_make(ERR_TEXT_TOO_LONG, "test")));
    assert_true(effect_is_hopeless_after(1, 9, err_make(ERR_TEXT_TOO_LONG, "test")));
}

static void what_was_given_up_is_counted_and_makes_nothing_stuck(void **state) {
    struct bench *bench = *state;
    struct effects_stats stats;
    effect_begin(bench->effects, &bench->first, "store");
    bench->now_ms += EFFECTS_STUCK_MS;
    effects_abandon(bench->effects, &bench->first);
    assert_false(effects_stuck(bench->effects, &bench->why));
    effects_get_stats(bench->effects, &stats);
    assert_int_equal(stats.abandoned, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        TEST(what_fails_for_a_minute_is_stuck_and_named),
        TEST(what_nobody_answers_is_stuck_too),
        TEST(another_try_does_not_begin_the_minute_anew),
        TEST(a_success_begins_the_minute_anew),
        TEST(the_oldest_is_named_and_all_are_counted),
        TEST(only_an_error_of_the_row_itself_is_given_up),
        TEST(want_of_memory_is_tried_again_with_a_limit),
        TEST(a_text_that_is_too_long_is_not_tried_again),
        TEST(what_was_given_up_is_counted_and_makes_nothing_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
