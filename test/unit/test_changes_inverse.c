/* test_changes_inverse.c: changes that a rewind takes back, and paths that it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/changes/inverse.h"

enum { ME = 1, MY_HELPER = 2, YOU = 4, THEY = 8, MINE = ME | MY_HELPER };

/* "x" is a plain file with the content x, "+x" an executable one, "@x" a link, "" nothing. */
static struct inverse_state state(const char *text) {
    if (text[0] == '\0') {
        return (struct inverse_state){BYTES(""), BYTES("")};
    }
    const bool special = text[0] == '+' || text[0] == '@';
    const char *mode = text[0] == '+' ? "100755" : text[0] == '@' ? "120000" : "100644";
    return (struct inverse_state){bytes_of(mode), bytes_of(special ? text + 1 : text)};
}

static struct inverse_change change(const char *before, const char *after, int64_t by) {
    return (struct inverse_change){state(before), state(after), by};
}

static void assert_state(struct inverse_state found, const char *wanted) {
    assert_true(bytes_equal(found.mode, state(wanted).mode));
    assert_true(bytes_equal(found.hash, state(wanted).hash));
}

static void a_change_is_mine_only_when_all_its_authors_are(void **state) {
    (void)state;
    assert_true(inverse_is_mine(ME, MINE));
    assert_true(inverse_is_mine(ME | MY_HELPER, MINE));
    assert_false(inverse_is_mine(0, MINE));
    assert_false(inverse_is_mine(YOU, MINE));
    assert_false(inverse_is_mine(ME | YOU, MINE));
    assert_true(inverse_is_shared(ME | YOU, MINE));
    assert_true(inverse_is_shared(YOU | THEY, MINE));
    assert_false(inverse_is_shared(ME | MY_HELPER, MINE));
    assert_false(inverse_is_shared(YOU, MINE));
    assert_false(inverse_is_shared(0, MINE));
}

static enum inverse_kind judge(const struct inverse_change *changes, size_t count) {
    return inverse_judge(changes, count, MINE, INVERSE_CAREFUL);
}

static void a_path_that_only_i_changed_becomes_what_it_was(void **state) {
    (void)state;
    const struct inverse_change changes[] = {change("a", "", ME), change("", "@b", MY_HELPER),
                                             change("@b", "+c", ME | MY_HELPER)};
    assert_int_equal(judge(changes, COUNT_OF(changes)), INVERSE_EXACT);
}

static void a_path_that_others_changed_is_left_alone(void **state) {
    (void)state;
    const struct inverse_change others[] = {change("a", "b", YOU), change("b", "", 0),
                                            change("", "c", YOU | THEY)};
    assert_int_equal(judge(others, COUNT_OF(others)), INVERSE_NONE);
    assert_int_equal(inverse_judge(others, COUNT_OF(others), MINE, INVERSE_FORCED), INVERSE_NONE);
    const struct inverse_change shared[] = {change("a", "b", ME | YOU)};
    assert_int_equal(judge(shared, COUNT_OF(shared)), INVERSE_SHARED);
    assert_int_equal(inverse_judge(shared, COUNT_OF(shared), MINE, INVERSE_FORCED), INVERSE_EXACT);
}

static void a_path_that_is_back_is_left_alone(void **state) {
    (void)state;
    const struct inverse_change made[] = {change("a", "", ME), change("", "b", MY_HELPER),
                                          change("b", "a", YOU)};
    assert_int_equal(judge(made, COUNT_OF(made)), INVERSE_NONE);
    const struct inverse_change mode[] = {change("a", "+a", ME), change("+a", "a", YOU)};
    assert_int_equal(judge(mode, COUNT_OF(mode)), INVERSE_NONE);
    /* The change that others made before mine is to come back. */
    const struct inverse_change first[] = {change("a", "b", YOU), change("b", "a", ME)};
    assert_int_equal(judge(first, COUNT_OF(first)), INVERSE_RUNS);
    const struct inverse_change between[] = {change("a", "b", ME), change("b", "c", YOU),
                                             change("c", "a", ME)};
    assert_int_equal(judge(between, COUNT_OF(between)), INVERSE_RUNS);
}

