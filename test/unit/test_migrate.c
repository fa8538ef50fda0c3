/* A database whose schema is older is brought to the newest one, whole or not at all. The newer
 * migrations are ours here: what the daemon has is followed by two more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "../fault/vfs.h"
#include "base/memory.h"
#include "store/datadir.h"
#include "store/migrations.h"
#include "store_places.h"
#include "store_suite.h"

/* --- The migrations --------------------------------------------------------------------------- */

enum { ADDED = 2, LIST_MAX = 200 };

static const char *const first_sql[] = {
    "ALTER TABLE streams ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';\n",
    "CREATE TABLE crates (\n    id @id@,\n    size @int@ NOT NULL\n) @strict@;\n",
    "CREATE INDEX crates_size ON crates (size);\n", "UPDATE nodes SET disk = disk + 1;\n", NULL};
static const char *const second_sql[] = {
    "DROP INDEX crates_size;\n", "ALTER TABLE crates ADD COLUMN name TEXT NOT NULL DEFAULT '';\n",
    NULL};

/* Number of our migrations that the "binary" knows. */
static size_t known;
static size_t base;

const struct migration *__real_migrations_get(size_t *ret_count);
const struct migration *__wrap_migrations_get(size_t *ret_count);
const struct migration *__wrap_migrations_get(size_t *ret_count) {
    static struct migration list[LIST_MAX];
    const struct migration *real = __real_migrations_get(&base);
    assert_true(base + ADDED <= LIST_MAX);
    memcpy(list, real, base * sizeof *real);
    list[base] = (struct migration){.name = "first.sql", .statements = first_sql};
    list[base + 1] = (struct migration){.name = "second.sql", .statements = second_sql};
    *ret_count = base + known;
    return list;
}

/* --- A disk without room ---------------------------------------------------------------------- */

static bool disk_is_small;

int __real_statvfs64(const char *path, struct statvfs *ret_disk);
int __wrap_statvfs64(const char *path, struct statvfs *ret_disk);
int __wrap_statvfs64(const char *path, struct statvfs *ret_disk) {
    int rc = __real_statvfs64(path, ret_disk);
    ret_disk->f_bavail = disk_is_small ? 1 : ret_disk->f_bavail;
    return rc;
}

/* --- Fixture ---------------------------------------------------------------------------------- */

struct fixture {
    struct vfs *vfs;
    struct place place;
    struct suite suite;
    struct why why;
};

/* A database of the version before ours, which a daemon has served. */
static int set_up(void **state) {
    struct fixture *fixture = mem_new(sizeof *fixture);
    fixture->vfs = vfs_install();
    fixture->suite.where = place_make(&fixture->place);
    known = 0;
    disk_is_small = false;
    suite_open(&fixture->suite, STORE_INLINE);
    assert_int_equal(suite_do(&fixture->suite, suite_insert, "kept").code, ERR_NONE);
    suite_close(&fixture->suite);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    vfs_at_sync(fixture->vfs, NULL, NULL);
    vfs_heal(fixture->vfs);
    suite_close(&fixture->suite);
    vfs_remove(fixture->vfs);
    place_remove(&fixture->place);
    mem_free(fixture);
    return 0;
}

static struct err try_open(const char *where, struct store **ret_store, struct why *why) {
    struct store_options options = {
        .where = where, .executor = STORE_INLINE, .world = world_real()};
    why->text[0] = '\0';
    return store_open(&options, ret_store, why);
}

/* --- What a database is ----------------------------------------------------------------------- */

static int64_t ask(const char *where, const char *sql) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/drover.db", where);
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return number;
}

