#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rules/job/screen.h"

#define ENTER "\033[?1049h"
#define LEAVE "\033[?1049l"
#define CLEAR "\033[H\033[2J"

/* `rest` is what is replayed of `part`. */
static void expect(const char *part, const char *rest) {
    assert_string_equal(part + screen_begin((struct bytes){part, strlen(part)}), rest);
}

static void lines_begin_with_the_first_whole_one(void **state) {
    expect("ne\r\ntwo\r\nthree", "two\r\nthree");
    expect("\x82\xac text without a line", "\x82\xac text without a line");
    expect("31mred\033[0m\r\nnext", "\033[0m\r\nnext");
    expect("", "");
}

static void the_last_clear_of_the_main_screen_begins_it(void **state) {
    expect("old\n" CLEAR "a\n" CLEAR "b", "\033[2Jb");
    expect("old\n" CLEAR "\033[3Jb", "\033[3Jb");
    expect("old\n" CLEAR "a\033"
           "cb",
           "\033"
           "cb");
    expect("x\nold\033[J\033[1J\033[K", "old\033[J\033[1J\033[K"); /* Parts of the screen. */
}

static void a_program_on_the_alternate_screen_begins_with_what_it_covers(void **state) {
    expect("x\n$ vi\n" ENTER CLEAR "text", "$ vi\n" ENTER CLEAR "text");
    expect("x\n$ vi\n" ENTER CLEAR "text" LEAVE "$ ", "$ vi\n" ENTER CLEAR "text" LEAVE "$ ");
    expect("x\n$ a\n" CLEAR "$ vi\n" ENTER CLEAR "text", "\033[2J$ vi\n" ENTER CLEAR "text");
    expect("x\n" ENTER "\033"
           "cnew",
           "\033"
           "cnew");
    expect("x\n$ \033[?1;47ha", "$ \033[?1;47ha");
}

static void leaving_an_alternate_screen_of_before_begins_it(void **state) {
    expect("x\n\033[5;5Htext" LEAVE "$ ls\nfile", LEAVE "$ ls\nfile");
    expect("x\n" CLEAR "page\033[1;1Hmore", "\033[2Jpage\033[1;1Hmore");
}

static void other_and_unfinished_sequences_change_nothing(void **state) {
    expect("x\ny\033[?25h\033[2", "y\033[?25h\033[2");
    expect("x\ny\033", "y\033");
    expect("x\ny\033[?1049", "y\033[?1049");
    expect("x\ny\033[2h\033[?2Jz", "y\033[2h\033[?2Jz");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_begin_with_the_first_whole_one),
        cmocka_unit_test(the_last_clear_of_the_main_screen_begins_it),
        cmocka_unit_test(a_program_on_the_alternate_screen_begins_with_what_it_covers),
        cmocka_unit_test(leaving_an_alternate_screen_of_before_begins_it),
        cmocka_unit_test(other_and_unfinished_sequences_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
