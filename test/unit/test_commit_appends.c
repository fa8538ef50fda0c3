/* Commits that append events: found at a later start by the head of their stream. */
#include "marks_kit.h"

#include "base/memory.h"
#include "store/commit_mark.h"

static int set_up(void **state) {
    struct two_places *marks = mem_new(sizeof *marks);
    places_make(marks);
    *state = marks;
    return 0;
}

static int tear_down(void **state) {
    places_remove(*state);
    mem_free(*state);
    return 0;
}

/* Raises the head of the stream that was made last, as the journal does. */
static struct err append(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err =
        tx_first(tx, "SELECT id, head FROM streams ORDER BY id DESC LIMIT 1", NULL, 0, &rows);
    if (err_failed(err)) {
        return err;
    }
    assert_non_null(rows);
    const struct arg args[] = {arg_int(rows_int(rows, 0)), arg_int(rows_int(rows, 1) + 1)};
    rows_release(&rows);
    err = tx_exec(tx, "UPDATE streams SET head = $2 WHERE id = $1", args, COUNT_OF(args), NULL);
    if (!err_failed(err)) {
        tx_stream_raised(tx, args[0].number, args[1].number);
    }
    return !err_failed(err) && call->number < 0 ? err_make(ERR_CONFLICT, "test: refused") : err;
}

static struct err append_in_vain(struct tx *tx, void *ctx) {
    struct err refused = ERR_OK;
    struct suite_call call = {.number = -1};
    (void)ctx;
    struct err err = append(tx, &(struct suite_call){.number = 0});
    return err_failed(err) ? err : tx_try(tx, append, &call, &refused);
}

static struct err drop_last(struct tx *tx, void *ctx) {
    (void)ctx;
    tx_stream_removed(tx);
    return tx_exec(tx, "DELETE FROM streams WHERE id = (SELECT max(id) FROM streams)", NULL, 0,
                   NULL);
}

static struct err append_and_drop(struct tx *tx, void *ctx) {
    struct err err = append(tx, ctx);
    return err_failed(err) ? err : drop_last(tx, ctx);
}

static struct err append_and_refuse(struct tx *tx, void *ctx) {
    struct suite_call call = {.number = -1};
    (void)ctx;
    return append(tx, &call);
}

static struct err read_batch(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT batch FROM nodes", NULL, 0, &rows);
    call->number = !err_failed(err) && rows != NULL ? rows_int(rows, 0) : -1;
    return err;
}

static int64_t batch_of(struct suite *suite) {
    int64_t batch = -1;
    assert_int_equal(suite_ask(suite, read_batch, NULL, &batch).code, ERR_NONE);
    return batch;
}

/* What the store that is open has committed is compared with the mark, from outside. */
static int64_t missed(const struct two_places *marks) {
    struct store_check check = {.missing = -1};
    assert_int_equal(store_check(marks->place.path, &check, NULL).code, ERR_NONE);
    return check.missing;
}

static void commits_that_append_are_missed_by_the_head_of_their_stream(void **state) {
    struct two_places *marks = *state;
    suite_open(&marks->suite, STORE_INLINE);
    make_rows(marks, 1);
    suite_close(&marks->suite);
    copy_file(marks, "drover.db"); /* Whole, with no log. */
    for (int commits = 1; commits <= 3 * COMMIT_MARK_STRIDE; commits++) {
        suite_open(&marks->suite, STORE_INLINE);
        for (int i = 0; i < commits; i++) {
            assert_int_equal(suite_do(&marks->suite, append, NULL).code, ERR_NONE);
            assert_int_equal(missed(marks), 0);
        }
        copy_file(marks, "drover.mark");
        suite_close(&marks->suite);
        struct store_check check = {.missing = -1};
        assert_int_equal(store_check(marks->other.path, &check, NULL).code, ERR_NONE);
        assert_true(check.missing >= commits);
        suite_open(&marks->suite, STORE_INLINE);
        assert_int_equal(store_missing(marks->suite.store), 0);
        suite_close(&marks->suite);
    }
    suite_open(&marks->second, STORE_INLINE);
    assert_true(store_missing(marks->second.store) >= 3 * COMMIT_MARK_STRIDE);
    assert_true(holds(&marks->second));
}

