/* The way back to the loop: what is told first, and that nobody starves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "store/delivery.h"

/* What was told, one letter each: w for a write, r for a read, n for a note, l for the loss. */
struct told {
    struct loop *loop;
    struct delivery delivery;
    char letters[1024];
    size_t count;
    struct world world; /* Its clock goes on by step_ns with each answer. */
    uint64_t now_ns, step_ns;
    unsigned followers; /* Groups that the answers to writes make finish, one after the other. */
};

static void tell(struct told *told, char letter) {
    assert_true(told->count + 1 < sizeof told->letters);
    told->letters[told->count] = letter;
    told->count++;
}

static uint64_t now(void *ctx) {
    const struct told *told = ctx;
    return told->now_ns;
}

static void note_told(void *ctx, struct bytes note) {
    (void)note;
    tell(ctx, 'n');
}

static void lost_told(void *ctx, struct err err) {
    (void)err;
    tell(ctx, 'l');
}

static void read_told(struct err result, void *ctx) {
    (void)result;
    struct told *told = ctx;
    told->now_ns += told->step_ns;
    tell(told, 'r');
}

static void finish_group(struct told *told, size_t writes);

static void write_told(struct err result, void *ctx) {
    (void)result;
    struct told *told = ctx;
    told->now_ns += told->step_ns;
    tell(told, 'w');
    if (told->followers > 0) {
        told->followers--;
        finish_group(told, 1);
    }
}

static void finish_group(struct told *told, size_t writes) {
    struct group *group = delivery_group(&told->delivery);
    assert_false(err_failed(notes_add(&group->notes, 0, BYTES("note"))));
    for (size_t i = 0; i < writes; i++) {
        struct call *call = call_pool_take(&told->delivery.pool);
        *call = (struct call){.done = write_told, .ctx = told};
        calls_push(&group->calls, call);
        told->delivery.writes++;
    }
    delivery_group_finished(&told->delivery, group);
}

static void finish_reads(struct told *told, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct call *call = call_pool_take(&told->delivery.pool);
        *call = (struct call){.done = read_told, .ctx = told};
        told->delivery.reads++;
        delivery_read_finished(&told->delivery, call);
    }
}

static int open_told(void **state) {
    struct told *told = mem_new(sizeof *told);
    assert_false(err_failed(loop_open(&(struct loop_options){.world = world_real()}, &told->loop)));
    told->world = (struct world){.ctx = told, .mono_ns = now};
    struct store_options options = {
        .loop = told->loop, .world = &told->world, .lost = lost_told, .ctx = told};
    options.notes[0] = (struct store_note_kind){.deliver = note_told, .ctx = told};
    delivery_init(&told->delivery, &options);
    *state = told;
    return 0;
}

static int close_told(void **state) {
    struct told *told = *state;
    delivery_done(&told->delivery);
    loop_close(told->loop);
    mem_free(told);
    return 0;
}

static void groups_are_told_in_order_notes_first(void **state) {
    struct told *told = *state;
    finish_group(told, 2);
    finish_group(told, 1);
    loop_drain(told->loop);
    assert_string_equal(told->letters, "nwwnw");
    assert_int_equal(told->delivery.writes, 0);
}

static void a_message_carries_a_group_and_a_few_reads(void **state) {
    struct told *told = *state;
    finish_group(told, 1);
    finish_group(told, 1);
    finish_group(told, 1);
    finish_reads(told, 20);
    loop_drain(told->loop);
    assert_string_equal(told->letters, "nwrrrrrrrrrrrrrrrrnwrrrrnw");
    assert_int_equal(told->delivery.reads, 0);
}

static void reads_are_told_while_groups_never_stop_coming(void **state) {
    struct told *told = *state;
    told->followers = 100;
    finish_group(told, 1);
    finish_reads(told, 1);
    loop_drain(told->loop);
    assert_int_equal(told->count, 2 * 101 + 1);
    assert_int_equal(strcspn(told->letters, "r"), 2);
}

static void reads_go_with_the_rest_of_a_large_group(void **state) {
    struct told *told = *state;
    finish_group(told, 200);
    finish_reads(told, 20);
    loop_drain(told->loop);
    assert_int_equal(told->count, 1 + 200 + 20);
    assert_int_equal(strcspn(told->letters, "r"), 1 + 64);
    assert_int_equal(strrchr(told->letters, 'r') - told->letters, 1 + 64 + 16 + 64 + 4 - 1);
}

static void slow_answers_end_a_message_by_the_clock_of_the_world(void **state) {
    struct told *told = *state;
    told->step_ns = 200 * 1000;
    finish_group(told, 3);
    finish_group(told, 1);
    finish_reads(told, 3);
    loop_drain(told->loop);
    assert_string_equal(told->letters, "nwwrrwrnw");
    assert_int_equal(told->delivery.reads + told->delivery.writes, 0);
}

static void a_loss_is_told_once_after_every_group(void **state) {
    struct told *told = *state;
    finish_group(told, 100);
    finish_group(told, 1);
    delivery_lost(&told->delivery, delivery_group(&told->delivery),
                  err_make(ERR_STORE_LOST, "test"));
    loop_drain(told->loop);
    assert_int_equal(told->count, 1 + 100 + 2 + 1);
    assert_int_equal(strcspn(told->letters, "l"), told->count - 1);
    finish_reads(told, 1);
    loop_drain(told->loop);
    assert_int_equal(told->count, 1 + 100 + 2 + 1);
}

int main(void) {
#define TOLD_TEST(name) cmocka_unit_test_setup_teardown(name, open_told, close_told)
    const struct CMUnitTest tests[] = {
        TOLD_TEST(groups_are_told_in_order_notes_first),
        TOLD_TEST(a_message_carries_a_group_and_a_few_reads),
        TOLD_TEST(reads_are_told_while_groups_never_stop_coming),
        TOLD_TEST(reads_go_with_the_rest_of_a_large_group),
        TOLD_TEST(slow_answers_end_a_message_by_the_clock_of_the_world),
        TOLD_TEST(a_loss_is_told_once_after_every_group),
    };
#undef TOLD_TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
