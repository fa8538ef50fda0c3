#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http_kit.h"
#include "scale.h"

#define H "Host: t\r\n"
#define UPGRADE                                                                                    \
    "GET /ws HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n"                       \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const char *const hosts[] = {"t", NULL};
static const struct kit_options plain = {.insecure_loopback = true, .allowed_hosts = hosts};

static void expect_end(int fd) {
    AUTO(mem_release) char *rest = kit_receive_until(fd, NULL, NULL);
    assert_string_equal(rest, "");
}

static int open_socket(const struct kit *kit) {
    int fd = kit_connect(kit);
    kit_send_text(fd, UPGRADE "\r\n");
    AUTO(mem_release) char *head = kit_receive_until(fd, "\r\n\r\n", NULL);
    assert_int_equal(kit_status(head), 101);
    assert_non_null(strstr(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    return fd;
}

static void say(int fd, unsigned char first, const char *payload, size_t len) {
    unsigned char frame[70000] = {first};
    static const unsigned char mask[4] = {1, 2, 3, 4};
    size_t at = 2;
    frame[1] = (unsigned char)(0x80 | (len < 126 ? len : len < 65536 ? 126 : 127));
    for (int shift = len < 126 ? -8 : len < 65536 ? 8 : 56; shift >= 0; shift -= 8) {
        frame[at++] = (unsigned char)((uint64_t)len >> shift);
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++) {
        frame[at++] = (unsigned char)((unsigned char)payload[i] ^ mask[i % 4]);
    }
    kit_send(fd, (const char *)frame, at);
}

static void say_text(int fd, const char *text) {
    say(fd, 0x81, text, strlen(text));
}

static void read_exactly(int fd, void *into, size_t len) {
    size_t at = 0;
    while (at < len) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, scaled_ms(KIT_WAIT_MS)), 1);
        ssize_t rc = recv(fd, (char *)into + at, len - at, 0);
        assert_true(rc > 0);
        at += (size_t)rc;
    }
}

/* One frame; owned, terminated. */
static char *hear(int fd, unsigned char *ret_first) {
    unsigned char head[4];
    read_exactly(fd, head, 2);
    size_t len = head[1];
    if (len == 126) {
        read_exactly(fd, head + 2, 2);
        len = (size_t)head[2] << 8 | head[3];
    }
    assert_true(len < 65536 && head[1] < 127);
    char *payload = mem_new(len + 2); /* Zeroed: a close without a code has code 0. */
    read_exactly(fd, payload, len);
    *ret_first = head[0];
    return payload;
}

static void expect_text(int fd, const char *part) {
    unsigned char first;
    AUTO(mem_release) char *payload = hear(fd, &first);
    assert_int_equal(first, 0x81);
    if (strstr(payload, part) == NULL) {
        fail_msg("expected %s in %s", part, payload);
    }
}

static void expect_close(int fd, unsigned code) {
    unsigned char first;
    AUTO(mem_release) char *payload = hear(fd, &first);
    assert_int_equal(first, 0x88);
    assert_int_equal((unsigned)(unsigned char)payload[0] << 8 | (unsigned char)payload[1], code);
    expect_end(fd);
    close(fd);
}

static void one_socket_follows_many_streams(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "a", "1");
    int fd = open_socket(kit);
    say_text(fd, "{\"subscribe\":\"a\",\"after\":0}");
    expect_text(fd, "{\"subscribed\":\"a\"}");
    expect_text(fd, "\"stream\":\"a\",\"seq\":1,");
    say_text(fd, "{\"subscribe\":\"b\"}");
    expect_text(fd, "{\"subscribed\":\"b\"}");
    kit_append(kit, "b", "{\"k\":2}");
    expect_text(fd, "\"data\":{\"k\":2}");
    kit_append(kit, "a", "3");
    expect_text(fd, "\"stream\":\"a\",\"seq\":2,");
    say_text(fd, "{\"unsubscribe\":\"a\"}");
    expect_text(fd, "{\"unsubscribed\":\"a\"}");
    kit_append(kit, "a", "4");
    kit_append(kit, "b", "5");
    expect_text(fd, "\"stream\":\"b\",\"seq\":2,");
    close(fd);
    kit_stop(kit);
}

static void minus_one_asks_for_new_events_only(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "a", "1");
    int fd = open_socket(kit);
    say_text(fd, "{\"subscribe\":\"a\",\"after\":-1}");
    expect_text(fd, "{\"subscribed\":\"a\"}");
    kit_append(kit, "a", "2");
    expect_text(fd, "\"stream\":\"a\",\"seq\":2,");
    close(fd);
    kit_stop(kit);
}

