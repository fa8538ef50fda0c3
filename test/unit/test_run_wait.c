/* How a dispatcher learns that a run ended. The test has the rows, and answers the reads. */
#include "dispatch/base/run_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "engine/run/runs.h"

struct waiter {
    struct run_wait wait;
    unsigned changes, ends;
    struct waiter *cancels; /* Wait that its callbacks cancel; NULL: none. */
    bool again;             /* The next end starts it again. */
};
struct bench {
    struct effects *effects;
    struct run_waits waits;
    struct waiter one, other;
};

/* The read on its way; the row of each run, as of now. */
static struct {
    store_fn fn;
    store_done done;
    void *ctx;
    unsigned reads;
    struct run_row row;
    bool found;
} out;

void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx);
void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx) {
    assert_null(out.done);
    out.fn = fn;
    out.done = done;
    out.ctx = ctx;
    out.reads++;
}

struct err __wrap_tx_run_find_shown(struct tx *tx, const struct run_key *key, bool *ret_found,
                                    struct run_row *ret_row);
struct err __wrap_tx_run_find_shown(struct tx *tx, const struct run_key *key, bool *ret_found,
                                    struct run_row *ret_row) {
    assert_true(bytes_begin(key->run, BYTES("run_")));
    *ret_found = out.found;
    *ret_row = out.row;
    return ERR_OK;
}

/* The snapshot of the read that is away is taken, and its answer is kept back. */
static void snapshot(void) {
    assert_non_null(out.done);
    assert_int_equal(out.fn(NULL, out.ctx).code, ERR_NONE);
}

static void deliver(void) {
    store_done done = out.done;
    assert_non_null(done);
    out.done = NULL;
    done(ERR_OK, out.ctx);
}

static void answer(void) {
    snapshot();
    deliver();
}

static void write_row(enum run_state state) {
    out.found = true;
    out.row = (struct run_row){.run = BYTES("run_1"), .state = state, .attempt = 1};
}

static void note(struct bench *bench, enum run_state state) {
    write_row(state);
    run_waits_note(&bench->waits, &out.row);
}

static void on_change(struct run_wait *wait) {
    struct waiter *waiter = CONTAINER_OF(wait, struct waiter, wait);
    waiter->changes++;
    if (waiter->cancels != NULL) {
        run_wait_cancel(&waiter->cancels->wait);
    }
}

static void on_end(struct run_wait *wait) {
    struct waiter *waiter = CONTAINER_OF(wait, struct waiter, wait);
    assert_int_equal(wait->state, RUN_WAIT_IDLE);
    waiter->ends++;
    if (waiter->again) {
        waiter->again = false;
        run_wait_start(wait->waits, wait, BYTES("run_1"));
    }
}

static void start(struct bench *bench, struct waiter *waiter) {
    run_wait_start(&bench->waits, &waiter->wait, BYTES("run_1"));
}

static int open_bench(void **state) {
    struct bench *bench = mem_new(sizeof *bench);
    memset(&out, 0, sizeof out);
    bench->effects = effects_new(world_real());
    run_waits_init(&bench->waits, &(struct asker){.effects = bench->effects});
    bench->one.wait = bench->other.wait =
        (struct run_wait){.on_change = on_change, .on_end = on_end};
    *state = bench;
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    run_wait_cancel(&bench->one.wait);
    run_wait_cancel(&bench->other.wait);
    run_waits_stop(&bench->waits);
    if (out.done != NULL) {
        deliver();
    }
    run_waits_done(&bench->waits);
    effects_free(bench->effects);
    mem_free(bench);
    return 0;
}

static void a_run_that_ended_before_the_wait_is_learned_from_its_row(void **state) {
    struct bench *bench = *state;
    write_row(RUN_FAILED);
    start(bench, &bench->one);
    assert_int_equal(bench->one.ends, 0); /* Never inside the call. */
    answer();
    assert_int_equal(bench->one.ends, 1);
    assert_int_equal(bench->one.wait.status.state, RUN_FAILED);
    assert_int_equal(bench->one.wait.status.attempt, 1);
}

static void a_run_that_ends_later_is_learned_from_its_note(void **state) {
    struct bench *bench = *state;
    write_row(RUN_RUNNING);
    start(bench, &bench->one);
    answer();
    assert_int_equal(bench->one.changes, 1);
    note(bench, RUN_WAITING);
    assert_int_equal(bench->one.changes, 2);
    note(bench, RUN_SUCCEEDED);
    note(bench, RUN_SUCCEEDED);
    assert_int_equal(bench->one.ends, 1);
    assert_int_equal(bench->one.changes, 2);
    assert_int_equal(out.reads, 1);
}

static void a_note_is_newer_than_the_row_that_is_being_read(void **state) {
    struct bench *bench = *state;
    write_row(RUN_WAITING);
    start(bench, &bench->one);
    snapshot();
    note(bench, RUN_RUNNING);
    deliver();
    assert_int_equal(bench->one.changes, 1);
    assert_int_equal(bench->one.wait.status.state, RUN_RUNNING);
    note(bench, RUN_SUCCEEDED);
    assert_int_equal(bench->one.ends, 1);
}

static void an_end_that_is_noted_while_the_row_is_read_is_learned_once(void **state) {
    struct bench *bench = *state;
    write_row(RUN_RUNNING);
    start(bench, &bench->one);
    note(bench, RUN_SUCCEEDED);
    assert_int_equal(bench->one.ends, 1);
    answer();
    assert_int_equal(bench->one.ends, 1);
    assert_int_equal(bench->one.changes, 0);
}