/* Number of our migrations in it. It has all that they make, and nothing of the next. */
static size_t check_whole(const char *where) {
    struct store_check check;
    struct why why = {""};
    assert_int_equal(store_check(where, &check, &why).code, ERR_NONE);
    assert_true(check.integrity_ok);
    assert_int_equal(check.series, 22);
    size_t count = (size_t)check.schema - base;
    static const char *const parts[] = {
        "SELECT count(*) FROM pragma_table_info('streams') WHERE name = 'colour'",
        "SELECT count(*) FROM sqlite_schema WHERE name = 'crates'",
        "SELECT count(*) FROM pragma_table_info('crates') WHERE name = 'name'",
        "SELECT count(*) FROM sqlite_schema WHERE name = 'crates_size'",
        "SELECT disk FROM nodes",
        "SELECT count(*) FROM streams WHERE name = 'kept'"};
    static const int64_t wanted[ADDED + 1][COUNT_OF(parts)] = {
        {0, 0, 0, 0, 0, 1}, {1, 1, 0, 1, 1, 1}, {1, 1, 1, 0, 1, 1}};
    assert_in_range(count, 0, ADDED);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert_int_equal(ask(where, parts[i]), wanted[count][i]);
    }
    return count;
}

static void check_goes_on(struct suite *suite, const char *where) {
    known = ADDED;
    suite->where = where;
    suite_open(suite, STORE_INLINE);
    assert_true(suite_has(suite, "kept"));
    assert_int_equal(suite_do(suite, suite_insert, "later").code, ERR_NONE);
    suite_close(suite);
    assert_int_equal(check_whole(where), ADDED);
}

static size_t copies_in(const char *where) {
    char command[256];
    (void)snprintf(command, sizeof command, "ls '%s/backups' 2>/dev/null | wc -l", where);
    FILE *list = popen(command, "r");
    unsigned count = 0;
    assert_int_equal(fscanf(list, "%u", &count), 1);
    assert_int_equal(pclose(list), 0);
    return count;
}

/* --- Whole or not at all ---------------------------------------------------------------------- */

static void a_database_is_migrated_step_by_step_and_keeps_its_rows(void **state) {
    struct fixture *fixture = *state;
    const char *where = fixture->place.path;
    assert_int_equal(check_whole(where), 0);
    for (known = 1; known <= ADDED; known++) {
        struct store *store = NULL;
        assert_int_equal(try_open(where, &store, &fixture->why).code, ERR_NONE);
        assert_int_equal(store_upgraded_from(store), base + known - 1);
        store_close(store);
        assert_int_equal(check_whole(where), known);
        assert_int_equal(try_open(where, &store, &fixture->why).code, ERR_NONE);
        assert_int_equal(store_upgraded_from(store), 0);
        store_close(store);
    }
    check_goes_on(&fixture->suite, where);
}

struct kill {
    unsigned left;
};

static int on_statement(unsigned kind, void *ctx, void *statement, void *text) {
    struct kill *kill = ctx;
    (void)kind;
    (void)statement;
    (void)text;
    if (kill->left-- == 0) {
        _exit(9);
    }
    return 0;
}

static struct kill kill_at;

static int trace_each(sqlite3 *db, char **ret_message, const struct sqlite3_api_routines *api) {
    (void)ret_message;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, &kill_at);
}

/* In a process of its own. True: it was killed there. */
static bool open_and_die(const char *where, unsigned at) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        kill_at.left = at;
        (void)sqlite3_auto_extension((void (*)(void))trace_each);
        struct store *store = NULL;
        struct why why = {""};
        struct err err = try_open(where, &store, &why);
        _exit(err_failed(err) ? 1 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 1);
    return WEXITSTATUS(status) == 9;
}

static void copy_place(const struct place *from, struct place *to) {
    char command[320];
    (void)place_make(to);
    (void)snprintf(command, sizeof command, "cp -r '%s/.' '%s'", from->path, to->path);
    assert_int_equal(system(command), 0);
}

