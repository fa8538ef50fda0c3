/* The order of a log, checked by whoever follows it, and how its pieces are printed as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/job/log_follow.h"

struct scene {
    struct text seen; /* "offset:bytes|" of pieces, "from-to|" of holes. */
    struct log_follow_options options;
    struct log_cursor cursor;
    struct why why;
};

static void piece_copy(void *ctx, const struct log_piece *piece) {
    struct scene *scene = ctx;
    text_addf(&scene->seen, "%lld:", (long long)piece->offset);
    text_add(&scene->seen, piece->bytes.data, piece->bytes.len);
    text_add_char(&scene->seen, '|');
}

static void hole_copy(void *ctx, const struct log_hole *hole) {
    struct scene *scene = ctx;
    text_addf(&scene->seen, "%lld-%lld|", (long long)hole->from, (long long)hole->to);
}

static void scene_begin(struct scene *scene, int64_t next) {
    *scene = (struct scene){.options = {.piece = piece_copy, .hole = hole_copy}};
    text_init(&scene->seen, 1 << 16);
    scene->options.ctx = scene;
    scene->cursor =
        (struct log_cursor){.options = &scene->options, .stream = JOB_OUT, .next = next};
}

static enum err_code output(struct scene *scene, const char *json) {
    AUTO(json_release) json_t *data = NULL;
    assert_int_equal(json_parse(json, strlen(json), 8, &data, &scene->why).code, ERR_NONE);
    return log_cursor_output(&scene->cursor, data, &scene->why).code;
}

static enum err_code dropped(struct scene *scene, const char *json) {
    AUTO(json_release) json_t *data = NULL;
    assert_int_equal(json_parse(json, strlen(json), 8, &data, &scene->why).code, ERR_NONE);
    return log_cursor_dropped(&scene->cursor, data, &scene->why).code;
}

static void text_and_base64_are_the_same_bytes(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 0);
    assert_int_equal(output(&scene, "{\"offset\":0,\"next\":3,\"text\":\"abc\"}"), ERR_NONE);
    assert_int_equal(output(&scene, "{\"offset\":3,\"next\":6,\"base64\":\"ZGVm\"}"), ERR_NONE);
    assert_string_equal(scene.seen.data, "0:abc|3:def|");
    assert_int_equal(scene.cursor.next, 6);
    text_done(&scene.seen);
}

static void a_nul_byte_is_a_byte(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 0);
    assert_int_equal(output(&scene, "{\"offset\":0,\"next\":3,\"text\":\"a\\u0000b\"}"), ERR_NONE);
    assert_int_equal(scene.cursor.next, 3);
    assert_int_equal(scene.seen.len, 6);
    assert_memory_equal(scene.seen.data, "0:a\0b|", 6);
    text_done(&scene.seen);
}

static void what_was_seen_before_a_reconnect_is_not_shown_again(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 0);
    assert_int_equal(output(&scene, "{\"offset\":0,\"next\":3,\"text\":\"abc\"}"), ERR_NONE);
    assert_int_equal(output(&scene, "{\"offset\":1,\"next\":3,\"text\":\"bc\"}"), ERR_NONE);
    assert_int_equal(output(&scene, "{\"offset\":2,\"next\":5,\"text\":\"cde\"}"), ERR_NONE);
    assert_string_equal(scene.seen.data, "0:abc|3:de|");
    assert_int_equal(scene.cursor.next, 5);
    text_done(&scene.seen);
}

static void a_gap_is_an_error_and_nothing_is_handed_out(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 5);
    assert_int_equal(output(&scene, "{\"offset\":7,\"next\":8,\"text\":\"x\"}"), ERR_INTERNAL);
    assert_int_equal(scene.seen.len, 0);
    assert_string_equal(scene.why.text, "the log has a gap: out byte 7 came after 5");
    text_done(&scene.seen);
}

static void a_hole_is_told_and_passed(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, 5);
    assert_int_equal(dropped(&scene, "{\"from\":5,\"to\":90}"), ERR_NONE);
    assert_int_equal(output(&scene, "{\"offset\":90,\"next\":91,\"text\":\"x\"}"), ERR_NONE);
    /* The same hole after a reconnect tells nothing new; a longer one only the rest. */
    assert_int_equal(dropped(&scene, "{\"from\":5,\"to\":90}"), ERR_NONE);
    assert_int_equal(dropped(&scene, "{\"from\":91,\"to\":95}"), ERR_NONE);
    assert_string_equal(scene.seen.data, "5-90|90:x|91-95|");
    text_done(&scene.seen);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "{\"offset\":0}",
        "{\"text\":\"x\"}",
        "{\"offset\":\"0\",\"text\":\"x\"}",
        "{\"offset\":0,\"base64\":\"x\"}",
        "{\"offset\":0,\"text\":7}",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct scene scene;
        scene_begin(&scene, 0);
        assert_int_equal(output(&scene, wrong[i]), ERR_INTERNAL);
        assert_int_equal(scene.seen.len, 0);
        assert_int_equal(dropped(&scene, "{\"from\":1}"), ERR_INTERNAL);
        text_done(&scene.seen);
    }
}

static void streams_have_names(void **state) {
    (void)state;
    enum job_stream stream = JOB_STREAM_COUNT;
    assert_true(job_stream_find("pty", &stream));
    assert_int_equal(stream, JOB_PTY);
    assert_false(job_stream_find("stdout", &stream));
    assert_string_equal(job_stream_name(JOB_ERR), "err");
}

static void a_piece_as_json_is_text_where_it_is_text(void **state) {
    (void)state;
    AUTO(text_done) struct text line = {0};
    text_init(&line, 1024);
    struct log_piece piece = {
        .stream = JOB_ERR, .attempt = 2, .offset = 4, .bytes = BYTES("a\n\"")};
    log_piece_json(&piece, &line);
    assert_string_equal(line.data, "{\"stream\":\"err\",\"attempt\":2,\"offset\":4,\"next\":7,"
                                   "\"text\":\"a\\n\\\"\"}\n");
    text_clear(&line);
    piece.bytes = BYTES("a\xff");
    log_piece_json(&piece, &line);
    assert_string_equal(line.data, "{\"stream\":\"err\",\"attempt\":2,\"offset\":4,\"next\":6,"
                                   "\"base64\":\"Yf8=\"}\n");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_base64_are_the_same_bytes),
        cmocka_unit_test(a_nul_byte_is_a_byte),
        cmocka_unit_test(what_was_seen_before_a_reconnect_is_not_shown_again),
        cmocka_unit_test(a_gap_is_an_error_and_nothing_is_handed_out),
        cmocka_unit_test(a_hole_is_told_and_passed),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(streams_have_names),
        cmocka_unit_test(a_piece_as_json_is_text_where_it_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
