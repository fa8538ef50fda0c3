/* The number of the last commit outside the database: what a start without its log finds. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fault/vfs.h"
#include "base/memory.h"
#include "marks_kit.h"
#include "store/commit_mark.h"

enum { CUTS_MAX = 64 };

struct cut {
    struct vfs_image *image; /* Owned. */
    struct commit_point marked;
};

struct marks {
    struct two_places two;
    struct vfs *vfs;
    struct cut cuts[CUTS_MAX];
    size_t cuts_count;
};

static int set_up(void **state) {
    struct marks *marks = mem_new(sizeof *marks);
    marks->vfs = vfs_install();
    places_make(&marks->two);
    *state = marks;
    return 0;
}

static int tear_down(void **state) {
    struct marks *marks = *state;
    places_remove(&marks->two);
    for (size_t i = 0; i < marks->cuts_count; i++) {
        vfs_image_free(marks->cuts[i].image);
    }
    vfs_remove(marks->vfs);
    mem_free(marks);
    return 0;
}

/* --- A disk that fails ------------------------------------------------------------------------ */

static bool disk_fails;

ssize_t __real_pwrite64(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t at) {
    if (disk_fails) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite64(fd, bytes, len, at);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    if (disk_fails) {
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

static const struct commit_point point = {
    .number = 123456789012, .written = 123456789010, .stream = 7, .head = 99};

static void set_number(struct commit_mark *mark, int64_t number) {
    commit_mark_set(mark, &(struct commit_point){.number = number});
}

static void a_point_is_found_again_and_a_damaged_one_is_none(void **state) {
    struct marks *marks = *state;
    struct commit_mark *mark = NULL;
    struct why why = {""};
    const char *folder = marks->two.place.path;
    assert_int_equal(commit_mark_look(folder).number, 0);
    assert_int_equal(commit_mark_open(folder, &mark, &why).code, ERR_NONE);
    assert_int_equal(commit_mark_get(mark).number, 0);
    commit_mark_set(mark, &point);
    commit_mark_sync(mark);
    commit_mark_close(mark);
    assert_int_equal(commit_mark_look(folder).number, 123456789012);
    assert_int_equal(commit_mark_open(folder, &mark, &why).code, ERR_NONE);
    const struct commit_point found_point = commit_mark_get(mark);
    assert_int_equal(found_point.number, 123456789012);
    assert_int_equal(found_point.written, 123456789010);
    assert_int_equal(found_point.stream, 7);
    assert_int_equal(found_point.head, 99);
    commit_mark_close(mark);
    char path[256];
    struct stat found;
    assert_int_equal(stat(place_file(&marks->two.place, "drover.mark", path), &found), 0);
    assert_true(found.st_blocks * 512 >= 4096); /* No hole, which a full disk could not fill. */
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 2), 1);
    assert_int_equal(close(fd), 0);
    assert_int_equal(commit_mark_look(folder).number, 0);
    assert_int_equal(commit_mark_remove(folder).code, ERR_NONE);
    assert_int_equal(commit_mark_remove(folder).code, ERR_NONE);
    assert_int_equal(stat(path, &found), -1);
}

