/* What the states of PostgreSQL mean: which of them other tries may cure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/postgres/link.h"

static void assert_means(const char *sqlstate, enum err_code code) {
    struct err err = postgres_error(sqlstate, "test");
    if (err.code != code) {
        fail_msg("%s is %s, not %s", sqlstate, err_name(err.code), err_name(code));
    }
}

static void another_transaction_in_the_way_is_busy(void **state) {
    (void)state;
    assert_means("40001", ERR_BUSY); /* Serialization. */
    assert_means("40P01", ERR_BUSY); /* Deadlock. */
    assert_means("40003", ERR_BUSY);
    assert_means("55P03", ERR_BUSY);
}

/* Not interrupted: for a client that is its own Ctrl-C. */
static void a_cancelled_statement_is_busy_and_the_server_stays(void **state) {
    (void)state;
    assert_means("57014", ERR_BUSY);
    assert_means("57P01", ERR_STORE_DOWN);
    assert_means("57P03", ERR_STORE_DOWN);
    assert_means("57000", ERR_STORE_DOWN);
}

static void a_server_without_resources_is_overloaded(void **state) {
    (void)state;
    assert_means("53000", ERR_OVERLOADED);
    assert_means("53200", ERR_OVERLOADED);
    assert_means("53400", ERR_OVERLOADED);
    assert_means("53100", ERR_DISK_FULL);
    assert_means("53300", ERR_STORE_DOWN);
}

static void a_lost_connection_means_that_the_server_is_down(void **state) {
    (void)state;
    assert_means("", ERR_STORE_DOWN); /* Told by libpq. */
    assert_means("08000", ERR_STORE_DOWN);
    assert_means("08006", ERR_STORE_DOWN);
    assert_means("25P03", ERR_STORE_DOWN);
}

static void what_is_wrong_with_a_row_is_no_outage(void **state) {
    (void)state;
    assert_means("23505", ERR_CONFLICT);
    assert_means("54000", ERR_TEXT_TOO_LONG);
    assert_means("22021", ERR_INTERNAL);
    assert_means("42601", ERR_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_transaction_in_the_way_is_busy),
        cmocka_unit_test(a_cancelled_statement_is_busy_and_the_server_stays),
        cmocka_unit_test(a_server_without_resources_is_overloaded),
        cmocka_unit_test(a_lost_connection_means_that_the_server_is_down),
        cmocka_unit_test(what_is_wrong_with_a_row_is_no_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
