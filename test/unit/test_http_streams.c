#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http_kit.h"
#include "scale.h"

#define H "Host: t\r\n"
#define J "Content-Type: application/json\r\n"

static const char *const hosts[] = {"t", NULL};
static const struct kit_options plain = {.insecure_loopback = true, .allowed_hosts = hosts};

static int follow(const struct kit *kit, const char *target) {
    char request[256];
    int fd = kit_connect(kit);
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" H "\r\n", target);
    kit_send_text(fd, request);
    return fd;
}

static void a_stream_brings_old_and_new_events(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "x", "1");
    int fd = follow(kit, "/s/x");
    AUTO(mem_release) char *old = kit_receive_until(fd, "data: 1\n\n", NULL);
    assert_int_equal(kit_status(old), 200);
    assert_non_null(strstr(old, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(old, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(old, "id: 1\nevent: note\ndata: 1\n\n"));
    kit_append(kit, "x", "2");
    AUTO(mem_release) char *fresh = kit_receive_until(fd, "data: 2\n\n", NULL);
    assert_non_null(strstr(fresh, "id: 2\n"));
    close(fd);
    kit_stop(kit);
}

static void a_stream_of_nothing_begins_at_once(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = follow(kit, "/s/nothing");
    AUTO(mem_release) char *head = kit_receive_until(fd, "\r\n\r\n", NULL);
    assert_int_equal(kit_status(head), 200);
    close(fd);
    kit_stop(kit);
}

static void a_stream_goes_on_after_the_cursor(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "x", "1");
    kit_append(kit, "x", "2");
    int fd = follow(kit, "/s/x?after=1");
    AUTO(mem_release) char *answer = kit_receive_until(fd, "data: 2\n\n", NULL);
    assert_null(strstr(answer, "data: 1\n"));
    close(fd);
    kit_stop(kit);
}

static void a_cursor_ahead_of_the_stream_is_a_problem(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "x", "1");
    int fd = follow(kit, "/s/x?after=2");
    AUTO(mem_release) char *answer = kit_receive_until(fd, "}", NULL);
    assert_int_equal(kit_status(answer), 400);
    assert_non_null(strstr(answer, "\"cursor_ahead\""));
    close(fd);
    kit_stop(kit);
}

static void http_1_0_gets_a_stream_without_chunks(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "x", "1");
    int fd = kit_connect(kit);
    kit_send_text(fd, "GET /s/x HTTP/1.0\r\n" H "\r\n");
    AUTO(mem_release) char *answer = kit_receive_until(fd, "data: 1\n\n", NULL);
    assert_null(strstr(answer, "chunked"));
    assert_non_null(strstr(answer, "\r\n\r\nid: 1\n"));
    close(fd);
    kit_stop(kit);
}

static void a_stream_waits_for_earlier_answers(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "x", "1");
    int fd = kit_connect(kit);
    kit_send_text(fd, "GET /wait HTTP/1.1\r\n" H "\r\nGET /s/x HTTP/1.1\r\n" H
                      "\r\nGET /ping HTTP/1.1\r\n" H "\r\n");
    while (kit_read(kit, &kit->wait_count) == 0) {
    }
    AUTO(mem_release)
    char *done = kit_talk(kit, "GET /release HTTP/1.1\r\n" H "\r\n",
                          sizeof "GET /release HTTP/1.1\r\n" H "\r\n" - 1);
    AUTO(mem_release) char *answer = kit_receive_until(fd, "data: 1\n\n", NULL);
    assert_non_null(strstr(answer, "released"));
    assert_null(strstr(answer, "pong"));
    close(fd);
    kit_stop(kit);
}

static void a_client_that_shut_its_side_is_served_on(void **state) {
    struct kit_options options = plain;
    options.limits.heartbeat_ms = 50;
    struct kit *kit = kit_start(&options);
    kit_append(kit, "x", "1");
    int fd = follow(kit, "/s/x");
    assert_int_equal(shutdown(fd, SHUT_WR), 0); /* As `printf ... | nc` does. */
    AUTO(mem_release) char *old = kit_receive_until(fd, "data: 1\n\n", NULL);
    assert_int_equal(kit_status(old), 200);
    AUTO(mem_release) char *asked = kit_receive_until(fd, "3\r\n:\n\n\r\n", NULL);
    assert_non_null(asked); /* Whether somebody reads. */
    kit_append(kit, "x", "2");
    AUTO(mem_release) char *fresh = kit_receive_until(fd, "data: 2\n\n", NULL);
    assert_non_null(strstr(fresh, "id: 2\n"));
    close(fd);
    while (kit_stats(kit).streams_sse > 0) {
    }
    kit_stop(kit);
}

