/* Rules that an answer leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/approval/always.h"

#define RULE(tool, subject)                                                                        \
    "{\"permissions\":[{\"tool\":\"" tool "\",\"subject\":\"" subject                              \
    "\",\"permission\":\"allow\"}]}"
#define DIGEST "sha256:d16e57"

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
                                     .about = bytes_of(of->about),
                                     .digest = BYTES("d16e57"),
                                     .subject = bytes_of(of->subject)};
    struct why why = {""};
    struct err err = always_add(&call, settings, &why);
    assert_int_equal(err.code, of->after == NULL ? ERR_BAD_FIELD : ERR_NONE);
    if (of->after != NULL) {
        AUTO(json_release) json_t *expected = json_of(of->after);
        if (!json_same(settings, expected)) {
            fail_msg("%s %s", of->tool, of->about);
        }
    } else {
        assert_string_not_equal(why.text, "");
    }
}

static void a_rule_is_for_what_was_asked_or_named(void **state) {
    static const char c[] = "{\"subjects\":[\"rm '*.o'\"],\"match\":\"words\"}";
    static const char f[] = "{\"subjects\":[\"test/b\"],\"match\":\"path\"}";
    static const char git[] = "{\"subjects\":[\".git/hooks/x\"],\"match\":\"path\"}";
    static const char sh[] = "{\"subjects\":[\"make \\\"a b\\\"\"],\"match\":\"shell\"}";
    static const char two[] = "{\"subjects\":[\"make && ls *\"],\"match\":\"shell\"}";
    static const char forged[] = "{\"subjects\":[\"sha256:0a\"],\"match\":\"words\"}";
    static const char url[] = "{\"subjects\":[\"http://a?b\"],\"match\":\"text\"}";
    static const struct case_of cases[] = {
        {"run_command", c, "", "{\"permissions\":[{\"tool\":\"x\",\"permission\":\"deny\"}]}",
         "{\"permissions\":[{\"tool\":\"x\",\"permission\":\"deny\"},{\"tool\":\"run_command\","
         "\"subject\":\"rm '*.o'\",\"permission\":\"allow\"}]}"},
        {"run_command", c, "rm *", "{}", RULE("run_command", "rm *")},
        {"run_command", c, "make *", "{}", NULL},
        {"Bash", sh, "", "{}", RULE("Bash", "make 'a b'")},
        {"Bash", sh, "make *", "{}", RULE("Bash", "make *")},
        {"Bash", sh, "make", "{}", NULL},
        {"Bash", two, "", "{}", RULE("Bash", "'make && ls *'")},
        {"Bash", two, "make *", "{}", NULL},
        {"WebFetch", url, "", "{}", RULE("WebFetch", "http://a\\\\?b")},
        {"write_file", f, "", "{\"check\":false}", "{\"check\":false,\"edits\":\"allow\"}"},
        {"edit_file", f, "test/**", "{\"edits\":\"ask\"}", "{\"edits\":[\"test/**\"]}"},
        {"edit_file", f, "test/**", "{\"edits\":[\"a\",\"test/**\"]}",
         "{\"edits\":[\"a\",\"test/**\"]}"},
        {"edit_file", f, "test/**", "{\"edits\":\"allow\"}", "{\"edits\":\"allow\"}"},
        {"edit_file", f, "src/**", "{}", NULL},
        {"edit_file", git, "", "{}", RULE("edit_file", ".git/hooks/x")},
        {"delete_file", "{\"subjects\":[\"[a]\"],\"match\":\"path\"}", "", "{}",
         RULE("delete_file", "./\\\\[a\\\\]")},
        {"run_command", forged, "", "{}", RULE("run_command", DIGEST)},
        {"run_command", forged, "sha256:0a", "{}", NULL},
        {"remember", "{\"subjects\":[],\"match\":\"path\",\"exact\":true}", "", "{}",
         RULE("remember", DIGEST)},
        {"remember", "", "x", "{}", NULL},
        {"mcp__*", "{\"subjects\":[\"a\"],\"match\":\"path\",\"exact\":true}", "", "{}",
         RULE("mcp__\\\\*", DIGEST)},
        {"mcp__*", "{\"subjects\":[\"a\"],\"match\":\"path\",\"exact\":true}", "a", "{}", NULL},
        /* As it was asked before the subjects said how they are compared. */
        {"run_command", "{\"subjects\":[\"sh -c echo x; touch y\"]}", "", "{}",
         RULE("run_command", DIGEST)},
        {"", "", "", "{}", NULL},
        {"run_command", "{\"subjects\":[\"\"],\"match\":\"words\"}", "", "{}",
         RULE("run_command", DIGEST)},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        settings_become(&cases[i]);
    }
}