static void each_flipped_bit_of_a_mark_makes_it_none(void **state) {
    struct marks *marks = *state;
    struct commit_mark *mark = NULL;
    uint8_t bytes[40];
    char path[256];
    const char *folder = marks->two.place.path;
    assert_int_equal(commit_mark_open(folder, &mark, NULL).code, ERR_NONE);
    commit_mark_set(mark, &point);
    commit_mark_close(mark);
    int fd = open(place_file(&marks->two.place, "drover.mark", path), O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
        assert_int_equal(commit_mark_look(folder).number, 0);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_equal(close(fd), 0);
}

static void a_mark_that_cannot_be_written_is_counted_and_fails_nothing(void **state) {
    struct marks *marks = *state;
    struct commit_mark *mark = NULL;
    const char *folder = marks->two.place.path;
    assert_int_equal(commit_mark_open(folder, &mark, NULL).code, ERR_NONE);
    set_number(mark, 7);
    assert_int_equal(commit_mark_errors(mark), 0);
    disk_fails = true;
    set_number(mark, 8);
    commit_mark_sync(mark);
    disk_fails = false;
    assert_int_equal(commit_mark_errors(mark), 2);
    assert_int_equal(commit_mark_get(mark).number, 7);
    set_number(mark, 9);
    commit_mark_sync(mark);
    assert_int_equal(commit_mark_get(mark).number, 9);
    assert_int_equal(commit_mark_remove(folder).code, ERR_NONE);
    commit_mark_sync(mark); /* No start would find it. */
    assert_int_equal(commit_mark_errors(mark), 3);
    commit_mark_close(mark);

    suite_open(&marks->two.suite, STORE_INLINE);
    disk_fails = true;
    assert_int_equal(suite_do(&marks->two.suite, suite_insert, "stored").code, ERR_NONE);
    disk_fails = false;
    assert_int_equal(store_mark_errors(marks->two.suite.store), 1);
    assert_true(suite_has(&marks->two.suite, "stored"));
}

/* With a mapping this was a SIGBUS. */
static void a_file_that_is_cut_while_it_is_open_gets_its_mark_again(void **state) {
    struct marks *marks = *state;
    char path[256];
    suite_open(&marks->two.suite, STORE_INLINE);
    make_rows(&marks->two, 1);
    assert_int_equal(truncate(place_file(&marks->two.place, "drover.mark", path), 0), 0);
    assert_int_equal(commit_mark_look(marks->two.place.path).number, 0);
    assert_int_equal(suite_do(&marks->two.suite, suite_insert, "later").code, ERR_NONE);
    assert_true(commit_mark_look(marks->two.place.path).number > 1);
    suite_close(&marks->two.suite);
    suite_open(&marks->two.suite, STORE_INLINE);
    assert_int_equal(store_missing(marks->two.suite.store), 0);
    assert_int_equal(suite_streams(&marks->two.suite), 2);
}

/* --- Losses ----------------------------------------------------------------------------------- */

static void a_start_without_the_log_says_how_much_is_missing(void **state) {
    struct marks *marks = *state;
    suite_open(&marks->two.suite, STORE_INLINE);
    assert_int_equal(store_missing(marks->two.suite.store), 0);
    make_rows(&marks->two, 5);
    copy_file(&marks->two, "drover.db"); /* All rows are in the log. */
    copy_file(&marks->two, "drover.mark");
    struct store_check check = {.missing = 0};
    suite_open(&marks->two.second, STORE_INLINE);
    assert_true(store_missing(marks->two.second.store) >= 5);
    assert_true(holds(&marks->two.second));
    suite_close(&marks->two.second);
    assert_int_equal(store_check(marks->two.other.path, &check, NULL).code, ERR_NONE);
    assert_true(check.missing >= 5);
}

static struct err release(struct tx *tx, void *ctx) {
    (void)ctx;
    return tx_exec(tx, "UPDATE nodes SET home = 'machine/1'", NULL, 0, NULL);
}

static int64_t at(void *ctx) {
    return *(const int64_t *)ctx;
}

/* Opens the copy at a time of its own. */
static void open_at(struct marks *marks, int64_t *wall_ms) {
    struct world world = *world_real();
    world.wall_ms = at;
    world.ctx = wall_ms;
    struct store_options options = {
        .where = marks->two.other.path, .executor = STORE_INLINE, .world = &world};
    struct store *store = NULL;
    assert_int_equal(store_open(&options, &store, NULL).code, ERR_NONE);
    store_close(store);
}

static void a_loss_is_told_by_each_start_until_it_is_accepted(void **state) {
    struct marks *marks = *state;
    struct store_check check = {.missing = 0};
    int64_t wall_ms = 1700000000123;
    char path[256];
    suite_open(&marks->two.suite, STORE_INLINE);
    make_rows(&marks->two, 5);
    copy_file(&marks->two, "drover.db");
    copy_file(&marks->two, "drover.mark");
    open_at(marks, &wall_ms);
    wall_ms += 5000;
    suite_open(&marks->two.second, STORE_INLINE);
    int64_t missing = store_missing(marks->two.second.store);
    assert_true(missing >= 5);
    assert_int_equal(store_missing_at_ms(marks->two.second.store), 1700000000123);
    assert_int_equal(suite_do(&marks->two.second, suite_insert, "first").code, ERR_NONE);
    suite_close(&marks->two.second);

    /* A second loss is added to the first, and the time is that of the first. */
    (void)place_file(&marks->two.other, "before", path);
    struct why why = {""};
    assert_int_equal(store_backup(marks->two.other.path, path, &why).code, ERR_NONE);
    suite_open(&marks->two.second, STORE_INLINE);
    assert_int_equal(suite_do(&marks->two.second, suite_insert, "second").code, ERR_NONE);
    suite_close(&marks->two.second);
    char database[256];
    assert_int_equal(rename(path, place_file(&marks->two.other, "drover.db", database)), 0);
    suite_open(&marks->two.second, STORE_INLINE);
    assert_true(store_missing(marks->two.second.store) >= missing + 2); /* A start, and a row. */
    assert_int_equal(store_missing_at_ms(marks->two.second.store), 1700000000123);
    assert_true(holds(&marks->two.second));
    assert_int_equal(store_check(marks->two.other.path, &check, NULL).code, ERR_NONE);
    assert_int_equal(check.missing, store_missing(marks->two.second.store));
    assert_int_equal(check.missing_at_ms, 1700000000123);

    assert_int_equal(suite_do(&marks->two.second, release, NULL).code, ERR_NONE);
    store_missing_accept(marks->two.second.store);
    assert_int_equal(store_missing(marks->two.second.store), 0);
    assert_int_equal(store_missing_at_ms(marks->two.second.store), 0);
    suite_close(&marks->two.second);
    suite_open(&marks->two.second, STORE_INLINE);
    assert_int_equal(store_missing(marks->two.second.store), 0);
    assert_false(holds(&marks->two.second));
}

static void a_start_with_the_log_misses_nothing(void **state) {
    struct marks *marks = *state;
    suite_open(&marks->two.suite, STORE_INLINE);
    make_rows(&marks->two, 5);
    copy_file(&marks->two, "drover.db");
    copy_file(&marks->two, "drover.db-wal");
    copy_file(&marks->two, "drover.mark");
    struct store_check check = {.missing = 1};
    suite_open(&marks->two.second, STORE_INLINE);
    assert_int_equal(store_missing(marks->two.second.store), 0);
    assert_false(holds(&marks->two.second));
    assert_int_equal(suite_streams(&marks->two.second), 5);
    suite_close(&marks->two.second);
    assert_int_equal(store_check(marks->two.other.path, &check, NULL).code, ERR_NONE);
    assert_int_equal(check.missing, 0);
}

static void a_restored_database_misses_nothing(void **state) {
    struct marks *marks = *state;
    char copy[256], path[256];
    struct why why = {""};
    suite_open(&marks->two.suite, STORE_INLINE);
    make_rows(&marks->two, 2);
    (void)place_file(&marks->two.other, "copy", copy);
    assert_int_equal(store_backup(marks->two.place.path, copy, &why).code, ERR_NONE);
    assert_int_equal(suite_do(&marks->two.suite, suite_insert, "later").code, ERR_NONE);
    suite_close(&marks->two.suite);
    assert_int_equal(unlink(place_file(&marks->two.place, "drover.db", path)), 0);
    assert_int_equal(store_restore(copy, marks->two.place.path, &why).code, ERR_NONE);
    suite_open(&marks->two.suite, STORE_INLINE);
    assert_int_equal(store_missing(marks->two.suite.store), 0);
    assert_int_equal(suite_streams(&marks->two.suite), 2);
}

/* --- Power cuts ------------------------------------------------------------------------------- */

static void cut_here(void *ctx, const char *name) {
    struct marks *marks = ctx;
    (void)name;
    if (marks->cuts_count < CUTS_MAX) {
        struct cut *cut = &marks->cuts[marks->cuts_count++];
        cut->image = vfs_capture(marks->vfs);
        cut->marked = commit_mark_look(marks->two.place.path);
    }
}

/* The mark is there at once, as if the system had just written its page; of the database only what
 * was synced is. */
static void a_power_cut_is_no_loss_of_commits(void **state) {
    struct marks *marks = *state;
    suite_open(&marks->two.suite, STORE_INLINE);
    suite_close(&marks->two.suite);
    vfs_watch(marks->vfs, marks->two.place.path);
    vfs_at_sync(marks->vfs, cut_here, marks);
    suite_open(&marks->two.suite, STORE_INLINE);
    make_rows(&marks->two, 20);
    suite_close(&marks->two.suite);
    vfs_at_sync(marks->vfs, NULL, NULL);
    vfs_watch(marks->vfs, NULL);
    assert_true(marks->cuts_count > 20);
    for (size_t i = 0; i < marks->cuts_count; i++) {
        struct place place;
        struct suite after = {.where = place_make(&place)};
        vfs_image_write(marks->cuts[i].image, place.path, VFS_LOSE_ALL, 0);
        struct commit_mark *mark = NULL;
        assert_int_equal(commit_mark_open(place.path, &mark, NULL).code, ERR_NONE);
        commit_mark_set(mark, &marks->cuts[i].marked);
        commit_mark_close(mark);
        suite_open(&after, STORE_INLINE);
        assert_int_equal(store_missing(after.store), 0);
        suite_close(&after);
        place_remove(&place);
    }
}

#define MARKS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        MARKS(a_point_is_found_again_and_a_damaged_one_is_none),
        MARKS(each_flipped_bit_of_a_mark_makes_it_none),
        MARKS(a_mark_that_cannot_be_written_is_counted_and_fails_nothing),
        MARKS(a_file_that_is_cut_while_it_is_open_gets_its_mark_again),
        MARKS(a_start_without_the_log_says_how_much_is_missing),
        MARKS(a_loss_is_told_by_each_start_until_it_is_accepted),
        MARKS(a_start_with_the_log_misses_nothing),
        MARKS(a_restored_database_misses_nothing),
        MARKS(a_power_cut_is_no_loss_of_commits),
    };
    return cmocka_run_group_tests_name("commit mark", tests, NULL /* no group fixture */, NULL);
}
