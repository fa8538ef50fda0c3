/* test_store_sweep.c: each call to the disk fails once, in turn; no acknowledged row is ever gone.
 *
 * Of a first start, which lays the schema, a few points in each stretch are taken, since there are
 * hundreds; DROVER_TEST_ALL takes all. Of a later start every point is. */
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../fault/vfs.h"
#include "base/memory.h"
#include "store_places.h"
#include "store_suite.h"

struct swept {
    struct place place;
    struct vfs *vfs;
    struct suite suite;
};

static int set_up(void **state) {
    struct swept *swept = mem_new(sizeof *swept);
    swept->vfs = vfs_install();
    swept->suite.where = place_make(&swept->place);
    *state = swept;
    return 0;
}

static int tear_down(void **state) {
    struct swept *swept = *state;
    vfs_heal(swept->vfs);
    suite_close(&swept->suite);
    vfs_remove(swept->vfs);
    place_remove(&swept->place);
    mem_free(swept);
    return 0;
}

static void start_over(struct swept *swept) {
    vfs_heal(swept->vfs);
    suite_close(&swept->suite);
    place_remove(&swept->place);
    swept->suite = (struct suite){.where = place_make(&swept->place)};
}

static void check_sound(struct swept *swept) {
    struct store_check check;
    struct why why = {""};
    assert_int_equal(store_check(swept->place.path, &check, &why).code, ERR_NONE);
    assert_true(check.integrity_ok);
}

struct sweep {
    enum vfs_call call;
    int code, os;
};

static const struct sweep sweeps[] = {
    {VFS_WRITE, SQLITE_FULL, ENOSPC},       {VFS_WRITE, SQLITE_IOERR_WRITE, EIO},
    {VFS_SYNC, SQLITE_IOERR_FSYNC, EIO},    {VFS_TRUNCATE, SQLITE_IOERR_TRUNCATE, EIO},
    {VFS_READ, SQLITE_IOERR_READ, EIO},     {VFS_OPEN, SQLITE_CANTOPEN, EMFILE},
    {VFS_SHM, SQLITE_IOERR_SHMMAP, ENOMEM},
};

enum { SWEEP_GROUPS = 3, SWEEP_FUNCTIONS = 4 };

/* Opens, writes a few groups and closes; answers which rows were acknowledged. */
static void work(struct swept *swept, bool ret_acknowledged[SWEEP_GROUPS * SWEEP_FUNCTIONS]) {
    struct store_options options = {
        .where = swept->place.path, .executor = STORE_INLINE, .world = world_real()};
    struct why why = {""};
    if (err_failed(store_open(&options, &swept->suite.store, &why))) {
        return;
    }
    struct suite_call calls[SWEEP_GROUPS * SWEEP_FUNCTIONS] = {{.suite = NULL}};
    char names[SWEEP_GROUPS * SWEEP_FUNCTIONS][2] = {{0}};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        names[i][0] = (char)('a' + i);
        calls[i] = (struct suite_call){.fn = suite_insert, .input = names[i]};
        suite_write(&swept->suite, &calls[i]);
        if (i % SWEEP_FUNCTIONS == SWEEP_FUNCTIONS - 1) {
            while (store_turn(swept->suite.store)) {
            }
        }
    }
    store_close(swept->suite.store);
    swept->suite.store = NULL;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        ret_acknowledged[i] = calls[i].answered && !err_failed(calls[i].err);
    }
}

/* A database as a first start leaves it: its bytes. */
struct laid {
    char *bytes;
    size_t len;
};

static FILE *database(const struct swept *swept, const char *mode) {
    char path[256];
    FILE *file = fopen(place_file(&swept->place, "drover.db", path), mode);
    assert_non_null(file);
    return file;
}

static struct laid lay(struct swept *swept) {
    suite_open(&swept->suite, STORE_INLINE);
    suite_close(&swept->suite);
    FILE *file = database(swept, "rb");
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long len = ftell(file);
    assert_true(len > 0);
    rewind(file);
    struct laid laid = {.bytes = mem_new((size_t)len), .len = (size_t)len};
    assert_int_equal(fread(laid.bytes, 1, laid.len, file), laid.len);
    assert_int_equal(fclose(file), 0);
    start_over(swept);
    return laid;
}

static void put(const struct swept *swept, const struct laid *laid) {
    FILE *file = database(swept, "wb");
    assert_int_equal(fwrite(laid->bytes, 1, laid->len, file), laid->len);
    assert_int_equal(fclose(file), 0);
}

/* Answers whether the failure came about at all. `laid`: NULL for a first start. */
static bool sweep_once(struct swept *swept, const struct laid *laid, const struct sweep *sweep,
                       unsigned after) {
    bool acknowledged[SWEEP_GROUPS * SWEEP_FUNCTIONS] = {false};
    if (laid != NULL) {
        put(swept, laid);
    }
    vfs_fail(swept->vfs, (struct vfs_failure){sweep->call, NULL, after, 1, sweep->code, sweep->os});
    work(swept, acknowledged);
    bool hit = vfs_failed(swept->vfs) > 0;
    vfs_heal(swept->vfs);
    swept->suite.wanted = swept->suite.answered;
    suite_open(&swept->suite, STORE_INLINE);
    for (size_t i = 0; i < COUNT_OF(acknowledged); i++) {
        char name[2] = {(char)('a' + i), '\0'};
        if (acknowledged[i] && !suite_has(&swept->suite, name)) {
            fail_msg("call %d failed after %u: %s is lost", (int)sweep->call, after, name);
        }
    }
    check_sound(swept);
    start_over(swept);
    return hit;
}

static void sweep_all(struct swept *swept, const struct laid *laid, unsigned stride) {
    for (size_t i = 0; i < COUNT_OF(sweeps); i++) {
        unsigned after = 0, taken = 0;
        while (sweep_once(swept, laid, &sweeps[i], after)) {
            after += stride;
            taken++;
        }
        print_message("  call %d: %u points\n", (int)sweeps[i].call, taken);
        assert_true(taken > 0);
    }
}

static void each_call_of_a_first_start(void **state) {
    sweep_all(*state, NULL, getenv("DROVER_TEST_ALL") != NULL ? 1 : 7);
}

static void each_call_of_a_later_start(void **state) {
    struct laid laid = lay(*state);
    sweep_all(*state, &laid, 1);
    mem_free(laid.bytes);
}

#define SWEEP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SWEEP(each_call_of_a_first_start),
        SWEEP(each_call_of_a_later_start),
    };
    return cmocka_run_group_tests_name("store sweep", tests, NULL /* no group fixture */, NULL);
}
