/* The pool of the dispatchers while no descriptor is free. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dispatch/base/pool.h"
#include "loop/loop_uv.h"

struct kit {
    struct loop *loop;
    struct shortage *shortage;
    struct pool pool;
    struct rlimit before;
};

struct task {
    struct pool_job job;
    bool ran, room;
    unsigned done;
};

static void task_run(struct pool_job *job) {
    struct task *task = CONTAINER_OF(job, struct task, job);
    task->ran = true;
    task->room = shortage_room();
}

static void task_done(struct pool_job *job) {
    CONTAINER_OF(job, struct task, job)->done++;
}

static void limit_set(rlim_t files) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = files;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int open_kit(void **state) {
    struct kit *kit = mem_new(sizeof *kit);
    assert_false(err_failed(loop_open(&(struct loop_options){.world = world_real()}, &kit->loop)));
    kit->shortage = shortage_new(&(struct shortage_options){.loop = kit->loop});
    pool_init(&kit->pool, kit->loop, kit->shortage);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &kit->before), 0);
    *state = kit;
    return 0;
}

static int close_kit(void **state) {
    struct kit *kit = *state;
    limit_set(kit->before.rlim_cur);
    assert_int_equal(kit->pool.count, 0);
    shortage_free(kit->shortage);
    loop_close(kit->loop);
    mem_free(kit);
    return 0;
}

static void turn(const struct kit *kit) {
    (void)uv_run(loop_uv(kit->loop), UV_RUN_ONCE);
}

static void add(struct kit *kit, struct task *task, enum pool_kind kind) {
    *task = (struct task){.job = {.kind = kind, .run = task_run, .done = task_done}};
    pool_add(&kit->pool, &task->job);
}

static void a_job_begins_where_descriptors_are_free(void **state) {
    struct kit *kit = *state;
    struct task first, second, slow;
    limit_set(3);
    add(kit, &first, POOL_QUICK);
    while (!shortage_lasts(kit->shortage)) {
        turn(kit);
    }
    add(kit, &second, POOL_QUICK);
    add(kit, &slow, POOL_SLOW);
    loop_drain(kit->loop);
    assert_false(first.ran || second.ran || slow.ran);
    assert_int_equal(kit->pool.count, 3);
    limit_set(kit->before.rlim_cur);
    while (first.done == 0 || second.done == 0 || slow.done == 0) {
        turn(kit);
    }
    assert_true(first.room && second.room && slow.room);
    assert_int_equal(first.done + second.done + slow.done, 3);
    assert_int_equal(kit->pool.count, 0);
}

static void a_cancelled_job_comes_back_although_no_descriptor_is_free(void **state) {
    struct kit *kit = *state;
    struct task first, second;
    limit_set(3);
    add(kit, &first, POOL_QUICK);
    while (!shortage_lasts(kit->shortage)) {
        turn(kit);
    }
    add(kit, &second, POOL_TIDY);
    pool_cancel(&kit->pool);
    while (first.done == 0 || second.done == 0) {
        turn(kit);
    }
    assert_false(first.ran || second.ran);
}

static void a_job_that_finds_no_descriptor_after_the_cancel_comes_back(void **state) {
    struct kit *kit = *state;
    struct task task;
    limit_set(3);
    add(kit, &task, POOL_QUICK);
    pool_cancel(&kit->pool);
    while (task.done == 0) {
        turn(kit);
    }
    assert_false(task.ran);
}

static void a_job_that_is_added_after_the_cancel_waits_for_no_descriptor(void **state) {
    struct kit *kit = *state;
    struct task first, late;
    limit_set(3);
    add(kit, &first, POOL_QUICK);
    while (!shortage_lasts(kit->shortage)) {
        turn(kit);
    }
    pool_cancel(&kit->pool);
    add(kit, &late, POOL_QUICK);
    while (first.done == 0 || late.done == 0) {
        turn(kit);
    }
    assert_false(late.ran);
}

static void without_a_shortage_jobs_run_whatever_is_free(void **state) {
    struct kit *kit = *state;
    struct task task;
    struct pool plain;
    pool_init(&plain, kit->loop, NULL);
    limit_set(3);
    task = (struct task){.job = {.kind = POOL_QUICK, .run = task_run, .done = task_done}};
    pool_add(&plain, &task.job);
    while (task.done == 0) {
        turn(kit);
    }
    assert_true(task.ran);
    assert_false(task.room);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_kit, close_kit)
    const struct CMUnitTest tests[] = {
        TEST(a_job_begins_where_descriptors_are_free),
        TEST(a_cancelled_job_comes_back_although_no_descriptor_is_free),
        TEST(a_job_that_finds_no_descriptor_after_the_cancel_comes_back),
        TEST(a_job_that_is_added_after_the_cancel_waits_for_no_descriptor),
        TEST(without_a_shortage_jobs_run_whatever_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
