/* Pages of the database file that were changed behind SQLite's back. */
#include "pages_kit.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

static void pages_have_checksums_also_when_they_were_freed(void **state) {
    struct pages *pages = *state;
    pages_fill(pages);
    pages_have_checksums(pages->path);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, pages_delete_rows, NULL).code, ERR_NONE);
    suite_close(&pages->suite);
    pages_have_checksums(pages->path);
    char copy[256];
    struct why why = {""};
    (void)place_file(&pages->place, "copy", copy);
    assert_int_equal(store_backup(pages->place.path, copy, &why).code, ERR_NONE);
    pages_have_checksums(copy);
}

/* Each flip alone; the distance and the size of a page have no divisor, so all places are met. */
static void a_flipped_byte_is_an_error_and_never_an_answer(void **state) {
    struct pages *pages = *state;
    pages_fill(pages);
    long bytes = pages_count(pages->path) * PAGE_BYTES, refused = 0, counted = 0;
    for (long at = 7; at < bytes; at += 971) {
        uint8_t page[PAGE_BYTES];
        pages_get(pages->path, at / PAGE_BYTES + 1, page);
        page[at % PAGE_BYTES] ^= 0x11;
        pages_put(pages->path, at / PAGE_BYTES + 1, page);
        struct store_check check = {.integrity_ok = false};
        struct err err = store_check(pages->place.path, &check, NULL);
        refused += err_failed(err) || !check.integrity_ok;
        counted++;
        page[at % PAGE_BYTES] ^= 0x11;
        pages_put(pages->path, at / PAGE_BYTES + 1, page);
    }
    assert_true(counted > 200);
    assert_int_equal(refused, counted);
}

static void damaged_rows_are_refused_and_counted(void **state) {
    struct pages *pages = *state;
    pages_fill(pages);
    long last = pages_count(pages->path);
    uint8_t page[PAGE_BYTES];
    for (long number = last - 5; number <= last; number++) { /* Rows: they were stored last. */
        pages_get(pages->path, number, page);
        page[1000] ^= 1;
        pages_put(pages->path, number, page);
    }
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(store_damaged(pages->suite.store), 0);
    int64_t wrong = -1;
    for (int i = 0; i < 2; i++) { /* One page is counted once. */
        assert_int_equal(suite_ask(&pages->suite, pages_read_rows, NULL, &wrong).code,
                         ERR_STORE_CORRUPT);
        assert_int_equal(store_damaged(pages->suite.store), 1);
    }
    assert_int_equal(suite_do(&pages->suite, suite_insert, "goes on").code, ERR_NONE);
}

static void a_page_in_the_place_of_another_is_damaged(void **state) {
    struct pages *pages = *state;
    pages_fill(pages);
    long last = pages_count(pages->path);
    uint8_t page[PAGE_BYTES];
    pages_get(pages->path, last - 1, page);
    pages_put(pages->path, last, page);
    struct store_check check = {.integrity_ok = true};
    assert_int_equal(store_check(pages->place.path, &check, NULL).code, ERR_NONE);
    assert_false(check.integrity_ok);
}

static struct err insert_long(struct tx *tx, void *ctx) {
    static char data[60000];
    memset(data, 'x', sizeof data);
    struct arg args[] = {arg_text((struct bytes){data, sizeof data})};
    (void)ctx;
    return tx_exec(tx,
                   "INSERT INTO events (stream, seq, at_ms, type, data)"
                   " VALUES (2, 1, 0, 'note', $1)",
                   args, COUNT_OF(args), NULL);
}

static struct err read_long(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, "SELECT data FROM events WHERE stream = 2", NO_ARGS);
    while (rows_step(rows)) {
        call->number = (int64_t)rows_text(rows, 0).len;
    }
    return tx_error(tx);
}

