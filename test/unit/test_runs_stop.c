/* Stopping runs, and those below them. What a stop costs is counted in questions to the store. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

static unsigned questions;

struct err __real_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);

struct err __wrap_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows) {
    questions++;
    return __real_tx_first(tx, sql, args, count, ret_rows);
}

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

/* More than one page, and children and grandchildren in one of them. */
enum { CHILDREN = 210, GRANDCHILDREN = 30 };

struct brood {
    const char *parent, *key;
    int count;
};

struct brood_add {
    struct runs_kit *runs;
    const struct brood *brood;
};

static struct run_new new_below(struct runs_kit *runs, const char *parent, const char *key) {
    struct run_new what = runs_new(runs);
    what.parent = kit_bytes(parent);
    what.key = kit_bytes(key);
    what.key_max = key[0] == '\0' ? 0 : 1;
    return what;
}

static struct err brood_add_tx(struct tx *tx, void *ctx) {
    struct brood_add *add = ctx;
    struct err err = ERR_OK;
    for (int i = 0; i < add->brood->count && !err_failed(err); i++) {
        struct run_new what = new_below(add->runs, add->brood->parent, add->brood->key);
        struct run_row row;
        err = tx_run_submit(tx, &what, &row);
    }
    return err;
}

/* One transaction: these runs are only the ground of a test, and a server takes long for each. */
static void add_all(struct runs_kit *runs, const struct brood *brood) {
    struct brood_add add = {runs, brood};
    kit_check(runs_once(runs, brood_add_tx, &add));
}

/* A root, its children, and those of the first child; so many of all of them run. */
static struct runs_row make_tree(struct runs_kit *runs, int64_t slots) {
    runs->bounds.slots = slots;
    struct runs_row root = runs_add(runs);
    struct runs_row first = runs_add_child(runs, root.run);
    add_all(runs, &(struct brood){root.run, "", CHILDREN - 1});
    add_all(runs, &(struct brood){first.run, "", GRANDCHILDREN});
    return root;
}

