/* Copies of whole databases, and the claim on a data directory. Calls of the system are failed by
 * the linker's --wrap: each of them in turn. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "store/datadir.h"
#include "store_places.h"
#include "store_suite.h"

/* --- Calls that fail -------------------------------------------------------------------------- */

/* The one thing that a wrapped call can reach. Nothing fails while `os` is 0. */
static struct {
    const char *call;
    unsigned after;
    int os;
    bool hit;
} failure;

static bool fails(const char *call) {
    if (failure.os == 0 || strcmp(failure.call, call) != 0) {
        return false;
    }
    if (failure.after > 0) {
        failure.after--;
        return false;
    }
    errno = failure.os;
    failure.os = 0;
    failure.hit = true;
    return true;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    return fails("fsync") ? -1 : __real_fsync(fd);
}

int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    return fails("renameat2") ? -1 : __real_renameat2(from_fd, from, to_fd, to, flags);
}

int __real_mkostemp64(char *name, int flags);
int __wrap_mkostemp64(char *name, int flags);
int __wrap_mkostemp64(char *name, int flags) {
    return fails("mkostemp") ? -1 : __real_mkostemp64(name, flags);
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode) {
    return fails("mkdir") ? -1 : __real_mkdir(path, mode);
}

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation) {
    return fails("flock") ? -1 : __real_flock(fd, operation);
}

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at) {
    return fails("pwrite") ? -1 : __real_pwrite64(fd, data, len, at);
}

static void fail_call(const char *call, unsigned after, int os) {
    failure.call = call;
    failure.after = after;
    failure.os = os;
    failure.hit = false;
}

/* --- Fixture ---------------------------------------------------------------------------------- */

struct fixture {
    struct place live, other;
    struct suite suite;
    char backup[256], target[256];
    struct why why;
};

static int set_up(void **state) {
    struct fixture *fixture = mem_new(sizeof *fixture);
    fixture->suite.where = place_make(&fixture->live);
    (void)place_make(&fixture->other);
    (void)place_file(&fixture->other, "copy.db", fixture->backup);
    (void)place_file(&fixture->other, "deep/er", fixture->target);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    failure.os = 0;
    suite_close(&fixture->suite);
    place_remove(&fixture->live);
    place_remove(&fixture->other);
    mem_free(fixture);
    return 0;
}

static bool is_there(const char *path) {
    struct stat found;
    return stat(path, &found) == 0;
}

static unsigned files_in(const char *folder) {
    unsigned count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] == '.' ? 0 : 1;
    }
    assert_int_equal(closedir(dir), 0);
    return count;
}

static void open_with_rows(struct fixture *fixture) {
    suite_open(&fixture->suite, STORE_INLINE);
    assert_int_equal(suite_do(&fixture->suite, suite_insert, "one").code, ERR_NONE);
    assert_int_equal(suite_do(&fixture->suite, suite_insert, "two").code, ERR_NONE);
}

static struct err back_up(struct fixture *fixture) {
    return store_backup(fixture->live.path, fixture->backup, &fixture->why);
}

static struct err restore(struct fixture *fixture) {
    return store_restore(fixture->backup, fixture->target, &fixture->why);
}

/* --- Backup and restore ----------------------------------------------------------------------- */

static void a_live_database_is_copied_and_put_back(void **state) {
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    assert_int_equal(back_up(fixture).code, ERR_NONE);
    assert_int_equal(suite_do(&fixture->suite, suite_insert, "later").code, ERR_NONE);
    suite_close(&fixture->suite);
    assert_int_equal(restore(fixture).code, ERR_NONE);
    fixture->suite.where = fixture->target;
    suite_open(&fixture->suite, STORE_INLINE);
    assert_int_equal(suite_streams(&fixture->suite), 2);
    assert_true(suite_has(&fixture->suite, "two"));
    assert_int_equal(store_epoch(fixture->suite.store), 2);
}

