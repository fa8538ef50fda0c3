/* Lines of programs, as they come: long ones become shorter ones with the same members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/line.h"
#include "agent/program.h"
#include "base/utf8.h"

enum { MAX = 1024 };
#define MARK "\\n[drover: "

/* All lines of the output, fed a piece at a time: each with its form and what was left out. */
static void lines_read(enum program_text_kind kind, struct bytes output, size_t piece,
                       struct text *all) {
    struct program_line line = {.max = 0};
    program_line_init(&line, kind, MAX);
    while (output.len > 0) {
        enum program_line_state state;
        enum program_line_form form = PROGRAM_LINE_WHOLE;
        struct bytes text = BYTES("");
        const struct bytes next = {output.data, output.len < piece ? output.len : piece};
        const size_t used = program_line_feed(&line, next, &state, &text, &form);
        assert_true(used > 0 && used <= next.len);
        output = (struct bytes){output.data + used, output.len - used};
        if (output.len == 0 && state == LINE_BEGUN) {
            state = program_line_end(&line, &text, &form);
        }
        if (state != LINE_BEGUN) {
            assert_true(text.len <= MAX);
            text_addf(all, "%d %d %lld ", (int)state, (int)form, (long long)line.left_out);
            text_add(all, text.data, text.len);
            text_add_char(all, '\n');
            program_line_clear(&line);
        }
        if (state == LINE_SKIPPED) {
            break;
        }
    }
    program_line_done(&line);
}

static void check(enum program_text_kind kind, const struct text *output, struct bytes wanted) {
    for (size_t piece = 1; piece <= output->len; piece += piece < 9 ? 1 : piece) {
        AUTO(text_done) struct text all = text_up_to(1 << 20);
        lines_read(kind, text_bytes(output), piece, &all);
        if (!bytes_equal(text_bytes(&all), wanted)) {
            fail_msg("by %zu: %.*s", piece, (int)all.len, all.data);
        }
    }
}

static void times(struct text *text, const char *word, int count) {
    for (int i = 0; i < count; i++) {
        text_add_str(text, word);
    }
}

static void a_line_that_is_short_is_as_it_came(void **state) {
    (void)state;
    AUTO(text_done) struct text output = text_up_to(1 << 20), wanted = text_up_to(1 << 20);
    text_add_str(&output, "{\"a\" : 1}\n\nnoise\n{\"b\": \"");
    times(&output, "x", 900);
    text_add_str(&output, "\"}");
    text_add_str(&wanted, "1 0 0 {\"a\" : 1}\n1 0 0 \n1 0 0 noise\n1 0 0 {\"b\": \"");
    times(&wanted, "x", 900);
    text_add_str(&wanted, "\"}\n");
    check(PROGRAM_PRINTS_JSON, &output, text_bytes(&wanted));
}

static void a_long_string_has_its_beginning_and_a_mark(void **state) {
    (void)state;
    AUTO(text_done) struct text output = text_up_to(1 << 20), wanted = text_up_to(1 << 20);
    text_add_str(&output, "{\"a\": \"");
    times(&output, "\\u00e9", 500); /* Six bytes, of which none is kept alone. */
    text_add_str(&output, "\", \"type\": \"result\"}\n{}\n");
    text_add_str(&wanted, "1 1 2490 {\"a\":\"");
    times(&wanted, "\\u00e9", 85);
    text_add_str(&wanted, MARK "2490 bytes are left out]\",\"type\":\"result\"}\n1 0 0 {}\n");
    check(PROGRAM_PRINTS_JSON, &output, text_bytes(&wanted));
}

static void a_long_list_ends_early_and_the_members_after_it_are_kept(void **state) {
    (void)state;
    AUTO(text_done) struct text output = text_up_to(1 << 20);
    text_add_str(&output, "{\"a\":[0");
    times(&output, ",1,{\"b\":[2,\"]\"]}", 400);
    text_add_str(&output, "],\"type\":7}\n");
    for (size_t piece = 1; piece < 4096; piece *= 3) {
        AUTO(text_done) struct text all = text_up_to(1 << 20);
        AUTO(json_release) json_t *json = NULL;
        lines_read(PROGRAM_PRINTS_JSON, text_bytes(&output), piece, &all);
        assert_memory_equal(all.data, "1 1 ", 4);
        const char *from = strchr(all.data, '{');
        const size_t len = all.len - 1 - (size_t)(from - all.data);
        assert_int_equal(json_parse(from, len, JSON_DEPTH_MAX, &json, NULL).code, ERR_NONE);
        assert_int_equal(json_int(json, "type", 0), 7);
        assert_true(json_array_size(json_object_get(json, "a")) > 50);
    }
}

