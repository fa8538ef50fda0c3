/* What workers and daemon say to each other, whole and in order, with a toy for a body. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "script/protocol.h"
#include "script_kit.h"

static bool poor;
void *__real_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size) {
    return poor ? NULL : __real_mem_try_grow(old, size);
}

/* --- Frames ----------------------------------------------------------------------------------- */

static void a_worker_answers_what_it_is_told(void **state) {
    struct ear ear;
    ear_start(&ear, *state);
    ear_ask(&ear, "ehello");
    ear_expect(&ear, "ehello");
    ear_ask(&ear, "eagain");
    ear_expect(&ear, "eagain");
    ear_done(&ear);
}

static void frames_come_whole_in_whatever_pieces(void **state) {
    struct ear ear;
    ear_start(&ear, *state);
    for (unsigned i = 0; i < 20; i++) {
        ear_ask(&ear, "pin pieces of one byte each, header and all");
        ear_expect(&ear, "in pieces of one byte each, header and all");
    }
    ear_done(&ear);
}

static void many_frames_in_one_write_are_heard_in_order_and_others_between(void **state) {
    struct ear ear, other;
    ear_start(&ear, *state);
    ear_start(&other, *state);
    ear_ask(&other, "e");
    ear_ask(&ear, "n200000");
    ear_ask(&other, "ebetween");
    assert_true(ear.frames < 200000);
    for (size_t i = ear.frames; i < 200000; i++) {
        while (ear.frames <= i) {
            pen_turn(*state);
        }
    }
    assert_int_equal(ear.bytes, 200000);
    ear_expect(&ear, "h"); /* The last: letter 199,999 mod 26. */
    ear_done(&ear);
    ear_done(&other);
}

static void frames_of_all_sizes_come_whole(void **state) {
    static const size_t sizes[] = {1,     252,    253,     65531,   65532,           65533,
                                   65536, 262144, 1 << 20, 9999999, SCRIPT_FRAME_MAX};
    struct ear ear;
    ear_start(&ear, *state);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char order[32];
        (void)snprintf(order, sizeof order, "b%zu", sizes[i]);
        ear_tell(&ear, order);
        ear_tell(&ear, "ebehind");
        while (ear.frames < 2 * i + 2) {
            ear_wait(&ear);
        }
        ear_expect(&ear, "ebehind");
        assert_int_equal(ear.len_before, sizes[i]);
        assert_int_equal(strspn(ear.before, "x"), sizes[i]);
    }
    ear_done(&ear);
}

static void orders_larger_than_the_socket_go_through(void **state) {
    enum { SIZE = 6 << 20 };
    struct ear ear;
    ear_start(&ear, *state);
    char *order = mem_new(SIZE);
    memset(order, 'e', SIZE);
    for (unsigned i = 0; i < 3; i++) {
        order[SIZE - 1] = (char)('0' + i);
        ear_tell_bytes(&ear, (struct bytes){order, SIZE});
    }
    for (unsigned i = 0; i < 3; i++) {
        ear_wait(&ear);
        assert_int_equal(ear.len, SIZE);
        assert_int_equal(ear.last[SIZE - 1], '0' + (int)i);
        order[SIZE - 1] = (char)('0' + i);
        assert_memory_equal(ear.last, order, SIZE);
    }
    mem_free(order);
    ear_done(&ear);
}

static void lengths_that_are_not_allowed_end_it(void **state) {
    static const char *const orders[] = {"l0", "l16777217", "l4294967295"};
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        struct ear ear;
        ear_start(&ear, *state);
        ear_ask(&ear, "ebefore");
        ear_tell(&ear, orders[i]);
        ear_wait_end(&ear, SCRIPT_REFUSED);
        ear_expect(&ear, "ebefore");
        ear_done(&ear);
    }
    struct scripts_stats stats;
    scripts_get_stats(((struct pen *)*state)->scripts, &stats);
    assert_int_equal(stats.killed, COUNT_OF(orders));
    assert_int_equal(stats.live, 0);
}

static void a_length_that_lies_takes_no_memory(void **state) {
    struct ear liar, other;
    ear_start(&liar, *state);
    ear_start(&other, *state);
    ear_ask(&other, "efirst");
    struct mallinfo2 before = mallinfo2();
    ear_tell(&liar, "l16000000");
    for (unsigned i = 0; i < 10; i++) {
        ear_ask(&other, "eturn");
    }
    struct mallinfo2 after = mallinfo2();
    assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + (1 << 20));
    ear_done(&liar);
    ear_done(&other);
}

static void a_frame_that_finds_no_memory_ends_it(void **state) {
    struct ear ear;
    ear_start(&ear, *state);
    ear_ask(&ear, "e");
    poor = true;
    ear_tell(&ear, "b5000000");
    ear_wait_end(&ear, SCRIPT_REFUSED);
    poor = false;
    ear_done(&ear);
}

static void one_that_takes_nothing_is_ended_and_not_filled(void **state) {
    enum { SIZE = 70 << 20 };
    struct ear ear;
    ear_start(&ear, *state);
    ear_tell(&ear, "s");
    for (unsigned i = 0; i < 2; i++) {
        const struct script_piece frame = {mem_new(SIZE), SIZE};
        script_send(ear.worker, &frame, 1);
    }
    assert_false(ear.ended);
    ear_wait_end(&ear, SCRIPT_REFUSED);
    ear_done(&ear);
}

#define PEN(test) cmocka_unit_test_setup_teardown(test, pen_open, pen_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        PEN(a_worker_answers_what_it_is_told),
        PEN(frames_come_whole_in_whatever_pieces),
        PEN(many_frames_in_one_write_are_heard_in_order_and_others_between),
        PEN(frames_of_all_sizes_come_whole),
        PEN(orders_larger_than_the_socket_go_through),
        PEN(lengths_that_are_not_allowed_end_it),
        PEN(a_length_that_lies_takes_no_memory),
        PEN(a_frame_that_finds_no_memory_ends_it),
        PEN(one_that_takes_nothing_is_ended_and_not_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
