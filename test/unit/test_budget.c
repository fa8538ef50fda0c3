/* Budgets: admission, waiting, settling, and those who must not wait. */
/* runs-with: sqlite, postgres */
#include "budgets_kit.h"

enum { FIRST = BUDGET_FIRST_WALL_MS };

/* --- Admission and settling ------------------------------------------------------------------- */

static void without_a_budget_nothing_is_reserved_or_counted(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE charged <> 0"), 0);
    (void)budgets_finish(runs, row.run, 500);
    struct budgets_call call = budgets_call(runs, "global");
    assert_int_equal(runs_do(runs, budgets_find_tx, &call), ERR_NONE);
    assert_false(call.found);
}

static void what_is_reserved_at_the_start_is_settled_at_the_end(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 10 * FIRST);
    struct runs_row row = runs_add(runs);
    assert_int_equal(row.row.state, RUN_RUNNING);
    assert_int_equal(budgets_reserved(runs, "global"), FIRST);
    assert_int_equal(budgets_spent(runs, "global"), 0);
    (void)budgets_finish(runs, row.run, 12345);
    assert_int_equal(budgets_reserved(runs, "global"), 0);
    assert_int_equal(budgets_spent(runs, "global"), 12345);
    (void)runs_add(runs); /* By now it is known what such a job takes. */
    assert_int_equal(budgets_reserved(runs, "global"), 12345);
}

static void without_a_measure_the_times_of_the_row_say_what_it_took(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 10 * FIRST);
    struct runs_row row = runs_add(runs);
    runs->kit.clock_ms += 777;
    (void)runs_finish(runs, row.run);
    assert_int_equal(budgets_spent(runs, "global"), 777);
}

static void every_node_above_a_run_is_charged_and_no_other(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 100 * FIRST);
    (void)budgets_wall(runs, "project:web", 100 * FIRST);
    (void)budgets_wall(runs, "project:web2", 100 * FIRST);
    struct run_new what = runs_new(runs);
    struct amounts limits = amounts_unlimited();
    what.project = BYTES("web");
    what.budget = &limits; /* A budget without a limit counts. */
    struct runs_row row = runs_submit(runs, &what);
    char own[64];
    (void)snprintf(own, sizeof own, "run:%s", row.run);
    assert_int_equal(budgets_reserved(runs, "project:web"), FIRST);
    assert_int_equal(budgets_reserved(runs, "project:web2"), 0);
    (void)budgets_finish(runs, row.run, 50);
    assert_int_equal(budgets_spent(runs, "global"), 50);
    assert_int_equal(budgets_spent(runs, "project:web"), 50);
    assert_int_equal(budgets_spent(runs, own), 50);
    assert_int_equal(budgets_spent(runs, "project:web2"), 0);
}

static void projects_of_two_owners_are_two_projects(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "project:web", 100);
    struct run_new what = runs_new(runs);
    what.owner = BYTES("eve");
    what.project = BYTES("web");
    (void)runs_submit(runs, &what);
    assert_int_equal(budgets_reserved(runs, "project:web"), 0);
    (void)budgets_wall(runs, "global", 100);
    what.run = runs_id(runs);
    (void)runs_submit(runs, &what);
    assert_int_equal(budgets_reserved(runs, "global"), 100); /* It is above all owners. */
}

static void an_attempt_that_never_began_costs_nothing_and_teaches_nothing(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 10 * FIRST);
    const enum attempt_end ends[] = {ATTEMPT_VOID, ATTEMPT_NOT_STARTED};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct runs_row row = runs_add(runs);
        struct run_settle what = runs_exit(runs, row.run, 0);
        what.end.end = ends[i];
        runs->kit.clock_ms += 3600000;
        (void)runs_settle(runs, &what);
    }
    assert_int_equal(budgets_spent(runs, "global"), 0);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM budget_means"), 0);
    /* The void one has begun again, by itself. */
    assert_int_equal(budgets_reserved(runs, "global"), FIRST);
}