static void a_call_too_long_for_a_rule_is_allowed_by_its_digest(void **state) {
    static const char *const matches[] = {"path", "text", "words", "shell"};
    static char subject[1000];
    (void)state;
    memset(subject, 'x', sizeof subject - 1);
    for (size_t i = 0; i < COUNT_OF(matches); i++) {
        AUTO(text_done) struct text about = text_up_to(2000);
        text_addf(&about, "{\"subjects\":[\"%s\"],\"match\":\"%s\"}", subject, matches[i]);
        settings_become(&(struct case_of){"Bash", about.data, "", "{}", RULE("Bash", DIGEST)});
        settings_become(&(struct case_of){"Bash", about.data, "y", "{}", NULL});
    }
}

static void a_call_without_digest_leaves_no_rule(void **state) {
    AUTO(json_release) json_t *settings = json_of("{}");
    struct why why = {""};
    (void)state;
    const struct always_call call = {.tool = BYTES("Skill")};
    assert_int_equal(always_add(&call, settings, &why).code, ERR_BAD_FIELD);
    assert_int_equal(json_object_size(settings), 0);
}

/* A person reads the rule that is written. */
static void the_words_say_the_rule_that_is_written(void **state) {
    static const struct {
        const char *tool, *subject;
        enum subject_kind kind;
        bool exact;
    } cases[] = {
        {"run_command", "make test", SUBJECT_WORDS, false},
        {"run_command", "sha256:0a", SUBJECT_WORDS, false},
        {"Bash", "make \"a b\"", SUBJECT_SHELL, false},
        {"Bash", "make && ls *", SUBJECT_SHELL, false},
        {"Bash", "", SUBJECT_SHELL, false},
        {"WebFetch", "http://a?b", SUBJECT_TEXT, false},
        {"delete_file", "[a]", SUBJECT_PATH, false},
        {"edit_file", "src/a.c", SUBJECT_PATH, false},
        {"edit_file", ".git/hooks/x", SUBJECT_PATH, false},
        {"write_file", "/etc/x", SUBJECT_PATH, false},
        {"mcp__x", "a", SUBJECT_PATH, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct bytes subject = bytes_of(cases[i].subject), tool = bytes_of(cases[i].tool);
        const struct permission_question question = {.kind = cases[i].kind,
                                                     .subjects = &subject,
                                                     .subject_count = 1,
                                                     .exact = cases[i].exact};
        AUTO(text_done) struct text about = text_up_to(4000), words = text_up_to(1000);
        AUTO(json_release) json_t *settings = json_of("{}"), *said = NULL;
        struct why why = {""};
        permission_add_about(&question, NULL, &about);
        always_about_add(tool, &question, &about);
        text_add_char(&about, '}');
        const struct always_call call = {
            .tool = tool, .about = text_bytes(&about), .digest = BYTES("d16e57")};
        assert_false(err_failed(always_add(&call, settings, &why)));
        const json_t *rule = json_array_get(json_object_get(settings, "permissions"), 0);
        const struct bytes pattern = json_bytes(rule, "subject");
        if (rule == NULL) {
            text_add_str(&words, "edits of files in the project's folder");
        } else if (bytes_begin(pattern, BYTES(PERMISSION_DIGEST))) {
            text_addf(&words, "%s with exactly these arguments", cases[i].tool);
        } else {
            text_addf(&words, "%s %.*s", cases[i].tool, (int)pattern.len, pattern.data);
        }
        said = json_of(text_bytes(&about).data);
        assert_string_equal(json_string_value(json_object_get(said, "rule")),
                            text_bytes(&words).data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_for_what_was_asked_or_named),
        cmocka_unit_test(a_call_too_long_for_a_rule_is_allowed_by_its_digest),
        cmocka_unit_test(a_call_without_digest_leaves_no_rule),
        cmocka_unit_test(the_words_say_the_rule_that_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
