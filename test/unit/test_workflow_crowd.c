/* Whose outcome waits for that of another workflow, and how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dispatch/workflow/workflow.h"

struct crowd {
    struct world world;
    uint64_t now_ns;
    struct workflows workflows;
    struct workflow one, other;
};

static uint64_t mono_ns(void *ctx) {
    return ((struct crowd *)ctx)->now_ns;
}

static int open_crowd(void **state) {
    struct crowd *crowd = mem_new(sizeof *crowd);
    crowd->world = *world_real();
    crowd->world.ctx = crowd;
    crowd->world.mono_ns = mono_ns;
    crowd->now_ns = 1000 * (uint64_t)WORKFLOW_BATCH_NS;
    const struct loop_options options = {.world = &crowd->world};
    if (err_failed(loop_open(&options, &crowd->workflows.options.loop))) {
        return -1;
    }
    struct workflows *workflows = &crowd->workflows;
    links_init(&workflows->computing);
    crowd->one.workflows = crowd->other.workflows = workflows;
    *state = crowd;
    return 0;
}

static int close_crowd(void **state) {
    struct crowd *crowd = *state;
    loop_close(crowd->workflows.options.loop);
    mem_free(crowd);
    return 0;
}

static void nobody_waits_alone(void **state) {
    struct crowd *crowd = *state;
    assert_false(workflows__batch_expected(&crowd->workflows));
    workflow__computing_begin(&crowd->one);
    workflow__computing_end(&crowd->one); /* It says what is to be stored. */
    assert_false(workflows__batch_expected(&crowd->workflows));
}

static void one_waits_for_another_script_that_was_told_something(void **state) {
    struct crowd *crowd = *state;
    workflow__computing_begin(&crowd->one);
    workflow__computing_begin(&crowd->other);
    workflow__computing_end(&crowd->one);
    assert_true(workflows__batch_expected(&crowd->workflows));
    workflow__computing_end(&crowd->other);
    assert_false(workflows__batch_expected(&crowd->workflows)); /* The last one takes all along. */
}

static void a_script_that_computes_for_long_is_waited_for_no_more(void **state) {
    struct crowd *crowd = *state;
    workflow__computing_begin(&crowd->one);
    crowd->now_ns += WORKFLOW_BATCH_NS / 2;
    workflow__computing_begin(&crowd->other);
    crowd->now_ns += WORKFLOW_BATCH_NS / 2 + 1;
    assert_true(workflows__batch_expected(&crowd->workflows));
    assert_false(link_listed(&crowd->one.computing));
    crowd->now_ns += WORKFLOW_BATCH_NS / 2;
    assert_false(workflows__batch_expected(&crowd->workflows));
    assert_false(link_listed(&crowd->other.computing));
    workflow__computing_begin(&crowd->one); /* It is told more. */
    assert_true(workflows__batch_expected(&crowd->workflows));
    workflow__computing_end(&crowd->one);
}

static void who_is_told_twice_computes_once(void **state) {
    struct crowd *crowd = *state;
    workflow__computing_begin(&crowd->one);
    workflow__computing_begin(&crowd->other);
    workflow__computing_begin(&crowd->one);
    workflow__computing_end(&crowd->other);
    assert_true(workflows__batch_expected(&crowd->workflows));
    workflow__computing_end(&crowd->one);
    workflow__computing_end(&crowd->one);
    assert_false(workflows__batch_expected(&crowd->workflows));
}

static void a_crowd_has_a_bound(void **state) {
    struct crowd *crowd = *state;
    workflow__computing_begin(&crowd->one);
    crowd->workflows.batched = WORKFLOW_BATCH_MAX - 1;
    assert_true(workflows__batch_expected(&crowd->workflows));
    crowd->workflows.batched = WORKFLOW_BATCH_MAX;
    assert_false(workflows__batch_expected(&crowd->workflows));
    workflow__computing_end(&crowd->one);
}

#define CROWD_TEST(test) cmocka_unit_test_setup_teardown(test, open_crowd, close_crowd)

int main(void) {
    const struct CMUnitTest tests[] = {
        CROWD_TEST(nobody_waits_alone),
        CROWD_TEST(one_waits_for_another_script_that_was_told_something),
        CROWD_TEST(a_script_that_computes_for_long_is_waited_for_no_more),
        CROWD_TEST(who_is_told_twice_computes_once),
        CROWD_TEST(a_crowd_has_a_bound),
    };
    return cmocka_run_group_tests_name("workflow_crowd", tests, NULL /* no group fixture */, NULL);
}
