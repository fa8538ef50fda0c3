/* Days end at the midnight of the time zone, and where there is none a little later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "loop/local_day.h"

#define HOUR (INT64_C(3600) * 1000)
#define DAY (24 * HOUR)

static void zone_set(const char *zone) {
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

static void a_day_ends_at_the_next_midnight_of_the_zone(void **state) {
    (void)state;
    zone_set("UTC0");
    assert_int_equal(local_day_end_ms(100 * DAY), 101 * DAY);
    assert_int_equal(local_day_end_ms(101 * DAY - 1), 101 * DAY);
    zone_set("AAA-5:30");
    assert_int_equal(local_day_end_ms(100 * DAY), 100 * DAY + 18 * HOUR + HOUR / 2);
    zone_set("BBB+5");
    assert_int_equal(local_day_end_ms(100 * DAY), 100 * DAY + 5 * HOUR);
}

/* The zones put their clocks on and back at noon, and on at midnight, of 11 April 1970. */
static void a_day_with_a_change_of_the_clock_has_23_or_25_hours(void **state) {
    (void)state;
    zone_set("CCC0DDD-1,J101/12,J300/12");
    assert_int_equal(local_day_end_ms(100 * DAY), 100 * DAY + 23 * HOUR);
    assert_int_equal(local_day_end_ms(299 * DAY - HOUR), 299 * DAY + 24 * HOUR);
    zone_set("CCC0DDD-1,J101/0,J300/0");
    assert_int_equal(local_day_end_ms(99 * DAY), 100 * DAY); /* Where 00:00 is 01:00 at once. */
    assert_int_equal(local_day_end_ms(100 * DAY), 100 * DAY + 23 * HOUR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_ends_at_the_next_midnight_of_the_zone),
        cmocka_unit_test(a_day_with_a_change_of_the_clock_has_23_or_25_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
