/* The worker's real program: installed, found again, and run in its jail. */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "script/program.h"
#include "script_kit.h"

struct shelf {
    char dir[64];
    char *path; /* Owned. */
    struct sha256 hash;
};

static int shelf_open(void **state) {
    struct shelf *shelf = calloc(1, sizeof *shelf);
    (void)snprintf(shelf->dir, sizeof shelf->dir, "/tmp/drover-script-XXXXXX");
    assert_non_null(mkdtemp(shelf->dir));
    assert_false(
        err_failed(script_program_install(world_real(), shelf->dir, &shelf->hash, &shelf->path)));
    *state = shelf;
    return 0;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where) {
    return remove(path);
}

static int shelf_close(void **state) {
    struct shelf *shelf = *state;
    assert_int_equal(nftw(shelf->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    mem_free(shelf->path);
    free(shelf);
    return 0;
}

static enum err_code find_code(const struct shelf *shelf, const struct sha256 *hash) {
    char *path = NULL;
    struct err err = script_program_find(world_real(), shelf->dir, hash, &path);
    if (!err_failed(err)) {
        assert_string_equal(path, shelf->path);
    }
    mem_free(path);
    return err.code;
}

static void what_was_installed_is_found_by_its_hash(void **state) {
    const struct shelf *shelf = *state;
    AUTO(mem_release) char *image = NULL;
    size_t len = 0;
    const struct world *world = world_real();
    assert_false(err_failed(world->file_read(world->ctx, shelf->path, 64 << 20, &image, &len)));
    struct sha256 found = sha256_of(image, len), other = shelf->hash;
    other.bytes[31] ^= 1;
    assert_true(sha256_equal(&shelf->hash, &found));
    assert_int_equal(find_code(shelf, &shelf->hash), ERR_NONE);
    assert_int_equal(find_code(shelf, &other), ERR_NOT_FOUND);
}

static void what_is_not_what_its_name_says_is_not_found(void **state) {
    const struct shelf *shelf = *state;
    int fd = open(shelf->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 1000), 1);
    (void)close(fd);
    assert_int_equal(find_code(shelf, &shelf->hash), ERR_NOT_FOUND);
    assert_int_equal(unlink(shelf->path), 0);
    assert_int_equal(symlink("/bin/true", shelf->path), 0);
    assert_int_equal(find_code(shelf, &shelf->hash), ERR_NOT_FOUND);
}

static void start_script(struct ear *ear, struct pen *pen, const char *script) {
    char frame[1024];
    const struct script_bounds bounds = {.cpu_ms = 5000};
    ear_start_bound(ear, pen, &bounds);
    (void)snprintf(frame, sizeof frame,
                   "[{\"t\":\"start\",\"form\":\"body\",\"file\":\"a.js\",\"script\":\"%s\","
                   "\"total\":null,\"spent\":0,\"limits\":{\"agents\":1000,\"items\":4096,"
                   "\"lines\":10000,\"line_bytes\":4096,\"cpu_ms\":5000,\"unanswered\":8192,"
                   "\"memory_mb\":64},\"history\":[]}]",
                   script);
    ear_tell(ear, frame);
}

static void assert_heard(const struct ear *ear, const char *part) {
    assert_non_null(ear->last);
    if (strstr(ear->last, part) == NULL) {
        fail_msg("no %s in %s", part, ear->last);
    }
}

/* What the engine needs of the system is what the jail leaves it: calls, memory, its end. */
static void a_script_lives_its_whole_life_in_the_jail(void **state) {
    void *opened = NULL;
    (void)pen_open(&opened);
    struct pen *pen = opened;
    struct ear ear;
    scripts_close(pen->scripts);
    pen->scripts = pen_scripts(pen, ((struct shelf *)*state)->path);
    start_script(&ear, pen, "const x = await agent('hello'); return {x, n: [1,2,3].length};");
    ear_wait(&ear);
    assert_heard(&ear, "\"t\":\"call\"");
    assert_heard(&ear, "\"t\":\"quiet\"");
    ear_tell(&ear, "[{\"t\":\"settle\",\"id\":1,\"o\":\"value\",\"v\":\"world\",\"spent\":3}]");
    ear_wait_end(&ear, SCRIPT_EXITED);
    assert_int_equal(ear.end.number, 0);
    assert_heard(&ear, "\"result\":{\"x\":\"world\",\"n\":3}");
    ear_done(&ear);

    start_script(&ear, pen, "const kept = []; for (;;) kept.push('x'.repeat(1e6) + kept.length);");
    ear_wait_end(&ear, SCRIPT_EXITED);
    assert_heard(&ear, "memory_exceeded");
    ear_done(&ear);

    start_script(&ear, pen, "const f = () => f() + 1; f();");
    ear_wait_end(&ear, SCRIPT_EXITED);
    assert_heard(&ear, "\"t\":\"end\",\"ok\":false");
    ear_done(&ear);

    start_script(&ear, pen, "await agent('waits for ever');");
    ear_wait(&ear);
    ear_tell(&ear, "[{\"t\":\"stop\"}]");
    ear_wait_end(&ear, SCRIPT_EXITED);
    assert_int_equal(ear.end.number, 0);
    ear_done(&ear);
    (void)pen_close(&opened);
}

#define SHELF(test) cmocka_unit_test_setup_teardown(test, shelf_open, shelf_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        SHELF(what_was_installed_is_found_by_its_hash),
        SHELF(what_is_not_what_its_name_says_is_not_found),
        SHELF(a_script_lives_its_whole_life_in_the_jail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
