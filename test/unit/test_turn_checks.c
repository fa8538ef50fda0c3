/* test_turn_checks.c: what a turn wrote is checked by a run of its own, whose result comes once;
 * and how often calls may fail. */
#include "turns_kit.h"

struct checking {
    struct turns_kit *kit;
    struct turn_check_start start;
    struct turn_check_end end;
};

static struct err start_tx(struct tx *tx, void *ctx) {
    struct checking *checking = ctx;
    return tx_turn_check_start(tx, &checking->start, &checking->kit->plan);
}

static struct err end_tx(struct tx *tx, void *ctx) {
    struct checking *checking = ctx;
    return tx_turn_check_end(tx, &checking->end, &checking->kit->plan);
}

/* A turn whose only call has written a file. */
static struct turns_say written(struct turns_kit *kit) {
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("a", "write_file", TURN_ALLOW, false);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_START);
    struct turns_step step = {.kit = kit,
                              .card = {.key = turns_key(kit, say.run),
                                       .part = kit->plan.cards[0].part,
                                       .cause = CARD_DONE,
                                       .result = BYTES("done"),
                                       .wrote = true}};
    assert_int_equal(runs_do(kit->runs, turns_card_tx, &step), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_CHECK);
    assert_int_equal(kit->plan.cards[0].part, TURN_CHECK_PART);
    assert_int_equal(kit->plan.cards[0].step, 0);
    return say;
}

static void a_project_without_a_check_goes_on(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = written(kit);
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CHECK); /* Nobody has looked yet. */
    struct checking checking = {.kit = kit,
                                .start = {.key = turns_key(kit, say.run), .none = true}};
    assert_int_equal(runs_do(kit->runs, start_tx, &checking), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_CALL);
    assert_int_equal(runs_do(kit->runs, start_tx, &checking), ERR_NONE);
    assert_true(kit->plan.late);
}

/* Begins the check, and ends it with that exit code. */
static struct checking check(struct turns_kit *kit, const struct turns_say *say, int code) {
    struct checking checking = {
        .kit = kit, .start = {.key = turns_key(kit, say->run), .run = runs_new(kit->runs)}};
    assert_int_equal(runs_do(kit->runs, start_tx, &checking), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_WAIT);
    assert_int_equal(runs_do(kit->runs, start_tx, &checking), ERR_NONE);
    assert_true(kit->plan.late); /* It is begun once. */
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say->run), TURN_NEXT_WAIT);
    const struct run_settle exit = runs_exit(kit->runs, checking.start.run.run.text, code);
    (void)runs_settle(kit->runs, &exit);
    return checking;
}

static void a_check_survives_a_crash_and_its_result_comes_once(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = written(kit);
    struct checking checking = check(kit, &say, 3);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CHECK);
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CHECK);
    const struct turn_card *card = &kit->plan.cards[0];
    assert_true(card->child.len == strlen(checking.start.run.run.text) && card->step != 0);
    assert_int_equal(card->child_exit, 3);
    checking.end = (struct turn_check_end){
        .key = turns_key(kit, say.run), .check = card->step, .note = BYTES("it broke")};
    assert_int_equal(runs_do(kit->runs, end_tx, &checking), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_CALL);
    assert_int_equal(runs_do(kit->runs, end_tx, &checking), ERR_NONE);
    assert_true(kit->plan.late);
    struct turns_prompt prompt = turns_prompt(kit, say.run);
    const char *told = strstr(prompt.text, "it broke");
    assert_non_null(told);
    assert_null(strstr(told + 1, "it broke"));
    assert_int_equal(runs_count(kit->runs, "SELECT failed_checks FROM turns"), 1);
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM runs WHERE kind = 'job'"), 1);
}

static void a_check_that_is_content_is_not_told(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = written(kit);
    struct checking checking = check(kit, &say, 0);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CHECK);
    checking.end = (struct turn_check_end){
        .key = turns_key(kit, say.run), .check = kit->plan.cards[0].step, .note = BYTES("")};
    assert_int_equal(runs_do(kit->runs, end_tx, &checking), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_CALL);
    assert_int_equal(runs_count(kit->runs, "SELECT failed_checks FROM turns"), 0);
    assert_int_equal(turns_answer(kit, say.run, "done"), TURN_NEXT_END);
}

/* --- Mistakes --------------------------------------------------------------------------------- */

static enum turn_next fail_calls(struct turns_kit *kit, const char *run, size_t count) {
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct turn_item items[COUNT_OF(ids)];
    for (size_t i = 0; i < count; i++) {
        items[i] = turns_call(ids[i], "nothing", TURN_REFUSE, true);
    }
    return turns_answer_calls(kit, run, items, count);
}

static size_t nudges(struct turns_kit *kit, const char *run) {
    struct turns_prompt prompt = turns_prompt(kit, run);
    size_t count = 0;
    for (const char *at = prompt.text; (at = strstr(at, "calls all failed")) != NULL; at++) {
        count++;
    }
    return count;
}

static void three_calls_that_fail_are_told_and_three_more_end_the_turn(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    for (size_t i = 1; i < 6; i++) {
        assert_int_equal(fail_calls(kit, say.run, 1), TURN_NEXT_CALL);
        assert_int_equal(nudges(kit, say.run), i < 3 ? 0 : 1);
    }
    assert_int_equal(fail_calls(kit, say.run, 1), TURN_NEXT_END);
    assert_string_equal(turns_text(kit, "SELECT cause FROM runs WHERE kind = 'turn'").text,
                        "tool_mistakes");
}

static void calls_that_fail_together_are_told_before_the_turn_ends(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    assert_int_equal(fail_calls(kit, say.run, 8), TURN_NEXT_CALL);
    assert_int_equal(nudges(kit, say.run), 1);
    const struct turn_item good = turns_call("x", "read_file", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &good, 1);
    assert_int_equal(turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE), TURN_NEXT_CALL);
    assert_int_equal(fail_calls(kit, say.run, 4), TURN_NEXT_CALL);
    assert_int_equal(nudges(kit, say.run), 2);
    assert_int_equal(fail_calls(kit, say.run, 2), TURN_NEXT_CALL);
    assert_int_equal(nudges(kit, say.run), 2);
    assert_int_equal(fail_calls(kit, say.run, 1), TURN_NEXT_END);
}

#define CHECKS_TEST(name) cmocka_unit_test_setup_teardown(name, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        CHECKS_TEST(a_project_without_a_check_goes_on),
        CHECKS_TEST(a_check_survives_a_crash_and_its_result_comes_once),
        CHECKS_TEST(a_check_that_is_content_is_not_told),
        CHECKS_TEST(three_calls_that_fail_are_told_and_three_more_end_the_turn),
        CHECKS_TEST(calls_that_fail_together_are_told_before_the_turn_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