static void a_copy_is_for_its_owner_alone(void **state) {
    struct fixture *fixture = *state;
    struct stat found;
    char path[256];
    open_with_rows(fixture);
    assert_int_equal(back_up(fixture).code, ERR_NONE);
    assert_int_equal(stat(fixture->backup, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(stat(place_file(&fixture->live, "drover.db", path), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(stat(place_file(&fixture->live, "drover.db-wal", path), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
}

static void a_file_that_exists_is_never_overwritten(void **state) {
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    assert_int_equal(back_up(fixture).code, ERR_NONE);
    assert_int_equal(back_up(fixture).code, ERR_CONFLICT);
    assert_non_null(strstr(fixture->why.text, "already exists and is not overwritten"));
    assert_int_equal(restore(fixture).code, ERR_NONE);
    assert_int_equal(restore(fixture).code, ERR_CONFLICT);
    assert_int_equal(store_restore(fixture->backup, fixture->live.path, &fixture->why).code,
                     ERR_BUSY); /* Somebody works there. */
    assert_int_equal(files_in(fixture->other.path), 2);
}

static void what_a_killed_restore_left_is_removed(void **state) {
    static const char *const left[] = {"drover.db.part-AbCdEf", "drover.db.part-AbCdEf-journal"};
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    assert_int_equal(back_up(fixture).code, ERR_NONE);
    suite_close(&fixture->suite);
    for (int i = 0; i < 2; i++) { /* By the next restore, and by the next start. */
        const char *where = i == 0 ? fixture->other.path : fixture->live.path;
        for (size_t k = 0; k < COUNT_OF(left); k++) {
            AUTO(mem_release) char *path = datadir_path(where, left[k]);
            FILE *file = fopen(path, "w");
            assert_non_null(file);
            assert_int_equal(fclose(file), 0);
        }
        if (i == 0) {
            assert_int_equal(store_restore(fixture->backup, where, &fixture->why).code, ERR_NONE);
        } else {
            suite_open(&fixture->suite, STORE_INLINE);
        }
        for (size_t k = 0; k < COUNT_OF(left); k++) {
            AUTO(mem_release) char *path = datadir_path(where, left[k]);
            assert_false(is_there(path));
        }
    }
    assert_true(is_there(fixture->backup));
}

static void an_orphaned_log_is_not_applied_to_a_restored_database(void **state) {
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    assert_int_equal(back_up(fixture).code, ERR_NONE);
    assert_int_equal(restore(fixture).code, ERR_NONE);
    AUTO(mem_release) char *database = datadir_path(fixture->target, DATADIR_DATABASE);
    AUTO(mem_release) char *log = datadir_path(fixture->target, DATADIR_DATABASE "-wal");
    assert_int_equal(rename(database, log), 0);
    assert_int_equal(restore(fixture).code, ERR_CONFLICT);
    assert_non_null(strstr(fixture->why.text, "-wal"));
}

static void what_is_no_backup_of_ours_is_refused(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(restore(fixture).code, ERR_NOT_FOUND);
    assert_int_equal(back_up(fixture).code, ERR_NOT_FOUND);
    FILE *file = fopen(fixture->backup, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%01000d", 7) == 1000);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(restore(fixture).code, ERR_STORE_CORRUPT);
    assert_int_equal(truncate(fixture->backup, 0), 0);
    assert_int_equal(restore(fixture).code, ERR_STORE_CORRUPT);
    assert_non_null(strstr(fixture->why.text, "not a drover database"));
    AUTO(mem_release) char *database = datadir_path(fixture->target, DATADIR_DATABASE);
    assert_false(is_there(database));
}

static struct err age_schema(struct tx *tx, void *ctx) {
    return tx_exec(tx, "UPDATE schema SET version = 99", NULL /* no arguments */, 0, NULL);
}

static void a_backup_of_a_newer_drover_is_refused(void **state) {
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    assert_int_equal(suite_do(&fixture->suite, age_schema, NULL).code, ERR_NONE);
    assert_int_equal(back_up(fixture).code, ERR_NONE);
    assert_int_equal(restore(fixture).code, ERR_NEWER_SCHEMA);
    assert_non_null(strstr(fixture->why.text, "newer drover"));
}

static struct err drop_series(struct tx *tx, void *ctx) {
    return tx_exec(tx, "ALTER TABLE schema DROP COLUMN series", NO_ARGS, NULL);
}

static void a_backup_of_an_unreleased_build_is_refused(void **state) {
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    assert_int_equal(suite_do(&fixture->suite, drop_series, NULL).code, ERR_NONE);
    assert_int_equal(back_up(fixture).code, ERR_NONE);
    assert_int_equal(restore(fixture).code, ERR_OTHER_SCHEMA);
    assert_non_null(strstr(fixture->why.text, "created by an unreleased build"));
    AUTO(mem_release) char *database = datadir_path(fixture->target, DATADIR_DATABASE);
    assert_false(is_there(database));
}

static const struct {
    const char *call;
    int os;
    enum err_code answer;
} faults[] = {
    {"fsync", EIO, ERR_IO},
    {"fsync", ENOSPC, ERR_DISK_FULL},
    {"renameat2", EIO, ERR_IO},
    {"mkostemp", EROFS, ERR_READ_ONLY},
};

static void each_call_that_fails_leaves_no_backup_by_that_name(void **state) {
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        unsigned hits = 0;
        for (;; hits++) {
            fail_call(faults[i].call, hits, faults[i].os);
            struct err err = back_up(fixture);
            if (!failure.hit) {
                assert_int_equal(err.code, ERR_NONE);
                break;
            }
            assert_int_equal(err.code, faults[i].answer);
            /* Only the last one, the sync of the folder, comes when the whole file has its name. */
            assert_true(!is_there(fixture->backup) || strstr(err.step, "folder") != NULL);
            (void)unlink(fixture->backup);
            assert_int_equal(files_in(fixture->other.path), 0);
        }
        failure.os = 0;
        assert_true(hits > 0);
        assert_int_equal(unlink(fixture->backup), 0);
    }
}

static void a_file_system_without_that_rename_links_instead(void **state) {
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    fail_call("renameat2", 0, EINVAL);
    assert_int_equal(back_up(fixture).code, ERR_NONE);
    assert_int_equal(files_in(fixture->other.path), 1);
    fail_call("renameat2", 0, EINVAL);
    assert_int_equal(restore(fixture).code, ERR_NONE);
}

/* --- The data directory ----------------------------------------------------------------------- */

static void a_second_claim_is_refused_until_release(void **state) {
    struct fixture *fixture = *state;
    struct datadir *first = NULL, *second = NULL;
    assert_int_equal(datadir_claim(fixture->target, &first, &fixture->why).code, ERR_NONE);
    assert_int_equal(datadir_claim(fixture->target, &second, &fixture->why).code, ERR_BUSY);
    assert_null(second);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %ld.", (long)getpid());
    assert_non_null(strstr(fixture->why.text, pid));
    datadir_release(first);
    assert_int_equal(datadir_claim(fixture->target, &second, &fixture->why).code, ERR_NONE);
    datadir_release(second);
    datadir_release(NULL);
}

static void a_folder_that_everybody_may_write_into_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct datadir *dir = NULL;
    assert_int_equal(datadir_claim(fixture->target, &dir, &fixture->why).code, ERR_NONE);
    datadir_release(dir); /* It is there now. */
    dir = NULL;
    assert_int_equal(chmod(fixture->target, 0777), 0);
    assert_int_equal(datadir_claim(fixture->target, &dir, &fixture->why).code, ERR_CONFIG);
    assert_non_null(strstr(fixture->why.text, "is writable by everybody"));
    assert_int_equal(chmod(fixture->target, 0770), 0);
    assert_int_equal(datadir_claim(fixture->target, &dir, &fixture->why).code, ERR_NONE);
    datadir_release(dir);
}

static void new_folders_are_for_their_owner_alone(void **state) {
    struct fixture *fixture = *state;
    struct datadir *dir = NULL;
    struct stat found;
    assert_int_equal(datadir_claim(fixture->target, &dir, &fixture->why).code, ERR_NONE);
    datadir_release(dir);
    assert_int_equal(stat(fixture->target, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
}

static void an_empty_path_is_no_data_directory(void **state) {
    struct fixture *fixture = *state;
    struct datadir *dir = NULL;
    assert_int_equal(datadir_claim("", &dir, &fixture->why).code, ERR_USAGE);
    assert_null(dir);
}

static struct err try_to_open(struct fixture *fixture, const char *where) {
    struct store_options options = {
        .where = where, .executor = STORE_INLINE, .world = world_real()};
    struct store *store = NULL;
    struct err err = store_open(&options, &store, &fixture->why);
    store_close(store);
    return err;
}

static void a_link_in_place_of_the_database_is_not_followed(void **state) {
    struct fixture *fixture = *state;
    char link[256];
    assert_int_equal(symlink(fixture->backup, place_file(&fixture->live, "drover.db", link)), 0);
    assert_int_equal(try_to_open(fixture, fixture->live.path).code, ERR_CONFIG);
    assert_false(is_there(fixture->backup));
}

static struct err lose_node(struct tx *tx, void *ctx) {
    return tx_exec(tx, "DELETE FROM nodes", NULL /* no arguments */, 0, NULL);
}

static void a_start_that_would_commit_nothing_is_refused(void **state) {
    struct fixture *fixture = *state;
    open_with_rows(fixture);
    assert_int_equal(suite_do(&fixture->suite, lose_node, NULL).code, ERR_NONE);
    suite_close(&fixture->suite);
    assert_int_equal(try_to_open(fixture, fixture->live.path).code, ERR_STORE_CORRUPT);
}

static void the_index_of_the_log_never_grows_in_a_commit(void **state) {
    enum { LOG_BYTES = 64 << 20, PAGE_BYTES = 4096, ENTRY_BYTES = 8 }; /* Hash and number. */
    struct fixture *fixture = *state;
    char path[256];
    struct stat found;
    open_with_rows(fixture);
    assert_int_equal(stat(place_file(&fixture->live, "drover.db-shm", path), &found), 0);
    assert_true(found.st_size >= LOG_BYTES / PAGE_BYTES * ENTRY_BYTES);
    assert_true(found.st_blocks * 512 >= found.st_size); /* Not merely promised. */
}

static void a_path_that_is_too_long_for_a_database_is_told_and_not_made(void **state) {
    struct fixture *fixture = *state;
    char folder[251] = {0}, longer[700];
    memset(folder, 'x', sizeof folder - 1);
    (void)snprintf(longer, sizeof longer, "%s/%s/%s", fixture->live.path, folder, folder);
    assert_int_equal(try_to_open(fixture, longer).code, ERR_USAGE);
    assert_non_null(strstr(fixture->why.text, "shorter"));
    assert_int_equal(files_in(fixture->live.path), 0);
}

static void a_claim_dies_with_its_process_and_not_with_its_children(void **state) {
    struct fixture *fixture = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct datadir *dir = NULL;
        _exit(err_failed(datadir_claim(fixture->target, &dir, NULL)) ? 1 : 0); /* Unreleased. */
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct datadir *dir = NULL;
    assert_int_equal(datadir_claim(fixture->target, &dir, &fixture->why).code, ERR_NONE);
    /* What we start must not hold the claim after us: no descriptor passes an exec. */
    assert_int_equal(system("ls -l /proc/self/fd | grep -q drover.lock && exit 1 || exit 0"), 0);
    datadir_release(dir);
}

/* As a daemon leaves it that is killed between the fork and the exec of a command. */
static void a_claim_that_a_dead_process_left_to_another_is_waited_for(void **state) {
    enum { HELD_MS = 700 };
    struct fixture *fixture = *state;
    pid_t daemon = fork();
    assert_true(daemon >= 0);
    if (daemon == 0) {
        struct datadir *dir = NULL;
        bool claimed = !err_failed(datadir_claim(fixture->target, &dir, NULL));
        if (claimed && fork() == 0) {
            (void)poll(NULL, 0, HELD_MS);
        }
        _exit(claimed ? 0 : 1); /* Unreleased. */
    }
    int status = -1;
    assert_int_equal(waitpid(daemon, &status, 0), daemon);
    assert_int_equal(status, 0);
    struct datadir *dir = NULL;
    assert_int_equal(datadir_claim(fixture->target, &dir, &fixture->why).code, ERR_NONE);
    datadir_release(dir);
}

static const struct {
    const char *call;
    int os;
    enum err_code answer;
} claim_faults[] = {
    {"mkdir", EACCES, ERR_NO_PERMISSION},
    {"mkdir", EROFS, ERR_READ_ONLY},
    {"fsync", EIO, ERR_IO},
    {"flock", ENOLCK, ERR_IO},
    {"pwrite", ENOSPC, ERR_NONE},
};

static void a_claim_that_fails_holds_nothing(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(claim_faults); i++) {
        struct datadir *dir = NULL;
        fail_call(claim_faults[i].call, 0, claim_faults[i].os);
        struct err err = datadir_claim(fixture->target, &dir, &fixture->why);
        assert_true(failure.hit);
        assert_int_equal(err.code, claim_faults[i].answer);
        assert_int_equal(dir != NULL, claim_faults[i].answer == ERR_NONE);
        datadir_release(dir);
        dir = NULL;
        assert_int_equal(datadir_claim(fixture->target, &dir, &fixture->why).code, ERR_NONE);
        datadir_release(dir);
        place_remove(&fixture->other);
        (void)place_make(&fixture->other);
        (void)place_file(&fixture->other, "deep/er", fixture->target);
    }
}

#define STEP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        STEP(a_live_database_is_copied_and_put_back),
        STEP(a_copy_is_for_its_owner_alone),
        STEP(a_file_that_exists_is_never_overwritten),
        STEP(what_a_killed_restore_left_is_removed),
        STEP(an_orphaned_log_is_not_applied_to_a_restored_database),
        STEP(what_is_no_backup_of_ours_is_refused),
        STEP(a_backup_of_a_newer_drover_is_refused),
        STEP(a_backup_of_an_unreleased_build_is_refused),
        STEP(each_call_that_fails_leaves_no_backup_by_that_name),
        STEP(a_file_system_without_that_rename_links_instead),
        STEP(a_second_claim_is_refused_until_release),
        STEP(a_folder_that_everybody_may_write_into_is_refused),
        STEP(new_folders_are_for_their_owner_alone),
        STEP(an_empty_path_is_no_data_directory),
        STEP(a_link_in_place_of_the_database_is_not_followed),
        STEP(a_start_that_would_commit_nothing_is_refused),
        STEP(the_index_of_the_log_never_grows_in_a_commit),
        STEP(a_path_that_is_too_long_for_a_database_is_told_and_not_made),
        STEP(a_claim_dies_with_its_process_and_not_with_its_children),
        STEP(a_claim_that_a_dead_process_left_to_another_is_waited_for),
        STEP(a_claim_that_fails_holds_nothing),
    };
    return cmocka_run_group_tests_name("store backup", tests, NULL /* no group fixture */, NULL);
}
