#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dispatch/base/failed_starts.h"

enum { LIMIT = 3 };

struct bench {
    char folder[64], file[96];
};

static int open_bench(void **state) {
    static struct bench bench;
    (void)snprintf(bench.folder, sizeof bench.folder, "/tmp/starts-XXXXXX");
    assert_non_null(mkdtemp(bench.folder));
    (void)snprintf(bench.file, sizeof bench.file, "%s/drover.starts", bench.folder);
    *state = &bench;
    return 0;
}

static int close_bench(void **state) {
    const struct bench *bench = *state;
    (void)unlink(bench->file); /* A test may have removed it. */
    return rmdir(bench->folder);
}

static struct failed_starts *begin(const struct bench *bench, uint32_t limit) {
    struct failed_starts *starts = NULL;
    assert_int_equal(failed_starts_open(bench->folder, limit, &starts).code, ERR_NONE);
    return starts;
}

/* What a crash leaves: the file, as it is. */
static void die_at(const struct bench *bench, struct bytes run) {
    struct failed_starts *starts = begin(bench, LIMIT);
    assert_false(failed_starts_hold(starts));
    failed_starts_at(starts, run);
    failed_starts_close(starts);
}

static void assert_says(const struct failed_starts *starts, const char *expected) {
    struct text text;
    text_init(&text, 1024);
    failed_starts_write(starts, &text);
    text_add_char(&text, '\0');
    assert_string_equal(text.data, expected);
    text_done(&text);
}

static void the_start_after_three_deaths_holds_and_names_the_runs(void **state) {
    die_at(*state, BYTES("run_a"));
    die_at(*state, BYTES("run_b"));
    die_at(*state, BYTES("run_b"));
    struct failed_starts *starts = begin(*state, LIMIT);
    assert_true(failed_starts_hold(starts));
    assert_says(starts, "\"failed_starts\":3,\"last_runs\":[\"run_b\",\"run_a\"]");
    struct text runs;
    text_init(&runs, 1024);
    failed_starts_name(starts, &runs);
    assert_string_equal(runs.data, "run_b,run_a");
    text_done(&runs);
    failed_starts_close(starts);
}

static void two_deaths_are_told_and_hold_nothing(void **state) {
    die_at(*state, BYTES("run_a"));
    die_at(*state, BYTES(""));
    struct failed_starts *starts = begin(*state, LIMIT);
    assert_false(failed_starts_hold(starts));
    assert_says(starts, "\"failed_starts\":2,\"last_runs\":[\"run_a\"]");
    failed_starts_close(starts);
}

static void a_held_life_that_dies_or_lasts_holds_again(void **state) {
    for (int i = 0; i < LIMIT; i++) {
        die_at(*state, BYTES("run_a"));
    }
    for (int i = 0; i < LIMIT; i++) {
        struct failed_starts *starts = begin(*state, LIMIT);
        assert_true(failed_starts_hold(starts));
        failed_starts_at(starts, BYTES("run_b"));
        failed_starts_good(starts, LIFE_LASTED);
        assert_says(starts, "\"failed_starts\":3,\"last_runs\":[\"run_a\"]");
        failed_starts_close(starts);
    }
}

static void a_life_that_lasted_or_ended_in_order_begins_a_new_count(void **state) {
    static const enum life_end ends[] = {LIFE_LASTED, LIFE_ENDS};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        die_at(*state, BYTES("run_a"));
        die_at(*state, BYTES("run_a"));
        struct failed_starts *starts = begin(*state, LIMIT);
        failed_starts_good(starts, ends[i]);
        failed_starts_at(starts, BYTES("run_b")); /* Nobody writes it: it is a good life. */
        failed_starts_close(starts);
        starts = begin(*state, LIMIT);
        assert_says(starts, "\"failed_starts\":0,\"last_runs\":[]");
        failed_starts_good(starts, LIFE_ENDS);
        failed_starts_close(starts);
    }
}

static void a_held_life_that_ends_in_order_begins_a_new_count(void **state) {
    for (int i = 0; i < LIMIT; i++) {
        die_at(*state, BYTES("run_a"));
    }
    struct failed_starts *starts = begin(*state, LIMIT);
    failed_starts_good(starts, LIFE_ENDS);
    failed_starts_close(starts);
    die_at(*state, BYTES("run_a")); /* It held nothing. */
}

static void a_release_makes_this_life_a_first_one(void **state) {
    for (int i = 0; i < LIMIT; i++) {
        die_at(*state, BYTES("run_a"));
    }
    struct failed_starts *starts = begin(*state, LIMIT);
    failed_starts_accept(starts);
    assert_false(failed_starts_hold(starts));
    assert_says(starts, "\"failed_starts\":0,\"last_runs\":[]");
    failed_starts_at(starts, BYTES("run_c"));
    failed_starts_close(starts);
    starts = begin(*state, LIMIT);
    assert_says(starts, "\"failed_starts\":1,\"last_runs\":[\"run_c\"]");
    failed_starts_close(starts);
}

static void no_limit_never_holds(void **state) {
    for (int i = 0; i < 2 * LIMIT; i++) {
        struct failed_starts *starts = begin(*state, 0);
        assert_false(failed_starts_hold(starts));
        failed_starts_close(starts);
    }
}

static void a_file_that_is_no_record_counts_as_none(void **state) {
    const struct bench *bench = *state;
    static const size_t lengths[] = {0, 1, 15, 100, 160, 4096};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        FILE *file = fopen(bench->file, "we");
        assert_non_null(file);
        for (size_t at = 0; at < lengths[i]; at++) {
            assert_int_equal(fputc(0xff, file), 0xff);
        }
        assert_int_equal(fclose(file), 0);
        struct failed_starts *starts = begin(bench, 1);
        assert_false(failed_starts_hold(starts));
        assert_says(starts, "\"failed_starts\":0,\"last_runs\":[]");
        failed_starts_close(starts);
    }
}

static void none_at_all_is_allowed(void **state) {
    (void)state;
    failed_starts_at(NULL, BYTES("run_a"));
    failed_starts_good(NULL, LIFE_ENDS);
    failed_starts_accept(NULL);
    assert_false(failed_starts_hold(NULL));
    assert_says(NULL, "\"failed_starts\":0,\"last_runs\":[]");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        TEST(the_start_after_three_deaths_holds_and_names_the_runs),
        TEST(two_deaths_are_told_and_hold_nothing),
        TEST(a_held_life_that_dies_or_lasts_holds_again),
        TEST(a_life_that_lasted_or_ended_in_order_begins_a_new_count),
        TEST(a_held_life_that_ends_in_order_begins_a_new_count),
        TEST(a_release_makes_this_life_a_first_one),
        TEST(no_limit_never_holds),
        TEST(a_file_that_is_no_record_counts_as_none),
        TEST(none_at_all_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
