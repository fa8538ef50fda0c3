/* Pages of the database file that were changed behind SQLite's back. */
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "store/page_scan.h"
#include "store/page_sums.h"
#include "store_places.h"
#include "store_suite.h"

enum { ROWS = 200 };

struct pages {
    struct place place;
    struct suite suite;
    char path[256]; /* Of the database file. */
};

/* SQLite's own writes are not behind it. */
static int writes_left = -1; /* -1: all. */

ssize_t __real_pwrite64(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t at) {
    if (writes_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    writes_left -= writes_left > 0;
    return __real_pwrite64(fd, bytes, len, at);
}

static int set_up(void **state) {
    struct pages *pages = mem_new(sizeof *pages);
    pages->suite.where = place_make(&pages->place);
    (void)place_file(&pages->place, "drover.db", pages->path);
    *state = pages;
    return 0;
}

static int tear_down(void **state) {
    struct pages *pages = *state;
    suite_close(&pages->suite);
    place_remove(&pages->place);
    mem_free(pages);
    return 0;
}

static struct err insert_rows(struct tx *tx, void *ctx) {
    struct err err = ERR_OK;
    char data[900]; /* Some rows need overflow pages together with others, most do not. */
    memset(data, 'x', sizeof data);
    for (int64_t i = 1; i <= ROWS && !err_failed(err); i++) {
        struct arg args[] = {arg_int(i), arg_text((struct bytes){data, sizeof data})};
        err = tx_exec(tx,
                      "INSERT INTO events (stream, seq, at_ms, type, data)"
                      " VALUES (1, $1, 0, 'note', $2)",
                      args, COUNT_OF(args), NULL);
    }
    (void)ctx;
    return err;
}

static struct err delete_rows(struct tx *tx, void *ctx) {
    (void)ctx;
    return tx_exec(tx, "DELETE FROM events WHERE seq > 20", NULL, 0, NULL);
}

/* number: rows that are not what was stored. */
static struct err read_rows(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, "SELECT type, data FROM events", NULL, 0, &rows);
    call->number = 0;
    while (rows_more(rows, &err)) {
        struct bytes type = rows_text(rows, 0), data = rows_text(rows, 1);
        bool same = type.len == 4 && memcmp(type.data, "note", 4) == 0 && data.len == 900;
        for (size_t i = 0; same && i < data.len; i++) {
            same = data.data[i] == 'x';
        }
        call->number += same ? 0 : 1;
    }
    return err;
}

static struct err count_rows(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT count(*) FROM events", NULL, 0, &rows);
    call->number = err_failed(err) ? -1 : rows_int(rows, 0);
    return err;
}

static void fill(struct pages *pages) {
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, insert_rows, NULL).code, ERR_NONE);
    suite_close(&pages->suite); /* The log is copied into the file. */
}

static long file_pages(const char *path) {
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_size % PAGE_BYTES, 0);
    return found.st_size / PAGE_BYTES;
}

static void page_get(const char *path, long number, uint8_t *page) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, (number - 1) * PAGE_BYTES, SEEK_SET), 0);
    assert_int_equal(fread(page, 1, PAGE_BYTES, file), PAGE_BYTES);
    assert_int_equal(fclose(file), 0);
}

static void page_put(const char *path, long number, const uint8_t *page) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (number - 1) * PAGE_BYTES, SEEK_SET), 0);
    assert_int_equal(fwrite(page, 1, PAGE_BYTES, file), PAGE_BYTES);
    assert_int_equal(fclose(file), 0);
}

static void every_page_has_its_checksum(const char *path) {
    uint8_t page[PAGE_BYTES];
    for (long number = 1; number <= file_pages(path); number++) {
        uint64_t stored;
        page_get(path, number, page);
        memcpy(&stored, page + PAGE_BYTES - PAGE_SUM_BYTES, sizeof stored);
        assert_true(stored == page_sum(page, (uint32_t)number));
    }
}

