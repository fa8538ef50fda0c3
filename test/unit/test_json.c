/* What json_parse accepts and refuses, and what json_write writes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"

struct good {
    struct bytes input;
    const char *output;
};

static const struct good goods[] = {
    {BYTES_INIT("{}"), "{}"},
    {BYTES_INIT("[]"), "[]"},
    {BYTES_INIT("null"), "null"},
    {BYTES_INIT("true"), "true"},
    {BYTES_INIT("false"), "false"},
    {BYTES_INIT("0"), "0"},
    {BYTES_INIT("-0"), "0"},
    {BYTES_INIT("7"), "7"},
    {BYTES_INIT("9223372036854775807"), "9223372036854775807"},
    {BYTES_INIT("-9223372036854775808"), "-9223372036854775808"},
    {BYTES_INIT("9007199254740993"), "9007199254740993"}, /* A double would make it ...992. */
    {BYTES_INIT("0.1"), "0.1"},
    {BYTES_INIT("-0.0"), "-0.0"},
    {BYTES_INIT("1.0"), "1.0"},
    {BYTES_INIT("1e2"), "100.0"},
    {BYTES_INIT("1E+2"), "100.0"},
    {BYTES_INIT("1e-7"), "1e-7"},
    {BYTES_INIT("1e300"), "1e+300"},
    {BYTES_INIT("1e-999"), "0.0"},
    {BYTES_INIT("0.3000000000000000444"), "0.30000000000000004"},
    {BYTES_INIT("0.30000000000000004"), "0.30000000000000004"},
    {BYTES_INIT("5e-324"), "5e-324"},
    {BYTES_INIT("2.2250738585072014e-308"), "2.2250738585072014e-308"},
    {BYTES_INIT("1.7976931348623157e308"), "1.7976931348623157e+308"},
    {BYTES_INIT("9007199254740993.0"), "9007199254740992.0"},
    {BYTES_INIT("123456789.12345679"), "123456789.12345679"},
    {BYTES_INIT("7.120236347223045e-307"), "7.120236347223045e-307"}, /* 2^-1017 */
    {BYTES_INIT("1e21"), "1e+21"},
    {BYTES_INIT("1e-10"), "1e-10"},
    {BYTES_INIT("-1.5e-05"), "-1.5e-5"},
    {BYTES_INIT("3.14159265358979"), "3.14159265358979"},
    {BYTES_INIT("\"\""), "\"\""},
    {BYTES_INIT("\"plain\""), "\"plain\""},
    {BYTES_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
    {BYTES_INIT("\"\\u0000\""), "\"\\u0000\""},
    {BYTES_INIT("\"a\\u0000b\""), "\"a\\u0000b\""},
    {BYTES_INIT("\"\\u001f\""), "\"\\u001f\""},
    {BYTES_INIT("\"\x7f\""), "\"\x7f\""},
    {BYTES_INIT("\"\\u00e9\""), "\"\u00e9\""},
    {BYTES_INIT("\"\u00e9\""), "\"\u00e9\""},
    {BYTES_INIT("\"\U0001F600\""), "\"\U0001F600\""},
    {BYTES_INIT("\"\\ud83d\\ude00\""), "\"\U0001F600\""},
    {BYTES_INIT("\"\\uD83D\\uDE00\""), "\"\U0001F600\""},
    {BYTES_INIT("\"\\ud83d\""), "\"\uFFFD\""},
    {BYTES_INIT("\"\\ude00\""), "\"\uFFFD\""},
    {BYTES_INIT("\"\\ud83dx\""), "\"\uFFFDx\""},
    {BYTES_INIT("\"\\ud83d\\n\""), "\"\uFFFD\\n\""},
    {BYTES_INIT("\"\\ud83d\\u0041\""), "\"\uFFFDA\""},
    {BYTES_INIT("\"\\ude00\\ud83d\""), "\"\uFFFD\uFFFD\""},
    {BYTES_INIT("\"\\ud83d\\ud83d\\ude00\""), "\"\uFFFD\U0001F600\""},
    {BYTES_INIT("\"\\\\ud83d\""), "\"\\\\ud83d\""}, /* An escaped backslash, then letters. */
    {BYTES_INIT("\"\\\\\\ud83d\""), "\"\\\\\uFFFD\""},
    {BYTES_INIT("{\"\\ud83d\":1}"), "{\"\uFFFD\":1}"},
    {BYTES_INIT("\"\\udbff\\udfff\""), "\"\U0010FFFF\""},
    {BYTES_INIT("\"\\uffff\\ufffe\""), "\"\uFFFF\uFFFE\""},
    {BYTES_INIT(" \t\r\n[ 1 , 2 ]\r\n"), "[1,2]"},
    {BYTES_INIT("{\"b\":1,\"a\":2,\"c\":{\"z\":0,\"y\":0}}"),
     "{\"b\":1,\"a\":2,\"c\":{\"z\":0,\"y\":0}}"},
    {BYTES_INIT("{\"\":1}"), "{\"\":1}"},
    {BYTES_INIT("{\"a\":1,\"A\":2}"), "{\"a\":1,\"A\":2}"},
    {BYTES_INIT("[\"[[[[[[[[[[\",\"{{{{{{{{{{\"]"), "[\"[[[[[[[[[[\",\"{{{{{{{{{{\"]"},
    {BYTES_INIT("[\"\\\"[[[[[[[[[[\"]"), "[\"\\\"[[[[[[[[[[\"]"},
    {BYTES_INIT("[[],[],[],[],[],[],[],[],[],[]]"), "[[],[],[],[],[],[],[],[],[],[]]"},
    {BYTES_INIT("[[[[[[[[1]]]]]]]]"), "[[[[[[[[1]]]]]]]]"},
    {BYTES_INIT("[1,\"a\",null,true,false,1.5,{}]"), "[1,\"a\",null,true,false,1.5,{}]"},
};

