/* Where the search upward for a project ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/process/ceiling.h"

static bool ends(const char *ceilings, const char *folder) {
    return ceiling_is(ceilings, bytes_of(folder));
}

static void a_folder_of_the_list_ends_the_search(void **state) {
    (void)state;
    assert_true(ends("/tmp", "/tmp"));
    assert_true(ends("/srv/a:/tmp/:/x", "/tmp"));
    assert_true(ends("/tmp", "/tmp/"));
    assert_true(ends("::/x", "/x"));
    assert_true(ends("/", "/"));
    assert_true(ends("/", ""));
}

static void no_other_folder_does(void **state) {
    (void)state;
    assert_false(ends(NULL, "/tmp"));
    assert_false(ends("", "/tmp"));
    assert_false(ends("/tmp", "/tmp/a"));
    assert_false(ends("/tmp/a", "/tmp"));
    assert_false(ends("/tmpx:tmp", "/tmp"));
    assert_false(ends("/tmp", "/"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_of_the_list_ends_the_search),
        cmocka_unit_test(no_other_folder_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
