/* A line that is being typed: keys in, text and cursor out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/terminal/edit_line.h"
#include "cli/terminal/history.h"

static int line_begin(void **state) {
    static struct edit_line edit;
    edit_line_init(&edit);
    *state = &edit;
    return 0;
}

static int line_end(void **state) {
    edit_line_done(*state);
    return 0;
}

/* Types all bytes, and answers the last event. */
static enum edit_event type(struct edit_line *edit, const char *keys) {
    enum edit_event event = EDIT_CHANGED;
    struct bytes rest = bytes_of(keys);
    while (rest.len > 0) {
        size_t used = edit_line_feed(edit, rest, &event);
        assert_in_range(used, 1, rest.len);
        rest = (struct bytes){rest.data + used, rest.len - used};
    }
    return event;
}

static void line_is(const struct edit_line *edit, const char *expected) {
    assert_string_equal(edit_line_text(edit).data, expected);
}

static void keys_move_the_cursor_and_cut(void **state) {
    struct edit_line *edit = *state;
    type(edit, "one two\033[D\033[D\033[DX");
    line_is(edit, "one Xtwo");
    type(edit, "\001Y\005Z");
    line_is(edit, "Yone XtwoZ");
    type(edit, "\027");
    line_is(edit, "Yone ");
    type(edit, "\177\033[H\033[3~");
    line_is(edit, "one");
    type(edit, "\025");
    line_is(edit, "");
}

static void a_character_goes_as_a_whole_with_its_marks(void **state) {
    struct edit_line *edit = *state;
    type(edit, "a日e\u0301😀");
    type(edit, "\177");
    line_is(edit, "a日e\u0301");
    type(edit, "\177");
    line_is(edit, "a日");
    type(edit, "\033[D\177");
    line_is(edit, "日");
}

static void a_key_may_come_in_pieces(void **state) {
    struct edit_line *edit = *state;
    type(edit, "ab\033");
    assert_true(edit_line_is_partial(edit));
    type(edit, "[");
    type(edit, "D");
    assert_false(edit_line_is_partial(edit));
    type(edit, "\xe6");
    line_is(edit, "ab");
    type(edit, "\x97\xa5\xff\xc3");
    edit_line_settle(edit);
    line_is(edit, "a日b");
}

static void enter_ends_a_line_but_not_after_a_backslash_or_in_a_paste(void **state) {
    struct edit_line *edit = *state;
    assert_int_equal(type(edit, "one\\\r"), EDIT_CHANGED);
    assert_int_equal(type(edit, "two\033\r"), EDIT_CHANGED);
    assert_int_equal(type(edit, "\033[200~a\rb\tc\003\033[201~"), EDIT_CHANGED);
    line_is(edit, "one\ntwo\na\nb    c");
    assert_int_equal(type(edit, "\r"), EDIT_ENTER);
}

static void other_keys_are_events_of_the_owner(void **state) {
    struct edit_line *edit = *state;
    assert_int_equal(type(edit, "\004"), EDIT_END);
    assert_int_equal(type(edit, "x\003"), EDIT_INTERRUPT);
    line_is(edit, "x");
    assert_int_equal(type(edit, "\t"), EDIT_COMPLETE);
    assert_int_equal(type(edit, "\014"), EDIT_REDRAW);
    assert_int_equal(type(edit, "\032"), EDIT_SUSPEND);
    assert_int_equal(type(edit, "\001\004"), EDIT_CHANGED);
    line_is(edit, "");
}

static void history_keeps_the_line_that_was_begun(void **state) {
    struct edit_line *edit = *state;
    edit_line_remember(edit, BYTES("first"));
    edit_line_remember(edit, BYTES("second"));
    edit_line_remember(edit, BYTES("second"));
    type(edit, "draft\033[A");
    line_is(edit, "second");
    type(edit, "\033[A\033[A");
    line_is(edit, "first");
    type(edit, "\033[B\033[B");
    line_is(edit, "draft");
}

static void a_search_finds_older_lines_and_can_be_cancelled(void **state) {
    struct edit_line *edit = *state;
    edit_line_remember(edit, BYTES("make test"));
    edit_line_remember(edit, BYTES("say hello"));
    edit_line_remember(edit, BYTES("make build"));
    type(edit, "draft\022ma");
    line_is(edit, "make build");
    type(edit, "\022");
    line_is(edit, "make test");
    type(edit, "\003");
    line_is(edit, "draft");
    assert_int_equal(type(edit, "\022hello\r"), EDIT_CHANGED);
    line_is(edit, "say hello");
    assert_int_equal(type(edit, "\r"), EDIT_ENTER);
    edit_line_set(edit, BYTES("kept"));
    type(edit, "\022make\033");
    edit_line_settle(edit);
    line_is(edit, "kept");
}

static void drawn(const struct edit_line *edit, int columns, const char *expected, int row,
                  int column) {
    AUTO(text_done) struct text out = text_up_to(4096);
    struct edit_place place = edit_line_draw(edit, BYTES("> "), columns, &out);
    assert_string_equal(text_bytes(&out).data, expected);
    assert_int_equal(place.row, row);
    assert_int_equal(place.column, column);
}

static void a_long_line_is_drawn_in_rows_that_fit(void **state) {
    struct edit_line *edit = *state;
    type(edit, "abcdefg");
    drawn(edit, 6, "> abc\ndefg\n", 1, 4);
    type(edit, "\001");
    drawn(edit, 6, "> abc\ndefg\n", 0, 2);
    type(edit, "\025\013日本語x\033[D");
    drawn(edit, 8, "> 日本\n語x\n", 1, 2);
    type(edit, "\013\025a\\\rb");
    drawn(edit, 20, "> a\nb\n", 1, 1);
}

static void lines_of_earlier_chats_come_back_from_a_private_file(void **state) {
    struct edit_line *edit = *state;
    char path[] = "/tmp/historyXXXXXX";
    struct stat stat_of;
    close(mkstemp(path));
    unlink(path);
    history_load(path, edit);
    history_append(path, BYTES("one\ntwo \\n"));
    for (int i = 0; i < 2 * EDIT_HISTORY_MAX; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "line %d", i);
        history_append(path, bytes_of(line));
    }
    history_append(path, BYTES("a\\b\nc"));
    history_load(path, edit);
    assert_int_equal(edit->count, EDIT_HISTORY_MAX);
    type(edit, "\033[A");
    line_is(edit, "a\\b\nc");
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0600);
    assert_in_range(stat_of.st_size, 1, EDIT_HISTORY_MAX * 12); /* The file was shortened. */
    unlink(path);
}

int main(void) {
#define LINE_TEST(name) cmocka_unit_test_setup_teardown(name, line_begin, line_end)
    const struct CMUnitTest tests[] = {
        LINE_TEST(keys_move_the_cursor_and_cut),
        LINE_TEST(a_character_goes_as_a_whole_with_its_marks),
        LINE_TEST(a_key_may_come_in_pieces),
        LINE_TEST(enter_ends_a_line_but_not_after_a_backslash_or_in_a_paste),
        LINE_TEST(other_keys_are_events_of_the_owner),
        LINE_TEST(history_keeps_the_line_that_was_begun),
        LINE_TEST(a_search_finds_older_lines_and_can_be_cancelled),
        LINE_TEST(a_long_line_is_drawn_in_rows_that_fit),
        LINE_TEST(lines_of_earlier_chats_come_back_from_a_private_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
