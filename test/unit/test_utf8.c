/* Strict UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/utf8.h"

struct sample {
    struct bytes text;
    size_t valid;
};

static const struct sample samples[] = {
    {BYTES_INIT(""), 0},
    {BYTES_INIT("plain ASCII, longer than eight bytes"), 36},
    {BYTES_INIT("\0\x01\x7f"), 3},
    {BYTES_INIT("\xc2\x80"), 2},
    {BYTES_INIT("\xdf\xbf"), 2},
    {BYTES_INIT("\xe0\xa0\x80"), 3},
    {BYTES_INIT("\xed\x9f\xbf"), 3},
    {BYTES_INIT("\xee\x80\x80"), 3},
    {BYTES_INIT("\xef\xbf\xbf"), 3},
    {BYTES_INIT("\xf0\x90\x80\x80"), 4},
    {BYTES_INIT("\xf4\x8f\xbf\xbf"), 4},
    {BYTES_INIT("\x80"), 0},
    {BYTES_INIT("a\xbf"), 1},
    {BYTES_INIT("\xc0\x80"), 0},         /* Overlong. */
    {BYTES_INIT("\xc1\xbf"), 0},         /* Overlong. */
    {BYTES_INIT("\xe0\x9f\xbf"), 0},     /* Overlong. */
    {BYTES_INIT("\xf0\x8f\xbf\xbf"), 0}, /* Overlong. */
    {BYTES_INIT("\xed\xa0\x80"), 0},     /* Surrogate. */
    {BYTES_INIT("\xed\xbf\xbf"), 0},     /* Surrogate. */
    {BYTES_INIT("\xf4\x90\x80\x80"), 0}, /* Beyond U+10FFFF. */
    {BYTES_INIT("\xf5\x80\x80\x80"), 0},
    {BYTES_INIT("\xf8\x88\x80\x80\x80"), 0},
    {BYTES_INIT("\xfe"), 0},
    {BYTES_INIT("ok\xff"), 2},
    {BYTES_INIT("ok\xc3"), 2},         /* Cut. */
    {BYTES_INIT("ok\xe2\x82"), 2},     /* Cut. */
    {BYTES_INIT("ok\xf0\x9f\x98"), 2}, /* Cut. */
    {BYTES_INIT("\xc3(ok"), 0},
    {BYTES_INIT("\xe2\x28\xa1"), 0},
    {BYTES_INIT("\xe2\x82\x28"), 0},
    {BYTES_INIT("\xf0\x9f\x98\x28"), 0},
};

static void valid_text_is_told_from_the_first_bad_byte_on(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        struct bytes text = samples[i].text;
        /* An exact block, so that a sanitizer sees a read past the end. */
        AUTO(mem_release) char *exact = mem_try(text.len);
        memcpy(exact, text.data, text.len);
        assert_int_equal(utf8_valid_len(exact, text.len), samples[i].valid);
        assert_int_equal(utf8_valid(exact, text.len), samples[i].valid == text.len);
    }
    assert_true(utf8_valid(NULL, 0));
}

static void a_bad_byte_is_found_at_each_offset(void **state) {
    (void)state;
    char text[40];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        text[at] = (char)0xff;
        assert_int_equal(utf8_valid_len(text, sizeof text), at);
    }
}

/* Against the definition: decode, and see whether encoding gives the same bytes. */
static void every_sequence_of_two_and_three_bytes_is_judged_as_defined(void **state) {
    (void)state;
    unsigned valid_three = 0, valid_two = 0;
    for (unsigned n = 0x800000; n < 0x1000000; n++) {
        const char three[] = {(char)(n >> 16), (char)(n >> 8), (char)n};
        valid_three += utf8_valid(three, 3);
    }
    for (unsigned n = 0x8000; n < 0x10000; n++) {
        const char two[] = {(char)(n >> 8), (char)n};
        valid_two += utf8_valid(two, 2);
    }
    assert_int_equal(valid_two, 0x800 - 0x80);
    /* One character of three bytes, or of two bytes and ASCII behind it. */
    assert_int_equal(valid_three, (0x10000 - 0x800 - 0x800) + (0x800 - 0x80) * 0x80);
}

static void a_cut_never_ends_inside_a_character(void **state) {
    (void)state;
    static const struct bytes text = BYTES_INIT("a\u00e9\u20ac\U0001F600z"); /* 1+2+3+4+1 */
    static const size_t cuts[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11};
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        assert_int_equal(utf8_cut(text, i), cuts[i]);
    }
    assert_true(utf8_cut((struct bytes)BYTES_INIT("\x80\x80\x80\x80\x80\x80"), 5) <= 5);
}

static void plain_text_has_neither_controls_nor_bad_bytes(void **state) {
    (void)state;
    char text[] = "ok\x01\x1b\x7f\xc2\x85\xc2\xa0\u00e9\xff\xe2\x82";
    utf8_make_plain(text, sizeof text - 1);
    assert_string_equal(text, "ok?????\xc2\xa0\u00e9???");
    /* Only U+202A to U+202E and U+2066 to U+2069 change the direction of writing. */
    char turned[] = "\u2029\u202a\u202e\u202f\u2065\u2066\u2069\u206a";
    utf8_make_plain(turned, sizeof turned - 1);
    assert_string_equal(turned, "\u2029??????\u202f\u2065??????\u206a");
    assert_true(utf8_has_control((struct bytes)BYTES_INIT("a\u202eb")));
    assert_false(utf8_has_control((struct bytes)BYTES_INIT("a\u2014\u200d\u05d0")));
}

static size_t unescaped_by_the_letter(const char *text, size_t len) {
    size_t i = 0;
    while (i < len) {
        unsigned char byte = (unsigned char)text[i];
        size_t step = 1;
        if (byte < ' ' || byte == '"' || byte == '\\') {
            break;
        }
        while (step < 4 && i + step < len && utf8_valid_len(text + i, step) != step) {
            step++;
        }
        if (utf8_valid_len(text + i, step) != step) {
            break;
        }
        i += step;
    }
    return i;
}

/* Each byte at each offset, with another one after it that would stop, too: eight are looked at in
 * one step, and only the first of them counts. */
static void what_is_escaped_in_JSON_is_found_at_each_offset(void **state) {
    (void)state;
    static const char around[] = "plain, \x7f caf\u00e9 \u20ac \u0416\u0416\U0001F600 and more!";
    const size_t len = sizeof around - 1;
    for (size_t at = 0; at + 1 < len; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            AUTO(mem_release) char *text = mem_copy(around, len);
            text[at] = (char)byte;
            assert_int_equal(utf8_unescaped_len(text, len), unescaped_by_the_letter(text, len));
            text[at + 1] = byte % 2 == 0 ? '"' : '\x01';
            assert_int_equal(utf8_unescaped_len(text, len), unescaped_by_the_letter(text, len));
        }
    }
    for (size_t cut = 0; cut < len; cut++) {
        AUTO(mem_release) char *exact = mem_try(cut);
        memcpy(exact, around, cut);
        assert_int_equal(utf8_unescaped_len(exact, cut), unescaped_by_the_letter(exact, cut));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_text_is_told_from_the_first_bad_byte_on),
        cmocka_unit_test(a_bad_byte_is_found_at_each_offset),
        cmocka_unit_test(every_sequence_of_two_and_three_bytes_is_judged_as_defined),
        cmocka_unit_test(what_is_escaped_in_JSON_is_found_at_each_offset),
        cmocka_unit_test(a_cut_never_ends_inside_a_character),
        cmocka_unit_test(plain_text_has_neither_controls_nor_bad_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
