/* test_authors.c: authors of the changes of a step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/changes/authors.h"

enum { A = 11, B = 12 };

static struct point point(int64_t number, const char *tree, int64_t session) {
    return (struct point){.number = number,
                          .tree = bytes_of(tree),
                          .session = session,
                          .run = 100 + session,
                          .call = BYTES("c"),
                          .path = BYTES("")};
}

static struct point before(int64_t number, const char *tree, int64_t session, int64_t closed) {
    struct point made = point(number, tree, session);
    made.phase = POINT_BEFORE;
    made.closed = closed;
    return made;
}

static struct point after(int64_t number, const char *tree, int64_t session) {
    struct point made = point(number, tree, session);
    made.phase = POINT_AFTER;
    return made;
}

static void add(struct authors *authors, struct point what) {
    authors_add(authors, &what);
}

static int64_t bit(const struct authors *authors, int64_t session) {
    for (size_t i = 0; i < authors->count; i++) {
        if (authors->list[i].session == session) {
            return INT64_C(1) << i;
        }
    }
    return 0;
}

static void a_step_is_of_the_one_open_call(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    add(&authors, before(1, "t0", A, 2));
    add(&authors, after(2, "t1", A));
    add(&authors, before(3, "t1", B, 4));
    add(&authors, after(4, "t2", B));
    assert_int_equal(authors.step_count, 2);
    assert_string_equal(authors.steps[0].tree, "t1");
    assert_int_equal(authors.steps[0].by, bit(&authors, A));
    assert_int_equal(authors.steps[1].by, bit(&authors, B));
}

static void a_step_has_its_run_and_its_time(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    struct point other = before(3, "t1", A, 4), end = after(4, "t2", A), edit = other;
    other.run = 500; /* Another turn of the same session. */
    end.at_ms = 7000;
    edit.run = 501;
    edit.path = BYTES("src/x.c");
    add(&authors, before(1, "t0", A, 2));
    add(&authors, after(2, "t1", A));
    add(&authors, other);
    add(&authors, edit);
    add(&authors, end);
    add(&authors, before(5, "t2", A, 8));
    add(&authors, before(6, "t2", B, 8));
    add(&authors, after(7, "t3", A));
    add(&authors, after(8, "t3", A));
    add(&authors, after(9, "t4", A));
    assert_int_equal(authors.step_count, 4);
    assert_int_equal(authors.steps[0].run, 100 + A);
    assert_int_equal(authors.steps[1].run, 500);
    assert_int_equal(authors.steps[1].at_ms, 7000);
    assert_int_equal(authors.steps[1].named[0].run, 501);
    assert_int_equal(authors.steps[2].run, AUTHOR_RUNS);
    assert_int_equal(authors.steps[3].run, 0);
}

static void nobody_is_the_author_where_no_call_is_open(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    add(&authors, before(1, "t0", A, 2));
    add(&authors, after(2, "t1", A));
    add(&authors, before(3, "t2", A, 4));
    assert_int_equal(authors.step_count, 2);
    assert_int_equal(authors.steps[1].by, 0);
}

static void two_open_calls_share_but_a_named_path_is_of_one(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    struct point edit = before(2, "t1", B, 3);
    edit.path = BYTES("src/x.c");
    add(&authors, before(1, "t0", A, 4));
    add(&authors, edit);
    add(&authors, after(3, "t2", B));
    add(&authors, after(4, "t3", A));
    assert_int_equal(authors.step_count, 3);
    assert_int_equal(authors.steps[0].by, bit(&authors, A));
    assert_int_equal(authors.steps[1].by, bit(&authors, A)); /* All paths but the named one. */
    assert_int_equal(authors.steps[1].named_count, 1);
    assert_string_equal(authors.steps[1].named[0].path, "src/x.c");
    assert_int_equal(authors.steps[1].named[0].by, bit(&authors, B));
    assert_int_equal(authors.steps[2].by, bit(&authors, A));
    assert_int_equal(authors.steps[2].named_count, 0);
}

static void two_commands_share_a_step(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    add(&authors, before(1, "t0", A, 4));
    add(&authors, before(2, "t0", B, 3));
    add(&authors, after(3, "t1", B));
    assert_int_equal(authors.steps[0].by, bit(&authors, A) | bit(&authors, B));
}

static void a_late_point_leaves_its_call_open_in_the_step_before(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    struct point late = before(2, "t1", A, 3);
    late.late = true;
    add(&authors, point(1, "t0", B));
    add(&authors, late);
    const int64_t unknown = INT64_C(1) << AUTHOR_UNKNOWN; /* The step began before the call. */
    assert_int_equal(authors.steps[0].by, bit(&authors, A) | unknown);
}

