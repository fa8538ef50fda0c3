/* The queue of readers: which call is next where slices of long reads wait, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/memory.h"
#include "store/thread_queue.h"

static void push(struct thread_queue *queue, const char *kinds) {
    for (const char *at = kinds; *at != '\0'; at++) {
        struct call *call = mem_new(sizeof *call);
        call->ctx = (void *)(uintptr_t)*at;
        if (*at == 's') {
            thread_queue_push_slice(queue, call);
        } else {
            thread_queue_push(queue, call);
        }
    }
}

static void take(struct thread_queue *queue, size_t count, char *ret_kinds) {
    for (size_t i = 0; i < count; i++) {
        struct call *call = NULL;
        assert_true(thread_queue_wait_one(queue, &call));
        *ret_kinds++ = (char)(uintptr_t)call->ctx;
        mem_free(call);
    }
    *ret_kinds = '\0';
}

static void a_short_read_goes_before_slices_that_came_earlier(void **state) {
    (void)state;
    struct thread_queue queue;
    char kinds[16];
    thread_queue_init(&queue);
    push(&queue, "sssabc");
    take(&queue, 6, kinds);
    assert_string_equal(kinds, "abcsss");
    thread_queue_done(&queue);
}

static void slices_go_on_while_short_reads_never_end(void **state) {
    (void)state;
    struct thread_queue queue;
    char kinds[40];
    thread_queue_init(&queue);
    push(&queue, "ssaaaaaaaaaaaaaaaaaaaa");
    take(&queue, 22, kinds);
    assert_int_equal(THREAD_QUEUE_IN_A_ROW, 8);
    assert_string_equal(kinds, "aaaaaaaasaaaaaaaasaaaa");
    thread_queue_done(&queue);
}

static void a_thread_is_left_for_short_reads_while_slices_run(void **state) {
    (void)state;
    struct thread_queue queue;
    char kinds[16];
    thread_queue_init(&queue);
    thread_queue_bound_slices(&queue, 1);
    push(&queue, "sssa");
    take(&queue, 2, kinds);
    assert_string_equal(kinds, "as");
    push(&queue, "aaaaaaaaaa"); /* The second slice waits, however many calls are taken. */
    take(&queue, 10, kinds);
    assert_string_equal(kinds, "aaaaaaaaaa");
    thread_queue_slice_ended(&queue);
    take(&queue, 1, kinds);
    assert_string_equal(kinds, "s");
    thread_queue_end(&queue); /* Then all are given out. */
    take(&queue, 1, kinds);
    assert_string_equal(kinds, "s");
    thread_queue_done(&queue);
}

static void what_waits_is_still_given_out_when_the_lane_ends(void **state) {
    (void)state;
    struct thread_queue queue;
    struct call *call = NULL;
    char kinds[4];
    thread_queue_init(&queue);
    push(&queue, "sa");
    thread_queue_end(&queue);
    take(&queue, 2, kinds);
    assert_string_equal(kinds, "as");
    assert_false(thread_queue_wait_one(&queue, &call));
    push(&queue, "sa"); /* The queue owns what nobody takes. */
    thread_queue_done(&queue);
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