static void a_kill_at_any_statement_leaves_one_version_or_the_next(void **state) {
    struct fixture *fixture = *state;
    size_t seen[ADDED + 1] = {0};
    bool killed = true;
    /* Each version has two statements and more. A sanitized start is slow: every other one then. */
    const char *sanitize = getenv("DROVER_SANITIZE");
    const unsigned step = sanitize == NULL || strcmp(sanitize, "none") == 0 ? 1 : 2;
    for (unsigned at = 0; killed; at += step) {
        struct place place;
        copy_place(&fixture->place, &place);
        known = ADDED;
        killed = open_and_die(place.path, at);
        seen[check_whole(place.path)]++;
        check_goes_on(&fixture->suite, place.path);
        assert_int_equal(copies_in(place.path), 1); /* However often it was cut short. */
        place_remove(&place);
    }
    for (size_t i = 0; i <= ADDED; i++) {
        assert_true(seen[i] > 0);
    }
}

static void a_write_that_fails_changes_nothing_and_the_next_start_goes_on(void **state) {
    struct fixture *fixture = *state;
    static const enum vfs_call calls[] = {VFS_WRITE, VFS_SYNC};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        bool failed = true;
        /* Each page of the copy is a write, too, and one is like another. */
        for (unsigned at = 0; failed; at += 1 + at / 2) {
            struct place place;
            struct store *store = NULL;
            copy_place(&fixture->place, &place);
            known = ADDED;
            vfs_fail(fixture->vfs,
                     (struct vfs_failure){
                         .call = calls[i], .after = at, .times = 1, .code = SQLITE_FULL, .os = 28});
            struct err err = try_open(place.path, &store, &fixture->why);
            failed = vfs_failed(fixture->vfs) > 0;
            vfs_heal(fixture->vfs);
            assert_true(failed || !err_failed(err));
            store_close(store);
            (void)check_whole(place.path);
            check_goes_on(&fixture->suite, place.path);
            place_remove(&place);
        }
    }
}

enum { CUTS_MAX = 200 };
static struct {
    struct vfs *vfs;
    struct vfs_image *images[CUTS_MAX];
    size_t count;
} cuts;

static void on_sync(void *ctx, const char *name) {
    (void)ctx;
    (void)name;
    if (cuts.count < CUTS_MAX) {
        cuts.images[cuts.count++] = vfs_capture(cuts.vfs);
    }
}

static void a_power_cut_at_any_sync_leaves_one_version_or_the_next(void **state) {
    static const enum vfs_cut kinds[] = {VFS_LOSE_ALL, VFS_KEEP_ALL, VFS_LOSE_SOME, VFS_TEAR};
    struct fixture *fixture = *state;
    struct store *store = NULL;
    cuts.vfs = fixture->vfs;
    cuts.count = 0;
    known = ADDED;
    vfs_watch(fixture->vfs, fixture->place.path);
    vfs_at_sync(fixture->vfs, on_sync, NULL);
    assert_int_equal(try_open(fixture->place.path, &store, &fixture->why).code, ERR_NONE);
    store_close(store);
    vfs_at_sync(fixture->vfs, NULL, NULL);
    vfs_watch(fixture->vfs, NULL);
    assert_in_range(cuts.count, 3, CUTS_MAX - 1);
    for (size_t i = 0; i < cuts.count; i++) {
        for (size_t kind = i % 2; kind < COUNT_OF(kinds); kind += 2) {
            struct place place;
            char folder[256];
            (void)place_make(&place);
            assert_int_equal(mkdir(place_file(&place, "backups", folder), 0700), 0);
            vfs_image_write(cuts.images[i], place.path, kinds[kind], i + 1);
            check_goes_on(&fixture->suite, place.path);
            place_remove(&place);
        }
        vfs_image_free(cuts.images[i]);
    }
}

/* --- The way back ----------------------------------------------------------------------------- */

