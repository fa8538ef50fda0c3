/* The limit of calls of a connection, after refusals for too many requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/provider/brake.h"

enum { MOST = 16, START_MS = 1000 };

static void refuse(struct brake *brake, int64_t sent_ms, int64_t now_ms) {
    const struct brake_refusal refusal = {
        .sent_ms = sent_ms, .now_ms = now_ms, .most = MOST, .running = 10};
    brake_refuse(brake, &refusal);
}

static void without_a_refusal_the_limit_is_the_connections(void **state) {
    (void)state;
    const struct brake brake = {.limit = 0};
    assert_int_equal(brake_limit(&brake, MOST, START_MS), MOST);
    assert_int_equal(brake_rises_ms(&brake, MOST, START_MS), 0);
}

static void a_refusal_halves_the_limit_down_to_one(void **state) {
    (void)state;
    static const int64_t limits[] = {8, 4, 2, 1, 1};
    struct brake brake = {.limit = 0};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        const int64_t now_ms = START_MS + (int64_t)i * 100;
        refuse(&brake, now_ms - 50, now_ms);
        assert_int_equal(brake_limit(&brake, MOST, now_ms), limits[i]);
    }
}

static void refusals_of_one_burst_halve_once_and_prolong_the_quiet(void **state) {
    (void)state;
    struct brake brake = {.limit = 0};
    for (int64_t i = 0; i < MOST; i++) {
        refuse(&brake, START_MS, START_MS + 100 + i);
    }
    assert_int_equal(brake_limit(&brake, MOST, START_MS + 200), 8);
    assert_int_equal(brake_rises_ms(&brake, MOST, START_MS + 200), START_MS + 115 + BRAKE_QUIET_MS);
}

static void thirty_seconds_of_quiet_add_one_until_the_limit_is_whole(void **state) {
    (void)state;
    struct brake brake = {.limit = 0};
    refuse(&brake, 0, START_MS);
    assert_int_equal(brake_limit(&brake, MOST, START_MS + BRAKE_QUIET_MS - 1), 8);
    assert_int_equal(brake_limit(&brake, MOST, START_MS + BRAKE_QUIET_MS), 9);
    assert_int_equal(brake_limit(&brake, MOST, START_MS + 7 * BRAKE_QUIET_MS), 15);
    assert_int_equal(brake_rises_ms(&brake, MOST, START_MS + 7 * BRAKE_QUIET_MS),
                     START_MS + 8 * BRAKE_QUIET_MS);
    assert_int_equal(brake_limit(&brake, MOST, START_MS + 8 * BRAKE_QUIET_MS), MOST);
    assert_int_equal(brake_limit(&brake, MOST, INT64_MAX), MOST);
    assert_int_equal(brake_rises_ms(&brake, MOST, START_MS + 8 * BRAKE_QUIET_MS), 0);
}

static void a_limit_that_had_risen_is_halved_from_there(void **state) {
    (void)state;
    struct brake brake = {.limit = 0};
    refuse(&brake, 0, START_MS);
    const int64_t later_ms = START_MS + 4 * BRAKE_QUIET_MS;
    assert_int_equal(brake_limit(&brake, MOST, later_ms), 12);
    refuse(&brake, later_ms - 10, later_ms);
    assert_int_equal(brake_limit(&brake, MOST, later_ms), 6);
}

static void a_late_refusal_of_the_burst_keeps_what_has_risen(void **state) {
    (void)state;
    struct brake brake = {.limit = 0};
    refuse(&brake, START_MS, START_MS);
    refuse(&brake, START_MS, START_MS + BRAKE_QUIET_MS);
    assert_int_equal(brake_limit(&brake, MOST, START_MS + BRAKE_QUIET_MS), 9);
    assert_int_equal(brake_limit(&brake, MOST, START_MS + 2 * BRAKE_QUIET_MS), 10);
}

static void without_a_limit_the_calls_at_once_are_halved(void **state) {
    (void)state;
    struct brake brake = {.limit = 0};
    const struct brake_refusal refusal = {
        .sent_ms = START_MS, .now_ms = START_MS, .most = BRAKE_UNLIMITED, .running = 40};
    brake_refuse(&brake, &refusal);
    assert_int_equal(brake_limit(&brake, BRAKE_UNLIMITED, START_MS), 20);
    assert_int_equal(brake_limit(&brake, BRAKE_UNLIMITED, START_MS + BRAKE_QUIET_MS), 21);
}

static void a_lower_limit_of_the_connection_holds(void **state) {
    (void)state;
    struct brake brake = {.limit = 0};
    refuse(&brake, 0, START_MS);
    assert_int_equal(brake_limit(&brake, 4, START_MS), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_refusal_the_limit_is_the_connections),
        cmocka_unit_test(a_refusal_halves_the_limit_down_to_one),
        cmocka_unit_test(refusals_of_one_burst_halve_once_and_prolong_the_quiet),
        cmocka_unit_test(thirty_seconds_of_quiet_add_one_until_the_limit_is_whole),
        cmocka_unit_test(a_limit_that_had_risen_is_halved_from_there),
        cmocka_unit_test(a_late_refusal_of_the_burst_keeps_what_has_risen),
        cmocka_unit_test(without_a_limit_the_calls_at_once_are_halved),
        cmocka_unit_test(a_lower_limit_of_the_connection_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
