/* Commands and patterns as shell words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/glob.h"
#include "rules/approval/words.h"

static void words_are_quoted_where_a_shell_needs_it(void **state) {
    static const struct {
        const char *words[4], *command;
    } cases[] = {
        {{"make", "-j2"}, "make -j2"},
        {{"sh", "-c", "echo x; touch y"}, "sh -c 'echo x; touch y'"},
        {{"a=b", "a=b", "=c"}, "'a=b' a=b '=c'"},
        {{"echo", "it's", ""}, "echo 'it'\\''s' ''"},
        {{"rm", "*.o", "~"}, "rm '*.o' '~'"},
        {{"", "\n"}, "'' '\n'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(text_done) struct text command = text_up_to(200);
        for (size_t at = 0; at < 4 && cases[i].words[at] != NULL; at++) {
            words_add_quoted(&command, bytes_of(cases[i].words[at]));
        }
        assert_string_equal(command.data, cases[i].command);
        assert_true(words_match(text_bytes(&command), text_bytes(&command)));
    }
}

static void a_pattern_keeps_the_borders_of_words(void **state) {
    static const struct {
        const char *pattern, *command;
        bool matches;
    } cases[] = {
        {"make *", "make", true},
        {"make *", "make -j2 all", true},
        {"make *", "makefile", false},
        {"*", "make -j2", true},
        {"make", "make -j2", false},
        {"make -j?", "make -j2", true},
        {"make -j[0-4]", "make -j2", true},
        {"make -j[0-4]", "make -j5", false},
        {"git * --all", "git fetch --all", true},
        {"git * --all", "git fetch x --all", false},
        {"git * --all", "git 'a b' --all", true},
        {"make*", "make -j2", false},
        {"make*", "makefile", true},
        {"npm run test:*", "npm run test:unit", true},
        {"npm run test:*", "npm run test:unit x", false},
        {"sh -c 'echo *'", "sh -c 'echo *'", true},
        {"sh -c 'echo *'", "sh -c 'echo a'", false},
        {"sh -c echo\\ *", "sh -c 'echo a'", true},
        {"sh -c \"echo a\"", "sh -c 'echo a'", true},
        {"sh -c echo a", "sh -c 'echo a'", false},
        {"sh -c 'echo a'", "sh -c echo a", false},
        {"ls '*'", "ls '*'", true},
        {"ls '*'", "ls a", false},
        {"echo it\\'s", "echo 'it'\\''s'", true},
        {"", "make", false},
        {"make; rm", "'make;' rm", false},
        {"make $x", "make '$x'", false},
        {"make > x", "make '>' x", false},
        {"make 'x", "make x", false},
        {"  make\t*  ", "make x", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (words_match(bytes_of(cases[i].pattern), bytes_of(cases[i].command)) !=
            cases[i].matches) {
            fail_msg("%s on %s", cases[i].pattern, cases[i].command);
        }
    }
}

static void plain_shell_text_is_read_into_its_commands(void **state) {
    static const struct {
        const char *text, *parts; /* Each line in brackets, then its words. */
    } cases[] = {
        {"make", "[make]make"},
        {" make  -j2\t", "[make  -j2]make -j2"},
        {"a && b || c; d | e", "[a]a[b]b[c]c[d]d[e]e"},
        {"a&&b", "[a]a[b]b"},
        {"echo \"a b\" 'c;d' e\\ f", "[echo \"a b\" 'c;d' e\\ f]echo 'a b' 'c;d' 'e f'"},
        {"echo \"a\\\"b\\c\"", "[echo \"a\\\"b\\c\"]echo 'a\"b\\c'"},
        {"git diff HEAD~1 a#b x=y", "[git diff HEAD~1 a#b x=y]git diff 'HEAD~1' 'a#b' x=y"},
        {"date +%s %x", "[date +%s %x]date +%s %x"},
        {"\"make\" x", "[\"make\" x]make x"},
        {"echo if", "[echo if]echo if"},
    };
    static const char *const more[] = {
        "",           " ",         "a;",         "a &&",     "&& a",        "a & b",    "a &",
        "a;;b",       "a |& b",    "a |",        "a || | b", "npm $(rm x)", "a `b`",    "a $b",
        "a \"$b\"",   "a \"`b`\"", "a ${b}",     "a $'b'",   "a > b",       "a >> b",   "a 2>&1",
        "a < b",      "a << b",    "(a)",        "{ a; }",   "a\nb",        "a 'b\nc'", "a \\\nb",
        "a *",        "a ?",       "a [b]",      "a {b,c}",  "a ~",         "a ~b",     "a b=~/c",
        "a # b",      "#a",        "A=b c",      "A+=b",     "a =b",        "! a",      "if a",
        "while a",    "for a",     "time a",     "a 'b",     "a \"b",       "a \\",     "'a b' c",
        "\"a;b\"",    "~/a",       "[ a ]",      "a\rb",     "a \x01",      "''",       "a; if b",
        "a && B=c d", "case a",    "function a", "a <(b)",   "a (b)",       "a\x7f",    "$a",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(shell_text_done) struct shell_text shell;
        AUTO(text_done) struct text parts = text_up_to(400);
        shell_text_read(bytes_of(cases[i].text), &shell);
        for (size_t at = 0; at < shell.count; at++) {
            const struct bytes line = shell.parts[at].line, words = shell_text_words(&shell, at);
            text_addf(&parts, "[%.*s]%.*s", (int)line.len, line.data, (int)words.len, words.data);
        }
        assert_string_equal(text_bytes(&parts).data, cases[i].parts);
    }
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        AUTO(shell_text_done) struct shell_text shell;
        shell_text_read(bytes_of(more[i]), &shell);
        if (shell.count != 0) {
            fail_msg("%s", more[i]);
        }
    }
    AUTO(shell_text_done) struct shell_text shell;
    shell_text_read((struct bytes){"a \0b", 4}, &shell);
    assert_int_equal(shell.count, 0);
}

