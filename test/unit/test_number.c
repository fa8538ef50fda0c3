/* Integers from text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"

static const struct number_bounds any = {INT64_MIN, INT64_MAX};

static void one_spelling_of_each_number_is_read(void **state) {
    (void)state;
    static const struct {
        struct bytes text;
        int64_t number;
    } cases[] = {
        {BYTES_INIT("0"), 0},
        {BYTES_INIT("7"), 7},
        {BYTES_INIT("-7"), -7},
        {BYTES_INIT("10"), 10},
        {BYTES_INIT("9223372036854775807"), INT64_MAX},
        {BYTES_INIT("-9223372036854775808"), INT64_MIN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t number = 1;
        assert_true(number_parse(cases[i].text, any, &number));
        assert_true(number == cases[i].number);
    }
}

static void everything_else_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const struct bytes texts[] = {
        BYTES_INIT(""),
        BYTES_INIT("-"),
        BYTES_INIT("+1"),
        BYTES_INIT(" 1"),
        BYTES_INIT("1 "),
        BYTES_INIT("01"),
        BYTES_INIT("00"),
        BYTES_INIT("-0"),
        BYTES_INIT("-01"),
        BYTES_INIT("--1"),
        BYTES_INIT("1a"),
        BYTES_INIT("a"),
        BYTES_INIT("0x10"),
        BYTES_INIT("1.0"),
        BYTES_INIT("1e3"),
        BYTES_INIT("1_0"),
        BYTES_INIT("1,0"),
        BYTES_INIT("1\0"),
        BYTES_INIT("\0001"),
        BYTES_INIT("1\n"),
        BYTES_INIT("/"),
        BYTES_INIT(":"),
        BYTES_INIT("\xd9\xa1"),
        BYTES_INIT("9223372036854775808"),
        BYTES_INIT("-9223372036854775809"),
        BYTES_INIT("99999999999999999999999999"),
        BYTES_INIT("18446744073709551617"),
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int64_t number = 42;
        if (number_parse(texts[i], any, &number)) {
            fail_msg("accepted: %s", texts[i].data);
        }
        assert_int_equal(number, 42);
    }
}

static void bounds_are_part_of_the_range(void **state) {
    (void)state;
    static const struct number_bounds page = {1, 200};
    int64_t number = 0;
    assert_true(number_parse(BYTES("1"), page, &number));
    assert_true(number_parse(BYTES("200"), page, &number));
    assert_false(number_parse(BYTES("0"), page, &number));
    assert_false(number_parse(BYTES("201"), page, &number));
    assert_false(number_parse(BYTES("-1"), page, &number));
    assert_int_equal(number, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_spelling_of_each_number_is_read),
        cmocka_unit_test(everything_else_is_refused_and_changes_nothing),
        cmocka_unit_test(bounds_are_part_of_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
