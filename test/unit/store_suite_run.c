/* store_suite_run.c: all tests of the suite, with one driver's databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store_suite.h"

static size_t add_tests(struct CMUnitTest *into, const struct CMUnitTest *tests, size_t count,
                        const struct suite_databases *databases) {
    for (size_t i = 0; i < count; i++) {
        into[i] = tests[i];
        into[i].setup_func = suite_setup;
        into[i].teardown_func = suite_teardown;
        into[i].initial_state = (void *)databases;
    }
    return count;
}

int store_suite_run(const char *name, const struct suite_databases *databases) {
    enum { TESTS_MAX = 128 };
    struct CMUnitTest tests[TESTS_MAX];
    size_t count = 0, rows = 0, groups = 0, threads = 0;
    const struct CMUnitTest *row_tests = suite_row_tests(&rows);
    const struct CMUnitTest *group_tests = suite_group_tests(&groups);
    const struct CMUnitTest *thread_tests = suite_thread_tests(&threads);
    assert(rows + groups + threads <= TESTS_MAX);
    count += add_tests(tests + count, row_tests, rows, databases);
    count += add_tests(tests + count, group_tests, groups, databases);
    count += add_tests(tests + count, thread_tests, threads, databases);
    return _cmocka_run_group_tests(name, tests, count, NULL /* no group fixture */, NULL);
}
