/* Agents that cool down: one process tries, the others wait for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/agent/cool.h"

static void failed(struct agent_cool *cool, int64_t until_ms) {
    agent_cool_take(cool, AGENT_COOL_FAILED, until_ms, AGENT_RATE_LIMITED);
}

static void take(struct agent_cool *cool, enum agent_cool_event event) {
    agent_cool_take(cool, event, 0, AGENT_COMPLETED);
}

static void an_agent_without_failures_begins_at_once(void **state) {
    (void)state;
    struct agent_cool cool = {.state = AGENT_OPEN};
    assert_int_equal(agent_cool_wait_ms(&cool, 0), 0);
    take(&cool, AGENT_COOL_BEGAN);
    assert_int_equal(agent_cool_wait_ms(&cool, 0), 0);
}

static void all_wait_until_the_time_is_over_and_then_for_the_one_that_tries(void **state) {
    (void)state;
    struct agent_cool cool = {.state = AGENT_OPEN};
    failed(&cool, 61000);
    assert_int_equal(agent_cool_wait_ms(&cool, 1000), 60000);
    assert_int_equal(agent_cool_wait_ms(&cool, 60999), 1);
    assert_int_equal(agent_cool_wait_ms(&cool, 61000), 0);
    take(&cool, AGENT_COOL_BEGAN);
    assert_int_equal(agent_cool_wait_ms(&cool, 61000), AGENT_COOL_LOOK_MS);
    assert_int_equal(agent_cool_wait_ms(&cool, INT64_MAX), AGENT_COOL_LOOK_MS);
    take(&cool, AGENT_COOL_HEARD);
    assert_int_equal(agent_cool_wait_ms(&cool, 61000), 0);
    assert_int_equal(cool.state, AGENT_OPEN);
}

static void the_longest_wait_counts(void **state) {
    (void)state;
    struct agent_cool cool = {.state = AGENT_OPEN};
    failed(&cool, 90000);
    failed(&cool, 61000);
    assert_int_equal(agent_cool_wait_ms(&cool, 1000), 89000);
    assert_int_equal(cool.outcome, AGENT_RATE_LIMITED);
}

static void another_one_tries_when_the_first_has_left(void **state) {
    (void)state;
    struct agent_cool cool = {.state = AGENT_OPEN};
    failed(&cool, 1000);
    take(&cool, AGENT_COOL_BEGAN);
    take(&cool, AGENT_COOL_LEFT);
    assert_int_equal(agent_cool_wait_ms(&cool, 1000), 0);
    take(&cool, AGENT_COOL_BEGAN);
    failed(&cool, 121000);
    assert_int_equal(agent_cool_wait_ms(&cool, 1000), 120000);
}

/* Words of a process that began before the failure say nothing about now. */
static void only_the_one_that_tries_ends_it(void **state) {
    (void)state;
    struct agent_cool cool = {.state = AGENT_OPEN};
    failed(&cool, 1000);
    take(&cool, AGENT_COOL_HEARD);
    take(&cool, AGENT_COOL_LEFT);
    assert_int_equal(agent_cool_wait_ms(&cool, 0), 1000);
}

static void after_the_last_attempt_the_next_message_is_tried_at_once(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct agent_cool cool = {.state = AGENT_OPEN};
        failed(&cool, 1000);
        if (i > 0) {
            take(&cool, AGENT_COOL_BEGAN);
        }
        take(&cool, AGENT_COOL_SPENT);
        assert_int_equal(agent_cool_wait_ms(&cool, 0), 0);
    }
}

static void what_others_would_not_meet_does_not_count(void **state) {
    (void)state;
    for (unsigned i = 0; i < AGENT_OUTCOME_COUNT; i++) {
        const enum agent_outcome outcome = (enum agent_outcome)i;
        assert_int_equal(agent_cool_counts(outcome),
                         outcome == AGENT_RATE_LIMITED || outcome == AGENT_PROVIDER_ERROR);
    }
}

static struct agent_cool restored(int64_t until_ms, int64_t changed_ms, int64_t wall_ms) {
    const struct agent_cool_stored stored = {
        .until_ms = until_ms, .changed_ms = changed_ms, .outcome = AGENT_PROVIDER_ERROR};
    const struct agent_cool_clocks now = {.wall_ms = wall_ms, .steady_ms = 500};
    return agent_cool_restore(&stored, &now);
}

static void a_new_daemon_waits_for_the_rest_whatever_the_clock_says(void **state) {
    (void)state;
    enum { BEGUN = 10 * AGENT_WAIT_MAX_MS, WAIT = 60 * 1000, UNTIL = BEGUN + WAIT };
    struct agent_cool cool = restored(UNTIL, BEGUN, BEGUN + 1000);
    assert_int_equal(cool.outcome, AGENT_PROVIDER_ERROR);
    assert_int_equal(agent_cool_wait_ms(&cool, 500), WAIT - 1000);
    cool = restored(UNTIL, BEGUN, BEGUN - 3600 * 1000); /* Set back: no more than all of it. */
    assert_int_equal(agent_cool_wait_ms(&cool, 500), WAIT);
    cool = restored(INT64_MAX / 2, BEGUN, BEGUN); /* A damaged row. */
    assert_int_equal(agent_cool_wait_ms(&cool, 500), AGENT_WAIT_MAX_MS);
    const struct agent_cool_stored day = {.until_ms = BEGUN + 2 * AGENT_WAIT_NAMED_MS,
                                          .changed_ms = BEGUN};
    assert_int_equal(agent_cool_left_ms(&day, BEGUN), AGENT_WAIT_NAMED_MS);
    assert_int_equal(agent_cool_left_ms(&day, day.until_ms - 1000), 1000);
    cool = restored(UNTIL, BEGUN, UNTIL + AGENT_WAIT_MAX_MS); /* A process tries first. */
    assert_int_equal(cool.state, AGENT_COOLING);
    assert_int_equal(agent_cool_wait_ms(&cool, 500), 0);
    cool = restored(UNTIL, BEGUN, UNTIL + AGENT_WAIT_MAX_MS + 1);
    assert_int_equal(cool.state, AGENT_OPEN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_without_failures_begins_at_once),
        cmocka_unit_test(all_wait_until_the_time_is_over_and_then_for_the_one_that_tries),
        cmocka_unit_test(the_longest_wait_counts),
        cmocka_unit_test(another_one_tries_when_the_first_has_left),
        cmocka_unit_test(only_the_one_that_tries_ends_it),
        cmocka_unit_test(after_the_last_attempt_the_next_message_is_tried_at_once),
        cmocka_unit_test(a_new_daemon_waits_for_the_rest_whatever_the_clock_says),
        cmocka_unit_test(what_others_would_not_meet_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