/* The tables use a bound of eight levels, so that their inputs can be read. */
enum { DEPTH = 8 };

static void accepted_values_are_written_back_compact_and_in_order(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(goods); i++) {
        json_t *json = NULL;
        struct why why = {""};
        struct err err = json_parse(goods[i].input.data, goods[i].input.len, DEPTH, &json, &why);
        if (err_failed(err)) {
            fail_msg("%s: %s", goods[i].input.data, why.text);
        }
        struct text text;
        text_init(&text, 4096);
        assert_int_equal(json_write(json, &text).code, ERR_NONE);
        assert_string_equal(text.data, goods[i].output);
        text_done(&text);
        json_release(&json);
        assert_null(json);
    }
}

static void what_was_written_is_read_and_written_the_same_again(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(goods); i++) {
        json_t *json = NULL;
        assert_false(err_failed(
            json_parse(goods[i].output, strlen(goods[i].output), DEPTH, &json, /* why */ NULL)));
        struct text text;
        text_init(&text, 4096);
        assert_int_equal(json_write(json, &text).code, ERR_NONE);
        assert_string_equal(text.data, goods[i].output);
        text_done(&text);
        json_release(&json);
    }
}

struct bad {
    struct bytes input;
    const char *why; /* A part of the sentence. */
};

static const struct bad bads[] = {
    {BYTES_INIT(""), "line 1, column 1: a JSON value is expected"},
    {BYTES_INIT(" \n\t"), "line 2, column 2: the text ends where a JSON value is expected"},
    {BYTES_INIT("\xEF\xBB\xBF{}"), "line 1, column 1: JSON must not start with a byte order mark"},
    {BYTES_INIT("nul"), "line 1, column 1: a JSON value is expected here"},
    {BYTES_INIT("nulL"), "a JSON value is expected here"},
    {BYTES_INIT("nullx"), "line 1, column 5: only one JSON value"},
    {BYTES_INIT("True"), "a JSON value is expected here"},
    {BYTES_INIT("NaN"), "a JSON value is expected here"},
    {BYTES_INIT("Infinity"), "a JSON value is expected here"},
    {BYTES_INIT("-Infinity"), "column 2: a digit is expected after the minus"},
    {BYTES_INIT("undefined"), "a JSON value is expected here"},
    {BYTES_INIT("'a'"), "a JSON value is expected here"},
    {BYTES_INIT("01"), "column 1: a number must not start with a needless 0"},
    {BYTES_INIT("[-01]"), "column 3: a number must not start with a needless 0"},
    {BYTES_INIT("00.5"), "needless 0"},
    {BYTES_INIT("-"), "column 2: a digit is expected after the minus"},
    {BYTES_INIT("--1"), "a digit is expected after the minus"},
    {BYTES_INIT("+1"), "a JSON value is expected here"},
    {BYTES_INIT(".5"), "a JSON value is expected here"},
    {BYTES_INIT("1."), "column 3: a digit is expected after the decimal point"},
    {BYTES_INIT("1.e5"), "after the decimal point"},
    {BYTES_INIT("1.-5"), "after the decimal point"},
    {BYTES_INIT("1e"), "a digit is expected in the exponent"},
    {BYTES_INIT("1e+"), "a digit is expected in the exponent"},
    {BYTES_INIT("1e+-5"), "a digit is expected in the exponent"},
    {BYTES_INIT("1e5.5"), "column 4: only one JSON value"},
    {BYTES_INIT("0x10"), "column 2: only one JSON value is expected, and more text follows it"},
    {BYTES_INIT("1 2"), "column 3: only one JSON value"},
    {BYTES_INIT("1_000"), "column 2: only one JSON value"},
    {BYTES_INIT("{} {}"), "column 4: only one JSON value"},
    {BYTES_INIT("[1]]"), "column 4: only one JSON value"},
    {BYTES_INIT("{}x"), "column 3: only one JSON value"},
    {BYTES_INIT("1\0"), "column 2: only one JSON value"},
    {BYTES_INIT("\0"), "column 1: a JSON value is expected here"},
    {BYTES_INIT("[1\0]"), "column 3: ',' or ']' is expected here"},
    {BYTES_INIT("\"a\0b\""), "column 3: a control character"},
    {BYTES_INIT("{}\n\0{}"), "line 2, column 1: only one JSON value"},
    {BYTES_INIT("\f1"), "column 1: a JSON value"},
    {BYTES_INIT("\u00a01"), "column 1: a JSON value"},
    {BYTES_INIT("["), "column 2: the text ends where a JSON value is expected"},
    {BYTES_INIT("[1"), "column 3: the text ends where ',' or ']' is expected"},
    {BYTES_INIT("[1,"), "column 4: the text ends"},
    {BYTES_INIT("[1,]"), "column 4: a JSON value is expected"},
    {BYTES_INIT("[1,,2]"), "column 4: a JSON value is expected"},
    {BYTES_INIT("[,1]"), "column 2: a JSON value is expected"},
    {BYTES_INIT("[1 2]"), "column 4: ',' or ']' is expected here"},
    {BYTES_INIT("[1}"), "column 3: ',' or ']' is expected here"},
    {BYTES_INIT("]"), "column 1: a JSON value is expected"},
    {BYTES_INIT("[}"), "column 2: a JSON value is expected"},
    {BYTES_INIT("{"), "column 2: the text ends where a key in double quotes is expected"},
    {BYTES_INIT("{]"), "column 2: a key in double quotes is expected here"},
    {BYTES_INIT("{\"a\"}"), "column 5: ':' is expected here"},
    {BYTES_INIT("{\"a\""), "column 5: the text ends where ':' is expected"},
    {BYTES_INIT("{\"a\":}"), "column 6: a JSON value is expected"},
    {BYTES_INIT("{\"a\":1"), "column 7: the text ends where ',' or '}' is expected"},
    {BYTES_INIT("{\"a\":1,}"), "column 8: a key in double quotes is expected here"},
    {BYTES_INIT("{\"a\":1]"), "column 7: ',' or '}' is expected here"},
    {BYTES_INIT("{,}"), "column 2: a key in double quotes"},
    {BYTES_INIT("{a:1}"), "column 2: a key in double quotes"},
    {BYTES_INIT("{1:1}"), "column 2: a key in double quotes"},
    {BYTES_INIT("{null:1}"), "column 2: a key in double quotes"},
    {BYTES_INIT("{\"a\":1 \"b\":2}"), "column 8: ',' or '}' is expected here"},
    {BYTES_INIT("{\"a\":1,\"a\":2}"), "column 8: the key \"a\" is a duplicate"},
    {BYTES_INIT("{\"a\":1,\"\\u0061\":2}"), "column 8: the key \"a\" is a duplicate"},
    {BYTES_INIT("{\"\\ud800\":1,\"\\udfff\":2}"), "is a duplicate"},
    {BYTES_INIT("{\"\":1,\"\":2}"), "the key \"\" is a duplicate"},
    {BYTES_INIT("[{\"x\":{\"a\":1,\"a\":1}}]"), "column 14: the key \"a\" is a duplicate"},
    {BYTES_INIT("{\"a\\u0000b\":1}"), "column 2: a key must not contain the character \\u0000"},
    {BYTES_INIT("\""), "column 2: the text ends inside a string"},
    {BYTES_INIT("\"a"), "column 3: the text ends inside a string"},
    {BYTES_INIT("\"a\\"), "column 4: the text ends inside a string"},
    {BYTES_INIT("\"\\n"), "the text ends inside a string"},
    {BYTES_INIT("\"\\\""), "column 4: the text ends inside a string"},
    {BYTES_INIT("\"\\x\""), "column 2: this is no escape that JSON knows"},
    {BYTES_INIT("\"\\U0041\""), "no escape that JSON knows"},
    {BYTES_INIT("\"\\\n\""), "no escape that JSON knows"},
    {BYTES_INIT("\"\\'\""), "no escape that JSON knows"},
    {BYTES_INIT("\"\\\0\""), "no escape that JSON knows"},
    {BYTES_INIT("\"\\u\""), "column 2: \\u needs four hexadecimal digits"},
    {BYTES_INIT("\"\\u12\""), "\\u needs four hexadecimal digits"},
    {BYTES_INIT("\"\\u12G4\""), "\\u needs four hexadecimal digits"},
    {BYTES_INIT("\"\\u 123\""), "\\u needs four hexadecimal digits"},
    {BYTES_INIT("\"\\u-123\""), "\\u needs four hexadecimal digits"},
    {BYTES_INIT("\"\\ud83d\\u12\""), "column 8: \\u needs four hexadecimal digits"},
    {BYTES_INIT("\"\\u00e"), "\\u needs four hexadecimal digits"},
    {BYTES_INIT("\"a\nb\""), "line 1, column 3: a control character in a string must be escaped"},
    {BYTES_INIT("\"a\tb\""), "column 3: a control character"},
    {BYTES_INIT("\"\x01\""), "column 2: a control character"},
    {BYTES_INIT("\"\\n\x1f\""), "column 4: a control character"},
    {BYTES_INIT("9223372036854775808"), "column 1: this integer does not fit in 64 bits"},
    {BYTES_INIT("-9223372036854775809"), "column 1: this integer does not fit in 64 bits"},
    {BYTES_INIT("[1,\n 123456789012345678901234567890]"), "line 2, column 2: this integer"},
    {BYTES_INIT("123456789012345678901234567890"), "send it as a string"},
    {BYTES_INIT("1e999"), "column 1: this number is too large"},
    {BYTES_INIT("-1e999"), "column 1: this number is too large"},
    {BYTES_INIT("{\"a\":1e309}"), "column 6: this number is too large"},
    {BYTES_INIT("1e99999999999999999999"), "column 1: this number is too large"},
    {BYTES_INIT("\"\xff\""), "line 1, column 2: the byte 0xff is not valid UTF-8"},
    {BYTES_INIT("[\n\"\u00e9\", \"\xc3\"]"), "line 2, column 7: the byte 0xc3"},
    {BYTES_INIT("\"\xc0\x80\""), "0xc0"},         /* Overlong NUL. */
    {BYTES_INIT("\"\xe0\x80\xaf\""), "0xe0"},     /* Overlong '/'. */
    {BYTES_INIT("\"\xed\xa0\x80\""), "0xed"},     /* A surrogate. */
    {BYTES_INIT("\"\xf4\x90\x80\x80\""), "0xf4"}, /* U+110000. */
    {BYTES_INIT("\"\xf0\x9f\x98\""), "0xf0"},     /* Cut. */
    {BYTES_INIT("\x80"), "column 1: the byte 0x80"},
    {BYTES_INIT("[[[[[[[[[1]]]]]]]]]"), "line 1, column 9: nested deeper than 8 levels"},
    {BYTES_INIT("{\"a\":[[[[[[[[1]]]]]]]]}"), "column 13: nested deeper"},
    {BYTES_INIT("[[[[[[[[{\"a\":1}]]]]]]]]"), "column 9: nested deeper"},
    {BYTES_INIT("[\n[\n[[[[[[[[["), "line 3, column 7: nested deeper"},
    {BYTES_INIT("// comment\n1"), "line 1, column 1"},
    {BYTES_INIT("/* comment */ 1"), "line 1, column 1"},
};

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double next_double(uint64_t *state) {
    double value;
    do {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        value = double_of(*state ^ *state >> 29);
    } while (!isfinite(value));
    return value;
}

