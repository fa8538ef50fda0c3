/* Names of projects that are made for folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules/project/project.h"
#include "rules/session/session.h"

static void expect(const char *folder, unsigned nth, const char *wanted) {
    char name[SESSION_PROJECT_MAX + 1];
    project_name_of(bytes_of(folder), nth, name);
    assert_string_equal(name, wanted);
    assert_true(session_project_valid(bytes_of(name)));
}

static void a_folder_gives_its_name_then_its_parents_in_front(void **state) {
    (void)state;
    expect("/srv/ann/web", 0, "web");
    expect("/srv/ann/web", 1, "ann-web");
    expect("/srv/ann/web", 2, "srv-ann-web");
    expect("/srv/ann/web", 3, "srv-ann-web-2");
    expect("/srv/ann/web", 4, "srv-ann-web-3");
}

static void what_names_may_not_have_is_replaced(void **state) {
    (void)state;
    expect("/srv/My App (new)", 0, "my-app-new");
    expect("/srv/v1.2_x", 0, "v1.2_x");
    expect("/srv/.config", 0, "config");
    expect("/srv/gr\xc3\xb6\xc3\x9f"
           "e",
           0, "gr-e");
    expect("/srv/web!", 1, "srv-web");
    expect("/srv/default", 1, "srv-default");
}

static void a_folder_without_a_usable_name_has_one_nevertheless(void **state) {
    (void)state;
    expect("/", 0, "root");
    expect("/", 1, "root-2");
    expect("/\xe6\x96\x87", 0, "folder");
    expect("/\xe6\x96\x87", 1, "folder-2");
    expect("/srv/...", 1, "srv-...");
    expect("/srv/......................................................................", 1,
           "folder");
}

static void a_long_path_keeps_its_end(void **state) {
    (void)state;
    char folder[300] = "/aaa/";
    for (size_t i = 5; i < 204; i++) {
        folder[i] = (char)('b' + i % 20);
    }
    folder[204] = '\0';
    char name[SESSION_PROJECT_MAX + 1];
    for (unsigned nth = 0; nth < PROJECT_NAMES_MAX; nth++) {
        project_name_of(bytes_of(folder), nth, name);
        assert_true(session_project_valid(bytes_of(name)));
        assert_int_equal(bytes_of(name).len, SESSION_PROJECT_MAX);
    }
    project_name_of(bytes_of(folder), 0, name);
    assert_string_equal(name, folder + 204 - SESSION_PROJECT_MAX);
}

static void the_default_project_alone_takes_no_rules(void **state) {
    (void)state;
    assert_false(project_takes_rules(BYTES("default")));
    assert_true(project_takes_rules(BYTES("defaults")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_gives_its_name_then_its_parents_in_front),
        cmocka_unit_test(what_names_may_not_have_is_replaced),
        cmocka_unit_test(a_folder_without_a_usable_name_has_one_nevertheless),
        cmocka_unit_test(a_long_path_keeps_its_end),
        cmocka_unit_test(the_default_project_alone_takes_no_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