static void a_path_that_others_edited_as_well_is_merged(void **state) {
    (void)state;
    const int64_t others[] = {YOU, 0, ME | YOU, YOU | THEY};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        const struct inverse_change changes[] = {change("a", "b", ME), change("b", "c", others[i])};
        assert_int_equal(judge(changes, COUNT_OF(changes)), INVERSE_RUNS);
        assert_int_equal(inverse_judge(changes, COUNT_OF(changes), MINE, INVERSE_FORCED),
                         INVERSE_EXACT);
    }
}

static void others_changes_of_existence_kind_or_mode_are_never_taken_back(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"b", ""}, {"b", "@b"}, {"b", "+b"}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        const struct inverse_change after_me[] = {change("a", "b", ME),
                                                  change(pairs[i][0], pairs[i][1], YOU)};
        assert_int_equal(judge(after_me, COUNT_OF(after_me)), INVERSE_REFUSED);
        const struct inverse_change before_me[] = {change(pairs[i][1], pairs[i][0], YOU),
                                                   change("b", "c", ME)};
        assert_int_equal(judge(before_me, COUNT_OF(before_me)), INVERSE_RUNS);
    }
}

static void runs_are_taken_newest_first_and_joined(void **state) {
    (void)state;
    const struct inverse_change changes[] = {change("a", "b", ME),  change("b", "c", MY_HELPER),
                                             change("c", "d", YOU), change("d", "e", ME),
                                             change("e", "f", 0),   change("f", "g", ME | YOU),
                                             change("g", "h", ME)};
    static const char *const wanted[][2] = {{"g", "h"}, {"d", "e"}, {"a", "c"}};
    size_t at = COUNT_OF(changes);
    struct inverse_run run;
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_true(inverse_run_next(changes, MINE, &at, &run));
        assert_state(run.before, wanted[i][0]);
        assert_state(run.after, wanted[i][1]);
    }
    assert_false(inverse_run_next(changes, MINE, &at, &run));
}

static void states_are_merged_without_text_where_one_side_is_unchanged(void **state_) {
    (void)state_;
    static const struct {
        const char *now, *before, *after; /* The run went from `before` to `after`. */
        enum inverse_merge merge;
        const char *result;
    } rows[] = {
        {"b", "a", "b", INVERSE_STATE, "a"},    /* Nobody else came. */
        {"a", "a", "b", INVERSE_STATE, "a"},    /* Taken back already. */
        {"c", "a", "a", INVERSE_STATE, "c"},    /* The run has changed nothing. */
        {"b", "", "b", INVERSE_STATE, ""},      /* A creation. */
        {"", "a", "", INVERSE_STATE, "a"},      /* A deletion. */
        {"+c", "a", "+a", INVERSE_STATE, "c"},  /* The mode alone. */
        {"+c", "+a", "+b", INVERSE_TEXT, "+c"}, /* Both changed the text. */
        {"+c", "a", "+b", INVERSE_TEXT, "c"},   /* And I the mode. */
        {"@b", "@a", "@b", INVERSE_STATE, "@a"}, {"@c", "@a", "@b", INVERSE_CLASH, ""},
        {"c", "", "b", INVERSE_CLASH, ""}, /* Others' lines are in the file that I created. */
        {"c", "a", "", INVERSE_CLASH, ""},       {"", "a", "b", INVERSE_CLASH, ""},
        {"c", "@a", "b", INVERSE_CLASH, ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct inverse_run run = {state(rows[i].before), state(rows[i].after)};
        struct inverse_state result = state("untouched");
        assert_int_equal(inverse_merge(state(rows[i].now), &run, &result), rows[i].merge);
        assert_state(result, rows[i].merge == INVERSE_CLASH ? "untouched" : rows[i].result);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_mine_only_when_all_its_authors_are),
        cmocka_unit_test(a_path_that_only_i_changed_becomes_what_it_was),
        cmocka_unit_test(a_path_that_others_changed_is_left_alone),
        cmocka_unit_test(a_path_that_is_back_is_left_alone),
        cmocka_unit_test(a_path_that_others_edited_as_well_is_merged),
        cmocka_unit_test(others_changes_of_existence_kind_or_mode_are_never_taken_back),
        cmocka_unit_test(runs_are_taken_newest_first_and_joined),
        cmocka_unit_test(states_are_merged_without_text_where_one_side_is_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
