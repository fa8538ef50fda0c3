/* Delivery to webhooks. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "deliver_kit.h"

/* --- The tests -------------------------------------------------------------------------------- */

static void a_notice_arrives_signed_and_is_settled(void **state) {
    struct kit *kit = *state;
    owe(kit, "hook?a=b");
    until_outcomes(kit, 1);
    const char *request = kit->request.data, *body = strstr(request, "\r\n\r\n") + 4;
    assert_memory_equal(request, "POST /hook?a=b HTTP/1.1\r\n", 25);
    assert_non_null(strstr(body, "\"run\":\"run_00000000000000000000000001\""));
    struct bytes time = header(kit, "drover-timestamp"), sign = header(kit, "drover-signature");
    struct bytes type = header(kit, "content-type"), attempt = header(kit, "drover-attempt");
    assert_memory_equal(time.data, "1700000000\r", 11);
    assert_memory_equal(type.data, "application/json\r", 17);
    assert_memory_equal(attempt.data, "1\r", 2);
    assert_true(id_valid(kit->id, strlen(kit->id), "dlv"));
    struct text signed_text;
    text_init(&signed_text, SERVED_BYTES_MAX);
    text_addf(&signed_text, "1700000000.%s.%s", kit->id, body);
    struct hmac_stream hmac;
    hmac_start(&hmac, (struct bytes){secret, strlen(secret)});
    hmac_add(&hmac, (struct bytes){signed_text.data, signed_text.len});
    struct sha256 hash = hmac_finish(&hmac);
    assert_memory_equal(sign.data, "v1=", 3);
    assert_int_equal(sign.len, 67);
    assert_memory_equal(sign.data + 3, sha256_hex(&hash).text, 64);
    text_done(&signed_text);
    assert_int_equal(rows(kit).delivered, 1);
    assert_int_equal(stats(kit).receivers, 0); /* Nothing more is owed: forgotten. */
}

/* Clock time passes, and the receiver is looked at again as by `inbox retry` of another row. */
static void pass(struct kit *kit, int64_t ms) {
    kit->clock_ms += ms;
    deliver_recover(kit->deliver);
    settle_down(kit);
}

static void a_receiver_that_fails_forty_times_gets_it_with_the_default_waits(void **state) {
    struct kit *kit = *state;
    const struct inbox_waits waits = INBOX_WAITS_DEFAULT;
    kit->frozen = true;
    kit->answer = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
    owe(kit, "");
    for (unsigned failures = 1; failures <= 40; failures++) {
        until_requests(kit, failures);
        until_outcomes(kit, failures);
        assert_string_equal(kit->id, kit->first);
        struct census census = rows(kit);
        assert_int_equal(census.open, 1);
        assert_int_equal(census.failures, failures);
        assert_int_equal(census.stalled, failures >= 20);
        assert_string_equal(census.cause, "the receiver answered 500");
        int64_t wait = failures >= 20   ? waits.stalled_ms
                       : failures >= 10 ? waits.max_ms
                                        : waits.first_ms << (failures - 1);
        pass(kit, wait / 2);
        assert_int_equal(kit->server.requests, failures); /* Not before its time. */
        kit->answer = failures < 40 ? kit->answer : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        pass(kit, wait - wait / 2 + wait / 4);
    }
    until_outcomes(kit, 41);
    assert_int_equal(kit->server.requests, 41);
    assert_int_equal(rows(kit).delivered, 1);
    assert_int_equal(stats(kit).failed, 40);
    assert_int_equal(stats(kit).delivered, 1);
}

static void a_failure_is_tried_again_by_itself(void **state) {
    struct kit *kit = *state;
    kit->answer_once = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    owe(kit, "");
    until_outcomes(kit, 1);
    assert_int_equal(kit->server.requests, 1);
    /* The wall clock stands still: the wait is measured by the other one. */
    until_outcomes(kit, 2);
    assert_int_equal(rows(kit).delivered, 1);
    assert_string_equal(kit->id, kit->first);
}

static void a_receiver_that_is_silent_holds_back_no_other(void **state) {
    struct kit *kit = *state;
    kit->answer = NULL;
    owe(kit, "silent");
    until_requests(kit, 1);
    owe(kit, "silent"); /* One at a time for each receiver. */
    settle_down(kit);
    assert_int_equal(kit->server.requests, 1);
    struct served *silent = kit->asked;
    kit->answer = "HTTP/1.1 204 No Content\r\n\r\n";
    owe(kit, "other");
    until_outcomes(kit, 1);
    assert_int_equal(kit->server.requests, 2);
    assert_int_equal(stats(kit).in_flight, 1);
    served_say(silent, "HTTP/1.1 204 No Content\r\n\r\n");
    until_outcomes(kit, 3);
    assert_int_equal(rows(kit).delivered, 3);
}

