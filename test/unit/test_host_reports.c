/* Ends that a standby reports: stored once, by the leader, each on its own. */
#include "runs_kit.h"

#include "engine/host/reports.h"

static const struct bytes there = {"machine/there", 13};

/* Jobs of this test begin on another host, as a leader before this one began them. */
static int begin(void **state) {
    int result = runs_begin(state);
    struct runs_kit *runs = *state;
    runs->bounds.host = there;
    return result;
}

#define REPORT_TEST(name) cmocka_unit_test_setup_teardown(name, begin, runs_end)

struct put {
    struct bytes place;
    struct run_settle what;
};

static struct err put_tx(struct tx *tx, void *ctx) {
    struct put *put = ctx;
    return tx_host_report_put(tx, put->place, &put->what);
}

static enum err_code report_from(struct runs_kit *runs, struct bytes place,
                                 const struct run_settle *what) {
    struct put put = {.place = place, .what = *what};
    return runs_do(runs, put_tx, &put);
}

static void report(struct runs_kit *runs, const struct run_settle *what) {
    assert_int_equal(report_from(runs, there, what), ERR_NONE);
}

struct take {
    struct host_reports_take what;
    struct host_reports_taken taken;
};

static struct err take_tx(struct tx *tx, void *ctx) {
    struct take *take = ctx;
    return tx_host_reports_take(tx, &take->what, &take->taken);
}

static struct host_reports_taken take_page(struct runs_kit *runs, int64_t limit) {
    struct take take = {.what = {.limit = limit, .bounds = runs->bounds}};
    take.what.bounds.host = BYTES("machine/here");
    assert_int_equal(runs_do(runs, take_tx, &take), ERR_NONE);
    return take.taken;
}

static struct host_reports_taken take_all(struct runs_kit *runs) {
    return take_page(runs, HOST_REPORTS_PAGE);
}

static int64_t reports_left(struct runs_kit *runs) {
    return runs_count(runs, "SELECT count(*) FROM host_reports");
}

static struct err execute_tx(struct tx *tx, void *ctx) {
    return tx_exec(tx, ctx, NULL, 0, NULL);
}

static void execute(struct runs_kit *runs, const char *sql) {
    assert_int_equal(runs_do(runs, execute_tx, (void *)(uintptr_t)sql), ERR_NONE);
}

/* --- What is stored --------------------------------------------------------------------------- */

static void a_reported_end_is_that_which_the_leader_itself_would_have_stored(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = runs_add(runs);
    struct run_settle end = runs_exit(runs, run.run, 3);
    end.result = BYTES("{\"exit_code\":3,\"out\":12}");
    end.note = BYTES("a \"note\"\n\xc3\xa9");
    end.usage = (struct run_usage){.known = true, .cpu_us = 7, .memory_kb = 8, .wall_ms = 9};
    end.disk = 4096;
    report(runs, &end);
    assert_int_equal(runs_get(runs, run.run).row.state, RUN_RUNNING);
    struct host_reports_taken taken = take_all(runs);
    assert_int_equal(taken.settled, 1);
    assert_int_equal(taken.late + taken.bare + taken.refused, 0);
    assert_false(taken.more);
    struct runs_row row = runs_get(runs, run.run);
    assert_int_equal(row.row.state, RUN_FAILED);
    assert_int_equal(row.row.cause, CAUSE_EXIT_CODE);
    assert_int_equal(row.row.exit_code, 3);
    assert_string_equal(row.result, "{\"exit_code\":3,\"out\":12}");
    assert_string_equal(row.note, "a \"note\"\n\xc3\xa9");
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM spans WHERE state = 'failed' AND"
                                      " cpu_us = 7 AND memory_kb = 8 AND disk = 4096"),
                     1);
    assert_int_equal(reports_left(runs), 0);
}

