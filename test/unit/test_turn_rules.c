/* test_turn_rules.c: what a turn does next, and what a message meets that comes meanwhile; files in
 * a timeline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/turn/timeline.h"
#include "rules/turn/turn.h"

static void a_message_to_an_idle_session_gets_a_turn_whatever_its_policy(void **state) {
    (void)state;
    const struct turn_session idle = {.busy = false};
    for (unsigned policy = 0; policy < TURN_POLICY_COUNT; policy++) {
        assert_int_equal(turn_decide((enum turn_policy)policy, &idle), TURN_DECIDE_QUEUE);
    }
}

static void each_policy_decides_over_a_turn_that_runs(void **state) {
    (void)state;
    const struct turn_session runs = {.busy = true, .begun = true};
    assert_int_equal(turn_decide(TURN_ENQUEUE, &runs), TURN_DECIDE_QUEUE);
    assert_int_equal(turn_decide(TURN_REJECT, &runs), TURN_DECIDE_REFUSE);
    assert_int_equal(turn_decide(TURN_INTERRUPT, &runs), TURN_DECIDE_STOP);
    assert_int_equal(turn_decide(TURN_ROLLBACK, &runs), TURN_DECIDE_UNDO);
    assert_int_equal(turn_decide(TURN_STEER, &runs), TURN_DECIDE_JOIN);
}

static void a_turn_that_ends_already_is_neither_joined_nor_stopped_again(void **state) {
    (void)state;
    const struct turn_session ending = {.busy = true, .begun = true, .asked = true};
    assert_int_equal(turn_decide(TURN_STEER, &ending), TURN_DECIDE_QUEUE);
    assert_int_equal(turn_decide(TURN_INTERRUPT, &ending), TURN_DECIDE_QUEUE);
    assert_int_equal(turn_decide(TURN_REJECT, &ending), TURN_DECIDE_REFUSE);
}

static void a_turn_that_only_waits_is_not_interrupted_but_waited_for(void **state) {
    (void)state;
    const struct turn_session queued = {.busy = true};
    assert_int_equal(turn_decide(TURN_INTERRUPT, &queued), TURN_DECIDE_QUEUE);
    assert_int_equal(turn_decide(TURN_STEER, &queued), TURN_DECIDE_QUEUE);
    assert_int_equal(turn_decide(TURN_REJECT, &queued), TURN_DECIDE_REFUSE);
}

static void compaction_takes_no_steering(void **state) {
    (void)state;
    const struct turn_session quiet = {.busy = true, .begun = true, .quiet = true};
    assert_int_equal(turn_decide(TURN_STEER, &quiet), TURN_DECIDE_QUEUE);
}

/* --- What next -------------------------------------------------------------------------------- */

static struct turn_facts fresh(void) {
    return (struct turn_facts){.calls_max = TURN_CALLS_MAX};
}

static void a_turn_begins_with_a_call_and_ends_with_an_answer(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
    facts.calls = 1;
    facts.answered = true;
    struct turn_step step = turn_next(&facts);
    assert_int_equal(step.next, TURN_NEXT_END);
    assert_int_equal(step.state, RUN_SUCCEEDED);
    assert_int_equal(step.cause, CAUSE_COMPLETED);
}

static void no_model_is_asked_while_a_card_is_open(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls = 1;
    facts.ready = 1;
    facts.asking = 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_START);
    facts.ready = 0;
    facts.running = 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_WAIT);
    facts.running = 0;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_PARK);
    facts.asking = 0;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
}

static void a_stop_comes_before_everything(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.stop = CAUSE_INTERRUPTED;
    facts.ready = facts.running = facts.asking = 2;
    facts.steered = facts.answered = true;
    struct turn_step step = turn_next(&facts);
    assert_int_equal(step.next, TURN_NEXT_END);
    assert_int_equal(step.state, RUN_CANCELLED);
    assert_int_equal(step.cause, CAUSE_INTERRUPTED);
}

static void a_message_that_steers_keeps_an_answered_turn_going(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls = 1;
    facts.answered = facts.steered = true;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
}