static void a_row_that_failed_holds_back_no_other_of_its_receiver(void **state) {
    struct kit *kit = *state;
    kit->answer_once = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
    owe(kit, "");
    owe(kit, "");
    until_outcomes(kit, 2);
    assert_int_equal(rows(kit).delivered, 1);
    assert_int_equal(rows(kit).open, 1);
    assert_string_not_equal(kit->id, kit->first);
    pass(kit, 2000);
    until_outcomes(kit, 3);
    assert_string_equal(kit->id, kit->first);
    assert_int_equal(rows(kit).open, 0);
}

static void only_410_says_that_a_receiver_is_gone(void **state) {
    struct kit *kit = *state;
    static const char *const failures[] = {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n",
        "nonsense\r\n\r\n",
    };
    static const char *const causes[] = {
        "the receiver answered 404",
        "the receiver answered 302; redirects are not followed",
        "the answer is not valid HTTP",
    };
    for (unsigned i = 0; i < COUNT_OF(failures); i++) {
        kit->answer_once = failures[i];
        if (i == 0) {
            owe(kit, "");
        } else {
            pass(kit, 100000);
        }
        until_outcomes(kit, i + 1);
        assert_int_equal(rows(kit).open, 1);
        assert_memory_equal(rows(kit).cause, causes[i], strlen(causes[i]));
        if (kit->asked->open && i == 2) {
            served_close(kit->asked);
        }
    }
    kit->answer_once = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
    pass(kit, 100000);
    until_outcomes(kit, 4);
    assert_int_equal(rows(kit).gone, 1);
    assert_int_equal(stats(kit).gone, 1);
}

static void the_status_is_the_answer_whatever_follows_it(void **state) {
    struct kit *kit = *state;
    kit->answer = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf";
    owe(kit, "");
    until_requests(kit, 1);
    served_close(kit->asked);
    until_outcomes(kit, 1);
    assert_int_equal(rows(kit).delivered, 1);
}

static void a_private_address_is_refused_unless_it_is_listed(void **state) {
    struct kit *kit = *state;
    open_deliver(kit, (struct deliver_options){.allow = NULL});
    owe(kit, "");
    until_outcomes(kit, 1);
    assert_string_equal(rows(kit).cause,
                        "the address is not allowed: 127.0.0.1 is a loopback address");
    assert_int_equal(rows(kit).open, 1);
    assert_int_equal(kit->server.connections, 0);
}

static void a_receiver_that_takes_too_long_has_failed(void **state) {
    struct kit *kit = *state;
    open_deliver(kit, (struct deliver_options){.allow = kit->allow, .timeout_ms = 50});
    kit->answer = NULL;
    owe(kit, "");
    until_outcomes(kit, 1);
    assert_string_equal(rows(kit).cause, "not finished in time");
}

static void a_url_that_cannot_be_used_says_so(void **state) {
    struct kit *kit = *state;
    owe_url(kit, "http://a b/");
    until_outcomes(kit, 1);
    assert_memory_equal(rows(kit).cause, "the URL cannot be used", 22);
}

static void while_held_nothing_is_sent(void **state) {
    struct kit *kit = *state;
    open_deliver(kit, (struct deliver_options){.allow = kit->allow, .hold = RUN_HELD});
    owe(kit, "one");
    owe(kit, "two");
    settle_down(kit);
    assert_int_equal(stats(kit).receivers, 2);
    assert_int_equal(kit->server.connections, 0);
    deliver_set_hold(kit->deliver, RUN_FREE);
    until_outcomes(kit, 2);
    assert_int_equal(rows(kit).delivered, 2);
}

static void what_was_owed_before_the_start_is_walked(void **state) {
    struct kit *kit = *state;
    char path[16];
    for (int i = 0; i < 450; i++) { /* More than two pages of receivers. */
        (void)snprintf(path, sizeof path, "%d", i);
        owe(kit, path);
    }
    open_deliver(kit, (struct deliver_options){.allow = kit->allow});
    deliver_recover(kit->deliver);
    until_outcomes(kit, 450);
    assert_int_equal(kit->server.requests, 450);
    assert_int_equal(rows(kit).open, 0);
    assert_in_range(kit->server.connections, 1, DELIVER_AT_ONCE);
}

struct sql_call {
    const char *sql;
    int64_t changed;
};

