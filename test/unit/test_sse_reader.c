/* Server-sent events, cut out of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/stream/sse_reader.h"

struct scene {
    struct sse_reader reader;
    struct text seen; /* "id type data|" of each frame. */
    struct why why;
    unsigned refuse_at; /* The frame that `frame_copy` refuses; 0: none. */
    unsigned count;
};

static struct err frame_copy(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct scene *scene = ctx;
    scene->count++;
    if (scene->count == scene->refuse_at) {
        why_set(why, "enough");
        return err_make(ERR_CLOSING, "test");
    }
    text_addf(&scene->seen, "%lld %.*s %.*s|", (long long)frame->id, (int)frame->type.len,
              frame->type.data, (int)frame->data.len,
              frame->data.data != NULL ? frame->data.data : "");
    return ERR_OK;
}

static void scene_begin(struct scene *scene) {
    *scene = (struct scene){.refuse_at = 0};
    text_init(&scene->seen, 1 << 16);
    sse_reader_init(&scene->reader);
    scene->reader.frame = frame_copy;
    scene->reader.ctx = scene;
}

static void scene_end(struct scene *scene) {
    text_done(&scene->seen);
    sse_reader_done(&scene->reader);
}

static enum err_code give(struct scene *scene, const char *bytes) {
    return sse_reader_feed(&scene->reader, (struct bytes){bytes, strlen(bytes)}, &scene->why).code;
}

static const char frames[] = ": hello\n\n"
                             "id: 7\nevent: output\ndata: {\"a\":1}\n\n"
                             "event: done\ndata: {}\nid: 9\n\n"
                             "event:bare\ndata:x\n\n";
static const char told[] = "7 output {\"a\":1}|9 done {}|9 bare x|";

static void frames_come_out_whole_and_in_order(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    assert_int_equal(give(&scene, frames), ERR_NONE);
    assert_string_equal(scene.seen.data, told);
    scene_end(&scene);
}

static void it_does_not_matter_where_the_bytes_are_cut(void **state) {
    (void)state;
    for (size_t step = 1; step < 9; step++) {
        struct scene scene;
        scene_begin(&scene);
        for (size_t at = 0; at < sizeof frames - 1; at += step) {
            size_t len = sizeof frames - 1 - at < step ? sizeof frames - 1 - at : step;
            struct bytes piece = {frames + at, len};
            assert_int_equal(sse_reader_feed(&scene.reader, piece, &scene.why).code, ERR_NONE);
        }
        assert_string_equal(scene.seen.data, told);
        scene_end(&scene);
    }
}

static void a_frame_that_its_connection_broke_in_never_comes(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    assert_int_equal(give(&scene, "id: 3\nevent: output\ndata: {\"lost\":tr"), ERR_NONE);
    sse_reader_clear(&scene.reader);
    assert_int_equal(give(&scene, "id: 3\nevent: output\ndata: {}\n\n"), ERR_NONE);
    assert_string_equal(scene.seen.data, "3 output {}|");
    scene_end(&scene);
}

static void an_id_that_is_no_number_ends_it(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    assert_int_equal(give(&scene, "id: seven\n"), ERR_IO);
    assert_string_equal(scene.why.text, "the daemon sent an id that is no number");
    scene_end(&scene);
}

static void a_line_without_end_is_refused(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    char *line = mem_new(1 << 16);
    memset(line, 'x', 1 << 16);
    struct err err = ERR_OK;
    unsigned pieces = 0;
    while (!err_failed(err) && pieces++ < 100) {
        err = sse_reader_feed(&scene.reader, (struct bytes){line, 1 << 16}, &scene.why);
    }
    assert_int_equal(err.code, ERR_IO);
    assert_true(pieces <= SSE_LINE_MAX / (1 << 16) + 1);
    mem_free(line);
    scene_end(&scene);
}

static void an_error_of_the_taker_stops_it_at_that_frame(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    scene.refuse_at = 2;
    assert_int_equal(give(&scene, frames), ERR_CLOSING);
    assert_string_equal(scene.seen.data, "7 output {\"a\":1}|");
    assert_string_equal(scene.why.text, "enough");
    scene_end(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_whole_and_in_order),
        cmocka_unit_test(it_does_not_matter_where_the_bytes_are_cut),
        cmocka_unit_test(a_frame_that_its_connection_broke_in_never_comes),
        cmocka_unit_test(an_id_that_is_no_number_ends_it),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(an_error_of_the_taker_stops_it_at_that_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