static void an_attempt_that_did_not_complete_is_charged_and_teaches_nothing(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 10 * FIRST);
    const struct attempt ends[] = {{.end = ATTEMPT_EXITED, .code = 1},
                                   {.end = ATTEMPT_SIGNALED, .code = 9},
                                   {.end = ATTEMPT_EXITED, .why = ATTEMPT_TIMED_OUT}};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct runs_row row = runs_add(runs);
        struct run_settle what = runs_exit(runs, row.run, 0);
        what.end = ends[i];
        what.usage = (struct run_usage){.known = true, .wall_ms = 7};
        (void)runs_settle(runs, &what);
        assert_int_equal(budgets_spent(runs, "global"), 7 * ((int64_t)i + 1));
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM budget_means"), 0);
}

static void each_attempt_is_admitted_and_charged_by_itself(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 1000);
    struct runs_row row = runs_add(runs);
    struct run_settle what = runs_exit(runs, row.run, 1);
    what.retry = (struct retry_policy){.max = 5, .on = RETRY_FAILED, .backoff_ms = 1000};
    what.usage = (struct run_usage){.known = true, .wall_ms = 600};
    (void)runs_settle(runs, &what);
    assert_int_equal(budgets_reserved(runs, "global"), 0); /* While it waits for its time. */
    runs->kit.clock_ms += 5000;
    runs_wake(runs, row.run);
    assert_int_equal(budgets_reserved(runs, "global"), 400);
    what.attempt = 2;
    (void)runs_settle(runs, &what);
    assert_int_equal(budgets_spent(runs, "global"), 1200);
    runs->kit.clock_ms += 5000;
    runs_wake(runs, row.run);
    struct runs_row end = runs_get(runs, row.run);
    assert_int_equal(end.row.state, RUN_FAILED);
    assert_int_equal(end.row.cause, CAUSE_BUDGET);
    assert_string_equal(end.note,
                        "The budget global is used up (wall time: 1.200s of 1.000s spent)");
}

static void an_agent_counts_as_one_and_a_job_as_none(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_limit(runs, "global", AMOUNT_AGENTS, 1);
    (void)runs_add(runs);
    struct run_new what = runs_new(runs);
    what.kind = KIND_AGENT;
    struct runs_row first = runs_submit(runs, &what);
    what.run = runs_id(runs);
    struct runs_row second = runs_submit(runs, &what);
    assert_int_equal(first.row.state, RUN_RUNNING);
    assert_int_equal(second.row.gate, GATE_BUDGET);
    (void)runs_finish(runs, first.run);
    assert_int_equal(budgets_get(runs, "global").spent.of[AMOUNT_AGENTS], 1);
    assert_int_equal(budgets_state(runs, second.run), RUN_FAILED);
    assert_int_equal(runs_add(runs).row.state, RUN_RUNNING);
}

static void a_run_that_had_begun_before_the_budget_is_not_charged(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    (void)budgets_wall(runs, "global", 1000);
    (void)budgets_finish(runs, row.run, 900);
    assert_int_equal(budgets_spent(runs, "global"), 0);
}

static void one_that_waited_for_a_slot_before_the_budget_is_asked_all_the_same(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row first = runs_add(runs), second = runs_add(runs), third = runs_add(runs);
    (void)budgets_wall(runs, "global", 0);
    (void)runs_finish(runs, first.run);
    assert_int_equal(runs_get(runs, second.run).row.cause, CAUSE_BUDGET);
    assert_int_equal(runs_get(runs, third.run).row.cause, CAUSE_BUDGET);
}

/* --- Spent ------------------------------------------------------------------------------------ */

static void a_run_under_a_budget_that_is_used_up_fails_and_says_why(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "project:web", 100);
    struct runs_row first = budgets_add_in(runs, "web");
    (void)budgets_finish(runs, first.run, 150);
    struct run_new what = runs_new(runs);
    what.project = BYTES("web");
    what.spec = BYTES("{\"notify\":[{\"webhook\":\"http://127.0.0.1/\"}]}");
    struct runs_row row = runs_submit(runs, &what);
    assert_int_equal(row.row.state, RUN_FAILED);
    assert_int_equal(row.row.cause, CAUSE_BUDGET);
    assert_int_equal(row.row.attempt, 0);
    assert_string_equal(row.note,
                        "The budget project:web is used up (wall time: 0.150s of 0.100s spent)");
    assert_non_null(strstr(runs_events(runs, row.run).text, "run_finished {\"state\":\"failed\","
                                                            "\"cause\":\"budget\""));
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox"), 1); /* Who waits is told. */
}

