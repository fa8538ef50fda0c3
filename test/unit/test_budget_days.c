/* Budgets that count by the day: at midnight nothing is spent, once, and what waits goes on. */
#include "budgets_kit.h"

#include "loop/local_day.h"

enum { HOUR = 3600 * 1000 };

static enum run_gate gate_of(struct runs_kit *runs, const char *run) {
    return runs_get(runs, run).row.gate;
}

static enum run_state state_of(struct runs_kit *runs, const char *run) {
    return runs_get(runs, run).row.state;
}

/* A day of 1 s, all of it spent. */
static int64_t used_up(struct runs_kit *runs) {
    int64_t end_ms = budgets_limit_day(runs, "global", AMOUNT_WALL, 1000).day_end_ms;
    struct runs_row first = runs_add(runs);
    (void)budgets_finish(runs, first.run, 1200);
    assert_int_equal(budgets_spent(runs, "global"), 1200);
    return end_ms;
}

static void a_run_waits_for_the_end_of_a_day_and_begins_then(void **state) {
    struct runs_kit *runs = *state;
    int64_t end_ms = used_up(runs);
    assert_int_equal(end_ms, local_day_end_ms(runs->kit.clock_ms));
    struct runs_row one = runs_add(runs), two = runs_add(runs);
    assert_int_equal(gate_of(runs, one.run), GATE_BUDGET);
    assert_int_equal(runs_get(runs, one.run).row.not_before_ms, 0); /* Nobody is to wake it now. */
    runs->kit.clock_ms = end_ms - 1;
    assert_int_equal(budgets_look_at_days(runs), end_ms);
    assert_int_equal(gate_of(runs, one.run), GATE_BUDGET);
    runs->kit.clock_ms = end_ms;
    runs_restart(runs);
    assert_int_equal(budgets_look_at_days(runs), local_day_end_ms(end_ms));
    assert_int_equal(state_of(runs, one.run), RUN_RUNNING);
    assert_int_equal(budgets_spent(runs, "global"), 0);
    (void)budgets_finish(runs, one.run, 300);
    assert_int_equal(state_of(runs, two.run), RUN_RUNNING);
    (void)budgets_finish(runs, two.run, 300);
    assert_int_equal(budgets_spent(runs, "global"), 600);
}

static void what_ends_after_midnight_is_charged_to_the_new_day(void **state) {
    struct runs_kit *runs = *state;
    int64_t end_ms = budgets_limit_day(runs, "global", AMOUNT_WALL, 1000).day_end_ms;
    struct runs_row one = runs_add(runs);
    runs->kit.clock_ms = end_ms + 1;
    assert_int_equal(budgets_reserved(runs, "global"), 1000); /* Over midnight, too. */
    assert_int_equal(gate_of(runs, runs_add(runs).run), GATE_BUDGET);
    (void)budgets_finish(runs, one.run, 700);
    assert_int_equal(budgets_spent(runs, "global"), 700);
}

static void a_clock_set_back_over_midnight_lifts_the_limit_once(void **state) {
    struct runs_kit *runs = *state;
    int64_t end_ms = used_up(runs);
    runs->kit.clock_ms = end_ms;
    struct runs_row one = runs_add(runs); /* Nobody has looked at days yet. */
    assert_int_equal(state_of(runs, one.run), RUN_RUNNING);
    runs->kit.clock_ms = end_ms - 2000;
    (void)budgets_finish(runs, one.run, 1000);
    runs->kit.clock_ms = end_ms + HOUR;
    (void)budgets_look_at_days(runs);
    assert_int_equal(budgets_spent(runs, "global"), 1000);
    assert_int_equal(gate_of(runs, runs_add(runs).run), GATE_BUDGET);
}

static void a_clock_set_back_by_days_blocks_for_a_day_at_most(void **state) {
    struct runs_kit *runs = *state;
    (void)used_up(runs);
    struct runs_row one = runs_add(runs);
    runs->kit.clock_ms -= INT64_C(100) * 24 * HOUR;
    const int64_t end_ms = runs->kit.clock_ms + INT64_C(24) * HOUR;
    assert_int_equal(budgets_look_at_days(runs), end_ms);
    runs->kit.clock_ms += HOUR;
    assert_int_equal(budgets_look_at_days(runs), end_ms); /* The end stays where it is. */
    assert_int_equal(gate_of(runs, one.run), GATE_BUDGET);
    runs->kit.clock_ms = end_ms;
    (void)budgets_look_at_days(runs);
    assert_int_equal(state_of(runs, one.run), RUN_RUNNING);
}

/* Admitted while the daemon had no slot, and the day was used up meanwhile. */
static void a_run_that_was_admitted_gives_back_its_reserve_and_waits(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 2;
    (void)budgets_limit_day(runs, "project:web", AMOUNT_WALL, 1000);
    struct runs_row one = budgets_add_in(runs, "web"), two = budgets_add_in(runs, "web");
    (void)runs_add(runs);
    (void)budgets_limit(runs, "project:web", AMOUNT_WALL, 3000);
    assert_int_equal(gate_of(runs, two.run), GATE_SLOT);
    assert_int_equal(budgets_reserved(runs, "project:web"), 3000);
    (void)budgets_finish(runs, one.run, 5000);
    assert_int_equal(gate_of(runs, two.run), GATE_BUDGET);
    assert_int_equal(budgets_reserved(runs, "project:web"), 0);
    assert_int_equal(state_of(runs, runs_add(runs).run), RUN_RUNNING); /* The slot is free. */
}

static void a_day_set_twice_is_the_same_day_and_may_be_given_up(void **state) {
    struct runs_kit *runs = *state;
    int64_t end_ms = used_up(runs);
    runs->kit.clock_ms += 1000;
    assert_int_equal(budgets_limit_day(runs, "global", AMOUNT_WALL, 1100).day_end_ms, end_ms);
    assert_int_equal(budgets_spent(runs, "global"), 1200);
    struct budgets_call call = budgets_call(runs, "global");
    call.set.limits.per = BUDGET_PER_NONE;
    assert_int_equal(runs_do(runs, budgets_set_tx, &call), ERR_NONE);
    assert_int_equal(call.row.day_end_ms, 0);
    assert_int_equal(call.row.spent.of[AMOUNT_WALL], 1200);
    assert_int_equal(state_of(runs, runs_add(runs).run), RUN_FAILED); /* In all, it is used up. */
    assert_int_equal(budgets_look_at_days(runs), INT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_run_waits_for_the_end_of_a_day_and_begins_then),
        RUNS_TEST(what_ends_after_midnight_is_charged_to_the_new_day),
        RUNS_TEST(a_clock_set_back_over_midnight_lifts_the_limit_once),
        RUNS_TEST(a_clock_set_back_by_days_blocks_for_a_day_at_most),
        RUNS_TEST(a_run_that_was_admitted_gives_back_its_reserve_and_waits),
        RUNS_TEST(a_day_set_twice_is_the_same_day_and_may_be_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