static void the_last_call_is_made_without_tools_and_ends_the_turn_degraded(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls_max = 3;
    facts.calls = 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
    facts.calls = 2;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_LAST_CALL);
    facts.calls = 3;
    facts.last = facts.answered = true;
    struct turn_step step = turn_next(&facts);
    assert_int_equal(step.state, RUN_DEGRADED);
    assert_int_equal(step.cause, CAUSE_STEP_LIMIT);
}

static void a_turn_that_has_called_its_last_tool_is_asked_once_more_without(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls = 1;
    facts.tools_used_up = true;
    facts.running = 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_WAIT);
    facts.running = 0;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_LAST_CALL);
}

static void failing_calls_are_told_once_and_then_end_it(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls = 4;
    facts.mistakes = TURN_MISTAKES_NUDGE;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
    assert_int_equal(turn_nudge(&facts), TURN_NUDGE_MISTAKES);
    facts.mistakes_told = facts.mistakes++;
    assert_int_equal(turn_nudge(&facts), TURN_NUDGE_NONE);
    facts.mistakes = TURN_MISTAKES_NUDGE + TURN_MISTAKES_MORE - 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
    facts.mistakes++;
    assert_int_equal(turn_next(&facts).cause, CAUSE_TOOL_MISTAKES);
    assert_int_equal(turn_next(&facts).state, RUN_FAILED);
}

/* Several calls of one answer fail at once: neither is the nudge left out, nor does it end before
 * it was told. */
static void many_calls_that_fail_at_once_are_told_before_they_end_it(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls = 1;
    facts.mistakes = 8;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
    assert_int_equal(turn_nudge(&facts), TURN_NUDGE_MISTAKES);
    facts.mistakes_told = 8;
    facts.mistakes = 10;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
    assert_int_equal(turn_nudge(&facts), TURN_NUDGE_NONE);
    facts.mistakes = 11;
    assert_int_equal(turn_next(&facts).cause, CAUSE_TOOL_MISTAKES);
}

static void what_was_written_is_checked_before_the_model_is_asked(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls = 1;
    facts.wrote = true;
    facts.ready = 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_START); /* Not in the middle of a step. */
    facts.ready = 0;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CHECK);
    facts.wrote = false;
    facts.check = TURN_CHECK_RUNS;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_WAIT);
    facts.check = TURN_CHECK_ENDED;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CHECK);
    facts.check = TURN_CHECK_NONE;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
    facts.wrote = true;
    facts.calls = facts.calls_max - 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CHECK);
    facts.failed_checks = TURN_CHECKS_FAILED_MAX;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_LAST_CALL);
    facts.stop = CAUSE_STOPPED;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_END);
}

static void what_only_makes_it_shorter_asks_for_nothing_else(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.compacts = true;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_COMPACT);
    facts.calls = facts.calls_max;
    facts.steered = true;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_COMPACT);
    facts.stop = CAUSE_STOPPED;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_END);
    const struct turn_session session = {.busy = true, .begun = true, .quiet = true};
    assert_int_equal(turn_decide(TURN_STEER, &session), TURN_DECIDE_QUEUE);
    assert_int_equal(turn_decide(TURN_INTERRUPT, &session), TURN_DECIDE_STOP);
}

