/* Times and sizes as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/base/quantity.h"

static const struct number_bounds any = {0, INT64_MAX};

static int64_t duration(const char *text) {
    int64_t ms = -1;
    return quantity_duration((struct bytes){text, strlen(text)}, any, &ms) ? ms : -1;
}

static int64_t size(const char *text) {
    int64_t bytes = -1;
    return quantity_size((struct bytes){text, strlen(text)}, any, &bytes) ? bytes : -1;
}

static void a_time_has_a_unit_or_is_in_seconds(void **state) {
    (void)state;
    assert_int_equal(duration("500ms"), 500);
    assert_int_equal(duration("30s"), 30000);
    assert_int_equal(duration("30"), 30000);
    assert_int_equal(duration("5m"), 300000);
    assert_int_equal(duration("2h"), 7200000);
    assert_int_equal(duration("7d"), INT64_C(7) * 86400000);
    assert_int_equal(duration("0"), 0);
}

static void a_size_has_a_unit_of_1024_or_is_in_bytes(void **state) {
    (void)state;
    assert_int_equal(size("4096"), 4096);
    assert_int_equal(size("64K"), 64 << 10);
    assert_int_equal(size("64M"), 64 << 20);
    assert_int_equal(size("1G"), 1 << 30);
    assert_int_equal(size("1GB"), 1 << 30);
    assert_int_equal(size("1GiB"), 1 << 30);
    assert_int_equal(size("2T"), INT64_C(2) << 40);
}

static void anything_else_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",    "s",   "ms",  "-1s", "+1s",  "1.5s", " 1s",
                                        "1 s", "1s ", "01s", "1S",  "1min", "1sm",  "s1",
                                        "1e3", "1G1", "1g",  "1k",  "1Gi",  "0x10", "1,000"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        if (duration(wrong[i]) != -1 || size(wrong[i]) != -1) {
            fail_msg("'%s' was taken", wrong[i]);
        }
    }
}

static void what_does_not_fit_into_64_bits_is_refused(void **state) {
    (void)state;
    assert_int_equal(size("8388607T"), INT64_C(8388607) << 40);
    assert_int_equal(size("8388608T"), -1);
    assert_int_equal(duration("9223372036854775807d"), -1);
    assert_int_equal(duration("9223372036854775808ms"), -1);
}

static void bounds_are_held_and_outputs_stay_untouched(void **state) {
    (void)state;
    struct number_bounds bounds = {1000, 60000};
    int64_t ms = 77;
    assert_false(quantity_duration(BYTES("999ms"), bounds, &ms));
    assert_false(quantity_duration(BYTES("61s"), bounds, &ms));
    assert_int_equal(ms, 77);
    assert_true(quantity_duration(BYTES("1m"), bounds, &ms));
    assert_int_equal(ms, 60000);
}

static void values_are_told_in_their_largest_whole_unit(void **state) {
    (void)state;
    assert_string_equal(quantity_text(FLAG_DURATION, 300000).text, "5m");
    assert_string_equal(quantity_text(FLAG_DURATION, 1500).text, "1500ms");
    assert_string_equal(quantity_text(FLAG_DURATION, 0).text, "0ms");
    assert_string_equal(quantity_text(FLAG_SIZE, 64 << 20).text, "64M");
    assert_string_equal(quantity_text(FLAG_SIZE, 1).text, "1");
    assert_string_equal(quantity_text(FLAG_SIZE, INT64_MAX).text, "9223372036854775807");
    assert_string_equal(quantity_text(FLAG_INT, 1024).text, "1024");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_has_a_unit_or_is_in_seconds),
        cmocka_unit_test(a_size_has_a_unit_of_1024_or_is_in_bytes),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(what_does_not_fit_into_64_bits_is_refused),
        cmocka_unit_test(bounds_are_held_and_outputs_stay_untouched),
        cmocka_unit_test(values_are_told_in_their_largest_whole_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
