/* Log lines: one for each event, whatever the values hold. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/json/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/log_change.h"
#include "base/log_pace.h"
#include "base/utf8.h"

enum { OUTPUT_SIZE = 4 * LIMIT_LOG_LINE_MAX };

/* A log into a pipe, and what arrives there. */
struct capture {
    struct log log;
    int read_fd, write_fd; /* Owned. */
    char output[OUTPUT_SIZE];
};

static int64_t fixed_ms(void *ctx) {
    return *(int64_t *)ctx;
}

static int64_t now_ms = INT64_C(1700000000123);

static int capture_start(void **state) {
    static struct capture capture;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    capture.read_fd = ends[0];
    capture.write_fd = ends[1];
    log_init(&capture.log, capture.write_fd, LOG_INFO, fixed_ms, &now_ms);
    *state = &capture;
    return 0;
}

static int capture_stop(void **state) {
    struct capture *capture = *state;
    fd_release(&capture->read_fd);
    fd_release(&capture->write_fd);
    return 0;
}

static const char *captured(struct capture *capture) {
    ssize_t got = read(capture->read_fd, capture->output, sizeof capture->output - 1);
    capture->output[got > 0 ? got : 0] = '\0';
    return capture->output;
}

/* The line must be one, and be JSON. */
static json_t *captured_json(struct capture *capture) {
    const char *line = captured(capture);
    size_t len = strlen(line);
    assert_true(len > 1);
    assert_true(len <= LIMIT_LOG_LINE_MAX);
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    json_t *json = NULL;
    struct why why = {""};
    if (err_failed(json_parse(line, len, 4, &json, &why))) {
        fail_msg("%s: %s", line, why.text);
    }
    return json;
}

static const char *text_of(const json_t *json, const char *key) {
    const char *text = json_string_value(json_object_get(json, key));
    return text == NULL ? "(none)" : text;
}

static void a_line_is_a_json_object_where_no_terminal_is(void **state) {
    struct capture *capture = *state;
    log_event(&capture->log, LOG_WARN, "request failed",
              LOG_FIELDS(log_text("path", "/api"), log_int("status", -500),
                         log_err(err_from_errno(ENOSPC, "store: write"))));
    assert_string_equal(captured(capture),
                        "{\"at\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\","
                        "\"what\":\"request failed\",\"path\":\"/api\",\"status\":-500,"
                        "\"error\":\"disk_full\",\"step\":\"store: write\","
                        "\"os\":\"No space left on device\"}\n");
}

static void a_line_is_words_on_a_terminal(void **state) {
    struct capture *capture = *state;
    AUTO(fd_release) int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ours < 0) {
        fail_msg("no terminal can be made here: mount devpts on /dev/pts");
    }
    assert_int_equal(grantpt(ours), 0);
    assert_int_equal(unlockpt(ours), 0);
    AUTO(fd_release) int theirs = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(theirs >= 0);
    struct log log;
    log_init(&log, theirs, LOG_INFO, fixed_ms, &now_ms);
    assert_int_equal(log.form, LOG_FORM_KEY_VALUE);
    assert_int_equal(capture->log.form, LOG_FORM_JSON);
    log_event(&log, LOG_INFO, "ready", LOG_FIELDS(log_text("url", "http://[::1]:80/")));
    char line[200];
    ssize_t got = read(ours, line, sizeof line - 1);
    assert_true(got > 0);
    line[got] = '\0';
    assert_string_equal(line,
                        "2023-11-14T22:13:20.123Z info \"ready\" url=\"http://[::1]:80/\"\r\n");
}

static void values_on_a_terminal_are_quoted_unless_they_are_plain_words(void **state) {
    struct capture *capture = *state;
    capture->log.form = LOG_FORM_KEY_VALUE;
    log_event(&capture->log, LOG_ERROR, "x",
              LOG_FIELDS(log_text("a", "plain-1.2"), log_text("b", "two words"), log_text("c", ""),
                         log_text("d", NULL), log_text("e", "a=b"),
                         log_text("f", "\x1b[31m\n2023 error \"forged\"\\"), log_int("g", 7)));
    assert_string_equal(captured(capture),
                        "2023-11-14T22:13:20.123Z error \"x\" a=plain-1.2 b=\"two words\" c=\"\" "
                        "d=\"\" e=\"a=b\" f=\"\\u001b[31m\\u000a2023 error \\\"forged\\\"\\\\\" "
                        "g=7\n");
}

