/* Limits of a budget as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/budget/limits.h"

static void becomes(const char *word, const char *json) {
    AUTO(text_done) struct text text = {0};
    struct why why = {.text = ""};
    text_init(&text, 1000);
    assert_int_equal(budget_words_add(&text, word, &why).code, ERR_NONE);
    assert_string_equal(text.data, json);
}

static void is_refused(const char *word, const char *with) {
    AUTO(text_done) struct text text = {0};
    struct why why = {.text = ""};
    text_init(&text, 1000);
    assert_int_equal(budget_words_add(&text, word, &why).code, ERR_USAGE);
    assert_string_equal(why.text, with);
}

static void a_limit_is_a_name_and_what_belongs_to_it(void **state) {
    (void)state;
    becomes("wall=90m", "\"wall_ms\":5400000");
    becomes("wall=250ms", "\"wall_ms\":250");
    becomes("agents=0", "\"agents\":0");
    becomes("tokens=200000", "\"tokens\":200000");
    becomes("output-tokens=7", "\"output_tokens\":7");
    becomes("cost=none", "\"cost_micros\":null");
}

static void money_is_counted_without_a_float(void **state) {
    (void)state;
    becomes("cost=2.50", "\"cost_micros\":2500000");
    becomes("cost=0.000001", "\"cost_micros\":1");
    becomes("cost=3", "\"cost_micros\":3000000");
    becomes("cost=1000000000", "\"cost_micros\":1000000000000000");
    is_refused("cost=1000000000.000001",
               "cost: '1000000000.000001' is not an amount of dollars like 2.50, nor 'none'");
    is_refused("cost=0.0000001",
               "cost: '0.0000001' is not an amount of dollars like 2.50, nor 'none'");
    is_refused("cost=2.", "cost: '2.' is not an amount of dollars like 2.50, nor 'none'");
    is_refused("cost=.5", "cost: '.5' is not an amount of dollars like 2.50, nor 'none'");
    is_refused("cost=-1", "cost: '-1' is not an amount of dollars like 2.50, nor 'none'");
    is_refused("cost=1e3", "cost: '1e3' is not an amount of dollars like 2.50, nor 'none'");
}

static void what_is_no_limit_is_refused_with_what_is(void **state) {
    (void)state;
    is_refused("wall", "'wall': a limit is written NAME=VALUE, like wall=30m");
    is_refused("time=3",
               "'time' is no limit of a budget: wall, agents, tokens, output-tokens, cost");
    is_refused("wall=", "wall: '' is not a time like 90s, 30m or 2h, nor 'none'");
    is_refused("agents=1.5", "agents: '1.5' is not a whole number, nor 'none'");
}

static void several_stand_side_by_side(void **state) {
    (void)state;
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1000);
    text_add_char(&text, '{');
    assert_int_equal(budget_words_add(&text, "wall=1s", NULL).code, ERR_NONE);
    assert_int_equal(budget_words_add(&text, "cost=1", NULL).code, ERR_NONE);
    assert_string_equal(text.data, "{\"wall_ms\":1000,\"cost_micros\":1000000");
}

static void amounts_are_shown_as_people_read_them(void **state) {
    (void)state;
    assert_string_equal(amount_show(AMOUNT_WALL, 1234).text, "1.234s");
    assert_string_equal(amount_show(AMOUNT_WALL, 90000).text, "1m 30s");
    assert_string_equal(amount_show(AMOUNT_WALL, 5400000).text, "1h 30m");
    assert_string_equal(amount_show(AMOUNT_COST, 2500000).text, "$2.5000");
    assert_string_equal(amount_show(AMOUNT_TOKENS, 200000).text, "200000");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_a_name_and_what_belongs_to_it),
        cmocka_unit_test(money_is_counted_without_a_float),
        cmocka_unit_test(what_is_no_limit_is_refused_with_what_is),
        cmocka_unit_test(several_stand_side_by_side),
        cmocka_unit_test(amounts_are_shown_as_people_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
