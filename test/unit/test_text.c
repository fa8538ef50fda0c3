/* The bounded builder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"

void *__real_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size);

static bool exhausted;

void *__wrap_mem_try_grow(void *old, size_t size) {
    return exhausted ? NULL : __real_mem_try_grow(old, size);
}

static void parts_are_joined_and_always_terminated(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 1000);
    text_add(&text, "abc", 2);
    text_add_str(&text, "-");
    text_add_char(&text, 'c');
    text_addf(&text, "%s=%d", "n", 5);
    text_add(&text, NULL, 0);
    assert_string_equal(text.data, "ab-cn=5");
    assert_int_equal(text.len, 7);
    text_clear(&text);
    assert_string_equal(text.data, "");
    assert_false(text_failed(&text));
}

static void integers_are_written_up_to_both_ends(void **state) {
    (void)state;
    static const struct {
        int64_t value;
        const char *spelt;
    } cases[] = {{0, "0"},
                 {-1, "-1"},
                 {10, "10"},
                 {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(text_done) struct text text;
        text_init(&text, 20);
        text_add_int(&text, cases[i].value);
        assert_string_equal(text.data, cases[i].spelt);
    }
}

static void members_are_separated_by_commas(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 1000);
    text_add_char(&text, '{');
    text_add_member(&text, "a", BYTES("x\"{"));
    text_add_member_or_null(&text, "b", BYTES(""));
    text_add_member_or_null(&text, "c", BYTES("y"));
    text_add_name(&text, "d");
    text_add_char(&text, '{');
    text_add_member_int(&text, "e", -1);
    text_add_char(&text, '}');
    text_add_member_bool(&text, "f", true);
    text_add_char(&text, '}');
    assert_string_equal(text.data, "{\"a\":\"x\\\"{\",\"b\":null,\"c\":\"y\",\"d\":{\"e\":-1},"
                                   "\"f\":true}");
}

static void bytes_with_a_nul_are_kept_whole(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 10);
    text_add(&text, "a\0b", 3);
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.data, "a\0b", 4);
}

static void exactly_the_bound_fits_and_one_byte_more_fails_whole(void **state) {
    (void)state;
    for (size_t bound = 0; bound < 300; bound++) {
        AUTO(text_done) struct text text;
        text_init(&text, bound);
        for (size_t i = 0; i < bound; i++) {
            text_add_char(&text, 'x');
        }
        assert_false(text_failed(&text));
        assert_int_equal(text.len, bound);
        text_add_str(&text, "yz");
        assert_true(text_failed(&text));
        assert_int_equal(text.len, bound); /* Nothing of the addition went in. */
        text_add(&text, "", 0);
        assert_true(text_failed(&text)); /* Remembered. */
    }
}

static void nothing_is_added_after_a_failure_even_if_it_would_fit(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 4);
    text_add_str(&text, "ab");
    text_add_str(&text, "cde");
    text_add_str(&text, "f");
    text_addf(&text, "%d", 1);
    text_add_int(&text, 1);
    assert_string_equal(text.data, "ab");
    text_clear(&text);
    text_add_str(&text, "abcd");
    assert_false(text_failed(&text));
}

static void a_formatted_part_is_bounded_too(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 100);
    text_addf(&text, "%099d", 7);
    assert_int_equal(text.len, 99);
    text_addf(&text, "%d", 10);
    assert_true(text_failed(&text));
}

static void json_strings_are_quoted_and_escaped(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 1000);
    static const char input[] = "a\"b\\c\b\f\n\r\t\x01\x1f\x7f\0/\u00e9";
    text_add_json(&text, input, sizeof input - 1);
    assert_string_equal(text.data,
                        "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000/\u00e9\"");
    text_clear(&text);
    text_add_json(&text, NULL, 0);
    assert_string_equal(text.data, "\"\"");
}

static void a_json_string_is_valid_whatever_the_bytes_were(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 100);
    static const char input[] = "\xff"
                                "a\"\xc3"
                                "b\xed\xa0\x80\n\xf0\x9f";
    text_add_json(&text, input, sizeof input - 1);
    assert_string_equal(text.data, "\"\xef\xbf\xbd"
                                   "a\\\"\xef\xbf\xbd"
                                   "b"
                                   "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\n"
                                   "\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void a_taken_text_is_the_callers_and_the_builder_starts_anew(void **state) {
    (void)state;
    struct text text;
    text_init(&text, 100);
    text_add_str(&text, "abc");
    size_t len = 0;
    char *taken = text_take(&text, &len);
    assert_string_equal(taken, "abc");
    assert_int_equal(len, 3);
    mem_free(taken);
    assert_null(text.data);
    text_add_str(&text, "de");
    assert_string_equal(text.data, "de");
    text_done(&text);
}

static void an_empty_text_can_be_taken(void **state) {
    (void)state;
    struct text text;
    text_init(&text, 0);
    char *taken = text_take(&text, /* ret_len */ NULL);
    assert_string_equal(taken, "");
    mem_free(taken);
}

static void without_memory_the_builder_fails_and_keeps_what_it_had(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 10000);
    text_add_str(&text, "kept");
    exhausted = true;
    text_addf(&text, "%0500d", 1);
    exhausted = false;
    assert_true(text_failed(&text));
    assert_string_equal(text.data, "kept");
    assert_int_equal(text_error(&text, "test").code, ERR_OUT_OF_MEMORY);
}

static void a_text_beyond_its_bound_is_no_want_of_memory(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 4);
    text_add_str(&text, "12345");
    assert_true(text_failed(&text));
    struct err err = text_error(&text, "test: step");
    assert_int_equal(err.code, ERR_TEXT_TOO_LONG);
    assert_string_equal(err.step, "test: step");
    text_clear(&text); /* What could not be copied elsewhere. */
    assert_int_equal(text_error(&text, "test").code, ERR_OUT_OF_MEMORY);
}

static void a_text_can_go_back_to_where_it_was_before_it_failed(void **state) {
    (void)state;
    AUTO(text_done) struct text text;
    text_init(&text, 8);
    text_add_str(&text, "kept");
    text_add_str(&text, ",12");
    text_add_str(&text, "34");
    assert_true(text_failed(&text));
    text_cut(&text, 4);
    assert_false(text_failed(&text));
    text_add_str(&text, ",5");
    assert_string_equal(text.data, "kept,5");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_joined_and_always_terminated),
        cmocka_unit_test(integers_are_written_up_to_both_ends),
        cmocka_unit_test(members_are_separated_by_commas),
        cmocka_unit_test(bytes_with_a_nul_are_kept_whole),
        cmocka_unit_test(exactly_the_bound_fits_and_one_byte_more_fails_whole),
        cmocka_unit_test(nothing_is_added_after_a_failure_even_if_it_would_fit),
        cmocka_unit_test(a_formatted_part_is_bounded_too),
        cmocka_unit_test(json_strings_are_quoted_and_escaped),
        cmocka_unit_test(a_json_string_is_valid_whatever_the_bytes_were),
        cmocka_unit_test(a_taken_text_is_the_callers_and_the_builder_starts_anew),
        cmocka_unit_test(an_empty_text_can_be_taken),
        cmocka_unit_test(without_memory_the_builder_fails_and_keeps_what_it_had),
        cmocka_unit_test(a_text_beyond_its_bound_is_no_want_of_memory),
        cmocka_unit_test(a_text_can_go_back_to_where_it_was_before_it_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
