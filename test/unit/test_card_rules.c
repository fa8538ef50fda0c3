/* test_card_rules.c: what a call of a tool ended with, and what counts as a mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/turn/card.h"

static void each_cause_has_a_name_of_its_own_and_a_final_state(void **state) {
    (void)state;
    for (unsigned i = 0; i < CARD_CAUSE_COUNT; i++) {
        const char *name = card_cause_name((enum card_cause)i);
        enum card_cause found = CARD_CAUSE_COUNT;
        assert_true(card_cause_find((struct bytes){name, strlen(name)}, &found));
        assert_int_equal(found, i);
        enum part_state ends = card_cause_state((enum card_cause)i);
        assert_false(part_state_open(ends));
        assert_int_not_equal(ends, PART_STATE_NONE);
        assert_int_equal(ends == PART_STATE_SUCCEEDED, i == CARD_DONE);
    }
    enum card_cause found = CARD_DONE;
    assert_false(card_cause_find(BYTES("denied"), &found));
}

static void only_a_rule_a_person_or_a_review_denies(void **state) {
    (void)state;
    for (unsigned i = 0; i < CARD_CAUSE_COUNT; i++) {
        bool somebody = i == CARD_RULE || i == CARD_PERSON || i == CARD_REVIEW;
        assert_int_equal(card_cause_state((enum card_cause)i) == PART_STATE_DENIED, somebody);
    }
}

static void only_what_failed_counts_as_a_mistake(void **state) {
    (void)state;
    for (unsigned i = 0; i < CARD_CAUSE_COUNT; i++) {
        bool mistake = card_cause_mark((enum card_cause)i) == CARD_MARK_MISTAKE;
        bool failed = card_cause_state((enum card_cause)i) == PART_STATE_FAILED;
        assert_true(!mistake || failed);
        assert_int_equal(card_cause_mark((enum card_cause)i) == CARD_MARK_GOOD, i == CARD_DONE);
    }
}

static void no_error_is_taken_for_a_success(void **state) {
    (void)state;
    for (unsigned i = ERR_NONE + 1; i < ERR_CODES; i++) {
        assert_int_equal(card_cause_state(card_cause_of_error((enum err_code)i)),
                         PART_STATE_FAILED);
    }
}

static void a_command_that_ended_worked_and_a_job_is_what_it_came_to(void **state) {
    (void)state;
    static const struct {
        enum card_run kind;
        enum run_state state;
        enum run_cause cause;
        enum card_cause expected;
    } ends[] = {
        {CARD_RUN_COMMAND, RUN_SUCCEEDED, CAUSE_COMPLETED, CARD_DONE},
        {CARD_RUN_COMMAND, RUN_FAILED, CAUSE_EXIT_CODE, CARD_DONE},
        {CARD_RUN_JOB, RUN_FAILED, CAUSE_EXIT_CODE, CARD_EXIT_CODE},
        {CARD_RUN_JOB, RUN_DEGRADED, CAUSE_AGENTS_FAILED, CARD_RUN_FAILED},
        {CARD_RUN_COMMAND, RUN_FAILED, CAUSE_NOT_STARTED, CARD_NOT_STARTED},
        {CARD_RUN_COMMAND, RUN_TIMED_OUT, CAUSE_DEADLINE, CARD_TIMED_OUT},
        {CARD_RUN_JOB, RUN_CANCELLED, CAUSE_STOPPED, CARD_STOPPED},
        {CARD_RUN_COMMAND, RUN_LOST, CAUSE_HOLDER_KILLED, CARD_RUN_LOST},
    };
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        assert_int_equal(card_cause_of_run(ends[i].kind, ends[i].state, ends[i].cause),
                         ends[i].expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cause_has_a_name_of_its_own_and_a_final_state),
        cmocka_unit_test(only_a_rule_a_person_or_a_review_denies),
        cmocka_unit_test(only_what_failed_counts_as_a_mistake),
        cmocka_unit_test(no_error_is_taken_for_a_success),
        cmocka_unit_test(a_command_that_ended_worked_and_a_job_is_what_it_came_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
