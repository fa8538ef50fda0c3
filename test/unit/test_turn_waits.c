/* test_turn_waits.c: waits of a turn's call for its provider. */
#include "turns_kit.h"

#define TOLD(type)                                                                                 \
    "SELECT '' || count(*) FROM events WHERE type = '" type "' AND data LIKE '%\"provider\"%'"

static void a_wait_for_the_provider_is_the_runs_state_until_the_next_try(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    turns_provider(kit, say.run, 0); /* It does not wait: nothing. */
    turns_provider(kit, say.run, 77000);
    turns_assert_state(kit, say.run, RUN_WAITING, CAUSE_NONE);
    assert_int_equal(runs_get(kit->runs, say.run).row.not_before_ms, 77000);
    assert_string_equal(turns_text(kit, "SELECT state FROM sessions").text, "waiting");
    assert_string_equal(turns_text(kit, TOLD("turn_waiting")).text, "1");
    assert_string_equal(turns_text(kit, TOLD("turn_resumed")).text, "0");
    turns_provider(kit, say.run, 0);
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
    assert_int_equal(runs_get(kit->runs, say.run).row.not_before_ms, 0);
    assert_string_equal(turns_text(kit, "SELECT state FROM sessions").text, "running");
    assert_string_equal(turns_text(kit, TOLD("turn_resumed")).text, "1");
    assert_int_equal(turns_answer(kit, say.run, "hi"), TURN_NEXT_END);
    turns_provider(kit, say.run, 88000); /* Too late. */
    turns_assert_state(kit, say.run, RUN_SUCCEEDED, CAUSE_COMPLETED);
}

/* Its end was lost on its way, or comes behind the answer. */
static void an_answer_ends_the_wait_for_its_provider(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    turns_provider(kit, say.run, 77000);
    const struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_START);
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
    assert_string_equal(turns_text(kit, TOLD("turn_resumed")).text, "1");
    assert_string_equal(turns_text(kit, "SELECT state FROM sessions").text, "running");
}

static void a_crash_in_the_wait_for_a_provider_asks_again_and_stops_no_clock(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    turns_provider(kit, say.run, 77000);
    runs_restart(kit->runs);
    turns_assert_state(kit, say.run, RUN_WAITING, CAUSE_NONE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
    turns_provider(kit, say.run, 99000);
    struct turn_answer answer = turns_answering(kit, say.run, NULL, 0);
    answer.failure = CAUSE_RATE_LIMITED;
    answer.resume_at_ms = 123000;
    assert_int_equal(turns_answer_with(kit, &answer), TURN_NEXT_END);
    struct runs_row row = runs_get(kit->runs, say.run);
    assert_int_equal(run_resume_at_ms(&row.row), 123000);
    assert_string_equal(turns_text(kit, "SELECT '' || waited_ms FROM turns").text, "0");
}

/* Its call is not out, so the end of the daemon is no work of it. */
static void a_wait_for_the_provider_outlives_any_number_of_crashes(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    for (int i = 0; i < 12; i++) {
        turns_provider(kit, say.run, 77000);
        runs_restart(kit->runs);
        assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    }
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
}

#define turn_test(test) cmocka_unit_test_setup_teardown(test, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        turn_test(a_wait_for_the_provider_is_the_runs_state_until_the_next_try),
        turn_test(an_answer_ends_the_wait_for_its_provider),
        turn_test(a_crash_in_the_wait_for_a_provider_asks_again_and_stops_no_clock),
        turn_test(a_wait_for_the_provider_outlives_any_number_of_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