static void bytes_that_are_no_text_are_replaced(void **state) {
    (void)state;
    AUTO(text_done) struct text output = text_up_to(1 << 20);
    text_add_str(&output, "{\"a\":\"\xff\xc3\xa9\xe2\x82\"}\n\xf0\x9f\x90\x91\xc0\x80");
    check(PROGRAM_PRINTS_JSON, &output,
          BYTES("1 0 0 {\"a\":\"\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"}\n"
                "1 0 0 \xf0\x9f\x90\x91\xef\xbf\xbd\xef\xbf\xbd\n"));
}

static void text_comes_in_parts_and_none_of_it_is_left_out(void **state) {
    (void)state;
    AUTO(text_done) struct text output = text_up_to(1 << 20), all = text_up_to(1 << 20);
    times(&output, "\xf0\x9f\x90\x91", 1000);
    lines_read(PROGRAM_PRINTS_TEXT, text_bytes(&output), 3, &all);
    size_t sheep = 0;
    for (const char *at = all.data;
         (at = memmem(at, all.len - (size_t)(at - all.data), "\xf0\x9f\x90\x91", 4)) != NULL;
         at += 4) {
        sheep++;
    }
    assert_int_equal(sheep, 1000);
    assert_true(utf8_valid(all.data, all.len));
    assert_memory_equal(all.data, "1 2 0 ", 6); /* A part. */
}

static void a_line_without_an_end_is_skipped(void **state) {
    (void)state;
    AUTO(text_done) struct text output = text_up_to(1 << 20), all = text_up_to(1 << 20);
    text_add_str(&output, "{\"a\":\"");
    times(&output, "0123456789abcdef", LINE_TIMES * MAX / 16);
    lines_read(PROGRAM_PRINTS_JSON, text_bytes(&output), 1000, &all);
    assert_memory_equal(all.data, "3 ", 2);
    text_clear(&output);
    text_clear(&all);
    times(&output, "{", 3 * MAX); /* Nothing of it can be left out. */
    lines_read(PROGRAM_PRINTS_JSON, text_bytes(&output), 1000, &all);
    assert_memory_equal(all.data, "2 ", 2);
}

static void gaps_are_summed_and_known_over_a_restart(void **state) {
    (void)state;
    const struct agent_definition agent = {.name = "a", .program = "plain"};
    struct program_reader *reader = program_reader_new(program_find(BYTES("plain")), &agent);
    AUTO(text_done) struct text saved = text_up_to(PROGRAM_STATE_MAX);
    for (int64_t at = 100; at <= 300; at += 200) {
        program_drop(reader,
                     (struct program_dropped){.gone = 10, .gone_from = at, .gone_to = at + 10});
    }
    program_reader_save(reader, &saved);
    program_reader_free(reader);
    reader = program_reader_new(program_find(BYTES("plain")), &agent);
    assert_true(program_reader_load(reader, text_bytes(&saved)));
    const struct program_dropped dropped = program_seen(reader).dropped;
    assert_int_equal(dropped.gone, 20);
    assert_int_equal(dropped.gone_from, 100);
    assert_int_equal(dropped.gone_to, 310);
    program_reader_free(reader);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_is_short_is_as_it_came),
        cmocka_unit_test(a_long_string_has_its_beginning_and_a_mark),
        cmocka_unit_test(a_long_list_ends_early_and_the_members_after_it_are_kept),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(text_comes_in_parts_and_none_of_it_is_left_out),
        cmocka_unit_test(a_line_without_an_end_is_skipped),
        cmocka_unit_test(gaps_are_summed_and_known_over_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
