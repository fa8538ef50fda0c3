/* The nearest known word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/suggest.h"

static const char *nearest(const char *typed) {
    static const char *const words[] = {"serve", "stream", "token", "tail", "ls", "completion"};
    struct suggest suggest;
    suggest_begin(&suggest, typed);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        suggest_offer(&suggest, words[i]);
    }
    return suggest_best(&suggest);
}

static void a_slip_of_the_finger_finds_the_word(void **state) {
    (void)state;
    assert_string_equal(nearest("serv"), "serve");
    assert_string_equal(nearest("sevre"), "serve");
    assert_string_equal(nearest("steam"), "stream");
    assert_string_equal(nearest("tale"), "tail");
    assert_string_equal(nearest("sl"), "ls");
    assert_string_equal(nearest("completoin"), "completion");
}

static void a_wild_guess_finds_nothing(void **state) {
    (void)state;
    assert_null(nearest("frobnicate"));
    assert_null(nearest(""));
    assert_null(nearest("x"));
}

static void a_word_beyond_all_bounds_is_no_neighbour(void **state) {
    (void)state;
    char typed[5000];
    memset(typed, 's', sizeof typed - 1);
    typed[sizeof typed - 1] = '\0';
    assert_null(nearest(typed));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_the_finger_finds_the_word),
        cmocka_unit_test(a_wild_guess_finds_nothing),
        cmocka_unit_test(a_word_beyond_all_bounds_is_no_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
