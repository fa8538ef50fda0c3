/* test_redact.c: secrets of every kind go, and what a report needs stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/redact.h"

static const struct bytes secrets[] = {BYTES_INIT("correct horse battery"), BYTES_INIT("correct")};
static const struct redact_secrets known = {secrets, COUNT_OF(secrets)};

static void each_becomes(const char *const (*rows)[2], size_t count) {
    for (size_t i = 0; i < count; i++) {
        AUTO(text_done) struct text text = text_up_to(4096);
        redact_add(&text, bytes_of(rows[i][0]), &known);
        text_add_char(&text, '\0');
        assert_false(text_failed(&text));
        assert_string_equal(text.data, rows[i][1]);
    }
}

static void secrets_of_every_kind_are_removed(void **state) {
    static const char *const rows[][2] = {
        {"it was correct horse battery.", "it was [removed]."},
        {"key sk-proj-abcDEF123456 refused", "key [removed] refused"},
        {"ghp_0123456789abcdefABCDEF", "[removed]"},
        {"AKIAIOSFODNN7EXAMPLE", "[removed]"},
        {"drv_00112233445566778899aabb", "[removed]"},
        {"eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "[removed]"},
        {"Authorization: Bearer abc123xyz", "Authorization: Bearer [removed]"},
        {"a Bearer abc123xyz b", "a Bearer [removed] b"},
        {"OPENAI_API_KEY=hunter2 make", "OPENAI_API_KEY=[removed] make"},
        {"{\"password\": \"hunter2\", \"a\": 1}", "{\"password\": \"[removed]\", \"a\": 1}"},
        {"login --token hunter2 x", "login --token [removed] x"},
        {"postgres://me:hunter2@db/x", "postgres://[removed]@db/x"},
        {"GET https://a.example/x?sig=hunter2 ok", "GET https://a.example/x?[removed] ok"},
        {"a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb",
         "a\n[removed]\nb"},
        {"-----BEGIN PRIVATE KEY-----\nMIIcut", "[removed]"},
        {"x 0123456789abcdef0123456789abcdef y", "x [removed] y"},
    };
    each_becomes(rows, COUNT_OF(rows));
}

static void what_a_report_needs_stays(void **state) {
    static const char *const rows[][2] = {
        {"run_01m87ky3rv7teg5qaaxsmfvsk0 failed", "run_01m87ky3rv7teg5qaaxsmfvsk0 failed"},
        {"HTTP 400: no such model gpt-5-mini", "HTTP 400: no such model gpt-5-mini"},
        {"{\"tokens\": 12, \"key_set\": true}", "{\"tokens\": 12, \"key_set\": true}"},
        {"the key of that name is not set", "the key of that name is not set"},
        {"{\"key\": null}", "{\"key\": null}"},
        {"{\"key\":\"[removed]\"}", "{\"key\":\"[removed]\"}"},
        {"http://127.0.0.1:7433/api/v1/runs", "http://127.0.0.1:7433/api/v1/runs"},
        {"what now? a=b", "what now? a=b"},
        {"", ""},
    };
    each_becomes(rows, COUNT_OF(rows) - 1);
    AUTO(text_done) struct text text = text_up_to(16);
    redact_add(&text, BYTES(""), NULL);
    assert_int_equal(text.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_of_every_kind_are_removed),
        cmocka_unit_test(what_a_report_needs_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
