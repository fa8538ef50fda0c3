/* Names of files in JSON, and names that hold secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "rules/changes/names.h"

struct form {
    struct bytes path;
    const char *name;
};

static const struct form forms[] = {
    {BYTES_INIT("src/main.c"), "src/main.c"},
    {BYTES_INIT("with blank and \\ backslash"), "with blank and \\ backslash"},
    {BYTES_INIT("gr\303\274n"), "gr\303\274n"},
    {BYTES_INIT("a\"b"), "a\"b"},
    {BYTES_INIT("\"a"), "\"\\\"a\""},
    {BYTES_INIT("a\377b"), "\"a\\377b\""},
    {BYTES_INIT("new\nline\t\\"), "\"new\\nline\\t\\\\\""},
    {BYTES_INIT("\001\177"), "\"\\001\\177\""},
    {BYTES_INIT("gr\303\274n\a"), "\"gr\\303\\274n\\a\""},
    {BYTES_INIT("right\342\200\256left"), "\"right\\342\\200\\256left\""},
};

static void each_path_has_one_form_that_reads_back(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        AUTO(text_done) struct text name = text_up_to(256);
        AUTO(text_done) struct text path = text_up_to(256);
        change_name_write(forms[i].path, &name);
        assert_string_equal(name.data, forms[i].name);
        assert_true(change_name_read(text_bytes(&name), &path));
        assert_true(bytes_equal(text_bytes(&path), forms[i].path));
    }
}

static void every_byte_survives(void **state) {
    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        const char raw[] = {'x', (char)(unsigned char)byte, 'y'};
        AUTO(text_done) struct text name = text_up_to(64);
        AUTO(text_done) struct text path = text_up_to(64);
        change_name_write((struct bytes){raw, sizeof raw}, &name);
        assert_true(change_name_read(text_bytes(&name), &path));
        assert_true(bytes_equal(text_bytes(&path), (struct bytes){raw, sizeof raw}));
    }
}

static void names_quoted_wrongly_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",        "\"",        "\"\"",      "\"a",
                                        "\"a\"b",  "\"\\\"",    "\"\\x\"",   "\"\\37\"",
                                        "\"\\8\"", "\"\\400\"", "\"\\000\"", "\"\\"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO(text_done) struct text path = text_up_to(64);
        assert_false(change_name_read(bytes_of(wrong[i]), &path));
    }
    AUTO(text_done) struct text path = text_up_to(64);
    assert_false(change_name_read(BYTES("a\0b"), &path));
}

static void names_that_lead_out_are_not_safe(void **state) {
    (void)state;
    static const char *const safe[] = {"a", "a/b", ".gitignore", "...", "a/.github/x", "a b"};
    static const char *const unsafe[] = {"",       "/a",     "a/",           "a//b",  ".",
                                         "..",     "a/..",   "../a",         "a/./b", ".git",
                                         ".GIT/x", "a/.git", "a/.git/config"};
    for (size_t i = 0; i < COUNT_OF(safe); i++) {
        assert_true(change_name_is_safe(bytes_of(safe[i])));
    }
    for (size_t i = 0; i < COUNT_OF(unsafe); i++) {
        assert_false(change_name_is_safe(bytes_of(unsafe[i])));
    }
}

static void names_of_keys_and_passwords_are_secrets(void **state) {
    (void)state;
    static const char *const secret[] = {
        ".env",     "a/.env.local", "tls/server.pem", "ID_RSA",           "x/id_ed25519",
        "cert.P12", "a.key",        ".netrc",         ".aws/credentials", "store.jks"};
    static const char *const open[] = {"env",  "a.envx", ".env/a",        "id_rsa.pub", "key.c",
                                       "keys", "pem",    "credentials.c", "monkey"};
    for (size_t i = 0; i < COUNT_OF(secret); i++) {
        assert_true(change_name_is_secret(bytes_of(secret[i])));
    }
    for (size_t i = 0; i < COUNT_OF(open); i++) {
        assert_false(change_name_is_secret(bytes_of(open[i])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_path_has_one_form_that_reads_back),
        cmocka_unit_test(every_byte_survives),
        cmocka_unit_test(names_quoted_wrongly_are_refused),
        cmocka_unit_test(names_that_lead_out_are_not_safe),
        cmocka_unit_test(names_of_keys_and_passwords_are_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
