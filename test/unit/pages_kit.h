/* pages_kit.h: a store with rows, and the pages of its file, for tests of their checksums. */
#ifndef DROVER_TEST_PAGES_KIT_H
#define DROVER_TEST_PAGES_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/base.h"
#include "store/sqlite/page_sums.h"
#include "store_places.h"
#include "store_suite.h"

enum { ROWS = 200 };

struct pages {
    struct place place;
    struct suite suite;
    char path[256]; /* Of the database file. */
};

int pages_set_up(void **state);
int pages_tear_down(void **state);
struct err pages_insert_rows(struct tx *tx, void *ctx);
struct err pages_delete_rows(struct tx *tx, void *ctx);
struct err pages_read_rows(struct tx *tx, void *ctx);
struct err pages_count_rows(struct tx *tx, void *ctx);
void pages_fill(struct pages *pages);
long pages_count(const char *path);
void pages_get(const char *path, long number, uint8_t *page);
void pages_put(const char *path, long number, const uint8_t *page);
void pages_have_checksums(const char *path);

#define PAGES(test) cmocka_unit_test_setup_teardown(test, pages_set_up, pages_tear_down)

#endif
