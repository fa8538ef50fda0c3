/* Addresses as users write them, for the daemon and for its clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/base/client.h"
#include "cli/system/listen.h"

static void a_daemon_listens_on_addresses_and_sockets(void **state) {
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:7433", "127.0.0.1", 7433, true},  {"127.9.9.9:0", "127.9.9.9", 0, true},
        {"localhost:80", "localhost", 80, true},      {"[::1]:65535", "::1", 65535, true},
        {"0.0.0.0:80", "0.0.0.0", 80, false},         {"[::]:80", "::", 80, false},
        {"192.168.1.4:80", "192.168.1.4", 80, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct listen_address address;
        struct why why;
        assert_int_equal(listen_parse(cases[i].text, &address, &why).code, ERR_NONE);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
        assert_int_equal(address.loopback, cases[i].loopback);
    }
    struct listen_address address;
    struct why why;
    assert_int_equal(listen_parse("unix:/run/d.sock", &address, &why).code, ERR_NONE);
    assert_true(address.unix_socket && address.loopback);
    assert_string_equal(address.path, "/run/d.sock");
}

static void what_is_no_address_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",           "80",          ":80",           "localhost",     "localhost:", "localhost:x",
        "1.2.3.4:-1", "1.2.3.4:080", "1.2.3.4:65536", "example.org:1", "unix:",      "[::1]",
        "[::1:80",    "1.2.3:80",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct listen_address address = {.port = 7};
        struct why why;
        assert_int_equal(listen_parse(texts[i], &address, &why).code, ERR_USAGE);
        assert_int_equal(address.port, 7);
    }
}

static void a_client_takes_http_urls_and_sockets(void **state) {
    (void)state;
    static const struct {
        const char *url, *host, *port;
    } cases[] = {
        {"http://127.0.0.1:7433", "127.0.0.1", "7433"},
        {"http://localhost/", "localhost", "80"},
        {"http://[::1]:9/", "::1", "9"},
        {"http://[::1]", "::1", "80"},
        {"http://box.example:65535", "box.example", "65535"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client_address address;
        struct why why;
        assert_int_equal(client_url_parse(cases[i].url, &address, &why).code, ERR_NONE);
        assert_string_equal(address.host, cases[i].host);
        assert_string_equal(address.port, cases[i].port);
        assert_null(address.path);
    }
    struct client_address socket;
    assert_int_equal(client_url_parse("unix:/run/drover.sock", &socket, NULL).code, ERR_NONE);
    assert_string_equal(socket.path, "/run/drover.sock");
    static const char *const bad[] = {
        "",           "localhost:1",   "https://localhost", "http://", "http://:80",   "http://h:0",
        "http://h:x", "http://h/path", "http://h:99999",    "unix:",   "unix:relative"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct client_address address;
        struct why why;
        assert_int_equal(client_url_parse(bad[i], &address, &why).code, ERR_USAGE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_daemon_listens_on_addresses_and_sockets),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_client_takes_http_urls_and_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