static size_t digits_of(const char *text) {
    size_t count = 0, zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9') {
            zeros = *text == '0' ? zeros + 1 : 0;
            count += count > 0 || *text != '0' ? 1 : 0;
        }
    }
    return count - (zeros < count ? zeros : count);
}

/* The value that comes back is the very one, and no text of fewer digits would have done. */
static void written_shortest(double value) {
    AUTO(json_release) json_t *json = json_real(value);
    AUTO(text_done) struct text text;
    text_init(&text, 100);
    assert_int_equal(json_write(json, &text).code, ERR_NONE);
    double back = strtod(text.data, NULL);
    assert_memory_equal(&back, &value, sizeof value);
    size_t digits = digits_of(text.data);
    assert_true(digits <= 17);
    if (digits > 1) {
        char shorter[40];
        (void)snprintf(shorter, sizeof shorter, "%.*e", (int)digits - 2, value);
        assert_true(strtod(shorter, NULL) != value);
    }
}

static void every_real_is_written_by_the_fewest_digits_that_read_back(void **state) {
    (void)state;
    uint64_t seed = 42;
    for (int i = 0; i < 20000; i++) {
        written_shortest(next_double(&seed));
    }
    /* Powers of two, where the doubles below are closer than those above, and their neighbours. */
    for (uint64_t exponent = 0; exponent < 2047; exponent++) {
        uint64_t bits = exponent << 52;
        written_shortest(double_of(bits));
        written_shortest(double_of(bits + 1));
        written_shortest(double_of(bits == 0 ? 2 : bits - 1));
    }
}

