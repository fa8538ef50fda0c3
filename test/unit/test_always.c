/* Rules that an answer leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/approval/always.h"

static json_t *json_of(const char *text) {
    json_t *json = NULL;
    assert_false(err_failed(json_parse_wrapped(bytes_of(text), &json, NULL)));
    return json;
}

struct case_of {
    const char *tool, *about, *subject, *before, *after; /* after NULL: it is refused. */
};

static void settings_become(const struct case_of *of) {
    AUTO(json_release) json_t *settings = json_of(of->before);
    const struct always_call call = {.tool = bytes_of(of->tool),
                                     .arguments = BYTES("{}"),
                                     .about = bytes_of(of->about),
                                     .subject = bytes_of(of->subject)};
    struct why why = {""};
    struct err err = always_add(&call, settings, &why);
    assert_int_equal(err.code, of->after == NULL ? ERR_BAD_FIELD : ERR_NONE);
    if (of->after != NULL) {
        AUTO(json_release) json_t *expected = json_of(of->after);
        assert_true(json_same(settings, expected));
    } else {
        assert_string_not_equal(why.text, "");
    }
}

static void a_rule_is_for_what_was_asked_or_named(void **state) {
    static const char c[] = "{\"subjects\":[\"rm *.o\"]}", f[] = "{\"subjects\":[\"test/b\"]}";
    static const char git[] = "{\"subjects\":[\".git/hooks/x\"]}";
    static const struct case_of cases[] = {
        {"run_command", c, "", "{\"permissions\":[{\"tool\":\"x\",\"permission\":\"deny\"}]}",
         "{\"permissions\":[{\"tool\":\"x\",\"permission\":\"deny\"},{\"tool\":\"run_command\","
         "\"subject\":\"rm \\\\*.o\",\"permission\":\"allow\"}]}"},
        {"run_command", c, "rm *", "{}",
         "{\"permissions\":[{\"tool\":\"run_command\",\"subject\":\"rm *\",\"permission\":"
         "\"allow\"}]}"},
        {"run_command", c, "make *", "{}", NULL},
        {"write_file", f, "", "{\"check\":false}", "{\"check\":false,\"edits\":\"allow\"}"},
        {"edit_file", f, "test/**", "{\"edits\":\"ask\"}", "{\"edits\":[\"test/**\"]}"},
        {"edit_file", f, "test/**", "{\"edits\":[\"a\",\"test/**\"]}",
         "{\"edits\":[\"a\",\"test/**\"]}"},
        {"edit_file", f, "test/**", "{\"edits\":\"allow\"}", "{\"edits\":\"allow\"}"},
        {"edit_file", f, "src/**", "{}", NULL},
        {"edit_file", git, "", "{}",
         "{\"permissions\":[{\"tool\":\"edit_file\",\"subject\":\".git/hooks/x\",\"permission\":"
         "\"allow\"}]}"},
        {"remember", "", "", "{}",
         "{\"permissions\":[{\"tool\":\"remember\",\"permission\":\"allow\"}]}"},
        {"remember", "", "x", "{}", NULL},
        {"mcp__*", "", "", "{}",
         "{\"permissions\":[{\"tool\":\"mcp__\\\\*\",\"permission\":\"allow\"}]}"},
        {"", "", "", "{}", NULL},
        {"run_command", "{\"subjects\":[\"\"]}", "", "{}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        settings_become(&cases[i]);
    }
}

static void a_call_too_long_for_a_rule_allows_no_other_call(void **state) {
    static char arguments[40000], subject[1000];
    AUTO(json_release) json_t *settings = json_of("{}");
    AUTO(text_done) struct text about = text_up_to(2000);
    struct why why = {""};
    (void)state;
    memset(arguments, ' ', sizeof arguments);
    memset(subject, 'x', sizeof subject);
    text_add_str(&about, "{\"subjects\":[");
    text_add_json(&about, subject, sizeof subject);
    text_add_str(&about, "]}");
    const struct always_call without = {.tool = BYTES("Bash"),
                                        .arguments = {arguments, sizeof arguments},
                                        .about = BYTES("{\"subjects\":[]}"),
                                        .subject = BYTES("")};
    const struct always_call with = {.tool = BYTES("Bash"),
                                     .arguments = BYTES("{}"),
                                     .about = text_bytes(&about),
                                     .subject = BYTES("")};
    assert_int_equal(always_add(&without, settings, &why).code, ERR_BAD_FIELD);
    assert_int_equal(always_add(&with, settings, &why).code, ERR_BAD_FIELD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_for_what_was_asked_or_named),
        cmocka_unit_test(a_call_too_long_for_a_rule_allows_no_other_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
