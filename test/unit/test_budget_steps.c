/* What a run that has begun asks of budgets, step by step. */
/* runs-with: sqlite, postgres */
#include "budgets_kit.h"

struct step {
    struct runs_kit *runs;
    const char *run;
    int64_t first, spent; /* Tokens. */
    bool begun;
    struct budget_answer answer;
    char why[300];
};

static struct err reserve_tx(struct tx *tx, void *ctx) {
    struct step *step = ctx;
    const struct run_key key = {.run = kit_bytes(step->run)};
    struct budget_ask ask = {.what = BYTES("model:m"), .begun = step->begun};
    ask.first.of[AMOUNT_TOKENS] = step->first;
    bool found = false;
    struct run_row row;
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (!err_failed(err)) {
        step->answer = tx_budget_reserve(tx, &ask, &step->runs->bounds, &row);
        err = tx_error(tx);
    }
    if (!err_failed(err)) {
        runs_copy_text(step->answer.why, step->why, sizeof step->why);
    }
    return err;
}

static struct err spend_tx(struct tx *tx, void *ctx) {
    struct step *step = ctx;
    const struct run_key key = {.run = kit_bytes(step->run)};
    struct budget_spend spend = {
        .what = BYTES("model:m"), .granted = step->answer.granted, .learn = true};
    spend.spent.of[AMOUNT_TOKENS] = step->spent;
    bool found = false;
    struct run_row row;
    struct err err = tx_run_find(tx, &key, &found, &row);
    return err_failed(err) ? err : tx_budget_spend(tx, &spend, &step->runs->bounds, &row);
}

static struct step begin_step(struct runs_kit *runs, const char *run, int64_t first) {
    struct step step = {.runs = runs, .run = run, .first = first};
    assert_int_equal(runs_do(runs, reserve_tx, &step), ERR_NONE);
    return step;
}

static void end_step(struct runs_kit *runs, struct step *step, int64_t spent) {
    step->spent = spent;
    assert_int_equal(runs_do(runs, spend_tx, step), ERR_NONE);
}

static int64_t tokens_reserved(struct runs_kit *runs) {
    return budgets_get(runs, "global").reserved.of[AMOUNT_TOKENS];
}

static struct runs_row add_turn(struct runs_kit *runs) {
    struct run_new what = runs_new(runs);
    what.kind = KIND_TURN;
    return runs_submit(runs, &what);
}

static void a_step_reserves_and_spends_by_itself_and_beside_others(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_limit(runs, "global", AMOUNT_TOKENS, 10000);
    struct runs_row turn = add_turn(runs);
    struct step one = begin_step(runs, turn.run, 3000), two = begin_step(runs, turn.run, 3000);
    assert_int_equal(one.answer.verdict, BUDGET_ADMITTED);
    assert_int_equal(two.answer.granted.of[AMOUNT_TOKENS], 3000);
    assert_int_equal(tokens_reserved(runs), 6000);
    end_step(runs, &one, 500);
    assert_int_equal(tokens_reserved(runs), 3000);
    assert_int_equal(budgets_get(runs, "global").spent.of[AMOUNT_TOKENS], 500);
    struct step three = begin_step(runs, turn.run, 3000); /* What such a call takes is known now. */
    assert_int_equal(three.answer.granted.of[AMOUNT_TOKENS], 500);
    (void)runs_finish(runs, turn.run); /* What a crash left in flight goes with the attempt. */
    assert_int_equal(tokens_reserved(runs), 0);
}

static void without_a_budget_a_step_is_admitted_and_leaves_no_trace(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row turn = add_turn(runs);
    struct step step = begin_step(runs, turn.run, 3000);
    assert_int_equal(step.answer.verdict, BUDGET_ADMITTED);
    assert_false(amounts_any(&step.answer.granted));
    end_step(runs, &step, 500);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE charged <> 0"), 0);
}

static void a_step_that_finds_all_spent_is_told_so(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_limit(runs, "global", AMOUNT_TOKENS, 400);
    struct runs_row turn = add_turn(runs);
    struct step one = begin_step(runs, turn.run, 3000);
    assert_int_equal(one.answer.granted.of[AMOUNT_TOKENS], 400);
    end_step(runs, &one, 450);
    struct step two = begin_step(runs, turn.run, 3000);
    assert_int_equal(two.answer.verdict, BUDGET_SPENT);
    assert_string_equal(two.why, "The budget global is used up (tokens: 450 of 400 spent)");
    assert_int_equal(tokens_reserved(runs), 0);
}

/* Else the turn of a program would wait for what its own process holds. */
static void a_step_of_what_runs_already_waits_for_nobody(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_limit(runs, "global", AMOUNT_TOKENS, 1000);
    struct runs_row holder = add_turn(runs), turn = add_turn(runs);
    struct step all = begin_step(runs, holder.run, 5000);
    struct step step = {.runs = runs, .run = turn.run, .first = 5000, .begun = true};
    assert_int_equal(runs_do(runs, reserve_tx, &step), ERR_NONE);
    assert_int_equal(step.answer.verdict, BUDGET_ADMITTED);
    assert_false(amounts_any(&step.answer.granted));
    assert_int_equal(runs_get(runs, turn.run).row.lane, 0);
    assert_int_equal(tokens_reserved(runs), 1000);
    end_step(runs, &all, 1000);
    assert_int_equal(runs_do(runs, reserve_tx, &step), ERR_NONE);
    assert_int_equal(step.answer.verdict, BUDGET_SPENT); /* As for others. */
}

