/* test_run_cut_off.c: a step that ends the daemon at each start is not begun for ever. */
#include "turns_kit.h"

static struct err note_stop_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    return tx_run_note_stop(tx);
}

/* Ends that many daemons while a step is under way; each next one begins it again. */
static void cut_off(struct turns_kit *kit, const char *run, enum turn_next step, int count) {
    for (int i = 0; i < count; i++) {
        runs_restart(kit->runs);
        assert_int_equal(turns_plan(kit, run), step);
    }
}

static void assert_over(struct turns_kit *kit, const char *run) {
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, run), TURN_NEXT_END);
    turns_assert_state(kit, run, RUN_FAILED, CAUSE_CUT_OFF);
    assert_non_null(strstr(turns_text(kit, "SELECT note FROM runs").text, "10 times in a row"));
}

static void a_call_that_ten_crashes_cut_off_ends_its_turn(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    cut_off(kit, say.run, TURN_NEXT_CALL, 9);
    assert_over(kit, say.run);
    struct turns_say next = turns_say(kit, "again", TURN_ENQUEUE);
    turns_assert_state(kit, next.run, RUN_RUNNING, CAUSE_NONE);
    assert_int_equal(turns_plan(kit, next.run), TURN_NEXT_CALL);
}

static void a_step_that_finishes_sets_the_count_to_zero(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    cut_off(kit, say.run, TURN_NEXT_CALL, 9);
    struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    cut_off(kit, say.run, TURN_NEXT_START, 9);
    assert_int_equal(turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE), TURN_NEXT_CALL);
    cut_off(kit, say.run, TURN_NEXT_CALL, 9);
    assert_over(kit, say.run);
}

static void an_orderly_stop_is_not_counted(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(runs_do(kit->runs, note_stop_tx, NULL), ERR_NONE);
        cut_off(kit, say.run, TURN_NEXT_CALL, 1);
    }
    cut_off(kit, say.run, TURN_NEXT_CALL, 9);
    assert_over(kit, say.run);
}

static void note_stop(struct turns_kit *kit) {
    assert_int_equal(runs_do(kit->runs, note_stop_tx, NULL), ERR_NONE);
}

/* Daemons that end between, before they take the turn over, change nothing. */
static void stops_in_a_row_are_not_counted(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    for (int i = 0; i < 12; i++) {
        note_stop(kit);
        runs_restart(kit->runs);
        note_stop(kit);
        cut_off(kit, say.run, TURN_NEXT_CALL, 1);
        note_stop(kit);
        runs_restart(kit->runs); /* This one crashes. */
        cut_off(kit, say.run, TURN_NEXT_CALL, 1);
    }
    for (int i = 0; i < 9; i++) {
        runs_restart(kit->runs);
        note_stop(kit); /* The daemon that had the turn crashed all the same. */
        cut_off(kit, say.run, TURN_NEXT_CALL, 1);
    }
    assert_over(kit, say.run);
}

static void a_tool_that_ten_crashes_cut_off_ends_its_turn(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    cut_off(kit, say.run, TURN_NEXT_START, 9);
    assert_over(kit, say.run);
}

static void a_review_that_ten_crashes_cut_off_ends_its_turn(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turn_item item = turns_call("a", "write_file", TURN_REVIEW, false);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    cut_off(kit, say.run, TURN_NEXT_START, 9);
    assert_true(kit->plan.cards[0].review);
    assert_over(kit, say.run);
}

static void a_turn_that_waits_for_a_person_outlives_any_number_of_crashes(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turn_item item = turns_call("a", "write_file", TURN_ASK, false);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_PARK);
    for (int i = 0; i < 12; i++) {
        runs_restart(kit->runs);
    }
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NONE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
}

#define CUT_OFF_TEST(name) cmocka_unit_test_setup_teardown(name, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        CUT_OFF_TEST(a_call_that_ten_crashes_cut_off_ends_its_turn),
        CUT_OFF_TEST(a_step_that_finishes_sets_the_count_to_zero),
        CUT_OFF_TEST(an_orderly_stop_is_not_counted),
        CUT_OFF_TEST(stops_in_a_row_are_not_counted),
        CUT_OFF_TEST(a_tool_that_ten_crashes_cut_off_ends_its_turn),
        CUT_OFF_TEST(a_review_that_ten_crashes_cut_off_ends_its_turn),
        CUT_OFF_TEST(a_turn_that_waits_for_a_person_outlives_any_number_of_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
