/* The rules of workflows: what a script is told of an agent, and how the whole ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/workflow/timer.h"
#include "rules/workflow/workflow.h"

static void an_agent_that_succeeded_gives_its_value(void **state) {
    (void)state;
    assert_int_equal(workflow_step_outcome(RUN_SUCCEEDED, CAUSE_COMPLETED), STEP_VALUE);
    assert_int_equal(workflow_step_outcome(RUN_DEGRADED, CAUSE_STEP_LIMIT), STEP_VALUE);
}

static void one_that_failed_or_was_skipped_gives_null(void **state) {
    static const enum run_cause causes[] = {
        CAUSE_PROVIDER_ERROR, CAUSE_STUCK,        CAUSE_QUOTA,      CAUSE_NO_CAPABLE_AGENT,
        CAUSE_TOO_LARGE,      CAUSE_AGENT_BUDGET, CAUSE_NO_WORKTREE};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        assert_int_equal(workflow_step_outcome(RUN_FAILED, causes[i]), STEP_NULL);
    }
    assert_int_equal(workflow_step_outcome(RUN_CANCELLED, CAUSE_STOPPED), STEP_NULL);
    assert_int_equal(workflow_step_outcome(RUN_TIMED_OUT, CAUSE_DEADLINE), STEP_NULL);
    assert_int_equal(workflow_step_outcome(RUN_LOST, CAUSE_OUTCOME_UNKNOWN), STEP_NULL);
}

static void a_missed_schema_an_unknown_type_and_a_spent_budget_throw(void **state) {
    static const enum run_cause causes[] = {CAUSE_SCHEMA_MISMATCH, CAUSE_BAD_SCHEMA,
                                            CAUSE_AGENT_TYPE_UNKNOWN, CAUSE_BUDGET,
                                            CAUSE_TOTAL_SPENT};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        assert_int_equal(workflow_step_outcome(RUN_FAILED, causes[i]), STEP_THROW);
    }
}

static void what_is_thrown_is_the_same_in_a_replay(void **state) {
    char note[2 * RUN_NOTE_TEXT_MAX];
    (void)state;
    memset(note, 'x', sizeof note);
    const struct bytes none = {"", 0}, whole = {note, sizeof note};
    const struct bytes stored = workflow_step_words(CAUSE_SCHEMA_MISMATCH, whole);
    assert_int_equal(stored.len, RUN_NOTE_TEXT_MAX);
    assert_int_equal(workflow_step_words(CAUSE_SCHEMA_MISMATCH, stored).len, stored.len);
    assert_string_equal(workflow_step_words(CAUSE_BAD_SCHEMA, none).data,
                        run_cause_about(CAUSE_BAD_SCHEMA));
    assert_string_equal(workflow_step_words(CAUSE_BUDGET, whole).data,
                        run_cause_about(CAUSE_BUDGET));
}

static void whose_time_was_over_is_timed_out(void **state) {
    (void)state;
    assert_int_equal(workflow_step_state(CAUSE_TIMED_OUT), RUN_TIMED_OUT);
    assert_int_equal(workflow_step_state(CAUSE_COMPLETED), RUN_SUCCEEDED);
    assert_int_equal(workflow_step_state(CAUSE_STOPPED), RUN_CANCELLED);
    assert_int_equal(workflow_step_state(CAUSE_STUCK), RUN_FAILED);
}

static void count(struct workflow_census *census, enum run_state state, bool cached) {
    const struct workflow_ended ended = {
        .state = state, .cause = CAUSE_COMPLETED, .cached = cached};
    workflow_count(census, &ended);
}

static void an_answer_that_was_cut_off_degrades_the_whole(void **state) {
    const struct workflow_ended cut = {.state = RUN_DEGRADED, .cause = CAUSE_TRUNCATED};
    const struct run_row row = {.stop = CAUSE_NONE};
    struct workflow_census census = {0};
    (void)state;
    workflow_count(&census, &cut);
    assert_int_equal(census.succeeded, 1);
    const struct workflow_verdict verdict = workflow_judge(&row, CAUSE_COMPLETED, &census);
    assert_int_equal(verdict.state, RUN_DEGRADED);
    assert_int_equal(verdict.cause, CAUSE_TRUNCATED);
    assert_int_equal(workflow_step_outcome(cut.state, cut.cause), STEP_VALUE);
}

static void a_resumed_success_is_reused_unless_it_was_cut_off_named_or_settled_later(void **state) {
    const struct workflow_reusable third = {.state = RUN_SUCCEEDED, .done_no = 3};
    struct workflow_reusable step = third;
    (void)state;
    assert_true(workflow_reuses(&step, WORKFLOW_REUSE_ANY));
    assert_true(workflow_reuses(&step, 3));
    assert_false(workflow_reuses(&step, 2));
    assert_false(workflow_reuses(&step, 0));
    step.named = true; /* The union of both: either way it is asked again. */
    assert_false(workflow_reuses(&step, WORKFLOW_REUSE_ANY));
    assert_false(workflow_reuses(&step, 3));
    step = third;
    step.state = RUN_DEGRADED;
    assert_true(workflow_reuses(&step, 3));
    step.cause = CAUSE_TRUNCATED;
    assert_false(workflow_reuses(&step, 3));
    for (enum run_state other = 0; other < RUN_STATE_COUNT; other++) {
        step = third;
        step.state = other;
        assert_int_equal(workflow_reuses(&step, WORKFLOW_REUSE_ANY),
                         other == RUN_SUCCEEDED || other == RUN_DEGRADED);
    }
    step = third;
    step.done_no = 0;
    assert_false(workflow_reuses(&step, WORKFLOW_REUSE_ANY));
}

