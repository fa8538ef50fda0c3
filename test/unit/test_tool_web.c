/* web_fetch, against a server of the test's own; and what it reads pages with. */
#include "fetch_kit.h"

#include "base/json/json.h"
#include "tool/web/html.h"
#include "tool/web/web.h"

/* --- Pages ------------------------------------------------------------------------------------ */

static const char *const pages[][2] = {
    {"plain", "plain\n"},
    {"<html><head><title>T</title><style>p{}</style></head><body><h1>Head</h1><p>One  two\n three."
     "</p><p>Four</p></body></html>",
     "T\n\n# Head\n\nOne two three.\n\nFour\n"},
    {"<ul><li>a</li><li>b <b>c</b></li></ul>d", "- a\n- b c\n\nd\n"},
    {"see <a href=\"/x?a=1\">this</a>, <a href='#top'>that</a><a href=javascript:x()>!</a>",
     "see this (/x?a=1), that!\n"},
    {"a<script>alert('<p>no</p>')</script>b<!-- no -->c<br>d", "abc\nd\n"},
    {"<pre>  keep\n   this</pre>x", "  keep\n   this\n\nx\n"},
    {"&lt;b&gt; &amp; &#228;&#xE4; &euro; &nothing; & &#0; &#xD800; a&b",
     "<b> & \xC3\xA4\xC3\xA4 "
     "\xE2\x82\xAC &nothing; & a&b\n"},
    {"1 < 2 <> <3", "1 < 2 <> <3\n"},
    {"<p title=\"a>b\">x</p>", "x\n"},
    {"<table><tr><td>a<td>b</tr><tr><td>c</table>", "| a| b\n| c\n"},
    {"<script>never closed", ""},
    {"<!-- never closed", ""},
    {"<p", ""},
};

static void pages_become_text(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        AUTO(text_done) struct text text;
        text_init(&text, 4096);
        html_to_text((struct bytes){pages[i][0], strlen(pages[i][0])}, &text);
        const char *got = text.data == NULL ? "" : text.data;
        if (strcmp(got, pages[i][1]) != 0) {
            fail_msg("%s: \"%s\"", pages[i][0], got);
        }
    }
}

static const char *const joins[][3] = {
    {NULL, "http://a/b", "http://a/b"},
    {NULL, "HTTPS://a/b#c", "HTTPS://a/b"},
    {NULL, "ftp://a/b", NULL},
    {NULL, "/b", NULL},
    {NULL, "http://", NULL},
    {NULL, "http://user@a/", NULL},
    {NULL, "http://a b/", NULL},
    {NULL, "http://a\\@b/", NULL},
    {"http://a/b/c?d", "e", "http://a/b/e"},
    {"http://a/b/c?d", "/e", "http://a/e"},
    {"http://a/b/c?d", "?e", "http://a/b/c?e"},
    {"http://a/b/c?d", "../../../e", "http://a/e"},
    {"http://a/b/c?d", "./e/.", "http://a/b/e/"},
    {"http://a/b/c", "//x/y", "http://x/y"},
    {"https://a", "b", "https://a/b"},
    {"http://a/b", "javascript:x", NULL},
    {"http://a/b", "file:///etc/passwd", NULL},
    {"http://a/b/c", "#x", "http://a/b/c"},
    {"http://a:8/b/c", "d?/../e", "http://a:8/b/d?/../e"},
};

static void redirects_are_resolved(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(joins); i++) {
        struct url base = {""}, url = {""};
        if (joins[i][0] != NULL) {
            (void)snprintf(base.text, sizeof base.text, "%s", joins[i][0]);
        }
        struct bytes reference = {joins[i][1], strlen(joins[i][1])};
        bool joined = url_join(joins[i][0] == NULL ? NULL : &base, reference, &url);
        if (joined != (joins[i][2] != NULL) || (joined && strcmp(url.text, joins[i][2]) != 0)) {
            fail_msg("%s: %s", joins[i][1], url.text);
        }
    }
}