static void what_a_client_says_wrong_is_answered_and_the_socket_stays(void **state) {
    static const struct {
        const char *said, *code;
    } wrong[] = {
        {"hello", "bad_json"},
        {"[]", "\"code\":\"bad_"},
        {"{}", "missing_field"},
        {"{\"subscribe\":\"a\",\"unsubscribe\":\"a\"}", "missing_field"},
        {"{\"subscribe\":\"a\",\"colour\":1}", "unknown_field"},
        {"{\"subscribe\":7}", "bad_field"},
        {"{\"subscribe\":\"\"}", "bad_field"},
        {"{\"subscribe\":\"a\",\"after\":-2}", "bad_field"},
        {"{\"subscribe\":\"a\",\"after\":\"1\"}", "bad_field"},
        {"{\"unsubscribe\":\"a\"}", "not_found"},
        {"{\"subscribe\":\"a\",\"after\":9}", "cursor_ahead"},
        {"[[[[[[[[[[]]]]]]]]]]", "bad_json"},
        {"{\"ping\":-1}", "bad_field"},
        {"{\"ping\":9007199254740992}", "bad_field"},
        {"{\"ping\":1.5}", "bad_field"},
        {"{\"ping\":\"1\"}", "bad_field"},
        {"{\"ping\":null}", "bad_field"},
        {"{\"ping\":1,\"subscribe\":\"a\"}", "missing_field"},
    };
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "a", "1");
    int fd = open_socket(kit);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        say_text(fd, wrong[i].said);
        expect_text(fd, wrong[i].code);
    }
    say_text(fd, "{\"subscribe\":\"a\"}");
    expect_text(fd, "subscribed");
    say_text(fd, "{\"subscribe\":\"a\"}");
    expect_text(fd, "conflict");
    close(fd);
    kit_stop(kit);
}

static void frames_that_break_the_protocol_end_with_its_code(void **state) {
    static const char large[20000];
    static const struct {
        const char *name, *bytes;
        size_t len;
        unsigned code;
    } wrong[] = {
        {"not masked", "\x81\x02{}", 4, 1002},
        {"a reserved bit", "\xc1\x80\1\2\3\4", 6, 1002},
        {"an unknown opcode", "\x83\x80\1\2\3\4", 6, 1002},
        {"a continuation of nothing", "\x80\x80\1\2\3\4", 6, 1002},
        {"a fragmented ping", "\x09\x80\1\2\3\4", 6, 1002},
        {"a long ping", "\x89\xfe\x00\x7e\1\2\3\4", 8, 1002},
        {"binary", "\x82\x80\1\2\3\4", 6, 1003},
        {"bad UTF-8", "\x81\x81\0\0\0\0\xff", 7, 1007},
        {"a length of 2^63", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4x", 15, 1009},
        {"a close of one byte", "\x88\x81\0\0\0\0\x03", 7, 1002},
        {"a goodbye", "\x88\x82\0\0\0\0\x03\xe8", 8, 1000},
    };
    struct kit *kit = kit_start(&plain);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int fd = open_socket(kit);
        kit_send(fd, wrong[i].bytes, wrong[i].len);
        expect_close(fd, wrong[i].code);
    }
    int fd = open_socket(kit);
    say(fd, 0x81, large, sizeof large);
    expect_close(fd, 1009);
    kit_stop(kit);
}

static void fragments_are_one_message(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = open_socket(kit);
    say(fd, 0x01, "{\"subscr", 8);
    say(fd, 0x89, "between", 7);
    say(fd, 0x80, "ibe\":\"a\"}", 9);
    unsigned char first;
    AUTO(mem_release) char *pong = hear(fd, &first);
    assert_int_equal(first, 0x8a);
    assert_string_equal(pong, "between");
    expect_text(fd, "subscribed");
    close(fd);
    kit_stop(kit);
}

static void a_client_that_does_not_answer_pings_is_cut(void **state) {
    struct kit_options options = plain;
    options.limits.heartbeat_ms = 30;
    struct kit *kit = kit_start(&options);
    int fd = open_socket(kit);
    unsigned char first;
    AUTO(mem_release) char *one = hear(fd, &first);
    assert_int_equal(first, 0x89);
    AUTO(mem_release) char *rest = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_stats(kit).timeouts, 1);
    close(fd);
    kit_stop(kit);
}

static void a_heartbeat_comes_with_each_ping(void **state) {
    struct kit_options options = plain;
    options.limits.heartbeat_ms = 30;
    struct kit *kit = kit_start(&options);
    int fd = open_socket(kit);
    for (int beat = 0; beat < 5; beat++) { /* More than a client that is silent would get. */
        unsigned char first;
        AUTO(mem_release) char *ping = hear(fd, &first);
        assert_int_equal(first, 0x89);
        expect_text(fd, "{\"heartbeat\":{\"at_ms\":");
        say(fd, 0x8a, "", 0);
    }
    close(fd);
    kit_stop(kit);
}

static void a_ping_in_text_is_answered(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = open_socket(kit);
    say_text(fd, "{\"ping\":0}");
    expect_text(fd, "{\"pong\":0,\"at_ms\":");
    say_text(fd, "{\"ping\":9007199254740991}");
    expect_text(fd, "{\"pong\":9007199254740991,\"at_ms\":");
    close(fd);
    kit_stop(kit);
}

