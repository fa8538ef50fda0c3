/* What names the place of a data directory, and how the id in it is made, kept and replaced. */
/* links: engine */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "loop/world.h"
#include "main/place.h"

/* The real world, on a machine with an id of the test's. */
static struct {
    struct world world;
    const char *machine; /* NULL: the system has none. */
    bool refuses;        /* Files can't be written. */
    unsigned writes;
} machine;

static char dir[64];

static struct err file_read(void *ctx, const char *path, size_t size_max, char **ret_content,
                            size_t *ret_len) {
    if (strcmp(path, "/etc/machine-id") != 0) {
        return world_real()->file_read(ctx, path, size_max, ret_content, ret_len);
    }
    if (machine.machine == NULL) {
        return err_make(ERR_NOT_FOUND, "test: machine");
    }
    *ret_content = mem_copy(machine.machine, strlen(machine.machine));
    *ret_len = strlen(machine.machine);
    return ERR_OK;
}

static struct err file_replace(void *ctx, const char *path, struct bytes content, unsigned mode) {
    machine.writes++;
    return machine.refuses ? err_make(ERR_DISK_FULL, "test: write")
                           : world_real()->file_replace(ctx, path, content, mode);
}

static int begin(void **state) {
    (void)state;
    machine.world = *world_real();
    machine.world.file_read = file_read;
    machine.world.file_replace = file_replace;
    machine.machine = "abc\n";
    machine.refuses = false;
    machine.writes = 0;
    (void)snprintf(dir, sizeof dir, "/tmp/drover-place.XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static char *file_path(void) {
    size_t size = strlen(dir) + sizeof "/host-id";
    char *path = mem_new(size);
    (void)snprintf(path, size, "%s/host-id", dir);
    return path;
}

static int end(void **state) {
    (void)state;
    AUTO(mem_release) char *path = file_path();
    (void)unlink(path); /* Not every test has made it. */
    return rmdir(dir);
}

static enum err_code find(struct place_name *ret_name) {
    const struct serve_options serve = {.world = &machine.world, .data = dir};
    AUTO(mem_release) char *data_dir = NULL;
    return place_find(&serve, &data_dir, ret_name).code;
}

static struct place_name place(void) {
    struct place_name name = {.text = ""};
    assert_int_equal(find(&name), ERR_NONE);
    return name;
}

/* The file as another daemon left it. */
static void put(const char *text) {
    AUTO(mem_release) char *path = file_path();
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char *id_of(const struct place_name *name) {
    const char *slash = strrchr(name->text, '/');
    assert_non_null(slash);
    return slash + 1;
}

static void a_place_is_machine_inode_and_an_id_that_is_made_once(void **state) {
    (void)state;
    struct stat about;
    assert_int_equal(stat(dir, &about), 0);
    char start[64];
    int len = snprintf(start, sizeof start, "abc/%llu/", (unsigned long long)about.st_ino);
    struct place_name first = place(), second = place();
    assert_memory_equal(first.text, start, (size_t)len);
    assert_int_equal(strlen(id_of(&first)), 16);
    assert_string_equal(first.text, second.text);
    assert_int_equal(machine.writes, 1);
    AUTO(mem_release) char *path = file_path();
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
}

static void machines_of_one_image_have_two_places(void **state) {
    (void)state;
    struct place_name first = place();
    AUTO(mem_release) char *path = file_path();
    assert_int_equal(unlink(path), 0); /* The same machine id, inode, and an empty directory. */
    struct place_name second = place();
    assert_string_not_equal(first.text, second.text);
}

static void a_copy_gets_another_id(void **state) {
    (void)state;
    static const char *const lines[] = {"abc/1/0123456789abcdef\n", "abd/%/0123456789abcdef\n"};
    struct stat about;
    assert_int_equal(stat(dir, &about), 0);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        const char *hole = strchr(lines[i], '%');
        char line[128];
        int before = hole == NULL ? (int)strlen(lines[i]) : (int)(hole - lines[i]);
        (void)snprintf(line, sizeof line, "%.*s%llu%s", before, lines[i],
                       (unsigned long long)about.st_ino, hole == NULL ? "" : hole + 1);
        put(hole == NULL ? lines[i] : line);
        struct place_name copy = place(), again = place();
        assert_string_not_equal(id_of(&copy), "0123456789abcdef");
        assert_string_equal(copy.text, again.text);
    }
}

static void a_machine_that_gets_its_id_later_keeps_the_one_of_the_directory(void **state) {
    (void)state;
    machine.machine = "uninitialized\n";
    struct place_name before = place();
    machine.machine = "abc\n";
    struct place_name after = place();
    assert_string_equal(id_of(&before), id_of(&after));
    machine.machine = "abd\n"; /* The file has learned the machine. */
    struct place_name copy = place();
    assert_string_not_equal(id_of(&copy), id_of(&after));
}

static void a_file_that_says_nothing_is_replaced(void **state) {
    (void)state;
    static char longer[4096];
    memset(longer, 'x', sizeof longer - 1);
    const char *const texts[] = {"", "\n", "abc", "abc/1/", "abc/1/0123456789ABCDEF\n", longer};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        put(texts[i]);
        struct place_name first = place(), second = place();
        assert_int_equal(strlen(id_of(&first)), 16);
        assert_string_equal(first.text, second.text);
    }
}

static void without_its_file_there_is_no_place(void **state) {
    (void)state;
    machine.refuses = true;
    struct place_name name = {.text = "untouched"};
    assert_int_equal(find(&name), ERR_DISK_FULL);
    assert_string_equal(name.text, "untouched");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_place_is_machine_inode_and_an_id_that_is_made_once),
        CASE(machines_of_one_image_have_two_places),
        CASE(a_copy_gets_another_id),
        CASE(a_machine_that_gets_its_id_later_keeps_the_one_of_the_directory),
        CASE(a_file_that_says_nothing_is_replaced),
        CASE(without_its_file_there_is_no_place),
    };
    return cmocka_run_group_tests_name("place", tests, NULL /* no group fixture */, NULL);
}