static struct err sql_tx(struct tx *tx, void *ctx) {
    struct sql_call *call = ctx;
    return tx_exec(tx, call->sql, NULL /* no argument */, 0, &call->changed);
}

static void damage(struct kit *kit, const char *sql) {
    struct sql_call call = {.sql = sql};
    store_write(kit->store, sql_tx, NULL, &call);
    while (store_turn(kit->store)) {
    }
    assert_int_equal(call.changed, 1);
}

static void receivers_that_cannot_be_read_delay_no_other(void **state) {
    struct kit *kit = *state;
    for (const char *path = "12345"; *path != '\0'; path++) {
        owe(kit, (char[]){*path, '\0'});
    }
    damage(kit, "UPDATE inbox SET receiver = 'webhoox' WHERE id = 1");
    damage(kit, "UPDATE inbox SET owner = replace(owner || hex(zeroblob(200)), '00', 'ann')"
                " WHERE id = 2");
    damage(kit, "UPDATE inbox SET address = address || hex(zeroblob(2000)) WHERE id = 3");
    damage(kit, "UPDATE inbox SET state = 'pendong' WHERE id = 4");
    kit->frozen = true; /* No wait would end. */
    open_deliver(kit, (struct deliver_options){.allow = kit->allow});
    deliver_recover(kit->deliver);
    until_outcomes(kit, 1);
    assert_int_equal(kit->server.requests, 1);
    assert_int_equal(stats(kit).store_retries, 0);
}

static void a_notice_that_cannot_be_sent_is_held_and_delays_no_other(void **state) {
    struct kit *kit = *state;
    for (int i = 0; i < 3; i++) {
        owe(kit, "same");
    }
    damage(kit, "UPDATE inbox SET payload = hex(zeroblob(20000)) WHERE id = 1");
    damage(kit, "UPDATE inbox SET delivery = delivery || hex(zeroblob(20)) WHERE id = 2");
    kit->frozen = true; /* No wait would end. */
    open_deliver(kit, (struct deliver_options){.allow = kit->allow});
    deliver_recover(kit->deliver);
    until_outcomes(kit, 1);
    settle_down(kit);
    assert_int_equal(kit->server.requests, 1);
    assert_int_equal(stats(kit).store_retries, 0);
    assert_int_equal(rows(kit).open, 2);
    assert_int_equal(rows(kit).delivered, 1);
    assert_string_equal(rows(kit).cause, "the notice is damaged in the database");
}

static void until_in_flight(struct kit *kit, uint64_t count) {
    while (stats(kit).in_flight != count) {
        turn(kit);
    }
}

static void receivers_that_are_silent_hold_half_of_the_slots_at_most(void **state) {
    struct kit *kit = *state;
    enum { MUTE = DELIVER_AT_ONCE + 5, OTHERS = 60 };
    char path[16];
    for (int i = 0; i < MUTE; i++) {
        (void)snprintf(path, sizeof path, "mute%d", i);
        owe(kit, path);
    }
    until_in_flight(kit, DELIVER_AT_ONCE);
    until_in_flight(kit, DELIVER_SLOW_MAX); /* The others were taken back, and failed nobody. */
    assert_int_equal(stats(kit).failed, 0);
    assert_int_equal(rows(kit).failures, 0);
    for (int i = 0; i < OTHERS; i++) {
        (void)snprintf(path, sizeof path, "other%d", i);
        owe(kit, path);
    }
    until_outcomes(kit, OTHERS);
    assert_int_equal(stats(kit).delivered, OTHERS);
    assert_int_equal(stats(kit).receivers, MUTE);
    until_in_flight(kit, DELIVER_SLOW_MAX); /* Those that had not been tried yet were, too. */
    assert_int_equal(stats(kit).failed, 0);
}

static void a_receiver_that_was_taken_back_is_sent_the_same_again(void **state) {
    struct kit *kit = *state;
    kit->answer = NULL;
    char path[16], id[ID_SIZE];
    for (int i = 0; i < DELIVER_SLOW_MAX; i++) {
        (void)snprintf(path, sizeof path, "mute%d", i);
        owe(kit, path);
        until_requests(kit, (unsigned)i + 1);
    }
    owe(kit, "slow");
    until_requests(kit, DELIVER_SLOW_MAX + 1);
    memcpy(id, kit->id, sizeof id);
    while (stats(kit).in_flight != DELIVER_SLOW_MAX) {
        turn(kit);
    }
    kit->answer = "HTTP/1.1 204 No Content\r\n\r\n";
    struct served *first = kit->server.served[0];
    served_say(first, kit->answer); /* A slot for the slow is free. */
    until_outcomes(kit, 2);
    assert_string_equal(kit->id, id);
    assert_int_equal(stats(kit).delivered, 2);
    assert_int_equal(stats(kit).failed, 0);
}