static void a_wait_that_is_cancelled_learns_nothing(void **state) {
    struct bench *bench = *state;
    write_row(RUN_SUCCEEDED);
    start(bench, &bench->one);
    start(bench, &bench->other); /* The row is not read for this one yet. */
    run_wait_cancel(&bench->one.wait);
    run_wait_cancel(&bench->other.wait);
    answer();
    note(bench, RUN_SUCCEEDED);
    assert_int_equal(bench->one.ends + bench->other.ends, 0);
    assert_int_equal(out.reads, 1);
}

/* The older answer may be older than an end that was noted while nobody waited. */
static void a_wait_that_is_started_again_has_its_row_read_again(void **state) {
    struct bench *bench = *state;
    write_row(RUN_RUNNING);
    start(bench, &bench->one);
    snapshot();
    run_wait_cancel(&bench->one.wait);
    note(bench, RUN_SUCCEEDED);
    start(bench, &bench->one);
    deliver();
    assert_int_equal(bench->one.changes, 0);
    answer();
    assert_int_equal(bench->one.ends, 1);
    assert_int_equal(out.reads, 2);
}

static void a_run_that_is_yet_to_be_written_is_not_read(void **state) {
    struct bench *bench = *state;
    run_wait_expect(&bench->waits, &bench->one.wait, BYTES("run_1"));
    assert_int_equal(out.reads, 0);
    note(bench, RUN_RUNNING);
    note(bench, RUN_FAILED);
    assert_int_equal(bench->one.changes, 1);
    assert_int_equal(bench->one.ends, 1);
}

static void a_run_that_was_removed_has_ended(void **state) {
    struct bench *bench = *state;
    start(bench, &bench->one);
    answer();
    assert_int_equal(bench->one.ends, 1);
    assert_false(bench->one.wait.status.found);
}

static void each_wait_for_a_run_learns_once_whatever_callbacks_do(void **state) {
    struct bench *bench = *state;
    run_wait_expect(&bench->waits, &bench->one.wait, BYTES("run_1"));
    run_wait_expect(&bench->waits, &bench->other.wait, BYTES("run_1"));
    note(bench, RUN_RUNNING);
    assert_int_equal(bench->one.changes, 1);
    assert_int_equal(bench->other.changes, 1);
    bench->one.cancels = &bench->other;
    bench->other.cancels = &bench->one;
    note(bench, RUN_RUNNING);
    assert_int_equal(bench->one.changes + bench->other.changes, 3);
    run_wait_cancel(&bench->one.wait);
    run_wait_cancel(&bench->other.wait);
    run_wait_expect(&bench->waits, &bench->one.wait, BYTES("run_1"));
    bench->one.again = true;
    note(bench, RUN_SUCCEEDED);
    assert_int_equal(bench->one.ends, 1);
    answer();
    assert_int_equal(bench->one.ends, 2);
}

static void an_end_of_one_wait_may_start_another_while_rows_are_reported(void **state) {
    struct bench *bench = *state;
    write_row(RUN_SUCCEEDED);
    start(bench, &bench->other);
    start(bench, &bench->one);
    bench->other.again = true;
    answer();
    assert_int_equal(bench->other.ends, 1);
    answer();
    assert_int_equal(bench->other.ends, 2);
    assert_int_equal(bench->one.ends, 1);
}

static void rows_of_many_waits_are_read_in_parts(void **state) {
    enum { MANY = RUN_WAIT_READS + 3 };
    struct bench *bench = *state;
    struct waiter *many = mem_new_array(MANY, sizeof *many);
    unsigned ends = 0;
    write_row(RUN_SUCCEEDED);
    for (size_t i = 0; i < MANY; i++) {
        char run[ID_SIZE];
        (void)snprintf(run, sizeof run, "run_%zu", i);
        many[i].wait.on_end = on_end;
        run_wait_start(&bench->waits, &many[i].wait, bytes_of(run));
    }
    while (out.done != NULL) {
        assert_true(bench->waits.read_count <= RUN_WAIT_READS);
        answer();
    }
    for (size_t i = 0; i < MANY; i++) {
        ends += many[i].ends;
    }
    assert_int_equal(ends, MANY);
    assert_int_equal(out.reads, 3); /* The first one had nobody to wait with. */
    mem_free(many);
}

static void a_stop_leaves_what_is_on_its_way_without_effect(void **state) {
    struct bench *bench = *state;
    write_row(RUN_SUCCEEDED);
    start(bench, &bench->one);
    run_waits_stop(&bench->waits);
    answer();
    note(bench, RUN_SUCCEEDED);
    assert_int_equal(bench->one.ends, 0);
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        CASE(a_run_that_ended_before_the_wait_is_learned_from_its_row),
        CASE(a_run_that_ends_later_is_learned_from_its_note),
        CASE(a_note_is_newer_than_the_row_that_is_being_read),
        CASE(an_end_that_is_noted_while_the_row_is_read_is_learned_once),
        CASE(a_wait_that_is_cancelled_learns_nothing),
        CASE(a_wait_that_is_started_again_has_its_row_read_again),
        CASE(a_run_that_is_yet_to_be_written_is_not_read),
        CASE(a_run_that_was_removed_has_ended),
        CASE(each_wait_for_a_run_learns_once_whatever_callbacks_do),
        CASE(an_end_of_one_wait_may_start_another_while_rows_are_reported),
        CASE(rows_of_many_waits_are_read_in_parts),
        CASE(a_stop_leaves_what_is_on_its_way_without_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