static void refused_text_is_told_with_its_place(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bads); i++) {
        json_t *json = NULL;
        struct why why = {""};
        struct err err = json_parse(bads[i].input.data, bads[i].input.len, DEPTH, &json, &why);
        if (err.code != ERR_BAD_JSON) {
            fail_msg("%s was accepted (or: %s)", bads[i].input.data, err_name(err.code));
        }
        assert_null(json); /* Failure leaves outputs untouched. */
        if (strncmp(why.text, "line ", 5) != 0 || strstr(why.text, bads[i].why) == NULL) {
            fail_msg("%s: \"%s\" lacks \"%s\"", bads[i].input.data, why.text, bads[i].why);
        }
    }
}

/* A read past the end of the input is a report of the sanitizer: each prefix is an exact block. */
static void what_an_engine_wrote_may_have_integers_beyond_64_bits(void **state) {
    static const struct good wide[] = {
        {BYTES_INIT("9223372036854775807"), "9223372036854775807"},
        {BYTES_INIT("9223372036854775808"), "9.223372036854776e+18"},
        {BYTES_INIT("-9223372036854775809"), "-9.223372036854776e+18"},
        {BYTES_INIT("[123456789012345680000]"), "[1.2345678901234568e+20]"},
        {BYTES_INIT("100000000000000000000"), "1e+20"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wide); i++) {
        AUTO(json_release) json_t *json = NULL;
        AUTO(text_done) struct text text;
        text_init(&text, 100);
        const struct bytes input = wide[i].input;
        struct err err = json_parse_wide(input.data, input.len, JSON_DEPTH_MAX, &json, NULL);
        assert_int_equal(err.code, ERR_NONE);
        assert_int_equal(json_write(json, &text).code, ERR_NONE);
        text_add_char(&text, '\0');
        assert_string_equal(text.data, wide[i].output);
    }
}

