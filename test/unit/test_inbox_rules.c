/* When a delivery that failed is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/inbox.h"

static void waits_double_to_five_minutes_and_become_hours_after_twenty(void **state) {
    (void)state;
    const struct inbox_waits waits = INBOX_WAITS_DEFAULT;
    int64_t want = 1000;
    for (int64_t failures = 1; failures < 20; failures++) {
        struct inbox_next next = inbox_after_failure(&waits, failures, 0);
        assert_int_equal(next.state, INBOX_PENDING);
        assert_int_equal(next.wait_ms, want);
        want = want * 2 < 300000 ? want * 2 : 300000;
    }
    for (int64_t failures = 20; failures < 50; failures++) {
        struct inbox_next next = inbox_after_failure(&waits, failures, 0);
        assert_int_equal(next.state, INBOX_STALLED);
        assert_int_equal(next.wait_ms, 3600000);
    }
}

static void chance_adds_at_most_a_quarter(void **state) {
    (void)state;
    const struct inbox_waits waits = INBOX_WAITS_DEFAULT;
    assert_int_equal(inbox_after_failure(&waits, 1, UINT32_MAX).wait_ms, 1250);
    assert_in_range(inbox_after_failure(&waits, 1, UINT32_MAX / 2).wait_ms, 1124, 1126);
    assert_int_equal(inbox_after_failure(&waits, 20, UINT32_MAX).wait_ms, 4500000);
}

static void settings_replace_the_defaults(void **state) {
    (void)state;
    const struct inbox_waits waits = {
        .first_ms = 3, .max_ms = 10, .stalled_ms = 7, .stalled_after = 4};
    static const int64_t want[] = {3, 6, 10, 7, 7};
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_int_equal(inbox_after_failure(&waits, (int64_t)i + 1, 0).wait_ms, want[i]);
    }
}

static void no_number_of_failures_overflows(void **state) {
    (void)state;
    const struct inbox_waits waits = {.first_ms = INT64_MAX / 4,
                                      .max_ms = INT64_MAX / 2,
                                      .stalled_ms = 1,
                                      .stalled_after = INT64_MAX};
    assert_int_equal(inbox_after_failure(&waits, INT64_MAX - 1, 0).wait_ms, INT64_MAX / 2);
}

static void names_are_found_again(void **state) {
    (void)state;
    for (unsigned i = 0; i < INBOX_STATE_COUNT; i++) {
        enum inbox_state found = INBOX_STATE_COUNT;
        const char *name = inbox_state_name((enum inbox_state)i);
        assert_true(inbox_state_find((struct bytes){name, strlen(name)}, &found));
        assert_int_equal(found, i);
    }
    enum inbox_state none;
    assert_false(inbox_state_find(BYTES("delivering"), &none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_to_five_minutes_and_become_hours_after_twenty),
        cmocka_unit_test(chance_adds_at_most_a_quarter),
        cmocka_unit_test(settings_replace_the_defaults),
        cmocka_unit_test(no_number_of_failures_overflows),
        cmocka_unit_test(names_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
