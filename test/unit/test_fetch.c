/* The HTTP client against a server of our own. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fetch_kit.h"

/* --- Answers ---------------------------------------------------------------------------------- */

static void a_request_goes_out_as_it_was_given(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    struct fetch_call call = call_of(kit, &asking);
    const struct fetch_header headers[] = {
        {"Content-Type", "application/json"}, {"X-Empty", ""}, {"X-One", "two, three"}};
    call.method = "POST";
    call.headers = headers;
    call.header_count = COUNT_OF(headers);
    call.body = BYTES("{\"a\":1}");
    answers(kit, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Thing:  some \r\n\r\nhello");
    start(&asking, call, "http://127.0.0.1:PORT/hooks/a?b=c");
    finish(&asking);
    assert_int_equal(asking.result.fault, FETCH_NONE);
    assert_int_equal(asking.result.answer.status, 200);
    assert_int_equal(asking.head_status, 200);
    assert_string_equal(asking.body.data, "hello");
    const char *request = kit->request.data;
    assert_memory_equal(request, "POST /hooks/a?b=c HTTP/1.1\r\n", 28);
    assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(request, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(request, "\r\nX-One: two, three\r\n"));
    assert_non_null(strstr(request, "\r\nUser-Agent: drover/"));
    assert_non_null(strstr(request, "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(request, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(request, "Expect"));
    assert_null(strstr(request, "Authorization"));
    text_done(&asking.body);
}

static void headers_of_an_answer_are_found_by_any_case(void **state) {
    (void)state;
    struct fetch_answer answer = {200,
                                  BYTES("Retry-After:  7 \r\nLocation: \r\nRetry-After: 8\r\n")};
    struct bytes value;
    assert_true(fetch_answer_header(&answer, "retry-after", &value));
    assert_int_equal(value.len, 1);
    assert_memory_equal(value.data, "7", 1);
    assert_true(fetch_answer_header(&answer, "LOCATION", &value));
    assert_int_equal(value.len, 0);
    assert_false(fetch_answer_header(&answer, "retry", &value));
    assert_false(fetch_answer_header(&answer, "retry-after-all", &value));
}

static void pieces_come_as_they_arrive(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    start(&asking, call_of(kit, &asking), here);
    while (kit->asked == NULL) {
        server_turn(kit->loop);
    }
    served_say(kit->asked, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n");
    while (asking.head_status == 0) {
        server_turn(kit->loop);
    }
    assert_int_equal(asking.head_status, 200);
    for (unsigned i = 1; i <= 20; i++) {
        served_say(kit->asked, "3\r\nabc\r\n");
        while (asking.body.len < 3 * i) {
            server_turn(kit->loop);
        }
        assert_int_equal(asking.dones, 0);
    }
    served_say(kit->asked, "0\r\nX-Trailer: late\r\n\r\n");
    expect(&asking, FETCH_NONE);
    assert_int_equal(asking.pieces, 20);
}

static void what_nobody_takes_waits_at_the_server_and_all_of_it_arrives(void **state) {
    struct kit *kit = *state;
    enum { SIZE = 1 << 20 };
    struct asking asking;
    struct fetch_call call = call_of(kit, &asking);
    AUTO(mem_release) char *body = mem_new(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        body[i] = (char)('a' + i % 23);
    }
    asking.pause_at_piece = true;
    start(&asking, call, here);
    while (kit->asked == NULL) {
        server_turn(kit->loop);
    }
    served_say(kit->asked, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    size_t sent = 0;
    while (asking.dones == 0) {
        uv_buf_t buf = uv_buf_init(body + sent, (unsigned)(SIZE - sent));
        int wrote = sent < SIZE ? uv_try_write((uv_stream_t *)&kit->asked->tcp, &buf, 1) : 0;
        sent += wrote > 0 ? (size_t)wrote : 0;
        (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
        if (asking.paused) {
            unsigned pieces = asking.pieces;
            (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
            assert_int_equal(asking.pieces, pieces);
            assert_int_equal(asking.dones, 0);
            asking.paused = false;
            fetch_resume(asking.request);
        }
    }
    assert_int_equal(asking.body.len, SIZE);
    assert_memory_equal(asking.body.data, body, SIZE);
    assert_in_range(asking.pieces, SIZE / FETCH_HELD_MAX, SIZE);
    expect(&asking, FETCH_NONE);
}

static void a_connection_is_used_again(void **state) {
    struct kit *kit = *state;
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        struct asking asking;
        start(&asking, call_of(kit, &asking), here);
        expect(&asking, FETCH_NONE);
        assert_int_equal(asking.result.answer.status, 204);
    }
    assert_int_equal(kit->server.connections, 1);
}

static void a_redirect_is_told_and_not_followed(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    answers(kit, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/else\r\n"
                 "Content-Length: 0\r\n\r\n");
    start(&asking, call_of(kit, &asking), here);
    expect(&asking, FETCH_NONE);
    assert_int_equal(asking.result.answer.status, 302);
    assert_string_equal(asking.location, "http://127.0.0.1/else");
    assert_int_equal(kit->server.requests, 1);
}

/* --- The guard -------------------------------------------------------------------------------- */

static void an_address_that_is_not_allowed_is_never_connected_to(void **state) {
    struct kit *kit = *state;
    static const char *const urls[] = {
        "http://127.0.0.1:PORT/",  "http://localhost:PORT/",  "http://[::ffff:127.0.0.1]:PORT/",
        "http://0x7f000001:PORT/", "http://2130706433:PORT/", "http://0.0.0.0:PORT/",
        "http://0177.0.0.1:PORT/", "http://0:PORT/",          "http://127.1:PORT/",
        "http://a.localhost:PORT/"};
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct asking asking;
        struct fetch_call call = call_of(kit, &asking);
        call.allow = NULL;
        start(&asking, call, urls[i]);
        expect(&asking, FETCH_REFUSED);
        assert_non_null(strstr(asking.detail, "address"));
        assert_int_equal(asking.result.answer.status, 0);
    }
    assert_int_equal(kit->server.connections, 0);
}

static void a_connection_of_another_is_judged_before_it_is_used_again(void **state) {
    struct kit *kit = *state;
    struct asking allowed, refused;
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    start(&allowed, call_of(kit, &allowed), here);
    expect(&allowed, FETCH_NONE);
    struct fetch_call call = call_of(kit, &refused);
    call.allow = NULL;
    start(&refused, call, here);
    expect(&refused, FETCH_REFUSED);
    assert_string_equal(refused.detail, "127.0.0.1 is a loopback address");
    assert_int_equal(kit->server.requests, 1);
}

static void the_environment_s_proxy_is_not_asked(void **state) {
    struct kit *kit = *state;
    char proxy[64];
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", kit->server.port);
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    assert_int_equal(setenv("ALL_PROXY", proxy, 1), 0);
    struct asking asking;
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    start(&asking, call_of(kit, &asking), "http://10.255.255.255:PORT/");
    expect(&asking, FETCH_REFUSED); /* The list allows 127.0.0.1 alone. */
    assert_int_equal(kit->server.requests, 0);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
}

static void wrong_urls_are_refused(void **state) {
    struct kit *kit = *state;
    static const char *const urls[] = {
        "ftp://127.0.0.1:PORT/",      "file:///etc/passwd",       "http://",      "http://a b/",
        "http://u:p@127.0.0.1:PORT/", "gopher://127.0.0.1:PORT/", "unix:///tmp/x"};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct asking asking;
        start(&asking, call_of(kit, &asking), urls[i]);
        expect(&asking, FETCH_URL);
    }
    assert_int_equal(kit->server.connections, 0);
}

/* --- Failures --------------------------------------------------------------------------------- */

static void each_failure_has_its_name(void **state) {
    struct kit *kit = *state;
    static const struct {
        const char *answer;
        enum server_end then;
        enum fetch_fault fault;
        int status;
        const char *body;
    } cases[] = {
        {"", CLOSE, FETCH_CUT_OFF, 0, ""},
        {"", RESET, FETCH_CUT_OFF, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Le", CLOSE, FETCH_CUT_OFF, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CLOSE, FETCH_CUT_OFF, 200, "half"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", CLOSE, FETCH_CUT_OFF,
         200, "half"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n", KEEP, FETCH_CUT_OFF,
         200, ""},
        {"this is no HTTP\r\n\r\n", CLOSE, FETCH_NOT_HTTP, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\n\r\nx", CLOSE, FETCH_CUT_OFF, 200, "x"},
        {"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", KEEP, FETCH_NONE, 500, "no"},
        {"HTTP/1.0 200 OK\r\n\r\nto the end", CLOSE, FETCH_NONE, 200, "to the end"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct asking asking;
        answers(kit, cases[i].answer);
        kit->then = cases[i].then;
        start(&asking, call_of(kit, &asking), here);
        finish(&asking);
        if (asking.result.fault != cases[i].fault) {
            fail_msg("%zu: %s (%s)", i, fetch_fault_text(asking.result.fault), asking.detail);
        }
        assert_int_equal(asking.result.answer.status, cases[i].status);
        assert_string_equal(asking.body.len > 0 ? asking.body.data : "", cases[i].body);
        text_done(&asking.body);
    }
}

static void nobody_listening_is_no_connection(void **state) {
    struct asking asking;
    char url[64];
    uint16_t port = 0;
    int fd = port_take(&port);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    start(&asking, call_of(*state, &asking), url);
    expect(&asking, FETCH_CONNECT);
    assert_string_not_equal(asking.detail, "");
    (void)close(fd);
}

static void a_name_that_does_not_exist_is_told(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    start(&asking, call_of(kit, &asking), "http://nowhere.invalid:PORT/");
    expect(&asking, FETCH_RESOLVE);
}

static void tls_with_somebody_who_speaks_none_fails(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    start(&asking, call_of(kit, &asking), "https://127.0.0.1:PORT/");
    while (kit->server.connections == 0) {
        server_turn(kit->loop);
    }
    served_say(kit->server.served[0], "HTTP/1.1 400 Bad Request\r\n\r\n");
    expect(&asking, FETCH_TLS);
}

static void an_answer_over_its_limit_is_refused(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    struct fetch_call call = call_of(kit, &asking);
    answers(kit, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsixsix");
    call.limits.size_max = 5;
    start(&asking, call, here);
    expect(&asking, FETCH_TOO_LARGE);
    assert_int_equal(asking.result.answer.status, 200);
    call = call_of(kit, &asking);
    call.limits.size_max = 6;
    start(&asking, call, here);
    expect(&asking, FETCH_NONE);
}

static void a_head_over_its_limit_is_refused(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    struct text answer;
    text_init(&answer, 1 << 20);
    text_add_str(&answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 90; i++) {
        text_addf(&answer, "X-%d: %0800d\r\n", i, i);
    }
    text_add_str(&answer, "\r\n");
    answers(kit, answer.data);
    start(&asking, call_of(kit, &asking), here);
    expect(&asking, FETCH_TOO_LARGE);
    text_done(&answer);
}

static void a_header_with_a_line_break_is_not_sent(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    struct fetch_call call = call_of(kit, &asking);
    const struct fetch_header header = {"X-A", "b\r\nX-C: d"};
    call.headers = &header;
    call.header_count = 1;
    start(&asking, call, here);
    expect(&asking, FETCH_FAILED);
    assert_int_equal(kit->server.connections, 0);
}

/* --- Time ------------------------------------------------------------------------------------- */

static void each_time_out_has_its_name(void **state) {
    struct kit *kit = *state;
    static const struct {
        const char *url, *answer;
        struct fetch_limits limits;
        enum fetch_fault fault;
    } cases[] = {
        {"https://127.0.0.1:PORT/", "", {.connect_ms = 20}, FETCH_CONNECT_TIMEOUT},
        {"http://127.0.0.1:PORT/", "", {.answer_ms = 20}, FETCH_ANSWER_TIMEOUT},
        {"http://127.0.0.1:PORT/",
         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
         {.answer_ms = 60000, .stall_ms = 20},
         FETCH_STALL_TIMEOUT},
        {"http://127.0.0.1:PORT/", "", {.total_ms = 20}, FETCH_TOTAL_TIMEOUT},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct asking asking;
        struct fetch_call call = call_of(kit, &asking);
        call.limits = cases[i].limits;
        answers(kit, cases[i].answer);
        start(&asking, call, cases[i].url);
        expect(&asking, cases[i].fault);
    }
}

/* --- Cancelling, bounds ----------------------------------------------------------------------- */

static void a_cancel_is_silent_wherever_it_comes(void **state) {
    struct kit *kit = *state;
    struct asking asking, other, late;
    /* While it waits for the library. */
    start(&asking, call_of(kit, &asking), here);
    fetch_cancel(asking.request);
    /* While the server thinks. */
    start(&other, call_of(kit, &other), here);
    while (kit->asked == NULL) {
        server_turn(kit->loop);
    }
    fetch_cancel(other.request);
    while (!kit->asked->gone) {
        server_turn(kit->loop);
    }
    /* In its own piece, and another one at the end of a third. */
    struct fetch_call call = call_of(kit, &late);
    late.cancel_at_piece = true;
    answers(kit, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    start(&late, call, here);
    while (late.request != NULL) {
        server_turn(kit->loop);
    }
    struct asking ends, victim;
    kit->answer = NULL;
    kit->asked = NULL;
    start(&victim, call_of(kit, &victim), here);
    while (kit->asked == NULL) {
        server_turn(kit->loop);
    }
    struct served *with_victim = kit->asked;
    call = call_of(kit, &ends);
    ends.cancels = &victim;
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    start(&ends, call, here);
    expect(&ends, FETCH_NONE);
    while (!with_victim->gone) {
        server_turn(kit->loop);
    }
    assert_int_equal(asking.dones + other.dones + late.dones + victim.dones, 0);
    text_done(&late.body);
}

/* Time in hundredths of a second until the kernel probes the client's connection to `port`; -1: it
 * does not. A line of /proc/net/tcp has the timer as "02:WHEN" where it is a keepalive. */
static long probe_due(uint16_t port) {
    char line[512], peer[16];
    long due = -1;
    (void)snprintf(peer, sizeof peer, ":%04X 01 ", port);
    FILE *file = fopen("/proc/net/tcp", "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        const char *established = strstr(line, peer), *timer = strstr(line, " 02:");
        if (established != NULL && timer != NULL) {
            due = strtol(timer + 4, NULL, 16);
        }
    }
    (void)fclose(file);
    return due;
}

static void a_silent_peer_is_probed_and_at_once_after_a_sleep(void **state) {
    struct kit *kit = *state;
    struct asking asking;
    kit->answer = NULL;
    start(&asking, call_of(kit, &asking), here);
    while (kit->asked == NULL) {
        server_turn(kit->loop);
    }
    assert_in_range(probe_due(kit->server.port), 101, 1500);
    fetch_after_sleep(kit->client);
    assert_in_range(probe_due(kit->server.port), 0, 100);
    served_say(kit->asked, "HTTP/1.1 204 No Content\r\n\r\n"); /* A living peer is not cut off. */
    expect(&asking, FETCH_NONE);
}

struct closing {
    struct fetch *client;
    bool closed;
};

static void close_in_done(void *ctx, const struct fetch_result *result) {
    struct closing *closing = ctx;
    assert_int_equal(result->fault, FETCH_NONE);
    fetch_close(closing->client, on_closed, &closing->closed);
    assert_false(closing->closed);
}

static void a_client_may_be_closed_by_the_end_of_its_last_request(void **state) {
    struct kit *kit = *state;
    struct closing closing = {.closed = false};
    fetch_open(&(struct fetch_options){.loop = kit->loop}, &closing.client);
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", kit->server.port);
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    struct fetch_call call = {
        .method = "GET", .url = url, .allow = kit->allow, .done = close_in_done, .ctx = &closing};
    struct fetch_request *request = NULL;
    assert_int_equal(fetch_start(closing.client, &call, &request).code, ERR_NONE);
    while (!closing.closed) {
        server_turn(kit->loop);
    }
}

static void what_is_too_much_at_once_waits_and_then_is_refused(void **state) {
    struct kit *kit = *state;
    enum { ALL = FETCH_RUNNING_MAX + FETCH_WAITING_MAX };
    struct asking first, *many = mem_new_array(ALL, sizeof *many);
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    start(&first, call_of(kit, &first), here); /* From here on the library is there. */
    expect(&first, FETCH_NONE);
    kit->answer = NULL;
    for (size_t i = 0; i < ALL; i++) {
        start(&many[i], call_of(kit, &many[i]), here);
    }
    struct fetch_call call = call_of(kit, &first);
    call.url = "http://127.0.0.1/";
    assert_int_equal(fetch_start(kit->client, &call, &first.request).code, ERR_OVERLOADED);
    while (kit->server.requests < 1 + FETCH_RUNNING_MAX) {
        server_turn(kit->loop);
    }
    struct fetch_stats stats;
    fetch_get_stats(kit->client, &stats);
    assert_int_equal(stats.running, FETCH_RUNNING_MAX);
    assert_int_equal(stats.waiting, FETCH_WAITING_MAX);
    for (unsigned i = 0; i < kit->server.connections; i++) {
        served_say(kit->server.served[i], "HTTP/1.1 204 No Content\r\n\r\n");
    }
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    for (size_t i = 0; i < ALL; i++) {
        expect(&many[i], FETCH_NONE);
    }
    assert_in_range(kit->server.connections, FETCH_RUNNING_MAX, FETCH_RUNNING_MAX + 1);
    mem_free(many);
}

static uint64_t running(const struct kit *kit) {
    struct fetch_stats stats;
    fetch_get_stats(kit->client, &stats);
    return stats.running;
}

static void those_that_are_started_one_by_one_do_not_begin_all_in_one_turn(void **state) {
    struct kit *kit = *state;
    enum { ALL = 40 };
    struct asking first, many[ALL];
    answers(kit, "HTTP/1.1 204 No Content\r\n\r\n");
    start(&first, call_of(kit, &first), here); /* From here on the library is there. */
    expect(&first, FETCH_NONE);
    kit->answer = NULL;
    for (size_t i = 0; i < ALL; i++) {
        start(&many[i], call_of(kit, &many[i]), here);
    }
    for (uint64_t before = 0; before < ALL; before = running(kit), server_turn(kit->loop)) {
        assert_in_range(running(kit) - before, 0, FETCH_BEGUN_AT_ONCE);
    }
    for (size_t i = 0; i < ALL; i++) {
        fetch_cancel(many[i].request);
    }
}

static void a_client_has_the_bound_that_it_was_opened_with(void **state) {
    struct kit *kit = *state;
    struct fetch *usual = kit->client;
    fetch_open(&(struct fetch_options){.loop = kit->loop, .running_max = 1}, &kit->client);
    struct asking one, other;
    start(&one, call_of(kit, &one), here);
    start(&other, call_of(kit, &other), here);
    do {
        server_turn(kit->loop);
    } while (kit->server.requests == 0);
    struct fetch_stats is;
    fetch_get_stats(kit->client, &is);
    assert_true(is.running == 1 && is.waiting == 1);
    fetch_cancel(one.request);
    fetch_cancel(other.request);
    fetch_close(kit->client, on_closed, &kit->closed);
    for (; !kit->closed; server_turn(kit->loop)) {
    }
    kit->closed = false;
    kit->client = usual;
}

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN); /* As the daemon does. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_kit, close_kit)
    const struct CMUnitTest tests[] = {
        TEST(a_request_goes_out_as_it_was_given),
        TEST(a_silent_peer_is_probed_and_at_once_after_a_sleep),
        TEST(headers_of_an_answer_are_found_by_any_case),
        TEST(pieces_come_as_they_arrive),
        TEST(what_nobody_takes_waits_at_the_server_and_all_of_it_arrives),
        TEST(a_connection_is_used_again),
        TEST(a_redirect_is_told_and_not_followed),
        TEST(an_address_that_is_not_allowed_is_never_connected_to),
        TEST(a_connection_of_another_is_judged_before_it_is_used_again),
        TEST(the_environment_s_proxy_is_not_asked),
        TEST(wrong_urls_are_refused),
        TEST(each_failure_has_its_name),
        TEST(nobody_listening_is_no_connection),
        TEST(a_name_that_does_not_exist_is_told),
        TEST(tls_with_somebody_who_speaks_none_fails),
        TEST(an_answer_over_its_limit_is_refused),
        TEST(a_head_over_its_limit_is_refused),
        TEST(a_header_with_a_line_break_is_not_sent),
        TEST(each_time_out_has_its_name),
        TEST(a_cancel_is_silent_wherever_it_comes),
        TEST(a_client_may_be_closed_by_the_end_of_its_last_request),
        TEST(what_is_too_much_at_once_waits_and_then_is_refused),
        TEST(those_that_are_started_one_by_one_do_not_begin_all_in_one_turn),
        TEST(a_client_has_the_bound_that_it_was_opened_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
