/* What was deleted stays nowhere in the pages of a database, however its pages were rebuilt. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "loop/world.h"
#include "store/sqlite/page.h"
#include "store/sqlite/page_sums.h"
#include "store_places.h"

static const char mark[] = "Quokka7Marker";

/* --- One page --------------------------------------------------------------------------------- */

enum { USABLE = PAGE_BYTES - PAGE_SUM_BYTES };

struct page {
    uint8_t bytes[PAGE_BYTES];
};

static struct page page_of(uint8_t kind, size_t rows, size_t content, size_t from) {
    struct page page;
    memset(page.bytes, 'x', sizeof page.bytes);
    uint8_t *head = page.bytes + from;
    head[0] = kind;
    head[3] = (uint8_t)(rows >> 8);
    head[4] = (uint8_t)rows;
    head[5] = (uint8_t)(content >> 8);
    head[6] = (uint8_t)content;
    return page;
}

/* From the list of 20 rows on, only the bytes of the gap are zeros. */
static void assert_zeros(const struct page *page, size_t from, size_t to) {
    for (size_t i = from - 40; i < PAGE_BYTES; i++) {
        assert_int_equal(page->bytes[i] == 0, i >= from && i < to);
    }
}

static void the_gap_between_the_list_and_the_rows_is_cleared(void **state) {
    (void)state;
    static const struct {
        uint8_t kind;
        size_t header;
    } kinds[] = {{2, 12}, {5, 12}, {10, 8}, {13, 8}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct page page = page_of(kinds[i].kind, 20, 3000, 0);
        page_gap_clear(page.bytes, 7, USABLE);
        assert_zeros(&page, kinds[i].header + 40, 3000);
    }
    struct page first = page_of(13, 20, 3000, 100);
    page_gap_clear(first.bytes, 1, USABLE);
    assert_zeros(&first, 148, 3000);
}

static void what_is_no_page_of_rows_stays_as_it_is(void **state) {
    (void)state;
    struct page strange[] = {
        page_of(0, 20, 3000, 0),        /* Part of a long row. */
        page_of(13, 20, USABLE + 1, 0), /* Rows do not begin behind the end, */
        page_of(13, 2000, 3000, 0),     /* nor before the end of their list. */
        page_of(13, 0xffff, 0xffff, 0),
    };
    for (size_t i = 0; i < COUNT_OF(strange); i++) {
        struct page before = strange[i];
        page_gap_clear(strange[i].bytes, 7, USABLE);
        assert_memory_equal(before.bytes, strange[i].bytes, PAGE_BYTES);
    }
}

/* --- A database ------------------------------------------------------------------------------- */

struct churn {
    struct place place;
    char path[256];
    sqlite3 *db;
    uint32_t random;
};

static unsigned some(struct churn *churn, unsigned below) {
    churn->random = churn->random * 1664525U + 1013904223U;
    return (churn->random >> 8) % below;
}

static void run(struct churn *churn, const char *sql, int64_t id, unsigned words) {
    sqlite3_stmt *statement = NULL;
    char text[64 * 150], key[64];
    const char *word = id % 2 != 0 ? mark : "Wombat";
    size_t len = 0;
    for (unsigned i = 0; i < words; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s ", word);
    }
    (void)snprintf(key, sizeof key, "%s %u", word, some(churn, 1U << 24));
    assert_int_equal(sqlite3_prepare_v2(churn->db, sql, -1, &statement, NULL), SQLITE_OK);
    (void)sqlite3_bind_int64(statement, 1, id);
    (void)sqlite3_bind_text(statement, 2, key, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_text(statement, 3, text, (int)len, SQLITE_TRANSIENT);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    (void)sqlite3_finalize(statement);
}

static void plain(struct churn *churn, const char *sql) {
    assert_int_equal(sqlite3_exec(churn->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static size_t marks_in(const char *path) {
    FILE *file = fopen(path, "re");
    char bytes[PAGE_BYTES];
    size_t count = 0, got = 0;
    assert_non_null(file);
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0) {
        count += memmem(bytes, got, mark, strlen(mark)) != NULL;
    }
    (void)fclose(file); /* It was only read. */
    return count;
}

enum checksums { CHECKSUMS_NONE, CHECKSUMS_KEPT };

/* Rows with odd numbers hold the mark; they move about, and are deleted. */
static void move_and_delete(enum checksums checksums) {
    enum { ROWS = 3000 };
    struct churn churn = {.random = 7};
    (void)place_make(&churn.place);
    (void)place_file(&churn.place, "drover.db", churn.path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2(churn.path, &churn.db, flags, page_sums_vfs()), SQLITE_OK);
    if (checksums == CHECKSUMS_KEPT) {
        page_sums_reserve(churn.db);
    }
    plain(&churn, "PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON;"
                  " CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT UNIQUE, v TEXT); BEGIN");
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t id = i * 1291 % ROWS; /* Each once, in no order. */
        run(&churn, "INSERT INTO t VALUES ($1, $2, $3)", id, 1 + some(&churn, 60));
        if (some(&churn, 2) == 0) {
            run(&churn, "UPDATE t SET k = $2, v = $3 WHERE id = $1",
                (int64_t)some(&churn, (unsigned)i + 1) * 1291 % ROWS, 1 + some(&churn, 120));
        }
    }
    plain(&churn, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(page_sums_on(churn.db), checksums == CHECKSUMS_KEPT);
    assert_true(marks_in(churn.path) > 100);
    plain(&churn, "DELETE FROM t WHERE id % 2 = 1; PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(marks_in(churn.path), 0);
    plain(&churn, "PRAGMA integrity_check");
    assert_int_equal(sqlite3_close(churn.db), SQLITE_OK);
    place_remove(&churn.place);
}

static void rows_that_moved_leave_nothing_when_they_are_deleted(void **state) {
    (void)state;
    move_and_delete(CHECKSUMS_KEPT);
}

/* As drover made them before: no byte of a page is reserved. */
static void so_it_is_in_a_database_without_checksums(void **state) {
    (void)state;
    move_and_delete(CHECKSUMS_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gap_between_the_list_and_the_rows_is_cleared),
        cmocka_unit_test(what_is_no_page_of_rows_stays_as_it_is),
        cmocka_unit_test(rows_that_moved_leave_nothing_when_they_are_deleted),
        cmocka_unit_test(so_it_is_in_a_database_without_checksums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
