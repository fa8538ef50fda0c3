/* Keys of requests that may be sent twice, over a store of our own. */
#include "journal_kit.h"

#include "engine/base/idempotency.h"

static int kit_begin(void **state) {
    *state = kit_new(STORE_INLINE, NULL);
    return 0;
}

static int kit_end(void **state) {
    kit_free(*state);
    return 0;
}

struct ask {
    struct idempotency idempotency;
    int64_t limit;
    bool found, more;
    int status;
    char body[64];
    struct err err;
};

static void ask_done(struct err result, void *ctx) {
    struct ask *ask = ctx;
    ask->err = result;
}

static struct err find_run(struct tx *tx, void *ctx) {
    struct ask *ask = ctx;
    struct idempotency_answer answer = {0};
    ask->found = false;
    struct err err = tx_idempotency_find(tx, &ask->idempotency, &ask->found, &answer);
    if (!err_failed(err) && ask->found) {
        ask->status = answer.status;
        memcpy(ask->body, answer.body.data, answer.body.len);
        ask->body[answer.body.len] = '\0';
    }
    return err;
}

static struct err keep_run(struct tx *tx, void *ctx) {
    struct ask *ask = ctx;
    struct idempotency_answer answer = {.status = 201, .body = BYTES("{\"a\":1}")};
    return tx_idempotency_keep(tx, &ask->idempotency, &answer);
}

static struct err prune_run(struct tx *tx, void *ctx) {
    struct ask *ask = ctx;
    ask->more = false;
    return tx_idempotency_prune(tx, tx_now_ms(tx) - IDEMPOTENCY_KEPT_MS, ask->limit, &ask->more);
}

static enum err_code go(struct kit *kit, struct ask *ask, store_fn fn) {
    store_write(kit->store, fn, ask_done, ask);
    kit_store(kit);
    return ask->err.code;
}

static struct sha256_hex digest(const char *body) {
    struct idempotency_request request = {
        .method = BYTES("POST"), .target = BYTES("/a"), .body = {body, strlen(body)}};
    return idempotency_digest(&request);
}

static struct ask ask_of(const char *owner, const char *key, const char *body) {
    return (struct ask){.idempotency = {.owner = {owner, strlen(owner)},
                                        .route = BYTES("/r/{id}"),
                                        .key = {key, strlen(key)},
                                        .digest = digest(body)}};
}

static void the_same_request_finds_its_answer(void **state) {
    struct kit *kit = *state;
    struct ask ask = ask_of("bob", "k", "body");
    assert_int_equal(go(kit, &ask, find_run), ERR_NONE);
    assert_false(ask.found);
    assert_int_equal(go(kit, &ask, keep_run), ERR_NONE);
    assert_int_equal(go(kit, &ask, find_run), ERR_NONE);
    assert_true(ask.found);
    assert_int_equal(ask.status, 201);
    assert_string_equal(ask.body, "{\"a\":1}");
}

static void another_request_with_the_key_is_refused(void **state) {
    struct kit *kit = *state;
    struct ask first = ask_of("bob", "k", "body"), other = ask_of("bob", "k", "other");
    assert_int_equal(go(kit, &first, keep_run), ERR_NONE);
    assert_int_equal(go(kit, &other, find_run), ERR_IDEMPOTENCY_MISMATCH);
}

static void a_key_belongs_to_its_owner_and_route(void **state) {
    struct kit *kit = *state;
    struct ask bob = ask_of("bob", "k", "body"), eve = ask_of("eve", "k", "body");
    struct ask elsewhere = ask_of("bob", "k", "body");
    elsewhere.idempotency.route = BYTES("/other/{id}");
    assert_int_equal(go(kit, &bob, keep_run), ERR_NONE);
    assert_int_equal(go(kit, &eve, find_run), ERR_NONE);
    assert_false(eve.found);
    assert_int_equal(go(kit, &elsewhere, find_run), ERR_NONE);
    assert_false(elsewhere.found);
}

static void keys_go_after_a_day_a_few_at_a_time(void **state) {
    struct kit *kit = *state;
    static const char *const keys[] = {"1", "2", "3"};
    kit->clock_ms = 1000000000000;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct ask ask = ask_of("bob", keys[i], "body");
        assert_int_equal(go(kit, &ask, keep_run), ERR_NONE);
    }
    struct ask prune = {.limit = 2};
    kit->clock_ms += IDEMPOTENCY_KEPT_MS;
    assert_int_equal(go(kit, &prune, prune_run), ERR_NONE);
    struct ask last = ask_of("bob", "3", "body");
    assert_int_equal(go(kit, &last, find_run), ERR_NONE);
    assert_true(last.found); /* Not a millisecond too early. */
    kit->clock_ms++;
    assert_int_equal(go(kit, &prune, prune_run), ERR_NONE);
    assert_true(prune.more);
    assert_int_equal(go(kit, &prune, prune_run), ERR_NONE);
    assert_false(prune.more);
    assert_int_equal(go(kit, &last, find_run), ERR_NONE);
    assert_false(last.found);
}

static void the_digest_tells_apart_where_one_part_ends(void **state) {
    (void)state;
    struct idempotency_request one = {BYTES("POST"), BYTES("/ab"), BYTES("c")};
    struct idempotency_request two = {BYTES("POST"), BYTES("/a"), BYTES("bc")};
    struct sha256_hex a = idempotency_digest(&one), b = idempotency_digest(&two);
    assert_string_not_equal(a.text, b.text);
    b = idempotency_digest(&one);
    assert_string_equal(a.text, b.text);
}

static void keys_are_printable(void **state) {
    (void)state;
    char key[IDEMPOTENCY_KEY_MAX + 1];
    memset(key, '~', sizeof key);
    assert_true(idempotency_key_valid((struct bytes){key, IDEMPOTENCY_KEY_MAX}));
    assert_false(idempotency_key_valid((struct bytes){key, IDEMPOTENCY_KEY_MAX + 1}));
    assert_false(idempotency_key_valid(BYTES("")));
    assert_true(idempotency_key_valid(BYTES("a b")));
    assert_false(idempotency_key_valid(BYTES("a\tb")));
    assert_false(idempotency_key_valid(BYTES("\xc3\xa4")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_request_finds_its_answer, kit_begin, kit_end),
        cmocka_unit_test_setup_teardown(another_request_with_the_key_is_refused, kit_begin,
                                        kit_end),
        cmocka_unit_test_setup_teardown(a_key_belongs_to_its_owner_and_route, kit_begin, kit_end),
        cmocka_unit_test_setup_teardown(keys_go_after_a_day_a_few_at_a_time, kit_begin, kit_end),
        cmocka_unit_test(the_digest_tells_apart_where_one_part_ends),
        cmocka_unit_test(keys_are_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