static void each_kind_of_end_arrives_as_it_was_sent(void **state) {
    struct runs_kit *runs = *state;
    static const struct {
        struct attempt end;
        enum run_state state;
        enum run_cause cause;
    } ends[] = {
        {{ATTEMPT_EXITED, ATTEMPT_ITSELF, 0}, RUN_SUCCEEDED, CAUSE_COMPLETED},
        {{ATTEMPT_EXITED, ATTEMPT_TIMED_OUT, 0}, RUN_TIMED_OUT, CAUSE_DEADLINE},
        {{ATTEMPT_EXITED, ATTEMPT_STOPPED, 0}, RUN_CANCELLED, CAUSE_STOPPED},
        {{ATTEMPT_EXITED, ATTEMPT_PROCESSES, 0}, RUN_FAILED, CAUSE_PROCESSES},
        {{ATTEMPT_SIGNALED, ATTEMPT_ITSELF, 9}, RUN_FAILED, CAUSE_SIGNAL},
        {{ATTEMPT_NOT_STARTED, ATTEMPT_ITSELF, 0}, RUN_FAILED, CAUSE_NOT_STARTED},
        {{ATTEMPT_GONE, ATTEMPT_ITSELF, 0}, RUN_LOST, CAUSE_HOLDER_KILLED},
        {{ATTEMPT_HOST_GONE, ATTEMPT_ITSELF, 0}, RUN_LOST, CAUSE_HOST_GONE},
    };
    struct runs_row rows[COUNT_OF(ends)];
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        rows[i] = runs_add(runs);
        struct run_settle end = runs_exit(runs, rows[i].run, 0);
        end.end = ends[i].end;
        report(runs, &end);
    }
    struct runs_row begins = runs_add(runs), reboots = runs_add(runs);
    struct run_settle end = runs_exit(runs, begins.run, 0);
    end.end = (struct attempt){.end = ATTEMPT_VOID};
    report(runs, &end);
    end = runs_exit(runs, reboots.run, 0);
    end.end = (struct attempt){.end = ATTEMPT_REBOOTED};
    report(runs, &end);
    assert_int_equal(take_all(runs).settled, COUNT_OF(ends) + 2);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct runs_row row = runs_get(runs, rows[i].run);
        assert_int_equal(row.row.state, ends[i].state);
        assert_int_equal(row.row.cause, ends[i].cause);
    }
    assert_int_equal(runs_get(runs, begins.run).row.attempt, 2);
    assert_int_equal(runs_get(runs, reboots.run).row.attempt, 2);
    assert_string_equal(runs_get(runs, begins.run).host, "machine/here");
}

static void the_retry_policy_is_that_of_the_row(void **state) {
    struct runs_kit *runs = *state;
    struct run_new what = runs_new(runs);
    what.spec = BYTES("{\"argv\":[\"false\"],\"retry\":{\"max\":1}}");
    struct runs_row run = runs_submit(runs, &what);
    struct run_settle end = runs_exit(runs, run.run, 1);
    report(runs, &end);
    assert_int_equal(take_all(runs).settled, 1);
    struct runs_row row = runs_get(runs, run.run);
    assert_int_equal(row.row.state, RUN_QUEUED);
    assert_int_equal(row.row.gate, GATE_TIME);
    assert_int_equal(row.row.failures, 1);
}

static void what_a_reported_end_frees_goes_to_the_next_in_line(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_place place = {.key_max = 1};
    struct runs_row first = runs_add_key(runs, place), second = runs_add_key(runs, place);
    struct run_settle end = runs_exit(runs, first.run, 0);
    report(runs, &end);
    assert_int_equal(runs_get(runs, second.run).row.gate, GATE_KEY);
    (void)take_all(runs);
    assert_int_equal(runs_get(runs, second.run).row.state, RUN_RUNNING);
}

/* --- Once, and in time ------------------------------------------------------------------------ */

static void the_second_report_of_an_attempt_changes_nothing(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = runs_add(runs);
    struct run_settle end = runs_exit(runs, run.run, 0), other = runs_exit(runs, run.run, 5);
    report(runs, &end);
    report(runs, &other);
    assert_int_equal(reports_left(runs), 1);
    assert_int_equal(take_all(runs).settled, 1);
    report(runs, &other); /* The leader has removed the first one. */
    struct host_reports_taken taken = take_all(runs);
    assert_int_equal(taken.settled, 0);
    assert_int_equal(taken.late, 1);
    assert_int_equal(runs_get(runs, run.run).row.state, RUN_SUCCEEDED);
    assert_int_equal(reports_left(runs), 0);
}

