#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
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

static unsigned count(const char *text, const char *word) {
    unsigned found = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        found++;
    }
    return found;
}

static char *talk(const struct kit *kit, const char *text) {
    return kit_talk(kit, text, strlen(text));
}

static void expect_end(int fd) {
    AUTO(mem_release) char *rest = kit_receive_until(fd, NULL, NULL);
    assert_string_equal(rest, "");
}

/* Asks the loop again and again, one turn each, until the counter is there. */
static void wait_for(struct kit *kit, const unsigned *counter, unsigned wanted) {
    for (unsigned i = 0; kit_read(kit, counter) != wanted; i++) {
        assert_true(i < 1000000);
    }
}

/* --- Requests and answers --------------------------------------------------------------------- */

static void a_connection_serves_many_requests(void **state) {
    struct kit *kit = kit_start(NULL);
    int fd = kit_connect(kit);
    char request[128];
    (void)snprintf(request, sizeof request, "GET /ping HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
                   kit->port);
    for (int i = 0; i < 3; i++) {
        kit_send_text(fd, request);
        AUTO(mem_release) char *answer = kit_receive_until(fd, "pong", NULL);
        assert_int_equal(kit_status(answer), 200);
    }
    close(fd);
    kit_stop(kit);
}

static void answers_leave_in_the_order_of_the_requests(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    kit_send_text(fd, "GET /wait HTTP/1.1\r\n" H "\r\nGET /wait HTTP/1.1\r\n" H
                      "\r\nGET /ping HTTP/1.1\r\n" H "\r\n");
    wait_for(kit, &kit->wait_count, 2);
    AUTO(mem_release) char *done = talk(kit, "GET /release HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *answers = kit_receive_until(fd, "pong", NULL);
    assert_int_equal(count(answers, "HTTP/1.1 200"), 3);
    assert_int_equal(count(answers, "released"), 2);
    assert_true(strstr(answers, "released") < strstr(answers, "pong"));
    close(fd);
    kit_stop(kit);
}

static void requests_in_flight_are_bounded(void **state) {
    struct kit_options options = plain;
    options.limits.pipeline_max = 8;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    for (int i = 0; i < 20; i++) {
        kit_send_text(fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
    }
    kit_send_text(fd, "GET /ping HTTP/1.1\r\n" H "\r\n");
    for (unsigned left = 20; left > 0;) {
        unsigned batch = left < 8 ? left : 8;
        wait_for(kit, &kit->wait_count, batch);
        AUTO(mem_release) char *done = talk(kit, "GET /release HTTP/1.1\r\n" H "\r\n");
        left -= batch;
    }
    AUTO(mem_release) char *answers = kit_receive_until(fd, "pong", NULL);
    assert_int_equal(count(answers, "released"), 20);
    close(fd);
    kit_stop(kit);
}

static int64_t cpu_ms(const struct kit *kit) {
    clockid_t clock;
    struct timespec now;
    assert_int_equal(pthread_getcpuclockid(kit->thread, &clock), 0);
    assert_int_equal(clock_gettime(clock, &now), 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void a_connection_held_by_the_shared_bound_does_not_spin(void **state) {
    struct kit_options options = plain;
    options.limits.connections_max = 2; /* Four requests in flight, over all. */
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    for (int i = 0; i < 5; i++) {
        kit_send_text(fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
    }
    wait_for(kit, &kit->wait_count, 4);
    int64_t begin_ms = cpu_ms(kit);
    struct pollfd silent = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&silent, 1, 300), 0);
    assert_true(cpu_ms(kit) - begin_ms < 100);
    AUTO(mem_release) char *four = talk(kit, "GET /release HTTP/1.1\r\n" H "\r\n");
    wait_for(kit, &kit->wait_count, 1);
    AUTO(mem_release) char *fifth = talk(kit, "GET /release HTTP/1.1\r\n" H "\r\n");
    close(fd);
    kit_stop(kit);
}

static void a_thousand_requests_in_one_write_are_all_answered(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        text_add_str(&text, "GET /ping HTTP/1.1\r\n" H "\r\n");
    }
    AUTO(mem_release) char *answers = kit_talk(kit, text.data, text.len);
    assert_int_equal(count(answers, "pong"), 1000);
    kit_stop(kit);
}

static void what_follows_a_refused_body_is_answered(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    kit_send_text(fd, "POST /no HTTP/1.1\r\n" H J "Content-Length: 10\r\n\r\n");
    AUTO(mem_release) char *refusal = kit_receive_until(fd, "}", NULL);
    assert_int_equal(kit_status(refusal), 404);
    kit_send_text(fd, "0123456789GET /ping HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *answer = kit_receive_until(fd, "pong", NULL);
    assert_int_equal(kit_status(answer), 200);
    close(fd);
    kit_stop(kit);
}

static void head_has_the_length_and_no_body(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(mem_release)
    char *answers = talk(kit, "HEAD /large HTTP/1.1\r\n" H "\r\nGET /ping HTTP/1.1\r\n" H "\r\n");
    assert_non_null(strstr(answers, "Content-Length: 6291456\r\n"));
    assert_int_equal(count(answers, "HTTP/1.1 200"), 2);
    assert_true(strlen(answers) < 1000);
    kit_stop(kit);
}

static void a_large_answer_arrives_whole(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    size_t len = 0;
    kit_send_text(fd, "GET /large HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, &len);
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    assert_int_equal(len - (size_t)(body - answer), 6 << 20);
    for (size_t i = 0; i < (6 << 20) / 16; i++) {
        assert_memory_equal(body + i * 16, "0123456789abcde\n", 16);
    }
    close(fd);
    kit_stop(kit);
}

/* Asks for much and reads nothing. */
static int hoard(const struct kit *kit) {
    int fd = kit_connect(kit), small = 4096;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    for (int i = 0; i < 4; i++) {
        kit_send_text(fd, "GET /large HTTP/1.1\r\n" H "\r\n");
    }
    return fd;
}

static void answers_that_nobody_takes_are_bounded(void **state) {
    struct kit_options options = plain;
    options.limits.answers_bytes_max = 8 << 20;
    struct kit *kit = kit_start(&options);
    int fds[4];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = hoard(kit);
    }
    for (int status = 200; status != 503;) {
        AUTO(mem_release) char *answer = talk(kit, "GET /large HTTP/1.1\r\n" H "\r\n");
        status = kit_status(answer);
        assert_true(status == 200 || status == 503);
    }
    AUTO(mem_release) char *pong = talk(kit, "GET /ping HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(kit_status(pong), 200); /* Small answers pass. */
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        close(fds[i]);
    }
    for (int status = 503; status != 200;) {
        AUTO(mem_release) char *answer = talk(kit, "GET /large HTTP/1.1\r\n" H "\r\n");
        status = kit_status(answer);
    }
    kit_stop(kit);
}

static void a_client_that_waits_for_100_continue_gets_it(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    kit_send_text(fd, "POST /things HTTP/1.1\r\n" H J
                      "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n");
    AUTO(mem_release) char *go_on = kit_receive_until(fd, "\r\n\r\n", NULL);
    assert_string_equal(go_on, "HTTP/1.1 100 Continue\r\n\r\n");
    kit_send_text(fd, "{\"a\":1}");
    AUTO(mem_release) char *answer = kit_receive_until(fd, "{\"a\":1}", NULL);
    assert_int_equal(kit_status(answer), 201);
    close(fd);
    kit_stop(kit);
}

static void a_refused_client_that_waits_for_100_continue_is_let_go(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    kit_send_text(fd,
                  "POST /no HTTP/1.1\r\n" H J "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_status(answer), 404);
    assert_non_null(strstr(answer, "Connection: close"));
    close(fd);
    kit_stop(kit);
}

static void a_body_that_is_too_large_is_answered_before_it_was_sent(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    kit_send_text(fd, "POST /things HTTP/1.1\r\n" H J "Content-Length: 9999999\r\n\r\n{");
    AUTO(mem_release) char *answer = kit_receive_until(fd, "}", NULL);
    assert_int_equal(kit_status(answer), 413);
    assert_non_null(strstr(answer, "\"code\":\"body_too_large\""));
    /* What is still sent does not take the answer away. */
    AUTO(mem_release) char *much = mem_new(1 << 20);
    kit_send(fd, much, 1 << 20);
    close(fd);
    kit_stop(kit);
}

static void a_problem_names_its_code_and_the_parameter(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(mem_release) char *answer = talk(kit, "GET /things/1?colour=red HTTP/1.1\r\n" H "\r\n");
    assert_non_null(strstr(answer, "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(answer, "\"code\":\"bad_query\""));
    assert_non_null(strstr(answer, "'colour'"));
    kit_stop(kit);
}

static void parameters_are_decoded_and_have_defaults(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(mem_release)
    char *answer = talk(kit, "GET /things/a%20%C3%A4?flag=1&name=x+y HTTP/1.1\r\n" H "\r\n");
    assert_non_null(
        strstr(answer,
               "{\"id\":\"a \xc3\xa4\",\"name\":\"x y\",\"n\":50,\"flag\":1,\"owner\":\"local\"}"));
    kit_stop(kit);
}

static void a_server_error_is_reported_once(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(mem_release) char *answer = talk(kit, "GET /broken HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(kit_status(answer), 500);
    assert_int_equal(kit_read(kit, &kit->failed_count), 1);
    kit_stop(kit);
}

/* Whoever can reach the port could fill the log with these. */
static void what_clients_do_wrong_is_not_reported_as_a_failure(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(mem_release) char *method = talk(kit, "BREW /ping HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *version = talk(kit, "GET /ping HTTP/2.0\r\n" H "\r\n");
    assert_int_equal(kit_status(method), 501);
    assert_int_equal(kit_status(version), 505);
    for (int i = 0; i < 20; i++) {
        int fd = kit_connect(kit);
        kit_send_text(fd, "GET /s/x HTTP/1.1\r\n" H "\r\n");
        close(fd); /* Leaves before it begins. */
    }
    assert_int_equal(kit_read(kit, &kit->failed_count), 0);
    kit_stop(kit);
}

static void a_large_body_whose_client_went_away_harms_nobody(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(text_done) struct text text;
    text_init(&text, 2 << 20);
    text_add_str(&text, "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: 1000003\r\n\r\n[");
    for (int i = 0; i < 100000; i++) {
        text_add_str(&text, "       1, ");
    }
    text_add_str(&text, "1]");
    for (int i = 0; i < 4; i++) {
        int fd = kit_connect(kit);
        kit_send(fd, text.data, text.len);
        struct linger hard = {.l_onoff = 1};
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
        close(fd);
    }
    AUTO(mem_release) char *answer = talk(kit, "GET /ping HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(kit_status(answer), 200);
    kit_stop(kit);
}

static void a_client_that_went_away_is_told_to_the_handler(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    kit_send_text(fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
    wait_for(kit, &kit->wait_count, 1);
    close(fd);
    wait_for(kit, &kit->gone_count, 1);
    assert_int_equal(kit_read(kit, &kit->wait_count), 0);
    kit_stop(kit);
}

static void a_server_closes_while_a_request_is_in_its_handler(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect_unix(kit);
    kit_send_text(fd, "POST /s/x HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{}"
                      "GET /wait HTTP/1.1\r\n" H "\r\n");
    wait_for(kit, &kit->wait_count, 1);
    kit_stop(kit);
    close(fd);
}

/* --- Who may ---------------------------------------------------------------------------------- */

static void tcp_wants_a_token_and_the_unix_socket_does_not(void **state) {
    struct kit_options options = {.allowed_hosts = hosts};
    struct kit *kit = kit_start(&options);
    AUTO(mem_release) char *none = talk(kit, "GET /things/1 HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(kit_status(none), 401);
    assert_non_null(strstr(none, "WWW-Authenticate: Bearer"));
    AUTO(mem_release)
    char *good = talk(kit, "GET /things/1 HTTP/1.1\r\n" H "Authorization: Bearer good\r\n\r\n");
    assert_int_equal(kit_status(good), 200);
    assert_non_null(strstr(good, "\"owner\":\"ann\""));
    AUTO(mem_release) char *open = talk(kit, "GET /ping HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(kit_status(open), 200);
    int fd = kit_connect_unix(kit);
    kit_send_text(fd, "GET /things/1 HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n");
    AUTO(mem_release) char *local = kit_receive_until(fd, NULL, NULL);
    assert_non_null(strstr(local, "\"owner\":\"local\""));
    close(fd);
    kit_stop(kit);
}

static void a_token_that_was_sent_decides_on_the_unix_socket_too(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect_unix(kit);
    kit_send_text(fd, "DELETE /secret HTTP/1.1\r\n" H
                      "Authorization: bearer good\r\nConnection: close\r\n\r\n");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_status(answer), 403);
    assert_non_null(strstr(answer, "'admin'"));
    close(fd);
    kit_stop(kit);
}

/* --- Descriptions ----------------------------------------------------------------------------- */

static json_t *read_json(const char *answer) {
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    struct why why = {0};
    json_t *json = NULL;
    struct err err = json_parse(body + 4, strlen(body + 4), JSON_DEPTH_MAX, &json, &why);
    if (err_failed(err)) {
        fail_msg("%s: %s", why.text, body);
    }
    return json;
}

static void openapi_describes_every_route(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(mem_release) char *answer = talk(kit, "GET /api/v1/openapi.json HTTP/1.1\r\n" H "\r\n");
    AUTO(json_release) json_t *json = read_json(answer);
    json_t *paths = json_object_get(json, "paths");
    assert_int_equal(json_object_size(paths), 15);
    json_t *put = json_object_get(json_object_get(paths, "/things/{id}"), "put");
    assert_non_null(json_object_get(put, "requestBody"));
    assert_int_equal(json_array_size(json_object_get(put, "parameters")), 1);
    json_t *get = json_object_get(json_object_get(paths, "/things/{id}"), "get");
    assert_int_equal(json_array_size(json_object_get(get, "parameters")), 4);
    assert_non_null(json_object_get(json_object_get(paths, "/metrics"), "get"));
    json_t *codes = json_object_get(json, "x-codes");
    assert_int_equal(json_object_size(codes), ERR_CODES - 1);
    kit_stop(kit);
}

static void metrics_count_what_happened(void **state) {
    struct kit *kit = kit_start(&plain);
    AUTO(mem_release) char *bad = talk(kit, "GET / HTTP/3\r\n\r\n");
    AUTO(mem_release) char *answer = talk(kit, "GET /metrics HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(kit_status(answer), 200);
    assert_non_null(strstr(answer, "\ndrover_http_protocol_errors_total 1\n"));
    assert_non_null(strstr(answer, "\ndrover_http_responses_total{class=\"4xx\"} 1\n"));
    assert_non_null(strstr(answer, "\ndrover_hub_subscribers 0\n"));
    kit_stop(kit);
}

/* --- The end ---------------------------------------------------------------------------------- */

static void a_unix_socket_that_is_served_is_not_taken_over(void **state) {
    struct kit *kit = kit_start(&plain);
    struct why why;
    /* Refused before the loop's thread would have to know. */
    assert_int_equal(http_listen_unix(kit->server, kit->path, 0600, &why).code, ERR_BUSY);
    int fd = kit_connect_unix(kit);
    kit_send_text(fd, "GET /ping HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *answer = kit_receive_until(fd, "pong", NULL);
    assert_int_equal(kit_status(answer), 200);
    close(fd);
    kit_stop(kit);
}

static void a_drain_finishes_what_has_begun(void **state) {
    struct kit *kit = kit_start(&plain);
    int idle = kit_connect(kit), wait = kit_connect(kit);
    kit_send_text(idle, "GET /ping HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *pong = kit_receive_until(idle, "pong", NULL);
    kit_send_text(wait, "GET /wait HTTP/1.1\r\n" H "\r\n");
    wait_for(kit, &kit->wait_count, 1);
    kit_drain(kit, (unsigned)scaled_ms(KIT_WAIT_MS));
    assert_int_equal(kit->drain_count, 1);
    AUTO(mem_release) char *answer = kit_receive_until(wait, NULL, NULL);
    assert_non_null(strstr(answer, "drained"));
    assert_non_null(strstr(answer, "Connection: close"));
    expect_end(idle);
    close(idle);
    close(wait);
    kit_stop(kit);
}

static void a_drain_that_takes_too_long_cuts(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    kit_send_text(fd, "POST /things HTTP/1.1\r\n" H J
                      "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n");
    AUTO(mem_release) char *go_on = kit_receive_until(fd, "Continue", NULL);
    kit_drain(kit, 50);
    AUTO(mem_release) char *rest = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_status(rest), 0);
    close(fd);
    kit_stop(kit);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(answers_leave_in_the_order_of_the_requests),
        cmocka_unit_test(requests_in_flight_are_bounded),
        cmocka_unit_test(a_connection_held_by_the_shared_bound_does_not_spin),
        cmocka_unit_test(a_thousand_requests_in_one_write_are_all_answered),
        cmocka_unit_test(what_follows_a_refused_body_is_answered),
        cmocka_unit_test(head_has_the_length_and_no_body),
        cmocka_unit_test(a_large_answer_arrives_whole),
        cmocka_unit_test(answers_that_nobody_takes_are_bounded),
        cmocka_unit_test(a_client_that_waits_for_100_continue_gets_it),
        cmocka_unit_test(a_refused_client_that_waits_for_100_continue_is_let_go),
        cmocka_unit_test(a_body_that_is_too_large_is_answered_before_it_was_sent),
        cmocka_unit_test(a_problem_names_its_code_and_the_parameter),
        cmocka_unit_test(parameters_are_decoded_and_have_defaults),
        cmocka_unit_test(a_server_error_is_reported_once),
        cmocka_unit_test(what_clients_do_wrong_is_not_reported_as_a_failure),
        cmocka_unit_test(a_large_body_whose_client_went_away_harms_nobody),
        cmocka_unit_test(a_client_that_went_away_is_told_to_the_handler),
        cmocka_unit_test(a_server_closes_while_a_request_is_in_its_handler),
        cmocka_unit_test(tcp_wants_a_token_and_the_unix_socket_does_not),
        cmocka_unit_test(a_token_that_was_sent_decides_on_the_unix_socket_too),
        cmocka_unit_test(openapi_describes_every_route),
        cmocka_unit_test(metrics_count_what_happened),
        cmocka_unit_test(a_unix_socket_that_is_served_is_not_taken_over),
        cmocka_unit_test(a_drain_finishes_what_has_begun),
        cmocka_unit_test(a_drain_that_takes_too_long_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
