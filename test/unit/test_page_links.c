/* Links that sign a web page in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/token/page_links.h"

static const struct page_link page = {
    .owner = "bob", .origin = "http://127.0.0.1:7433", .scopes = 1};

static enum err_code find(struct page_links *links, const char *secret, uint64_t now_ms,
                          struct page_link **ret_link) {
    struct why why;
    return page_links_find(links, bytes_of(secret), now_ms, ret_link, &why).code;
}

static enum err_code add(struct page_links *links, const char *secret, uint64_t now_ms) {
    struct why why;
    return page_links_add(links, bytes_of(secret), &page, now_ms, &why).code;
}

static void a_link_is_valid_for_sixty_seconds(void **state) {
    (void)state;
    struct page_links links = {.links = {{.ends_ms = 0}}};
    struct page_link *link = NULL;
    assert_int_equal(add(&links, "one", 1000), ERR_NONE);
    assert_int_equal(find(&links, "one", 60999, &link), ERR_NONE);
    assert_string_equal(link->owner, "bob");
    assert_string_equal(link->origin, "http://127.0.0.1:7433");
    assert_int_equal(find(&links, "one", 61000, &link), ERR_UNAUTHORIZED);
    assert_int_equal(links.links[0].ends_ms, 0); /* Nothing of it is kept. */
}

static void a_link_that_was_used_is_gone(void **state) {
    (void)state;
    struct page_links links = {.links = {{.ends_ms = 0}}};
    struct page_link *link = NULL;
    assert_int_equal(add(&links, "one", 0), ERR_NONE);
    assert_int_equal(add(&links, "two", 0), ERR_NONE);
    assert_int_equal(find(&links, "one", 1, &link), ERR_NONE);
    page_link_end(link);
    assert_int_equal(find(&links, "one", 1, &link), ERR_UNAUTHORIZED);
    assert_int_equal(find(&links, "two", 1, &link), ERR_NONE);
}

static void links_are_bounded_until_one_ends(void **state) {
    (void)state;
    struct page_links links = {.links = {{.ends_ms = 0}}};
    for (int i = 0; i < PAGE_LINKS_MAX; i++) {
        assert_int_equal(add(&links, "one", 1), ERR_NONE);
    }
    assert_int_equal(add(&links, "one", PAGE_LINK_MS), ERR_TOO_MANY);
    assert_int_equal(add(&links, "one", PAGE_LINK_MS + 1), ERR_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_valid_for_sixty_seconds),
        cmocka_unit_test(a_link_that_was_used_is_gone),
        cmocka_unit_test(links_are_bounded_until_one_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
