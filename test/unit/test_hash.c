/* SHA-256 and hexadecimal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static const char million_a[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void known_answers_are_given(void **state) {
    (void)state;
    static const struct {
        struct bytes input;
        const char *hex;
    } cases[] = {
        {BYTES_INIT(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {BYTES_INIT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {BYTES_INIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sha256 hash = sha256_of(cases[i].input.data, cases[i].input.len);
        assert_string_equal(sha256_hex(&hash).text, cases[i].hex);
    }
}

static void pieces_give_the_same_as_the_whole(void **state) {
    (void)state;
    char piece[1000];
    memset(piece, 'a', sizeof piece);
    struct sha256_stream stream;
    sha256_start(&stream);
    sha256_add(&stream, NULL, 0);
    for (int i = 0; i < 1000; i++) {
        sha256_add(&stream, piece, sizeof piece);
    }
    struct sha256 hash = sha256_finish(&stream);
    assert_string_equal(sha256_hex(&hash).text, million_a);
}

static void equal_means_all_bytes(void **state) {
    (void)state;
    struct sha256 a = sha256_of("a", 1);
    for (size_t i = 0; i < sizeof a.bytes; i++) {
        struct sha256 b = a;
        assert_true(sha256_equal(&a, &b));
        b.bytes[i] ^= 0x80;
        assert_false(sha256_equal(&a, &b));
    }
}

static void hexadecimal_goes_there_and_back(void **state) {
    (void)state;
    uint8_t bytes[256], again[256];
    char text[513];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    hex_write(bytes, sizeof bytes, text);
    assert_int_equal(strlen(text), 512);
    assert_true(hex_parse((struct bytes){text, 512}, again, sizeof again));
    assert_memory_equal(bytes, again, sizeof bytes);
    assert_true(hex_parse(BYTES("aAfF09"), again, 3));
    assert_memory_equal(again, "\xaa\xff\x09", 3);
}

static void wrong_hexadecimal_is_refused(void **state) {
    (void)state;
    uint8_t bytes[2];
    assert_false(hex_parse(BYTES(""), bytes, 2));
    assert_false(hex_parse(BYTES("000"), bytes, 2));
    assert_false(hex_parse(BYTES("00000"), bytes, 2));
    assert_false(hex_parse(BYTES("000000"), bytes, 2));
    assert_false(hex_parse(BYTES("00g0"), bytes, 2));
    assert_false(hex_parse(BYTES("0x00"), bytes, 2));
    assert_false(hex_parse(BYTES(" 000"), bytes, 2));
    assert_false(hex_parse(BYTES("000\0"), bytes, 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers_are_given),
        cmocka_unit_test(pieces_give_the_same_as_the_whole),
        cmocka_unit_test(equal_means_all_bytes),
        cmocka_unit_test(hexadecimal_goes_there_and_back),
        cmocka_unit_test(wrong_hexadecimal_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