/* --- Fetching --------------------------------------------------------------------------------- */

struct page {
    struct kit *kit;
    unsigned dones, asked_may;
    bool failed, deny;
    char content[TOOL_CONTENT_MAX + 1];
};

static void page_done(void *ctx, const struct tool_result *result) {
    struct page *page = ctx;
    page->dones++;
    page->failed = result->cause != CARD_DONE;
    memcpy(page->content, result->content.data, result->content.len + 1);
}

static bool may(void *ctx, const char *url) {
    struct page *page = ctx;
    page->asked_may++;
    return !page->deny;
}

static struct web_fetch *fetch_begin(struct page *page, const char *path, int64_t offset) {
    char url[200];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", page->kit->server.port, path);
    struct tool_call call = {.id = TOOL_WEB_FETCH};
    call.input = json_pack("{s:s,s:I}", "url", url, "offset", (json_int_t)offset);
    struct web_order order = {.loop = page->kit->loop,
                              .client = page->kit->client,
                              .allow = page->kit->allow,
                              .call = &call,
                              .may = may,
                              .done = page_done,
                              .ctx = page};
    struct web_fetch *fetch = NULL;
    assert_int_equal(web_fetch_start(&order, &fetch).code, ERR_NONE);
    assert_int_equal(page->dones, 0); /* Never inside the call. */
    json_release(&call.input);
    return fetch;
}

static void fetch_page(struct page *page, const char *path, int64_t offset) {
    page->dones = 0;
    (void)fetch_begin(page, path, offset);
    while (page->dones == 0) {
        server_turn(page->kit->loop);
    }
    assert_int_equal(page->dones, 1);
}

static void expect_page(struct kit *kit, const char *answer, bool failed, const char *holds) {
    AUTO(mem_release) struct page *page = mem_new(sizeof *page);
    page->kit = kit;
    answers(kit, answer);
    fetch_page(page, "/start", 0);
    if (page->failed != failed || strstr(page->content, holds) == NULL) {
        fail_msg("%s: %s", answer, page->content);
    }
}

#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n"

static void texts_and_pages_are_read(void **state) {
    struct kit *kit = *state;
    kit->then = CLOSE;
    expect_page(kit, HEAD "Content-Type: text/html; charset=utf-8\r\n\r\n<p>H\xC3\xA4llo</p>",
                false, "status 200, text/html; charset=utf-8; bytes 0 to 7 of 7\n\nH\xC3\xA4llo\n");
    expect_page(kit, HEAD "Content-Type: text/html; charset=ISO-8859-1\r\n\r\n<p>H\xE4llo</p>",
                false, "\nH\xC3\xA4llo\n");
    expect_page(kit, HEAD "Content-Type: application/json\r\n\r\n{\"a\":1}", false, "{\"a\":1}");
    expect_page(kit, HEAD "\r\n<!DOCTYPE html><p>page</p>", false, "\npage\n");
    expect_page(kit, HEAD "Content-Type: image/png\r\n\r\nabc", true,
                "(3 bytes), which is no text");
    expect_page(kit, "HTTP/1.1 404 No\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nnope",
                true, "status 404, text/plain; bytes 0 to 4 of 4\n\nnope");
    expect_page(kit, HEAD "Content-Type: text/plain\r\n\r\n", false, "bytes 0 to");
    kit->then = RESET;
    expect_page(kit, HEAD "Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf", true,
                "fetch_failed");
}

static void serve_hops(struct server *server, struct served *served) {
    struct kit *kit = server->ctx;
    char answer[256];
    bool loops = memmem(served->request.data, served->request.len, "/loop", 5) != NULL;
    bool starts = memmem(served->request.data, served->request.len, "/start", 6) != NULL;
    const char *to = loops ? "/loop" : "second?x=1";
    (void)snprintf(answer, sizeof answer,
                   loops || starts
                       ? "HTTP/1.1 302 F\r\nConnection: close\r\nLocation: %s\r\n\r\n"
                       : "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
                         "there%.0s",
                   to);
    served_send(served, answer, strlen(answer));
    served_close(served);
    (void)kit;
}

