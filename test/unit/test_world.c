/* The real world: clocks, randomness, and files that are old or new, never between. The calls of
 * file_replace pass through --wrap seams here, so that each can fail in turn. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "loop/world.h"

/* --- Seams: the n-th call of any of these fails with `os` ------------------------------------- */

struct fault {
    int countdown; /* 0: none fails; 1: the next one. */
    int os;
    bool short_writes, interrupt_once;
};
static struct fault fault; /* A test's own; each sets it anew. */

static bool fails_now(void) {
    if (fault.countdown > 0 && --fault.countdown == 0) {
        errno = fault.os;
        return true;
    }
    return false;
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len) {
    if (fd <= STDERR_FILENO) { /* What the test framework prints. */
        return __real_write(fd, bytes, len);
    }
    if (fault.interrupt_once) {
        fault.interrupt_once = false;
        errno = EINTR;
        return -1;
    }
    return fails_now() ? -1
                       : __real_write(fd, bytes, fault.short_writes && len > 1 ? len / 2 : len);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    return fails_now() ? -1 : __real_fsync(fd);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode) {
    return fails_now() ? -1 : __real_fchmod(fd, mode);
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
    return fails_now() ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

void *__real_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size) {
    return fails_now() ? NULL : __real_mem_try_grow(old, size);
}

/* --- A folder per test ------------------------------------------------------------------------ */

struct place {
    char folder[64], path[96];
};

static int make_place(void **state) {
    struct place *place = mem_new(sizeof *place);
    (void)snprintf(place->folder, sizeof place->folder, "/tmp/test_world_XXXXXX");
    if (mkdtemp(place->folder) == NULL) {
        return -1;
    }
    (void)snprintf(place->path, sizeof place->path, "%s/name", place->folder);
    fault = (struct fault){0};
    *state = place;
    return 0;
}

static int remove_place(void **state) {
    struct place *place = *state;
    fault = (struct fault){0};
    (void)unlink(place->path);     /* Some tests never make it. */
    int rc = rmdir(place->folder); /* Fails when a temporary file was left behind. */
    mem_free(place);
    return rc;
}

static struct err replace(const char *path, struct bytes content) {
    const struct world *world = world_real();
    return world->file_replace(world->ctx, path, content, 0640);
}

static struct err read_file(const char *path, size_t size_max, char **ret_content,
                            size_t *ret_len) {
    const struct world *world = world_real();
    return world->file_read(world->ctx, path, size_max, ret_content, ret_len);
}

static void assert_content(const char *path, const char *expected) {
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    assert_int_equal(read_file(path, 1000, &content, &len).code, ERR_NONE);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(content, expected);
}

static unsigned count_files(const char *folder) {
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    unsigned count = 0;
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count - 2; /* "." and ".." */
}

static void a_file_is_made_and_then_replaced_with_the_mode_that_was_asked_for(void **state) {
    struct place *place = *state;
    assert_int_equal(replace(place->path, BYTES("old")).code, ERR_NONE);
    assert_content(place->path, "old");
    assert_int_equal(replace(place->path, BYTES("and new")).code, ERR_NONE);
    assert_content(place->path, "and new");
    struct stat about;
    assert_int_equal(stat(place->path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0640);
}

static void each_failing_call_is_a_clear_error_and_leaves_the_old_file_alone(void **state) {
    struct place *place = *state;
    static const char *const steps[] = {"file: write", "file: set the mode", "file: sync",
                                        "file: rename"};
    assert_int_equal(replace(place->path, BYTES("old")).code, ERR_NONE);
    for (unsigned i = 0; i < COUNT_OF(steps); i++) {
        fault = (struct fault){.countdown = (int)i + 1, .os = ENOSPC};
        struct err err = replace(place->path, BYTES("new"));
        assert_int_equal(err.code, ERR_DISK_FULL);
        assert_int_equal(err.os, ENOSPC);
        assert_string_equal(err.step, steps[i]);
        assert_content(place->path, "old");
        assert_int_equal(count_files(place->folder), 1);
    }
    /* The folder's sync comes after the rename: the error is told, the file is whole. */
    fault = (struct fault){.countdown = 5, .os = EIO};
    struct err err = replace(place->path, BYTES("new"));
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.step, "file: sync the folder");
    assert_content(place->path, "new");
    assert_int_equal(replace(place->path, BYTES("next")).code, ERR_NONE);
    assert_content(place->path, "next");
}

