/* test_script_judge.c: the checker, and the answers that are kept. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta_kit.h"

struct desk {
    char dir[64], file[PATH_MAX];
    unsigned failures;
};

static void on_failed(void *ctx, struct err err) {
    struct desk *desk = ctx;
    (void)err;
    desk->failures++;
}

static int desk_open(void **state) {
    struct desk *desk = test_calloc(1, sizeof *desk);
    (void)snprintf(desk->dir, sizeof desk->dir, "/tmp/test-script-judge-XXXXXX");
    assert_non_null(mkdtemp(desk->dir));
    (void)snprintf(desk->file, sizeof desk->file, "%s/" SCRIPT_JUDGE_FILE, desk->dir);
    script_judge_open(desk->dir, on_failed, desk);
    *state = desk;
    return 0;
}

static int desk_close(void **state) {
    struct desk *desk = *state;
    script_judge_close();
    (void)unlink(desk->file);
    (void)rmdir(desk->dir);
    test_free(desk);
    return 0;
}

static unsigned notes_of(const char *body) {
    AUTO(tried_done) struct tried tried = prepare_body(body);
    return tried.notes.count;
}

static off_t size_of(const struct desk *desk) {
    struct stat about;
    return stat(desk->file, &about) == 0 ? about.st_size : 0;
}

static void answers_outlive_the_daemon(void **state) {
    struct desk *desk = *state;
    assert_int_equal(notes_of("agent('a')"), 1);
    const off_t size = size_of(desk);
    assert_true(size > 0);
    script_judge_open(desk->dir, on_failed, desk);
    assert_int_equal(notes_of("agent('a')"), 1);
    assert_int_equal(size_of(desk), size);
    assert_int_equal(notes_of("agent('a'); agent('b')"), 2);
    assert_true(size_of(desk) > size);
}

static void a_line_without_its_end_is_left_out(void **state) {
    struct desk *desk = *state;
    assert_int_equal(notes_of("agent('a')"), 1);
    assert_int_equal(truncate(desk->file, size_of(desk) - 3), 0);
    script_judge_open(desk->dir, on_failed, desk);
    assert_int_equal(notes_of("agent('a')"), 1);
    assert_int_equal(desk->failures, 0);
}

static void a_file_that_is_damaged_costs_notes_alone(void **state) {
    struct desk *desk = *state;
    assert_int_equal(notes_of("agent('a')"), 1);
    const int fd = open(desk->file, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "[", 1, size_of(desk) - 3), 1);
    (void)close(fd);
    script_judge_open(desk->dir, on_failed, desk);
    assert_int_equal(notes_of("agent('a')"), 0);
    assert_int_equal(desk->failures, 1);
}

static void what_is_kept_is_bounded(void **state) {
    const struct desk *desk = *state;
    AUTO(text_done) struct text body = text_up_to(100000);
    for (int i = 0; i < 60; i++) {
        text_clear(&body);
        text_addf(&body, "await agent(%d, {schema: {type: '", i);
        for (int at = 0; at < 20000; at++) {
            text_add_char(&body, 'x');
        }
        text_add_str(&body, "'}})");
        assert_int_equal(notes_of(body.data), 1);
    }
    assert_true(size_of(desk) > 200 << 10 && size_of(desk) <= 512 << 10);
    assert_int_equal(notes_of(body.data), 1);
}

static void what_is_no_javascript_has_no_notes(void **state) {
    const struct desk *desk = *state;
    assert_int_equal(notes_of("agent('a') agent('b')"), 0);
    assert_int_equal(desk->failures, 0);
}

/* A checker would compute for too long; the next text gets another one. */
static void a_text_that_breaks_the_checker_has_no_notes(void **state) {
    const struct desk *desk = *state;
    AUTO(text_done) struct text body = text_up_to(1 << 20);
    for (int i = 0; i < 30000; i++) {
        text_addf(&body, "a%d += agent + [{b: c(d)}];\n", i);
    }
    (void)notes_of(body.data);
    (void)notes_of(body.data);
    assert_true(desk->failures <= 1);
    assert_int_equal(notes_of("agent('a')"), 1);
}

#define DESK(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        DESK(answers_outlive_the_daemon),
        DESK(a_line_without_its_end_is_left_out),
        DESK(a_file_that_is_damaged_costs_notes_alone),
        DESK(what_is_kept_is_bounded),
        DESK(what_is_no_javascript_has_no_notes),
        DESK(a_text_that_breaks_the_checker_has_no_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
