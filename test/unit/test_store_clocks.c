/* Tests of store/clocks.h: steady times of times that the wall clock has shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/clocks.h"

static void times_before_a_setting_keep_their_place(void **state) {
    struct clocks clocks = {.count = 0};
    (void)state;
    clocks_look(&clocks, 10000, 10000);
    clocks_look(&clocks, 20000, 20000);
    clocks_look(&clocks, 90000, 30000); /* Set forward by 60 s. */
    assert_int_equal(clocks_steady_ms(&clocks, 15000), 15000);
    assert_int_equal(clocks_steady_ms(&clocks, 85000), 25000);
    assert_int_equal(clocks_steady_ms(&clocks, 90000), 30000);
    clocks_look(&clocks, 15000, 40000);                        /* Set back by 85 s. */
    assert_int_equal(clocks_steady_ms(&clocks, 15000), 40000); /* The later one is meant. */
    assert_int_equal(clocks_steady_ms(&clocks, 90000), 30000);
}

static void times_still_to_come_are_unknown(void **state) {
    struct clocks clocks = {.count = 0};
    (void)state;
    clocks_look(&clocks, 10000, 10000);
    clocks_look(&clocks, 20000, 20000);
    assert_int_equal(clocks_steady_ms(&clocks, 30000), -1);
    assert_int_equal(clocks_steady_ms(&clocks, 4000), 4000); /* Before the first look. */
}

static void the_oldest_settings_are_forgotten(void **state) {
    struct clocks clocks = {.count = 0};
    (void)state;
    for (int64_t i = 0; i < 2 * CLOCK_SPANS_MAX; i++) {
        clocks_look(&clocks, i * 100000, i * 1000);
    }
    assert_int_equal(clocks.count, CLOCK_SPANS_MAX);
    assert_int_equal(clocks_steady_ms(&clocks, (2 * CLOCK_SPANS_MAX - 1) * 100000),
                     (2 * CLOCK_SPANS_MAX - 1) * 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_before_a_setting_keep_their_place),
        cmocka_unit_test(times_still_to_come_are_unknown),
        cmocka_unit_test(the_oldest_settings_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