static void a_review_decides_only_with_a_clear_answer(void **state) {
    (void)state;
    static const struct {
        const char *answer;
        enum turn_review review;
    } rows[] = {
        {"{\"decision\":\"allow\",\"reason\":\"ok\"}", TURN_REVIEW_ALLOWS},
        {" {\"decision\": \"deny\"}\n", TURN_REVIEW_DENIES},
        {"", TURN_REVIEW_ASKS},
        {"allow", TURN_REVIEW_ASKS},
        {"\"allow\"", TURN_REVIEW_ASKS},
        {"[\"allow\"]", TURN_REVIEW_ASKS},
        {"{\"decision\":\"Allow\"}", TURN_REVIEW_ASKS},
        {"{\"decision\":\"ask\"}", TURN_REVIEW_ASKS},
        {"{\"decision\":true}", TURN_REVIEW_ASKS},
        {"{\"reason\":\"allow\"}", TURN_REVIEW_ASKS},
        {"{\"decision\":\"allow\",\"but\":\"no\"}", TURN_REVIEW_ASKS},
        {"{\"decision\":\"deny\",\"decision\":\"allow\"}", TURN_REVIEW_ASKS},
        {"{\"decision\":\"allow\"} {\"decision\":\"deny\"}", TURN_REVIEW_ASKS},
        {"I would deny it. {\"decision\":\"allow\"}", TURN_REVIEW_ASKS},
        {"{\"decision\":\"allow\"", TURN_REVIEW_ASKS},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(json_release) json_t *json = NULL;
        const char *reason = NULL;
        const struct bytes answer = {rows[i].answer, strlen(rows[i].answer)};
        assert_int_equal(turn_review(answer, &json, &reason), rows[i].review);
        assert_string_equal(reason, i == 0 ? "ok" : "");
    }
}

static void what_is_reviewed_goes_on_side_by_side(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls = 1;
    facts.reviewing = 1;
    facts.asking = 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_START);
    facts.asking = 0;
    facts.running = 1;
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_START);
}

static void the_same_call_again_and_again_is_told_once_and_then_ends_it(void **state) {
    (void)state;
    struct turn_facts facts = fresh();
    facts.calls = 4;
    facts.repeats = TURN_REPEATS_NUDGE;
    assert_int_equal(turn_nudge(&facts), TURN_NUDGE_REPEATS);
    facts.repeats = TURN_REPEATS_MAX;
    assert_int_equal(turn_next(&facts).cause, CAUSE_NO_PROGRESS);
}

static void each_end_has_an_honest_state(void **state) {
    (void)state;
    assert_int_equal(turn_end_state(CAUSE_PROVIDER_UNREACHABLE), RUN_FAILED);
    assert_int_equal(turn_end_state(CAUSE_EMPTY_RESPONSE), RUN_FAILED);
    assert_int_equal(turn_end_state(CAUSE_CLEARED), RUN_CANCELLED);
    assert_int_equal(turn_end_state(CAUSE_DEADLINE), RUN_TIMED_OUT);
}

static void a_policy_is_found_by_its_name_alone(void **state) {
    (void)state;
    enum turn_policy policy = TURN_ENQUEUE;
    assert_true(turn_policy_find(BYTES("steer"), &policy));
    assert_int_equal(policy, TURN_STEER);
    assert_false(turn_policy_find(BYTES("steering"), &policy));
}

static void an_answer_that_was_cut_off_ends_the_turn_as_truncated(void **state) {
    (void)state;
    struct turn_facts facts = {.answered = true, .truncated = 1, .calls = 1, .calls_max = 9};
    struct turn_step step = turn_next(&facts);
    assert_int_equal(step.next, TURN_NEXT_END);
    assert_int_equal(step.state, RUN_DEGRADED);
    assert_int_equal(step.cause, CAUSE_TRUNCATED);
    facts.steered = true; /* Somebody has said more: it goes on. */
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
}

static void a_call_that_was_cut_off_is_asked_for_again_once(void **state) {
    (void)state;
    struct turn_facts facts = {.truncated = 1, .calls = 1, .calls_max = 9};
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_CALL);
    facts.truncated = TURN_TRUNCATED_MAX;
    assert_int_equal(turn_next(&facts).cause, CAUSE_TRUNCATED);
    facts.running = 1; /* What came whole beside it is done first. */
    assert_int_equal(turn_next(&facts).next, TURN_NEXT_WAIT);
    facts.running = 0;
    facts.owes_object = true; /* Half an object is none. */
    assert_int_equal(turn_next(&facts).cause, CAUSE_SCHEMA_MISMATCH);
}

