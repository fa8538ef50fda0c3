/* The pause of starts while no descriptor is free. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/memory.h"
#include "loop/loop_uv.h"
#include "loop/shortage.h"

struct kit {
    struct world world;
    uint64_t ahead_ns; /* Lead of its clock over the real one. */
    struct loop *loop;
    struct shortage *shortage;
    unsigned room_after; /* Number of probes that fail first. */
    unsigned probes, began, ended, woken;
    bool lasted; /* The last one that ended took time. */
    struct loop_task task;
    struct shortage_waiter waiter;
};

static const struct err lacks = {ERR_OVERLOADED, EMFILE, "test: start"};

static uint64_t mono_ns(void *ctx) {
    return world_mono_ns(world_real()) + ((struct kit *)ctx)->ahead_ns;
}

static bool room(void *ctx) {
    struct kit *kit = ctx;
    return kit->probes++ >= kit->room_after;
}

static void began(void *ctx, const char *what, struct err err) {
    struct kit *kit = ctx;
    assert_string_equal(what, "start a test");
    assert_int_equal(err.os, EMFILE);
    kit->began++;
}

static void ended(void *ctx, uint64_t lasted_ms) {
    struct kit *kit = ctx;
    kit->ended++;
    kit->lasted = lasted_ms >= SHORTAGE_FIRST_MS;
}

static void woken(struct loop_task *task) {
    struct kit *kit = CONTAINER_OF(task, struct kit, task);
    assert_false(shortage_lasts(kit->shortage));
    kit->woken++;
}

static int open_kit(void **state) {
    struct kit *kit = mem_new(sizeof *kit);
    kit->world = (struct world){.ctx = kit, .wall_ms = world_real()->wall_ms, .mono_ns = mono_ns};
    assert_false(err_failed(loop_open(&(struct loop_options){.world = &kit->world}, &kit->loop)));
    kit->shortage = shortage_new(&(struct shortage_options){
        .loop = kit->loop, .room = room, .began = began, .ended = ended, .ctx = kit});
    kit->task.run = woken;
    *state = kit;
    return 0;
}

static int close_kit(void **state) {
    struct kit *kit = *state;
    shortage_free(kit->shortage);
    loop_close(kit->loop);
    mem_free(kit);
    return 0;
}

static void turn(struct kit *kit) {
    (void)uv_run(loop_uv(kit->loop), UV_RUN_ONCE);
}

static struct shortage_stats stats_of(const struct kit *kit) {
    struct shortage_stats stats;
    shortage_get_stats(kit->shortage, &stats);
    return stats;
}

static void starts_wait_until_a_probe_finds_room(void **state) {
    struct kit *kit = *state;
    kit->room_after = 2;
    assert_false(shortage_lasts(kit->shortage));
    shortage_report(kit->shortage, "start a test", lacks);
    shortage_report(kit->shortage, "start another", lacks);
    assert_true(shortage_lasts(kit->shortage));
    assert_int_equal(kit->began, 1);
    assert_int_equal(kit->probes, 0);
    shortage_await(kit->shortage, &kit->waiter, &kit->task);
    shortage_await(kit->shortage, &kit->waiter, &kit->task);
    while (kit->woken == 0) {
        assert_int_equal(kit->ended, 0);
        turn(kit);
    }
    assert_int_equal(kit->probes, 3);
    assert_false(shortage_lasts(kit->shortage));
    assert_true(stats_of(kit).lasts); /* Until it is calm. */
    assert_true(stats_of(kit).since_ms > 0);
    while (kit->ended == 0) {
        turn(kit);
    }
    assert_true(kit->lasted);
    assert_int_equal(kit->woken, 1);
    const struct shortage_stats stats = stats_of(kit);
    assert_false(stats.lasts);
    assert_int_equal(stats.since_ms, 0);
    assert_int_equal(stats.begun, 1);
    assert_int_equal(stats.reports, 2);
    assert_true(stats.waited_ms >= SHORTAGE_FIRST_MS);
}

