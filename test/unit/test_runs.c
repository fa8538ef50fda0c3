/* The transactions of runs: submit, admission, keys, settling. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

/* --- Submitting ------------------------------------------------------------------------------- */

static void a_run_with_a_free_slot_begins_in_the_commit_that_makes_it(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    assert_int_equal(row.row.state, RUN_RUNNING);
    struct runs_row read = runs_get(runs, row.run);
    assert_int_equal(read.row.state, RUN_RUNNING);
    assert_int_equal(read.row.attempt, 1);
    assert_int_equal(read.row.epoch, store_epoch(runs->kit.store));
    assert_int_equal(read.row.started_ms, runs->kit.clock_ms);
    assert_int_equal(read.row.exit_code, -1);
    assert_string_equal(read.host, "here");
    assert_string_equal(runs_events(runs, row.run).text, "run_started {\"attempt\":1};");
    struct run_row heard;
    assert_true(runs_heard(runs, row.run, &heard));
    assert_true(run_effects(&heard, store_epoch(runs->kit.store), RUN_FREE).start);
    assert_int_equal(heard.spec.len, strlen("{\"argv\":[\"true\"]}"));
    assert_memory_equal(heard.spec.data, "{\"argv\":[\"true\"]}", heard.spec.len);
}

static void without_a_slot_a_run_waits_for_one_and_says_so(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row first = runs_add(runs), second = runs_add(runs), third = runs_add(runs);
    assert_int_equal(second.row.gate, GATE_SLOT);
    assert_int_equal(third.row.gate, GATE_SLOT);
    assert_string_equal(runs_events(runs, second.run).text, "run_queued {\"gate\":\"slot\"};");
    (void)runs_finish(runs, first.run);
    assert_int_equal(runs_get(runs, second.run).row.state, RUN_RUNNING);
    assert_int_equal(runs_get(runs, third.run).row.state, RUN_QUEUED);
    assert_string_equal(runs_events(runs, second.run).text,
                        "run_queued {\"gate\":\"slot\"};run_started {\"attempt\":1};");
}

static void slots_go_by_priority_and_then_by_age(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row first = runs_add(runs), old = runs_add(runs), young = runs_add(runs);
    struct run_new urgent = runs_new(runs);
    urgent.priority = 5;
    struct runs_row soon = runs_submit(runs, &urgent);
    const char *const order[] = {soon.run, old.run, young.run};
    (void)runs_finish(runs, first.run);
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        for (size_t j = i; j < COUNT_OF(order); j++) {
            assert_int_equal(runs_get(runs, order[j]).row.state == RUN_RUNNING, j == i);
        }
        (void)runs_finish(runs, order[i]);
    }
}

static void at_most_so_many_slots_are_taken_whatever_happens(void **state) {
    struct runs_kit *runs = *state;
    enum { COUNT = 30, SLOTS = 4 };
    runs->bounds.slots = SLOTS;
    struct runs_row rows[COUNT];
    for (int i = 0; i < COUNT; i++) {
        rows[i] = runs_add(runs);
    }
    for (int i = 0; i < COUNT; i++) {
        int64_t running = runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'");
        assert_int_equal(running, COUNT - i < SLOTS ? COUNT - i : SLOTS);
        (void)runs_finish(runs, rows[i].run);
    }
}

static void a_parent_must_be_ones_own_and_alive(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row parent = runs_add(runs);
    struct runs_row child = runs_add_child(runs, parent.run);
    assert_int_equal(child.row.parent, parent.row.id);
    struct runs_submit submit = {.what = runs_new(runs)};
    submit.what.parent = kit_bytes(parent.run);
    submit.what.owner = BYTES("eve");
    assert_int_equal(runs_do(runs, runs_submit_tx, &submit), ERR_NOT_FOUND);
    submit.what.owner = BYTES("ann");
    (void)runs_finish(runs, parent.run);
    assert_int_equal(runs_do(runs, runs_submit_tx, &submit), ERR_CONFLICT);
}

static void a_run_of_another_owner_is_not_found(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct runs_find find = {.key = {.owner = BYTES("eve"), .run = kit_bytes(row.run)}};
    assert_int_equal(runs_do(runs, runs_find_tx, &find), ERR_NONE);
    assert_false(find.found);
    find.key.owner = (struct bytes){NULL, 0}; /* Anybody's. */
    assert_int_equal(runs_do(runs, runs_find_tx, &find), ERR_NONE);
    assert_true(find.found);
}

/* --- Keys ------------------------------------------------------------------------------------- */