static void a_scan_finds_a_changed_page_that_is_free(void **state) {
    struct pages *pages = *state;
    uint8_t page[PAGE_BYTES];
    struct store_pages found = {.pages = 0};
    long last = 0;
    fill(pages);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, delete_rows, NULL).code, ERR_NONE);
    suite_close(&pages->suite);
    assert_int_equal(page_scan(pages->path, &found).code, ERR_NONE);
    assert_true(found.sums);
    assert_int_equal(found.pages, file_pages(pages->path));
    assert_true(found.free > 10);
    assert_int_equal(found.damaged, 0);
    last = file_pages(pages->path); /* The rows that went were the newest. */
    page_get(pages->path, last, page);
    page[4000] ^= 1;
    page_put(pages->path, last, page);
    page_get(pages->path, 2, page);
    page[20] ^= 1;
    page_put(pages->path, 2, page);
    assert_int_equal(page_scan(pages->path, &found).code, ERR_NONE);
    assert_int_equal(found.damaged, 2);
    assert_int_equal(found.numbers[0], 2);
    assert_int_equal(found.numbers[1], last);
    assert_int_equal(truncate(pages->path, (last - 1) * PAGE_BYTES + 100), 0);
    assert_int_equal(page_scan(pages->path, &found).code, ERR_NONE);
    assert_int_equal(found.pages, last);
    assert_int_equal(found.damaged, 2);
    assert_int_equal(page_scan("/nonexistent/drover.db", &found).code, ERR_NOT_FOUND);
}

/* SQLite locks bytes of this page, and never writes it. */
static void the_page_of_the_locks_is_no_damage(void **state) {
    enum { LOCK_PAGE = 262145 };
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    fill(pages);
    long whole = file_pages(pages->path);
    assert_int_equal(truncate(pages->path, (off_t)(LOCK_PAGE + 1) * PAGE_BYTES), 0); /* A hole. */
    assert_int_equal(page_scan(pages->path, &found).code, ERR_NONE);
    assert_int_equal(found.pages, LOCK_PAGE + 1);
    assert_int_equal(found.damaged, found.pages - whole - 1);
}

static void a_scan_sees_checksums_although_the_header_denies_them(void **state) {
    struct pages *pages = *state;
    uint8_t page[PAGE_BYTES];
    struct store_pages found = {.pages = 0};
    fill(pages);
    page_get(pages->path, 1, page);
    page[20] ^= 1;
    page_put(pages->path, 1, page);
    assert_int_equal(page_scan(pages->path, &found).code, ERR_NONE);
    assert_true(found.sums);
    assert_int_equal(found.damaged, 1);
}

/* --- Written by another program --------------------------------------------------------------- */

/* As the sqlite3 shell does it: with SQLite's own VFS, and a checkpoint when it closes. */
static void another_program_runs(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void rows_are_there_again(struct pages *pages) {
    int64_t wrong = -1;
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_ask(&pages->suite, read_rows, NULL, &wrong).code, ERR_NONE);
    assert_int_equal(wrong, 0);
    suite_close(&pages->suite);
    every_page_has_its_checksum(pages->path);
}

static void a_file_that_another_program_wrote_gets_its_checksums_again(void **state) {
    static const char *const writes[] = {
        "DELETE FROM events WHERE seq > 100", "VACUUM",
        "PRAGMA journal_mode=DELETE; DELETE FROM events WHERE seq > 90; VACUUM"};
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    fill(pages);
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        another_program_runs(pages->path, writes[i]);
        assert_int_equal(page_scan(pages->path, &found).code, ERR_NONE);
        assert_true(found.damaged > 0);
        int64_t damaged = found.damaged;
        assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NONE);
        assert_int_equal(found.damaged, damaged);
        assert_int_equal(found.pages, file_pages(pages->path));
        every_page_has_its_checksum(pages->path);
        assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NONE);
        assert_int_equal(found.damaged, 0);
        rows_are_there_again(pages);
    }
}