static void every_prefix_of_a_text_ends_in_a_value_or_a_sentence(void **state) {
    (void)state;
    static const char whole[] =
        "{\"a\":[1,-2.5e3,\"\\ud83d\\ude00\\ud83d\\n\",true],\"\u00e9\":{\"x\":null}}";
    for (size_t len = 0; len < sizeof whole; len++) {
        AUTO(mem_release) char *prefix = mem_try(len);
        if (len > 0) {
            memcpy(prefix, whole, len);
        }
        json_t *json = NULL;
        struct why why = {""};
        struct err err = json_parse(prefix, len, DEPTH, &json, &why);
        assert_int_equal(err.code, len == sizeof whole - 1 ? ERR_NONE : ERR_BAD_JSON);
        assert_true(err_failed(err) == (why.text[0] != '\0'));
        json_release(&json);
    }
}

static void reals_of_every_length_are_read_inside_their_bytes(void **state) {
    (void)state;
    for (size_t len = 3; len < 200; len++) {
        AUTO(mem_release) char *real = mem_try(len);
        memset(real, '5', len);
        real[1] = '.';
        json_t *json = NULL;
        assert_int_equal(json_parse(real, len, DEPTH, &json, /* why */ NULL).code, ERR_NONE);
        assert_true(json_real_value(json) >= 5.5);
        assert_true(json_real_value(json) < 5.6);
        json_release(&json);
    }
}