static void no_byte_can_forge_a_line_or_a_field(void **state) {
    struct capture *capture = *state;
    for (int form = LOG_FORM_KEY_VALUE; form <= LOG_FORM_JSON; form++) {
        capture->log.form = (enum log_form)form;
        for (int byte = 0; byte < 256; byte++) {
            char value[] = {'a', (char)byte, 'b', (char)byte, '"', '}', '\n', 'c'};
            log_event(&capture->log, LOG_INFO, "x",
                      LOG_FIELDS(log_bytes("v", (struct bytes){value, sizeof value})));
            const char *line = captured(capture);
            for (const char *at = line; at[1] != '\0'; at++) {
                assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
            }
            assert_true(utf8_valid(line, strlen(line)));
        }
    }
}

static void json_lines_carry_values_unchanged_but_for_bad_bytes(void **state) {
    struct capture *capture = *state;
    log_event(&capture->log, LOG_INFO, "x",
              LOG_FIELDS(log_text("a", "\u00e9\"\\\t\n\x01"), log_text("b", "x\xff\xc3y"),
                         log_text("c", "\xc2\x9b"), log_text("d", "\U0001F600")));
    json_t *json = captured_json(capture);
    assert_string_equal(text_of(json, "a"), "\u00e9\"\\\t\n\x01");
    assert_string_equal(text_of(json, "b"), "x\uFFFD\uFFFDy");
    assert_string_equal(text_of(json, "c"), "\xc2\x9b");
    assert_string_equal(text_of(json, "d"), "\U0001F600");
    json_release(&json);
}

static void lines_below_the_level_are_not_written(void **state) {
    struct capture *capture = *state;
    log_event(&capture->log, LOG_DEBUG, "x", NULL);
    assert_string_equal(captured(capture), "");
    capture->log.level_min = LOG_DEBUG;
    log_event(&capture->log, LOG_DEBUG, "x", NULL);
    assert_non_null(strstr(captured(capture), "\"debug\""));
    capture->log.level_min = LOG_ERROR;
    log_event(&capture->log, LOG_WARN, "x", NULL);
    assert_string_equal(captured(capture), "");
}

static void a_long_value_is_cut_and_too_many_fields_are_left_out(void **state) {
    struct capture *capture = *state;
    static char value[100000];
    memset(value, 'v', sizeof value - 1);
    log_event(&capture->log, LOG_INFO, "x",
              LOG_FIELDS(log_text("a", value), log_text("b", value), log_text("c", value),
                         log_text("d", value), log_text("e", "short")));
    json_t *json = captured_json(capture);
    assert_int_equal(strlen(text_of(json, "a")), 1024 + 3);
    assert_string_equal(text_of(json, "a") + 1024, "...");
    assert_string_equal(text_of(json, "d"), "(none)");
    assert_string_equal(text_of(json, "e"), "short");
    assert_true(json_is_true(json_object_get(json, "cut")));
    json_release(&json);
}

static void what_names_a_secret_is_not_shown(void **state) {
    struct capture *capture = *state;
    log_event(&capture->log, LOG_INFO, "x",
              LOG_FIELDS(log_text("token", "s3cret"), log_text("api_key", "s3cret"),
                         log_text("password", "s3cret"), log_text("token_id", "tok_1"),
                         log_text("header", "Authorization: BEARER s3cret"),
                         log_text("monkey", "eats")));
    const char *line = captured(capture);
    assert_null(strstr(line, "s3cret"));
    assert_non_null(strstr(line, "\"token\":\"[redacted]\",\"api_key\":\"[redacted]\""));
    assert_non_null(strstr(line, "\"token_id\":\"tok_1\""));
    assert_non_null(strstr(line, "\"header\":\"Authorization: BEARER [redacted]\""));
    assert_non_null(strstr(line, "\"monkey\":\"eats\""));
}