static void a_rewrite_that_was_cut_off_is_done_again(void **state) {
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    fill(pages);
    another_program_runs(pages->path, "VACUUM");
    writes_left = 20; /* The claim of the directory is one of them. */
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_DISK_FULL);
    writes_left = -1;
    assert_int_equal(found.pages, 0);
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NONE);
    assert_in_range(found.damaged, found.pages - 20, found.pages - 15);
    rows_are_there_again(pages);
}

/* Left by a program that was killed, with pages in the log that nobody has checkpointed. */
static void a_log_of_another_program_is_taken_along(void **state) {
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    sqlite3 *db = NULL;
    fill(pages);
    assert_int_equal(sqlite3_open(pages->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM events WHERE seq > 100", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NONE);
    assert_true(found.damaged > 0);
    rows_are_there_again(pages);
    int64_t count = 0;
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_ask(&pages->suite, count_rows, NULL, &count).code, ERR_NONE);
    assert_int_equal(count, 100);
}

static void checksums_of_a_database_with_faults_stay(void **state) {
    struct pages *pages = *state;
    struct store_pages found = {.pages = -1};
    struct why why = {""};
    uint8_t page[PAGE_BYTES], after[PAGE_BYTES];
    fill(pages);
    assert_int_equal(file_pages(pages->path) > 20, true);
    page_get(pages->path, 2, page);
    memset(page, 0x5a, 2000);
    page_put(pages->path, 2, page);
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_STORE_CORRUPT);
    assert_non_null(strstr(why.text, "nothing was written"));
    assert_int_equal(found.pages, -1);
    page_get(pages->path, 2, after);
    assert_memory_equal(page, after, PAGE_BYTES);
}

static void checksums_are_not_rewritten_under_a_daemon_nor_where_there_are_none(void **state) {
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NOT_FOUND);
    fill(pages);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_BUSY);
    suite_close(&pages->suite);
    assert_int_equal(unlink(pages->path), 0);
    another_program_runs(pages->path, "CREATE TABLE t (x)");
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_CONFLICT);
}

static void pages_have_checksums_also_when_they_were_freed(void **state) {
    struct pages *pages = *state;
    fill(pages);
    every_page_has_its_checksum(pages->path);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, delete_rows, NULL).code, ERR_NONE);
    suite_close(&pages->suite);
    every_page_has_its_checksum(pages->path);
    char copy[256];
    struct why why = {""};
    (void)place_file(&pages->place, "copy", copy);
    assert_int_equal(store_backup(pages->place.path, copy, &why).code, ERR_NONE);
    every_page_has_its_checksum(copy);
}

/* Each flip alone; the distance and the size of a page have no divisor, so all places are met. */
static void a_flipped_byte_is_an_error_and_never_an_answer(void **state) {
    struct pages *pages = *state;
    fill(pages);
    long bytes = file_pages(pages->path) * PAGE_BYTES, refused = 0, counted = 0;
    for (long at = 7; at < bytes; at += 971) {
        uint8_t page[PAGE_BYTES];
        page_get(pages->path, at / PAGE_BYTES + 1, page);
        page[at % PAGE_BYTES] ^= 0x11;
        page_put(pages->path, at / PAGE_BYTES + 1, page);
        struct store_check check = {.integrity_ok = false};
        struct err err = store_check(pages->place.path, &check, NULL);
        refused += err_failed(err) || !check.integrity_ok;
        counted++;
        page[at % PAGE_BYTES] ^= 0x11;
        page_put(pages->path, at / PAGE_BYTES + 1, page);
    }
    assert_true(counted > 200);
    assert_int_equal(refused, counted);
}

