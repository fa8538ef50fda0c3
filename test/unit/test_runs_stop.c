/* Stopping runs, and those below them. */
#include "runs_kit.h"

struct stop {
    struct run_stop what;
    bool more;
    struct runs_row row;
};

static struct err stop_tx(struct tx *tx, void *ctx) {
    struct stop *stop = ctx;
    struct run_row row;
    struct err err = tx_run_stop(tx, &stop->what, &stop->more, &row);
    if (!err_failed(err)) {
        runs_copy(&row, &stop->row);
    }
    return err;
}

static struct stop stop_of(struct runs_kit *runs, const char *run) {
    return (struct stop){.what = {.key = {.owner = BYTES("ann"), .run = kit_bytes(run)},
                                  .cause = CAUSE_STOPPED,
                                  .grace_ms = 5000,
                                  .bounds = runs->bounds}};
}

static void a_running_run_is_asked_and_ends_as_cancelled(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct stop stop = stop_of(runs, row.run);
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    assert_false(stop.more);
    struct run_row heard;
    assert_true(runs_heard(runs, row.run, &heard));
    assert_true(run_effects(&heard, store_epoch(runs->kit.store), RUN_FREE).stop);
    assert_int_equal(heard.stop_grace_ms, 5000);
    struct run_settle what = runs_exit(runs, row.run, 0);
    what.end.why = ATTEMPT_STOPPED;
    what.retry = (struct retry_policy){.max = 9, .on = RETRY_FAILED};
    assert_int_equal(runs_settle(runs, &what).row.row.state, RUN_CANCELLED);
    assert_non_null(strstr(runs_events(runs, row.run).text,
                           "run_stopping {\"cause\":\"stopped\",\"grace_ms\":5000};run_finished "
                           "{\"state\":\"cancelled\",\"cause\":\"stopped\""));
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_CONFLICT);
}

static void a_second_stop_may_only_be_more_urgent(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct stop stop = stop_of(runs, row.run);
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    stop.what.grace_ms = 9000;
    stop.what.cause = CAUSE_DEADLINE;
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    assert_int_equal(runs_get(runs, row.run).row.stop_grace_ms, 5000);
    stop.what.grace_ms = 0;
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    struct runs_row read = runs_get(runs, row.run);
    assert_int_equal(read.row.stop_grace_ms, 0);
    assert_int_equal(read.row.stop, CAUSE_STOPPED); /* Who asked first is why. */
}

static void a_stop_of_a_stranger_finds_nothing(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct stop stop = stop_of(runs, row.run);
    stop.what.key.owner = BYTES("eve");
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NOT_FOUND);
}

static void what_has_not_begun_ends_at_once_and_hands_on_its_key(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row busy = runs_add(runs);
    struct runs_row holder = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct runs_row waits = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct stop stop = stop_of(runs, holder.run);
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    assert_int_equal(stop.row.row.state, RUN_CANCELLED);
    assert_int_equal(runs_get(runs, holder.run).row.cause, CAUSE_STOPPED);
    assert_int_equal(runs_get(runs, waits.run).row.gate, GATE_SLOT);
    assert_int_equal(runs_get(runs, busy.run).row.state, RUN_RUNNING);
}

/* --- Trees ------------------------------------------------------------------------------------ */

enum { CHILDREN = 300, GRANDCHILDREN = 150 };

/* A root, 300 children, and 150 of the first child; so many of all of them run. */
static struct runs_row make_tree(struct runs_kit *runs, int64_t slots) {
    runs->bounds.slots = slots;
    struct runs_row root = runs_add(runs);
    struct runs_row first = runs_add_child(runs, root.run);
    for (int i = 1; i < CHILDREN; i++) {
        (void)runs_add_child(runs, root.run);
    }
    for (int i = 0; i < GRANDCHILDREN; i++) {
        (void)runs_add_child(runs, first.run);
    }
    return root;
}

static void a_large_tree_is_stopped_in_pages_deepest_first(void **state) {
    struct runs_kit *runs = *state;
    enum { RUNNING = 120 };
    struct runs_row root = make_tree(runs, RUNNING);
    struct runs_row other = runs_add(runs);
    struct stop stop = stop_of(runs, root.run);
    unsigned calls = 0;
    do {
        assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
        calls++;
    } while (stop.more);
    assert_int_equal(calls, 3);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'"
                                      " AND stop <> ''"),
                     RUNNING);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'cancelled'"),
                     1 + CHILDREN + GRANDCHILDREN - RUNNING);
    assert_int_equal(runs_get(runs, other.run).row.state, RUN_QUEUED);
    assert_int_equal(runs_get(runs, other.run).row.stop, CAUSE_NONE);
}

/* Does what the dispatcher does: ends who was asked to, wakes who is due. False: nothing to do. */
struct turn {
    char stop[ID_SIZE], wake[ID_SIZE];
    int64_t attempt;
};

