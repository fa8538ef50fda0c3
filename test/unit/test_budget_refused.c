/* Runs in the lane of a budget that the store refuses to change: no other run pays for that. */
#include "budgets_kit.h"
#include "engine/run/budget_gate.h"

enum { FIRST = BUDGET_FIRST_WALL_MS, CROWD = 25 };

/* The run's lane is left, and its failure is stored. */
static const char leave_sql[] =
    "CREATE TRIGGER refuse BEFORE UPDATE ON runs WHEN new.label = 'refused'"
    " AND new.gate = 'slot' AND new.ended_ms IS NULL BEGIN SELECT RAISE(ABORT, 'no'); END";
/* Nothing of the run is stored any more. */
static const char any_sql[] =
    "CREATE TRIGGER refuse BEFORE UPDATE ON runs WHEN new.label = 'refused'"
    " BEGIN SELECT RAISE(ABORT, 'no'); END";
/* A run that goes on in a transaction of its own. */
static const char park_sql[] =
    "CREATE TRIGGER refuse BEFORE UPDATE ON runs WHEN new.label = 'refused'"
    " AND new.not_before_ms <> 0 BEGIN SELECT RAISE(ABORT, 'no'); END";

static struct err plain_tx(struct tx *tx, void *ctx) {
    return tx_exec(tx, ctx, NULL /* no arguments */, 0, NULL);
}

static void refuse(struct runs_kit *runs, const char *sql) {
    assert_false(err_failed(runs_once(runs, plain_tx, (void *)sql)));
}

static struct runs_row add_refused(struct runs_kit *runs, const char *parent) {
    struct run_new what = runs_new(runs);
    what.parent = kit_bytes(parent);
    what.label = BYTES("refused");
    return runs_submit(runs, &what);
}

static void a_run_that_is_refused_keeps_nobody_from_a_budget(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", FIRST);
    struct runs_row first = runs_add(runs), refused = add_refused(runs, "");
    struct runs_row third = runs_add(runs);
    refuse(runs, leave_sql);
    assert_int_equal(budgets_finish(runs, first.run, 1000).row.state, RUN_SUCCEEDED);
    struct runs_row end = runs_get(runs, refused.run);
    assert_int_equal(end.row.state, RUN_FAILED);
    assert_int_equal(end.row.cause, CAUSE_NOT_STORED);
    assert_int_equal(budgets_state(runs, third.run), RUN_RUNNING);
    (void)budgets_finish(runs, third.run, 1000);
    assert_int_equal(budgets_reserved(runs, "global"), 0);
}

static void a_lane_is_read_past_a_run_whose_failure_is_refused_too(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", FIRST);
    struct runs_row first = runs_add(runs), refused = add_refused(runs, "");
    struct runs_row third = runs_add(runs);
    refuse(runs, any_sql);
    assert_int_equal(budgets_finish(runs, first.run, 1000).row.state, RUN_SUCCEEDED);
    assert_int_equal(budgets_state(runs, refused.run), RUN_QUEUED);
    assert_int_equal(budgets_state(runs, third.run), RUN_RUNNING);
    refuse(runs, "DROP TRIGGER refuse");
    (void)budgets_finish(runs, third.run, 1000);
    assert_int_equal(budgets_state(runs, refused.run), RUN_RUNNING); /* At the next end. */
}

static void a_run_submitted_after_one_that_is_unwritable_is_let_in(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", FIRST);
    struct runs_row first = runs_add(runs), unwritable = add_refused(runs, "");
    refuse(runs, any_sql);
    (void)budgets_finish(runs, first.run, 1);
    struct runs_row next = runs_add(runs);
    assert_int_equal(budgets_state(runs, next.run), RUN_QUEUED);
    struct run_row heard;
    assert_true(runs_heard(runs, next.run, &heard));
    assert_true(heard.not_before_ms != 0);
    runs_wake(runs, next.run);
    assert_int_equal(budgets_state(runs, unwritable.run), RUN_QUEUED);
    assert_int_equal(budgets_state(runs, next.run), RUN_RUNNING);
}

/* The run at which one commit has its fill wakes the rest of the lane. */
static void a_long_lane_goes_on_where_the_run_that_was_to_wake_it_is_refused(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1000;
    (void)budgets_wall(runs, "global", FIRST);
    struct runs_row first = runs_add(runs);
    for (int i = 0; i < CROWD; i++) {
        (void)(i == BUDGET_ADMIT_MAX ? add_refused(runs, "") : runs_add(runs));
    }
    refuse(runs, park_sql);
    (void)budgets_finish(runs, first.run, 1);
    (void)budgets_wake_all(runs);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'"),
                     CROWD - 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE cause = 'not_stored'"), 1);
}

/* A run that was parked, and of which nothing can be stored since, is first in the lane. The run
 * that the lane lets in is refused when it begins, so its reserve goes to the next. */
static void a_parked_run_that_is_refused_keeps_no_wake_up_from_its_lane(void **state) {
    struct runs_kit *runs = *state;
    struct run_new what = runs_new(runs);
    (void)budgets_wall(runs, "global", FIRST);
    struct runs_row first = runs_add(runs);
    what.label = BYTES("begins");
    struct runs_row begins = runs_submit(runs, &what), refused = add_refused(runs, "");
    struct runs_row last = runs_add(runs);
    refuse(runs, "UPDATE runs SET not_before_ms = 1 WHERE label = 'refused'");
    refuse(runs, any_sql);
    refuse(runs, "CREATE TRIGGER begin BEFORE UPDATE ON runs WHEN new.label = 'begins'"
                 " AND new.state = 'running' BEGIN SELECT RAISE(ABORT, 'no'); END");
    (void)budgets_finish(runs, first.run, FIRST / 2);
    struct run_row heard;
    assert_true(runs_heard(runs, last.run, &heard));
    assert_true(heard.not_before_ms != 0);
    runs_wake(runs, last.run);
    assert_int_equal(budgets_state(runs, begins.run), RUN_FAILED);
    assert_int_equal(budgets_state(runs, refused.run), RUN_QUEUED);
    assert_int_equal(budgets_state(runs, last.run), RUN_RUNNING);
}

/* A child in the lane waits for its own parent, and no budget can end the child. */
static void a_child_that_is_refused_keeps_no_other_from_its_refusal_by_the_budget(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", FIRST + 500);
    struct runs_row parent = runs_add(runs), other = runs_add(runs);
    struct runs_row refused = add_refused(runs, parent.run);
    struct runs_row child = runs_add_child(runs, parent.run);
    refuse(runs, any_sql);
    assert_int_equal(budgets_finish(runs, other.run, 500).row.state, RUN_SUCCEEDED);
    assert_int_equal(budgets_state(runs, refused.run), RUN_QUEUED);
    struct runs_row end = runs_get(runs, child.run);
    assert_int_equal(end.row.state, RUN_FAILED);
    assert_int_equal(end.row.cause, CAUSE_BUDGET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_run_that_is_refused_keeps_nobody_from_a_budget),
        RUNS_TEST(a_lane_is_read_past_a_run_whose_failure_is_refused_too),
        RUNS_TEST(a_run_submitted_after_one_that_is_unwritable_is_let_in),
        RUNS_TEST(a_long_lane_goes_on_where_the_run_that_was_to_wake_it_is_refused),
        RUNS_TEST(a_parked_run_that_is_refused_keeps_no_wake_up_from_its_lane),
        RUNS_TEST(a_child_that_is_refused_keeps_no_other_from_its_refusal_by_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
