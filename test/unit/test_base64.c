/* RFC 4648, section 10, and bytes that are no text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"

static void the_vectors_of_the_rfc_hold_both_ways(void **state) {
    (void)state;
    static const struct {
        const char *plain, *encoded;
    } vectors[] = {
        {"f", "Zg=="},        {"fo", "Zm8="},        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        AUTO(text_done) struct text encoded = {0}, plain = {0};
        text_init(&encoded, 64);
        text_init(&plain, 64);
        base64_add(&encoded, (struct bytes){vectors[i].plain, strlen(vectors[i].plain)});
        assert_string_equal(encoded.data, vectors[i].encoded);
        assert_true(base64_add_decoded(&plain, (struct bytes){encoded.data, encoded.len}));
        assert_string_equal(plain.data, vectors[i].plain);
    }
}

static void every_byte_comes_back(void **state) {
    (void)state;
    char bytes[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
    }
    for (size_t len = 0; len <= sizeof bytes; len++) {
        AUTO(text_done) struct text encoded = {0}, plain = {0};
        text_init(&encoded, 1024);
        text_init(&plain, 1024);
        base64_add(&encoded, (struct bytes){bytes, len});
        assert_true(base64_add_decoded(&plain, (struct bytes){encoded.data, encoded.len}));
        assert_int_equal(plain.len, len);
        char written[1024];
        assert_int_equal(base64_size(len), encoded.len);
        base64_write(written, (struct bytes){bytes, len});
        assert_true(len == 0 || memcmp(written, encoded.data, encoded.len) == 0);
        assert_true(len == 0 || memcmp(plain.data, bytes, len) == 0);
    }
}

static void what_is_not_base64_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"Zg=",     "Zg",       "Z===", "====", "Zm9v\n",
                                        "Zm9\xff", "Zg==Zg==", "Z=g=", "Zm9_"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO(text_done) struct text plain = {0};
        text_init(&plain, 64);
        if (base64_add_decoded(&plain, (struct bytes){wrong[i], strlen(wrong[i])})) {
            fail_msg("'%s' was taken", wrong[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_hold_both_ways),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(what_is_not_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
