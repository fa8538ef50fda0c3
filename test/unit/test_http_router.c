#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/conn.h"
#include "http/target.h"

static const struct route routes[] = {
    {.method = "GET", .path = "/"},          {.method = "GET", .path = "/a/{id}"},
    {.method = "DELETE", .path = "/a/{id}"}, {.method = "GET", .path = "/a/self"},
    {.method = "POST", .path = "/a"},        {.method = "GET", .path = "/{x}/b/{y}"},
    {.method = "GET", .path = "/a/b/c"},     {.method = "PUT", .path = "/a/b/{z}"},
};

static int setup(void **state) {
    static struct router router;
    router = (struct router){0};
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        router_add(&router, &(struct router_entry){.route = &routes[i], .ctx = (void *)&routes[i]});
    }
    *state = &router;
    return 0;
}

static int teardown(void **state) {
    router_done(*state);
    return 0;
}

static const struct router_row *match(void **state, const char *path, struct bytes *params) {
    static char scratch[128];
    static struct target target;
    struct why why = {0};
    struct err err = target_parse((struct bytes){path, strlen(path)}, scratch, &target, &why);
    assert_int_equal(err.code, ERR_NONE);
    return router_match(*state, &target, params);
}

static void expect(void **state, const char *method, const char *path, const char *pattern) {
    struct bytes params[PATH_PARAMS_MAX];
    const struct router_row *row = match(state, path, params);
    const struct router_entry *entry =
        row == NULL ? NULL : router_entry_find(row, (struct bytes){method, strlen(method)});
    if (pattern == NULL) {
        assert_null(entry);
        return;
    }
    assert_non_null(entry);
    assert_string_equal(entry->route->path, pattern);
    assert_ptr_equal(entry->ctx, entry->route);
}

static void a_path_finds_its_route(void **state) {
    expect(state, "GET", "/", "/");
    expect(state, "GET", "/a/7", "/a/{id}");
    expect(state, "DELETE", "/a/7", "/a/{id}");
    expect(state, "POST", "/a", "/a");
    expect(state, "GET", "/q/b/r", "/{x}/b/{y}");
    expect(state, "GET", "/%61/7", "/a/{id}");
}

static void a_literal_wins_over_a_parameter(void **state) {
    expect(state, "GET", "/a/self", "/a/self");
    expect(state, "GET", "/a/b/c", "/a/b/c");
    expect(state, "PUT", "/a/b/d", "/a/b/{z}");
}

static void head_is_answered_by_get(void **state) {
    expect(state, "HEAD", "/a/7", "/a/{id}");
    expect(state, "HEAD", "/a", NULL);
}

static void what_is_not_there_is_not_found(void **state) {
    expect(state, "GET", "/b", NULL);
    expect(state, "GET", "/a/", NULL);
    expect(state, "GET", "/a/7/", NULL);
    expect(state, "GET", "/A/7", NULL);
    expect(state, "PUT", "/a/7", NULL);
    expect(state, "GET", "/*", NULL);
}

static void parameters_come_in_order_and_decoded(void **state) {
    struct bytes params[PATH_PARAMS_MAX];
    assert_non_null(match(state, "/one%20two/b/%C3%A4", params));
    assert_int_equal(params[0].len, 7);
    assert_memory_equal(params[0].data, "one two", 7);
    assert_memory_equal(params[1].data, "\xc3\xa4", 2);
}

static void allow_lists_all_methods(void **state) {
    struct bytes params[PATH_PARAMS_MAX];
    char allow[ALLOW_SIZE];
    router_allow(match(state, "/a/7", params), allow);
    assert_string_equal(allow, "GET, HEAD, DELETE, OPTIONS");
    router_allow(match(state, "/a", params), allow);
    assert_string_equal(allow, "POST, OPTIONS");
}

static void an_address_holds_so_many_connections_and_no_more(void **state) {
    struct addresses addresses = {.buckets = {NULL}};
    struct address_slot *slots[3000];
    for (unsigned i = 0; i < COUNT_OF(slots); i++) {
        struct address address = {.bytes = {(uint8_t)(i % 1500), (uint8_t)(i % 1500 >> 8)}};
        slots[i] = addresses_take(&addresses, address, 2);
        assert_non_null(slots[i]);
        assert_int_equal(slots[i]->count, i < 1500 ? 1 : 2);
    }
    struct address first = {.bytes = {0}};
    assert_null(addresses_take(&addresses, first, 2));
    addresses_release(&addresses, slots[0]);
    slots[0] = addresses_take(&addresses, first, 2);
    assert_non_null(slots[0]);
    for (unsigned i = 0; i < COUNT_OF(slots); i++) {
        addresses_release(&addresses, slots[i]);
    }
    for (unsigned i = 0; i < ADDRESS_BUCKETS; i++) {
        assert_null(addresses.buckets[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_finds_its_route, setup, teardown),
        cmocka_unit_test_setup_teardown(a_literal_wins_over_a_parameter, setup, teardown),
        cmocka_unit_test_setup_teardown(head_is_answered_by_get, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(parameters_come_in_order_and_decoded, setup, teardown),
        cmocka_unit_test_setup_teardown(allow_lists_all_methods, setup, teardown),
        cmocka_unit_test(an_address_holds_so_many_connections_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
