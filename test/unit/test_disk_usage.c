/* test_disk_usage.c: the size of a data directory by kind, and how full it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/disk_usage.h"

#define GB (INT64_C(1) << 30)
#define MB (INT64_C(1) << 20)

static void each_limit_has_its_levels(void **state) {
    struct disk_usage usage = {.free_bytes = 5 * GB};
    static const struct {
        int64_t total;
        enum disk_level level;
    } rows[] = {{0, DISK_FINE},     {799, DISK_FINE},   {800, DISK_WARNING}, {899, DISK_WARNING},
                {900, DISK_URGENT}, {999, DISK_URGENT}, {1000, DISK_FULL},   {5000, DISK_FULL}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        usage.total = rows[i].total * MB;
        assert_int_equal(disk_level(&usage, 1000 * MB), rows[i].level);
        assert_int_equal(disk_level(&usage, 0 /* no limit */), DISK_FINE);
    }
}

static void a_disk_with_little_room_warns_without_a_limit(void **state) {
    struct disk_usage usage = {.total = MB, .free_bytes = GB};
    assert_int_equal(disk_level(&usage, 0), DISK_FINE);
    usage.free_bytes = GB - 1;
    assert_int_equal(disk_level(&usage, 0), DISK_WARNING);
    usage.free_bytes = 100 * MB - 1;
    assert_int_equal(disk_level(&usage, 0), DISK_URGENT); /* Never full: that the disk says. */
}

struct seen {
    int count;
    int64_t bytes;
    char name[64];
};

static void folder_seen(void *ctx, const char *name, int64_t bytes) {
    struct seen *seen = ctx;
    seen->count++;
    seen->bytes = bytes;
    (void)snprintf(seen->name, sizeof seen->name, "%s", name);
}

static void file_make(const char *folder, const char *name, size_t size) {
    static const char zeros[4096];
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t at = 0; at < size; at += sizeof zeros) {
        assert_int_equal(write(fd, zeros, sizeof zeros), sizeof zeros);
    }
    (void)fsync(fd); /* Blocks are given out late on some file systems. */
    (void)close(fd);
}

static void each_file_counts_under_one_kind(void **state) {
    char folder[] = "/tmp/drv-du-XXXXXX", path[256];
    struct disk_usage usage, untouched = {.total = 7};
    struct seen seen = {0};
    const struct disk_folders folders = {.each = folder_seen, .ctx = &seen};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/spool", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/spool/run_1.1", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    file_make(folder, "drover.db", 4096);
    file_make(folder, "drover.db-wal", 8192);
    file_make(folder, "drover.database", 4096); /* Not a name of ours. */
    file_make(folder, "spool/run_1.1/out", 40960);
    (void)snprintf(path, sizeof path, "%s/link", folder);
    assert_int_equal(symlink("/usr", path), 0);

    assert_int_equal(disk_usage_read(folder, &folders, &usage).code, ERR_NONE);
    assert_int_equal(usage.files[DISK_DATABASE], 1);
    assert_int_equal(usage.files[DISK_WAL], 1);
    assert_int_equal(usage.files[DISK_SPOOL], 1);
    assert_int_equal(usage.files[DISK_OTHER], 2);
    assert_true(usage.bytes[DISK_WAL] > usage.bytes[DISK_DATABASE]);
    assert_true(usage.bytes[DISK_SPOOL] >= 40960 && usage.total < MB);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.name, "run_1.1");
    assert_true(seen.bytes >= 40960 && seen.bytes <= usage.bytes[DISK_SPOOL]);

    (void)snprintf(path, sizeof path, "rm -rf %s", folder);
    assert_int_equal(system(path), 0);
    assert_true(err_failed(disk_usage_read(folder, NULL, &untouched)));
    assert_int_equal(untouched.total, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_limit_has_its_levels),
        cmocka_unit_test(a_disk_with_little_room_warns_without_a_limit),
        cmocka_unit_test(each_file_counts_under_one_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
