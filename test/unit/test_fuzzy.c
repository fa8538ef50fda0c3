/* How well typed letters fit a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/session/fuzzy.h"

static int score(const char *typed, const char *path) {
    struct fuzzy fuzzy;
    fuzzy_begin(&fuzzy, bytes_of(typed));
    return fuzzy_score(&fuzzy, bytes_of(path));
}

static void letters_fit_in_their_order_only(void **state) {
    (void)state;
    assert_true(score("swc", "src/walk.c") > 0);
    assert_int_equal(score("cws", "src/walk.c"), 0);
    assert_int_equal(score("walkk", "src/walk.c"), 0);
    assert_true(score("WALK", "src/walk.c") > 0);
    assert_true(score("readme", "README.md") > 0);
    assert_true(score("src/w", "src/walk.c") > 0);
    assert_true(score("\xc3\xbc", "m\xc3\xbcll.txt") > 0);
    assert_int_equal(score("a", ""), 0);
}

static void without_letters_all_paths_fit_alike(void **state) {
    (void)state;
    assert_int_equal(score("", "a"), score("", "b/c/d.txt"));
    assert_true(score("", "a") > 0);
}

static void the_better_fit_counts_more(void **state) {
    (void)state;
    static const char *const pairs[][3] = {
        {"walk", "src/walk.c", "walk/src/x.c"},          /* The name before its folders. */
        {"walk", "src/walk.c", "src/budget_walk.c"},     /* A component before a word, */
        {"walk", "src/budget_walk.c", "src/sidewalk.c"}, /* a word before its middle. */
        {"walk", "src/budgetWalk.c", "src/sidewalk.c"},
        {"walk", "src/sidewalk.c", "src/wxaxlxk.c"}, /* A row before letters apart. */
        {"tw", "test/walk.c", "src/atwo.c"},         /* Beginnings of components. */
        {"ab", "a/x_ab.c", "a/xbxx.c"},              /* The best way, not the first one. */
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        const int better = score(pairs[i][0], pairs[i][1]), worse = score(pairs[i][0], pairs[i][2]);
        if (better <= worse || worse == 0) {
            fail_msg("%s: %s has %d, %s has %d", pairs[i][0], pairs[i][1], better, pairs[i][2],
                     worse);
        }
    }
}

static void the_longest_letters_and_paths_are_bounded_work(void **state) {
    (void)state;
    char typed[FUZZY_LETTERS_MAX + 1], path[4096];
    memset(typed, 'a', FUZZY_LETTERS_MAX);
    typed[FUZZY_LETTERS_MAX] = '\0';
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_true(score(typed, path) > 0);
    path[FUZZY_LETTERS_MAX - 1] = '\0';
    assert_int_equal(score(typed, path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_fit_in_their_order_only),
        cmocka_unit_test(without_letters_all_paths_fit_alike),
        cmocka_unit_test(the_better_fit_counts_more),
        cmocka_unit_test(the_longest_letters_and_paths_are_bounded_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