static void the_answer_after_one_that_was_cut_off_may_be_longer(void **state) {
    (void)state;
    assert_int_equal(turn_output_more(20000, 0, 0, 200000), 40000);
    assert_int_equal(turn_output_more(20000, 40000, 0, 200000), 80000);
    assert_int_equal(turn_output_more(1, 0, 0, 200000), 16384);
    assert_int_equal(turn_output_more(20000, 0, 32000, 200000), 32000);
    assert_int_equal(turn_output_more(20000, 0, 0, 32768), 16384);
    assert_int_equal(turn_output_more(INT64_MAX, 0, 0, 0), INT64_MAX);
}

static void a_diff_names_its_file_and_counts_its_lines(void **state) {
    (void)state;
    static const struct {
        struct bytes diff;
        const char *path; /* NULL: it names none. */
        int64_t added, removed;
    } cases[] = {
        {BYTES_INIT("--- a\n+++ a\n@@ -1,2 +1,2 @@\n x\n-- old\n+++ new\n"), "a", 1, 1},
        {BYTES_INIT("--- /dev/null\n+++ new\n@@ -0,0 +1,1 @@\n+1\n"), "new", 1, 0},
        {BYTES_INIT("--- gone\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-1\n"), "gone", 0, 1},
        {BYTES_INIT("--- a\n+++ a\n@@ -1,9 +1,9 @@\n+1\n"
                    "[the rest is not shown: +120 -7 lines in all]\n"),
         "a", 120, 7},
        {BYTES_INIT("--- a\n+++ a\n[the rest is not shown: +x -7 lines in all]\n"), "a", 0, 0},
        {BYTES_INIT(""), NULL, 0, 0},
        {BYTES_INIT("--- a\n"), NULL, 0, 0},
        {BYTES_INIT("other\n+++ a\n"), NULL, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct timeline_file file = {.added = -1};
        assert_int_equal(timeline_file_read(cases[i].diff, &file), cases[i].path != NULL);
        if (cases[i].path == NULL) {
            assert_int_equal(file.added, -1);
            continue;
        }
        assert_true(bytes_is(file.path, cases[i].path));
        assert_int_equal(file.added, cases[i].added);
        assert_int_equal(file.removed, cases[i].removed);
    }
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_to_an_idle_session_gets_a_turn_whatever_its_policy),
        cmocka_unit_test(each_policy_decides_over_a_turn_that_runs),
        cmocka_unit_test(a_turn_that_ends_already_is_neither_joined_nor_stopped_again),
        cmocka_unit_test(a_turn_that_only_waits_is_not_interrupted_but_waited_for),
        cmocka_unit_test(compaction_takes_no_steering),
        cmocka_unit_test(a_turn_begins_with_a_call_and_ends_with_an_answer),
        cmocka_unit_test(no_model_is_asked_while_a_card_is_open),
        cmocka_unit_test(a_stop_comes_before_everything),
        cmocka_unit_test(a_message_that_steers_keeps_an_answered_turn_going),
        cmocka_unit_test(the_last_call_is_made_without_tools_and_ends_the_turn_degraded),
        cmocka_unit_test(a_turn_that_has_called_its_last_tool_is_asked_once_more_without),
        cmocka_unit_test(failing_calls_are_told_once_and_then_end_it),
        cmocka_unit_test(many_calls_that_fail_at_once_are_told_before_they_end_it),
        cmocka_unit_test(what_was_written_is_checked_before_the_model_is_asked),
        cmocka_unit_test(what_only_makes_it_shorter_asks_for_nothing_else),
        cmocka_unit_test(a_review_decides_only_with_a_clear_answer),
        cmocka_unit_test(what_is_reviewed_goes_on_side_by_side),
        cmocka_unit_test(the_same_call_again_and_again_is_told_once_and_then_ends_it),
        cmocka_unit_test(each_end_has_an_honest_state),
        cmocka_unit_test(a_policy_is_found_by_its_name_alone),
        cmocka_unit_test(an_answer_that_was_cut_off_ends_the_turn_as_truncated),
        cmocka_unit_test(a_call_that_was_cut_off_is_asked_for_again_once),
        cmocka_unit_test(the_answer_after_one_that_was_cut_off_may_be_longer),
        cmocka_unit_test(a_diff_names_its_file_and_counts_its_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