static void a_key_lets_so_many_run_in_order_of_priority_and_age(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_place place = {.key_max = 1}, urgent = {.key_max = 1, .priority = 1};
    struct runs_row first = runs_add_key(runs, place);
    struct runs_row old = runs_add_key(runs, place), young = runs_add_key(runs, place);
    struct runs_row soon = runs_add_key(runs, urgent);
    assert_int_equal(first.row.state, RUN_RUNNING);
    assert_int_equal(old.row.gate, GATE_KEY);
    assert_int_equal(soon.row.gate, GATE_KEY);
    struct runs_row other = runs_add(runs); /* A full key holds back nobody else. */
    assert_int_equal(other.row.state, RUN_RUNNING);
    (void)runs_finish(runs, first.run);
    assert_int_equal(runs_get(runs, soon.run).row.state, RUN_RUNNING);
    assert_int_equal(runs_get(runs, old.run).row.gate, GATE_KEY);
    (void)runs_finish(runs, soon.run);
    assert_int_equal(runs_get(runs, old.run).row.state, RUN_RUNNING);
    assert_int_equal(runs_get(runs, young.run).row.gate, GATE_KEY);
    (void)runs_finish(runs, old.run);
    assert_int_equal(runs_get(runs, young.run).row.state, RUN_RUNNING);
}

static void keys_of_two_owners_are_two_keys(void **state) {
    struct runs_kit *runs = *state;
    (void)runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct run_new what = runs_new(runs);
    what.owner = BYTES("bob");
    what.key = BYTES("k");
    what.key_max = 1;
    assert_int_equal(runs_submit(runs, &what).row.state, RUN_RUNNING);
}

static void who_waits_for_a_slot_has_its_key_already(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row first = runs_add(runs);
    struct runs_row holder = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct runs_row waits = runs_add_key(runs, (struct runs_place){.key_max = 1, .priority = 9});
    assert_int_equal(holder.row.gate, GATE_SLOT);
    assert_int_equal(waits.row.gate, GATE_KEY);
    (void)runs_finish(runs, first.run);
    assert_int_equal(runs_get(runs, holder.run).row.state, RUN_RUNNING);
    (void)runs_finish(runs, holder.run);
    assert_int_equal(runs_get(runs, waits.run).row.state, RUN_RUNNING);
}

static void who_is_first_in_line_holds_back_who_would_fit(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row first = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct runs_row strict = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct runs_row lenient = runs_add_key(runs, (struct runs_place){.key_max = 5});
    assert_int_equal(strict.row.gate, GATE_KEY);
    assert_int_equal(lenient.row.gate, GATE_KEY);
    (void)runs_finish(runs, first.run);
    assert_int_equal(runs_get(runs, strict.run).row.state, RUN_RUNNING);
    assert_int_equal(runs_get(runs, lenient.run).row.state, RUN_RUNNING); /* Two of five. */
}

/* --- Settling --------------------------------------------------------------------------------- */

static void the_end_of_an_attempt_is_the_end_of_a_run(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    runs->kit.clock_ms += 1500;
    struct run_settle what = runs_exit(runs, row.run, 3);
    what.note = BYTES("it said \"no\"");
    struct runs_settle settle = runs_settle(runs, &what);
    assert_false(settle.late);
    struct runs_row read = runs_get(runs, row.run);
    assert_int_equal(read.row.state, RUN_FAILED);
    assert_int_equal(read.row.cause, CAUSE_EXIT_CODE);
    assert_int_equal(read.row.exit_code, 3);
    assert_int_equal(read.row.ended_ms - read.row.started_ms, 1500);
    assert_string_equal(read.result, "{}");
    assert_string_equal(read.note, "it said \"no\"");
    assert_string_equal(
        runs_events(runs, row.run).text,
        "run_started {\"attempt\":1};run_finished {\"state\":\"failed\",\"cause\":\"exit_code\","
        "\"exit_code\":3,\"attempts\":1,\"note\":\"it said \\\"no\\\"\"};");
}

static void a_job_ends_when_its_command_did_whatever_the_clock_says(void **state) {
    struct runs_kit *runs = *state;
    static const int64_t steps_ms[] = {500, 3600 * 1000, -INT64_C(259194000)};
    for (size_t i = 0; i < COUNT_OF(steps_ms); i++) {
        struct runs_row row = runs_add(runs);
        runs->kit.clock_ms += steps_ms[i]; /* The daemon was away, or somebody set the clock. */
        struct run_settle what = runs_exit(runs, row.run, 0);
        what.usage = (struct run_usage){.known = true, .wall_ms = 250};
        (void)runs_settle(runs, &what);
        struct runs_row read = runs_get(runs, row.run);
        assert_int_equal(read.row.ended_ms - read.row.started_ms, 250);
    }
    assert_int_equal(
        runs_count(runs, "SELECT count(*) FROM spans WHERE ended_ms - started_ms = 250"), 3);
}

