/* The table of errors, and that docs/errors.md tells the same. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/memory.h"

static bool is_stable_name(const char *name) {
    for (const char *at = name; *at != '\0'; at++) {
        if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && *at != '_') {
            return false;
        }
    }
    return name[0] != '\0';
}

static void every_code_has_a_name_a_title_a_status_and_an_exit_code(void **state) {
    (void)state;
    for (int code = ERR_NONE + 1; code < ERR_CODES; code++) {
        assert_true(is_stable_name(err_name((enum err_code)code)));
        assert_true(strlen(err_title((enum err_code)code)) > 0);
        assert_in_range(err_http_status((enum err_code)code), 400, 599);
        int exit_code = err_exit_code((enum err_code)code);
        assert_true((exit_code >= 1 && exit_code <= 11) || exit_code == 130);
    }
    assert_int_equal(err_http_status(ERR_NONE), 200);
    assert_int_equal(err_exit_code(ERR_NONE), 0);
}

static void no_two_codes_share_a_name(void **state) {
    (void)state;
    for (int a = 0; a < ERR_CODES; a++) {
        for (int b = a + 1; b < ERR_CODES; b++) {
            assert_string_not_equal(err_name((enum err_code)a), err_name((enum err_code)b));
        }
    }
}

static void a_code_outside_the_table_is_called_internal(void **state) {
    (void)state;
    assert_string_equal(err_name((enum err_code)9999), "internal");
    assert_string_equal(err_name((enum err_code) - 1), "internal");
    assert_int_equal(err_http_status(ERR_CODES), 500);
}

static void a_failed_call_of_the_system_keeps_its_errno_and_its_step(void **state) {
    (void)state;
    struct err err = err_from_errno(ENOSPC, "test: write");
    assert_int_equal(err.code, ERR_DISK_FULL);
    assert_int_equal(err.os, ENOSPC);
    assert_string_equal(err.step, "test: write");
    assert_int_equal(err_from_errno(ENOENT, "").code, ERR_NOT_FOUND);
    assert_int_equal(err_from_errno(EROFS, "").code, ERR_READ_ONLY);
    assert_int_equal(err_from_errno(EWOULDBLOCK, "").code, ERR_BUSY);
    assert_int_equal(err_from_errno(EACCES, "").code, ERR_NO_PERMISSION);
    assert_int_equal(err_from_errno(ENOMEM, "").code, ERR_OUT_OF_MEMORY);
    assert_int_equal(err_from_errno(ECONNREFUSED, "").code, ERR_UNREACHABLE);
    assert_int_equal(err_from_errno(EIO, "").code, ERR_IO);
}

static void an_error_is_three_words_that_are_copied(void **state) {
    (void)state;
    assert_true(sizeof(struct err) <= 24);
    assert_false(err_failed(ERR_OK));
    assert_true(err_failed(err_make(ERR_BUSY, "test")));
}

static void a_reason_too_long_is_cut_between_characters(void **state) {
    (void)state;
    struct why why;
    char wide[402] = "x"; /* Then 200 times two bytes: the cut falls into one of them. */
    for (size_t i = 1; i + 1 < sizeof wide; i += 2) {
        memcpy(wide + i, "\u00e9", 2);
    }
    wide[401] = '\0';
    why_set(&why, "%s", wide);
    assert_true(strlen(why.text) < sizeof why.text);
    assert_memory_equal(why.text, wide, 300);
    why_set(&why, "a\x1b[31mb\n%s\x7f", "\xff");
    assert_string_equal(why.text, "a?[31mb???");
    why_set(NULL, "nobody asked");
}

/* --- docs/errors.md --------------------------------------------------------------------------- */

/* Cuts the next cell out of a table's row, at the caller's text. */
static char *cell_take(char **row) {
    char *start = *row + strspn(*row, "| `");
    char *bar = strchr(start, '|');
    assert_non_null(bar);
    char *end = bar;
    while (end > start && strchr(" `", end[-1]) != NULL) {
        end--;
    }
    *end = '\0';
    *row = bar + 1;
    return start;
}

static void compare_row(char *row, enum err_code code) {
    char number[16];
    assert_string_equal(cell_take(&row), err_name(code));
    (void)snprintf(number, sizeof number, "%d", err_http_status(code));
    assert_string_equal(cell_take(&row), number);
    (void)snprintf(number, sizeof number, "%d", err_exit_code(code));
    assert_string_equal(cell_take(&row), number);
    assert_string_equal(cell_take(&row), err_title(code));
    assert_true(strlen(cell_take(&row)) > 0); /* What to do. */
}

static void the_page_of_errors_lists_exactly_this_table(void **state) {
    (void)state;
    const char *root = getenv("DROVER_SOURCE");
    assert_non_null(root);
    char path[4096];
    assert_true(snprintf(path, sizeof path, "%s/docs/errors.md", root) < (int)sizeof path);
    FILE *page = fopen(path, "re");
    assert_non_null(page);
    char line[1024];
    int code = ERR_NONE;
    while (fgets(line, sizeof line, page) != NULL) {
        if (strncmp(line, "| `", 3) == 0) {
            assert_true(code < ERR_CODES);
            compare_row(line, (enum err_code)code);
            code++;
        }
    }
    (void)fclose(page);
    assert_int_equal(code, ERR_CODES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_a_title_a_status_and_an_exit_code),
        cmocka_unit_test(no_two_codes_share_a_name),
        cmocka_unit_test(a_code_outside_the_table_is_called_internal),
        cmocka_unit_test(a_failed_call_of_the_system_keeps_its_errno_and_its_step),
        cmocka_unit_test(an_error_is_three_words_that_are_copied),
        cmocka_unit_test(a_reason_too_long_is_cut_between_characters),
        cmocka_unit_test(the_page_of_errors_lists_exactly_this_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