static void a_report_about_nothing_that_runs_there_is_late(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row abandoned = runs_add(runs), elsewhere = runs_add(runs), older = runs_add(runs);
    struct run_settle gone = runs_exit(runs, abandoned.run, 0);
    gone.end = (struct attempt){.end = ATTEMPT_HOST_GONE};
    (void)runs_settle(runs, &gone);
    struct run_settle end = runs_exit(runs, abandoned.run, 0);
    report(runs, &end);
    end = runs_exit(runs, elsewhere.run, 0);
    assert_int_equal(report_from(runs, BYTES("machine/third"), &end), ERR_NONE);
    end = runs_exit(runs, older.run, 0);
    end.attempt = 0;
    report(runs, &end);
    end = runs_exit(runs, "run_unknown", 0);
    report(runs, &end);
    struct host_reports_taken taken = take_all(runs);
    assert_int_equal(taken.late, 4);
    assert_int_equal(taken.settled, 0);
    assert_int_equal(runs_get(runs, abandoned.run).row.state, RUN_LOST);
    assert_int_equal(runs_get(runs, elsewhere.run).row.state, RUN_RUNNING);
    assert_int_equal(runs_get(runs, older.run).row.state, RUN_RUNNING);
    assert_int_equal(reports_left(runs), 0);
}

static void a_page_takes_the_oldest_and_says_that_more_are_left(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row rows[5];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rows[i] = runs_add(runs);
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct run_settle end = runs_exit(runs, rows[i].run, 0);
        report(runs, &end);
    }
    struct host_reports_taken taken = take_page(runs, 2);
    assert_int_equal(taken.settled, 2);
    assert_true(taken.more);
    assert_int_equal(runs_get(runs, rows[1].run).row.state, RUN_SUCCEEDED);
    assert_int_equal(runs_get(runs, rows[2].run).row.state, RUN_RUNNING);
    assert_true(take_page(runs, 2).more);
    assert_false(take_page(runs, 2).more);
    assert_int_equal(reports_left(runs), 0);
}

/* --- Reports that cannot be used -------------------------------------------------------------- */

static void reports_of_large_jobs_are_taken_in_shorter_pages(void **state) {
    struct runs_kit *runs = *state;
    const struct bytes spec = runs_large_spec();
    for (size_t i = 0; i < HOST_REPORTS_PAGE; i++) {
        struct run_new what = runs_new(runs);
        what.spec = spec;
        struct runs_row run = runs_submit(runs, &what);
        struct run_settle end = runs_exit(runs, run.run, 0);
        report(runs, &end);
    }
    int64_t settled = 0, left = HOST_REPORTS_PAGE;
    while (left > 0) {
        struct host_reports_taken taken = take_all(runs);
        assert_true(taken.settled > 0);
        settled += taken.settled;
        left -= taken.settled;
        assert_int_equal(taken.more, left > 0);
    }
    assert_int_equal(settled, HOST_REPORTS_PAGE);
    assert_int_equal(reports_left(runs), 0);
}

static void a_report_that_cannot_be_read_fails_its_run_alone(void **state) {
    struct runs_kit *runs = *state;
    static const char *const spoils[] = {
        "UPDATE host_reports SET report = '{\"end\":' WHERE attempt = 1 AND run ="
        " (SELECT min(run) FROM host_reports)",
        "UPDATE host_reports SET report = '{\"end\":\"melted\",\"why\":\"itself\"}' WHERE run ="
        " (SELECT min(run) FROM host_reports)",
        "UPDATE host_reports SET report = '[]' WHERE run = (SELECT min(run) FROM host_reports)",
        "UPDATE host_reports SET report = '' WHERE run = (SELECT min(run) FROM host_reports)",
    };
    for (size_t i = 0; i < COUNT_OF(spoils); i++) {
        struct runs_row bad = runs_add(runs), good = runs_add(runs);
        struct run_settle end = runs_exit(runs, bad.run, 0), next = runs_exit(runs, good.run, 0);
        report(runs, &end);
        report(runs, &next);
        execute(runs, spoils[i]);
        struct host_reports_taken taken = take_all(runs);
        assert_int_equal(taken.refused, 1);
        assert_int_equal(taken.settled, 1);
        assert_int_equal(taken.why.code, ERR_STORE_CORRUPT);
        assert_string_equal(taken.first.text, bad.run);
        struct runs_row row = runs_get(runs, bad.run);
        assert_int_equal(row.row.state, RUN_FAILED);
        assert_int_equal(row.row.cause, CAUSE_NOT_STORED);
        assert_non_null(strstr(row.note, "its host reported"));
        assert_int_equal(runs_get(runs, good.run).row.state, RUN_SUCCEEDED);
        assert_int_equal(reports_left(runs), 0);
    }
}

