/* All pages of a database file, read and given checksums without SQLite. */
#include "pages_kit.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/page_scan.h"

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

static off_t unreadable_at = -1;     /* Offset of a byte that the disk cannot read; -1: none. */
static off_t hole_at = -1, hole_end; /* Zeros that the system need not put into its cache. */

ssize_t __real_pread64(int fd, void *bytes, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *bytes, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *bytes, size_t len, off_t at) {
    if (unreadable_at >= at && unreadable_at < at + (off_t)len) {
        errno = EIO;
        return -1;
    }
    if (hole_at >= 0 && at >= hole_at && at < hole_end) {
        size_t left = (size_t)(hole_end - at);
        memset(bytes, 0, len < left ? len : left);
        return (ssize_t)(len < left ? len : left);
    }
    return __real_pread64(fd, bytes, len, at);
}

static void a_scan_finds_a_changed_page_that_is_free(void **state) {
    struct pages *pages = *state;
    uint8_t page[PAGE_BYTES];
    struct store_pages found = {.pages = 0};
    long last = 0;
    pages_fill(pages);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, pages_delete_rows, NULL).code, ERR_NONE);
    suite_close(&pages->suite);
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
    assert_true(found.sums);
    assert_int_equal(found.pages, pages_count(pages->path));
    assert_true(found.free > 10);
    assert_int_equal(found.damaged, 0);
    last = pages_count(pages->path); /* The rows that went were the newest. */
    pages_get(pages->path, last, page);
    page[4000] ^= 1;
    pages_put(pages->path, last, page);
    pages_get(pages->path, 2, page);
    page[20] ^= 1;
    pages_put(pages->path, 2, page);
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
    assert_int_equal(found.damaged, 2);
    assert_int_equal(found.numbers[0], 2);
    assert_int_equal(found.numbers[1], last);
    assert_int_equal(truncate(pages->path, (last - 1) * PAGE_BYTES + 100), 0);
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
    assert_int_equal(found.pages, last);
    assert_int_equal(found.damaged, 2);
    assert_int_equal(page_scan("/nonexistent/drover.db", PAGE_SCAN_LOOK, &found).code,
                     ERR_NOT_FOUND);
}

static void a_page_that_cannot_be_read_is_damaged_and_hides_no_other(void **state) {
    struct pages *pages = *state;
    uint8_t page[PAGE_BYTES];
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    pages_fill(pages);
    pages_get(pages->path, 9, page);
    page[100] ^= 1;
    pages_put(pages->path, 9, page);
    unreadable_at = 4 * PAGE_BYTES + 17;
    struct err err = page_scan(pages->path, PAGE_SCAN_LOOK, &found);
    struct err rewritten = store_rewrite_sums(pages->place.path, &(struct store_pages){0}, &why);
    unreadable_at = 5;
    struct err first = page_scan(pages->path, PAGE_SCAN_LOOK, &(struct store_pages){0});
    unreadable_at = -1;
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(found.pages, pages_count(pages->path));
    assert_int_equal(found.damaged, 2);
    assert_int_equal(found.numbers[0], 5);
    assert_int_equal(found.numbers[1], 9);
    assert_true(err_failed(rewritten));
    assert_int_equal(first.code, ERR_IO);
}

/* SQLite locks bytes of this page, and never writes it. */
static void the_page_of_the_locks_is_no_damage(void **state) {
    enum { LOCK_PAGE = 262145 };
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    pages_fill(pages);
    long whole = pages_count(pages->path);
    hole_at = whole * PAGE_BYTES;
    hole_end = (off_t)(LOCK_PAGE + 1) * PAGE_BYTES;
    assert_int_equal(truncate(pages->path, hole_end), 0);
    struct err err = page_scan(pages->path, PAGE_SCAN_LOOK, &found);
    hole_at = -1;
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(found.pages, LOCK_PAGE + 1);
    assert_int_equal(found.damaged, found.pages - whole - 1);
}

