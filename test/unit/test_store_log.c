/* The write-ahead log stays short, and what goes wrong with it is nobody's error. */
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../fault/vfs.h"
#include "base/memory.h"
#include "store_places.h"
#include "store_suite.h"

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

static struct store_stats stats_of(struct fixture *fixture) {
    struct store_stats stats;
    store_get_stats(fixture->suite.store, &stats);
    return stats;
}

static void check_sound(struct fixture *fixture) {
    struct store_check check;
    struct why why = {""};
    assert_int_equal(store_check(fixture->place.path, &check, &why).code, ERR_NONE);
    assert_true(check.integrity_ok);
}

enum {
    LOG_WRITES = 120,
    LOG_WRITES_MAX = 1000, /* Half a gigabyte, on a machine that is very busy. */
    LOG_LOOPED = 16 << 20,
    LOG_ROWS = 8,
    ROW_BYTES = 64 << 10,
};

struct log_chain {
    struct fixture *fixture;
    int64_t left, until; /* It counts downwards, so that no number comes twice. */
    int64_t largest, written;
    bool loops; /* Go on until the log has begun anew. */
    char path[256];
    bool failed;
};

/* Half a megabyte. */
static struct err write_some(struct tx *tx, void *ctx) {
    struct log_chain *chain = ctx;
    char *data = arena_try(tx_arena(tx), ROW_BYTES);
    assert_non_null(data);
    memset(data, 'l', ROW_BYTES);
    struct err err = ERR_OK;
    for (int64_t i = 0; i < LOG_ROWS && !err_failed(err); i++) {
        struct arg args[] = {arg_int(1), arg_int(chain->left * LOG_ROWS + i), arg_int(0),
                             arg_text(BYTES("log")), arg_text((struct bytes){data, ROW_BYTES})};
        err = tx_exec(tx,
                      "INSERT INTO events (stream, seq, at_ms, type, data)"
                      " VALUES ($1, $2, $3, $4, $5)",
                      args, COUNT_OF(args), NULL /* one row */);
    }
    return err;
}

static void write_next(struct log_chain *chain);

static void on_some(struct err result, void *ctx) {
    struct log_chain *chain = ctx;
    struct stat found;
    if (stat(chain->path, &found) == 0 && found.st_size > chain->largest) {
        chain->largest = found.st_size;
    }
    chain->failed = chain->failed || err_failed(result);
    chain->left--;
    chain->written += LOG_ROWS * ROW_BYTES;
    if (chain->loops && chain->written > chain->largest + LOG_LOOPED) {
        chain->until = chain->left; /* It has begun anew, since less was kept than was written. */
    }
    write_next(chain);
}

static void write_next(struct log_chain *chain) {
    if (chain->left > chain->until) {
        store_write(chain->fixture->suite.store, write_some, on_some, chain);
    } else if (chain->fixture->suite.loop != NULL) {
        loop_stop(chain->fixture->suite.loop);
    }
}

static void the_log_begins_anew_while_writers_go_on(void **state) {
    struct fixture *fixture = *state;
    struct log_chain chain = {.fixture = fixture, .left = LOG_WRITES_MAX, .loops = true};
    (void)place_file(&fixture->place, "drover.db-wal", chain.path);
    suite_open(&fixture->suite, STORE_THREAD);
    write_next(&chain);
    loop_run(fixture->suite.loop);
    assert_false(chain.failed);
    assert_true(stats_of(fixture).checkpoints > 0);
    print_message("  %d MB written, the log grew to %d MB\n", (int)(chain.written >> 20),
                  (int)(chain.largest >> 20));
    assert_true(chain.written > chain.largest + LOG_LOOPED);
}

/* --- A reader that stays ---------------------------------------------------------------------- */

enum { PINNED_MS = 400, BOUND = 64 << 20, PINNED_WRITES = 180 };

struct pinned {
    struct log_chain chain;
    struct timer release;
    sqlite3 *reader;
    int64_t written_while_pinned;
    bool armed;
};

