/* The guard: what an address is, and what a list allows nevertheless. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "loop/address.h"

static struct address address_of(const char *ip, uint16_t port) {
    struct address address;
    if (!address_parse(ip, port, &address)) {
        fail_msg("%s is no address", ip);
    }
    return address;
}

static const struct {
    const char *ip;
    enum address_kind kind;
} judged[] = {
    {"8.8.8.8", ADDRESS_PUBLIC},
    {"1.0.0.1", ADDRESS_PUBLIC},
    {"0.0.0.0", ADDRESS_UNSPECIFIED},
    {"0.1.2.3", ADDRESS_UNSPECIFIED},
    {"9.255.255.255", ADDRESS_PUBLIC},
    {"10.0.0.0", ADDRESS_PRIVATE},
    {"10.255.255.255", ADDRESS_PRIVATE},
    {"11.0.0.0", ADDRESS_PUBLIC},
    {"100.63.255.255", ADDRESS_PUBLIC},
    {"100.64.0.0", ADDRESS_CARRIER_NAT},
    {"100.127.255.255", ADDRESS_CARRIER_NAT},
    {"100.128.0.0", ADDRESS_PUBLIC},
    {"126.255.255.255", ADDRESS_PUBLIC},
    {"127.0.0.1", ADDRESS_LOOPBACK},
    {"127.255.255.255", ADDRESS_LOOPBACK},
    {"128.0.0.0", ADDRESS_PUBLIC},
    {"169.253.255.255", ADDRESS_PUBLIC},
    {"169.254.169.254", ADDRESS_LINK_LOCAL},
    {"169.255.0.0", ADDRESS_PUBLIC},
    {"172.15.255.255", ADDRESS_PUBLIC},
    {"172.16.0.0", ADDRESS_PRIVATE},
    {"172.31.255.255", ADDRESS_PRIVATE},
    {"172.32.0.0", ADDRESS_PUBLIC},
    {"192.0.0.8", ADDRESS_RESERVED},
    {"192.0.1.0", ADDRESS_PUBLIC},
    {"192.0.2.1", ADDRESS_RESERVED},
    {"192.88.99.1", ADDRESS_RESERVED},
    {"192.167.255.255", ADDRESS_PUBLIC},
    {"192.168.0.0", ADDRESS_PRIVATE},
    {"192.168.255.255", ADDRESS_PRIVATE},
    {"192.169.0.0", ADDRESS_PUBLIC},
    {"198.17.255.255", ADDRESS_PUBLIC},
    {"198.18.0.0", ADDRESS_RESERVED},
    {"198.19.255.255", ADDRESS_RESERVED},
    {"198.20.0.0", ADDRESS_PUBLIC},
    {"198.51.100.7", ADDRESS_RESERVED},
    {"203.0.113.7", ADDRESS_RESERVED},
    {"223.255.255.255", ADDRESS_PUBLIC},
    {"224.0.0.1", ADDRESS_MULTICAST},
    {"239.255.255.255", ADDRESS_MULTICAST},
    {"240.0.0.1", ADDRESS_RESERVED},
    {"255.255.255.255", ADDRESS_RESERVED},
    {"2606:4700::1111", ADDRESS_PUBLIC},
    {"2001:4860:4860::8888", ADDRESS_PUBLIC},
    {"::", ADDRESS_UNSPECIFIED},
    {"::1", ADDRESS_LOOPBACK},
    {"::ffff:127.0.0.1", ADDRESS_LOOPBACK},
    {"::ffff:10.1.2.3", ADDRESS_PRIVATE},
    {"::ffff:8.8.8.8", ADDRESS_PUBLIC},
    {"::ffff:0:192.168.1.1", ADDRESS_PRIVATE},
    {"::127.0.0.1", ADDRESS_LOOPBACK},
    {"::2", ADDRESS_UNSPECIFIED}, /* 0.0.0.2 inside. */
    {"64:ff9b::169.254.169.254", ADDRESS_LINK_LOCAL},
    {"64:ff9b::8.8.8.8", ADDRESS_PUBLIC},
    {"64:ff9b:1::8.8.8.8", ADDRESS_PRIVATE},
    {"2002:7f00:1::", ADDRESS_LOOPBACK},
    {"2002:a00:1::1", ADDRESS_PRIVATE},
    {"2002:808:808::", ADDRESS_PUBLIC},
    {"2001:0:1234::1", ADDRESS_RESERVED},
    {"2001:db8::1", ADDRESS_RESERVED},
    {"3fff:123::1", ADDRESS_RESERVED},
    {"2606:4700::5efe:10.0.0.1", ADDRESS_PRIVATE},
    {"2606:4700::200:5efe:127.0.0.1", ADDRESS_LOOPBACK},
    {"2606:4700::5efe:8.8.8.8", ADDRESS_PUBLIC},
    {"fc00::1", ADDRESS_PRIVATE},
    {"fdff:ffff::1", ADDRESS_PRIVATE},
    {"fe80::1", ADDRESS_LINK_LOCAL},
    {"febf::1", ADDRESS_LINK_LOCAL},
    {"fec0::1", ADDRESS_PRIVATE},
    {"ff02::1", ADDRESS_MULTICAST},
    {"100::1", ADDRESS_RESERVED},
    {"4000::1", ADDRESS_RESERVED},
    {"1fff::1", ADDRESS_RESERVED},
};

