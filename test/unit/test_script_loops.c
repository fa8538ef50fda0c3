/* Where in a script something was, from what the engine says of it. */
/* links: base, src/script/reader/syntax.c, src/script/reader/tokens.c, src/script/worker/place.c */
#include "script/worker/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_found(const char *script, struct place said, struct place wanted) {
    struct place found = loops_find(bytes_of(script), said);
    assert_int_equal(found.line, wanted.line);
    assert_int_equal(found.column, wanted.column);
}

/* --- Stacks ---------------------------------------------------------------------------------- */

static void lines_of_the_user_have_their_places(void **state) {
    struct bytes stack = bytes_of("    at call (<drover>:4:5)\n"
                                  "    at map (native)\n"
                                  "    at <input>:1:1\n"
                                  "    at f (a(1).js:12:34)\n"
                                  "\n"
                                  "    at flow.js:5:6\n"
                                  "    at g (flow.js)\n");
    static const struct place wanted[] = {{12, 34}, {5, 6}, {0, 0}};
    struct bytes line;
    struct place place;
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_true(place_next(&stack, &line, &place));
        assert_int_equal(place.line, wanted[i].line);
        assert_int_equal(place.column, wanted[i].column);
    }
    assert_false(place_next(&stack, &line, &place));
}

static void numbers_that_do_not_fit_are_no_places(void **state) {
    static const char *const stacks[] = {"at x:1:99999999999", "at x:4294967296:1", ":1",
                                         "::", ")"};
    for (size_t i = 0; i < COUNT_OF(stacks); i++) {
        struct bytes stack = bytes_of(stacks[i]), line;
        struct place place = {7, 7};
        assert_true(place_next(&stack, &line, &place));
        assert_int_equal(place.line, 0);
    }
}

/* --- Loops ----------------------------------------------------------------------------------- */

static void the_loop_behind_a_place_is_found(void **state) {
    assert_found("f();\n\n  for (;;) {}", (struct place){1, 1}, (struct place){3, 3});
    assert_found("for (;;);", (struct place){0, 0}, (struct place){1, 1});
    assert_found("let a = b.c;\nif (a) {\n while (a) a = 1;\n}", (struct place){1, 9},
                 (struct place){3, 2});
    assert_found("x();\ndo {} while (1)", (struct place){1, 1}, (struct place){2, 1});
}

static void a_place_inside_of_a_loop_stays(void **state) {
    assert_found("for (;;) {\n f();\n}\nwhile (1);", (struct place){2, 2}, (struct place){2, 2});
    assert_found("while (a()) b;\nfor (;;);", (struct place){1, 8}, (struct place){1, 8});
    assert_found("for (;;)\n f(1, {});\nfor (;;);", (struct place){2, 2}, (struct place){2, 2});
}

static void loops_of_other_functions_are_not_taken(void **state) {
    assert_found("f();\nconst g = () => { for (;;); };\nwhile (1);", (struct place){1, 1},
                 (struct place){3, 1});
    assert_found("f();\nfunction g() { for (;;); }\n({ m() { for (;;); } });", (struct place){1, 1},
                 (struct place){1, 1});
    assert_found("const g = function* (a) {\n a();\n};\nfor (;;) {}", (struct place){2, 2},
                 (struct place){2, 2});
}

static void a_function_without_a_place_is_read_from_its_start(void **state) {
    assert_found("const f = async (a = g(1)) => {\n  let q;\n  for (;;);\n};",
                 (struct place){1, 11}, (struct place){3, 3});
    assert_found("const f = () => {\n\n for (;;);\n};\nf()", (struct place){1, 1},
                 (struct place){3, 2});
    assert_found("function f() {\n while (1);\n}", (struct place){1, 1}, (struct place){2, 2});
}

static void words_that_are_no_loops_are_passed_by(void **state) {
    assert_found("f('for');\n// while\n/* do\n for */ o.for = `while ${g(`do`)} for`;\n"
                 "x = /for[/'\"]/ / 2;\nfor (;;);",
                 (struct place){1, 1}, (struct place){6, 1});
}

static void any_text_comes_to_an_end(void **state) {
    static const char *const texts[] = {"",     "`",    "`${", "/*",    "/",     "'\\", "for",
                                        "}})]", "((({", "`\\", "for (", "while", "/[/", "${}`${`"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        (void)loops_find(bytes_of(texts[i]), (struct place){0, 0}).line;
        (void)loops_find(bytes_of(texts[i]), (struct place){9, 9}).line;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_the_user_have_their_places),
        cmocka_unit_test(numbers_that_do_not_fit_are_no_places),
        cmocka_unit_test(the_loop_behind_a_place_is_found),
        cmocka_unit_test(a_place_inside_of_a_loop_stays),
        cmocka_unit_test(loops_of_other_functions_are_not_taken),
        cmocka_unit_test(a_function_without_a_place_is_read_from_its_start),
        cmocka_unit_test(words_that_are_no_loops_are_passed_by),
        cmocka_unit_test(any_text_comes_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
