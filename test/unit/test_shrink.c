/* Shrinking: a failing seed of the simulator with fewer operations. */
/* links: base */
#include "../sim/shrink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { OPERATIONS = 12, LOST = 9, TWICE = 3 };

/* Operation 9 loses an event. Without it, operation 3 stores one twice. */
struct seed_result seed_run(const struct sim_options *options) {
    struct seed_result result = {.failed = true};
    if (!options->without[LOST]) {
        (void)snprintf(result.text, sizeof result.text,
                       "broken at step %u, operation 9, life 1: an event of run_%u is lost\n",
                       options->ops, options->without[TWICE]);
    } else if (!options->without[TWICE]) {
        (void)snprintf(result.text, sizeof result.text,
                       "broken at step 8, operation 7, life 2: an event of run_2 was stored 2 "
                       "times\n");
    } else {
        result.failed = false;
    }
    return result;
}

static void shrinking_keeps_the_check_that_failed(void **state) {
    (void)state;
    struct sim_options options = {.ops = OPERATIONS};
    struct seed_result first = seed_run(&options), last = shrink(&options, &first);
    assert_non_null(strstr(last.text, "is lost"));
    for (unsigned i = 1; i <= OPERATIONS; i++) {
        assert_int_equal(options.without[i], i != LOST);
    }
}

static void failures_are_the_same_by_their_words(void **state) {
    (void)state;
    struct seed_result a = {.text =
                                "broken at step 1, operation 2, life 3: the job job_1 is gone\n"};
    struct seed_result b = {.text =
                                "broken at step 4, operation 5, life 6: the job job_2 is gone\n"};
    assert_true(shrink_is_same(&a, &b));
    struct seed_result other = {.text = "broken at step 4, operation 5, life 6: the job is late\n"};
    assert_false(shrink_is_same(&a, &other));
    struct seed_result shorter = {.text = "broken at step 4, operation 5, life 6: the job\n"};
    assert_false(shrink_is_same(&a, &shorter));
    b.signal = 6;
    assert_false(shrink_is_same(&a, &b));
}

static void failed_asserts_are_the_same_by_their_expression(void **state) {
    (void)state;
    struct seed_result a = {.text = "sim: a.c:7: f: Assertion `slot != NULL' failed.\n",
                            .signal = 6};
    struct seed_result b = {.text = "sim: a.c:9: g: Assertion `count > 0' failed.\n", .signal = 6};
    assert_true(shrink_is_same(&a, &a));
    assert_false(shrink_is_same(&a, &b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shrinking_keeps_the_check_that_failed),
        cmocka_unit_test(failures_are_the_same_by_their_words),
        cmocka_unit_test(failed_asserts_are_the_same_by_their_expression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
