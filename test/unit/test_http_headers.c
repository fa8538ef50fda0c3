#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/host.h"
#include "http/request.h"
#include "http/stream/handshake.h"

static struct bytes of(const char *text) {
    return (struct bytes){text, strlen(text)};
}

static void hosts_are_names_with_perhaps_a_port(void **state) {
    static const struct {
        const char *text;
        size_t name_len;
        int port;
    } good[] = {
        {"a", 1, -1},
        {"a.b-c_d", 7, -1},
        {"127.0.0.1:80", 9, 80},
        {"[::1]", 5, -1},
        {"[::1]:65535", 5, 65535},
        {"LOCALHOST:1", 9, 1},
        {"[::ffff:1.2.3.4]", 16, -1},
    };
    static const char *const bad[] = {
        "",       ":",     ":80",      "a:",   "a:0",        "a:65536", "a:080", "a:+1", "a:1a",
        "a b",    "a,b",   "a/b",      "u@a",  "[",          "[]",      "[::1",  "::1",  "[g]",
        "[::1]x", "a:1:2", "\xc3\xa4", "a\tb", "[::1%eth0]", "a%20b",   "*",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct host host;
        assert_true(host_parse(of(good[i].text), &host));
        assert_int_equal(host.name.len, good[i].name_len);
        assert_int_equal(host.port, good[i].port);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct host host;
        if (host_parse(of(bad[i]), &host)) {
            fail_msg("'%s' was taken for a host", bad[i]);
        }
    }
}

static bool allowed(const struct host_rules *rules, const char *text) {
    struct host host;
    assert_true(host_parse(of(text), &host));
    return host_allowed(rules, host);
}

static void only_our_own_names_are_allowed(void **state) {
    static const char *const extra[] = {"drover.example", "fixed.example:8443", NULL};
    const struct host_rules rules = {.port = 7, .address = "10.0.0.1", .allowed_hosts = extra};
    static const char *const yes[] = {"localhost:7",      "LocalHost:7",       "127.0.0.1:7",
                                      "[::1]:7",          "10.0.0.1:7",        "drover.example",
                                      "drover.example:1", "fixed.example:8443"};
    static const char *const no[] = {
        "localhost",       "localhost:8",         "127.0.0.2:7",     "10.0.0.1",
        "x.localhost:7",   "localhost.:7",        "xdrover.example", "fixed.example",
        "fixed.example:1", "drover.example.evil", "0.0.0.0:7",       "evil.example:7"};
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        assert_true(allowed(&rules, yes[i]));
    }
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        assert_false(allowed(&rules, no[i]));
    }
    const struct host_rules standard = {.port = 80};
    assert_true(allowed(&standard, "localhost"));
    const struct host_rules any = {.any = true};
    assert_true(allowed(&any, "whatever"));
}

static void an_origin_is_the_same_host_or_listed(void **state) {
    static const char *const extra[] = {"https://ui.example", NULL};
    const struct host_rules rules = {.port = 7, .allowed_origins = extra};
    struct bytes host = BYTES("localhost:7");
    assert_true(origin_allowed(&rules, BYTES("http://localhost:7"), host));
    assert_true(origin_allowed(&rules, BYTES("https://ui.example"), host));
    assert_true(origin_allowed(&rules, BYTES("http://t"), BYTES("t:80")));
    assert_false(origin_allowed(&rules, BYTES("https://t"), BYTES("t")));
    assert_false(origin_allowed(&rules, BYTES("https://t"), BYTES("t:443")));
    static const char *const no[] = {"null",
                                     "",
                                     "http://localhost",
                                     "http://localhost:8",
                                     "https://localhost:7",
                                     "http://127.0.0.1:7",
                                     "file://localhost:7",
                                     "localhost:7",
                                     "http://localhost:7/",
                                     "http://localhost:7.evil.example",
                                     "http://evil@localhost:7",
                                     "https://ui.example.evil",
                                     "https://ui.example:1"};
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        assert_false(origin_allowed(&rules, of(no[i]), host));
    }
}

static void lists_are_compared_by_element(void **state) {
    assert_true(header_list_has(BYTES("close"), BYTES("close")));
    assert_true(header_list_has(BYTES("keep-alive , Upgrade"), BYTES("upgrade")));
    assert_true(header_list_has(BYTES(",, a ,"), BYTES("a")));
    assert_false(header_list_has(BYTES("closed"), BYTES("close")));
    assert_false(header_list_has(BYTES("clo se"), BYTES("close")));
    assert_false(header_list_has(BYTES(""), BYTES("close")));
}

static void only_what_is_named_is_accepted(void **state) {
    struct bytes sse = BYTES("text/event-stream");
    assert_true(header_accepts(BYTES("text/event-stream"), sse));
    assert_true(header_accepts(BYTES("a/b, Text/Event-Stream;q=0.5"), sse));
    assert_true(header_accepts(BYTES("text/event-stream; x=y; q=1"), sse));
    assert_false(header_accepts(BYTES("*/*"), sse));
    assert_false(header_accepts(BYTES("text/*"), sse));
    assert_false(header_accepts(BYTES("text/event-stream;q=0"), sse));
    assert_false(header_accepts(BYTES("text/event-stream; q=0.000"), sse));
    assert_false(header_accepts(BYTES("text/event-streams"), sse));
}

static void json_is_json_in_utf_8(void **state) {
    assert_true(header_is_json(BYTES("application/json")));
    assert_true(header_is_json(BYTES("Application/JSON;charset=\"UTF-8\"")));
    assert_true(header_is_json(BYTES("application/json ; charset=utf-8")));
    assert_false(header_is_json(BYTES("application/json; charset=utf-16")));
    assert_false(header_is_json(BYTES("application/json; x=y")));
    assert_false(header_is_json(BYTES("application/jsonp")));
    assert_false(header_is_json(BYTES("text/json")));
    assert_false(header_is_json(BYTES("")));
}

static void a_handshake_is_answered_as_the_standard_says(void **state) {
    char accept[HANDSHAKE_ACCEPT_SIZE];
    assert_true(handshake_key_valid(BYTES("dGhlIHNhbXBsZSBub25jZQ==")));
    handshake_accept(BYTES("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_false(handshake_key_valid(BYTES("dGhlIHNhbXBsZSBub25jZQ=")));
    assert_false(handshake_key_valid(BYTES("dGhlIHNhbXBsZSBub25jZQ=a")));
    assert_false(handshake_key_valid(BYTES("dGhlIHNhbXBsZSBub25jZ!==")));
    assert_false(handshake_key_valid(BYTES("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_names_with_perhaps_a_port),
        cmocka_unit_test(only_our_own_names_are_allowed),
        cmocka_unit_test(an_origin_is_the_same_host_or_listed),
        cmocka_unit_test(lists_are_compared_by_element),
        cmocka_unit_test(only_what_is_named_is_accepted),
        cmocka_unit_test(json_is_json_in_utf_8),
        cmocka_unit_test(a_handshake_is_answered_as_the_standard_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
