/* What may be spent: admission, and the mean by which it is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/budget/budget.h"

/* A node with one limit. */
static struct budget_node node_of(int64_t limit, int64_t spent, int64_t reserved) {
    struct budget_node node = {.limits = amounts_unlimited()};
    node.limits.of[AMOUNT_WALL] = limit;
    node.spent.of[AMOUNT_WALL] = spent;
    node.reserved.of[AMOUNT_WALL] = reserved;
    return node;
}

static struct amounts wall(int64_t ms) {
    struct amounts amounts = amounts_none();
    amounts.of[AMOUNT_WALL] = ms;
    return amounts;
}

struct said {
    enum budget_verdict verdict;
    struct amounts grant;
    struct budget_hit hit;
};

static struct said judge(const struct budget_node *nodes, size_t count, int64_t want_ms) {
    struct said said;
    const struct amounts want = wall(want_ms);
    said.verdict = budget_judge(nodes, count, &want, &said.grant, &said.hit);
    return said;
}

static void what_fits_is_granted_as_it_was_asked_for(void **state) {
    (void)state;
    const struct budget_node node = node_of(1000, 300, 200);
    struct said said = judge(&node, 1, 400);
    assert_int_equal(said.verdict, BUDGET_ADMITTED);
    assert_int_equal(said.grant.of[AMOUNT_WALL], 400);
}

static void what_is_more_than_is_left_is_granted_what_is_left(void **state) {
    (void)state;
    const struct budget_node nodes[] = {node_of(1000, 300, 200), node_of(90, 10, 20)};
    struct said said = judge(nodes, 2, 400);
    assert_int_equal(said.verdict, BUDGET_ADMITTED);
    assert_int_equal(said.grant.of[AMOUNT_WALL],
                     60); /* The smallest of all that it stands under. */
}

static void what_others_have_reserved_is_waited_for(void **state) {
    (void)state;
    const struct budget_node nodes[] = {node_of(1000, 0, 0), node_of(1000, 300, 700)};
    struct said said = judge(nodes, 2, 1);
    assert_int_equal(said.verdict, BUDGET_WAITS);
    assert_int_equal(said.hit.node, 1);
    assert_int_equal(said.hit.amount, AMOUNT_WALL);
}

static void what_is_spent_is_refused_and_goes_before_a_wait(void **state) {
    (void)state;
    const struct budget_node nodes[] = {node_of(1000, 300, 700), node_of(500, 500, 0)};
    struct said said = judge(nodes, 2, 1);
    assert_int_equal(said.verdict, BUDGET_SPENT);
    assert_int_equal(said.hit.node, 1);
    assert_false(said.hit.above);
    const struct budget_node over = node_of(500, 700, 0);
    assert_int_equal(judge(&over, 1, 1).verdict, BUDGET_SPENT);
    const struct budget_node none = node_of(0, 0, 0);
    assert_int_equal(judge(&none, 1, 1).verdict, BUDGET_SPENT);
}

static void what_ancestors_hold_is_never_waited_for(void **state) {
    (void)state;
    struct budget_node node = node_of(1000, 300, 700);
    node.above = wall(700);
    struct said said = judge(&node, 1, 1);
    assert_int_equal(said.verdict, BUDGET_SPENT);
    assert_true(said.hit.above);
    node.above = wall(699); /* Somebody else holds the last one, and will give it back. */
    assert_int_equal(judge(&node, 1, 1).verdict, BUDGET_WAITS);
}

static void a_limit_on_what_is_not_wanted_does_not_matter(void **state) {
    (void)state;
    struct budget_node node = node_of(1000, 0, 0);
    node.limits.of[AMOUNT_TOKENS] = 0;
    assert_int_equal(judge(&node, 1, 10).verdict, BUDGET_ADMITTED);
    assert_int_equal(judge(NULL, 0, 10).verdict, BUDGET_ADMITTED);
}

static void one_that_was_admitted_begins_unless_all_was_spent_meanwhile(void **state) {
    (void)state;
    const struct amounts want = wall(50);
    struct budget_hit hit;
    struct budget_node node = node_of(1000, 999, 5000); /* It keeps what it has. */
    assert_int_equal(budget_still(&node, 1, &want, &hit), BUDGET_ADMITTED);
    node.spent = wall(1000);
    assert_int_equal(budget_still(&node, 1, &want, &hit), BUDGET_SPENT);
    assert_int_equal(hit.amount, AMOUNT_WALL);
}

static void the_first_reserves_the_default_and_the_next_what_the_others_took(void **state) {
    (void)state;
    struct budget_mean mean = {.count = 0};
    const struct amounts first = wall(60000);
    assert_int_equal(budget_want(&mean, &first).of[AMOUNT_WALL], 60000);
    const int64_t took[] = {10000, 20000, 30000};
    for (size_t i = 0; i < 3; i++) {
        const struct amounts one = wall(took[i]);
        budget_learn(&mean, &one);
    }
    assert_int_equal(budget_want(&mean, &first).of[AMOUNT_WALL], 20000);
    assert_int_equal(budget_want(&mean, &first).of[AMOUNT_TOKENS], 0);
}

