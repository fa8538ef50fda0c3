/* Reading git's list of changed files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "rules/changes/listing.h"

#define ZERO "0000000000000000000000000000000000000000"
#define ONE "1111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222"

static const char output[] = ":100644 100644 " ONE " " TWO " M\0edited\0"
                             ":000000 100644 " ZERO " " TWO " A\0created\0"
                             ":100644 000000 " ONE " " ZERO " D\0gone/x\0"
                             ":100644 100755 " ONE " " ONE " M\0mode\0"
                             ":100644 120000 " ONE " " TWO " T\0link\0"
                             ":100644 100755 " ONE " " TWO " R087\0old\0new\nname\0"
                             ":100644 100644 " ONE " " TWO " M\0picture\0"
                             "3\t1\tedited\0"
                             "7\t0\tcreated\0"
                             "0\t5\tgone/x\0"
                             "1\t1\tlink\0"
                             "2\t2\t\0old\0new\nname\0"
                             "-\t-\tpicture\0";

static const struct change_row *row_of(const struct change_rows *rows, const char *path) {
    for (size_t i = 0; i < rows->count; i++) {
        if (bytes_is(rows->rows[i].path, path)) {
            return &rows->rows[i];
        }
    }
    fail_msg("no row of %s", path);
    return NULL;
}

static void each_file_has_its_operation_lines_and_modes(void **state) {
    (void)state;
    AUTO(change_rows_done) struct change_rows rows = {.rows = NULL};
    assert_true(change_rows_read((struct bytes){output, sizeof output - 1}, &rows));
    assert_int_equal(rows.count, 7);
    const struct {
        const char *path;
        enum change_operation operation;
        int64_t added, removed;
    } wanted[] = {{"edited", CHANGE_EDIT, 3, 1},   {"created", CHANGE_CREATE, 7, 0},
                  {"gone/x", CHANGE_DELETE, 0, 5}, {"mode", CHANGE_MODE, 0, 0},
                  {"link", CHANGE_EDIT, 1, 1},     {"new\nname", CHANGE_RENAME, 2, 2},
                  {"picture", CHANGE_EDIT, 0, 0}};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        const struct change_row *row = row_of(&rows, wanted[i].path);
        assert_int_equal(row->operation, wanted[i].operation);
        assert_int_equal(row->added, wanted[i].added);
        assert_int_equal(row->removed, wanted[i].removed);
        assert_int_equal(row->binary, strcmp(wanted[i].path, "picture") == 0);
    }
    assert_true(bytes_is(row_of(&rows, "new\nname")->old_path, "old"));
    assert_int_equal(row_of(&rows, "edited")->old_path.len, 0);
    assert_int_equal(row_of(&rows, "created")->before.len, 0);
    assert_int_equal(row_of(&rows, "created")->mode_before.len, 0);
    assert_true(bytes_is(row_of(&rows, "created")->after, TWO));
    assert_int_equal(row_of(&rows, "gone/x")->after.len, 0);
    assert_true(bytes_is(row_of(&rows, "mode")->mode_after, "100755"));
}

static void rows_stand_in_the_order_of_their_paths(void **state) {
    (void)state;
    AUTO(change_rows_done) struct change_rows rows = {.rows = NULL};
    assert_true(change_rows_read((struct bytes){output, sizeof output - 1}, &rows));
    for (size_t i = 1; i < rows.count; i++) {
        assert_true(bytes_compare(rows.rows[i - 1].path, rows.rows[i].path) < 0);
    }
}

/* The copy has no byte after its end, so that a read beyond it is seen by a sanitizer. */
static void output_that_is_cut_off_is_refused(void **state) {
    (void)state;
    for (size_t len = 0; len < sizeof output - 1; len++) {
        char *copy = mem_try(len + 1);
        assert_non_null(copy);
        memcpy(copy, output, len);
        AUTO(change_rows_done) struct change_rows rows = {.rows = NULL};
        const bool read = change_rows_read((struct bytes){copy, len}, &rows);
        /* Whole files at the beginning are a shorter output. */
        assert_true(!read || len == 0 || copy[len - 1] == '\0');
        mem_free(copy);
    }
}

static void an_unknown_form_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"x", "fatal: not a repository\n", ":100644",
                                        "1\t1\tnobody"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO(change_rows_done) struct change_rows rows = {.rows = NULL};
        assert_false(change_rows_read((struct bytes){wrong[i], strlen(wrong[i]) + 1}, &rows));
    }
    AUTO(change_rows_done) struct change_rows rows = {.rows = NULL};
    static const char status[] = ":100644 100644 " ONE " " TWO " Q\0a\0";
    assert_false(change_rows_read((struct bytes){status, sizeof status - 1}, &rows));
}

static void steps_are_headers_and_their_files(void **state) {
    (void)state;
    static const char steps[] = ONE " " TWO "\n:100644 100644 " ONE " " TWO " M\0a b\0" TWO " " TWO
                                    "\n" TWO " " ONE "\n:100644 100644 " ONE " " TWO " M\0c\0";
    static const enum change_step_part parts[] = {CHANGE_STEP_HEADER, CHANGE_STEP_FILE,
                                                  CHANGE_STEP_HEADER, CHANGE_STEP_HEADER,
                                                  CHANGE_STEP_FILE,   CHANGE_STEP_END};
    struct bytes rest = {steps, sizeof steps - 1};
    struct change_step step = {.path = {NULL, 0}};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert_int_equal(change_step_next(&rest, &step), parts[i]);
        if (i == 1) {
            assert_true(bytes_is(step.path, "a b"));
            assert_true(bytes_is(step.from, ONE));
            assert_true(bytes_is(step.to, TWO));
        }
    }
    rest = BYTES("error");
    assert_int_equal(change_step_next(&rest, &step), CHANGE_STEP_BAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_has_its_operation_lines_and_modes),
        cmocka_unit_test(rows_stand_in_the_order_of_their_paths),
        cmocka_unit_test(output_that_is_cut_off_is_refused),
        cmocka_unit_test(an_unknown_form_is_refused),
        cmocka_unit_test(steps_are_headers_and_their_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
