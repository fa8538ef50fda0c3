/* The holder's program: a cgroup for its command, where it is given a place for one. */
#include "holder_kit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "proc/cgroups.h"

static struct {
    struct cgroups *cgroups;
    char place[CGROUP_PATH_MAX];
} ours;

static int open_all(void **state) {
    struct why why = {.text = ""};
    (void)kit_open(state);
    const struct kit *kit = *state;
    ours.cgroups = cgroups_open(world_real(), kit->spool, CGROUPS_AUTO, &why);
    const char *place = cgroups_path(ours.cgroups);
    (void)snprintf(ours.place, sizeof ours.place, "%s", place == NULL ? "" : place);
    if (place == NULL) {
        print_message("no cgroup can be made here: %s\n", why.text);
    }
    return 0;
}

static int close_all(void **state) {
    cgroups_free(ours.cgroups);
    ours.cgroups = NULL;
    return kit_close(state);
}

static const char *place(void) {
    if (ours.place[0] == '\0') {
        skip();
    }
    return ours.place;
}

static bool has_leaf(void) {
    char path[CGROUP_PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/" KIT_NAME, ours.place);
    return access(path, F_OK) == 0;
}

static void the_command_is_born_in_a_cgroup_of_its_name_that_goes_with_it(void **state) {
    const struct kit_order order = {.shell = "cat /proc/self/cgroup", .cgroup = place()};
    assert_int_equal(kit_number(kit_run(*state, &order), "code"), 0);
    char *out = kit_file(*state, "out.head", NULL);
    assert_non_null(out);
    assert_non_null(strstr(out, "/" KIT_NAME "\n"));
    free(out);
    assert_false(has_leaf());
}

static void with_a_terminal_as_well(void **state) {
    const struct kit_order order = {
        .shell = "grep -c " KIT_NAME " /proc/self/cgroup", .cgroup = place(), .flags = ORDER_PTY};
    assert_int_equal(kit_number(kit_run(*state, &order), "code"), 0);
    assert_false(has_leaf());
}

static void what_cannot_begin_there_says_why(void **state) {
    const char *const argv[] = {"/no/such/program", NULL};
    const struct kit_order order = {.argv = argv, .cgroup = place()};
    const char *json = kit_run(*state, &order);
    kit_assert_text(json, "end", "not_started");
    kit_assert_text(json, "step", "exec");
    assert_int_equal(kit_number(json, "errno"), 2);
    assert_false(has_leaf());
}

static void a_place_that_is_none_is_done_without(void **state) {
    const struct kit_order order = {.shell = "exit 3", .cgroup = "/no/such/place"};
    assert_int_equal(kit_number(kit_run(*state, &order), "code"), 3);
}

static void a_folder_that_is_no_cgroup_is_done_without(void **state) {
    const struct kit *kit = *state;
    char path[KIT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/plain", kit->spool);
    assert_int_equal(mkdir(path, 0700), 0);
    const struct kit_order order = {.shell = "exit 3", .cgroup = path};
    assert_int_equal(kit_number(kit_run(*state, &order), "code"), 3);
    assert_int_equal(rmdir(path), 0); /* And it is empty again. */
}

static void a_stop_ends_all_that_is_in_it(void **state) {
    const struct kit_order order = {
        .shell = "trap '' TERM; (setsid env -i /bin/sh -c 'trap \"\" TERM; sleep 600; :' &);"
                 " echo up; sleep 600; :",
        .cgroup = place()};
    struct held *held = kit_start(*state, &order);
    kit_wait_size(held, "out", 3);
    assert_true(has_leaf());
    kit_say(held, "stop 0\n");
    const char *json = kit_wait_result(held);
    assert_int_equal(kit_number(json, "left"), 0);
    assert_false(has_leaf());
    kit_assert_alone(*state);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_command_is_born_in_a_cgroup_of_its_name_that_goes_with_it),
        CASE(with_a_terminal_as_well),
        CASE(what_cannot_begin_there_says_why),
        CASE(a_place_that_is_none_is_done_without),
        CASE(a_folder_that_is_no_cgroup_is_done_without),
        CASE(a_stop_ends_all_that_is_in_it),
    };
    return cmocka_run_group_tests_name("holder_program_group", tests, NULL, NULL);
}
