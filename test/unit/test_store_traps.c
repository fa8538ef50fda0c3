/* What SQLite and disks do to a store, and what it makes of it. The disk is test/fault/vfs.h. */
/* runs-with: sqlite, threads */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "../fault/vfs.h"
#include "base/memory.h"
#include "store_places.h"
#include "store_suite.h"

struct traps {
    struct place place;
    struct vfs *vfs;
    struct suite suite;
};

static int set_up(void **state) {
    struct traps *traps = mem_new(sizeof *traps);
    traps->vfs = vfs_install();
    traps->suite.where = place_make(&traps->place);
    *state = traps;
    return 0;
}

static int tear_down(void **state) {
    struct traps *traps = *state;
    vfs_heal(traps->vfs);
    suite_close(&traps->suite);
    vfs_remove(traps->vfs);
    place_remove(&traps->place);
    mem_free(traps);
    return 0;
}

static void start_over(struct traps *traps) {
    vfs_heal(traps->vfs);
    suite_close(&traps->suite);
    place_remove(&traps->place);
    traps->suite = (struct suite){.where = place_make(&traps->place)};
}

static struct store_stats stats_of(struct traps *traps) {
    struct store_stats stats;
    store_get_stats(traps->suite.store, &stats);
    return stats;
}

/* --- Functions -------------------------------------------------------------------------------- */

/* Makes a stream and tells its name. */
static struct err insert_and_tell(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct err err = suite_insert(tx, ctx);
    return err_failed(err) ? err : tx_note(tx, 0, (struct bytes){call->input, 1});
}

/* What happens to the disk while the middle one of three functions runs. */
struct blow {
    const char *what;
    struct vfs_failure failure;
    bool in_function; /* Else in COMMIT. */
    bool memory;      /* SQLite gets no more memory, and the disk is fine. */
    enum err_code answer;
};

struct victim {
    struct suite_call call;
    struct traps *traps;
    const struct blow *blow;
    unsigned blows; /* How many more of its runs are hit. */
};

enum { ROWS = 60, ROW_BYTES = 64 << 10 };

static struct err read_much(struct tx *tx) {
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = true;
    struct err err = tx_query(tx, "SELECT data FROM events ORDER BY stream, seq",
                              NULL /* no arguments */, 0, &rows);
    while (!err_failed(err) && row) {
        err = rows_next(rows, &row);
    }
    return err;
}

/* More than the page cache holds: SQLite writes to its log before COMMIT, and reads from disk. */
static struct err write_much(struct tx *tx) {
    char *data = arena_try(tx_arena(tx), ROW_BYTES);
    assert_non_null(data);
    memset(data, 'd', ROW_BYTES);
    struct err err = ERR_OK;
    for (int64_t i = 1; i <= ROWS && !err_failed(err); i++) {
        struct arg args[] = {arg_int(9), arg_int(i), arg_int(0), arg_text(BYTES("much")),
                             arg_text((struct bytes){data, ROW_BYTES})};
        err = tx_exec(tx,
                      "INSERT INTO events (stream, seq, at_ms, type, data)"
                      " VALUES ($1, $2, $3, $4, $5)",
                      args, COUNT_OF(args), NULL /* one row */);
    }
    return err_failed(err) ? err : read_much(tx);
}

static struct err be_hit(struct tx *tx, void *ctx) {
    struct victim *victim = CONTAINER_OF((struct suite_call *)ctx, struct victim, call);
    struct err err = insert_and_tell(tx, ctx);
    bool hit = !err_failed(err) && victim->blows > 0;
    if (hit) {
        victim->blows--;
        if (victim->blow->memory) {
            (void)sqlite3_hard_heap_limit64(sqlite3_memory_used() + 20000);
        } else {
            vfs_fail(victim->traps->vfs, victim->blow->failure);
        }
    }
    if (!err_failed(err) && victim->blow->in_function) {
        err = write_much(tx);
        vfs_heal(victim->traps->vfs);
        (void)sqlite3_hard_heap_limit64(0);
    }
    return err;
}

static const struct blow blows[] = {
    {"log full", {VFS_WRITE, "-wal", 0, 1, SQLITE_FULL, ENOSPC}, true, false, ERR_DISK_FULL},
    {"log broken", {VFS_WRITE, "-wal", 2, 1, SQLITE_IOERR_WRITE, EIO}, true, false, ERR_STORE_IO},
    {"quota", {VFS_WRITE, "-wal", 1, 1, SQLITE_IOERR_WRITE, EDQUOT}, true, false, ERR_DISK_FULL},
    {"unreadable", {VFS_READ, "-wal", 0, 1, SQLITE_IOERR_READ, EIO}, true, false, ERR_STORE_IO},
    {"no memory", {.times = 0}, true, true, ERR_OUT_OF_MEMORY},
    {"full in commit", {VFS_WRITE, "-wal", 0, 1, SQLITE_FULL, ENOSPC}, false, false, ERR_DISK_FULL},
    {"read-only in commit",
     {VFS_WRITE, "-wal", 0, 1, SQLITE_IOERR_WRITE, EROFS},
     false,
     false,
     ERR_READ_ONLY},
};

