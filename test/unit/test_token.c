/* Tokens: secrets, the table in memory, and their rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/token/token.h"
#include "rules/token/run_token.h"

static struct token token_make(unsigned number, char secret[TOKEN_SECRET_LEN + 1],
                               struct sha256_hex *ret_hash) {
    uint8_t random[32] = {0}, id_random[10] = {0};
    memcpy(random, &number, sizeof number);
    memcpy(id_random, &number, sizeof number);
    token_secret_make(random, secret);
    const struct sha256 digest = sha256_of(secret, TOKEN_SECRET_LEN);
    *ret_hash = sha256_hex(&digest);
    return (struct token){.id = id_make("tok", 1000, id_random),
                          .hash = bytes_of(ret_hash->text),
                          .owner = BYTES("bob"),
                          .label = BYTES("a \"label\""),
                          .scopes = 3,
                          .made_ms = 1000};
}

static struct bytes secret_bytes(const char *secret) {
    return (struct bytes){secret, strlen(secret)};
}

static void a_secret_is_found_until_it_is_revoked(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    struct token_table *table = token_table_new();
    char secrets[COUNT][TOKEN_SECRET_LEN + 1];
    struct id ids[COUNT];
    struct sha256_hex hash;
    for (unsigned i = 0; i < COUNT; i++) {
        struct token token = token_make(i, secrets[i], &hash);
        ids[i] = token.id;
        token_table_put(table, &token);
    }
    struct token_grant grant;
    for (unsigned i = 0; i < COUNT; i += 2) {
        token_table_remove(table, ids[i].text);
    }
    assert_int_equal(token_table_count(table), COUNT / 2);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(token_table_find(table, secret_bytes(secrets[i]), 0, &grant), i % 2 == 1);
    }
    assert_string_equal(grant.owner, "bob");
    assert_int_equal(grant.scopes, 3);
    token_table_free(table);
}

static void the_key_of_a_page_ends_when_it_is_not_used(void **state) {
    (void)state;
    const int64_t made_ms = 5000, end_ms = made_ms + TOKEN_UNUSED_MAX_MS;
    struct token_table *table = token_table_new();
    char secret[TOKEN_SECRET_LEN + 1];
    struct sha256_hex hash;
    struct token_grant grant;
    struct token token = token_make(1, secret, &hash);
    token_table_put(table, &token);
    assert_false(token_table_has_page(table));
    assert_true(token_table_find(table, secret_bytes(secret), INT64_MAX, &grant));
    assert_false(grant.use_due); /* No use of other tokens is kept. */

    token = token_make(2, secret, &hash);
    token.origin = BYTES("http://127.0.0.1:7433");
    token.used_ms = made_ms;
    token_table_put(table, &token);
    assert_true(token_table_has_page(table));
    assert_true(token_table_find(table, secret_bytes(secret), made_ms, &grant));
    assert_string_equal(grant.origin, "http://127.0.0.1:7433");
    assert_false(grant.use_due);
    assert_true(token_table_find(table, secret_bytes(secret), made_ms + TOKEN_USE_STEP_MS, &grant));
    assert_true(grant.use_due);
    assert_true(token_table_find(table, secret_bytes(secret), end_ms - 1, &grant));
    assert_null(token_table_expired(table, end_ms - 1));
    assert_false(token_table_find(table, secret_bytes(secret), end_ms, &grant));
    assert_string_equal(token_table_expired(table, end_ms), token.id.text);

    token_table_used(table, token.id.text, end_ms - 1);
    assert_true(token_table_find(table, secret_bytes(secret), end_ms, &grant));
    assert_false(grant.use_due);
    token_table_free(table);
}

