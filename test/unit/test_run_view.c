/* Runs as people read them, and the exit code that stands for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/run/view.h"

static json_t *parsed(const char *text) {
    json_t *json = NULL;
    struct why why;
    assert_int_equal(json_parse(text, strlen(text), 16, &json, &why).code, ERR_NONE);
    return json;
}

static int code_of(const char *text) {
    AUTO(json_release) json_t *run = parsed(text);
    return run_exit_code(run);
}

static void a_run_ends_with_the_code_of_its_command(void **state) {
    (void)state;
    assert_int_equal(code_of("{\"state\":\"succeeded\",\"exit_code\":0}"), 0);
    assert_int_equal(code_of("{\"state\":\"failed\",\"cause\":\"exit_code\",\"exit_code\":3}"), 3);
    assert_int_equal(code_of("{\"state\":\"failed\",\"cause\":\"signal\",\"exit_code\":null,"
                             "\"result\":{\"signal\":9}}"),
                     137);
    assert_int_equal(code_of("{\"state\":\"failed\",\"cause\":\"not_started\",\"result\":"
                             "{\"errno\":\"ENOENT\",\"step\":\"exec\"}}"),
                     127);
    assert_int_equal(code_of("{\"state\":\"failed\",\"cause\":\"not_started\",\"result\":"
                             "{\"errno\":\"EACCES\",\"step\":\"exec\"}}"),
                     126);
    assert_int_equal(code_of("{\"state\":\"failed\",\"cause\":\"not_started\",\"result\":"
                             "{\"errno\":\"ENOENT\",\"step\":\"chdir\"}}"),
                     126);
    assert_int_equal(code_of("{\"state\":\"failed\",\"cause\":\"not_started\"}"), 126);
    assert_int_equal(code_of("{\"state\":\"timed_out\",\"cause\":\"deadline\"}"), 124);
    assert_int_equal(code_of("{\"state\":\"cancelled\",\"cause\":\"stopped\"}"), 125);
    assert_int_equal(code_of("{\"state\":\"lost\",\"cause\":\"holder_killed\"}"), 125);
}

static void a_failure_never_looks_like_success(void **state) {
    (void)state;
    assert_int_equal(code_of("{\"state\":\"failed\"}"), 125);
    assert_int_equal(code_of("{\"state\":\"failed\",\"cause\":\"exit_code\",\"exit_code\":0}"),
                     125);
    assert_int_equal(code_of("{\"state\":\"failed\",\"cause\":\"exit_code\",\"exit_code\":256}"),
                     125);
    assert_int_equal(code_of("{\"state\":\"something_new\"}"), 125);
    assert_int_equal(code_of("{}"), 125);
}

static void words_are(const char *text, const char *words) {
    AUTO(json_release) json_t *run = parsed(text);
    assert_string_equal(run_words(run).text, words);
}

static void a_state_is_told_with_its_reason(void **state) {
    (void)state;
    words_are("{\"state\":\"succeeded\",\"cause\":\"completed\"}", "succeeded");
    words_are("{\"state\":\"running\",\"gate\":null,\"cause\":null}", "running");
    words_are("{\"state\":\"queued\",\"gate\":\"key\"}", "queued (waits: key)");
    words_are("{\"state\":\"failed\",\"cause\":\"exit_code\",\"exit_code\":3}",
              "failed (exit code 3)");
    words_are("{\"state\":\"failed\",\"cause\":\"signal\",\"result\":{\"signal\":11}}",
              "failed (signal 11)");
    words_are("{\"state\":\"lost\",\"cause\":\"outcome_unknown\"}", "lost (outcome unknown)");
}

static void times_have_two_units_at_most(void **state) {
    (void)state;
    assert_string_equal(run_span(0).text, "0ms");
    assert_string_equal(run_span(999).text, "999ms");
    assert_string_equal(run_span(59999).text, "59s");
    assert_string_equal(run_span(65000).text, "1m05s");
    assert_string_equal(run_span(7380000).text, "2h03m");
    assert_string_equal(run_span(INT64_C(273600000)).text, "3d04h");
    assert_string_equal(run_span(-1).text, "");
}

static void row_of(const struct run_view *view, const char *json, struct text *text) {
    AUTO(json_release) json_t *run = parsed(json);
    text_done(text);
    text_init(text, 1 << 16);
    run_view_row(view, run, text);
}

static void columns_stand_below_each_other(void **state) {
    (void)state;
    struct run_view view = {.now_ms = 70000};
    AUTO(text_done) struct text head = {0}, row = {0};
    text_init(&head, 1024);
    run_view_head(&view, &head);
    row_of(&view,
           "{\"id\":\"run_01arz3ndektsv4rrffq69g5fav\",\"kind\":\"job\",\"state\":\"running\","
           "\"attempts\":2,\"made_ms\":1000,\"started_ms\":5000,\"ended_ms\":null,"
           "\"label\":\"make test\"}",
           &row);
    assert_string_equal(head.data, "RUN                             KIND      STATE                "
                                   "         TRY     TIME  WHAT\n");
    assert_string_equal(row.data, "run_01arz3ndektsv4rrffq69g5fav  job       running              "
                                  "           2    1m05s  make test\n");
    row_of(&view,
           "{\"id\":\"run_01arz3ndektsv4rrffq69g5fav\",\"kind\":\"workflow\",\"state\":\"running\","
           "\"attempts\":1,\"made_ms\":5000,\"label\":\"audit\",\"progress\":{\"done\":12,"
           "\"total\":40,\"waiting\":3,\"failed\":0}}",
           &row);
    assert_string_equal(row.data, "run_01arz3ndektsv4rrffq69g5fav  workflow  running              "
                                  "           1    1m05s  audit  12/40, 3 waiting\n");
}

static void a_label_cannot_play_with_the_terminal(void **state) {
    (void)state;
    struct run_view view = {.now_ms = 0};
    AUTO(text_done) struct text row = {0};
    row_of(&view, "{\"id\":\"run_x\",\"state\":\"running\",\"label\":\"a\\u001b[2Jb\\nc\"}", &row);
    assert_non_null(strstr(row.data, "  a?[2Jb?c\n"));
    assert_null(strchr(row.data, '\033'));
}

static void colours_come_only_when_they_are_wanted(void **state) {
    (void)state;
    struct run_view plain = {.now_ms = 0}, bright = {.paint = {.on = true}};
    AUTO(text_done) struct text row = {0};
    row_of(&plain, "{\"state\":\"failed\",\"label\":\"x\"}", &row);
    assert_null(strchr(row.data, '\033'));
    row_of(&bright, "{\"state\":\"failed\",\"label\":\"x\"}", &row);
    assert_non_null(strstr(row.data, "\033[31mfailed"));
}

static void all_of_a_run_is_shown_with_its_command_as_a_shell_reads_it(void **state) {
    (void)state;
    struct run_view view = {.now_ms = 9000};
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1 << 16);
    AUTO(json_release)
    json_t *run = parsed(
        "{\"id\":\"run_x\",\"kind\":\"job\",\"state\":\"failed\",\"cause\":\"exit_code\","
        "\"about\":\"The command ended with an exit code other than 0\",\"exit_code\":3,"
        "\"attempts\":1,\"label\":\"L\",\"made_ms\":1000,\"started_ms\":2000,\"ended_ms\":4500,"
        "\"spec\":{\"argv\":[\"echo\",\"it's\",\"a b\",\"\"],\"cwd\":\"/tmp\"},"
        "\"result\":{\"exit_code\":3,\"cpu_us\":1500000,\"memory_kb\":2048,\"processes\":1,"
        "\"out\":12,\"err\":0}}");
    run_view_whole(&view, run, &text);
    assert_string_equal(text.data,
                        "run         run_x\n"
                        "kind        job\n"
                        "state       failed (exit code 3): The command ended with an exit code "
                        "other than 0\n"
                        "exit code   3\n"
                        "attempts    1\n"
                        "label       L\n"
                        "command     echo 'it'\\''s' 'a b' ''\n"
                        "in          /tmp\n"
                        "created     8 s ago (1970-01-01 00:00:01Z)\n"
                        "started     7 s ago (1970-01-01 00:00:02Z)\n"
                        "ended       4 s ago (1970-01-01 00:00:04Z)\n"
                        "time        2s\n"
                        "used        1s of CPU, 2048 kB of memory, 1 process\n"
                        "out         12 bytes\n");
}

static void a_workflow_is_shown_with_what_it_was_started_with(void **state) {
    (void)state;
    struct run_view view = {.now_ms = 9000};
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1 << 16);
    AUTO(json_release)
    json_t *run =
        parsed("{\"id\":\"run_x\",\"kind\":\"workflow\",\"state\":\"running\",\"attempts\":1,"
               "\"label\":\"look\",\"spec\":{\"file\":\"look.js\",\"root\":\"/r\","
               "\"args\":{\"a\":[1]},\"resumed_from\":\"run_y\"}}");
    run_view_whole(&view, run, &text);
    assert_string_equal(text.data, "run         run_x\n"
                                   "kind        workflow\n"
                                   "state       running\n"
                                   "attempts    1\n"
                                   "label       look\n"
                                   "script      look.js\n"
                                   "root        /r\n"
                                   "resumes     run_y\n"
                                   "args        {\"a\":[1]}\n"
                                   "time        9s\n");
}

static void a_workflow_ends_with_0_only_when_it_succeeded(void **state) {
    (void)state;
    assert_int_equal(code_of("{\"kind\":\"workflow\",\"state\":\"succeeded\"}"), 0);
    assert_int_equal(code_of("{\"kind\":\"workflow\",\"state\":\"degraded\"}"), 1);
    assert_int_equal(code_of("{\"kind\":\"workflow\",\"state\":\"failed\"}"), 1);
    assert_int_equal(code_of("{\"kind\":\"workflow\",\"state\":\"timed_out\"}"), 124);
    assert_int_equal(code_of("{\"kind\":\"agent\",\"state\":\"cancelled\"}"), 125);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_ends_with_the_code_of_its_command),
        cmocka_unit_test(a_failure_never_looks_like_success),
        cmocka_unit_test(a_state_is_told_with_its_reason),
        cmocka_unit_test(times_have_two_units_at_most),
        cmocka_unit_test(columns_stand_below_each_other),
        cmocka_unit_test(a_label_cannot_play_with_the_terminal),
        cmocka_unit_test(colours_come_only_when_they_are_wanted),
        cmocka_unit_test(all_of_a_run_is_shown_with_its_command_as_a_shell_reads_it),
        cmocka_unit_test(a_workflow_is_shown_with_what_it_was_started_with),
        cmocka_unit_test(a_workflow_ends_with_0_only_when_it_succeeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
