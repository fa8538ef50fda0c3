/* What a connection to SQLite must not take at its word. The disk is test/fault/vfs.h. */
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../fault/vfs.h"
#include "base/memory.h"
#include "store/datadir.h"
#include "store_places.h"
#include "store_suite.h"

enum { ROW_BYTES = 64 << 10 };

struct fixture {
    struct place place;
    struct vfs *vfs;
    struct suite suite;
};

static int set_up(void **state) {
    struct fixture *fixture = mem_new(sizeof *fixture);
    fixture->vfs = vfs_install();
    fixture->suite.where = place_make(&fixture->place);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    vfs_heal(fixture->vfs);
    suite_close(&fixture->suite);
    vfs_remove(fixture->vfs);
    place_remove(&fixture->place);
    mem_free(fixture);
    return 0;
}

static void start_over(struct fixture *fixture) {
    vfs_heal(fixture->vfs);
    suite_close(&fixture->suite);
    place_remove(&fixture->place);
    fixture->suite = (struct suite){.where = place_make(&fixture->place)};
}

static void check_sound(struct fixture *fixture) {
    struct store_check check;
    struct why why = {""};
    assert_int_equal(store_check(fixture->place.path, &check, &why).code, ERR_NONE);
    assert_true(check.integrity_ok);
}

static struct err try_to_open(struct fixture *fixture, struct why *ret_why) {
    struct store_options options = {
        .where = fixture->place.path, .executor = STORE_INLINE, .world = world_real()};
    struct store *store = NULL;
    struct err err = store_open(&options, &store, ret_why);
    store_close(store);
    return err;
}

/* A text that lies over several pages is not terminated, and where its length just fills the memory
 * that holds it, terminating it takes more. call->number: its length, then what was read of it. */
static struct err write_and_read_long_text(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    size_t len = (size_t)call->number;
    char *data = arena_try(tx_arena(tx), len);
    assert_non_null(data);
    memset(data, 'd', len);
    struct arg args[] = {arg_int(call->number), arg_text((struct bytes){data, len})};
    struct err err = tx_exec(tx,
                             "INSERT INTO events (stream, seq, at_ms, type, data)"
                             " VALUES (9, $1, 0, 'long', $2)",
                             args, COUNT_OF(args), NULL /* one row */);
    AUTO(rows_release) struct rows *rows = NULL;
    if (!err_failed(err)) {
        err = tx_query(tx, "SELECT data FROM events WHERE stream = 9 AND seq = $1", args, 1, &rows);
    }
    bool row = false;
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    if (row) {
        (void)sqlite3_hard_heap_limit64(sqlite3_memory_used() + 1);
        call->number = (int64_t)rows_text(rows, 0).len;
        (void)sqlite3_hard_heap_limit64(0);
    }
    return err;
}

static void a_long_text_is_never_mistaken_for_an_empty_one(void **state) {
    struct fixture *fixture = *state;
    suite_open(&fixture->suite, STORE_INLINE);
    for (int64_t len = ROW_BYTES; len < ROW_BYTES + 16; len++) {
        struct suite_call call = {.fn = write_and_read_long_text, .input = "a", .number = len};
        suite_write(&fixture->suite, &call);
        suite_wait(&fixture->suite);
        assert_int_equal(call.err.code, ERR_NONE);
        assert_int_equal(call.number, len);
    }
}

/* SQLite tells the new mode of its log before the commit that makes it true. Taken at its word, the
 * store would go on in the old mode, in which readers and the writer shut each other out. */
static void a_sync_that_fails_while_the_log_is_turned_on_is_told(void **state) {
    struct fixture *fixture = *state;
    struct why why = {""};
    for (unsigned after = 0; after < 3; after++) { /* Twice the journal, then the database. */
        vfs_fail(fixture->vfs,
                 (struct vfs_failure){VFS_SYNC, NULL, after, 1, SQLITE_IOERR_FSYNC, EIO});
        assert_int_equal(try_to_open(fixture, &why).code, ERR_STORE_IO);
        vfs_heal(fixture->vfs);
        assert_int_equal(try_to_open(fixture, &why).code, ERR_NONE);
        check_sound(fixture);
        start_over(fixture);
    }
}

/* Another data directory has another lock and another log. */
static void a_database_with_two_names_is_opened_by_neither(void **state) {
    struct fixture *fixture = *state;
    struct why why = {""};
    assert_int_equal(try_to_open(fixture, &why).code, ERR_NONE);
    struct place other;
    char first[256], second[256];
    (void)place_make(&other);
    (void)place_file(&fixture->place, "drover.db", first);
    (void)place_file(&other, "drover.db", second);
    assert_int_equal(link(first, second), 0);
    assert_int_equal(try_to_open(fixture, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "has 2 hard links"));
    place_remove(&other);
    assert_int_equal(try_to_open(fixture, &why).code, ERR_NONE);
}

/* --- A database of an unreleased build -------------------------------------------------------- */

struct image {
    uint8_t bytes[256 << 10];
    size_t len;
};

static void image_take(const struct fixture *fixture, const char *name, struct image *ret_image) {
    char path[256];
    FILE *file = fopen(place_file(&fixture->place, name, path), "r");
    assert_non_null(file);
    ret_image->len = fread(ret_image->bytes, 1, sizeof ret_image->bytes, file);
    assert_in_range(ret_image->len, 1, sizeof ret_image->bytes - 1);
    assert_int_equal(fclose(file), 0);
}

/* The schema has no series, and rows of the last daemon, which was killed, are in the log only. */
static void unreleased_make(const struct fixture *fixture) {
    static const char sql[] =
        "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;"
        "CREATE TABLE schema (version INTEGER NOT NULL) STRICT; INSERT INTO schema VALUES (28);"
        "CREATE TABLE nodes (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),"
        " epoch INTEGER NOT NULL, batch INTEGER NOT NULL) STRICT;"
        "PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO nodes VALUES (1, 7, 9)";
    char path[256];
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place_file(&fixture->place, DATADIR_DATABASE, path), &db),
                     SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_database_of_an_unreleased_build_is_refused_and_left_as_it_is(void **state) {
    static const char *const names[] = {DATADIR_DATABASE, DATADIR_DATABASE "-wal"};
    static struct image before[COUNT_OF(names)], after;
    struct fixture *fixture = *state;
    struct why why = {""};
    unreleased_make(fixture);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        image_take(fixture, names[i], &before[i]);
    }
    for (int starts = 0; starts < 2; starts++) {
        assert_int_equal(try_to_open(fixture, &why).code, ERR_OTHER_SCHEMA);
        assert_non_null(
            strstr(why.text, "created by an unreleased build; use a new data directory"));
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            image_take(fixture, names[i], &after);
            assert_int_equal(after.len, before[i].len);
            assert_memory_equal(after.bytes, before[i].bytes, after.len);
        }
    }
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(a_long_text_is_never_mistaken_for_an_empty_one),
        WITH_FIXTURE(a_sync_that_fails_while_the_log_is_turned_on_is_told),
        WITH_FIXTURE(a_database_with_two_names_is_opened_by_neither),
        WITH_FIXTURE(a_database_of_an_unreleased_build_is_refused_and_left_as_it_is),
    };
    return cmocka_run_group_tests_name("store connection", tests, NULL /* no group fixture */,
                                       NULL);
}