/* Strings with escapes and long reals share one buffer of the input's size. */
static void a_text_of_nothing_but_escapes_and_long_reals_is_read(void **state) {
    (void)state;
    static const char digits[] =
        "1.00000000000000000000000000000000000000000000000000000000000000000000000000000000";
    struct text text;
    text_init(&text, 1 << 16);
    text_add_char(&text, '[');
    for (int i = 0; i < 50; i++) {
        text_addf(&text, "%s,\"\\n\\u0041\\ud83d\\ude00\\ud83d\",", digits);
    }
    text_add_str(&text, digits);
    text_add_char(&text, ']');
    json_t *json = NULL;
    assert_int_equal(json_parse(text.data, text.len, DEPTH, &json, /* why */ NULL).code, ERR_NONE);
    for (size_t i = 0; i < 50; i++) {
        assert_true(json_real_value(json_array_get(json, 2 * i)) >= 1.0);
        assert_string_equal(json_string_value(json_array_get(json, 2 * i + 1)),
                            "\nA\U0001F600\uFFFD");
    }
    json_release(&json);
    text_done(&text);
}

static void two_hundred_thousand_levels_are_refused_at_the_sixty_fifth(void **state) {
    (void)state;
    enum { LEVELS = 200000 };
    AUTO(mem_release) char *deep = mem_new(LEVELS);
    memset(deep, '[', LEVELS);
    json_t *json = NULL;
    struct why why = {""};
    assert_int_equal(json_parse(deep, LEVELS, JSON_DEPTH_MAX, &json, &why).code, ERR_BAD_JSON);
    assert_string_equal(why.text, "line 1, column 65: nested deeper than 64 levels");
}