/* It was told as a file without checksums. */
static void a_file_that_no_database_can_be_is_refused(void **state) {
    struct pages *pages = *state;
    uint8_t page[PAGE_BYTES];
    struct store_pages found = {.pages = -1};
    char path[64];
    pages_fill(pages);
    pages_get(pages->path, 1, page);
    int fd = memfd_create("pages", MFD_CLOEXEC); /* Takes the size, unlike many file systems. */
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, page, sizeof page, 0), sizeof page);
    assert_int_equal(ftruncate(fd, (off_t)0xffffffff * PAGE_BYTES), 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct err err = page_scan(path, PAGE_SCAN_LOOK, &found);
    assert_int_equal(close(fd), 0);
    assert_true(err_failed(err));
    assert_int_equal(err.os, EFBIG);
    assert_int_equal(found.pages, -1);
}

static void a_scan_sees_checksums_although_the_header_denies_them(void **state) {
    struct pages *pages = *state;
    uint8_t page[PAGE_BYTES];
    struct store_pages found = {.pages = 0};
    pages_fill(pages);
    pages_get(pages->path, 1, page);
    page[20] ^= 1;
    pages_put(pages->path, 1, page);
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
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
    assert_int_equal(suite_ask(&pages->suite, pages_read_rows, NULL, &wrong).code, ERR_NONE);
    assert_int_equal(wrong, 0);
    suite_close(&pages->suite);
    pages_have_checksums(pages->path);
}

static void a_file_that_another_program_wrote_gets_its_checksums_again(void **state) {
    static const char *const writes[] = {
        "DELETE FROM events WHERE seq > 100", "VACUUM",
        "PRAGMA journal_mode=DELETE; DELETE FROM events WHERE seq > 90; VACUUM"};
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    pages_fill(pages);
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        another_program_runs(pages->path, writes[i]);
        assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
        assert_true(found.damaged > 0);
        int64_t damaged = found.damaged;
        assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NONE);
        assert_int_equal(found.damaged, damaged);
        assert_int_equal(found.pages, pages_count(pages->path));
        pages_have_checksums(pages->path);
        assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NONE);
        assert_int_equal(found.damaged, 0);
        rows_are_there_again(pages);
    }
}

static void a_rewrite_that_was_cut_off_is_done_again(void **state) {
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    pages_fill(pages);
    another_program_runs(pages->path, "VACUUM");
    writes_left = 20; /* The claim of the directory is one of them. */
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_DISK_FULL);
    writes_left = -1;
    assert_int_equal(found.pages, 0);
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NONE);
    assert_in_range(found.damaged, found.pages - 20, found.pages - 15);
    rows_are_there_again(pages);
}

/* Left by a program that was killed: pages in the log that nobody has checkpointed. */
static void a_log_is_left(const char *path) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM events WHERE seq > 100", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A reader keeps a checkpoint from what came later: a page of that is left out, though the file has
 * grown beyond it by others. So is a page that a power cut tore while it was copied. */
static void a_page_that_is_whole_in_the_log_is_no_damage(void **state) {
    struct pages *pages = *state;
    struct store_pages found;
    uint8_t page[PAGE_BYTES];
    char log[256];
    struct stat size;
    pages_fill(pages);
    (void)place_file(&pages->place, "drover.db-wal", log);
    suite_open(&pages->suite, STORE_INLINE); /* The start's number. */
    for (long number = 1; number <= pages_count(pages->path); number++) {
        pages_get(pages->path, number, page);
        page[100] ^= 1;
        pages_put(pages->path, number, page);
    }
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
    int64_t in_log = pages_count(pages->path) - found.damaged;
    assert_int_equal(stat(log, &size), 0);
    assert_in_range(in_log, 1, size.st_size / PAGE_BYTES);
    assert_int_equal(truncate(log, size.st_size - 1), 0); /* Its commit is not whole. */
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
    assert_int_equal(found.damaged, pages_count(pages->path));
    assert_int_equal(truncate(log, 0), 0);
}