static void an_end_without_a_measured_time_is_that_of_its_commit_but_not_before_its_start(
    void **state) {
    struct runs_kit *runs = *state;
    static const int64_t steps_ms[] = {1500, -INT64_C(259194000)};
    for (size_t i = 0; i < COUNT_OF(steps_ms); i++) {
        struct runs_row row = runs_add(runs);
        runs->kit.clock_ms += steps_ms[i];
        struct run_settle what = runs_exit(runs, row.run, 0);
        what.usage = (struct run_usage){.known = true, .wall_ms = -1}; /* Of an older holder. */
        (void)runs_settle(runs, &what);
        struct runs_row read = runs_get(runs, row.run);
        int64_t took_ms = read.row.ended_ms - read.row.started_ms;
        assert_true(steps_ms[i] > 0 ? took_ms == steps_ms[i] : took_ms >= 0);
    }
}

static void attempts_whose_command_did_not_begin_are_not_counted(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct run_settle what = runs_exit(runs, row.run, 3);
    what.end = (struct attempt){.end = ATTEMPT_VOID};
    struct runs_settle settle = runs_settle(runs, &what); /* Begun again at once. */
    assert_int_equal(settle.row.row.attempt, 2);
    assert_int_equal(run_attempts(&settle.row.row), 1);
    what = runs_exit(runs, row.run, 3);
    what.attempt = 2;
    what.end = (struct attempt){.end = ATTEMPT_NOT_STARTED};
    settle = runs_settle(runs, &what);
    assert_int_equal(settle.row.row.state, RUN_FAILED);
    assert_int_equal(settle.row.row.attempt, 2);
    assert_int_equal(run_attempts(&settle.row.row), 0);
    assert_non_null(strstr(runs_events(runs, row.run).text, "\"attempts\":0"));
}

static void late_results_change_nothing_and_say_so(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct run_settle what = runs_exit(runs, row.run, 0);
    what.attempt = 2;
    assert_true(runs_settle(runs, &what).late); /* Of an attempt that is not. */
    what.attempt = 1;
    what.end.code = 7;
    assert_false(runs_settle(runs, &what).late);
    size_t told = runs->count;
    what.end.code = 0;
    assert_true(runs_settle(runs, &what).late); /* A second time. */
    assert_int_equal(runs->count, told);
    assert_int_equal(runs_get(runs, row.run).row.exit_code, 7);
    what.run = BYTES("run_00000000000000000000000000");
    assert_true(runs_settle(runs, &what).late); /* Of a run that is no more. */
}

static void a_sentence_that_is_too_long_is_cut_between_characters(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    char note[700];
    for (size_t i = 0; i < sizeof note; i += 2) {
        memcpy(note + i, "\xc3\xa4", 2);
    }
    struct run_settle what = runs_exit(runs, row.run, 1);
    what.note = (struct bytes){note + 1, sizeof note - 1};
    what.note = (struct bytes){note, 699};
    (void)runs_settle(runs, &what);
    assert_int_equal(strlen(runs_get(runs, row.run).note), 500);
}

/* --- Again ------------------------------------------------------------------------------------ */

static void a_retry_waits_and_is_woken(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct run_settle what = runs_exit(runs, row.run, 1);
    what.retry = (struct retry_policy){.max = 1, .on = RETRY_FAILED, .backoff_ms = 1000};
    (void)runs_settle(runs, &what);
    struct runs_row read = runs_get(runs, row.run);
    assert_int_equal(read.row.state, RUN_QUEUED);
    assert_int_equal(read.row.gate, GATE_TIME);
    assert_int_equal(read.row.not_before_ms, runs->kit.clock_ms + 1000);
    struct run_row heard;
    assert_true(runs_heard(runs, row.run, &heard));
    assert_true(run_effects(&heard, store_epoch(runs->kit.store), RUN_FREE).wake);
    assert_true(runs_settle(runs, &what).late); /* Nobody settles who waits. */
    runs_wake(runs, row.run);
    assert_int_equal(runs_get(runs, row.run).row.attempt, 2);
}

static void a_run_that_is_submitted_for_later_is_woken(void **state) {
    struct runs_kit *runs = *state;
    struct run_new what = runs_new(runs);
    what.not_before_ms = runs->kit.clock_ms + 1000;
    struct runs_row row = runs_submit(runs, &what);
    assert_int_equal(row.row.gate, GATE_TIME);
    assert_int_equal(runs_get(runs, row.run).row.not_before_ms, what.not_before_ms);
    runs_wake(runs, row.run);
    assert_int_equal(runs_get(runs, row.run).row.state, RUN_RUNNING);
}

