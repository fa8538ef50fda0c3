/* The end of the log: bytes that come into the file or out of it, and by how many calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/sqlite/log_tail.h"

/* A file that keeps what is written, and fails on request. */
static struct {
    char bytes[4 * LOG_TAIL_BYTES];
    int calls, fails;
} disk;

static int disk_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at) {
    (void)file;
    disk.calls++;
    if (disk.fails > 0) {
        disk.fails--;
        return SQLITE_FULL;
    }
    assert_true(at + len <= (sqlite3_int64)sizeof disk.bytes);
    memcpy(disk.bytes + at, data, (size_t)len);
    return SQLITE_OK;
}

static int disk_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at) {
    (void)file;
    disk.calls++;
    assert_true(at + len <= (sqlite3_int64)sizeof disk.bytes);
    memcpy(data, disk.bytes + at, (size_t)len);
    return SQLITE_OK;
}

static int disk_size(sqlite3_file *file, sqlite3_int64 *ret_size) {
    (void)file;
    *ret_size = sizeof disk.bytes;
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .xWrite = disk_write, .xRead = disk_read, .xFileSize = disk_size};
static struct log_tail tail;

static int set_up(void **state) {
    (void)state;
    memset(&disk, 0, sizeof disk);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    log_tail_done(&tail);
    return 0;
}

static int add(const char *text, sqlite3_int64 at) {
    return log_tail_add(&tail, &methods, NULL /* the file */, text, (int)strlen(text), at);
}

static int write_all(void) {
    return log_tail_write(&tail, &methods, NULL /* the file */);
}

static void what_follows_is_written_by_one_call(void **state) {
    (void)state;
    assert_int_equal(add("head", 32), SQLITE_OK);
    assert_int_equal(add("page", 36), SQLITE_OK);
    assert_int_equal(add("head", 40), SQLITE_OK);
    assert_int_equal(disk.calls, 0);
    assert_int_equal(write_all(), SQLITE_OK);
    assert_int_equal(write_all(), SQLITE_OK);
    assert_int_equal(disk.calls, 1);
    assert_memory_equal(disk.bytes + 32, "headpagehead", 12);
}

static void a_place_before_or_behind_is_written_in_the_order_of_the_calls(void **state) {
    (void)state;
    assert_int_equal(add("old!", 32), SQLITE_OK);
    assert_int_equal(add("new!", 32), SQLITE_OK);
    assert_int_equal(add("far", 100), SQLITE_OK);
    assert_int_equal(write_all(), SQLITE_OK);
    assert_int_equal(disk.calls, 3);
    assert_memory_equal(disk.bytes + 32, "new!", 4);
    assert_memory_equal(disk.bytes + 100, "far", 3);
}

static void more_than_fits_comes_in_whole_pieces(void **state) {
    enum { PIECE = 5000, PIECES = 40 };
    char piece[PIECE];
    (void)state;
    for (int i = 0; i < PIECES; i++) {
        memset(piece, 'a' + i % 26, sizeof piece);
        assert_int_equal(
            log_tail_add(&tail, &methods, NULL, piece, PIECE, (sqlite3_int64)i * PIECE), SQLITE_OK);
        assert_true(tail.len <= LOG_TAIL_BYTES);
        assert_int_equal(tail.len % PIECE, 0);
    }
    assert_int_equal(write_all(), SQLITE_OK);
    assert_int_equal(disk.calls, (PIECES + 12) / 13); /* 13 of them fit. */
    for (int i = 0; i < PIECES * PIECE; i++) {
        assert_int_equal(disk.bytes[i], 'a' + i / PIECE % 26);
    }
    static const char large[LOG_TAIL_BYTES + 1] = {'z'};
    assert_int_equal(log_tail_add(&tail, &methods, NULL, large, sizeof large, 0), SQLITE_OK);
    assert_int_equal(disk.bytes[0], 'z');
}

static void what_could_not_be_written_is_forgotten(void **state) {
    (void)state;
    assert_int_equal(add("lost", 32), SQLITE_OK);
    disk.fails = 1;
    assert_int_equal(write_all(), SQLITE_FULL);
    assert_int_equal(write_all(), SQLITE_OK);
    assert_int_equal(disk.calls, 1);
    assert_int_equal(add("lost", 32), SQLITE_OK);
    disk.fails = 1;
    assert_int_equal(add("far", 100), SQLITE_FULL);
    assert_int_equal(add("next", 32), SQLITE_OK);
    assert_int_equal(write_all(), SQLITE_OK);
    assert_memory_equal(disk.bytes + 32, "next", 4);
    assert_int_equal(disk.bytes[100], 0);
}

static void read_is(sqlite3_int64 at, char wanted) {
    enum { FRAME = 4120 };
    char frame[FRAME];
    assert_int_equal(log_tail_read(&tail, &methods, NULL /* the file */, frame, sizeof frame, at),
                     SQLITE_OK);
    assert_int_equal(frame[0], wanted);
    assert_int_equal(frame[FRAME - 1], wanted);
}

static void a_recovery_reads_to_the_end_by_few_calls(void **state) {
    enum { FRAME = 4120, FRAMES = sizeof disk.bytes / FRAME };
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        memset(disk.bytes + (size_t)i * FRAME, 'a' + i % 26, FRAME);
    }
    for (int i = 0; i < FRAMES; i++) {
        read_is((sqlite3_int64)i * FRAME, (char)('a' + i % 26));
    }
    assert_int_equal(disk.calls, (FRAMES + 14) / 15); /* 15 of them fit. */
}

static void what_was_read_ahead_is_forgotten(void **state) {
    (void)state;
    memset(disk.bytes, 'a', sizeof disk.bytes);
    read_is(0, 'a');
    memset(disk.bytes, 'b', sizeof disk.bytes);
    read_is(4120, 'a'); /* Nobody else writes during a recovery. */
    tail.ahead = 0;
    read_is(8240, 'b');
    static const char later[4120] = {'c', [4119] = 'c'};
    assert_int_equal(log_tail_add(&tail, &methods, NULL, later, sizeof later, 12360), SQLITE_OK);
    assert_int_equal(write_all(), SQLITE_OK);
    read_is(12360, 'c');
}

#define TAIL(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TAIL(what_follows_is_written_by_one_call),
        TAIL(a_place_before_or_behind_is_written_in_the_order_of_the_calls),
        TAIL(more_than_fits_comes_in_whole_pieces),
        TAIL(what_could_not_be_written_is_forgotten),
        TAIL(a_recovery_reads_to_the_end_by_few_calls),
        TAIL(what_was_read_ahead_is_forgotten),
    };
    return cmocka_run_group_tests_name("log tail", tests, NULL /* no group fixture */, NULL);
}