static void a_large_tree_is_stopped_in_pages_deepest_first(void **state) {
    struct runs_kit *runs = *state;
    enum { RUNNING = 120, MORE = RUN_STOP_PAGE };
    struct runs_row root = make_tree(runs, RUNNING);
    add_all(runs, &(struct brood){root.run, "", MORE});
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
                     1 + CHILDREN + MORE + GRANDCHILDREN - RUNNING);
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
    kit_check(runs_once(runs, turn_tx, &turn));
    if (turn.wake[0] != '\0') {
        struct runs_wake wake = {.key = {.run = kit_bytes(turn.wake)}, .bounds = runs->bounds};
        kit_check(runs_once(runs, runs_wake_tx, &wake));
    }
    if (turn.stop[0] != '\0') {
        struct runs_settle settle = {.what = runs_exit(runs, turn.stop, 0)};
        settle.what.attempt = turn.attempt;
        settle.what.end.why = ATTEMPT_STOPPED;
        kit_check(runs_once(runs, runs_settle_tx, &settle));
        assert_false(settle.late);
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

/* --- What was freed --------------------------------------------------------------------------- */

static struct runs_row add_below(struct runs_kit *runs, const char *parent, const char *key) {
    struct run_new what = new_below(runs, parent, key);
    return runs_submit(runs, &what);
}

/* It is the next one in its child's line, and the child goes first. */
static void a_stop_begins_nothing_that_it_is_about_to_end(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row busy = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct runs_row root = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct run_new what = runs_new(runs);
    what.parent = kit_bytes(root.run);
    what.key = BYTES("k");
    what.key_max = what.priority = 1;
    struct runs_row child = runs_submit(runs, &what);
    runs->bounds.slots = 2;
    struct runs_row other = runs_add(runs); /* Takes the slot that the child will wait for. */
    runs->bounds.slots = 1;
    (void)runs_finish(runs, busy.run);
    assert_int_equal(runs_get(runs, child.run).row.gate, GATE_SLOT);
    assert_int_equal(runs_get(runs, root.run).row.gate, GATE_KEY);
    runs->bounds.slots = 2;
    struct stop stop = stop_of(runs, root.run);
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    assert_int_equal(runs_get(runs, child.run).row.state, RUN_CANCELLED);
    struct runs_row read = runs_get(runs, root.run);
    assert_int_equal(read.row.state, RUN_CANCELLED);
    assert_int_equal(read.row.attempt, 0);
    struct run_row heard;
    assert_true(runs_heard(runs, root.run, &heard));
    assert_int_equal(heard.state, RUN_CANCELLED);
    assert_null(strstr(runs_events(runs, root.run).text, "run_started"));
    assert_int_equal(runs_get(runs, other.run).row.state, RUN_RUNNING);
}

static void the_key_of_a_child_that_never_began_goes_on_with_its_parents_end(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row parent = runs_add(runs);
    struct runs_row child = add_below(runs, parent.run, "k"); /* Has the key, waits for a slot. */
    struct runs_row waits = runs_add_key(runs, (struct runs_place){.key_max = 1});
    assert_int_equal(child.row.gate, GATE_SLOT);
    assert_int_equal(waits.row.gate, GATE_KEY);
    (void)runs_finish(runs, parent.run);
    assert_int_equal(runs_get(runs, child.run).row.state, RUN_CANCELLED);
    assert_int_equal(runs_get(runs, waits.run).row.state, RUN_RUNNING);
}

static void a_key_that_one_kind_frees_begins_a_run_of_another(void **state) {
    struct runs_kit *runs = *state;
    struct run_new agent = runs_new(runs);
    agent.kind = KIND_AGENT;
    agent.key = BYTES("k");
    agent.key_max = 1;
    struct runs_row first = runs_submit(runs, &agent);
    struct runs_row job = runs_add_key(runs, (struct runs_place){.key_max = 1});
    agent.run = runs_id(runs);
    struct runs_row last = runs_submit(runs, &agent);
    (void)runs_finish(runs, first.run);
    assert_int_equal(runs_get(runs, job.run).row.state, RUN_RUNNING);
    (void)runs_finish(runs, job.run);
    assert_int_equal(runs_get(runs, last.run).row.state, RUN_RUNNING);
}

static void who_held_back_its_line_and_is_stopped_holds_it_back_no_more(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row first = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct runs_row strict = runs_add_key(runs, (struct runs_place){.key_max = 1});
    struct runs_row lenient = runs_add_key(runs, (struct runs_place){.key_max = 5});
    struct stop stop = stop_of(runs, strict.run);
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    assert_int_equal(runs_get(runs, lenient.run).row.state, RUN_RUNNING);
    assert_int_equal(runs_get(runs, first.run).row.state, RUN_RUNNING);
}

/* --- What it costs ---------------------------------------------------------------------------- */

static unsigned stop_all(struct runs_kit *runs, const char *run, unsigned *ret_most) {
    struct stop stop = stop_of(runs, run);
    unsigned pages = 0;
    *ret_most = 0;
    do {
        questions = 0;
        kit_check(runs_once(runs, stop_tx, &stop));
        *ret_most = questions > *ret_most ? questions : *ret_most;
        pages++;
    } while (stop.more);
    return pages;
}

static void a_page_costs_what_it_asks_however_large_the_tree_is(void **state) {
    struct runs_kit *runs = *state;
    enum { COUNT = 600, EACH = 8 };
    runs->bounds.slots = COUNT + 1; /* All of them run: those that were asked are still there. */
    struct runs_row root = runs_add(runs);
    add_all(runs, &(struct brood){root.run, "", COUNT});
    unsigned most = 0;
    assert_int_equal(stop_all(runs, root.run, &most), COUNT / RUN_STOP_PAGE + 1);
    assert_in_range(most, RUN_STOP_PAGE, RUN_STOP_PAGE * EACH);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE stop = ''"), 0);
}

static void keys_are_handed_on_once_for_all_that_a_page_ends(void **state) {
    struct runs_kit *runs = *state;
    enum { COUNT = 150, EACH = 8 };
    runs->bounds.slots = 1;
    struct runs_row root = runs_add(runs);
    add_all(runs, &(struct brood){root.run, "k", COUNT});
    unsigned most = 0;
    assert_int_equal(stop_all(runs, root.run, &most), 1);
    assert_in_range(most, COUNT, COUNT * EACH); /* Handed on for each it was twice as much. */
}

static void a_deep_chain_ends_to_its_last(void **state) {
    struct runs_kit *runs = *state;
    enum { DEPTH = 250 };
    runs->bounds.slots = DEPTH / 2;
    struct runs_row root = runs_add(runs), at = root;
    for (int i = 0; i < DEPTH; i++) {
        at = runs_add_child(runs, at.run);
    }
    unsigned most = 0, turns = 0;
    (void)stop_all(runs, root.run, &most);
    while (dispatch(runs)) {
        assert_true(turns++ < 3 * DEPTH);
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state <> 'cancelled'"), 0);
}

static void a_stop_that_a_crash_cut_short_goes_on_by_itself(void **state) {
    struct runs_kit *runs = *state;
    static const int64_t slots[] = {7, 1000};
    for (size_t i = 0; i < COUNT_OF(slots); i++) {
        struct runs_row root = make_tree(runs, slots[i]);
        struct stop stop = stop_of(runs, root.run);
        assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
        assert_true(stop.more);
        runs_restart(runs);
        unsigned turns = 0;
        while (dispatch(runs)) {
            assert_true(turns++ < 3 * (CHILDREN + GRANDCHILDREN));
        }
        assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE ended_ms IS NULL"), 0);
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state <> 'cancelled'"), 0);
}

static void a_tree_that_is_being_stopped_does_not_grow(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row root = runs_add(runs);
    struct stop stop = stop_of(runs, root.run);
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    struct runs_submit submit = {.what = runs_new(runs)};
    submit.what.parent = kit_bytes(root.run);
    assert_int_equal(runs_do(runs, runs_submit_tx, &submit), ERR_CONFLICT);
}

static void those_below_get_the_time_that_whoever_stopped_it_gave(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1000;
    struct runs_row root = make_tree(runs, 1000);
    struct stop stop = stop_of(runs, root.run);
    stop.what.grace_ms = 70;
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE); /* One page. */
    while (dispatch(runs)) {
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE stop_grace_ms <> 70"), 0);
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
        RUNS_TEST(a_stop_begins_nothing_that_it_is_about_to_end),
        RUNS_TEST(the_key_of_a_child_that_never_began_goes_on_with_its_parents_end),
        RUNS_TEST(a_key_that_one_kind_frees_begins_a_run_of_another),
        RUNS_TEST(who_held_back_its_line_and_is_stopped_holds_it_back_no_more),
        RUNS_TEST(a_page_costs_what_it_asks_however_large_the_tree_is),
        RUNS_TEST(keys_are_handed_on_once_for_all_that_a_page_ends),
        RUNS_TEST(a_deep_chain_ends_to_its_last),
        RUNS_TEST(a_stop_that_a_crash_cut_short_goes_on_by_itself),
        RUNS_TEST(a_tree_that_is_being_stopped_does_not_grow),
        RUNS_TEST(those_below_get_the_time_that_whoever_stopped_it_gave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
