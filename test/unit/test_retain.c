/* What of ended runs is kept: by size, and by an age that no clock can make up. */
#include "runs_kit.h"

#include "engine/trace/spans.h"
#include "rules/run/retention.h"

enum { HOUR_MS = 60 * 60 * 1000 };
#define DAY_MS (INT64_C(24) * HOUR_MS)
#define YEAR_MS (365 * DAY_MS)

/* --- The clock -------------------------------------------------------------------------------- */

static int64_t now(int64_t judged_ms, int64_t wall_ms, int64_t lived_ms) {
    const struct retain_clock clock = {
        .judged_ms = judged_ms, .wall_ms = wall_ms, .lived_ms = lived_ms};
    return retain_now(&clock);
}

static void the_clock_follows_the_wall_but_a_day_for_each_hour(void **state) {
    (void)state;
    const int64_t start = 1000 * DAY_MS;
    assert_int_equal(now(0, start, 0), start); /* The first look. */
    assert_int_equal(now(start, start + HOUR_MS, HOUR_MS), start + HOUR_MS);
    assert_int_equal(now(start, start + DAY_MS, HOUR_MS), start + DAY_MS); /* A day's pause. */
    assert_int_equal(now(start, start + YEAR_MS, HOUR_MS), start + 25 * HOUR_MS);
    assert_int_equal(now(start, start + YEAR_MS, 0), start);           /* Not at a start. */
    assert_int_equal(now(start, start - YEAR_MS, 0), start - YEAR_MS); /* Back at once. */
    assert_int_equal(now(start, INT64_MAX, INT64_MAX), INT64_MAX);
}

/* --- Runs ------------------------------------------------------------------------------------- */

static struct runs_prune prune(struct runs_kit *runs, struct run_prune what) {
    struct runs_prune prune = {.what = what};
    runs_prune(runs, &prune);
    return prune;
}

/* One that has ended now, and left so much. */
static struct runs_row ended(struct runs_kit *runs, int64_t disk) {
    struct runs_row row = runs_add(runs);
    struct run_settle settle = runs_exit(runs, row.run, 0);
    settle.disk = disk;
    (void)runs_settle(runs, &settle);
    runs->kit.clock_ms += 1000;
    return row;
}

static int64_t kept_bytes(struct runs_kit *runs) {
    return runs_count(runs, "SELECT disk FROM nodes");
}

static void the_oldest_go_until_the_rest_is_small_enough(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row rows[] = {ended(runs, 500), ended(runs, 300), ended(runs, 0), ended(runs, 200)};
    assert_int_equal(kept_bytes(runs), 1000);
    const struct run_prune at_bound = {.keep = {.bytes = 1000}, .limit = 10};
    assert_int_equal(prune(runs, at_bound).gone, 0);
    struct runs_prune gone = prune(runs, (struct run_prune){.keep = {.bytes = 400}, .limit = 10});
    assert_int_equal(gone.gone, 2);
    assert_int_equal(runs_count(runs, "SELECT min(id) FROM runs"), rows[2].row.id);
    assert_int_equal(kept_bytes(runs), 200);
    (void)prune(runs, (struct run_prune){.keep = {.count = 1}, .limit = 10});
    assert_int_equal(kept_bytes(runs), 200); /* The last one is the newest. */
    (void)prune(runs, (struct run_prune){.keep = {.bytes = 1}, .limit = 10});
    assert_int_equal(kept_bytes(runs), 0);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 0);
}

/* What a live run has left so far is not to be had: nobody else must go for it. */
static void attempts_of_a_run_that_goes_on_do_not_count(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct run_settle settle = runs_exit(runs, row.run, 1);
    settle.retry = (struct retry_policy){.max = 1, .on = RETRY_FAILED};
    settle.disk = 700;
    assert_int_equal(runs_settle(runs, &settle).row.row.attempt, 2);
    assert_int_equal(kept_bytes(runs), 0);
    (void)ended(runs, 100);
    assert_int_equal(prune(runs, (struct run_prune){.keep = {.bytes = 400}, .limit = 10}).gone, 0);
    settle.attempt = 2;
    settle.disk = 50;
    (void)runs_settle(runs, &settle);
    assert_int_equal(kept_bytes(runs), 850);
}

static struct err remove_tx(struct tx *tx, void *ctx) {
    bool more = false;
    struct run_row row;
    return tx_run_remove(tx, ctx, &more, &row);
}

static void what_a_client_removes_does_not_count_any_more(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = ended(runs, 500);
    (void)ended(runs, 20);
    struct run_key key = {.owner = BYTES("ann"), .run = kit_bytes(row.run)};
    assert_int_equal(runs_do(runs, remove_tx, &key), ERR_NONE);
    assert_int_equal(kept_bytes(runs), 20);
}

/* A month is kept. The clock is set a year ahead, and found out after some hours. */
static void a_clock_that_jumps_a_year_takes_only_the_oldest(void **state) {
    struct runs_kit *runs = *state;
    const struct run_keep keep = {.age_ms = 30 * DAY_MS};
    for (int day = 0; day < 8; day++) {
        (void)ended(runs, 0);
        runs->kit.clock_ms += 3 * DAY_MS;
    }
    struct run_prune what = {.keep = keep, .limit = 10};
    assert_int_equal(prune(runs, what).gone, 0);
    runs->kit.clock_ms += YEAR_MS;
    assert_int_equal(prune(runs, what).gone, 0); /* Nor after a restart. */
    what.lived_ms = HOUR_MS;
    int64_t gone = 0;
    for (int hour = 0; hour < 8; hour++) {
        runs->kit.clock_ms += HOUR_MS;
        gone += prune(runs, what).gone;
    }
    assert_int_equal(gone, 1);
    runs->kit.clock_ms -= YEAR_MS;
    assert_int_equal(prune(runs, what).gone, 0);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 7);
    runs->kit.clock_ms += YEAR_MS; /* And this time it is true. */
    for (int hour = 0; hour < 16 * 24; hour++) {
        runs->kit.clock_ms += HOUR_MS;
        gone += prune(runs, what).gone;
    }
    assert_int_equal(gone, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_follows_the_wall_but_a_day_for_each_hour),
        RUNS_TEST(the_oldest_go_until_the_rest_is_small_enough),
        RUNS_TEST(attempts_of_a_run_that_goes_on_do_not_count),
        RUNS_TEST(what_a_client_removes_does_not_count_any_more),
        RUNS_TEST(a_clock_that_jumps_a_year_takes_only_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
