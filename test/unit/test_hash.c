/* SHA-256, HMAC and hexadecimal. */
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

/* RFC 4231, test cases 1 to 4, 6 and 7; 5 is about a shortened result. */
static void hmac_gives_the_answers_of_rfc_4231(void **state) {
    (void)state;
    char run_aa[131], run_0b[20], run_dd[50], run_cd[50];
    memset(run_aa, 0xaa, sizeof run_aa);
    memset(run_0b, 0x0b, sizeof run_0b);
    memset(run_dd, 0xdd, sizeof run_dd);
    memset(run_cd, 0xcd, sizeof run_cd);
    const struct {
        struct bytes key, data;
        const char *hex;
    } cases[] = {
        {{run_0b, 20},
         BYTES_INIT("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {BYTES_INIT("Jefe"), BYTES_INIT("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{run_aa, 20},
         {run_dd, 50},
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {BYTES_INIT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12"
                    "\x13\x14\x15\x16\x17\x18\x19"),
         {run_cd, 50},
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {{run_aa, 131},
         BYTES_INIT("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {{run_aa, 131},
         BYTES_INIT("This is a test using a larger than block-size key and a larger than "
                    "block-size data. The key needs to be hashed before being used by the HMAC "
                    "algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes data = cases[i].data;
        for (size_t cut = 0; cut <= data.len; cut += 7) { /* In two pieces, cut anywhere. */
            struct hmac_stream stream;
            hmac_start(&stream, cases[i].key);
            hmac_add(&stream, (struct bytes){data.data, cut});
            hmac_add(&stream, (struct bytes){data.data + cut, data.len - cut});
            struct sha256 hash = hmac_finish(&stream);
            assert_string_equal(sha256_hex(&hash).text, cases[i].hex);
        }
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
        cmocka_unit_test(hmac_gives_the_answers_of_rfc_4231),
        cmocka_unit_test(hexadecimal_goes_there_and_back),
        cmocka_unit_test(wrong_hexadecimal_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
