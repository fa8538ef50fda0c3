/* test_dispatch_retain.c: what is taken away after its time, and what never is. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "dispatch/inside.h"
#include "dispatch_kit.h"

static bool is_gone(struct kit *kit, void *ctx) {
    return !file_exists(ctx);
}

static void old_runs_go_and_their_folders_with_them(void **state) {
    struct kit *kit = *state;
    kit_down(kit);
    kit->keep = (struct run_keep){.count = 1};
    kit_up(kit);
    struct id first = kit_shell(kit, "echo first");
    (void)kit_end(kit, &first); /* What ended first goes first. */
    struct id second = kit_shell(kit, "echo second");
    (void)kit_end(kit, &second);
    char folder[256];
    (void)snprintf(folder, sizeof folder, "%s/spool/%s", kit->place.dir, kit_name(&first, 1));
    assert_true(file_exists(folder));
    retain__now(kit->dispatch);
    kit_until(kit, is_gone, folder);
    assert_int_equal(kit_number(kit, "SELECT count(*) FROM runs"), 1);
    (void)snprintf(folder, sizeof folder, "%s/spool/%s", kit->place.dir, kit_name(&second, 1));
    assert_true(file_exists(folder));
}

/* Two folders without a row: one was touched a moment ago. */
static void folders_without_a_row_go_when_nobody_touched_them_for_a_day(void **state) {
    struct kit *kit = *state;
    static const char old_name[] = "run_00000000000000000000000000.1";
    static const char new_name[] = "run_00000000000000000000000001.1";
    struct id run = kit_shell(kit, "true");
    (void)kit_end(kit, &run);
    char old[256], fresh[256], known[256];
    put_text(place_path(&kit->place, old_name, "out.head"), "x");
    put_text(place_path(&kit->place, new_name, "out.head"), "x");
    (void)snprintf(old, sizeof old, "%s/spool/%s", kit->place.dir, old_name);
    (void)snprintf(fresh, sizeof fresh, "%s/spool/%s", kit->place.dir, new_name);
    (void)snprintf(known, sizeof known, "%s/spool/%s", kit->place.dir, kit_name(&run, 1));
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, old, times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, known, times, 0), 0);
    retain__now(kit->dispatch);
    kit_until(kit, is_gone, old);
    assert_true(file_exists(fresh));
    assert_true(file_exists(known));
}

/* Somebody wants to look at the data first. */
static void a_daemon_that_holds_takes_nothing_away(void **state) {
    struct kit *kit = *state;
    struct id first = kit_shell(kit, "true"), second = kit_shell(kit, "true");
    (void)kit_end(kit, &first);
    (void)kit_end(kit, &second);
    kit_down(kit);
    kit->keep = (struct run_keep){.count = 1};
    kit->hold = RUN_HELD;
    kit_up(kit);
    retain__now(kit->dispatch);
    struct id third = kit_shell(kit, "true");
    assert_int_equal(kit_row(kit, &third)->state, RUN_QUEUED);
    assert_int_equal(kit_number(kit, "SELECT count(*) FROM runs"), 3);
    kit->hold = RUN_FREE;
}

static int setup(void **state) {
    *state = kit_new();
    return 0;
}

static int teardown(void **state) {
    kit_free(*state);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(old_runs_go_and_their_folders_with_them),
        CASE(folders_without_a_row_go_when_nobody_touched_them_for_a_day),
        CASE(a_daemon_that_holds_takes_nothing_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