/* The number is a page of the log, in each commit of all that appends. */
static void commits_that_append_seldom_write_their_number(void **state) {
    struct two_places *marks = *state;
    suite_open(&marks->suite, STORE_INLINE);
    make_rows(marks, 1);
    int64_t batch = batch_of(&marks->suite), written = 0;
    for (int i = 0; i < 4 * COMMIT_MARK_STRIDE; i++) {
        assert_int_equal(suite_do(&marks->suite, append, NULL).code, ERR_NONE);
        written += batch_of(&marks->suite) != batch;
        batch = batch_of(&marks->suite);
    }
    assert_int_equal(written, 4);
}

static void a_stream_that_went_hides_no_commit(void **state) {
    struct two_places *marks = *state;
    suite_open(&marks->suite, STORE_INLINE);
    make_rows(marks, 3);
    static const store_fn works[] = {append, append_and_drop, append, drop_last, append_in_vain};
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        assert_int_equal(suite_do(&marks->suite, works[i], NULL).code, ERR_NONE);
        assert_int_equal(missed(marks), 0);
    }
    suite_close(&marks->suite);
    suite_open(&marks->suite, STORE_INLINE);
    assert_int_equal(store_missing(marks->suite.store), 0);
}

/* Ids of streams are used again: the last stream of the older copy has a higher head. */
static void a_stream_of_the_same_id_in_an_older_copy_is_no_sign(void **state) {
    struct two_places *two = *state;
    suite_open(&two->suite, STORE_INLINE);
    make_rows(two, 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(suite_do(&two->suite, append, NULL).code, ERR_NONE);
    }
    suite_close(&two->suite);
    copy_file(two, "drover.db");
    suite_open(&two->suite, STORE_INLINE);
    assert_int_equal(suite_do(&two->suite, drop_last, NULL).code, ERR_NONE);
    make_rows(two, 1);
    assert_int_equal(suite_do(&two->suite, append, NULL).code, ERR_NONE);
    copy_file(two, "drover.mark");
    suite_open(&two->second, STORE_INLINE);
    assert_true(store_missing(two->second.store) >= 3);
}

/* What an earlier commit appended is no sign of a later one. */
static void a_commit_behind_one_that_appended_is_missed(void **state) {
    struct two_places *marks = *state;
    suite_open(&marks->suite, STORE_INLINE);
    make_rows(marks, 1);
    assert_int_equal(suite_do(&marks->suite, append, NULL).code, ERR_NONE);
    copy_file(marks, "drover.db");
    copy_file(marks, "drover.db-wal");
    assert_int_equal(suite_do(&marks->suite, suite_insert, "later").code, ERR_NONE);
    copy_file(marks, "drover.mark");
    suite_open(&marks->second, STORE_INLINE);
    assert_false(suite_has(&marks->second, "later"));
    assert_true(store_missing(marks->second.store) >= 1);
}

/* Whether alone or behind another function of its group. */
static void an_append_that_was_taken_back_is_not_missed(void **state) {
    struct two_places *marks = *state;
    suite_open(&marks->suite, STORE_INLINE);
    make_rows(marks, 1);
    for (int i = 0; i < 3; i++) {
        struct suite_call good = {.fn = append}, bad = {.fn = append_and_refuse};
        suite_write(&marks->suite, &good);
        suite_write(&marks->suite, &bad);
        suite_wait(&marks->suite);
        assert_int_equal(good.err.code, ERR_NONE);
        assert_int_equal(bad.err.code, ERR_CONFLICT);
        assert_int_equal(missed(marks), 0);
    }
}

#define MARKS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        MARKS(commits_that_append_are_missed_by_the_head_of_their_stream),
        MARKS(commits_that_append_seldom_write_their_number),
        MARKS(a_stream_that_went_hides_no_commit),
        MARKS(a_commit_behind_one_that_appended_is_missed),
        MARKS(a_stream_of_the_same_id_in_an_older_copy_is_no_sign),
        MARKS(an_append_that_was_taken_back_is_not_missed),
    };
    return cmocka_run_group_tests_name("commits that append", tests, NULL /* no group fixture */,
                                       NULL);
}