static void an_older_drover_names_the_backup_and_it_restores(void **state) {
    struct fixture *fixture = *state;
    const char *where = fixture->place.path;
    check_goes_on(&fixture->suite, where);
    struct store *store = NULL;
    known = 0;
    assert_int_equal(try_open(where, &store, &fixture->why).code, ERR_NEWER_SCHEMA);
    AUTO(mem_release) char *copy = store_upgrade_copy(where);
    assert_non_null(copy);
    assert_non_null(strstr(fixture->why.text, copy));
    assert_non_null(strstr(fixture->why.text, "the backup made before the upgrade"));
    struct place other;
    (void)place_make(&other);
    assert_int_equal(store_restore(copy, other.path, &fixture->why).code, ERR_NONE);
    assert_int_equal(check_whole(other.path), 0);
    fixture->suite.where = other.path;
    suite_open(&fixture->suite, STORE_INLINE);
    assert_true(suite_has(&fixture->suite, "kept"));
    assert_false(suite_has(&fixture->suite, "later"));
    suite_close(&fixture->suite);
    place_remove(&other);
}

static void two_copies_are_kept_for_two_weeks(void **state) {
    struct fixture *fixture = *state;
    const char *where = fixture->place.path;
    char folder[256], name[320];
    assert_int_equal(mkdir(place_file(&fixture->place, "backups", folder), 0700), 0);
    static const char *const names[] = {"before-upgrade-1.2.db", "before-upgrade-2.9.db",
                                        "before-upgrade-2.9.db.part-x1", "mine.db"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        FILE *file = fopen(name, "w");
        assert_non_null(file);
        assert_int_equal(fclose(file), 0);
        const time_t at = time(NULL) - (i == 0 ? 3 : 2) * 24 * 3600;
        assert_int_equal(utime(name, &(struct utimbuf){at, at}), 0);
    }
    check_goes_on(&fixture->suite, where);
    assert_int_equal(copies_in(where), 3); /* With `mine.db`, which is a person's. */
    (void)snprintf(name, sizeof name, "%s/%s", folder, names[1]);
    assert_int_equal(access(name, F_OK), 0);
    const time_t old = time(NULL) - 15 * 24 * 3600;
    assert_int_equal(utime(name, &(struct utimbuf){old, old}), 0);
    suite_open(&fixture->suite, STORE_INLINE);
    suite_close(&fixture->suite);
    assert_int_equal(copies_in(where), 2);
}

static void without_room_for_the_copy_nothing_is_changed(void **state) {
    struct fixture *fixture = *state;
    struct store *store = NULL;
    known = ADDED;
    disk_is_small = true;
    struct err err = try_open(fixture->place.path, &store, &fixture->why);
    assert_int_equal(err.code, ERR_DISK_FULL);
    assert_non_null(strstr(fixture->why.text, "Nothing was changed"));
    assert_int_equal(check_whole(fixture->place.path), 0);
    assert_int_equal(copies_in(fixture->place.path), 0);
    disk_is_small = false;
    check_goes_on(&fixture->suite, fixture->place.path);
}

static void a_new_database_needs_no_copy(void **state) {
    struct fixture *fixture = *state;
    struct place place;
    struct store *store = NULL;
    known = ADDED;
    assert_int_equal(try_open(place_make(&place), &store, &fixture->why).code, ERR_NONE);
    assert_int_equal(store_upgraded_from(store), 0);
    store_close(store);
    assert_int_equal(copies_in(place.path), 0);
    place_remove(&place);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_database_is_migrated_step_by_step_and_keeps_its_rows),
        TEST(a_kill_at_any_statement_leaves_one_version_or_the_next),
        TEST(a_write_that_fails_changes_nothing_and_the_next_start_goes_on),
        TEST(a_power_cut_at_any_sync_leaves_one_version_or_the_next),
        TEST(an_older_drover_names_the_backup_and_it_restores),
        TEST(two_copies_are_kept_for_two_weeks),
        TEST(without_room_for_the_copy_nothing_is_changed),
        TEST(a_new_database_needs_no_copy),
    };
    return cmocka_run_group_tests_name("migrate", tests, NULL /* no group fixture */, NULL);
}