static void agents_are_counted_by_how_they_ended(void **state) {
    struct workflow_census census = {0};
    (void)state;
    count(&census, RUN_SUCCEEDED, false);
    count(&census, RUN_DEGRADED, false);
    count(&census, RUN_SUCCEEDED, true);
    count(&census, RUN_FAILED, false);
    count(&census, RUN_TIMED_OUT, false);
    count(&census, RUN_LOST, false);
    count(&census, RUN_CANCELLED, false);
    assert_int_equal(census.succeeded, 2);
    assert_int_equal(census.cached, 1);
    assert_int_equal(census.failed, 3);
    assert_int_equal(census.skipped, 1);
}

struct ending {
    enum run_cause cause, stop;
    int64_t failed, skipped;
    enum run_state state;
    enum run_cause of;
    int64_t items_failed, calls_failed;
};

static void a_workflow_ends_as_its_script_its_agents_and_its_user_say(void **state) {
    static const struct ending endings[] = {
        {CAUSE_COMPLETED, CAUSE_NONE, 0, 0, RUN_SUCCEEDED, CAUSE_COMPLETED, 0, 0},
        {CAUSE_COMPLETED, CAUSE_NONE, 0, 3, RUN_SUCCEEDED, CAUSE_COMPLETED, 0, 0},
        {CAUSE_COMPLETED, CAUSE_NONE, 1, 0, RUN_DEGRADED, CAUSE_AGENTS_FAILED, 0, 0},
        {CAUSE_COMPLETED, CAUSE_NONE, 0, 0, RUN_SUCCEEDED, CAUSE_COMPLETED, 5, 0},
        {CAUSE_COMPLETED, CAUSE_NONE, 0, 0, RUN_DEGRADED, CAUSE_ITEMS_FAILED, 5, 1},
        {CAUSE_COMPLETED, CAUSE_NONE, 1, 0, RUN_DEGRADED, CAUSE_AGENTS_FAILED, 5, 1},
        {CAUSE_SCRIPT_ERROR, CAUSE_NONE, 1, 0, RUN_FAILED, CAUSE_SCRIPT_ERROR, 0, 0},
        {CAUSE_WORKER_CRASHED, CAUSE_NONE, 0, 0, RUN_FAILED, CAUSE_WORKER_CRASHED, 0, 0},
        {CAUSE_DEADLINE, CAUSE_NONE, 0, 0, RUN_TIMED_OUT, CAUSE_DEADLINE, 0, 0},
        {CAUSE_COMPLETED, CAUSE_STOPPED, 0, 0, RUN_CANCELLED, CAUSE_STOPPED, 0, 0},
        {CAUSE_SCRIPT_ERROR, CAUSE_STOPPED, 2, 0, RUN_CANCELLED, CAUSE_STOPPED, 0, 0},
        {CAUSE_STOPPED, CAUSE_PARENT_ENDED, 0, 0, RUN_CANCELLED, CAUSE_PARENT_ENDED, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        const struct run_row row = {.state = RUN_RUNNING, .stop = endings[i].stop};
        const struct workflow_census census = {.failed = endings[i].failed,
                                               .skipped = endings[i].skipped,
                                               .items_failed = endings[i].items_failed,
                                               .calls_failed = endings[i].calls_failed};
        const struct workflow_verdict verdict = workflow_judge(&row, endings[i].cause, &census);
        assert_int_equal(verdict.state, endings[i].state);
        assert_int_equal(verdict.cause, endings[i].of);
    }
}

static void sixteen_agents_work_at_once_unless_the_run_says_otherwise(void **state) {
    (void)state;
    assert_int_equal(workflow_at_once(0), 16);
    assert_int_equal(workflow_at_once(40), 40);
    assert_int_equal(workflow_at_once(1), 1);
    assert_int_equal(workflow_at_once(1000000), WORKFLOW_AGENTS_MAX);
}

static void commands_of_agents_follow_the_processors(void **state) {
    (void)state;
    assert_int_equal(workflow_commands_at_once(0), 2);
    assert_int_equal(workflow_commands_at_once(1), 2);
    assert_int_equal(workflow_commands_at_once(8), 16);
}

static void a_wait_ends_when_due_and_is_never_longer_than_its_delay(void **state) {
    (void)state;
    assert_int_equal(timer_left_ms(1000, 1500, 1000), 500);
    assert_int_equal(timer_left_ms(1000, 1500, 1499), 1);
    assert_int_equal(timer_left_ms(1000, 1500, 1500), 0);
    assert_int_equal(timer_left_ms(1000, 1500, INT64_MAX), 0);
    assert_int_equal(timer_left_ms(1000, 1500, 1), 500); /* The clock was set back. */
    assert_int_equal(timer_left_ms(1000, 1000, 1), 0);
    assert_int_equal(timer_left_ms(1000, 900, 1), 0); /* A damaged row. */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_that_succeeded_gives_its_value),
        cmocka_unit_test(one_that_failed_or_was_skipped_gives_null),
        cmocka_unit_test(a_missed_schema_an_unknown_type_and_a_spent_budget_throw),
        cmocka_unit_test(what_is_thrown_is_the_same_in_a_replay),
        cmocka_unit_test(whose_time_was_over_is_timed_out),
        cmocka_unit_test(a_resumed_success_is_reused_unless_it_was_cut_off_named_or_settled_later),
        cmocka_unit_test(agents_are_counted_by_how_they_ended),
        cmocka_unit_test(an_answer_that_was_cut_off_degrades_the_whole),
        cmocka_unit_test(a_workflow_ends_as_its_script_its_agents_and_its_user_say),
        cmocka_unit_test(sixteen_agents_work_at_once_unless_the_run_says_otherwise),
        cmocka_unit_test(commands_of_agents_follow_the_processors),
        cmocka_unit_test(a_wait_ends_when_due_and_is_never_longer_than_its_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