static void a_client_that_is_gone_after_it_shut_its_side_is_found_out(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = follow(kit, "/s/x");
    AUTO(mem_release) char *head = kit_receive_until(fd, "\r\n\r\n", NULL);
    assert_int_equal(kit_status(head), 200);
    close(fd);
    while (kit_stats(kit).streams_sse > 0) { /* Long before the next heartbeat. */
    }
    kit_stop(kit);
}

static void a_silent_stream_has_a_heartbeat(void **state) {
    struct kit_options options = plain;
    options.limits.heartbeat_ms = 30;
    struct kit *kit = kit_start(&options);
    int fd = follow(kit, "/s/x");
    AUTO(mem_release)
    char *answer = kit_receive_until(fd, "\r\n3\r\n:\n\n\r\n3\r\n:\n\n\r\n", NULL);
    assert_non_null(strstr(answer, ":\n\n"));
    close(fd);
    kit_stop(kit);
}

static void an_idle_stream_begins_with_a_comment(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = follow(kit, "/s/x");
    AUTO(mem_release) char *answer = kit_receive_until(fd, "\r\n\r\n3\r\n:\n\n\r\n", NULL);
    assert_int_equal(kit_status(answer), 200);
    close(fd);
    kit_stop(kit);
}

static void a_drain_ends_a_stream_with_its_cursor(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "x", "1");
    kit_append(kit, "x", "2");
    int fd = follow(kit, "/s/x");
    AUTO(mem_release) char *before = kit_receive_until(fd, "data: 2\n\n", NULL);
    kit_drain(kit, (unsigned)scaled_ms(KIT_WAIT_MS));
    AUTO(mem_release) char *rest = kit_receive_until(fd, NULL, NULL);
    assert_non_null(strstr(rest, "event: closing\ndata: {\"after\":2}\n\n\r\n0\r\n\r\n"));
    close(fd);
    kit_stop(kit);
}

static void a_follower_that_goes_away_is_forgotten(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = follow(kit, "/s/x");
    AUTO(mem_release) char *head = kit_receive_until(fd, "\r\n\r\n", NULL);
    assert_int_equal(kit_stats(kit).streams_sse, 1);
    close(fd);
    while (kit_stats(kit).streams_sse != 0) {
    }
    kit_append(kit, "x", "1");
    kit_stop(kit);
}

/* A follower that does not read holds up nobody, and gets all when it does. */
static void a_slow_follower_misses_nothing(void **state) {
    enum { EVENTS = 3000 };
    struct kit *kit = kit_start(&plain);
    int slow = follow(kit, "/s/x"), small = 256 << 10;
    assert_int_equal(setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    AUTO(text_done) struct text text;
    AUTO(text_done) struct text one;
    text_init(&text, 64 << 20);
    text_init(&one, 8192);
    text_add_str(&one, "POST /s/x HTTP/1.1\r\n" H J "Content-Length: 2002\r\n\r\n\"");
    for (int i = 0; i < 2000; i++) {
        text_add_char(&one, 'a');
    }
    text_add_char(&one, '"');
    for (int i = 0; i < EVENTS; i++) {
        text_add(&text, one.data, one.len);
    }
    AUTO(mem_release) char *answers = kit_talk(kit, text.data, text.len);
    AUTO(mem_release) char *events = kit_receive_until(slow, "id: 3000\n", NULL);
    unsigned seq = 0;
    for (const char *at = strstr(events, "id: "); at != NULL; at = strstr(at + 1, "id: ")) {
        assert_int_equal(atoi(at + 4), ++seq);
    }
    assert_int_equal(seq, EVENTS);
    close(slow);
    kit_stop(kit);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_brings_old_and_new_events),
        cmocka_unit_test(a_stream_of_nothing_begins_at_once),
        cmocka_unit_test(a_stream_goes_on_after_the_cursor),
        cmocka_unit_test(a_cursor_ahead_of_the_stream_is_a_problem),
        cmocka_unit_test(http_1_0_gets_a_stream_without_chunks),
        cmocka_unit_test(a_stream_waits_for_earlier_answers),
        cmocka_unit_test(a_client_that_shut_its_side_is_served_on),
        cmocka_unit_test(a_client_that_is_gone_after_it_shut_its_side_is_found_out),
        cmocka_unit_test(a_silent_stream_has_a_heartbeat),
        cmocka_unit_test(an_idle_stream_begins_with_a_comment),
        cmocka_unit_test(a_drain_ends_a_stream_with_its_cursor),
        cmocka_unit_test(a_follower_that_goes_away_is_forgotten),
        cmocka_unit_test(a_slow_follower_misses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