static void a_start_that_fails_after_the_probe_goes_on_with_the_same_shortage(void **state) {
    struct kit *kit = *state;
    shortage_report(kit->shortage, "start a test", lacks);
    while (shortage_lasts(kit->shortage)) {
        turn(kit);
    }
    shortage_report(kit->shortage, "start another", lacks);
    assert_true(shortage_lasts(kit->shortage));
    while (kit->ended == 0) {
        turn(kit);
    }
    assert_int_equal(kit->began, 1);
    assert_int_equal(kit->ended, 1);
    assert_int_equal(kit->probes, 2);
    assert_int_equal(stats_of(kit).begun, 1);
}

static void who_left_is_not_woken(void **state) {
    struct kit *kit = *state;
    shortage_report(kit->shortage, "start a test", lacks);
    shortage_await(kit->shortage, &kit->waiter, &kit->task);
    shortage_leave(&kit->waiter);
    shortage_leave(&kit->waiter);
    while (shortage_lasts(kit->shortage)) {
        turn(kit);
    }
    loop_drain(kit->loop);
    assert_int_equal(kit->woken, 0);
}

static void waiters_are_woken_when_the_shortage_has_held_them_up_for_an_hour(void **state) {
    struct kit *kit = *state;
    kit->room_after = UINT_MAX;
    shortage_report(kit->shortage, "start a test", lacks);
    shortage_await(kit->shortage, &kit->waiter, &kit->task);
    while (kit->probes == 0) {
        turn(kit);
    }
    loop_drain(kit->loop);
    assert_int_equal(kit->woken, 0);
    kit->ahead_ns = (uint64_t)(SHORTAGE_PATIENCE_MS + 1) * 1000 * 1000;
    while (kit->probes == 1) {
        turn(kit);
    }
    loop_drain(kit->loop);
    assert_int_equal(kit->woken, 1);
    assert_true(shortage_is_endless(kit->shortage));
    assert_int_equal(kit->ended, 0);
}

static void a_failure_without_an_errno_is_judged_by_a_probe(void **state) {
    struct kit *kit = *state;
    assert_false(shortage_suspect(kit->shortage, "start a test"));
    assert_int_equal(kit->began, 0);
    kit->room_after = 2;
    assert_true(shortage_suspect(kit->shortage, "start a test"));
    assert_true(shortage_lasts(kit->shortage));
    assert_int_equal(kit->began, 1);
}

static void without_an_object_nothing_ever_waits(void **state) {
    (void)state;
    shortage_report(NULL, "start a test", lacks);
    assert_false(shortage_suspect(NULL, "start a test"));
    assert_false(shortage_lasts(NULL));
    shortage_free(NULL);
}

static void both_limits_are_known_by_their_errno(void **state) {
    (void)state;
    assert_true(shortage_is(lacks));
    assert_true(shortage_is(err_from_errno(ENFILE, "test: start")));
    assert_false(shortage_is(err_from_errno(ENOENT, "test: start")));
    assert_false(shortage_is(ERR_OK));
}

static void the_probe_finds_the_limit_of_the_process(void **state) {
    (void)state;
    struct rlimit before, none;
    assert_true(shortage_room());
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool room_at_limit = shortage_room();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(room_at_limit);
    assert_true(shortage_room());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(starts_wait_until_a_probe_finds_room, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(
            a_start_that_fails_after_the_probe_goes_on_with_the_same_shortage, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(who_left_is_not_woken, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(
            waiters_are_woken_when_the_shortage_has_held_them_up_for_an_hour, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_failure_without_an_errno_is_judged_by_a_probe, open_kit,
                                        close_kit),
        cmocka_unit_test(without_an_object_nothing_ever_waits),
        cmocka_unit_test(both_limits_are_known_by_their_errno),
        cmocka_unit_test(the_probe_finds_the_limit_of_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