static void a_pipe_that_nobody_reads_costs_lines_and_never_time(void **state) {
    struct capture *capture = *state;
    /* Blocking, as a daemon's stderr is. */
    assert_int_equal(fcntl(capture->write_fd, F_SETFL, 0), 0);
    enum { LINES = 5000 };
    for (int i = 0; i < LINES; i++) {
        log_event(&capture->log, LOG_INFO, "nobody reads this", LOG_FIELDS(log_int("i", i)));
    }
    uint64_t dropped = atomic_load(&capture->log.dropped);
    assert_true(dropped > 0);
    while (captured(capture)[0] != '\0') {
    }
    log_event(&capture->log, LOG_INFO, "read again", NULL);
    json_t *json = captured_json(capture);
    assert_int_equal(json_integer_value(json_object_get(json, "dropped")), dropped);
    json_release(&json);
    assert_int_equal(atomic_load(&capture->log.dropped), 0);
}

static void a_clock_before_1970_is_no_reason_to_fail(void **state) {
    struct capture *capture = *state;
    int64_t times[] = {-1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        capture->log.ctx = &times[i];
        log_event(&capture->log, LOG_INFO, "x", NULL);
        json_t *json = captured_json(capture);
        json_release(&json);
    }
}

static void a_log_without_a_descriptor_drops_everything(void **state) {
    (void)state;
    struct log log;
    log_init(&log, -1, LOG_DEBUG, fixed_ms, &now_ms);
    log_event(&log, LOG_ERROR, "x", NULL);
}

static void levels_are_read_by_name(void **state) {
    (void)state;
    enum log_level level = LOG_ERROR;
    assert_true(log_level_parse(BYTES("debug"), &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_parse(BYTES("warn"), &level));
    assert_false(log_level_parse(BYTES("WARN"), &level));
    assert_false(log_level_parse(BYTES(""), &level));
    assert_int_equal(level, LOG_WARN);
}

static void a_condition_that_meets_many_has_a_line_a_second(void **state) {
    (void)state;
    static const uint64_t second_ns = 1000 * 1000 * 1000;
    struct log_pace pace = {.next_ns = 0};
    uint64_t omitted = 7;
    assert_true(log_pace_take(&pace, 5, &omitted));
    assert_int_equal(omitted, 0);
    for (uint64_t i = 0; i < 100; i++) {
        assert_false(log_pace_take(&pace, 5 + i, &omitted));
    }
    assert_false(log_pace_take(&pace, 4 + second_ns, &omitted));
    assert_true(log_pace_take(&pace, 5 + second_ns, &omitted));
    assert_int_equal(omitted, 101);
    assert_true(log_pace_take(&pace, 5 + 3 * second_ns, &omitted));
    assert_int_equal(omitted, 0);
}

static void what_fails_again_has_a_line_until_its_cause_changes(void **state) {
    (void)state;
    static const uint64_t minute_ns = UINT64_C(60) * 1000 * 1000 * 1000;
    const struct err full = err_make(ERR_DISK_FULL, "a"), elsewhere = err_make(ERR_DISK_FULL, "b");
    struct log_change change = {.next_ns = 0};
    assert_false(log_change_take(&change, ERR_OK, 5));
    assert_true(log_change_take(&change, full, 5));
    assert_false(log_change_take(&change, full, 5 + 100 * minute_ns));
    assert_true(log_change_take(&change, elsewhere, 5 + 100 * minute_ns));
    assert_false(log_change_take(&change, full, 5 + 101 * minute_ns - 1)); /* They alternate. */
    assert_true(log_change_take(&change, full, 5 + 101 * minute_ns));
    assert_false(log_change_take(&change, ERR_OK, 5 + 103 * minute_ns));
    assert_true(log_change_take(&change, full, 5 + 103 * minute_ns));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, capture_start, capture_stop)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_a_json_object_where_no_terminal_is),
        TEST(a_line_is_words_on_a_terminal),
        TEST(values_on_a_terminal_are_quoted_unless_they_are_plain_words),
        TEST(no_byte_can_forge_a_line_or_a_field),
        TEST(json_lines_carry_values_unchanged_but_for_bad_bytes),
        TEST(lines_below_the_level_are_not_written),
        TEST(a_long_value_is_cut_and_too_many_fields_are_left_out),
        TEST(what_names_a_secret_is_not_shown),
        TEST(a_pipe_that_nobody_reads_costs_lines_and_never_time),
        TEST(a_clock_before_1970_is_no_reason_to_fail),
        TEST(a_log_without_a_descriptor_drops_everything),
        TEST(levels_are_read_by_name),
        TEST(a_condition_that_meets_many_has_a_line_a_second),
        TEST(what_fails_again_has_a_line_until_its_cause_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