/* --- Waiting ---------------------------------------------------------------------------------- */

static void who_finds_all_reserved_waits_and_is_let_in_by_the_commit_that_frees(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 60000);
    struct runs_row first = runs_add(runs), second = runs_add(runs), third = runs_add(runs);
    assert_int_equal(second.row.state, RUN_QUEUED);
    assert_int_equal(second.row.gate, GATE_BUDGET);
    assert_string_equal(second.note,
                        "It waits for the budget global (wall time: 0.000s of 1m 00s spent,"
                        " 1m 00s reserved by other runs)");
    assert_string_equal(runs_events(runs, second.run).text, "run_queued {\"gate\":\"budget\"};");
    assert_int_equal(budgets_get(runs, "global").waiting, 2);
    (void)budgets_finish(runs, first.run, 6000);
    assert_int_equal(budgets_state(runs, second.run), RUN_RUNNING);
    assert_int_equal(budgets_state(runs, third.run), RUN_RUNNING); /* 6,000 each, of 54,000. */
    assert_int_equal(budgets_reserved(runs, "global"), 12000);
    assert_int_equal(budgets_get(runs, "global").waiting, 0);
}

static void who_waits_while_all_is_spent_fails(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 1000);
    struct runs_row first = runs_add(runs), second = runs_add(runs);
    (void)budgets_finish(runs, first.run, 1000);
    assert_int_equal(budgets_state(runs, second.run), RUN_FAILED);
}

static void a_lane_goes_by_priority_and_then_by_age(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 1000);
    struct runs_row first = runs_add(runs), old = runs_add(runs), young = runs_add(runs);
    struct run_new urgent = runs_new(runs);
    urgent.priority = 5;
    struct runs_row soon = runs_submit(runs, &urgent);
    const char *const order[] = {first.run, soon.run, old.run, young.run};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        for (size_t j = 0; j < COUNT_OF(order); j++) {
            assert_int_equal(budgets_state(runs, order[j]) == RUN_RUNNING, j <= i);
        }
        (void)budgets_wall(runs, "global", 1001 + (int64_t)i); /* Room for one more. */
    }
}

static void a_newcomer_does_not_overtake_who_waits(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", FIRST);
    struct runs_row first = runs_add(runs);
    enum { COUNT = 25 };
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(runs_add(runs).row.gate, GATE_BUDGET);
    }
    (void)budgets_finish(runs, first.run, 1); /* The least reserve each: all of them fit. */
    int64_t let_in = runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'");
    assert_in_range(let_in, 1, COUNT - 1); /* One commit does not do them all. */
    struct runs_row late = runs_add(runs);
    assert_int_equal(late.row.gate, GATE_BUDGET);
    assert_in_range(budgets_wake_all(runs), 1, COUNT);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'"),
                     COUNT + 1);
}

static void who_waits_for_one_thing_holds_back_nobody_who_waits_for_another(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 100000);
    (void)budgets_wall(runs, "project:a", 1000);
    struct runs_row first = budgets_add_in(runs, "a"), second = budgets_add_in(runs, "a");
    assert_int_equal(second.row.gate, GATE_BUDGET);
    assert_int_equal(budgets_add_in(runs, "b").row.state, RUN_RUNNING);
    (void)first;
}

static void a_wait_for_a_budget_takes_no_slot_and_keeps_its_key(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 2;
    (void)budgets_wall(runs, "project:a", 1000);
    struct run_new what = runs_new(runs);
    what.project = BYTES("a");
    struct runs_row first = runs_submit(runs, &what);
    what.run = runs_id(runs);
    what.key = BYTES("k");
    what.key_max = 1;
    struct runs_row second = runs_submit(runs, &what);
    assert_int_equal(second.row.gate, GATE_BUDGET);
    assert_int_equal(runs_add_key(runs, (struct runs_place){.key_max = 1}).row.gate, GATE_KEY);
    struct runs_row other = runs_add(runs);
    assert_int_equal(other.row.state, RUN_RUNNING);
    struct runs_row third = runs_add(runs);
    assert_int_equal(third.row.gate, GATE_SLOT);
    (void)budgets_finish(runs, first.run, 10);
    /* The budget lets it in, and it is older than the third: the slot is its. */
    assert_int_equal(budgets_state(runs, second.run), RUN_RUNNING);
    assert_int_equal(budgets_state(runs, third.run), RUN_QUEUED);
}

