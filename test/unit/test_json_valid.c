/* JSON that is pasted and not parsed, and JSON that we wrote around somebody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"

static bool is_valid(const char *text) {
    return json_is_valid((struct bytes){text, strlen(text)});
}

static void what_may_stand_within_other_json_is_told_without_parsing(void **state) {
    (void)state;
    static const char *const good[] = {"0",
                                       "-0.5e+10",
                                       "[]",
                                       "{}",
                                       " [1 , {\"a\" : [ ] , \"b\":{}} ] ",
                                       "\"\\u00e9\\n\xc3\xa9\"",
                                       "true",
                                       "null",
                                       "1e999",
                                       "18446744073709551616",
                                       "{\"a\":1,\"a\":2}",
                                       "[[],[[]],{}]"};
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "+1",
                                      "tru",
                                      "nul",
                                      "truely",
                                      "\"a",
                                      "\"\x01\"",
                                      "\"\n\"",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\xff\"",
                                      "[1}",
                                      "{\"a\":1]",
                                      "1 2",
                                      "[1]]",
                                      "{\"path\": \"a",
                                      "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(is_valid(good[i]));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(is_valid(bad[i]));
    }
    assert_false(json_is_valid((struct bytes){"1\0", 2}));
    assert_false(json_is_valid((struct bytes){NULL, 0}));
}

static void as_deep_as_drover_writes_is_valid_and_not_deeper(void **state) {
    (void)state;
    enum { DEEP = 4 * JSON_DEPTH_MAX };
    char text[2 * DEEP + 2];
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    assert_true(json_is_valid((struct bytes){text, 2 * (size_t)DEEP}));
    memset(text, '[', DEEP + 1);
    memset(text + DEEP + 1, ']', DEEP + 1);
    assert_false(json_is_valid((struct bytes){text, 2 * (size_t)DEEP + 2}));
}

static void a_stored_value_that_is_damaged_is_null_within_the_answer(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 100);
    json_add_stored(&text, BYTES("{\"a\":1}"));
    text_add_char(&text, ',');
    json_add_stored(&text, BYTES("{\"a\":"));
    text_add_char(&text, ',');
    json_add_stored(&text, BYTES(""));
    assert_string_equal(text.data, "{\"a\":1},null,null");
}

static void a_value_at_the_bounds_is_read_again_within_members_of_ours(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 20);
    text_add_str(&text, "{\"items\":[{\"data\":{\"arguments\":");
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        text_add_char(&text, '[');
    }
    for (int i = 0; i < JSON_VALUES_MAX - JSON_DEPTH_MAX; i++) {
        text_add_str(&text, i > 0 ? ",0" : "0");
    }
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        text_add_char(&text, ']');
    }
    text_add_str(&text, "}}]}");
    AUTO(json_release) json_t *json = NULL;
    struct bytes bytes = {text.data, text.len};
    assert_int_equal(json_parse(bytes.data, bytes.len, JSON_DEPTH_MAX, &json, NULL).code,
                     ERR_BAD_JSON);
    assert_int_equal(json_parse_wrapped(bytes, &json, NULL).code, ERR_NONE);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_stand_within_other_json_is_told_without_parsing),
        cmocka_unit_test(as_deep_as_drover_writes_is_valid_and_not_deeper),
        cmocka_unit_test(a_stored_value_that_is_damaged_is_null_within_the_answer),
        cmocka_unit_test(a_value_at_the_bounds_is_read_again_within_members_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