static void no_reserve_is_below_a_part_of_the_first_one(void **state) {
    (void)state;
    struct budget_mean mean = {.count = 0};
    struct amounts first = wall(64000);
    first.of[AMOUNT_AGENTS] = 1;
    const struct amounts little = wall(1);
    for (int i = 0; i < 100; i++) {
        budget_learn(&mean, &little);
    }
    assert_int_equal(budget_want(&mean, &first).of[AMOUNT_WALL], 64000 / BUDGET_FLOOR_PART);
    assert_int_equal(budget_want(&mean, &first).of[AMOUNT_AGENTS], 1);
    assert_int_equal(budget_want(&mean, &first).of[AMOUNT_TOKENS], 0);
}

static void a_mean_follows_what_attempts_take_now(void **state) {
    (void)state;
    struct budget_mean mean = {.count = 0};
    const struct amounts slow = wall(100000), quick = wall(0), first = wall(1);
    for (int i = 0; i < 1000; i++) {
        budget_learn(&mean, &slow);
    }
    assert_int_equal(mean.count, BUDGET_RECENT_MAX);
    assert_int_equal(mean.mean.of[AMOUNT_WALL], 100000);
    budget_learn(&mean, &quick);
    assert_int_equal(mean.mean.of[AMOUNT_WALL], 87500);
    for (int i = 0; i < 200; i++) {
        budget_learn(&mean, &quick);
    }
    assert_int_equal(mean.mean.of[AMOUNT_WALL], 0);
    assert_int_equal(budget_want(&mean, &first).of[AMOUNT_WALL], 1); /* Never nothing. */
}

static void sums_stop_at_the_bound_and_at_nothing(void **state) {
    (void)state;
    struct amounts sum = wall(AMOUNT_MAX - 1);
    const struct amounts more = wall(5), absurd = wall(INT64_MAX), less = wall(-7);
    amounts_add(&sum, &more);
    assert_int_equal(sum.of[AMOUNT_WALL], AMOUNT_MAX);
    amounts_add(&sum, &absurd);
    assert_int_equal(sum.of[AMOUNT_WALL], AMOUNT_MAX);
    sum = wall(3);
    amounts_add(&sum, &less);
    assert_int_equal(sum.of[AMOUNT_WALL], 3);
    amounts_subtract(&sum, &more);
    assert_int_equal(sum.of[AMOUNT_WALL], 0);
}

/* --- Days ------------------------------------------------------------------------------------- */

static struct budget_node day_of(int64_t limit, int64_t spent, int64_t above) {
    struct budget_node node = node_of(limit, spent, above);
    node.above = wall(above);
    node.day_end_ms = 1;
    return node;
}

static void a_day_that_is_used_up_is_waited_for_to_end(void **state) {
    (void)state;
    const struct budget_node used = day_of(1000, 1000, 0), rest = day_of(1000, 400, 600),
                             above = day_of(1000, 400, 1000), none = day_of(0, 0, 0);
    assert_int_equal(judge(&used, 1, 1).verdict, BUDGET_WAITS);
    assert_true(judge(&used, 1, 1).hit.today);
    assert_true(judge(&rest, 1, 1).hit.today); /* Tomorrow there are 400, beside its ancestors'. */
    assert_int_equal(judge(&above, 1, 1).verdict, BUDGET_SPENT);
    assert_int_equal(judge(&none, 1, 1).verdict, BUDGET_SPENT); /* On no day is there anything. */
    const struct budget_node both[] = {used, node_of(10, 10, 0)};
    assert_int_equal(judge(both, 2, 1).verdict, BUDGET_SPENT);
    struct budget_hit hit;
    const struct amounts want = wall(1);
    assert_int_equal(budget_still(both, 1, &want, &hit), BUDGET_WAITS);
    assert_int_equal(budget_still(both, 2, &want, &hit), BUDGET_SPENT);
    assert_int_equal(hit.node, 1);
}

static void a_day_ends_once_and_a_clock_set_back_begins_none(void **state) {
    (void)state;
    enum { HOUR = 3600 * 1000 };
    const int64_t end = 100 * BUDGET_DAY_MS, next = end + BUDGET_DAY_MS;
    const struct {
        int64_t end_ms, now_ms, midnight_ms, want_ms;
        bool fresh;
    } cases[] = {
        {0, 5, 9, 0, false},                               /* No day. */
        {end, end - 1, end, end, false},                   /* The day goes on. */
        {end, end, next, next, true},                      /* The day has ended. */
        {end, end + 9 * HOUR, next, next, true},           /* The machine slept over midnight. */
        {next, end - 1000, end, next, false},              /* Set back over midnight. */
        {next, next - 25 * HOUR, end, next, false},        /* The day on which summer time ends. */
        {next, end - 30 * HOUR, 0, end - 6 * HOUR, false}, /* Set back by days: 24 hours more. */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct budget_day day =
            budget_day(cases[i].end_ms, cases[i].now_ms, cases[i].midnight_ms);
        assert_int_equal(day.end_ms, cases[i].want_ms);
        assert_int_equal(day.fresh, cases[i].fresh);
    }
}

