/* Patterns for paths and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/glob.h"

struct row {
    const char *pattern, *subject;
    bool path, words;
};

static const struct row rows[] = {
    {"a", "a", true, true},
    {"a", "b", false, false},
    {"", "", true, true},
    {"", "a", false, false},
    {"*", "a/b", true, true}, /* Without a slash: the last component. */
    {"*.c", "src/a.c", true, true},
    {"*.c", "src/a.h", false, false},
    {".env", "a/b/.env", true, false},
    {".env", "a/.env/b", false, false},
    {"./*.c", "a.c", true, false},
    {"./*.c", "src/a.c", false, false},
    {"src/*.c", "src/a.c", true, true},
    {"src/*.c", "src/x/a.c", false, true},
    {"src/**", "src/x/a.c", true, true},
    {"src/**", "src", true, false},
    {"src/**", "srcs/a", false, false},
    {"**/a.c", "a.c", true, false},
    {"**/a.c", "x/y/a.c", true, true},
    {"a/**/b", "a/b", true, false},
    {"a/**/b", "a/x/y/b", true, true},
    {"a/**/b", "a/x/y/c", false, false},
    {"**", "a/b", true, true},
    {"a/**b/c", "a/xxb/c", true, true},
    {"a/**b/c", "a/x/b/c", false, true},
    {"a?c", "abc", true, true},
    {"a?c",
     "a\xC3\xA4"
     "c",
     true, true},
    {"x/a?c", "x/a/c", false, true},
    {"[a-c]x", "bx", true, true},
    {"[!a-c]x", "bx", false, false},
    {"[!a-c]x", "dx", true, true},
    {"[]]", "]", true, true},
    {"[a", "[a", true, true},
    {"\\*", "*", true, true},
    {"\\*", "a", false, false},
    {"git status*", "git status -s", true, true},
    {"/data/**", "/data/x/y", true, true},
    {"/data/**", "data/x", false, false},
};

static void patterns_match_what_they_say(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bytes pattern = {rows[i].pattern, strlen(rows[i].pattern)};
        struct bytes subject = {rows[i].subject, strlen(rows[i].subject)};
        if (glob_match(GLOB_PATH, pattern, subject) != rows[i].path ||
            glob_match(GLOB_WORDS, pattern, subject) != rows[i].words) {
            fail_msg("%s on %s", rows[i].pattern, rows[i].subject);
        }
    }
}

static void many_stars_do_not_explode(void **state) {
    (void)state;
    char pattern[GLOB_PATTERN_MAX], subject[4096];
    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    }
    memset(subject, 'a', sizeof subject);
    subject[sizeof subject - 1] = 'b';
    assert_false(glob_match(GLOB_WORDS, (struct bytes){pattern, sizeof pattern},
                            (struct bytes){subject, sizeof subject}));
    for (size_t i = 0; i + 2 < sizeof pattern; i += 3) {
        memcpy(pattern + i, "**/", 3);
    }
    for (size_t i = 1; i < sizeof subject; i += 2) {
        subject[i] = '/';
    }
    assert_false(glob_match(GLOB_PATH, (struct bytes){pattern, 510},
                            (struct bytes){subject, sizeof subject}) &&
                 pattern[509] != '/');
    char longer[GLOB_PATTERN_MAX + 1];
    memset(longer, '*', sizeof longer);
    assert_false(glob_match(GLOB_WORDS, (struct bytes){longer, sizeof longer}, BYTES("a")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_what_they_say),
        cmocka_unit_test(many_stars_do_not_explode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
