/* Whose outcome waits for that of another workflow, and how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"

struct crowd {
    struct world world;
    uint64_t now_ns;
    struct flows flows;
    struct flow one, other;
};

static uint64_t mono_ns(void *ctx) {
    return ((struct crowd *)ctx)->now_ns;
}

static int open_crowd(void **state) {
    struct crowd *crowd = mem_new(sizeof *crowd);
    crowd->world = *world_real();
    crowd->world.ctx = crowd;
    crowd->world.mono_ns = mono_ns;
    crowd->now_ns = 1000 * (uint64_t)FLOW_BATCH_NS;
    const struct loop_options options = {.world = &crowd->world};
    if (err_failed(loop_open(&options, &crowd->flows.options.loop))) {
        return -1;
    }
    crowd->one.flows = crowd->other.flows = &crowd->flows;
    *state = crowd;
    return 0;
}

static int close_crowd(void **state) {
    struct crowd *crowd = *state;
    loop_close(crowd->flows.options.loop);
    mem_free(crowd);
    return 0;
}

static void nobody_waits_alone(void **state) {
    struct crowd *crowd = *state;
    assert_false(flows__batch_expected(&crowd->flows));
    flow__computing_begin(&crowd->one);
    flow__computing_end(&crowd->one); /* It says what is to be stored. */
    assert_false(flows__batch_expected(&crowd->flows));
}

static void one_waits_for_another_script_that_was_told_something(void **state) {
    struct crowd *crowd = *state;
    flow__computing_begin(&crowd->one);
    flow__computing_begin(&crowd->other);
    flow__computing_end(&crowd->one);
    assert_true(flows__batch_expected(&crowd->flows));
    flow__computing_end(&crowd->other);
    assert_false(flows__batch_expected(&crowd->flows)); /* The last one takes all along. */
}

static void a_script_that_computes_for_long_is_waited_for_no_more(void **state) {
    struct crowd *crowd = *state;
    flow__computing_begin(&crowd->one);
    crowd->now_ns += FLOW_BATCH_NS / 2;
    flow__computing_begin(&crowd->other);
    crowd->now_ns += FLOW_BATCH_NS / 2 + 1;
    assert_true(flows__batch_expected(&crowd->flows));
    assert_false(crowd->one.computing.listed);
    crowd->now_ns += FLOW_BATCH_NS / 2;
    assert_false(flows__batch_expected(&crowd->flows));
    assert_false(crowd->other.computing.listed);
    flow__computing_begin(&crowd->one); /* It is told more. */
    assert_true(flows__batch_expected(&crowd->flows));
    flow__computing_end(&crowd->one);
}

static void who_is_told_twice_computes_once(void **state) {
    struct crowd *crowd = *state;
    flow__computing_begin(&crowd->one);
    flow__computing_begin(&crowd->other);
    flow__computing_begin(&crowd->one);
    flow__computing_end(&crowd->other);
    assert_true(flows__batch_expected(&crowd->flows));
    flow__computing_end(&crowd->one);
    flow__computing_end(&crowd->one);
    assert_false(flows__batch_expected(&crowd->flows));
}

static void a_crowd_has_a_bound(void **state) {
    struct crowd *crowd = *state;
    flow__computing_begin(&crowd->one);
    crowd->flows.batched = FLOW_BATCH_MAX - 1;
    assert_true(flows__batch_expected(&crowd->flows));
    crowd->flows.batched = FLOW_BATCH_MAX;
    assert_false(flows__batch_expected(&crowd->flows));
    flow__computing_end(&crowd->one);
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
    return cmocka_run_group_tests_name("flow_crowd", tests, NULL /* no group fixture */, NULL);
}