static void short_and_interrupted_writes_go_on(void **state) {
    struct place *place = *state;
    fault = (struct fault){.short_writes = true, .interrupt_once = true};
    assert_int_equal(replace(place->path, BYTES("all of this")).code, ERR_NONE);
    assert_content(place->path, "all of this");
}

static void a_missing_folder_or_a_folder_as_the_name_is_refused(void **state) {
    struct place *place = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/none/name", place->folder);
    assert_int_equal(replace(path, BYTES("x")).os, ENOENT);
    (void)snprintf(path, sizeof path, "%s/", place->folder);
    assert_int_equal(replace(path, BYTES("x")).os, EISDIR);
    assert_int_equal(count_files(place->folder), 0);
}

static void a_name_that_is_too_long_is_refused(void **state) {
    struct place *place = *state;
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%0250d", place->folder, 0);
    assert_int_equal(replace(path, BYTES("x")).os, ENAMETOOLONG);
}

static void a_relative_name_is_in_the_folder_we_are_in(void **state) {
    struct place *place = *state;
    char before[1000];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(place->folder), 0);
    assert_int_equal(replace("name", BYTES("here")).code, ERR_NONE);
    assert_content(place->path, "here");
    assert_int_equal(chdir(before), 0);
}

static void reading_stops_at_the_bound_and_touches_nothing(void **state) {
    struct place *place = *state;
    assert_int_equal(replace(place->path, BYTES("12345")).code, ERR_NONE);
    char *content = NULL;
    size_t len = 77;
    assert_int_equal(read_file(place->path, 4, &content, &len).os, EFBIG);
    assert_int_equal(read_file("/dev/zero", 10000, &content, &len).os, EFBIG);
    assert_int_equal(read_file(place->folder, 4, &content, &len).os, EISDIR);
    assert_int_equal(read_file("/no/such/file", 4, &content, &len).os, ENOENT);
    assert_null(content);
    assert_int_equal(len, 77);
    assert_int_equal(read_file(place->path, 5, &content, &len).code, ERR_NONE);
    assert_int_equal(len, 5);
    mem_free(content);
}

static void files_of_any_size_up_to_the_bound_are_read_whole(void **state) {
    struct place *place = *state;
    enum { BOUND = 20000 };
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, BOUND - 1, BOUND};
    AUTO(mem_release) char *bytes = mem_new(BOUND);
    memset(bytes, 'x', BOUND);
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        assert_int_equal(replace(place->path, (struct bytes){bytes, sizes[i]}).code, ERR_NONE);
        AUTO(mem_release) char *content = NULL;
        size_t len = 0;
        assert_int_equal(read_file(place->path, BOUND, &content, &len).code, ERR_NONE);
        assert_int_equal(len, sizes[i]);
        assert_memory_equal(content, bytes, len);
        assert_int_equal(content[len], '\0');
    }
}

static void a_file_that_says_no_size_is_read_and_no_memory_for_it_is_an_answer(void **state) {
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    assert_int_equal(read_file("/proc/self/smaps", 10000000, &content, &len).code, ERR_NONE);
    assert_true(len > 4096);
    AUTO(mem_release) char *none = NULL;
    fault = (struct fault){.countdown = 1};
    assert_int_equal(read_file("/proc/self/smaps", 10000000, &none, &len).code, ERR_OUT_OF_MEMORY);
    assert_null(none);
}

static void clocks_go_forward_and_random_bytes_differ(void **state) {
    const struct world *world = world_real();
    assert_true(world_wall_ms(world) > 1600000000000);
    uint64_t first_ns = world_mono_ns(world);
    assert_true(world_mono_ns(world) >= first_ns);
    unsigned char a[600] = {0};
    unsigned char b[600] = {0};
    world_random(world, a, sizeof a);
    world_random(world, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 590, b + 590, 10); /* The tail was filled too. */
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_file_is_made_and_then_replaced_with_the_mode_that_was_asked_for),
        WORLD_TEST(each_failing_call_is_a_clear_error_and_leaves_the_old_file_alone),
        WORLD_TEST(short_and_interrupted_writes_go_on),
        WORLD_TEST(a_missing_folder_or_a_folder_as_the_name_is_refused),
        WORLD_TEST(a_name_that_is_too_long_is_refused),
        WORLD_TEST(a_relative_name_is_in_the_folder_we_are_in),
        WORLD_TEST(reading_stops_at_the_bound_and_touches_nothing),
        WORLD_TEST(files_of_any_size_up_to_the_bound_are_read_whole),
        WORLD_TEST(a_file_that_says_no_size_is_read_and_no_memory_for_it_is_an_answer),
        WORLD_TEST(clocks_go_forward_and_random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
