/* Names of sessions: the first words of a question, and what a model makes of an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/session/title.h"

static struct bytes of(const char *text) {
    return (struct bytes){text, strlen(text)};
}

static void models_are_asked_and_scripts_are_not(void **state) {
    (void)state;
    assert_true(title_is_asked(of("openai/gpt-5")));
    assert_true(title_is_asked(of("script/x")));
    assert_false(title_is_asked(of("scripted/demo")));
    assert_false(title_is_asked(of("")));
}

static void the_first_words_of_a_question(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"mend the build", "mend the build"},
        {"\n  \t\nmend the build  \nand then more", "mend the build"},
        {"tabs\tand\x01gaps   shrink", "tabs and gaps shrink"},
        {"", ""},
        {" \n\x7f \n", ""},
        /* 60 characters, and what does not fit goes with its word. */
        {"123456789 123456789 123456789 123456789 123456789 1234567890",
         "123456789 123456789 123456789 123456789 123456789 1234567890"},
        {"123456789 123456789 123456789 123456789 123456789 12345678901",
         "123456789 123456789 123456789 123456789 123456789"},
        {"123456789 123456789 123456789 123456789 123456789 1234567890 x",
         "123456789 123456789 123456789 123456789 123456789 1234567890"},
        /* One word: cut anywhere. */
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct title title = title_of_words(of(cases[i][0]));
        assert_string_equal(title.text, cases[i][1]);
        assert_int_equal(title.len, strlen(cases[i][1]));
    }
}

static void the_last_line_is_one_that_says_something(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"one", "one"},
        {"one\ntwo\n\n", "two"},
        {"one\n- **two** three\n---\n", "two** three"},
        {"## Done\n```\n", "Done"},
        {"a\n> \"quoted\" words", "quoted\" words"},
        {"1. first\n2. second", "2. second"},
        {"\xC3\xBC is \xC3\xA4\r\n \t\n", "\xC3\xBC is \xC3\xA4"},
        {"---\n***\n", ""},
        {"(so)", "(so)"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct bytes line = title_last_line(of(cases[i][0]));
        assert_int_equal(line.len, strlen(cases[i][1]));
        assert_memory_equal(line.data, cases[i][1], line.len);
    }
}

static void characters_are_counted_and_none_is_cut(void **state) {
    (void)state;
    char text[400] = "";
    for (int i = 0; i < 70; i++) {
        strcat(text, "ü");
    }
    assert_int_equal(title_of_words(of(text)).len, 120);
    text[0] = '\0';
    for (int i = 0; i < 70; i++) {
        strcat(text, "\xF0\x9F\x90\x84"); /* Four bytes each: there is room for 45. */
    }
    assert_int_equal(title_of_words(of(text)).len, 180);
}

static void an_answer_loses_what_models_put_around_it(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"Mending the build", "Mending the build"},
        {"\"Mending the build.\"\n", "Mending the build"},
        {"**Title:** Mending the build", "Mending the build"},
        {"title: 'Mending the build'", "Mending the build"},
        {"# Mending the build\n\nThis title says it.", "Mending the build"},
        {"“Den Bau richten”", "Den Bau richten"},
        {"<think>short, then</think>\nMending", "Mending"},
        {"<think>never done", ""},
        {"<think></think>", ""},
        {"\"\"", ""},
        {"...", ""},
        {"Title:", ""},
        {"\x01\x02", ""},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(title_of_answer(of(cases[i][0])).text, cases[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_asked_and_scripts_are_not),
        cmocka_unit_test(the_first_words_of_a_question),
        cmocka_unit_test(the_last_line_is_one_that_says_something),
        cmocka_unit_test(characters_are_counted_and_none_is_cut),
        cmocka_unit_test(an_answer_loses_what_models_put_around_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
