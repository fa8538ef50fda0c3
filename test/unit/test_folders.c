/* test_folders.c: the folders below one, and how many of them are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tool/folders.h"

static char top[32];

static int begin(void **state) {
    (void)state;
    (void)snprintf(top, sizeof top, "/tmp/drv-folders-XXXXXX");
    return mkdtemp(top) == NULL ? -1 : 0;
}

static int end(void **state) {
    (void)state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", top);
    return system(command);
}

static void only_an_absolute_path_without_dots_is_one(void **state) {
    (void)state;
    static const char *const good[] = {"/", "/a", "/a/", "/a/.b/c", "/a/..b"};
    static const char *const bad[] = {"",   "a",      "//",    "/a//b", "/a//",
                                      "/.", "/a/./b", "/a/..", "/../",  "/a\n"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(folder_path_valid(bytes_of(good[i])));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(folder_path_valid(bytes_of(bad[i])));
    }
    assert_false(folder_path_valid(BYTES("/a\0b")));
    char longest[FOLDER_PATH_MAX + 2] = "/";
    memset(longest + 1, 'a', sizeof longest - 2);
    assert_true(folder_path_valid((struct bytes){longest, FOLDER_PATH_MAX}));
    assert_false(folder_path_valid((struct bytes){longest, FOLDER_PATH_MAX + 1}));
}

static void a_folder_with_more_than_is_read_is_not_whole(void **state) {
    (void)state;
    char path[64];
    for (int i = 0; i <= FOLDER_ENTRIES_MAX; i++) {
        (void)snprintf(path, sizeof path, "%s/%d", top, i);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    const struct folder_wish wish = {.path = top, .closed = "", .limit = FOLDER_NAMES_MAX};
    struct folder_names names;
    struct why why = {""};
    assert_false(err_failed(folder_names_read(&wish, &names, &why)));
    assert_int_equal(names.count, FOLDER_NAMES_MAX);
    assert_false(names.whole);
    folder_names_done(&names);
}

/* The kernel is asked, since the names alone do not say where a path leads. */
static void a_link_out_of_the_folder_above_is_refused(void **state) {
    (void)state;
    char command[160], path[64];
    (void)snprintf(command, sizeof command, "cd %s && mkdir -p in/a/b && ln -s / in/out", top);
    assert_int_equal(system(command), 0);
    char above[64];
    (void)snprintf(above, sizeof above, "%s/in", top);
    static const struct {
        const char *name;
        enum err_code code;
    } cases[] = {{"in/a", ERR_NONE},
                 {"in/out", ERR_FORBIDDEN},
                 {"in/out/tmp", ERR_FORBIDDEN},
                 {"in/none", ERR_NOT_FOUND}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", top, cases[i].name);
        const struct folder_wish wish = {.path = path, .above = above, .closed = "", .limit = 1};
        struct folder_names names = {.count = 0};
        struct why why = {""};
        assert_int_equal(folder_names_read(&wish, &names, &why).code, cases[i].code);
        assert_int_equal(names.count, cases[i].code == ERR_NONE ? 1 : 0);
        folder_names_done(&names);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_an_absolute_path_without_dots_is_one),
        cmocka_unit_test_setup_teardown(a_folder_with_more_than_is_read_is_not_whole, begin, end),
        cmocka_unit_test_setup_teardown(a_link_out_of_the_folder_above_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