/* One after the other, each told when it is its turn, and the next when that one has asked. */
static void steps_that_wait_are_told_one_by_one(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_limit(runs, "global", AMOUNT_TOKENS, 1000);
    struct runs_row turns[3] = {add_turn(runs), add_turn(runs), add_turn(runs)};
    struct step one = begin_step(runs, turns[0].run, 5000);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(begin_step(runs, turns[i].run, 5000).answer.verdict, BUDGET_WAITS);
        assert_int_not_equal(runs_get(runs, turns[i].run).row.lane, 0);
    }
    runs_forget(runs);
    end_step(runs, &one, 200);
    struct run_row heard;
    assert_true(runs_heard(runs, turns[1].run, &heard));
    assert_false(runs_heard(runs, turns[2].run, &heard));
    assert_int_equal(runs_get(runs, turns[1].run).row.lane, 0);
    assert_int_not_equal(runs_get(runs, turns[2].run).row.lane, 0);
    struct step two = begin_step(runs, turns[1].run, 5000);
    assert_int_equal(two.answer.granted.of[AMOUNT_TOKENS], 200);
    assert_true(runs_heard(runs, turns[2].run, &heard)); /* There was more than it took. */
    struct step three = begin_step(runs, turns[2].run, 5000);
    assert_int_equal(three.answer.verdict, BUDGET_ADMITTED);
    assert_int_equal(tokens_reserved(runs), 400);
}

static void one_that_was_told_and_ends_instead_lets_the_next_be_told(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_limit(runs, "global", AMOUNT_TOKENS, 1000);
    struct runs_row turns[3] = {add_turn(runs), add_turn(runs), add_turn(runs)};
    struct step one = begin_step(runs, turns[0].run, 5000);
    (void)begin_step(runs, turns[1].run, 5000);
    (void)begin_step(runs, turns[2].run, 5000);
    end_step(runs, &one, 100);
    (void)runs_finish(runs, turns[1].run);
    assert_int_equal(runs_get(runs, turns[2].run).row.lane, 0);
    assert_int_equal(begin_step(runs, turns[2].run, 5000).answer.verdict, BUDGET_ADMITTED);
}

/* Whoever is told first does not find the budget any more, and so has nobody to hand on to. */
static void all_steps_that_wait_are_told_when_their_limit_goes(void **state) {
    struct runs_kit *runs = *state;
    for (int removed = 0; removed < 2; removed++) {
        (void)budgets_limit(runs, "global", AMOUNT_TOKENS, 1000);
        struct runs_row turns[4] = {add_turn(runs), add_turn(runs), add_turn(runs), add_turn(runs)};
        (void)begin_step(runs, turns[0].run, 5000);
        for (int i = 1; i < 4; i++) {
            assert_int_equal(begin_step(runs, turns[i].run, 5000).answer.verdict, BUDGET_WAITS);
        }
        runs_forget(runs);
        if (removed == 1) {
            budgets_remove(runs, "global");
        } else {
            (void)budgets_limit(runs, "global", AMOUNT_TOKENS, AMOUNT_MAX);
        }
        for (int i = 1; i < 4; i++) {
            struct run_row heard;
            assert_true(runs_heard(runs, turns[i].run, &heard));
            assert_int_equal(runs_get(runs, turns[i].run).row.lane, 0);
        }
        for (int i = 0; i < 4; i++) {
            (void)runs_finish(runs, turns[i].run);
        }
    }
}

static void steps_that_wait_for_the_end_of_a_day_are_told_then(void **state) {
    struct runs_kit *runs = *state;
    int64_t end_ms = budgets_limit_day(runs, "global", AMOUNT_TOKENS, 400).day_end_ms;
    struct runs_row turns[2] = {add_turn(runs), add_turn(runs)};
    struct step one = begin_step(runs, turns[0].run, 3000);
    end_step(runs, &one, 450);
    for (int i = 0; i < 2; i++) {
        struct step step = begin_step(runs, turns[i].run, 3000);
        assert_int_equal(step.answer.verdict, BUDGET_WAITS);
        assert_string_equal(step.why, "It waits for midnight: the budget global is used up for"
                                      " today (tokens: 450 of 400 spent)");
    }
    runs_forget(runs);
    runs->kit.clock_ms = end_ms;
    (void)budgets_look_at_days(runs);
    struct run_row heard;
    assert_true(runs_heard(runs, turns[0].run, &heard));
    struct step two = begin_step(runs, turns[0].run, 3000);
    assert_int_equal(two.answer.verdict, BUDGET_ADMITTED);
    end_step(runs, &two, 100);
    assert_true(runs_heard(runs, turns[1].run, &heard));
    assert_int_equal(begin_step(runs, turns[1].run, 3000).answer.verdict, BUDGET_ADMITTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_step_reserves_and_spends_by_itself_and_beside_others),
        RUNS_TEST(without_a_budget_a_step_is_admitted_and_leaves_no_trace),
        RUNS_TEST(a_step_that_finds_all_spent_is_told_so),
        RUNS_TEST(a_step_of_what_runs_already_waits_for_nobody),
        RUNS_TEST(steps_that_wait_are_told_one_by_one),
        RUNS_TEST(one_that_was_told_and_ends_instead_lets_the_next_be_told),
        RUNS_TEST(steps_that_wait_for_the_end_of_a_day_are_told_then),
        RUNS_TEST(all_steps_that_wait_are_told_when_their_limit_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