static void too_many_commands_are_compared_as_a_whole(void **state) {
    AUTO(text_done) struct text text = text_up_to(1000);
    AUTO(shell_text_done) struct shell_text shell = {.count = 0};
    (void)state;
    for (size_t i = 0; i < SHELL_PARTS_MAX; i++) {
        text_add_str(&text, i == 0 ? "a" : ";a");
    }
    shell_text_read(text_bytes(&text), &shell);
    assert_int_equal(shell.count, SHELL_PARTS_MAX);
    shell_text_done(&shell);
    text_add_str(&text, ";a");
    shell_text_read(text_bytes(&text), &shell);
    assert_int_equal(shell.count, 0);
}

static void a_whole_text_is_one_word_of_a_pattern(void **state) {
    static const char long_one[GLOB_PATTERN_MAX + 3] = {'a'};
    (void)state;
    assert_true(words_are_text(BYTES("'npm $(rm x)'"), BYTES("npm $(rm x)")));
    assert_true(words_are_text(BYTES("'ls *'"), BYTES("ls *")));
    assert_false(words_are_text(BYTES("*"), BYTES("ls *")));
    assert_false(words_are_text(BYTES("npm\\ *"), BYTES("npm *")));
    assert_false(words_are_text(BYTES("'npm' x"), BYTES("npm x")));
    assert_false(words_are_text(BYTES(""), BYTES("")));
    assert_true(words_are_pattern(BYTES("make '$x' *")));
    assert_false(words_are_pattern(BYTES("make && x")));
    assert_false(words_are_pattern(BYTES("make \"$x\"")));
    const struct bytes too_long = {long_one, sizeof long_one};
    assert_false(words_are_text(too_long, too_long));
    assert_false(words_match(too_long, too_long));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_quoted_where_a_shell_needs_it),
        cmocka_unit_test(a_pattern_keeps_the_borders_of_words),
        cmocka_unit_test(plain_shell_text_is_read_into_its_commands),
        cmocka_unit_test(too_many_commands_are_compared_as_a_whole),
        cmocka_unit_test(a_whole_text_is_one_word_of_a_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