static struct budget_forecast forecast_of(int64_t limit, int64_t spent, int64_t span_ms,
                                          int64_t day_left_ms) {
    const int64_t now_ms = INT64_C(1700000000000);
    struct budget_pace pace = {.limits = amounts_unlimited(),
                               .spent = amounts_none(),
                               .since_ms = now_ms - span_ms,
                               .now_ms = now_ms,
                               .day_end_ms = day_left_ms == 0 ? 0 : now_ms + day_left_ms};
    pace.limits.of[AMOUNT_COST] = limit;
    pace.spent.of[AMOUNT_COST] = spent;
    pace.spent.of[AMOUNT_TOKENS] = 1000000; /* Without a limit. */
    struct budget_forecast forecast = budget_forecast(&pace);
    forecast.at_ms -= now_ms;
    return forecast;
}

static void a_limit_is_reached_when_the_average_says_so(void **state) {
    (void)state;
    enum { HOUR = 3600 * 1000 };
    const struct {
        int64_t limit, spent, span_ms, day_left_ms;
        int64_t in_ms; /* -1: never. */
    } cases[] = {
        {1000, 250, 2 * HOUR, 0, 6 * HOUR},
        {1000, 250, 2 * HOUR, 7 * HOUR, 6 * HOUR},
        {1000, 250, 2 * HOUR, 5 * HOUR, -1}, /* The day ends before. */
        {1000, 1000, HOUR, 9 * HOUR, -1},    /* Reached already. */
        {1000, 2000, HOUR, 0, -1},
        {0, 0, HOUR, 0, -1},
        {1000, 0, HOUR, 0, -1},
        {1000, 500, 1, 0, BUDGET_FORECAST_MIN_MS},         /* A single call is no rate. */
        {1000, 500, -5 * HOUR, 0, BUDGET_FORECAST_MIN_MS}, /* The clock was set back. */
        {AMOUNT_MAX - 1, 1, HOUR, 0, -1},                  /* In thousands of years. */
        {AMOUNT_MAX, AMOUNT_MAX - 1, HOUR, 0, -1},         /* No limit. */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct budget_forecast forecast =
            forecast_of(cases[i].limit, cases[i].spent, cases[i].span_ms, cases[i].day_left_ms);
        assert_int_equal(forecast.amount, cases[i].in_ms < 0 ? AMOUNT_COUNT : AMOUNT_COST);
        if (cases[i].in_ms >= 0) {
            assert_int_equal(forecast.at_ms, cases[i].in_ms);
        }
    }
}

static void the_first_limit_that_is_reached_is_named(void **state) {
    (void)state;
    struct budget_pace pace = {.limits = amounts_unlimited(),
                               .spent = amounts_none(),
                               .now_ms = 2 * BUDGET_FORECAST_MIN_MS};
    pace.limits.of[AMOUNT_COST] = pace.limits.of[AMOUNT_WALL] = 100;
    pace.spent.of[AMOUNT_COST] = 10;
    pace.spent.of[AMOUNT_WALL] = 20;
    assert_int_equal(budget_forecast(&pace).amount, AMOUNT_WALL);
    pace.limits.of[AMOUNT_AGENTS] = 0; /* Reached. */
    assert_int_equal(budget_forecast(&pace).amount, AMOUNT_COUNT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_granted_as_it_was_asked_for),
        cmocka_unit_test(what_is_more_than_is_left_is_granted_what_is_left),
        cmocka_unit_test(what_others_have_reserved_is_waited_for),
        cmocka_unit_test(what_is_spent_is_refused_and_goes_before_a_wait),
        cmocka_unit_test(what_ancestors_hold_is_never_waited_for),
        cmocka_unit_test(a_limit_on_what_is_not_wanted_does_not_matter),
        cmocka_unit_test(one_that_was_admitted_begins_unless_all_was_spent_meanwhile),
        cmocka_unit_test(the_first_reserves_the_default_and_the_next_what_the_others_took),
        cmocka_unit_test(no_reserve_is_below_a_part_of_the_first_one),
        cmocka_unit_test(a_mean_follows_what_attempts_take_now),
        cmocka_unit_test(sums_stop_at_the_bound_and_at_nothing),
        cmocka_unit_test(a_day_that_is_used_up_is_waited_for_to_end),
        cmocka_unit_test(a_limit_is_reached_when_the_average_says_so),
        cmocka_unit_test(the_first_limit_that_is_reached_is_named),
        cmocka_unit_test(a_day_ends_once_and_a_clock_set_back_begins_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