static void redirects_are_followed_within_limits(void **state) {
    struct kit *kit = *state;
    kit->server.asked = serve_hops;
    AUTO(mem_release) struct page *page = mem_new(sizeof *page);
    page->kit = kit;
    fetch_page(page, "/start", 0);
    assert_false(page->failed);
    assert_non_null(strstr(page->content, "/second?x=1\nstatus 200"));
    assert_int_equal(page->asked_may, 1);
    unsigned before = kit->server.requests;
    fetch_page(page, "/loop", 0);
    assert_true(page->failed);
    assert_non_null(strstr(page->content, "more than 5 redirects"));
    assert_int_equal(kit->server.requests - before, 1 + WEB_HOPS_MAX);
    page->deny = true;
    fetch_page(page, "/start", 0);
    assert_true(page->failed);
    assert_non_null(strstr(page->content, "which is not allowed"));
}

static void a_redirect_to_a_private_address_is_refused(void **state) {
    struct kit *kit = *state;
    kit->then = CLOSE;
    /* Only 127.0.0.1 is allowed to the test: its neighbour is judged by itself. */
    expect_page(kit, "HTTP/1.1 301 M\r\nConnection: close\r\nLocation: http://127.0.0.2:1/\r\n\r\n",
                true, "the address is not allowed");
    expect_page(kit, "HTTP/1.1 301 M\r\nConnection: close\r\nLocation: file:///etc/passwd\r\n\r\n",
                true, "redirects to what is not fetched");
}

static void a_long_text_is_read_by_offset(void **state) {
    struct kit *kit = *state;
    kit->then = CLOSE;
    AUTO(text_done) struct text answer;
    text_init(&answer, 1 << 20);
    text_add_str(&answer, HEAD "Content-Type: text/plain\r\n\r\n");
    for (int i = 0; i < 20000; i++) {
        text_addf(&answer, "%06d\n", i);
    }
    kit->answer = answer.data;
    kit->answer_len = answer.len;
    AUTO(mem_release) struct page *page = mem_new(sizeof *page);
    page->kit = kit;
    const char *whole = strstr(answer.data, "\r\n\r\n") + 4;
    size_t offset = 0, len = strlen(whole);
    for (int calls = 0; offset < len; calls++) {
        assert_in_range(calls, 0, 5);
        fetch_page(page, "/long", (int64_t)offset);
        const char *body = strstr(page->content, "\n\n") + 2;
        const char *more = strstr(page->content, "\n[more: offset = ");
        size_t shown = more == NULL ? strlen(body) : (size_t)(more - body);
        assert_memory_equal(body, whole + offset, shown);
        offset += shown;
        assert_true(more != NULL || offset == len);
    }
    assert_non_null(strstr(page->content, "\n019999\n"));
}

static void a_cancelled_fetch_tells_nothing(void **state) {
    struct kit *kit = *state;
    AUTO(mem_release) struct page *page = mem_new(sizeof *page);
    page->kit = kit;
    kit->answer = NULL; /* Silence. */
    struct web_fetch *fetch = fetch_begin(page, "/never", 0);
    while (kit->server.requests == 0) {
        server_turn(kit->loop);
    }
    web_fetch_cancel(fetch);
    fetch = fetch_begin(page, "/never", 0);
    web_fetch_cancel(fetch);
    assert_int_equal(page->dones, 0);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_become_text),
        cmocka_unit_test(redirects_are_resolved),
        cmocka_unit_test_setup_teardown(texts_and_pages_are_read, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(redirects_are_followed_within_limits, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_redirect_to_a_private_address_is_refused, open_kit,
                                        close_kit),
        cmocka_unit_test_setup_teardown(a_long_text_is_read_by_offset, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_cancelled_fetch_tells_nothing, open_kit, close_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
