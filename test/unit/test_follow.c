/* The order of a stream, checked by whoever follows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/stream/follow.h"

struct copy {
    int64_t seqs[16];
    size_t count;
    int backs;
};

static void copy_event(void *ctx, const struct follow_event *event) {
    struct copy *copy = ctx;
    assert_true(copy->count < COUNT_OF(copy->seqs));
    copy->seqs[copy->count++] = event->seq;
}

static void count_back(void *ctx) {
    struct copy *copy = ctx;
    copy->backs++;
}

struct scene {
    struct copy copy;
    struct talk talk;
    struct follow_options options;
    struct why why;
    struct follow follow;
};

static void scene_begin(struct scene *scene, int64_t cursor, int64_t count) {
    *scene = (struct scene){.talk = {.warned_held = true, .world = world_real()},
                            .options = {.count = count, .on_event = copy_event}};
    scene->options.talk = &scene->talk;
    scene->options.ctx = &scene->copy;
    scene->follow =
        (struct follow){.options = &scene->options,
                        .why = &scene->why,
                        .cursor = cursor,
                        .outage = feed_outage_of(&scene->talk, 0 /* none is waited out */)};
}

static enum err_code give(struct scene *scene, struct bytes type, int64_t seq) {
    struct follow_event event = {.seq = seq, .type = type, .data = BYTES("null")};
    return follow__event(&scene->follow, &event).code;
}

static void a_repeat_after_a_reconnect_is_dropped(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 0, 0);
    static const int64_t seqs[] = {1, 2, 1, 2, 3};
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        assert_int_equal(give(&scene, BYTES("t"), seqs[i]), ERR_NONE);
    }
    assert_int_equal(scene.copy.count, 3);
    assert_int_equal(scene.follow.cursor, 3);
}

static void a_gap_is_an_error_and_nothing_is_handed_out(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 5, 0);
    assert_int_equal(give(&scene, BYTES("t"), 7), ERR_STORE_CORRUPT);
    assert_int_equal(scene.copy.count, 0);
    assert_string_equal(scene.why.text, "the stream has a gap: event 7 came after 5");
}

static void a_snapshot_moves_the_cursor_to_the_floor(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 2, 0);
    assert_int_equal(give(&scene, BYTES("snapshot"), 10), ERR_NONE);
    assert_int_equal(give(&scene, BYTES("t"), 11), ERR_NONE);
    assert_int_equal(scene.copy.count, 2);
    /* One that was asked for stands below the cursor, and takes nothing back. */
    assert_int_equal(give(&scene, BYTES("snapshot"), 10), ERR_NONE);
    assert_int_equal(scene.follow.cursor, 11);
}

static void it_ends_after_as_many_as_were_asked_for(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 0, 2);
    assert_int_equal(give(&scene, BYTES("snapshot"), 0), ERR_NONE);
    assert_int_equal(give(&scene, BYTES("t"), 1), ERR_NONE);
    assert_false(scene.follow.ended);
    assert_int_equal(give(&scene, BYTES("t"), 2), ERR_NONE);
    assert_true(scene.follow.ended);
}

static void who_was_told_of_trouble_hears_once_that_it_is_over(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 0, 0);
    scene.options.on_back = count_back;
    assert_int_equal(give(&scene, BYTES("t"), 1), ERR_NONE);
    assert_int_equal(scene.copy.backs, 0);
    scene.follow.outage.pause_ms = 20;
    assert_int_equal(give(&scene, BYTES("t"), 2), ERR_NONE);
    assert_int_equal(give(&scene, BYTES("t"), 3), ERR_NONE);
    assert_int_equal(scene.copy.backs, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_after_a_reconnect_is_dropped),
        cmocka_unit_test(a_gap_is_an_error_and_nothing_is_handed_out),
        cmocka_unit_test(a_snapshot_moves_the_cursor_to_the_floor),
        cmocka_unit_test(it_ends_after_as_many_as_were_asked_for),
        cmocka_unit_test(who_was_told_of_trouble_hears_once_that_it_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
