/* Budgets that stand in each other, and children who must not wait for their own ancestors. */
/* runs-with: sqlite, postgres */
#include "budgets_kit.h"

enum { FIRST = BUDGET_FIRST_WALL_MS, MANY = 150 };

static void a_child_is_refused_what_its_parent_has_reserved(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row parent = budgets_add_own(runs, 1000);
    assert_int_equal(parent.row.state, RUN_RUNNING);
    struct runs_row child = runs_add_child(runs, parent.run);
    assert_int_equal(child.row.state, RUN_FAILED);
    assert_int_equal(child.row.cause, CAUSE_BUDGET);
    char want[200];
    (void)snprintf(want, sizeof want,
                   "The budget run:%s has nothing left for it (wall time: 0.000s of 1.000s spent,"
                   " 1.000s reserved by the runs above it)",
                   parent.run);
    assert_string_equal(child.note, want);
    assert_int_equal(budgets_state(runs, parent.run), RUN_RUNNING);
}

static void a_grandchild_is_judged_by_all_above_it_together(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row parent = budgets_add_own(runs, FIRST + 500);
    struct runs_row child = runs_add_child(runs, parent.run);
    assert_int_equal(child.row.state, RUN_RUNNING); /* With the 500 that are left. */
    assert_int_equal(runs_add_child(runs, child.run).row.state, RUN_FAILED);
    /* A sibling waits: the child will give back what it does not take. */
    struct runs_row sibling = runs_add_child(runs, parent.run);
    assert_int_equal(sibling.row.gate, GATE_BUDGET);
    (void)budgets_finish(runs, child.run, 100);
    assert_int_equal(budgets_state(runs, sibling.run), RUN_RUNNING);
}

/* It waits for somebody else, rightly; once that one has spent the rest, only its parent is left.
 */
static void a_child_that_waited_is_refused_once_only_its_parent_holds_the_rest(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", FIRST + 500);
    struct runs_row parent = runs_add(runs), other = runs_add(runs);
    struct runs_row stranger = runs_add(runs);
    struct runs_row child = runs_add_child(runs, parent.run);
    assert_int_equal(stranger.row.gate, GATE_BUDGET);
    assert_int_equal(child.row.gate, GATE_BUDGET);
    (void)budgets_finish(runs, other.run, 500);
    /* The stranger is before it in the lane, and goes on waiting for the parent. */
    assert_int_equal(runs_get(runs, stranger.run).row.gate, GATE_BUDGET);
    assert_int_equal(budgets_state(runs, child.run), RUN_FAILED);
    (void)budgets_finish(runs, parent.run, 100);
    assert_int_equal(budgets_state(runs, stranger.run), RUN_RUNNING);
}

static void all_children_in_a_long_lane_are_refused_bit_by_bit(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", FIRST + 500);
    struct runs_row parent = runs_add(runs), other = runs_add(runs);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(runs_add_child(runs, parent.run).row.gate, GATE_BUDGET);
    }
    (void)budgets_finish(runs, other.run, 500);
    (void)budgets_wake_all(runs);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE cause = 'budget'"), MANY);
    assert_int_equal(budgets_state(runs, parent.run), RUN_RUNNING);
}

static void budgets_stand_in_each_other_no_deeper_than_so_many(void **state) {
    struct runs_kit *runs = *state;
    struct amounts limits = amounts_unlimited();
    struct run_new what = runs_new(runs);
    what.budget = &limits;
    char parent[ID_SIZE] = "";
    for (int i = 0; i < BUDGET_PATH_PARTS; i++) {
        what.run = runs_id(runs);
        what.parent = kit_bytes(parent);
        struct runs_row row = runs_submit(runs, &what);
        memcpy(parent, row.run, sizeof parent);
    }
    struct runs_submit submit = {.what = what};
    submit.what.run = runs_id(runs);
    assert_int_equal(runs_do(runs, runs_submit_tx, &submit), ERR_BUDGET_TOO_DEEP);
    submit.what.budget = NULL;
    assert_int_equal(runs_do(runs, runs_submit_tx, &submit), ERR_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_child_is_refused_what_its_parent_has_reserved),
        RUNS_TEST(a_grandchild_is_judged_by_all_above_it_together),
        RUNS_TEST(a_child_that_waited_is_refused_once_only_its_parent_holds_the_rest),
        RUNS_TEST(all_children_in_a_long_lane_are_refused_bit_by_bit),
        RUNS_TEST(budgets_stand_in_each_other_no_deeper_than_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