static void one_let_in_holds_its_reserve_until_a_slot_is_free_and_is_asked_again_then(
    void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", FIRST);
    struct runs_row first = runs_add(runs), second = runs_add(runs), third = runs_add(runs);
    runs->bounds.slots = 0; /* The daemon holds. */
    (void)budgets_finish(runs, first.run, 3000);
    assert_int_equal(runs_get(runs, second.run).row.gate, GATE_SLOT);
    assert_int_equal(runs_get(runs, third.run).row.gate, GATE_SLOT);
    assert_int_equal(budgets_reserved(runs, "global"), 6000);
    runs->bounds.slots = 1;
    budgets_admit_all(runs);
    assert_int_equal(budgets_state(runs, second.run), RUN_RUNNING);
    (void)budgets_finish(runs, second.run, 60000); /* Far more than it had reserved. */
    struct runs_row end = runs_get(runs, third.run);
    assert_int_equal(end.row.state, RUN_FAILED);
    assert_int_equal(end.row.cause, CAUSE_BUDGET);
    assert_int_equal(budgets_reserved(runs, "global"), 0);
}

static void one_that_is_stopped_before_its_slot_gives_back_to_who_waits(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 1000);
    struct runs_row first = runs_add(runs), second = runs_add(runs), third = runs_add(runs);
    runs->bounds.slots = 0;
    (void)budgets_finish(runs, first.run, 990); /* Now 10 are left, and the second takes them. */
    assert_int_equal(runs_get(runs, second.run).row.gate, GATE_SLOT);
    assert_int_equal(runs_get(runs, third.run).row.gate, GATE_BUDGET);
    budgets_stop(runs, second.run);
    assert_int_equal(runs_get(runs, third.run).row.gate, GATE_SLOT);
    assert_int_equal(budgets_reserved(runs, "global"), 10);
}

/* --- Raising, lowering, removing -------------------------------------------------------------- */

static void raising_a_limit_lets_in_who_waits(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 1000);
    (void)runs_add(runs);
    struct runs_row second = runs_add(runs), third = runs_add(runs);
    (void)budgets_wall(runs, "global", 1000 + FIRST);
    assert_int_equal(budgets_state(runs, second.run), RUN_RUNNING);
    assert_int_equal(budgets_state(runs, third.run), RUN_QUEUED);
    (void)budgets_wall(runs, "global", AMOUNT_MAX);
    assert_int_equal(budgets_state(runs, third.run), RUN_RUNNING);
}

static void lowering_a_limit_below_what_is_spent_refuses_who_waits(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 1000);
    (void)budgets_finish(runs, runs_add(runs).run, 500);
    (void)budgets_wall(runs, "global", 600);
    (void)runs_add(runs);
    struct runs_row second = runs_add(runs);
    assert_int_equal(second.row.gate, GATE_BUDGET);
    (void)budgets_wall(runs, "global", 400);
    struct runs_row end = runs_get(runs, second.run);
    assert_int_equal(end.row.state, RUN_FAILED);
    assert_string_equal(end.note,
                        "The budget global is used up (wall time: 0.500s of 0.400s spent)");
}

enum { MANY = 150 };

static void wait_for_many(struct runs_kit *runs) {
    runs->bounds.slots = 1000;
    (void)budgets_wall(runs, "global", 10);
    (void)runs_add(runs);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(runs_add(runs).row.gate, GATE_BUDGET);
    }
}

static void removing_a_budget_lets_in_all_also_over_a_crash_in_the_middle(void **state) {
    struct runs_kit *runs = *state;
    wait_for_many(runs);
    budgets_remove(runs, "global");
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM budgets"), 0); /* At once. */
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM budget_means"), 0);
    int64_t running = runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'");
    assert_in_range(running, 2, MANY / 2);
    runs_restart(runs);
    assert_in_range(budgets_wake_all(runs), 1, MANY);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'"),
                     MANY + 1);
}

