#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/job/logs.h"
#include "base/json/json.h"

static size_t told(const char *bytes, size_t len, enum log_rest rest) {
    return log_piece_len((struct bytes){bytes, len}, rest);
}

static void a_whole_text_is_told_whole(void **state) {
    assert_int_equal(told("", 0, LOG_GOES_ON), 0);
    assert_int_equal(told("abc", 3, LOG_GOES_ON), 3);
    assert_int_equal(told("a\xE2\x82\xAC", 4, LOG_GOES_ON), 4);
}

/* Each character of two to four bytes, cut at each place. */
static void a_character_is_never_split(void **state) {
    static const char *const characters[] = {
        "\xC2\x80",     "\xDF\xBF",         "\xE0\xA0\x80",     "\xE2\x82\xAC",    "\xED\x9F\xBF",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF1\x80\x80\x80", "\xF4\x8F\xBF\xBF"};
    for (size_t i = 0; i < COUNT_OF(characters); i++) {
        char text[8] = "ab";
        size_t len = strlen(characters[i]);
        memcpy(text + 2, characters[i], len);
        for (size_t cut = 1; cut < len; cut++) {
            assert_int_equal(told(text, 2 + cut, LOG_GOES_ON), 2);
            assert_int_equal(told(text, 2 + cut, LOG_REST_LAST), 2 + cut);
        }
        assert_int_equal(told(text, 2 + len, LOG_GOES_ON), 2 + len);
    }
}

static void what_no_byte_can_complete_is_told_at_once(void **state) {
    static const char *const bad[] = {"a\x80",     "a\xC0",     "a\xC1",         "a\xF5",
                                      "a\xFF",     "a\xE0\x80", "a\xED\xA0",     "a\xF0\x80",
                                      "a\xF4\x90", "a\xE2\x41", "a\xF1\x80\x41", "a\xFF\xC2"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(told(bad[i], strlen(bad[i]), LOG_GOES_ON), strlen(bad[i]));
    }
}

static void check_output(struct log_piece piece, const char *want) {
    AUTO(text_done) struct text text;
    text_init(&text, 4096);
    log_frame_output(&text, BYTES(""), &piece);
    assert_string_equal(text.data, want);
}

static void output_is_text_or_base64(void **state) {
    check_output(
        (struct log_piece){.bytes = BYTES("a\n\"b"), .at = {3, 5}},
        "id: 3.9\nevent: output\ndata: {\"offset\":5,\"next\":9,\"text\":\"a\\n\\\"b\"}\n\n");
    check_output((struct log_piece){.bytes = BYTES("\0"), .at = {LOG_ATTEMPT_LATEST, 0}},
                 "id: 1\nevent: output\n"
                 "data: {\"offset\":0,\"next\":1,\"text\":\"\\u0000\"}\n\n");
    static const struct {
        struct bytes bytes;
        const char *encoded;
    } rows[] = {{{"\xFF", 1}, "/w=="}, {{"\xFF\xFE", 2}, "//4="}, {{"\xFF\xFE\xFD", 3}, "//79"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text text;
        text_init(&text, 4096);
        const struct log_piece piece = {.bytes = rows[i].bytes};
        log_frame_output(&text, BYTES(""), &piece);
        assert_non_null(strstr(text.data, "\"base64\":\""));
        assert_non_null(strstr(text.data, rows[i].encoded));
    }
    check_output(
        (struct log_piece){.bytes = BYTES("foobar"), .encoding = LOG_BASE64},
        "id: 6\nevent: output\ndata: {\"offset\":0,\"next\":6,\"base64\":\"Zm9vYmFy\"}\n\n");
}

static void the_other_frames_say_where_to_go_on(void **state) {
    AUTO(text_done) struct text text;
    text_init(&text, 4096);
    log_frame_dropped(&text, BYTES(""), (struct log_spot){2, 3}, 9);
    assert_string_equal(text.data, "id: 2.9\nevent: dropped\ndata: {\"from\":3,\"to\":9}\n\n");
    text_clear(&text);
    log_frame_closing(&text, BYTES(""), (struct log_spot){1, 7}, NULL);
    assert_string_equal(text.data, "event: closing\ndata: {\"after\":7,\"attempt\":1}\n\n");
    text_clear(&text);
    log_frame_closing(&text, BYTES(""), (struct log_spot){1, 7}, "unauthorized");
    assert_string_equal(text.data,
                        "event: closing\n"
                        "data: {\"after\":7,\"attempt\":1,\"code\":\"unauthorized\"}\n\n");
    text_clear(&text);
    struct log_target target = {
        .state = RUN_FAILED, .cause = CAUSE_EXIT_CODE, .exit_code = 3, .attempt = 2};
    log_frame_done(&text, BYTES(""), &target, 10);
    assert_string_equal(text.data,
                        "event: done\ndata: {\"state\":\"failed\",\"cause\":\"exit_code\","
                        "\"exit_code\":3,\"attempt\":2,\"size\":10}\n\n");
    text_clear(&text);
    target = (struct log_target){.state = RUN_LOST, .exit_code = LOG_NO_EXIT_CODE, .attempt = 1};
    log_frame_done(&text, BYTES(""), &target, 0);
    assert_non_null(strstr(text.data, "\"exit_code\":null"));
}

static void an_id_is_an_offset_with_or_without_its_attempt(void **state) {
    struct log_spot spot = {7, 7};
    assert_true(log_spot_parse(BYTES("2.76"), &spot));
    assert_int_equal(spot.attempt, 2);
    assert_int_equal(spot.offset, 76);
    assert_true(log_spot_parse(BYTES("76"), &spot));
    assert_int_equal(spot.attempt, LOG_ATTEMPT_LATEST);
    assert_int_equal(spot.offset, 76);
    assert_true(log_spot_parse(BYTES("1.0"), &spot));
    assert_int_equal(spot.offset, 0);
    static const char *const bad[] = {"",      ".", "1.",  ".1",   "0.1",  "-1.1", "1.-1",
                                      "1.2.3", "x", "1.x", "1 .2", "+1.2", "1.02", "1073741825.0"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct log_spot kept = {5, 6};
        assert_false(log_spot_parse((struct bytes){bad[i], strlen(bad[i])}, &kept));
        assert_int_equal(kept.attempt, 5);
        assert_int_equal(kept.offset, 6);
    }
}

static void an_attempt_has_ended_when_its_run_has_or_went_on(void **state) {
    struct log_target target = {.attempt = 2, .latest = 2, .state = RUN_RUNNING};
    assert_false(log_ended(&target));
    target.state = RUN_QUEUED; /* It waits for the next one. */
    assert_true(log_ended(&target));
    target.state = RUN_RUNNING;
    target.latest = 3;
    assert_true(log_ended(&target));
    target = (struct log_target){.attempt = 1, .latest = 0, .state = RUN_QUEUED};
    assert_false(log_ended(&target)); /* It has not begun. */
    target.state = RUN_CANCELLED;
    assert_true(log_ended(&target));
}

static void the_latest_attempt_is_meant_where_none_is_named(void **state) {
    struct log_target target = {.attempt = LOG_ATTEMPT_LATEST, .latest = 4};
    log_target_resolve(&target);
    assert_int_equal(target.attempt, 4);
    target = (struct log_target){.attempt = LOG_ATTEMPT_LATEST, .latest = 0};
    log_target_resolve(&target);
    assert_int_equal(target.attempt, 1);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_text_is_told_whole),
        cmocka_unit_test(a_character_is_never_split),
        cmocka_unit_test(what_no_byte_can_complete_is_told_at_once),
        cmocka_unit_test(output_is_text_or_base64),
        cmocka_unit_test(the_other_frames_say_where_to_go_on),
        cmocka_unit_test(an_id_is_an_offset_with_or_without_its_attempt),
        cmocka_unit_test(an_attempt_has_ended_when_its_run_has_or_went_on),
        cmocka_unit_test(the_latest_attempt_is_meant_where_none_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