static void run_three(struct traps *traps, const struct blow *blow, unsigned times,
                      struct victim *ret_victim, struct suite_call ret_others[2]) {
    suite_open(&traps->suite, STORE_INLINE);
    *ret_victim = (struct victim){
        .call = {.fn = be_hit, .input = "b"}, .traps = traps, .blow = blow, .blows = times};
    ret_others[0] = (struct suite_call){.fn = insert_and_tell, .input = "a"};
    ret_others[1] = (struct suite_call){.fn = insert_and_tell, .input = "c"};
    suite_write(&traps->suite, &ret_others[0]);
    suite_write(&traps->suite, &ret_victim->call);
    suite_write(&traps->suite, &ret_others[1]);
    suite_wait(&traps->suite);
}

static void check_sound(struct traps *traps) {
    struct store_check check;
    struct why why = {""};
    assert_int_equal(store_check(traps->place.path, &check, &why).code, ERR_NONE);
    assert_true(check.integrity_ok);
}

static void a_group_that_ended_by_itself_is_run_again_one_by_one(void **state) {
    struct traps *traps = *state;
    for (size_t i = 0; i < COUNT_OF(blows); i++) {
        struct victim victim;
        struct suite_call others[2];
        print_message("  %s, once\n", blows[i].what);
        run_three(traps, &blows[i], 1, &victim, others);
        assert_int_equal(victim.blows, 0);
        assert_int_equal(victim.call.runs, 2); /* Twice run, and one effect. */
        assert_int_equal(victim.call.err.code, ERR_NONE);
        assert_int_equal(others[0].err.code, ERR_NONE);
        assert_int_equal(others[1].err.code, ERR_NONE);
        assert_int_equal(stats_of(traps).reruns, blows[i].in_function ? 2 : 3);
        assert_string_equal(traps->suite.trace.text, blows[i].in_function ? "ab|!!c|!" : "abc|!!!");
        assert_int_equal(suite_streams(&traps->suite), 3);
        check_sound(traps);
        start_over(traps);
    }
}

static void only_the_function_that_fails_again_gets_the_error(void **state) {
    struct traps *traps = *state;
    for (size_t i = 0; i < COUNT_OF(blows); i++) {
        struct victim victim;
        struct suite_call others[2];
        print_message("  %s, always\n", blows[i].what);
        run_three(traps, &blows[i], 100, &victim, others);
        assert_int_equal(victim.call.err.code, blows[i].answer);
        assert_int_equal(others[0].err.code, ERR_NONE);
        assert_int_equal(others[1].err.code, ERR_NONE);
        assert_int_equal(suite_streams(&traps->suite), 2);
        assert_false(suite_has(&traps->suite, "b"));
        vfs_heal(traps->vfs);
        assert_int_equal(suite_do(&traps->suite, suite_insert, "b").code, ERR_NONE);
        check_sound(traps);
        start_over(traps);
    }
}

/* --- A full disk ------------------------------------------------------------------------------ */

static void a_full_disk_refuses_everybody_and_comes_back(void **state) {
    struct traps *traps = *state;
    suite_open(&traps->suite, STORE_INLINE);
    assert_int_equal(suite_do(&traps->suite, suite_insert, "before").code, ERR_NONE);
    vfs_fail(traps->vfs,
             (struct vfs_failure){VFS_WRITE, NULL, 0, 0 /* all */, SQLITE_FULL, ENOSPC});
    struct suite_call calls[20] = {{.suite = NULL}};
    char names[20][2] = {{0}};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        names[i][0] = (char)('a' + i);
        calls[i] = (struct suite_call){.fn = suite_insert, .input = names[i]};
        suite_write(&traps->suite, &calls[i]);
    }
    suite_wait(&traps->suite);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        assert_int_equal(calls[i].err.code, ERR_DISK_FULL);
    }
    assert_int_equal(suite_streams(&traps->suite), 1); /* Reading goes on. */
    vfs_heal(traps->vfs);
    assert_int_equal(suite_do(&traps->suite, suite_insert, "after").code, ERR_NONE);
    assert_int_equal(suite_streams(&traps->suite), 2);
    check_sound(traps);
}

