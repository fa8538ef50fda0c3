/* How much of a terminal's line a text takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/terminal/cells.h"

static int cells(const char *text) {
    return cells_of((struct bytes){text, strlen(text)});
}

static void letters_take_one_cell_and_those_of_east_asia_two(void **state) {
    (void)state;
    assert_int_equal(cells(""), 0);
    assert_int_equal(cells("abc"), 3);
    assert_int_equal(cells("\u00e9\u2713\u25cf"), 3);
    assert_int_equal(cells("\u65e5\u672c"), 4);
    assert_int_equal(cells("\U0001F600"), 2);
    assert_int_equal(cells("e\u0301"), 1);
}

static void colours_take_none(void **state) {
    (void)state;
    assert_int_equal(cells("\033[31mred\033[0m"), 3);
    assert_int_equal(cells("cut \033[3"), 4);
}

static void a_cut_sequence_is_not_read_beyond_its_end(void **state) {
    (void)state;
    char *half = malloc(2);
    memcpy(half, "\xe2\x9c", 2);
    assert_true(cells_of((struct bytes){half, 2}) <= 2);
    free(half);
}

static void added(const char *text, int cells, const char *expected) {
    AUTO(text_done) struct text out;
    text_init(&out, 256);
    int used = cells_add(&out, (struct bytes){text, strlen(text)}, cells);
    assert_string_equal(out.data != NULL ? out.data : "", expected);
    assert_int_equal(used, cells_of((struct bytes){expected, strlen(expected)}));
}

static void what_does_not_fit_is_cut_between_characters_and_says_so(void **state) {
    (void)state;
    added("abc", 3, "abc");
    added("abcd", 3, "ab\u2026");
    added("\u65e5\u672c\u8a9e", 5, "\u65e5\u672c\u2026");
    added("\u65e5\u672c\u8a9e", 4, "\u65e5\u2026");
    added("abc", 1, "\u2026");
    added("abc", 0, "");
}

static void wrapped(const char *text, int columns, const char *expected) {
    AUTO(text_done) struct text out = text_up_to(1024);
    text_add_str(&out, "before ");
    text_add_str(&out, text);
    cells_wrap_words(&out, strlen("before "), columns);
    assert_string_equal(text_bytes(&out).data + strlen("before "), expected);
}

static void lines_are_wrapped_between_words_and_only_longer_words_are_broken(void **state) {
    wrapped("one two three\n", 7, "one two\nthree\n");
    wrapped("one two three", 8, "one two\nthree");
    wrapped("fits\n\nfits", 4, "fits\n\nfits");
    wrapped("unbreakable", 4, "unbr\neaka\nble");
    wrapped("\033[31mone two\033[0m three", 7, "\033[31mone two\033[0m\nthree");
    wrapped("\u65e5\u672c \u8a9e", 5, "\u65e5\u672c\n\u8a9e");
    wrapped("- one two three", 9, "- one two\n  three");
    wrapped("  \u2022 one two three", 11, "  \u2022 one two\n    three");
    wrapped("12. one two three", 11, "12. one two\n    three");
    wrapped("  rm -rf /srv/data", 10, "  rm -rf\n    /srv/d\n    ata");
    wrapped("a pipe gets it as it is", 0, "a pipe gets it as it is");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_take_one_cell_and_those_of_east_asia_two),
        cmocka_unit_test(colours_take_none),
        cmocka_unit_test(a_cut_sequence_is_not_read_beyond_its_end),
        cmocka_unit_test(what_does_not_fit_is_cut_between_characters_and_says_so),
        cmocka_unit_test(lines_are_wrapped_between_words_and_only_longer_words_are_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
