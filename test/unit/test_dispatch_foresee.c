/* Holders that get ready while the commit that begins their run is on its way: with it, without it,
 * and with a daemon that goes in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dispatch/inside.h"
#include "dispatch_kit.h"

static struct bytes bytes_of(const char *text) {
    return (struct bytes){text, strlen(text)};
}

/* In the folder of its first attempt; until the next call. */
static const char *path_of(struct kit *kit, const struct id *run, const char *file) {
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s/%s", spool_path(kit->place.spool), kit_name(run, 1),
                   file);
    return path;
}

static bool is_foreseen(const struct kit *kit) {
    return kit->dispatch->foresight.errand != NULL;
}

static void foresee(struct kit *kit, const struct id *run, const char *spec) {
    dispatch_foresee(kit->dispatch, bytes_of(run->text), bytes_of(spec));
}

static void foresee_ready(struct kit *kit, const struct id *run, const char *spec) {
    foresee(kit, run, spec);
    assert_true(is_foreseen(kit));
    kit_until_file(kit, path_of(kit, run, "sock"));
    assert_false(file_exists(path_of(kit, run, "claim")));
}

static void foreseen(struct kit *kit, const struct id *run) {
    dispatch_foreseen(kit->dispatch, bytes_of(run->text));
}

static void assert_leaves_nothing(struct kit *kit, const struct id *run) {
    for (unsigned tries = 0; file_exists(path_of(kit, run, "")); tries++) {
        assert_true(tries < 6000);
        (void)usleep(10000);
    }
}

static const char *appends(struct kit *kit) {
    static char spec[512];
    (void)snprintf(spec, sizeof spec, "{\"shell\":\"echo ran >> %s\"}", kit_path(kit, "ran"));
    return spec;
}

static void assert_ran(struct kit *kit, const char *expected) {
    char text[64] = "";
    if (file_exists(kit_path(kit, "ran"))) {
        read_text(kit_path(kit, "ran"), text, sizeof text);
    }
    assert_string_equal(text, expected);
}

static void assert_succeeds(struct kit *kit, const struct id *run) {
    const struct run_row *row = kit_end(kit, run);
    assert_string_equal(run_state_name(row->state), "succeeded");
    assert_int_equal(row->attempt, 1);
}

static void a_run_that_was_foreseen_is_begun_by_who_is_ready(void **state) {
    struct kit *kit = *state;
    struct id run = kit_id();
    foresee_ready(kit, &run, appends(kit));
    assert_ran(kit, "");
    uint64_t started = kit_stats(kit).started;
    (void)kit_submit(kit, &(struct kit_job){.spec = appends(kit), .run = &run});
    assert_false(is_foreseen(kit));
    foreseen(kit, &run);
    assert_succeeds(kit, &run);
    assert_ran(kit, "ran\n");
    assert_int_equal(kit_stats(kit).started, started + 1);
    assert_int_equal(kit_stats(kit).queued_starts, 0);
}

static void what_was_foreseen_in_vain_leaves_nothing_and_makes_rare(void **state) {
    struct kit *kit = *state;
    struct id run = kit_id();
    foresee_ready(kit, &run, appends(kit));
    foreseen(kit, &run);
    assert_false(is_foreseen(kit));
    assert_leaves_nothing(kit, &run);
    foresee(kit, &run, appends(kit)); /* One is passed over, */
    assert_false(is_foreseen(kit));
    foresee_ready(kit, &run, appends(kit)); /* and then three. */
    foreseen(kit, &run);
    for (unsigned i = 0; i < 3; i++) {
        foresee(kit, &run, appends(kit));
        assert_false(is_foreseen(kit));
    }
    foresee_ready(kit, &run, appends(kit));
    foreseen(kit, &run);
    assert_leaves_nothing(kit, &run);
    assert_ran(kit, "");
}

static void a_run_that_was_foreseen_and_has_to_wait_begins_when_it_may(void **state) {
    struct kit *kit = *state;
    char first_spec[512];
    (void)snprintf(first_spec, sizeof first_spec,
                   "{\"shell\":\"until [ -e %s ]; do sleep 0.01; done\"}", kit_path(kit, "go"));
    struct id first = kit_submit(kit, &(struct kit_job){.spec = first_spec, .key = "k"});
    struct id run = kit_id();
    foresee_ready(kit, &run, appends(kit));
    (void)kit_submit(kit, &(struct kit_job){.spec = appends(kit), .run = &run, .key = "k"});
    assert_true(is_foreseen(kit)); /* Its commit said that it waits. */
    foreseen(kit, &run);
    put_text(kit_path(kit, "go"), "now");
    assert_succeeds(kit, &first);
    assert_succeeds(kit, &run);
    assert_ran(kit, "ran\n");
}

static void one_who_was_ready_and_is_gone_is_replaced(void **state) {
    struct kit *kit = *state;
    struct id run = kit_id();
    foresee_ready(kit, &run, appends(kit));
    assert_int_equal(shutdown(kit->dispatch->foresight.ready.link_fd, SHUT_RDWR), 0);
    (void)kit_submit(kit, &(struct kit_job){.spec = appends(kit), .run = &run});
    assert_succeeds(kit, &run);
    assert_ran(kit, "ran\n");
}

static void a_daemon_that_goes_before_the_commit_has_begun_nothing(void **state) {
    struct kit *kit = *state;
    struct id run = kit_id();
    foresee_ready(kit, &run, appends(kit));
    kit_down(kit);
    assert_leaves_nothing(kit, &run);
    kit_up(kit);
    assert_ran(kit, "");
}

/* The commit is on disk, and whoever should have heard of it is not there any more. */
static void a_daemon_that_goes_after_the_commit_leaves_the_run_to_the_next(void **state) {
    struct kit *kit = *state;
    struct id run = kit_id();
    foresee_ready(kit, &run, appends(kit));
    kit->deaf = true;
    (void)kit_submit(kit, &(struct kit_job){.spec = appends(kit), .run = &run});
    kit_down(kit);
    kit->deaf = false;
    kit_up(kit);
    const struct run_row *row = kit_end(kit, &run);
    assert_string_equal(run_state_name(row->state), "succeeded");
    assert_ran(kit, "ran\n");
}

/* There is no nursery before the first start, and what is not certain does not make one. */
static int setup(void **state) {
    struct kit *kit = kit_new();
    *state = kit;
    struct id none = kit_id();
    foresee(kit, &none, "{\"shell\":\"true\"}");
    bool early = is_foreseen(kit);
    struct id run = kit_shell(kit, "true");
    (void)kit_end(kit, &run);
    return early ? -1 : 0;
}

static int teardown(void **state) {
    kit_free(*state);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_run_that_was_foreseen_is_begun_by_who_is_ready),
        CASE(what_was_foreseen_in_vain_leaves_nothing_and_makes_rare),
        CASE(a_run_that_was_foreseen_and_has_to_wait_begins_when_it_may),
        CASE(one_who_was_ready_and_is_gone_is_replaced),
        CASE(a_daemon_that_goes_before_the_commit_has_begun_nothing),
        CASE(a_daemon_that_goes_after_the_commit_leaves_the_run_to_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
