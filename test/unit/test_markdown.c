/* Markdown on a terminal, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/terminal/markdown.h"

#define BOLD "\033[1m"
#define ITALIC "\033[3m"
#define CYAN "\033[36m"
#define GREY "\033[90m"
#define END "\033[0m"

static void shown(struct markdown *markdown, const char *line, const char *expected) {
    AUTO(text_done) struct text out = text_up_to(4096);
    markdown_line(markdown, bytes_of(line), &out);
    assert_string_equal(text_bytes(&out).data, expected);
}

static void alone(const char *line, const char *expected) {
    struct markdown markdown = {.paint = {.on = true}};
    shown(&markdown, line, expected);
}

static void marks_become_emphasis(void **state) {
    alone("a **bold** word", "a " BOLD "bold" END " word");
    alone("__bold__ and *slanted* and _too_",
          BOLD "bold" END " and " ITALIC "slanted" END " and " ITALIC "too" END);
    alone("call `x * y` now", "call " CYAN "x * y" END " now");
    alone("# Head", BOLD "Head" END);
    alone("  - item", "  • item");
    alone("1. one", "1. one");
    alone("> said", GREY "│ " END "said");
    alone("---", GREY "────────" END);
    alone("see [docs](http://x/y).", "see docs (" GREY "http://x/y" END ").");
}

static void what_is_no_mark_stays_as_it_was_written(void **state) {
    alone("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4");
    alone("half **bold", "half **bold");
    alone("half `code", "half `code");
    alone("[not a link] (x)", "[not a link] (x)");
    alone("#hash and \\*stars\\*", "#hash and *stars*");
    alone("****", GREY "────────" END);
    alone("a ** b ** c", "a ** b ** c");
    alone("", "");
    alone("*", "*");
    alone("[", "[");
    alone("trailing \\", "trailing \\");
}

static void a_block_of_code_is_shown_as_it_is(void **state) {
    struct markdown markdown = {.paint = {.on = true}};
    shown(&markdown, "```c", GREY "```c" END);
    shown(&markdown, "**x** # y", CYAN "**x** # y" END);
    shown(&markdown, "~~~", CYAN "~~~" END);
    shown(&markdown, "```", GREY "```" END);
    shown(&markdown, "**x**", BOLD "x" END);
}

static void control_characters_do_not_pass(void **state) {
    alone("a\033[2Jb\rc\td", "a[2Jbc    d");
    alone("`\033]0;x\007`", CYAN "]0;x" END);
}

static void without_colours_nothing_is_changed(void **state) {
    struct markdown markdown = {.paint = {.on = false}};
    shown(&markdown, "# **x** `y`\033[1m", "# **x** `y`[1m");
}

static void text_is_wrapped_and_code_and_tables_are_not(void **state) {
    struct markdown markdown = {.paint = {.on = false, .columns = 10}};
    shown(&markdown, "one two three", "one two\nthree");
    shown(&markdown, "| a | b | c | d |", "| a | b | c | d |");
    shown(&markdown, "```", "```");
    shown(&markdown, "int one, two;", "int one, two;");
    shown(&markdown, "```", "```");
    shown(&markdown, "- one two three", "- one two\n  three");
    markdown.paint.on = true;
    shown(&markdown, "one **two three**", "one " BOLD "two\nthree" END);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_become_emphasis),
        cmocka_unit_test(what_is_no_mark_stays_as_it_was_written),
        cmocka_unit_test(a_block_of_code_is_shown_as_it_is),
        cmocka_unit_test(control_characters_do_not_pass),
        cmocka_unit_test(without_colours_nothing_is_changed),
        cmocka_unit_test(text_is_wrapped_and_code_and_tables_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