static void subscriptions_are_bounded(void **state) {
    struct kit_options options = plain;
    options.limits.subscriptions_max = 2;
    struct kit *kit = kit_start(&options);
    int fd = open_socket(kit);
    say_text(fd, "{\"subscribe\":\"a\"}");
    expect_text(fd, "subscribed");
    say_text(fd, "{\"subscribe\":\"b\"}");
    expect_text(fd, "subscribed");
    say_text(fd, "{\"subscribe\":\"c\"}");
    expect_text(fd, "too_many");
    close(fd);
    kit_stop(kit);
}

static void a_drain_ends_each_subscription_with_its_cursor(void **state) {
    struct kit *kit = kit_start(&plain);
    kit_append(kit, "a", "1");
    int fd = open_socket(kit);
    say_text(fd, "{\"subscribe\":\"a\",\"after\":0}");
    expect_text(fd, "subscribed");
    expect_text(fd, "\"seq\":1");
    kit_drain(kit, (unsigned)scaled_ms(KIT_WAIT_MS));
    expect_text(fd, "{\"stream\":\"a\",\"closing\":{\"after\":1}}");
    expect_close(fd, 1001);
    kit_stop(kit);
}

static void a_flood_of_small_messages_is_answered(void **state) {
    enum { MESSAGES = 5000 };
    struct kit *kit = kit_start(&plain);
    int fd = open_socket(kit);
    for (int i = 0; i < MESSAGES; i++) {
        say(fd, 0x89, "", 0);
    }
    for (int i = 0; i < MESSAGES; i++) {
        unsigned char first;
        AUTO(mem_release) char *pong = hear(fd, &first);
        assert_int_equal(first, 0x8a);
    }
    close(fd);
    kit_stop(kit);
}

static void a_request_that_is_no_handshake_is_refused(void **state) {
    static const struct {
        const char *request;
        int status;
    } wrong[] = {
        {"GET /ws HTTP/1.1\r\n" H "\r\n", 426},
        {"GET /ws HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 426},
        {"GET /ws HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 426},
        {"GET /ws HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
         426},
        {"GET /ws HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
         400},
        {"GET /ws HTTP/1.0\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
         426},
        {UPGRADE "Origin: http://evil.example\r\n\r\n", 403},
        {UPGRADE "Authorization: Bearer bad\r\n\r\n", 401},
    };
    struct kit *kit = kit_start(&plain);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO(mem_release) char *answer = kit_talk(kit, wrong[i].request, strlen(wrong[i].request));
        assert_int_equal(kit_status(answer), wrong[i].status);
    }
    kit_stop(kit);
}

static void a_frame_behind_the_handshake_is_heard(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    static const char both[] = UPGRADE "\r\n\x89\x80\1\2\3\4";
    kit_send(fd, both, sizeof both - 1);
    AUTO(mem_release) char *head = kit_receive_until(fd, "\x8a", NULL);
    assert_int_equal(kit_status(head), 101);
    close(fd);
    kit_stop(kit);
}

/* What waits to be heard is not overtaken by what is read next. */
static void many_frames_behind_the_handshake_are_heard_in_order(void **state) {
    enum { PINGS = 20000 };
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 20);
    text_add_str(&text, UPGRADE "\r\n");
    for (int i = 0; i < PINGS; i++) {
        const char ping[] = {(char)0x89, (char)0x82, 0, 0, 0, 0, (char)(i >> 8), (char)i};
        text_add(&text, ping, sizeof ping);
    }
    kit_send(fd, text.data, text.len);
    const char last[] = {(char)0x8a, 2, (char)((PINGS - 1) >> 8), (char)(PINGS - 1), '\0'};
    size_t len = 0;
    AUTO(mem_release) char *answer = kit_receive_until(fd, last, &len);
    assert_int_equal(kit_status(answer), 101);
    const char *pongs = strstr(answer, "\r\n\r\n") + 4;
    assert_int_equal((size_t)(answer + len - pongs), 4 * PINGS);
    for (int i = 0; i < PINGS; i++) {
        const unsigned char *pong = (const unsigned char *)pongs + (size_t)i * 4;
        assert_int_equal(pong[2] << 8 | pong[3], i);
    }
    close(fd);
    kit_stop(kit);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_socket_follows_many_streams),
        cmocka_unit_test(minus_one_asks_for_new_events_only),
        cmocka_unit_test(what_a_client_says_wrong_is_answered_and_the_socket_stays),
        cmocka_unit_test(frames_that_break_the_protocol_end_with_its_code),
        cmocka_unit_test(fragments_are_one_message),
        cmocka_unit_test(a_client_that_does_not_answer_pings_is_cut),
        cmocka_unit_test(a_heartbeat_comes_with_each_ping),
        cmocka_unit_test(a_ping_in_text_is_answered),
        cmocka_unit_test(subscriptions_are_bounded),
        cmocka_unit_test(a_drain_ends_each_subscription_with_its_cursor),
        cmocka_unit_test(a_flood_of_small_messages_is_answered),
        cmocka_unit_test(a_request_that_is_no_handshake_is_refused),
        cmocka_unit_test(a_frame_behind_the_handshake_is_heard),
        cmocka_unit_test(many_frames_behind_the_handshake_are_heard_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
