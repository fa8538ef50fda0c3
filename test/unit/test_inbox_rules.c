/* When a delivery that failed is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/inbox/inbox.h"

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

static void a_clock_that_was_set_back_makes_rows_due_and_holds_none(void **state) {
    (void)state;
    const struct inbox_waits waits = INBOX_WAITS_DEFAULT;
    enum { NOW = 1000000000 };
    static const struct {
        int64_t failures, ahead_ms, want;
    } cases[] = {
        {0, 0, 0},
        {0, 1, 0},
        {0, 86400000, 0},
        {1, -5, 0},
        {1, 1000, 1000},
        {1, 1250, 1250},
        {1, 1251, 0},
        {1, 86400000, 0},
        {19, 375000, 375000},
        {19, 375001, 0},
        {20, 4500000, 4500000},
        {20, 4500001, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct inbox_time time = {
            .failures = cases[i].failures, .not_before_ms = NOW + cases[i].ahead_ms, .now_ms = NOW};
        assert_int_equal(inbox_wait_left(&waits, &time), cases[i].want);
    }
}

static void what_a_turn_settles_depends_on_how_it_ended(void **state) {
    (void)state;
    static const struct {
        enum run_state state;
        enum run_cause cause;
        enum inbox_turn want;
    } cases[] = {
        {RUN_SUCCEEDED, CAUSE_COMPLETED, INBOX_TURN_TOOK},
        {RUN_DEGRADED, CAUSE_BUDGET, INBOX_TURN_TOOK},
        {RUN_CANCELLED, CAUSE_STOPPED, INBOX_TURN_STOPPED},
        {RUN_CANCELLED, CAUSE_INTERRUPTED, INBOX_TURN_STOPPED},
        {RUN_CANCELLED, CAUSE_CLEARED, INBOX_TURN_STOPPED},
        {RUN_CANCELLED, CAUSE_ROLLED_BACK, INBOX_TURN_UNDONE},
        {RUN_CANCELLED, CAUSE_PARENT_ENDED, INBOX_TURN_FAILED},
        {RUN_FAILED, CAUSE_BUDGET, INBOX_TURN_HELD},
        {RUN_FAILED, CAUSE_CONTEXT_OVERFLOW, INBOX_TURN_HELD},
        {RUN_FAILED, CAUSE_BAD_REQUEST, INBOX_TURN_HELD},
        {RUN_FAILED, CAUSE_AUTH_FAILED, INBOX_TURN_HELD},
        {RUN_FAILED, CAUSE_DENIED, INBOX_TURN_HELD},
        {RUN_FAILED, CAUSE_NOT_STARTED, INBOX_TURN_FAILED},
        {RUN_TIMED_OUT, CAUSE_DEADLINE, INBOX_TURN_FAILED},
        {RUN_LOST, CAUSE_MACHINE_RESTARTED, INBOX_TURN_FAILED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(inbox_judge_turn(cases[i].state, cases[i].cause), cases[i].want);
    }
}

static void a_batch_is_all_that_may_go_together_and_who_failed_twice_goes_alone(void **state) {
    (void)state;
    struct inbox_candidate rows[] = {
        {4, 1, 50, 10}, {1, 0, 60, 10}, {3, 2, 40, 10}, {2, 0, 55, 10}};
    assert_int_equal(inbox_pick(rows, 4), 1);
    assert_int_equal(rows[0].id, 3); /* It was due first. */
    struct inbox_candidate others[] = {
        {4, 1, 50, 10}, {1, 0, 60, 10}, {3, 2, 51, 10}, {2, 0, 55, 10}};
    assert_int_equal(inbox_pick(others, 4), 3);
    for (int64_t i = 0; i < 3; i++) {
        static const int64_t order[] = {1, 2, 4};
        assert_int_equal(others[i].id, order[i]);
    }
    assert_int_equal(inbox_pick(others, 0), 0);
}

static void a_batch_has_bounds_and_is_never_empty(void **state) {
    (void)state;
    struct inbox_candidate rows[INBOX_BATCH_MAX + 5];
    for (int64_t i = 0; i < (int64_t)COUNT_OF(rows); i++) {
        rows[i] = (struct inbox_candidate){i + 1, 0, i, 1};
    }
    assert_int_equal(inbox_pick(rows, COUNT_OF(rows)), INBOX_BATCH_MAX);
    rows[0] = (struct inbox_candidate){1, 0, 0, INBOX_BATCH_TEXT_MAX + 1};
    rows[1] = (struct inbox_candidate){2, 0, 1, 1};
    assert_int_equal(inbox_pick(rows, 2), 1);
    assert_int_equal(rows[0].id, 1);
}

static void names_are_found_again(void **state) {
    (void)state;
    for (unsigned i = 0; i < INBOX_STATE_COUNT; i++) {
        enum inbox_state found = INBOX_STATE_COUNT;
        const char *name = inbox_state_names[i];
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
        cmocka_unit_test(a_clock_that_was_set_back_makes_rows_due_and_holds_none),
        cmocka_unit_test(what_a_turn_settles_depends_on_how_it_ended),
        cmocka_unit_test(a_batch_is_all_that_may_go_together_and_who_failed_twice_goes_alone),
        cmocka_unit_test(a_batch_has_bounds_and_is_never_empty),
        cmocka_unit_test(names_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