static void the_one_that_was_to_go_on_may_be_stopped_and_another_does(void **state) {
    struct runs_kit *runs = *state;
    wait_for_many(runs);
    budgets_remove(runs, "global");
    struct budgets_parked parked = {.found = false};
    assert_int_equal(runs_do(runs, budgets_parked_tx, &parked), ERR_NONE);
    assert_true(parked.found);
    budgets_stop(runs, parked.run);
    (void)budgets_wake_all(runs);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'"), MANY);
}

/* --- Leaving ---------------------------------------------------------------------------------- */

static void the_budget_of_a_run_goes_with_it(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = budgets_add_own(runs, 1000);
    (void)budgets_finish(runs, row.run, 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM budgets"), 1);
    struct run_key key = {.owner = BYTES("ann"), .run = kit_bytes(row.run)};
    assert_int_equal(runs_do(runs, budgets_drop_tx, &key), ERR_NONE);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM budgets"), 0);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM budget_means"), 0);
}

static void no_budget_gets_the_id_of_one_that_is_gone(void **state) {
    struct runs_kit *runs = *state;
    int64_t last = 0;
    for (int i = 0; i < 3; i++) {
        (void)budgets_wall(runs, "global", 1000);
        int64_t id = runs_count(runs, "SELECT id FROM budgets");
        assert_true(id > last);
        last = id;
        budgets_remove(runs, "global");
    }
}

static void what_is_reserved_outlives_the_daemon_and_nothing_more(void **state) {
    struct runs_kit *runs = *state;
    (void)budgets_wall(runs, "global", 5 * FIRST);
    struct runs_row first = runs_add(runs), second = runs_add(runs);
    runs_restart(runs);
    assert_int_equal(budgets_reserved(runs, "global"), 2 * FIRST);
    (void)budgets_finish(runs, first.run, 10);
    (void)budgets_finish(runs, second.run, 20);
    assert_int_equal(budgets_reserved(runs, "global"), 0);
    assert_int_equal(budgets_spent(runs, "global"), 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(without_a_budget_nothing_is_reserved_or_counted),
        RUNS_TEST(what_is_reserved_at_the_start_is_settled_at_the_end),
        RUNS_TEST(without_a_measure_the_times_of_the_row_say_what_it_took),
        RUNS_TEST(every_node_above_a_run_is_charged_and_no_other),
        RUNS_TEST(projects_of_two_owners_are_two_projects),
        RUNS_TEST(an_attempt_that_never_began_costs_nothing_and_teaches_nothing),
        RUNS_TEST(an_attempt_that_did_not_complete_is_charged_and_teaches_nothing),
        RUNS_TEST(each_attempt_is_admitted_and_charged_by_itself),
        RUNS_TEST(an_agent_counts_as_one_and_a_job_as_none),
        RUNS_TEST(a_run_that_had_begun_before_the_budget_is_not_charged),
        RUNS_TEST(one_that_waited_for_a_slot_before_the_budget_is_asked_all_the_same),
        RUNS_TEST(a_run_under_a_budget_that_is_used_up_fails_and_says_why),
        RUNS_TEST(who_finds_all_reserved_waits_and_is_let_in_by_the_commit_that_frees),
        RUNS_TEST(who_waits_while_all_is_spent_fails),
        RUNS_TEST(a_lane_goes_by_priority_and_then_by_age),
        RUNS_TEST(a_newcomer_does_not_overtake_who_waits),
        RUNS_TEST(who_waits_for_one_thing_holds_back_nobody_who_waits_for_another),
        RUNS_TEST(a_wait_for_a_budget_takes_no_slot_and_keeps_its_key),
        RUNS_TEST(one_let_in_holds_its_reserve_until_a_slot_is_free_and_is_asked_again_then),
        RUNS_TEST(one_that_is_stopped_before_its_slot_gives_back_to_who_waits),
        RUNS_TEST(raising_a_limit_lets_in_who_waits),
        RUNS_TEST(lowering_a_limit_below_what_is_spent_refuses_who_waits),
        RUNS_TEST(removing_a_budget_lets_in_all_also_over_a_crash_in_the_middle),
        RUNS_TEST(the_one_that_was_to_go_on_may_be_stopped_and_another_does),
        RUNS_TEST(the_budget_of_a_run_goes_with_it),
        RUNS_TEST(no_budget_gets_the_id_of_one_that_is_gone),
        RUNS_TEST(what_is_reserved_outlives_the_daemon_and_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
