/* The queue of readers: which call is next where slices of long reads wait, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/memory.h"
#include "store/lane.h"

static void push(struct lane *lane, const char *kinds) {
    for (const char *at = kinds; *at != '\0'; at++) {
        struct call *call = mem_new(sizeof *call);
        call->ctx = (void *)(uintptr_t)*at;
        if (*at == 's') {
            lane_push_slice(lane, call);
        } else {
            lane_push(lane, call);
        }
    }
}

static void take(struct lane *lane, size_t count, char *ret_kinds) {
    for (size_t i = 0; i < count; i++) {
        struct call *call = NULL;
        assert_true(lane_wait_one(lane, &call));
        *ret_kinds++ = (char)(uintptr_t)call->ctx;
        mem_free(call);
    }
    *ret_kinds = '\0';
}

static void a_short_read_goes_before_slices_that_came_earlier(void **state) {
    (void)state;
    struct lane lane;
    char kinds[16];
    lane_init(&lane);
    push(&lane, "sssabc");
    take(&lane, 6, kinds);
    assert_string_equal(kinds, "abcsss");
    lane_done(&lane);
}

static void slices_go_on_while_short_reads_never_end(void **state) {
    (void)state;
    struct lane lane;
    char kinds[40];
    lane_init(&lane);
    push(&lane, "ssaaaaaaaaaaaaaaaaaaaa");
    take(&lane, 22, kinds);
    assert_int_equal(LANE_IN_A_ROW, 8);
    assert_string_equal(kinds, "aaaaaaaasaaaaaaaasaaaa");
    lane_done(&lane);
}

static void a_thread_is_left_for_short_reads_while_slices_run(void **state) {
    (void)state;
    struct lane lane;
    char kinds[16];
    lane_init(&lane);
    lane_bound_slices(&lane, 1);
    push(&lane, "sssa");
    take(&lane, 2, kinds);
    assert_string_equal(kinds, "as");
    push(&lane, "aaaaaaaaaa"); /* The second slice waits, however many calls are taken. */
    take(&lane, 10, kinds);
    assert_string_equal(kinds, "aaaaaaaaaa");
    lane_slice_ended(&lane);
    take(&lane, 1, kinds);
    assert_string_equal(kinds, "s");
    lane_end(&lane); /* Then all are given out. */
    take(&lane, 1, kinds);
    assert_string_equal(kinds, "s");
    lane_done(&lane);
}

static void what_waits_is_still_given_out_when_the_lane_ends(void **state) {
    (void)state;
    struct lane lane;
    struct call *call = NULL;
    char kinds[4];
    lane_init(&lane);
    push(&lane, "sa");
    lane_end(&lane);
    take(&lane, 2, kinds);
    assert_string_equal(kinds, "as");
    assert_false(lane_wait_one(&lane, &call));
    push(&lane, "sa"); /* The lane owns what nobody takes. */
    lane_done(&lane);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_read_goes_before_slices_that_came_earlier),
        cmocka_unit_test(slices_go_on_while_short_reads_never_end),
        cmocka_unit_test(a_thread_is_left_for_short_reads_while_slices_run),
        cmocka_unit_test(what_waits_is_still_given_out_when_the_lane_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