static void each_address_is_judged_as_what_it_reaches(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(judged); i++) {
        struct address address = address_of(judged[i].ip, 80);
        enum address_kind kind = address_judge(&address);
        if (kind != judged[i].kind) {
            fail_msg("%s is %s", judged[i].ip, address_kind_name(kind));
        }
        assert_true(address_allowed(NULL, &address, "x") == (kind == ADDRESS_PUBLIC));
    }
}

static void a_socket_s_address_is_taken_with_its_port(void **state) {
    (void)state;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(8080)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &four.sin_addr), 1);
    assert_int_equal(inet_pton(AF_INET6, "fe80::1", &six.sin6_addr), 1);
    struct address address;
    assert_true(address_from_socket((const struct sockaddr *)&four, sizeof four, &address));
    assert_int_equal(address.port, 8080);
    assert_int_equal(address_judge(&address), ADDRESS_LOOPBACK);
    assert_true(address_from_socket((const struct sockaddr *)&six, sizeof six, &address));
    assert_int_equal(address.port, 443);
    assert_int_equal(address_judge(&address), ADDRESS_LINK_LOCAL);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    assert_false(address_from_socket((const struct sockaddr *)&local, sizeof local, &address));
    assert_false(address_from_socket((const struct sockaddr *)&six, sizeof four, &address));
}