static void more_values_than_the_bound_are_refused(void **state) {
    (void)state;
    enum { LEN = 2 * JSON_VALUES_MAX - 1 }; /* "[1,1,...,1]" of one value less, with the array. */
    AUTO(mem_release) char *many = mem_new(LEN + 2);
    for (size_t i = 0; i < LEN; i++) {
        many[i] = i == 0 ? '[' : i % 2 == 1 ? '1' : ',';
    }
    many[LEN - 1] = ']';
    json_t *json = NULL;
    struct why why = {""};
    assert_int_equal(json_parse(many, LEN, DEPTH, &json, &why).code, ERR_NONE);
    assert_int_equal(json_array_size(json), JSON_VALUES_MAX - 1);
    json_release(&json);
    memcpy(many + LEN - 1, ",1]", 3);
    assert_int_equal(json_parse(many, LEN + 2, DEPTH, &json, &why).code, ERR_BAD_JSON);
    assert_string_equal(why.text, "line 1, column 400000: more than 200000 values");
    assert_null(json);
}

static void a_hostile_sentence_shows_no_control_characters(void **state) {
    (void)state;
    static const char input[] = "{\"\xc2\x80\xc2\x9b[2J\x7f\":1,\"\xc2\x80\xc2\x9b[2J\x7f\":1}";
    struct why why = {""};
    json_t *json = NULL;
    assert_int_equal(json_parse(input, sizeof input - 1, DEPTH, &json, &why).code, ERR_BAD_JSON);
    for (const char *at = why.text; *at != '\0'; at++) {
        assert_true(*at >= 0x20 && *at != 0x7f);
    }
    assert_string_equal(why.text, "line 1, column 13: the key \"????[2J?\" is a duplicate");
}

static void for_people_each_item_has_a_line_of_its_own(void **state) {
    (void)state;
    static const char input[] = "{\"a\":[],\"b\":[1,{\"c\":{}}],\"d\":0.1}";
    AUTO(json_release) json_t *json = NULL;
    AUTO(text_done) struct text text;
    text_init(&text, 1000);
    assert_false(err_failed(json_parse(input, strlen(input), DEPTH, &json, NULL)));
    assert_false(err_failed(json_write_indented(json, &text)));
    assert_string_equal(text.data, "{\n  \"a\": [],\n  \"b\": [\n    1,\n    {\n"
                                   "      \"c\": {}\n    }\n  ],\n  \"d\": 0.1\n}");
}

static void writing_beyond_the_bound_of_the_text_is_an_error(void **state) {
    (void)state;
    json_t *json = json_string("twelve bytes");
    struct text text;
    text_init(&text, 8);
    assert_int_equal(json_write(json, &text).code, ERR_TEXT_TOO_LONG);
    text_done(&text);
    json_release(&json);
}

static void writing_a_value_deeper_than_we_ever_build_is_an_error(void **state) {
    (void)state;
    json_t *json = json_array();
    for (int i = 0; i < 1000; i++) {
        json_t *outer = json_array();
        assert_int_equal(json_array_append_new(outer, json), 0);
        json = outer;
    }
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 16);
    assert_int_equal(json_write(json, &text).code, ERR_INTERNAL);
    json_release(&json);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_values_are_written_back_compact_and_in_order),
        cmocka_unit_test(what_was_written_is_read_and_written_the_same_again),
        cmocka_unit_test(every_real_is_written_by_the_fewest_digits_that_read_back),
        cmocka_unit_test(refused_text_is_told_with_its_place),
        cmocka_unit_test(what_an_engine_wrote_may_have_integers_beyond_64_bits),
        cmocka_unit_test(every_prefix_of_a_text_ends_in_a_value_or_a_sentence),
        cmocka_unit_test(reals_of_every_length_are_read_inside_their_bytes),
        cmocka_unit_test(a_text_of_nothing_but_escapes_and_long_reals_is_read),
        cmocka_unit_test(two_hundred_thousand_levels_are_refused_at_the_sixty_fifth),
        cmocka_unit_test(more_values_than_the_bound_are_refused),
        cmocka_unit_test(a_hostile_sentence_shows_no_control_characters),
        cmocka_unit_test(for_people_each_item_has_a_line_of_its_own),
        cmocka_unit_test(writing_beyond_the_bound_of_the_text_is_an_error),
        cmocka_unit_test(writing_a_value_deeper_than_we_ever_build_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