static void nobody_is_passed_over_however_many_are_owed_something(void **state) {
    struct kit *kit = *state;
    enum { KNOWN = 8, RECEIVERS = 70 };
    kit->hurry = true;
    kit->answer = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
    open_deliver(kit, (struct deliver_options){.allow = kit->allow, .receivers_max = KNOWN});
    char path[16];
    for (int i = 0; i < RECEIVERS; i++) {
        (void)snprintf(path, sizeof path, "%d", i);
        owe(kit, path);
        assert_true(stats(kit).receivers <= KNOWN);
    }
    while (stats(kit).failed < RECEIVERS) { /* More of them wait than may be known. */
        turn(kit);
    }
    kit->clock_ms += 2000;
    kit->answer = "HTTP/1.1 204 No Content\r\n\r\n";
    while (stats(kit).delivered < RECEIVERS) {
        turn(kit);
        assert_true(stats(kit).receivers <= KNOWN);
    }
    assert_int_equal(rows(kit).open, 0);
}

static void a_clock_that_was_set_back_makes_no_receiver_wait(void **state) {
    struct kit *kit = *state;
    kit->frozen = true; /* No wait would end. */
    kit->answer_once = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
    owe(kit, "one");
    until_outcomes(kit, 1);
    stop_deliver(kit);
    owe(kit, "two");
    kit->clock_ms -= INT64_C(86400) * 1000;
    open_deliver(kit, (struct deliver_options){.allow = kit->allow});
    deliver_recover(kit->deliver);
    until_outcomes(kit, 2);
    assert_int_equal(rows(kit).delivered, 2);
}

static void what_a_stop_cancels_comes_again_with_the_same_id(void **state) {
    struct kit *kit = *state;
    kit->answer = NULL;
    owe(kit, "");
    until_requests(kit, 1);
    stop_deliver(kit);
    kit->answer = "HTTP/1.1 204 No Content\r\n\r\n";
    open_deliver(kit, (struct deliver_options){.allow = kit->allow});
    deliver_recover(kit->deliver);
    until_outcomes(kit, 1);
    assert_int_equal(kit->server.requests, 2);
    assert_string_equal(kit->id, kit->first);
    assert_int_equal(rows(kit).delivered, 1);
}

static void an_outcome_that_the_store_refuses_is_kept_and_not_sent_again(void **state) {
    struct kit *kit = *state;
    kit->settle_failures = 2;
    owe(kit, "");
    until_requests(kit, 1);
    owe(kit, ""); /* Nor is the next row begun meanwhile. */
    while (kit->settle_failures > 0) {
        turn(kit);
        assert_int_equal(kit->server.requests, 1);
    }
    until_outcomes(kit, 2);
    assert_int_equal(kit->server.requests, 2);
    assert_string_not_equal(kit->id, kit->first);
    assert_int_equal(rows(kit).delivered, 2);
    assert_int_equal(stats(kit).store_retries, 2);
}

/* The receiver has it, the daemon dies, and the store never heard of it. */
static void an_answer_whose_commit_never_came_is_asked_for_again_with_the_same_id(void **state) {
    struct kit *kit = *state;
    kit->settle_failures = UINT32_MAX;
    owe(kit, "");
    until_requests(kit, 1);
    while (stats(kit).store_retries == 0) {
        turn(kit);
    }
    stop_deliver(kit);
    kit->settle_failures = 0;
    assert_int_equal(rows(kit).open, 1);
    open_deliver(kit, (struct deliver_options){.allow = kit->allow});
    deliver_recover(kit->deliver);
    until_outcomes(kit, 1);
    assert_int_equal(kit->server.requests, 2);
    assert_string_equal(kit->id, kit->first);
    assert_int_equal(rows(kit).delivered, 1);
}

static void a_row_that_a_reader_was_too_early_for_is_not_forgotten(void **state) {
    struct kit *kit = *state;
    kit->frozen = true; /* Only its note can bring it. */
    kit->stale = STALE_NOTHING;
    owe(kit, "");
    until_outcomes(kit, 1);
    kit->stale = STALE_LATER;
    owe(kit, "");
    until_outcomes(kit, 2);
    assert_int_equal(rows(kit).delivered, 2);
}