static void a_list_allows_what_it_names_and_nothing_else(void **state) {
    (void)state;
    static const struct {
        const char *list, *ip;
        uint16_t port;
        const char *host;
        bool allowed;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", 80, "x", true},
        {"127.0.0.1", "127.0.0.2", 80, "x", false},
        {"127.0.0.1:81", "127.0.0.1", 81, "x", true},
        {"127.0.0.1:81", "127.0.0.1", 80, "x", false},
        {"127.0.0.1", "::ffff:127.0.0.1", 80, "x", true},
        {"127.0.0.1", "64:ff9b::127.0.0.1", 80, "x", false},
        {"10.0.0.0/8", "10.9.8.7", 80, "x", true},
        {"10.0.0.0/8", "192.168.0.1", 80, "x", false},
        {"10.0.0.0/9", "10.128.0.1", 80, "x", false},
        {"0.0.0.0/0", "192.168.0.1", 80, "x", true},
        {"0.0.0.0/0", "::1", 80, "x", false},
        {"::/0", "::1", 80, "x", true},
        {"fd00::/8", "fd12::1", 80, "x", true},
        {"::1", "::1", 80, "x", true},
        {"[::1]:8080", "::1", 8080, "x", true},
        {"[::1]:8080", "::1", 80, "x", false},
        {"[::1]", "::1", 80, "x", true},
        {"hooks.lan", "10.0.0.1", 80, "hooks.lan", true},
        {"hooks.lan", "10.0.0.1", 80, "HOOKS.lan.", true},
        {"Hooks.LAN.", "10.0.0.1", 80, "hooks.lan", true},
        {"hooks.lan", "10.0.0.1", 80, "evil.hooks.lan", false},
        {"hooks.lan", "10.0.0.1", 80, "hooks.la", false},
        {"hooks.lan:9000", "10.0.0.1", 9000, "hooks.lan", true},
        {"hooks.lan:9000", "10.0.0.1", 9001, "hooks.lan", false},
        {"a,b,10.0.0.1", "10.0.0.1", 80, "x", true},
        {"a,b,10.0.0.1", "10.0.0.2", 80, "b", true},
        {"a,b,10.0.0.1", "10.0.0.2", 80, "c", false},
        {"a", "8.8.8.8", 80, "c", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address_list *list = NULL;
        struct why why;
        if (err_failed(address_list_parse(cases[i].list, &list, &why))) {
            fail_msg("%s: %s", cases[i].list, why.text);
        }
        struct address address = address_of(cases[i].ip, cases[i].port);
        if (address_allowed(list, &address, cases[i].host) != cases[i].allowed) {
            fail_msg("%s and %s (%s)", cases[i].list, cases[i].ip, cases[i].host);
        }
        address_list_free(list);
    }
}

static void a_url_is_judged_by_the_address_that_it_spells(void **state) {
    (void)state;
    static const struct {
        const char *url, *list, *refused; /* `refused` NULL: it is allowed. */
    } rows[] = {
        {"http://127.0.0.1:8080/x", NULL, "127.0.0.1:8080"},
        {"http://127.0.0.1:8080/x", "127.0.0.1:8080", NULL},
        {"http://127.0.0.1/x", "127.0.0.1:8080", "127.0.0.1:80"},
        {"https://10.1.2.3?x", NULL, "10.1.2.3:443"},
        {"http://[::1]:99/", NULL, "[::1]:99"},
        {"http://[::1]:99/", "::1", NULL},
        {"http://LocalHost.:7/", NULL, "LocalHost.:7"},
        {"http://localhost:7/", "localhost", NULL},
        {"http://localhost:7/", "127.0.0.0/8", NULL},
        {"http://localhost:7/", "::1", NULL},
        {"http://8.8.8.8/", NULL, NULL},
        {"http://2130706433/", NULL, "2130706433:80"},
        {"http://0x7f000001/", NULL, "0x7f000001:80"},
        {"http://0177.0.0.1/", NULL, "0177.0.0.1:80"},
        {"http://0177.0.0.1/", "127.0.0.0/8", NULL},
        {"http://0/", NULL, "0:80"},
        {"http://127.1/", NULL, "127.1:80"},
        {"http://127.0.0.1./", NULL, "127.0.0.1.:80"},
        {"http://167772161/", NULL, "167772161:80"},
        {"http://134744072/", NULL, NULL}, /* 8.8.8.8 */
        {"http://foo.LocalHost:7/", NULL, "foo.LocalHost:7"},
        {"http://foo.localhost./", NULL, "foo.localhost.:80"},
        {"http://foo.localhost/", "foo.localhost", NULL},
        {"http://xlocalhost/", NULL, NULL},
        {"http://localhost%2e/", NULL, "localhost.:80"},
        {"http://%6cocalhost/", NULL, "localhost:80"},
        {"http://a%2", NULL, NULL},
        {"http://a.name.that.is.longer.than.every.address.and.is.resolved.later/", NULL, NULL},
        {"http://[::1", NULL, NULL},
        {"http://127.0.0.1:", NULL, "127.0.0.1:80"},
        {"http://127.0.0.1:99999/", NULL, NULL}, /* No port is that large; the delivery fails. */
        {"http://", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct address_list *list = NULL;
        struct address_refused refused = {.where = ""};
        if (rows[i].list != NULL) {
            assert_int_equal(address_list_parse(rows[i].list, &list, NULL).code, ERR_NONE);
        }
        assert_int_equal(address_url_allowed(list, rows[i].url, &refused), rows[i].refused == NULL);
        assert_string_equal(refused.where, rows[i].refused == NULL ? "" : rows[i].refused);
        address_list_free(list);
    }
}

static void a_wrong_list_is_refused_and_the_entry_named(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",         "a,",         ",a",      "a b",     "10.0.0.0/33", "10.0.0.0/-1",
        "::/129",   "a/8",        "a:0",     "a:65536", "a:http",      ":80",
        "[::1",     "[::1]:0",    "[::1]x",  "[a]:80",  "[10.0.0.1]",  "10.0.0.0/8:80",
        "http://a", "fe80::1::2", "a:80:90", "*",       "10.0.0.0/08", "[]",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct address_list *list = NULL;
        struct why why;
        struct err err = address_list_parse(wrong[i], &list, &why);
        if (err.code != ERR_CONFIG) {
            fail_msg("\"%s\" was taken", wrong[i]);
        }
        assert_null(list);
    }
    struct address_list *list = NULL;
    struct why why;
    assert_int_equal(address_list_parse("good,ba d,good", &list, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "\"ba d\""));
}

static void a_list_has_a_bound(void **state) {
    (void)state;
    char text[4 * (ADDRESS_LIST_MAX + 1)] = "a";
    struct address_list *list = NULL;
    struct why why;
    for (int i = 1; i < ADDRESS_LIST_MAX; i++) {
        strcat(text, ",a");
    }
    assert_int_equal(address_list_parse(text, &list, &why).code, ERR_NONE);
    address_list_free(list);
    strcat(text, ",a");
    assert_int_equal(address_list_parse(text, &list, &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "64"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_judged_as_what_it_reaches),
        cmocka_unit_test(a_socket_s_address_is_taken_with_its_port),
        cmocka_unit_test(a_list_allows_what_it_names_and_nothing_else),
        cmocka_unit_test(a_url_is_judged_by_the_address_that_it_spells),
        cmocka_unit_test(a_wrong_list_is_refused_and_the_entry_named),
        cmocka_unit_test(a_list_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