static void reader_release(struct timer *timer) {
    struct pinned *pinned = CONTAINER_OF(timer, struct pinned, release);
    pinned->written_while_pinned = pinned->chain.written;
    assert_int_equal(sqlite3_close(pinned->reader), SQLITE_OK);
    pinned->reader = NULL;
}

static struct err write_pinned(struct tx *tx, void *ctx) {
    return write_some(tx, &((struct pinned *)ctx)->chain);
}

static void on_pinned(struct err result, void *ctx) {
    struct pinned *pinned = ctx;
    struct loop *loop = pinned->chain.fixture->suite.loop;
    struct stat found;
    if (stat(pinned->chain.path, &found) == 0 && found.st_size > pinned->chain.largest) {
        pinned->chain.largest = found.st_size;
    }
    if (pinned->chain.largest > BOUND && !pinned->armed) {
        pinned->armed = true;
        timer_start(loop, &pinned->release, PINNED_MS, reader_release);
    }
    pinned->chain.failed = pinned->chain.failed || err_failed(result);
    pinned->chain.written += LOG_ROWS * ROW_BYTES;
    if (--pinned->chain.left > 0) {
        store_write(pinned->chain.fixture->suite.store, write_pinned, on_pinned, pinned);
    } else {
        loop_stop(loop);
    }
}

static void a_reader_that_stays_stops_the_log_at_its_bound(void **state) {
    struct fixture *fixture = *state;
    struct pinned pinned = {.chain = {.fixture = fixture, .left = PINNED_WRITES}};
    char path[256];
    (void)place_file(&fixture->place, "drover.db-wal", pinned.chain.path);
    suite_open(&fixture->suite, STORE_THREAD);
    assert_int_equal(sqlite3_open(place_file(&fixture->place, "drover.db", path), &pinned.reader),
                     SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(pinned.reader, "BEGIN; SELECT count(*) FROM events", NULL, NULL, NULL),
        SQLITE_OK);
    store_write(fixture->suite.store, write_pinned, on_pinned, &pinned);
    loop_run(fixture->suite.loop);
    assert_false(pinned.chain.failed);
    assert_null(pinned.reader);
    print_message("  the log grew to %d MB, %d MB were written meanwhile, %d MB in all\n",
                  (int)(pinned.chain.largest >> 20), (int)(pinned.written_while_pinned >> 20),
                  (int)(pinned.chain.written >> 20));
    assert_true(pinned.chain.largest < BOUND + 4 * (1 << 20));
    assert_true(pinned.written_while_pinned < BOUND + (1 << 20));
    check_sound(fixture);
}

static void a_checkpoint_that_fails_harms_nobody(void **state) {
    struct fixture *fixture = *state;
    struct log_chain chain = {.fixture = fixture, .left = 30};
    suite_open(&fixture->suite, STORE_INLINE);
    vfs_fail(fixture->vfs,
             (struct vfs_failure){VFS_WRITE, ".db", 0, 0 /* all */, SQLITE_FULL, ENOSPC});
    write_next(&chain);
    while (store_turn(fixture->suite.store)) {
    }
    assert_int_equal(chain.left, 0);
    assert_false(chain.failed);
    assert_true(vfs_failed(fixture->vfs) > 0);
    assert_int_equal(stats_of(fixture).checkpoints, 0);
    vfs_heal(fixture->vfs);
    chain.left = LOG_WRITES;
    chain.until = LOG_WRITES - 30;
    write_next(&chain);
    while (store_turn(fixture->suite.store)) {
    }
    assert_false(chain.failed);
    assert_true(stats_of(fixture).checkpoints > 0);
    check_sound(fixture);
}

#define STEP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        STEP(the_log_begins_anew_while_writers_go_on),
        STEP(a_reader_that_stays_stops_the_log_at_its_bound),
        STEP(a_checkpoint_that_fails_harms_nobody),
    };
    return cmocka_run_group_tests_name("store log", tests, NULL /* no group fixture */, NULL);
}