static struct err turn_find(struct tx *tx, const char *sql, char *run, int64_t *ret_attempt) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, NULL /* no argument */, 0, &rows);
    run[0] = '\0';
    if (!err_failed(err) && rows != NULL) {
        runs_copy_text(rows_text(rows, 0), run, ID_SIZE);
        *ret_attempt = rows_int(rows, 1);
    }
    return err;
}

static struct err turn_tx(struct tx *tx, void *ctx) {
    struct turn *turn = ctx;
    int64_t ignored = 0;
    struct err err = turn_find(tx,
                               "SELECT run, attempt FROM runs WHERE ended_ms IS NULL"
                               " AND stop <> '' AND gate = '' ORDER BY id LIMIT 1",
                               turn->stop, &turn->attempt);
    return err_failed(err) ? err
                           : turn_find(tx,
                                       "SELECT run, attempt FROM runs WHERE ended_ms IS NULL"
                                       " AND gate = 'time' ORDER BY id LIMIT 1",
                                       turn->wake, &ignored);
}

static bool dispatch(struct runs_kit *runs) {
    struct turn turn;
    assert_int_equal(runs_do(runs, turn_tx, &turn), ERR_NONE);
    if (turn.wake[0] != '\0') {
        runs_wake(runs, turn.wake);
    }
    if (turn.stop[0] != '\0') {
        struct run_settle what = runs_exit(runs, turn.stop, 0);
        what.attempt = turn.attempt;
        what.end.why = ATTEMPT_STOPPED;
        assert_false(runs_settle(runs, &what).late);
    }
    return turn.wake[0] != '\0' || turn.stop[0] != '\0';
}

static void check_end_of_a_tree(struct runs_kit *runs, int64_t slots) {
    struct runs_row root = make_tree(runs, slots);
    struct runs_row other = runs_add(runs);
    (void)runs_finish(runs, root.run);
    unsigned turns = 0;
    while (dispatch(runs)) {
        assert_true(turns++ < 2 * (CHILDREN + GRANDCHILDREN));
    }
    /* Nobody of the tree lives, and the one beside it was never held back by them. */
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE ended_ms IS NULL"), 1);
    assert_int_equal(runs_get(runs, other.run).row.state, RUN_RUNNING);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'cancelled'"
                                      " AND cause = 'parent_ended'"),
                     CHILDREN + GRANDCHILDREN);
}

static void who_has_ended_takes_all_below_along_while_they_run(void **state) {
    check_end_of_a_tree(*state, 1000);
}

static void who_has_ended_takes_all_below_along_while_they_wait(void **state) {
    check_end_of_a_tree(*state, 1);
}

static void who_has_ended_takes_all_below_along_while_some_run(void **state) {
    check_end_of_a_tree(*state, 7);
}

static void one_that_waits_for_a_retry_takes_its_children_along(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row root = runs_add(runs);
    struct runs_row middle = runs_add_child(runs, root.run);
    struct runs_row leaf = runs_add_child(runs, middle.run);
    struct run_settle what = runs_exit(runs, middle.run, 1);
    what.retry = (struct retry_policy){.max = 1, .on = RETRY_FAILED, .backoff_ms = 60000};
    (void)runs_settle(runs, &what);
    assert_int_equal(runs_get(runs, leaf.run).row.stop, CAUSE_NONE); /* It may be needed yet. */
    (void)runs_finish(runs, root.run);
    while (dispatch(runs)) {
    }
    assert_int_equal(runs_get(runs, middle.run).row.state, RUN_CANCELLED);
    assert_int_equal(runs_get(runs, leaf.run).row.state, RUN_CANCELLED);
}

static void a_stop_of_a_run_that_waits_reaches_those_that_run_below(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row middle = runs_add(runs);
    struct runs_row leaf = runs_add_child(runs, middle.run);
    struct run_settle what = runs_exit(runs, middle.run, 1);
    what.retry = (struct retry_policy){.max = 1, .on = RETRY_FAILED, .backoff_ms = 60000};
    (void)runs_settle(runs, &what);
    struct stop stop = stop_of(runs, middle.run);
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    assert_int_equal(runs_get(runs, middle.run).row.state, RUN_CANCELLED);
    assert_int_equal(runs_get(runs, leaf.run).row.stop, CAUSE_PARENT_ENDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_running_run_is_asked_and_ends_as_cancelled),
        RUNS_TEST(a_second_stop_may_only_be_more_urgent),
        RUNS_TEST(a_stop_of_a_stranger_finds_nothing),
        RUNS_TEST(what_has_not_begun_ends_at_once_and_hands_on_its_key),
        RUNS_TEST(a_large_tree_is_stopped_in_pages_deepest_first),
        RUNS_TEST(who_has_ended_takes_all_below_along_while_they_run),
        RUNS_TEST(who_has_ended_takes_all_below_along_while_they_wait),
        RUNS_TEST(who_has_ended_takes_all_below_along_while_some_run),
        RUNS_TEST(one_that_waits_for_a_retry_takes_its_children_along),
        RUNS_TEST(a_stop_of_a_run_that_waits_reaches_those_that_run_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
