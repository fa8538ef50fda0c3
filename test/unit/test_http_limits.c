#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

static char *talk(const struct kit *kit, const char *text) {
    return kit_talk(kit, text, strlen(text));
}

static void expect_end(int fd) {
    AUTO(mem_release) char *rest = kit_receive_until(fd, NULL, NULL);
    assert_string_equal(rest, "");
}

static void a_head_that_comes_too_slowly_is_answered_408(void **state) {
    struct kit_options options = plain;
    options.limits.head_ms = 50;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    kit_send_text(fd, "GET /pi");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_status(answer), 408);
    close(fd);
    kit_stop(kit);
}

static void a_body_that_comes_too_slowly_is_answered_408(void **state) {
    struct kit_options options = plain;
    options.limits.body_ms = 50;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    kit_send_text(fd, "POST /things HTTP/1.1\r\n" H J "Content-Length: 7\r\n\r\n{");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_status(answer), 408);
    close(fd);
    kit_stop(kit);
}

/* The client's time for its body begins when it was told to go on. */
static void a_body_that_waits_behind_another_answer_is_not_slow(void **state) {
    struct kit_options options = plain;
    options.limits.body_ms = options.limits.idle_ms = 50;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit), idle = kit_connect(kit);
    kit_send_text(fd, "GET /wait HTTP/1.1\r\n" H "\r\nPOST /things HTTP/1.1\r\n" H J
                      "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n");
    expect_end(idle); /* Now the time is over. */
    AUTO(mem_release) char *done = talk(kit, "GET /release HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *go_on = kit_receive_until(fd, "100 Continue\r\n\r\n", NULL);
    assert_int_equal(kit_status(go_on), 200);
    kit_send_text(fd, "{");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_status(answer), 408);
    close(fd);
    close(idle);
    kit_stop(kit);
}

static void an_idle_connection_ends_without_a_word(void **state) {
    struct kit_options options = plain;
    options.limits.idle_ms = 50;
    struct kit *kit = kit_start(&options);
    int fresh = kit_connect(kit), used = kit_connect(kit);
    kit_send_text(used, "GET /ping HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *answer = kit_receive_until(used, "pong", NULL);
    expect_end(fresh);
    expect_end(used);
    close(fresh);
    close(used);
    kit_stop(kit);
}

static void a_wait_is_not_idle(void **state) {
    struct kit_options options = plain;
    options.limits.idle_ms = options.limits.head_ms = 30;
    struct kit *kit = kit_start(&options);
    int wait = kit_connect(kit), idle = kit_connect(kit);
    kit_send_text(wait, "GET /wait HTTP/1.1\r\n" H "\r\n");
    expect_end(idle); /* Now the time is over. */
    AUTO(mem_release) char *done = talk(kit, "GET /release HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *answer = kit_receive_until(wait, "released", NULL);
    assert_int_equal(kit_status(answer), 200);
    close(wait);
    close(idle);
    kit_stop(kit);
}

static void a_client_that_does_not_read_is_cut(void **state) {
    struct kit_options options = plain;
    options.limits.write_ms = 50;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit), small = 4096;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    kit_send_text(fd, "GET /large HTTP/1.1\r\n" H "\r\n");
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};
    assert_int_equal(poll(&poll_fd, 1, scaled_ms(KIT_WAIT_MS)), 1);
    assert_int_equal(kit_stats(kit).timeouts, 1);
    close(fd);
    kit_stop(kit);
}

static void connections_above_the_limit_hear_so(void **state) {
    struct kit_options options = plain;
    options.limits.connections_max = 2;
    struct kit *kit = kit_start(&options);
    int one = kit_connect(kit), two = kit_connect(kit), three = kit_connect(kit);
    AUTO(mem_release) char *answer = kit_receive_until(three, "overloaded\"}", NULL);
    assert_int_equal(kit_status(answer), 503);
    assert_non_null(strstr(answer, "Retry-After"));
    kit_send_text(two, "GET /ping HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *pong = kit_receive_until(two, "pong", NULL);
    assert_int_equal(kit_stats(kit).refused, 1);
    close(one);
    close(two);
    close(three);
    kit_stop(kit);
}

static void a_thousand_clients_at_once_are_all_served(void **state) {
    enum { CLIENTS = 900 };
    struct kit *kit = kit_start(&plain);
    static int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = kit_connect(kit);
    }
    for (int i = 0; i < CLIENTS; i++) {
        kit_send_text(fds[i], "GET /ping HTTP/1.1\r\n" H "\r\n");
    }
    for (int i = 0; i < CLIENTS; i++) {
        AUTO(mem_release) char *answer = kit_receive_until(fds[i], "pong", NULL);
        assert_int_equal(kit_status(answer), 200);
        close(fds[i]);
    }
    kit_stop(kit);
}

static void all_bodies_together_are_bounded(void **state) {
    struct kit_options options = plain;
    options.limits.bodies_bytes_max = 100000;
    struct kit *kit = kit_start(&options);
    int one = kit_connect(kit);
    AUTO(mem_release) char *blanks = mem_new(200000);
    memset(blanks, ' ', 200000);
    kit_send_text(one, "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: 200000\r\n\r\n");
    kit_send(one, blanks, 200000);
    AUTO(mem_release) char *refused = kit_receive_until(one, "}", NULL);
    assert_int_equal(kit_status(refused), 503);
    close(one);
    AUTO(mem_release)
    char *good = talk(kit, "POST /things HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{}");
    assert_int_equal(kit_status(good), 201);
    kit_stop(kit);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_comes_too_slowly_is_answered_408),
        cmocka_unit_test(a_body_that_comes_too_slowly_is_answered_408),
        cmocka_unit_test(a_body_that_waits_behind_another_answer_is_not_slow),
        cmocka_unit_test(an_idle_connection_ends_without_a_word),
        cmocka_unit_test(a_wait_is_not_idle),
        cmocka_unit_test(a_client_that_does_not_read_is_cut),
        cmocka_unit_test(connections_above_the_limit_hear_so),
        cmocka_unit_test(a_thousand_clients_at_once_are_all_served),
        cmocka_unit_test(all_bodies_together_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