static void damaged_rows_are_refused_and_counted(void **state) {
    struct pages *pages = *state;
    fill(pages);
    long last = file_pages(pages->path);
    uint8_t page[PAGE_BYTES];
    for (long number = last - 5; number <= last; number++) { /* Rows: they were stored last. */
        page_get(pages->path, number, page);
        page[1000] ^= 1;
        page_put(pages->path, number, page);
    }
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(store_damaged(pages->suite.store), 0);
    int64_t wrong = -1;
    for (int i = 0; i < 2; i++) { /* One page is counted once. */
        assert_int_equal(suite_ask(&pages->suite, read_rows, NULL, &wrong).code, ERR_STORE_CORRUPT);
        assert_int_equal(store_damaged(pages->suite.store), 1);
    }
    assert_int_equal(suite_do(&pages->suite, suite_insert, "goes on").code, ERR_NONE);
}

static void a_page_in_the_place_of_another_is_damaged(void **state) {
    struct pages *pages = *state;
    fill(pages);
    long last = file_pages(pages->path);
    uint8_t page[PAGE_BYTES];
    page_get(pages->path, last - 1, page);
    page_put(pages->path, last, page);
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
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, "SELECT data FROM events WHERE stream = 2", NULL, 0, &rows);
    while (rows_more(rows, &err)) {
        call->number = (int64_t)rows_text(rows, 0).len;
    }
    return err;
}

/* SQLite since 3.45 reads overflow pages so: the bytes of content, and fewer of the last page. */
static void a_part_of_a_damaged_page_is_refused(void **state) {
    struct pages *pages = *state;
    fill(pages);
    long last = file_pages(pages->path);
    uint8_t page[PAGE_BYTES], part[PAGE_BYTES];
    page_get(pages->path, last, page);
    page[PAGE_BYTES - 100] ^= 1; /* Outside the second part. */
    page_put(pages->path, last, page);
    page_get(pages->path, last - 1, page);
    struct page_damage damage;
    page_damage_init(&damage);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(pages->path, &db, SQLITE_OPEN_READWRITE, page_sums_vfs()),
                     SQLITE_OK);
    page_sums_watch(db, &damage);
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
    assert_int_equal(page_damage_count(&damage), 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    page_damage_done(&damage);
}

/* Under a daemon, and with a log: its size of the database is what SQLite believes. */
static void rows_of_a_file_that_was_cut_are_refused_and_counted(void **state) {
    struct pages *pages = *state;
    fill(pages);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, insert_long, NULL).code, ERR_NONE);
    suite_close(&pages->suite);
    suite_open(&pages->suite, STORE_INLINE); /* The log has the number of this start. */
    assert_int_equal(truncate(pages->path, (file_pages(pages->path) - 3) * PAGE_BYTES), 0);
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
    fill(pages);
    struct store_check check = {.sums = true};
    assert_int_equal(store_check(pages->place.path, &check, NULL).code, ERR_NONE);
    assert_true(check.integrity_ok);
    assert_false(check.sums);
    int64_t wrong = -1;
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_ask(&pages->suite, read_rows, NULL, &wrong).code, ERR_NONE);
    assert_int_equal(wrong, 0);
}

#define PAGES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        PAGES(a_scan_finds_a_changed_page_that_is_free),
        PAGES(the_page_of_the_locks_is_no_damage),
        PAGES(a_scan_sees_checksums_although_the_header_denies_them),
        PAGES(a_file_that_another_program_wrote_gets_its_checksums_again),
        PAGES(a_rewrite_that_was_cut_off_is_done_again),
        PAGES(a_log_of_another_program_is_taken_along),
        PAGES(checksums_of_a_database_with_faults_stay),
        PAGES(checksums_are_not_rewritten_under_a_daemon_nor_where_there_are_none),
        PAGES(pages_have_checksums_also_when_they_were_freed),
        PAGES(a_flipped_byte_is_an_error_and_never_an_answer),
        PAGES(damaged_rows_are_refused_and_counted),
        PAGES(a_page_in_the_place_of_another_is_damaged),
        PAGES(a_part_of_a_damaged_page_is_refused),
        PAGES(rows_of_a_file_that_was_cut_are_refused_and_counted),
        PAGES(a_database_without_checksums_is_read_and_written),
    };
    return cmocka_run_group_tests_name("page sums", tests, NULL /* no group fixture */, NULL);
}
