#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "http/server.h"
#include "main/descriptors.h"

static const struct descriptor_shares defaults = {
    .jobs = 1000, .connections = 12000, .calls = 1024};

static struct descriptor_shares fit(uint64_t limit, const struct descriptor_shares *wanted) {
    struct descriptor_shares fitted = {.jobs = 0};
    struct why why = {.text = ""};
    assert_int_equal(descriptors_fit(limit, wanted, &fitted, &why).code, ERR_NONE);
    return fitted;
}

static void a_high_limit_changes_nothing(void **state) {
    (void)state;
    static const uint64_t limits[] = {16384, 1048576, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct descriptor_shares fitted = fit(limits[i], &defaults);
        assert_int_equal(fitted.jobs, 1000);
        assert_int_equal(fitted.connections, 12000);
        assert_int_equal(fitted.calls, 1024);
    }
}

static void a_low_limit_is_never_passed_and_keeps_forty_back(void **state) {
    (void)state;
    for (uint64_t limit = DESCRIPTORS_MIN; limit < 20000; limit++) {
        struct descriptor_shares fitted = fit(limit, &defaults);
        assert_true(fitted.jobs >= 1 && fitted.jobs <= 1000);
        assert_true(fitted.connections >= 1 && fitted.connections <= 12000);
        uint64_t sum = 2 * (uint64_t)fitted.jobs + fitted.connections +
                       http_refused_max(fitted.connections) + 40;
        assert_true(sum <= limit);
        assert_true(fitted.calls >= 4 && fitted.calls <= 1024);
        assert_true(fitted.calls == 4 || sum + fitted.calls <= limit);
    }
}

static void commands_get_what_connections_do_not_want(void **state) {
    (void)state;
    const struct descriptor_shares few = {.jobs = 1000, .connections = 4};
    assert_int_equal(fit(128, &few).jobs, 41); /* 88 less 4 and 2 refusals, of two each. */
    assert_int_equal(fit(128, &few).connections, 4);
    const struct descriptor_shares quiet = {.jobs = 2, .connections = 60};
    assert_int_equal(fit(128, &quiet).jobs, 2);
    assert_int_equal(fit(128, &quiet).connections, 60);
}

static void calls_of_models_get_half_of_what_is_kept_back_and_what_is_left_over(void **state) {
    (void)state;
    assert_int_equal(fit(64, &defaults).calls, 4);
    assert_int_equal(fit(1024, &defaults).calls, 108); /* Of 256. */
    const struct descriptor_shares quiet = {.jobs = 2, .connections = 60, .calls = 1024};
    assert_int_equal(fit(1024, &quiet).calls, 108 + 768 - 4 - 60 - http_refused_max(60));
    const struct descriptor_shares one = {.jobs = 2, .connections = 60, .calls = 1};
    assert_int_equal(fit(1024, &one).calls, 1);
}

static void a_limit_below_the_minimum_is_refused_with_what_to_do(void **state) {
    (void)state;
    struct descriptor_shares fitted = {.jobs = -7};
    struct why why = {.text = ""};
    assert_int_equal(descriptors_fit(DESCRIPTORS_MIN - 1, &defaults, &fitted, &why).code,
                     ERR_CONFIG);
    assert_int_equal(fitted.jobs, -7);
    assert_non_null(strstr(why.text, "ulimit -n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_high_limit_changes_nothing),
        cmocka_unit_test(a_low_limit_is_never_passed_and_keeps_forty_back),
        cmocka_unit_test(commands_get_what_connections_do_not_want),
        cmocka_unit_test(calls_of_models_get_half_of_what_is_kept_back_and_what_is_left_over),
        cmocka_unit_test(a_limit_below_the_minimum_is_refused_with_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