/* What follows a damaged frame of a log is all that is left of commits. */
static void a_log_that_somebody_left_stays_as_it_is_under_a_look(void **state) {
    struct pages *pages = *state;
    struct store_check check;
    struct store_pages found;
    struct why why = {""};
    struct stat before, after;
    char log[256], backup[256];
    pages_fill(pages);
    (void)place_file(&pages->place, "drover.db-wal", log);
    assert_int_equal(store_check(pages->place.path, &check, &why).code, ERR_NONE);
    assert_int_equal(stat(log, &after), -1); /* The look's own went with it. */
    assert_int_equal(store_check_pages(pages->place.path, &found, &why).code, ERR_NONE);
    a_log_is_left(pages->path);
    assert_int_equal(stat(log, &before), 0);
    assert_int_equal(store_check(pages->place.path, &check, &why).code, ERR_NONE);
    assert_int_equal(check.epoch, 1);
    assert_int_equal(
        store_backup(pages->place.path, place_file(&pages->place, "copy", backup), &why).code,
        ERR_NONE);
    assert_int_equal(store_check_pages(pages->place.path, &found, &why).code, ERR_NONE);
    assert_int_equal(found.damaged, 0);
    assert_int_equal(stat(log, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

static void a_log_of_another_program_is_taken_along(void **state) {
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    pages_fill(pages);
    a_log_is_left(pages->path);
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NONE);
    assert_true(found.damaged > 0);
    rows_are_there_again(pages);
    int64_t count = 0;
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_ask(&pages->suite, pages_count_rows, NULL, &count).code, ERR_NONE);
    assert_int_equal(count, 100);
}

/* One fault ends SQLite's check with an error, the other is a row that the check returns. */
static void checksums_of_a_database_with_faults_stay(void **state) {
    struct pages *pages = *state;
    uint8_t page[PAGE_BYTES], after[PAGE_BYTES];
    pages_fill(pages);
    const long faults[] = {2, 1};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct store_pages found = {.pages = -1};
        struct why why = {""};
        uint8_t whole[PAGE_BYTES];
        pages_get(pages->path, faults[i], whole);
        memcpy(page, whole, sizeof page);
        if (faults[i] == 1) {
            page[39] ^= 1; /* Number of free pages. */
        } else {
            memset(page, 0x5a, 2000);
        }
        pages_put(pages->path, faults[i], page);
        assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code,
                         ERR_STORE_CORRUPT);
        assert_non_null(strstr(why.text, "nothing was written"));
        assert_int_equal(found.pages, -1);
        pages_get(pages->path, faults[i], after);
        assert_memory_equal(page, after, PAGE_BYTES);
        pages_put(pages->path, faults[i], whole);
    }
}

static void a_log_beside_a_database_with_faults_stays(void **state) {
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    uint8_t page[PAGE_BYTES], whole[PAGE_BYTES];
    int64_t count = 0;
    pages_fill(pages);
    a_log_is_left(pages->path);
    pages_get(pages->path, 2, whole);
    memcpy(page, whole, sizeof page);
    memset(page, 0x5a, 2000);
    pages_put(pages->path, 2, page);
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_STORE_CORRUPT);
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
    assert_int_equal(found.damaged, 1);
    pages_put(pages->path, 2, whole);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_ask(&pages->suite, pages_count_rows, NULL, &count).code, ERR_NONE);
    assert_int_equal(count, 100);
}

static void checksums_are_not_rewritten_under_a_daemon_nor_where_there_are_none(void **state) {
    struct pages *pages = *state;
    struct store_pages found = {.pages = 0};
    struct why why = {""};
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_NOT_FOUND);
    pages_fill(pages);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_BUSY);
    suite_close(&pages->suite);
    assert_int_equal(unlink(pages->path), 0);
    another_program_runs(pages->path, "CREATE TABLE t (x)");
    assert_int_equal(store_rewrite_sums(pages->place.path, &found, &why).code, ERR_CONFLICT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAGES(a_scan_finds_a_changed_page_that_is_free),
        PAGES(a_page_that_cannot_be_read_is_damaged_and_hides_no_other),
        PAGES(the_page_of_the_locks_is_no_damage),
        PAGES(a_file_that_no_database_can_be_is_refused),
        PAGES(a_scan_sees_checksums_although_the_header_denies_them),
        PAGES(a_file_that_another_program_wrote_gets_its_checksums_again),
        PAGES(a_rewrite_that_was_cut_off_is_done_again),
        PAGES(a_page_that_is_whole_in_the_log_is_no_damage),
        PAGES(a_log_that_somebody_left_stays_as_it_is_under_a_look),
        PAGES(a_log_of_another_program_is_taken_along),
        PAGES(checksums_of_a_database_with_faults_stay),
        PAGES(a_log_beside_a_database_with_faults_stays),
        PAGES(checksums_are_not_rewritten_under_a_daemon_nor_where_there_are_none),
    };
    return cmocka_run_group_tests_name("page scan", tests, NULL /* no group fixture */, NULL);
}