static void what_is_not_a_secret_is_not_found(void **state) {
    (void)state;
    struct token_table *table = token_table_new();
    struct token_grant grant;
    char secret[TOKEN_SECRET_LEN + 1];
    struct sha256_hex hash;
    struct token token = token_make(1, secret, &hash);
    assert_false(token_table_find(table, secret_bytes(secret), 0, &grant)); /* An empty table. */
    token_table_put(table, &token);
    assert_true(token_table_find(table, secret_bytes(secret), 0, &grant));
    secret[TOKEN_SECRET_LEN - 1] ^= 1;
    assert_false(token_table_find(table, secret_bytes(secret), 0, &grant));
    assert_false(token_table_find(table, BYTES(""), 0, &grant));
    assert_false(token_table_find(table, BYTES("drv_"), 0, &grant));
    token.hash = BYTES("zz"); /* A damaged row. */
    token_table_put(table, &token);
    assert_int_equal(token_table_count(table), 1);
    token_table_free(table);
}

static void a_row_is_json_without_the_secret(void **state) {
    (void)state;
    char secret[TOKEN_SECRET_LEN + 1];
    struct sha256_hex hash;
    struct token token = token_make(1, secret, &hash);
    struct text text;
    text_init(&text, 1024);
    fields_write(&token_resource.fields, FIELD_LISTED, &token, &text);
    assert_false(text_failed(&text));
    assert_non_null(
        strstr(text.data, "\"label\":\"a \\\"label\\\"\",\"scopes\":[\"read\",\"run\"]"));
    assert_null(strstr(text.data, secret + 4));
    assert_null(strstr(text.data, hash.text));
    text_done(&text);
}

static void owners_have_plain_names(void **state) {
    (void)state;
    assert_true(token_owner_valid(BYTES("local")));
    assert_true(token_owner_valid(BYTES("a.b-c_9")));
    assert_false(token_owner_valid(BYTES("")));
    assert_false(token_owner_valid(BYTES("-a")));
    assert_false(token_owner_valid(BYTES("Bob")));
    assert_false(token_owner_valid(BYTES("a b")));
    assert_false(token_owner_valid(BYTES("a/b")));
    char name[TOKEN_OWNER_MAX + 2];
    memset(name, 'a', sizeof name);
    assert_true(token_owner_valid((struct bytes){name, TOKEN_OWNER_MAX}));
    assert_false(token_owner_valid((struct bytes){name, TOKEN_OWNER_MAX + 1}));
}

/* --- Tokens of runs --------------------------------------------------------------------------- */

static void a_token_of_a_run_is_read_with_its_key_alone(void **state) {
    (void)state;
    const struct run_token_key key = {{1, 2, 3}}, other = {{1, 2, 4}};
    const uint8_t random[10] = {7};
    struct run_token token = {.run = id_make("run", 1000, random), .owner = "a.b-c"}, read;
    char text[RUN_TOKEN_SIZE], changed[RUN_TOKEN_SIZE];
    run_token_write(&key, &token, text);
    const struct bytes whole = secret_bytes(text);
    assert_true(run_token_is(whole));
    assert_true(run_token_read(&key, whole, &read));
    assert_string_equal(read.run.text, token.run.text);
    assert_string_equal(read.owner, token.owner);
    assert_false(run_token_read(&other, whole, &read));
    for (size_t i = 0; i < whole.len; i++) {
        assert_false(run_token_read(&key, (struct bytes){text, i}, &read));
        memcpy(changed, text, whole.len);
        changed[i] ^= 1;
        assert_false(run_token_read(&key, (struct bytes){changed, whole.len}, &read));
    }
    memset(token.owner, 'x', TOKEN_OWNER_MAX); /* The longest. */
    run_token_write(&key, &token, text);
    assert_true(run_token_read(&key, secret_bytes(text), &read));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_found_until_it_is_revoked),
        cmocka_unit_test(the_key_of_a_page_ends_when_it_is_not_used),
        cmocka_unit_test(what_is_not_a_secret_is_not_found),
        cmocka_unit_test(a_row_is_json_without_the_secret),
        cmocka_unit_test(owners_have_plain_names),
        cmocka_unit_test(a_token_of_a_run_is_read_with_its_key_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