static void set_file_size_limit(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct err insert_much(struct tx *tx, void *ctx) {
    struct err err = suite_insert(tx, ctx);
    return err_failed(err) ? err : write_much(tx);
}

static void a_real_limit_of_the_system_is_a_full_disk(void **state) {
    struct traps *traps = *state;
    suite_open(&traps->suite, STORE_INLINE);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    set_file_size_limit(2 << 20); /* The log of a new database takes half of that. */
    struct err err = suite_do(&traps->suite, insert_much, "large");
    struct err small = suite_do(&traps->suite, suite_insert, "small");
    set_file_size_limit(RLIM_INFINITY);
    (void)signal(SIGXFSZ, before); /* Put back what was there. */
    assert_int_equal(err.code, ERR_DISK_FULL);
    assert_int_equal(small.code, ERR_NONE);
    assert_int_equal(suite_do(&traps->suite, insert_much, "large").code, ERR_NONE);
    check_sound(traps);
}

static struct err try_to_open(struct traps *traps, struct why *ret_why) {
    struct store_options options = {
        .where = traps->place.path, .executor = STORE_INLINE, .world = world_real()};
    struct store *store = NULL;
    struct err err = store_open(&options, &store, ret_why);
    store_close(store);
    return err;
}

static void a_full_disk_at_the_first_start_leaves_nothing_half_made(void **state) {
    struct traps *traps = *state;
    struct why why = {""};
    for (unsigned after = 0; after < 6; after++) {
        vfs_fail(traps->vfs,
                 (struct vfs_failure){VFS_WRITE, NULL, after, 0 /* all */, SQLITE_FULL, ENOSPC});
        struct err err = try_to_open(traps, &why);
        assert_int_equal(err.code, ERR_DISK_FULL);
        vfs_heal(traps->vfs);
        assert_int_equal(try_to_open(traps, &why).code, ERR_NONE);
        check_sound(traps);
        start_over(traps);
    }
}

/* --- A commit that nobody can judge ----------------------------------------------------------- */

static const struct vfs_failure unknowns[] = {
    {VFS_SYNC, "-wal", 0, 1, SQLITE_IOERR_FSYNC, EIO},
    {VFS_WRITE, "-wal", 0, 1, SQLITE_IOERR_WRITE, EIO},
};

static struct err arm_and_insert(struct tx *tx, void *ctx) {
    struct victim *victim = CONTAINER_OF((struct suite_call *)ctx, struct victim, call);
    vfs_fail(victim->traps->vfs, victim->blow->failure);
    return suite_insert(tx, ctx);
}

static void check_unknown(struct traps *traps, const struct vfs_failure *failure,
                          enum store_executor executor) {
    suite_open(&traps->suite, executor);
    struct blow blow = {.failure = *failure};
    struct victim victim = {
        .call = {.fn = arm_and_insert, .input = "b"}, .traps = traps, .blow = &blow};
    struct suite_call first = {.fn = suite_insert, .input = "a"};
    struct suite_call late = {.fn = suite_insert, .input = "late"};
    int64_t group = executor == STORE_INLINE ? 2 : 1; /* A thread might commit the first alone. */
    if (group == 2) {
        suite_write(&traps->suite, &first);
    }
    suite_write(&traps->suite, &victim.call);
    if (executor == STORE_THREAD) {
        loop_run(traps->suite.loop);
    } else {
        assert_false(store_turn(traps->suite.store) && traps->suite.answered > 0);
    }
    suite_write(&traps->suite, &late);
    if (executor == STORE_INLINE) {
        assert_false(store_turn(traps->suite.store));
    }
    assert_int_equal(traps->suite.lost.code, ERR_STORE_LOST);
    vfs_heal(traps->vfs);
    suite_close(&traps->suite);
    assert_int_equal(traps->suite.answered, 0);
    traps->suite.wanted = 0;
    suite_open(&traps->suite, STORE_INLINE);
    int64_t count = suite_streams(&traps->suite);
    assert_true(count == 0 || count == group); /* What is true, and never half of it. */
    check_sound(traps);
    start_over(traps);
}

static void an_unknown_commit_answers_nobody_and_loses_the_store(void **state) {
    for (size_t i = 0; i < COUNT_OF(unknowns); i++) {
        check_unknown(*state, &unknowns[i], STORE_INLINE);
    }
}

static void threads_tell_a_lost_store_on_the_loop(void **state) {
    check_unknown(*state, &unknowns[0], STORE_THREAD);
}

/* --- Damage ----------------------------------------------------------------------------------- */

static void overwrite(const struct place *place, long at, const char *bytes, size_t len) {
    char path[256];
    FILE *file = fopen(place_file(place, "drover.db", path), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void a_file_that_is_no_database_is_refused(void **state) {
    struct traps *traps = *state;
    struct why why = {""};
    assert_int_equal(try_to_open(traps, &why).code, ERR_NONE);
    overwrite(&traps->place, 0, "This is not a database at all.", 30);
    assert_int_equal(try_to_open(traps, &why).code, ERR_STORE_CORRUPT);
    assert_non_null(strstr(why.text, "Restore a backup"));
}

static struct err read_all(struct tx *tx, void *ctx) {
    return read_much(tx);
}

static void a_damaged_page_is_an_error_and_never_an_answer(void **state) {
    struct traps *traps = *state;
    suite_open(&traps->suite, STORE_INLINE);
    assert_int_equal(suite_do(&traps->suite, insert_much, "large").code, ERR_NONE);
    suite_close(&traps->suite);
    char zeros[4096] = {0};
    for (long page = 260; page < 800; page++) { /* Before: the schema, and roots. */
        overwrite(&traps->place, page * 4096, zeros, sizeof zeros);
    }
    struct store_check check;
    struct why why = {""};
    assert_int_equal(store_check(traps->place.path, &check, &why).code, ERR_NONE);
    assert_false(check.integrity_ok);
    assert_true(strlen(check.detail) > 0);
    int64_t unused;
    suite_open(&traps->suite, STORE_INLINE);
    assert_int_equal(suite_ask(&traps->suite, read_all, NULL, &unused).code, ERR_STORE_CORRUPT);
}

/* --- Plans ------------------------------------------------------------------------------------ */

enum { OPENED_MAX = 8 };

/* Connections of the test's own process, in the order of their opening. Global: SQLite calls. */
static sqlite3 *opened[OPENED_MAX];
static size_t opened_count;

static int remember(sqlite3 *db, const char **ret_error, const struct sqlite3_api_routines *api) {
    assert_true(opened_count < OPENED_MAX);
    opened[opened_count++] = db;
    return SQLITE_OK;
}

/* messages.status and runs.kind stand in the conditions of partial indexes. */
static struct err compare_with_parameters(struct tx *tx, void *ctx) {
    static const char sql[] = "SELECT (SELECT count(*) FROM messages WHERE status = $1)"
                              " + (SELECT count(*) FROM runs WHERE kind = $1)";
    struct arg args[] = {arg_text(bytes_of(ctx))};
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    return err_failed(err) ? err : rows_next(rows, &row);
}

static void a_statement_is_planned_once_whatever_is_bound(void **state) {
    struct traps *traps = *state;
    opened_count = 0;
    assert_int_equal(sqlite3_auto_extension((void (*)(void))remember), SQLITE_OK);
    suite_open(&traps->suite, STORE_INLINE);
    assert_int_equal(sqlite3_cancel_auto_extension((void (*)(void))remember), 1);
    char *values[] = {"agent", "queued", "agent", "running"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        assert_int_equal(suite_do(&traps->suite, compare_with_parameters, values[i]).code,
                         ERR_NONE);
    }
    int runs = 0, plans = 0;
    for (size_t i = 0; i < opened_count; i++) {
        for (sqlite3_stmt *at = NULL; (at = sqlite3_next_stmt(opened[i], at)) != NULL;) {
            runs += sqlite3_stmt_status(at, SQLITE_STMTSTATUS_RUN, 0);
            plans += sqlite3_stmt_status(at, SQLITE_STMTSTATUS_REPREPARE, 0);
        }
    }
    assert_true(runs >= (int)COUNT_OF(values));
    assert_int_equal(plans, 0);
}

#define TRAP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TRAP(a_group_that_ended_by_itself_is_run_again_one_by_one),
        TRAP(only_the_function_that_fails_again_gets_the_error),
        TRAP(a_full_disk_refuses_everybody_and_comes_back),
        TRAP(a_real_limit_of_the_system_is_a_full_disk),
        TRAP(a_full_disk_at_the_first_start_leaves_nothing_half_made),
        TRAP(an_unknown_commit_answers_nobody_and_loses_the_store),
        TRAP(threads_tell_a_lost_store_on_the_loop),
        TRAP(a_file_that_is_no_database_is_refused),
        TRAP(a_damaged_page_is_an_error_and_never_an_answer),
        TRAP(a_statement_is_planned_once_whatever_is_bound),
    };
    return cmocka_run_group_tests_name("store traps", tests, NULL /* no group fixture */, NULL);
}