/* SQLite since 3.45 reads overflow pages so: the bytes of content, and fewer of the last page. */
static void a_part_of_a_damaged_page_is_refused(void **state) {
    struct pages *pages = *state;
    pages_fill(pages);
    long last = pages_count(pages->path);
    uint8_t page[PAGE_BYTES], part[PAGE_BYTES];
    pages_get(pages->path, last, page);
    page[PAGE_BYTES - 100] ^= 1; /* Outside the second part. */
    pages_put(pages->path, last, page);
    pages_get(pages->path, last - 1, page);
    static struct page_watch watch;
    page_watch_init(&watch);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(pages->path, &db, SQLITE_OPEN_READWRITE, page_sums_vfs()),
                     SQLITE_OK);
    page_sums_watch(db, &watch);
    assert_int_equal(sqlite3_exec(db, "SELECT count(*) FROM nodes", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_file *file = NULL;
    assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
    for (int len = PAGE_BYTES - PAGE_SUM_BYTES; len > 0; len -= 3000) {
        sqlite3_int64 at = (last - 2) * PAGE_BYTES + 4;
        assert_int_equal(file->pMethods->xRead(file, part, len - 4, at), SQLITE_OK);
        assert_memory_equal(part, page + 4, (size_t)(len - 4));
        assert_int_equal(file->pMethods->xRead(file, part, len, (last - 1) * PAGE_BYTES),
                         SQLITE_CORRUPT);
    }
    assert_int_equal(page_watch_damaged(&watch), 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    page_watch_done(&watch);
}

static void page_fill(uint8_t *page) {
    for (size_t i = 0; i < PAGE_BYTES; i++) {
        page[i] = (uint8_t)(i * 7 + i / 256);
    }
}

/* Whatever the checksum is made of, it notices these. */
static void each_flipped_bit_and_each_word_in_another_place_changes_the_checksum(void **state) {
    uint8_t page[PAGE_BYTES], word[8];
    (void)state;
    page_fill(page);
    page_sum_put(page, 42);
    assert_true(page_sum_fits(page, 42));
    assert_false(page_sum_fits(page, 43));
    for (size_t bit = 0; bit < 8 * (size_t)PAGE_BYTES; bit++) {
        page[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(page_sum_fits(page, 42));
        page[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t at = 8; at < PAGE_BYTES - PAGE_SUM_BYTES; at += 8) {
        memcpy(word, page, sizeof word);
        bool same = memcmp(word, page + at, sizeof word) == 0;
        memcpy(page, page + at, sizeof word);
        memcpy(page + at, word, sizeof word);
        assert_int_equal(page_sum_fits(page, 42), same);
        memcpy(page + at, page, sizeof word);
        memcpy(page, word, sizeof word);
    }
    assert_true(page_sum_fits(page, 42));
}

static int batch_take(void *ctx, int columns, char **values, char **names) {
    (void)columns;
    (void)names;
    *(int *)ctx = atoi(values[0]);
    return 0;
}

static void sql_do(sqlite3 *db, const char *sql) {
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* The second connection shares nothing with the first, as if it were another process. */
static void frames_that_another_process_has_written_are_read(void **state) {
    struct pages *pages = *state;
    static struct page_watch watch;
    sqlite3 *db = NULL, *other = NULL;
    int batch = 0;
    pages_fill(pages);
    page_watch_init(&watch);
    assert_int_equal(sqlite3_open_v2(pages->path, &db, SQLITE_OPEN_READWRITE, page_sums_vfs()),
                     SQLITE_OK);
    assert_int_equal(sqlite3_open_v2(pages->path, &other, SQLITE_OPEN_READWRITE, page_sums_vfs()),
                     SQLITE_OK);
    page_sums_watch(db, &watch);
    for (int i = 0; i < 3; i++) {
        sql_do(db, "UPDATE nodes SET batch = 1000"); /* The first frame of the log. */
        sql_do(other, "PRAGMA wal_checkpoint(RESTART)");
        sql_do(other, "UPDATE nodes SET batch = 2000"); /* The same frame. */
        assert_int_equal(sqlite3_exec(db, "SELECT batch FROM nodes", batch_take, &batch, NULL),
                         SQLITE_OK);
        assert_int_equal(batch, 2000);
        sql_do(db, "PRAGMA wal_checkpoint(RESTART)");
    }
    assert_int_equal(page_watch_damaged(&watch), 0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    page_watch_done(&watch);
}

/* The cache is so small that SQLite writes pages before the commit, and reads them again. */
static void a_commit_that_is_larger_than_the_cache_is_whole(void **state) {
    static const char sevens[] = "SELECT count(*) FROM wide WHERE x = 7";
    struct pages *pages = *state;
    sqlite3 *db = NULL, *other = NULL;
    int found = 0;
    pages_fill(pages);
    assert_int_equal(sqlite3_open_v2(pages->path, &db, SQLITE_OPEN_READWRITE, page_sums_vfs()),
                     SQLITE_OK);
    sql_do(db, "PRAGMA synchronous=FULL; PRAGMA cache_size=2; PRAGMA wal_autocheckpoint=0");
    page_sums_buffer_log(db);
    assert_int_equal(sqlite3_open(pages->path, &other), SQLITE_OK);
    sql_do(other, "PRAGMA query_only=ON");
    sql_do(db, "CREATE TABLE wide (x, y); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
               " FROM n WHERE i < 400) INSERT INTO wide SELECT 0, zeroblob(1000) FROM n");
    for (int i = 0; i < 3; i++) {
        sql_do(db, "BEGIN; UPDATE wide SET x = 6; UPDATE wide SET x = 7");
        assert_int_equal(sqlite3_exec(db, sevens, batch_take, &found, NULL), SQLITE_OK);
        assert_int_equal(found, 400);
        assert_int_equal(sqlite3_exec(other, sevens, batch_take, &found, NULL), SQLITE_OK);
        assert_int_equal(found, 0);
        sql_do(db, "ROLLBACK");
    }
    sql_do(db, "BEGIN; UPDATE wide SET x = 6; UPDATE wide SET x = 7; COMMIT");
    assert_int_equal(sqlite3_exec(other, sevens, batch_take, &found, NULL), SQLITE_OK);
    assert_int_equal(found, 400);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

/* Under a daemon, and with a log: its size of the database is what SQLite believes. */
static void rows_of_a_file_that_was_cut_are_refused_and_counted(void **state) {
    struct pages *pages = *state;
    pages_fill(pages);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, insert_long, NULL).code, ERR_NONE);
    suite_close(&pages->suite);
    suite_open(&pages->suite, STORE_INLINE); /* The log has the number of this start. */
    assert_int_equal(truncate(pages->path, (pages_count(pages->path) - 3) * PAGE_BYTES), 0);
    int64_t len = 0;
    assert_int_equal(suite_ask(&pages->suite, read_long, NULL, &len).code, ERR_STORE_CORRUPT);
    assert_int_equal(store_damaged(pages->suite.store), 1);
}

/* As drover made them before: no byte is reserved, and all of a page is data. */
static void a_database_without_checksums_is_read_and_written(void **state) {
    struct pages *pages = *state;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(pages->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode=WAL; CREATE TABLE other (x);"
                                  "DROP TABLE other;",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    pages_fill(pages);
    struct store_check check = {.sums = true};
    assert_int_equal(store_check(pages->place.path, &check, NULL).code, ERR_NONE);
    assert_true(check.integrity_ok);
    assert_false(check.sums);
    int64_t wrong = -1;
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_ask(&pages->suite, pages_read_rows, NULL, &wrong).code, ERR_NONE);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAGES(pages_have_checksums_also_when_they_were_freed),
        PAGES(a_flipped_byte_is_an_error_and_never_an_answer),
        PAGES(damaged_rows_are_refused_and_counted),
        PAGES(a_page_in_the_place_of_another_is_damaged),
        PAGES(a_part_of_a_damaged_page_is_refused),
        cmocka_unit_test(each_flipped_bit_and_each_word_in_another_place_changes_the_checksum),
        PAGES(frames_that_another_process_has_written_are_read),
        PAGES(a_commit_that_is_larger_than_the_cache_is_whole),
        PAGES(rows_of_a_file_that_was_cut_are_refused_and_counted),
        PAGES(a_database_without_checksums_is_read_and_written),
    };
    return cmocka_run_group_tests_name("page sums", tests, NULL /* no group fixture */, NULL);
}