static void the_rows_are_counted(void **state) {
    struct kit *kit = *state;
    open_deliver(kit, (struct deliver_options){.allow = kit->allow, .hold = RUN_HELD});
    owe(kit, "");
    owe(kit, "");
    while (stats(kit).pending != 2) {
        turn(kit);
    }
    assert_int_equal(stats(kit).oldest_ms, kit->clock_ms);
    deliver_set_hold(kit->deliver, RUN_FREE);
    while (stats(kit).pending != 0) {
        turn(kit);
    }
    assert_int_equal(stats(kit).oldest_ms, 0);
}

/* --- The secret ------------------------------------------------------------------------------- */

static char *load(const struct kit *kit, const char *file, struct why *why) {
    char *text = NULL;
    struct err err = deliver_secret_load(&kit->world, kit->folder, file, &text, why);
    assert_true(err_failed(err) == (text == NULL));
    return text;
}

static void the_secret_is_made_once_and_for_its_owner_alone(void **state) {
    struct kit *kit = *state;
    struct why why;
    char path[100];
    (void)snprintf(path, sizeof path, "%s/webhook.key", kit->folder);
    AUTO(mem_release) char *first = load(kit, NULL, &why), *again = load(kit, NULL, &why);
    assert_int_equal(strlen(first), 64);
    assert_int_equal(strspn(first, "0123456789abcdef"), 64);
    assert_string_equal(first, again);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_null(load(kit, NULL, &why));
    assert_non_null(strstr(why.text, "chmod 600"));
}

static void a_secret_of_one_s_own_is_one_line(void **state) {
    struct kit *kit = *state;
    static const struct {
        struct bytes text;
        const char *secret;
    } cases[] = {
        {BYTES_INIT("0123456789abcdef"), "0123456789abcdef"},
        {BYTES_INIT("a secret with blanks\n"), "a secret with blanks"},
        {BYTES_INIT("0123456789abcdef\r\n"), "0123456789abcdef"},
        {BYTES_INIT("short\n"), NULL},
        {BYTES_INIT(""), NULL},
        {BYTES_INIT("0123456789abcdef\nmore\n"), NULL},
        {BYTES_INIT("0123456789abcdef\0more"), NULL},
    };
    struct why why;
    char path[100];
    (void)snprintf(path, sizeof path, "%s/own", kit->folder);
    assert_null(load(kit, path, &why)); /* Ours is made, not one that was named. */
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = kit->world.file_replace(kit->world.ctx, path, cases[i].text, 0600);
        assert_false(err_failed(err));
        AUTO(mem_release) char *text = load(kit, path, &why);
        if (cases[i].secret == NULL) {
            assert_null(text);
        } else {
            assert_string_equal(text, cases[i].secret);
        }
    }
}

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN); /* As the daemon does. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_free, close_kit)
#define TEST_OWN(name) cmocka_unit_test_setup_teardown(name, open_kit, close_kit)
    const struct CMUnitTest tests[] = {
        TEST(a_notice_arrives_signed_and_is_settled),
        TEST(a_receiver_that_fails_forty_times_gets_it_with_the_default_waits),
        TEST(a_failure_is_tried_again_by_itself),
        TEST(a_receiver_that_is_silent_holds_back_no_other),
        TEST(a_row_that_failed_holds_back_no_other_of_its_receiver),
        TEST(only_410_says_that_a_receiver_is_gone),
        TEST(the_status_is_the_answer_whatever_follows_it),
        TEST_OWN(a_private_address_is_refused_unless_it_is_listed),
        TEST_OWN(a_receiver_that_takes_too_long_has_failed),
        TEST(a_url_that_cannot_be_used_says_so),
        TEST_OWN(while_held_nothing_is_sent),
        TEST_OWN(what_was_owed_before_the_start_is_walked),
        TEST_OWN(receivers_that_cannot_be_read_delay_no_other),
        TEST_OWN(a_notice_that_cannot_be_sent_is_held_and_delays_no_other),
        TEST(receivers_that_are_silent_hold_half_of_the_slots_at_most),
        TEST(a_receiver_that_was_taken_back_is_sent_the_same_again),
        TEST_OWN(nobody_is_passed_over_however_many_are_owed_something),
        TEST(a_clock_that_was_set_back_makes_no_receiver_wait),
        TEST(what_a_stop_cancels_comes_again_with_the_same_id),
        TEST(an_outcome_that_the_store_refuses_is_kept_and_not_sent_again),
        TEST(an_answer_whose_commit_never_came_is_asked_for_again_with_the_same_id),
        TEST(a_row_that_a_reader_was_too_early_for_is_not_forgotten),
        TEST_OWN(the_rows_are_counted),
        TEST_OWN(the_secret_is_made_once_and_for_its_owner_alone),
        TEST_OWN(a_secret_of_one_s_own_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