static void who_is_woken_goes_through_its_other_gates(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct run_settle what = runs_exit(runs, row.run, 1);
    what.retry = (struct retry_policy){.max = 2, .on = RETRY_FAILED, .backoff_ms = 1000};
    (void)runs_settle(runs, &what);
    struct runs_row other = runs_add_key(runs, (struct runs_place){.key_max = 1});
    assert_int_equal(other.row.state, RUN_RUNNING); /* Who waits for its time keeps no key. */
    runs_wake(runs, row.run);
    assert_int_equal(runs_get(runs, row.run).row.gate, GATE_KEY);
    (void)runs_finish(runs, other.run);
    struct runs_row read = runs_get(runs, row.run);
    assert_int_equal(read.row.state, RUN_RUNNING);
    assert_int_equal(read.row.attempt, 2);
    assert_int_equal(read.row.failures, 1);
    runs_wake(runs, row.run); /* A second one, late: nothing. */
    assert_int_equal(runs_get(runs, row.run).row.attempt, 2);
    assert_non_null(strstr(runs_events(runs, row.run).text,
                           "run_retrying {\"attempt\":1,\"cause\":\"exit_code\",\"wait_ms\":1000,"
                           "\"note\":\"\"};run_started {\"attempt\":2};"));
}

static void a_void_start_begins_again_at_once_and_keeps_its_key(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_place place = {.key_max = 1}, urgent = {.key_max = 1, .priority = 9};
    struct runs_row row = runs_add_key(runs, place), other = runs_add_key(runs, urgent);
    struct run_settle what = runs_exit(runs, row.run, 0);
    what.end = (struct attempt){.end = ATTEMPT_VOID};
    struct runs_settle settle = runs_settle(runs, &what);
    assert_int_equal(settle.row.row.state, RUN_RUNNING);
    assert_int_equal(settle.row.row.attempt, 2);
    assert_int_equal(settle.row.row.voids, 1);
    assert_int_equal(runs_get(runs, other.run).row.gate, GATE_KEY);
    for (int64_t attempt = 2; attempt <= 4; attempt++) {
        what.attempt = attempt;
        assert_int_equal(runs_settle(runs, &what).row.row.gate, GATE_TIME);
        if (attempt == 2) { /* While it waited, the other one took the key. */
            (void)runs_finish(runs, other.run);
        }
        runs_wake(runs, row.run);
    }
    what.attempt = 5;
    settle = runs_settle(runs, &what);
    assert_int_equal(settle.row.row.state, RUN_FAILED);
    assert_int_equal(settle.row.row.cause, CAUSE_NOT_STARTED);
}

static void a_retry_at_once_lets_the_more_urgent_go_first(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row row = runs_add(runs);
    struct run_new what = runs_new(runs);
    what.priority = 1;
    struct runs_row urgent = runs_submit(runs, &what);
    struct run_settle end = runs_exit(runs, row.run, 0);
    end.end = (struct attempt){.end = ATTEMPT_VOID};
    assert_int_equal(runs_settle(runs, &end).row.row.gate, GATE_SLOT);
    assert_int_equal(runs_get(runs, urgent.run).row.state, RUN_RUNNING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_run_with_a_free_slot_begins_in_the_commit_that_makes_it),
        RUNS_TEST(without_a_slot_a_run_waits_for_one_and_says_so),
        RUNS_TEST(slots_go_by_priority_and_then_by_age),
        RUNS_TEST(at_most_so_many_slots_are_taken_whatever_happens),
        RUNS_TEST(a_parent_must_be_ones_own_and_alive),
        RUNS_TEST(a_run_of_another_owner_is_not_found),
        RUNS_TEST(a_key_lets_so_many_run_in_order_of_priority_and_age),
        RUNS_TEST(keys_of_two_owners_are_two_keys),
        RUNS_TEST(who_waits_for_a_slot_has_its_key_already),
        RUNS_TEST(who_is_first_in_line_holds_back_who_would_fit),
        RUNS_TEST(the_end_of_an_attempt_is_the_end_of_a_run),
        RUNS_TEST(a_job_ends_when_its_command_did_whatever_the_clock_says),
        RUNS_TEST(an_end_without_a_measured_time_is_that_of_its_commit_but_not_before_its_start),
        RUNS_TEST(attempts_whose_command_did_not_begin_are_not_counted),
        RUNS_TEST(late_results_change_nothing_and_say_so),
        RUNS_TEST(a_sentence_that_is_too_long_is_cut_between_characters),
        RUNS_TEST(a_retry_waits_and_is_woken),
        RUNS_TEST(a_run_that_is_submitted_for_later_is_woken),
        RUNS_TEST(who_is_woken_goes_through_its_other_gates),
        RUNS_TEST(a_void_start_begins_again_at_once_and_keeps_its_key),
        RUNS_TEST(a_retry_at_once_lets_the_more_urgent_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
