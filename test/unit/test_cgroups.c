/* Where our own cgroup lies, as texts tell it; and cgroups of this system, where it lets us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "proc/cgroups.h"
#include "proc_kit.h"

/* --- Texts ------------------------------------------------------------------------------------ */

#define V2(root, at) "30 23 0:26 " root " " at " rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"

static void assert_found(const char *cgroup, const char *mounts, const char *expected) {
    char path[CGROUP_PATH_MAX] = "";
    const char *lack = cgroup_find(cgroup, mounts, path);
    assert_null(lack);
    assert_string_equal(path, expected);
}

static void assert_lacks(const char *cgroup, const char *mounts, const char *part) {
    char path[CGROUP_PATH_MAX];
    const char *lack = cgroup_find(cgroup, mounts, path);
    assert_non_null(lack);
    assert_non_null(strstr(lack, part));
}

static void our_own_cgroup_is_below_where_it_is_mounted(void **state) {
    (void)state;
    assert_found("0::/system.slice/drover.service\n", V2("/", "/sys/fs/cgroup"),
                 "/sys/fs/cgroup/system.slice/drover.service");
    assert_found("0::/\n", V2("/", "/sys/fs/cgroup"), "/sys/fs/cgroup");
    assert_found("9:name=systemd:/x\n4:memory:/y/z\n0::/a b\n",
                 "22 1 0:5 / /proc rw - proc proc rw\n"
                 "29 23 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" //
                 V2("/", "/sys/fs/cgroup/unified"),
                 "/sys/fs/cgroup/unified/a b");
}

static void a_part_that_is_mounted_alone_is_taken_off_the_path(void **state) {
    (void)state;
    assert_found("0::/docker/abc/inner\n", V2("/docker/abc", "/sys/fs/cgroup"),
                 "/sys/fs/cgroup/inner");
    assert_found("0::/docker/abc\n", V2("/docker/abc", "/sys/fs/cgroup"), "/sys/fs/cgroup");
    assert_lacks("0::/docker/abcd\n", V2("/docker/abc", "/sys/fs/cgroup"), "mounted");
    assert_found("0::/docker/abcd\n", V2("/docker/abc", "/a") V2("/docker", "/b"), "/b/abcd");
}

static void what_cannot_be_used_says_why(void **state) {
    (void)state;
    assert_lacks("4:memory:/y\n", V2("/", "/sys/fs/cgroup"), "version 2");
    assert_lacks("", "", "version 2");
    assert_lacks("0::/x\n", "22 1 0:5 / /proc rw - proc proc rw\n", "mounted");
    assert_lacks("0::/../other\n", V2("/", "/sys/fs/cgroup"), "container");
    assert_lacks("0::/x\n", "30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw\n",
                 "read-only");
    assert_lacks("0::/x\n", "30 23 0:26 / /odd\\040place rw - cgroup2 cgroup2 rw\n", "mounted");
    assert_lacks("0::/x\n", "30 23 0:26 /", "mounted");
}

/* --- This system ------------------------------------------------------------------------------ */

static char *content(const char *path) {
    static char text[4096];
    text[0] = '\0';
    if (file_exists(path)) {
        read_text(path, text, sizeof text);
    }
    return text;
}

