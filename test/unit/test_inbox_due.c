/* Which row of a receiver is due, and when. */
/* runs-with: sqlite, postgres */
#include "inbox_kit.h"

static void a_failure_lets_the_next_go_first(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 2);
    struct due first, second;
    due_at(runs, HOOK_A, &first);
    assert_true(settle(runs, first.delivery, INBOX_FAILED));
    due_at(runs, HOOK_A, &second);
    assert_string_not_equal(second.delivery, first.delivery);
    assert_true(settle(runs, second.delivery, INBOX_DELIVERED));
    due_at(runs, HOOK_A, &second);
    assert_string_equal(second.delivery, first.delivery);
    assert_int_equal(second.row.not_before_ms, runs->kit.clock_ms + 1000);
    assert_int_equal(second.row.failures, 1);
    assert_string_equal(second.cause, "the receiver said 500");
}

static void after_twenty_failures_a_row_is_stalled_tried_hourly_and_never_dropped(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 1);
    struct due due;
    due_at(runs, HOOK_A, &due);
    char delivery[ID_SIZE];
    memcpy(delivery, due.delivery, sizeof delivery);
    int64_t wait_ms = 1000;
    for (int i = 1; i <= 40; i++) {
        assert_true(settle(runs, delivery, INBOX_FAILED));
        due_at(runs, HOOK_A, &due);
        assert_true(due.found);
        assert_string_equal(due.delivery, delivery);
        assert_int_equal(due.row.state, i < 20 ? INBOX_PENDING : INBOX_STALLED);
        assert_int_equal(due.row.not_before_ms - runs->kit.clock_ms, i < 20 ? wait_ms : 3600000);
        runs->kit.clock_ms = due.row.not_before_ms;
        wait_ms = wait_ms * 2 < 300000 ? wait_ms * 2 : 300000;
    }
    assert_true(settle(runs, delivery, INBOX_DELIVERED));
    due_at(runs, HOOK_A, &due);
    assert_false(due.found);
}

/* The clock goes back by more than any wait, and new rows keep coming. */
static void a_clock_that_was_set_back_holds_back_no_delivery(void **state) {
    struct runs_kit *runs = *state;
    static const int64_t jumps_ms[] = {400 * 1000, 86400 * 1000, INT64_C(50) * 365 * 86400 * 1000};
    for (size_t i = 0; i < COUNT_OF(jumps_ms); i++) {
        struct due failed, next;
        owe(runs, 2); /* One that failed, and one that was not even tried. */
        due_at(runs, HOOK_A, &failed);
        for (int f = 0; f < 25; f++) {
            assert_true(settle(runs, failed.delivery, INBOX_FAILED));
        }
        runs->kit.clock_ms -= jumps_ms[i];
        owe(runs, 1);
        for (int left = 3; left > 0; left--) {
            due_at(runs, HOOK_A, &next);
            assert_true(next.found);
            if (jumps_ms[i] > 90 * 60 * 1000 || next.row.failures == 0) {
                assert_int_equal(next.wait_ms, 0);
            } else { /* An hour is what it waits anyway. */
                assert_int_equal(next.wait_ms, 3600000 + jumps_ms[i]);
            }
            assert_true(settle(runs, next.delivery, INBOX_DELIVERED));
        }
        due_at(runs, HOOK_A, &next);
        assert_false(next.found);
    }
}

static void who_waits_says_for_how_long(void **state) {
    struct runs_kit *runs = *state;
    struct due due;
    owe(runs, 1);
    due_at(runs, HOOK_A, &due);
    assert_int_equal(due.wait_ms, 0);
    assert_true(settle(runs, due.delivery, INBOX_FAILED));
    due_at(runs, HOOK_A, &due);
    assert_int_equal(due.wait_ms, 1000);
    runs->kit.clock_ms += 400;
    due_at(runs, HOOK_A, &due);
    assert_int_equal(due.wait_ms, 600);
    owe(runs, 1);
    due_at(runs, HOOK_A, &due);
    assert_int_equal(due.wait_ms, 0);
    assert_int_equal(due.row.failures, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_failure_lets_the_next_go_first),
        RUNS_TEST(after_twenty_failures_a_row_is_stalled_tried_hourly_and_never_dropped),
        RUNS_TEST(a_clock_that_was_set_back_holds_back_no_delivery),
        RUNS_TEST(who_waits_says_for_how_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
