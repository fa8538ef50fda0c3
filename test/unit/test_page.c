/* A page of a list: its states, and where the next page begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/base/page.h"

enum { LIMIT = 3, SLICES = 20 };

static int page_setup(void **state) {
    struct page *page = calloc(1, sizeof *page);
    assert_non_null(page);
    static const struct page_kind kind = {.slices = SLICES};
    page->limit = LIMIT;
    page->kind = &kind;
    text_init(&page->request.op.answer, OP_ANSWER_MAX);
    *state = page;
    return 0;
}

static int page_teardown(void **state) {
    struct page *page = *state;
    text_done(&page->request.op.answer);
    free(page);
    return 0;
}

static void rows_add(struct page *page, int64_t from, int64_t to) {
    for (int64_t at = from; at < to; at++) {
        if (page_add_number(page, at)) {
            text_add_int(&page->request.op.answer, at);
        }
    }
}

/* The store calls the function again, and no row of the slice before is written twice. */
static void slice_next(struct page *page) {
    page->slice_before = page->now;
    page->slice_before.slice++;
    (void)page_begin(page);
}

static void answer_check(const struct page *page, const char *expected) {
    assert_string_equal(page->request.op.answer.data, expected);
    assert_int_equal(page->now.state, PAGE_ENDED);
}

static void a_page_with_all_rows_has_no_next(void **state) {
    struct page *page = *state;
    assert_int_equal(page_begin(page), LIMIT + 1);
    rows_add(page, 1, 1 + LIMIT);
    page_end(page, PAGE_NO_TOTAL);
    answer_check(page, "{\"items\":[1,2,3],\"next\":null}");
}

static void next_is_the_last_row_of_a_full_page_however_many_are_counted(void **state) {
    struct page *page = *state;
    (void)page_begin(page);
    rows_add(page, 1, 9);
    assert_int_equal(page->now.state, PAGE_FULL);
    assert_true(page_listed(page));
    assert_int_equal(page->now.state, PAGE_COUNTING);
    rows_add(page, 1, 9);
    page_end(page, page->now.counted);
    answer_check(page, "{\"items\":[1,2,3],\"next\":\"3\",\"total\":8}");
}

static void a_slice_that_runs_twice_writes_its_rows_once(void **state) {
    struct page *page = *state;
    (void)page_begin(page);
    rows_add(page, 1, 3);
    assert_true(page_pause(page, 2));
    slice_next(page);
    rows_add(page, 3, 4);
    assert_int_equal(page_begin(page), LIMIT + 1 - 2);
    rows_add(page, 3, 4);
    page_end(page, PAGE_NO_TOTAL);
    answer_check(page, "{\"items\":[1,2,3],\"next\":null}");
}

static void slices_use_up(struct page *page, int64_t slices) {
    while (page_pause(page, 1)) {
        slice_next(page);
    }
    assert_int_equal(page->now.slice, slices - 1);
    assert_int_equal(page->now.state, PAGE_CUT);
}

static void a_page_whose_slices_are_used_up_says_so_and_goes_on_after_what_it_read(void **state) {
    struct page *page = *state;
    (void)page_begin(page);
    rows_add(page, 1, 2);
    slices_use_up(page, SLICES);
    page_stop(page, BYTES("77"));
    page_end(page, PAGE_NO_TOTAL);
    answer_check(page, "{\"items\":[1],\"next\":\"77\",\"partial\":true}");
}

static void a_page_that_counts_has_more_slices(void **state) {
    struct page *page = *state;
    page->total = true;
    (void)page_begin(page);
    rows_add(page, 1, 2);
    slices_use_up(page, PAGE_SLICES_MAX);
    page_stop(page, BYTES("77"));
    assert_false(page_listed(page)); /* No slice is left to count in. */
    page_end(page, page->now.counted);
    answer_check(page, "{\"items\":[1],\"next\":\"77\",\"partial\":true,\"total\":1,"
                       "\"more\":true}");
}

static void a_count_whose_slices_are_used_up_says_more_and_keeps_next(void **state) {
    struct page *page = *state;
    page->total = true;
    (void)page_begin(page);
    rows_add(page, 1, 5);
    assert_true(page_listed(page));
    rows_add(page, 1, 5);
    slices_use_up(page, PAGE_SLICES_MAX);
    page_end(page, page->now.counted);
    answer_check(page, "{\"items\":[1,2,3],\"next\":\"3\",\"total\":4,\"more\":true}");
}

#define PAGE_TEST(name) cmocka_unit_test_setup_teardown(name, page_setup, page_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PAGE_TEST(a_page_with_all_rows_has_no_next),
        PAGE_TEST(next_is_the_last_row_of_a_full_page_however_many_are_counted),
        PAGE_TEST(a_slice_that_runs_twice_writes_its_rows_once),
        PAGE_TEST(a_page_whose_slices_are_used_up_says_so_and_goes_on_after_what_it_read),
        PAGE_TEST(a_page_that_counts_has_more_slices),
        PAGE_TEST(a_count_whose_slices_are_used_up_says_more_and_keeps_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