static const char *path_in(const char *folder, const char *name) {
    static char path[2 * CGROUP_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

struct home {
    struct place place;
    struct cgroups *cgroups;
};

static void open_home(struct home *home) {
    struct why why = {.text = ""};
    home->cgroups = cgroups_open(world_real(), home->place.dir, CGROUPS_AUTO, &why);
    if (cgroups_path(home->cgroups) == NULL) {
        print_message("no cgroup can be made here: %s\n", why.text);
    }
}

static int setup(void **state) {
    struct why why;
    struct home *home = mem_new(sizeof *home);
    place_init(&home->place);
    if (cgroups_probe(&why)) {
        open_home(home);
    } else {
        print_message("%s\n", why.text);
    }
    *state = home;
    return 0;
}

static int teardown(void **state) {
    struct home *home = *state;
    char path[CGROUP_PATH_MAX] = "";
    const char *ours = cgroups_path(home->cgroups);
    (void)snprintf(path, sizeof path, "%s", ours == NULL ? "" : ours);
    cgroups_free(home->cgroups);
    assert_false(ours != NULL && file_exists(path));
    place_done(&home->place);
    mem_free(home);
    return 0;
}

/* The test is skipped where this system lets us make none. */
static const char *leaf(struct home *home, const char *name) {
    if (cgroups_path(home->cgroups) == NULL) {
        skip();
    }
    const char *path = path_in(cgroups_path(home->cgroups), name);
    assert_int_equal(mkdir(path, 0700), 0);
    return path;
}

/* Moves itself there, clears its environment, forks twice, and is gone from all its parents. */
static pid_t start_hidden(struct home *home, const char *leaf_path) {
    char script[4 * CGROUP_PATH_MAX], file[CGROUP_PATH_MAX];
    (void)snprintf(file, sizeof file, "%s/pid", home->place.dir);
    (void)snprintf(script, sizeof script,
                   "echo 0 > %s/cgroup.procs; setsid sleep 600 & echo $! > %s.new;"
                   " mv %s.new %s",
                   leaf_path, file, file, file);
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    pid_t shell = start_process(argv, env);
    pid_t hidden = read_pid(file);
    end_process(shell);
    return hidden;
}

static void all_that_is_in_a_leaf_ends_whoever_it_says_it_is(void **state) {
    struct home *home = *state;
    const char *path = leaf(home, "run_a.1");
    pid_t hidden = start_hidden(home, path);
    assert_true(process_lives(hidden));
    assert_int_equal(cgroups_end(home->cgroups, "run_b.1", 10000), 0);
    assert_true(process_lives(hidden));
    assert_int_equal(cgroups_cpu_us(home->cgroups, "run_b.1"), -1);
    assert_true(cgroups_cpu_us(home->cgroups, "run_a.1") > 0);
    assert_int_equal(cgroups_end(home->cgroups, "run_a.1", 10000), 0);
    assert_false(process_lives(hidden));
    assert_false(file_exists(path_in(cgroups_path(home->cgroups), "run_a.1")));
}

static void what_is_empty_goes_at_the_next_start_and_what_lives_stays(void **state) {
    struct home *home = *state;
    pid_t hidden = start_hidden(home, leaf(home, "run_a.1"));
    (void)leaf(home, "run_b.1");
    cgroups_free(home->cgroups);
    open_home(home);
    assert_true(file_exists(path_in(cgroups_path(home->cgroups), "run_a.1")));
    assert_false(file_exists(path_in(cgroups_path(home->cgroups), "run_b.1")));
    assert_int_equal(cgroups_end(home->cgroups, "run_a.1", 10000), 0);
    assert_false(process_lives(hidden));
}

/* As after a start from another service, or another session. */
static void what_a_daemon_left_that_stood_elsewhere_is_found(void **state) {
    struct home *home = *state;
    pid_t hidden = start_hidden(home, leaf(home, "run_a.1"));
    char list[CGROUP_PATH_MAX], elsewhere[CGROUP_PATH_MAX], was[2 * CGROUP_PATH_MAX];
    (void)snprintf(list, sizeof list, "%s/cgroups", home->place.dir);
    (void)snprintf(was, sizeof was, "%s\n", cgroups_path(home->cgroups));
    assert_string_equal(content(list), was);
    /* The same place by another name, since a test can't leave its own cgroup. */
    (void)snprintf(elsewhere, sizeof elsewhere, "%s-before", cgroups_path(home->cgroups));
    assert_int_equal(mkdir(elsewhere, 0700), 0);
    assert_int_equal(mkdir(path_in(elsewhere, "run_old.1"), 0700), 0);
    (void)snprintf(was, sizeof was, "%s/cgroup.procs", path_in(elsewhere, "run_old.1"));
    FILE *procs = fopen(was, "w");
    assert_non_null(procs);
    assert_true(fprintf(procs, "%d", (int)hidden) > 0);
    assert_int_equal(fclose(procs), 0);
    put_text(list, elsewhere);
    cgroups_free(home->cgroups);
    open_home(home);
    assert_int_equal(cgroups_end(home->cgroups, "run_old.1", 10000), 0);
    assert_false(process_lives(hidden));
    cgroups_free(home->cgroups);
    open_home(home); /* It is empty now, and forgotten. */
    assert_false(file_exists(elsewhere));
    (void)snprintf(was, sizeof was, "%s\n", cgroups_path(home->cgroups));
    assert_string_equal(content(list), was);
}

static void who_wants_none_sees_to_what_is_left_of_before(void **state) {
    struct home *home = *state;
    struct why why = {.text = ""};
    pid_t hidden = start_hidden(home, leaf(home, "run_a.1"));
    struct cgroups *off = cgroups_open(world_real(), home->place.dir, CGROUPS_OFF, &why);
    assert_non_null(off);
    assert_null(cgroups_path(off));
    assert_non_null(strstr(why.text, "--no-cgroups"));
    assert_int_equal(cgroups_end(off, "run_a.1", 10000), 0);
    assert_false(process_lives(hidden));
    cgroups_free(off);
}

static void nonsense_in_the_list_is_passed_over(void **state) {
    struct home *home = *state;
    char list[CGROUP_PATH_MAX];
    (void)snprintf(list, sizeof list, "%s/cgroups", home->place.dir);
    put_text(list, "relative\n\n/\n/no/such/place\n");
    cgroups_free(home->cgroups);
    open_home(home);
    assert_int_equal(cgroups_end(home->cgroups, "run_a.1", 0), 0);
}

static void without_any_nothing_is_to_be_done(void **state) {
    (void)state;
    assert_null(cgroups_path(NULL));
    assert_int_equal(cgroups_end(NULL, "run_a.1", 1000), 0);
    assert_int_equal(cgroups_cpu_us(NULL, "run_a.1"), -1);
    cgroups_free(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_cgroup_is_below_where_it_is_mounted),
        cmocka_unit_test(a_part_that_is_mounted_alone_is_taken_off_the_path),
        cmocka_unit_test(what_cannot_be_used_says_why),
        cmocka_unit_test(without_any_nothing_is_to_be_done),
        CASE(all_that_is_in_a_leaf_ends_whoever_it_says_it_is),
        CASE(what_is_empty_goes_at_the_next_start_and_what_lives_stays),
        CASE(what_a_daemon_left_that_stood_elsewhere_is_found),
        CASE(who_wants_none_sees_to_what_is_left_of_before),
        CASE(nonsense_in_the_list_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