static void a_result_that_is_too_long_is_left_out(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = runs_add(runs);
    struct run_settle end = runs_exit(runs, run.run, 4);
    static char result[RUN_RESULT_MAX + 100];
    memset(result, 'x', sizeof result);
    result[0] = result[sizeof result - 1] = '"';
    end.result = (struct bytes){result, sizeof result};
    report(runs, &end);
    struct host_reports_taken taken = take_all(runs);
    assert_int_equal(taken.bare, 1);
    assert_int_equal(taken.settled, 1);
    struct runs_row row = runs_get(runs, run.run);
    assert_int_equal(row.row.cause, CAUSE_EXIT_CODE);
    assert_int_equal(row.row.exit_code, 4);
    assert_string_equal(row.result, "");
}

static struct err replace_tx(struct tx *tx, void *ctx) {
    const struct bytes *report = ctx;
    const struct arg args[] = {arg_text(*report)};
    return tx_exec(tx, "UPDATE host_reports SET report = $1", args, COUNT_OF(args), NULL);
}

/* No writer of ours makes it: it would fill the memory that the page's other reports need. */
static void a_report_that_is_longer_than_any_is_not_read(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = runs_add(runs);
    struct run_settle end = runs_exit(runs, run.run, 0);
    report(runs, &end);
    static char text[HOST_REPORT_MAX + 100];
    memset(text, ' ', sizeof text);
    static const char sound[] = "{\"end\":\"exited\",\"why\":\"itself\"}";
    memcpy(text, sound, sizeof sound - 1);
    struct bytes long_report = {text, sizeof text};
    assert_int_equal(runs_do(runs, replace_tx, &long_report), ERR_NONE);
    assert_int_equal(take_all(runs).refused, 1);
    assert_int_equal(runs_get(runs, run.run).row.cause, CAUSE_NOT_STORED);
}

static void a_report_beyond_its_bound_is_refused_to_its_writer(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = runs_add(runs);
    struct run_settle end = runs_exit(runs, run.run, 0);
    static char output[HOST_REPORT_MAX];
    memset(output, 'o', sizeof output);
    end.output = (struct bytes){output, sizeof output};
    assert_int_equal(report_from(runs, there, &end), ERR_TEXT_TOO_LONG);
    end.output = BYTES("");
    assert_int_equal(report_from(runs, there, &end), ERR_NONE);
    assert_int_equal(take_all(runs).settled, 1);
}

static void members_that_a_later_version_adds_are_ignored(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = runs_add(runs);
    struct run_settle end = runs_exit(runs, run.run, 0);
    report(runs, &end);
    execute(runs, "UPDATE host_reports SET report ="
                  " '{\"end\":\"exited\",\"why\":\"itself\",\"later\":{\"a\":[1]}}'");
    assert_int_equal(take_all(runs).settled, 1);
    assert_int_equal(runs_get(runs, run.run).row.state, RUN_SUCCEEDED);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        REPORT_TEST(a_reported_end_is_that_which_the_leader_itself_would_have_stored),
        REPORT_TEST(each_kind_of_end_arrives_as_it_was_sent),
        REPORT_TEST(the_retry_policy_is_that_of_the_row),
        REPORT_TEST(what_a_reported_end_frees_goes_to_the_next_in_line),
        REPORT_TEST(the_second_report_of_an_attempt_changes_nothing),
        REPORT_TEST(a_report_about_nothing_that_runs_there_is_late),
        REPORT_TEST(a_page_takes_the_oldest_and_says_that_more_are_left),
        REPORT_TEST(reports_of_large_jobs_are_taken_in_shorter_pages),
        REPORT_TEST(a_report_that_cannot_be_read_fails_its_run_alone),
        REPORT_TEST(a_result_that_is_too_long_is_left_out),
        REPORT_TEST(a_report_that_is_longer_than_any_is_not_read),
        REPORT_TEST(a_report_beyond_its_bound_is_refused_to_its_writer),
        REPORT_TEST(members_that_a_later_version_adds_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
