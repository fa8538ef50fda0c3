/* Frames of the write-ahead log that change while a store uses it. */
#include "pages_kit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/page_scan.h"

enum { LOG_HEADER = 32, FRAME_HEADER = 24, FRAME = FRAME_HEADER + PAGE_BYTES };

static void log_path(struct pages *pages, char *path) {
    (void)place_file(&pages->place, "drover.db-wal", path);
}

static long log_frames(const char *path) {
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    return (found.st_size - LOG_HEADER) / FRAME;
}

/* Changes a byte of the content of rows, in each frame that has nothing else there. Answers how
 * many there were. */
static long rows_flip(const char *path) {
    enum { AT = 2000, AROUND = 100 };
    char around[2 * AROUND], rows[2 * AROUND];
    memset(rows, 'x', sizeof rows);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    long flipped = 0, frames = log_frames(path);
    for (long i = 0; i < frames; i++) {
        long at = LOG_HEADER + i * FRAME + FRAME_HEADER + AT;
        assert_int_equal(fseek(file, at - AROUND, SEEK_SET), 0);
        assert_int_equal(fread(around, 1, sizeof around, file), sizeof around);
        if (memcmp(around, rows, sizeof rows) == 0) {
            assert_int_equal(fseek(file, at, SEEK_SET), 0);
            assert_int_equal(fputc('y', file), 'y');
            flipped++;
        }
    }
    assert_int_equal(fclose(file), 0);
    return flipped;
}

static void rows_are_refused(struct pages *pages) {
    int64_t wrong = 0;
    assert_int_equal(suite_ask(&pages->suite, pages_read_rows, NULL, &wrong).code,
                     ERR_STORE_CORRUPT);
    assert_true(store_damaged(pages->suite.store) > 0);
}

static void a_byte_that_changes_in_the_log_is_an_error_and_never_an_answer(void **state) {
    struct pages *pages = *state;
    char log[256];
    struct store_pages found;
    log_path(pages, log);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, pages_insert_rows, NULL).code, ERR_NONE);
    long flipped = rows_flip(log);
    assert_true(flipped > 10);
    rows_are_refused(pages);
    assert_int_equal(suite_do(&pages->suite, suite_insert, "goes on").code, ERR_NONE);
    suite_close(&pages->suite); /* Copies the log, what is whole in it and what is not. */
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
    assert_int_equal(found.damaged, flipped);
    suite_open(&pages->suite, STORE_INLINE);
    rows_are_refused(pages);
    assert_true(suite_has(&pages->suite, "goes on"));
}

static void a_log_that_is_cut_is_an_error_and_its_pages_stay_damaged(void **state) {
    struct pages *pages = *state;
    char log[256];
    struct store_pages found;
    log_path(pages, log);
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, pages_insert_rows, NULL).code, ERR_NONE);
    assert_int_equal(truncate(log, LOG_HEADER + (log_frames(log) - 20) * FRAME), 0);
    rows_are_refused(pages);
    /* The log goes on after a hole, which is read as zeros. */
    assert_int_equal(suite_do(&pages->suite, suite_insert, "goes on").code, ERR_NONE);
    rows_are_refused(pages);
    suite_close(&pages->suite);
    assert_int_equal(page_scan(pages->path, PAGE_SCAN_LOOK, &found).code, ERR_NONE);
    assert_in_range(found.damaged, 15, 21); /* The first one after the hole has no forerunner. */
}

/* More than the writer's cache, so that pages go into the log before the commit, again and again.
 * Their frames get their checksums at its end. */
static struct err rewrite_rows(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct err err = tx_exec(tx,
                             "INSERT INTO events (stream, seq, at_ms, type, data)"
                             " SELECT a.seq + 1, b.seq, 0, 'note', a.data"
                             " FROM events a, events b WHERE a.seq <= 20",
                             NULL, 0, NULL);
    for (int i = 0; i < 3 && !err_failed(err); i++) {
        err = tx_exec(tx, "UPDATE events SET at_ms = at_ms + 1", NULL, 0, NULL);
        if (!err_failed(err)) {
            err = pages_read_rows(tx, call);
        }
    }
    return err;
}

static void a_large_commit_reads_what_it_has_written_so_far(void **state) {
    struct pages *pages = *state;
    int64_t wrong = -1;
    suite_open(&pages->suite, STORE_INLINE);
    assert_int_equal(suite_do(&pages->suite, pages_insert_rows, NULL).code, ERR_NONE);
    assert_int_equal(suite_do(&pages->suite, rewrite_rows, NULL).code, ERR_NONE);
    assert_int_equal(suite_ask(&pages->suite, pages_read_rows, NULL, &wrong).code, ERR_NONE);
    assert_int_equal(wrong, 0);
    assert_int_equal(store_damaged(pages->suite.store), 0);
    suite_close(&pages->suite);
    pages_have_checksums(pages->path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAGES(a_byte_that_changes_in_the_log_is_an_error_and_never_an_answer),
        PAGES(a_log_that_is_cut_is_an_error_and_its_pages_stay_damaged),
        PAGES(a_large_commit_reads_what_it_has_written_so_far),
    };
    return cmocka_run_group_tests_name("log frames", tests, NULL /* no group fixture */, NULL);
}