static void a_late_call_shares_a_step_with_the_one_that_was_open_in_it(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    struct point late = before(2, "t1", A, 3);
    late.late = true;
    add(&authors, before(1, "t0", B, 4));
    add(&authors, late);
    assert_int_equal(authors.steps[0].by, bit(&authors, A) | bit(&authors, B));
}

static void a_late_edit_is_of_its_path_alone(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    struct point late = before(2, "t1", A, 3);
    late.late = true;
    late.path = BYTES("x");
    add(&authors, point(1, "t0", B));
    add(&authors, late);
    assert_int_equal(authors.steps[0].by, 0);
    assert_int_equal(authors.steps[0].named[0].by, bit(&authors, A) | INT64_C(1) << AUTHOR_UNKNOWN);
}

static void a_late_point_of_a_pass_without_a_step_changes_no_earlier_one(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    struct point late = before(3, "t1", B, 4), ended = after(2, "t1", A);
    late.late = true;
    ended.at_ms = 20;
    late.at_ms = 30;
    add(&authors, before(1, "t0", A, 2));
    add(&authors, ended);
    add(&authors, late);
    assert_int_equal(authors.step_count, 1);
    assert_int_equal(authors.steps[0].by, bit(&authors, A));
}

static void a_call_that_was_open_before_the_first_point_counts(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    const struct point earlier = before(1, "t", A, POINT_STILL_OPEN);
    authors_open(&authors, &earlier);
    add(&authors, point(5, "t0", B));
    add(&authors, point(6, "t1", B));
    assert_int_equal(authors.steps[0].by, bit(&authors, A));
}

static void equal_trees_are_no_step(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    add(&authors, before(1, "t0", A, 2));
    add(&authors, after(2, "t0", A));
    assert_int_equal(authors.step_count, 0);
}

static void steps_beyond_the_limit_are_joined_and_name_all(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    char tree[16];
    add(&authors, before(1, "t", A, POINT_STILL_OPEN));
    for (int i = 0; i < AUTHORS_STEPS_MAX; i++) {
        (void)snprintf(tree, sizeof tree, "t%d", i); /* Fits. */
        add(&authors, point(2 + i, tree, A));
    }
    struct point edit = before(AUTHORS_STEPS_MAX + 2, "u", B, POINT_STILL_OPEN);
    edit.path = BYTES("x");
    add(&authors, edit);
    add(&authors, point(AUTHORS_STEPS_MAX + 3, "v", A));
    add(&authors, before(AUTHORS_STEPS_MAX + 4, "w", A, POINT_STILL_OPEN));
    assert_int_equal(authors.step_count, AUTHORS_STEPS_MAX);
    const struct author_step *last = &authors.steps[AUTHORS_STEPS_MAX - 1];
    assert_string_equal(last->tree, "w");
    assert_int_equal(last->by, bit(&authors, A) | bit(&authors, B));
}

static void authors_beyond_the_limit_count_as_others(void **state) {
    (void)state;
    AUTO(authors_done) struct authors authors = {.count = 0};
    for (int i = 0; i < AUTHORS_MAX + 2; i++) {
        add(&authors, before(1 + i, "t0", 1000 + i, POINT_STILL_OPEN));
    }
    add(&authors, point(500, "t1", A));
    assert_int_equal(authors.count, AUTHORS_MAX);
    assert_true((authors.steps[0].by & INT64_C(1) << AUTHOR_OTHERS) != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_of_the_one_open_call),
        cmocka_unit_test(a_step_has_its_run_and_its_time),
        cmocka_unit_test(nobody_is_the_author_where_no_call_is_open),
        cmocka_unit_test(two_open_calls_share_but_a_named_path_is_of_one),
        cmocka_unit_test(two_commands_share_a_step),
        cmocka_unit_test(a_late_point_leaves_its_call_open_in_the_step_before),
        cmocka_unit_test(a_late_call_shares_a_step_with_the_one_that_was_open_in_it),
        cmocka_unit_test(a_late_edit_is_of_its_path_alone),
        cmocka_unit_test(a_late_point_of_a_pass_without_a_step_changes_no_earlier_one),
        cmocka_unit_test(a_call_that_was_open_before_the_first_point_counts),
        cmocka_unit_test(equal_trees_are_no_step),
        cmocka_unit_test(steps_beyond_the_limit_are_joined_and_name_all),
        cmocka_unit_test(authors_beyond_the_limit_count_as_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
