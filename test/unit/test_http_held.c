/* Requests that came before they could begin, and what they and their bodies may take meanwhile. */
#include <poll.h>
#include <semaphore.h>
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
#define PING "GET /ping HTTP/1.1\r\n" H "\r\n"
#define WAIT "GET /wait HTTP/1.1\r\n" H "\r\n"
#define SLOW "GET /slow HTTP/1.1\r\n" H "\r\n"
#define SLOW_SMALL "DELETE /slow HTTP/1.1\r\n" H "\r\n"

static const char *const hosts[] = {"t", NULL};
static const struct kit_options plain = {.insecure_loopback = true, .allowed_hosts = hosts};

static char *talk(const struct kit *kit, const char *text) {
    return kit_talk(kit, text, strlen(text));
}

static unsigned count(const char *text, const char *word) {
    unsigned found = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        found++;
    }
    return found;
}

/* Each look asks the loop, so this ends when the loop has come so far. */
static void wait_for(struct kit *kit, const unsigned *counter, unsigned wanted) {
    while (kit_read(kit, counter) != wanted) {
    }
}

static void release(struct kit *kit) {
    AUTO(mem_release) char *done = talk(kit, "GET /release HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(kit_status(done), 200);
}

/* --- A pool that is busy: it has one thread here (see main) ----------------------------------- */

struct busy {
    struct loop_msg msg;
    struct loop_work work;
    struct kit *kit;
    sem_t began, go;
};

static void busy_run(struct loop_work *work) {
    struct busy *busy = CONTAINER_OF(work, struct busy, work);
    (void)sem_post(&busy->began);
    while (sem_wait(&busy->go) != 0) {
    }
}

static void busy_done(struct loop_work *work) {
    (void)sem_post(&CONTAINER_OF(work, struct busy, work)->began);
}

static void busy_post(struct loop_msg *msg) {
    struct busy *busy = CONTAINER_OF(msg, struct busy, msg);
    busy->work = (struct loop_work){.run = busy_run, .done = busy_done};
    loop_work(busy->kit->loop, &busy->work);
}

static void busy_await(struct busy *busy) {
    while (sem_wait(&busy->began) != 0) {
    }
}

static void busy_begin(struct busy *busy, struct kit *kit) {
    *busy = (struct busy){.kit = kit, .msg.run = busy_post};
    assert_int_equal(sem_init(&busy->began, 0, 0), 0);
    assert_int_equal(sem_init(&busy->go, 0, 0), 0);
    loop_post(kit->loop, &busy->msg);
    busy_await(busy);
}

static void busy_end(struct busy *busy) {
    (void)sem_post(&busy->go);
    busy_await(busy);
    (void)sem_destroy(&busy->began);
    (void)sem_destroy(&busy->go);
}

/* --- Order ------------------------------------------------------------------------------------ */

/* A body for the pool, and a request behind it in the same write. */
static void send_large_and(int fd, const char *behind) {
    enum { LARGE = 20000 };
    AUTO(mem_release) char *bytes = mem_new(LARGE);
    memset(bytes, ' ', LARGE);
    bytes[0] = '1';
    AUTO(text_done) struct text text;
    text_init(&text, LARGE + 1000);
    text_addf(&text, "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: %d\r\n\r\n", LARGE);
    text_add(&text, bytes, LARGE);
    text_add_str(&text, behind);
    kit_send(fd, text.data, text.len);
}

static void a_request_behind_a_body_in_the_pool_does_not_begin(void **state) {
    struct kit *kit = kit_start(&plain);
    struct busy busy;
    busy_begin(&busy, kit);
    int fd = kit_connect(kit);
    send_large_and(fd, WAIT PING);
    while (kit_stats(kit).requests < 1) {
    }
    AUTO(mem_release) char *other = talk(kit, PING); /* Nobody else waits. */
    assert_int_equal(kit_status(other), 200);
    assert_int_equal(kit_read(kit, &kit->wait_count), 0);
    busy_end(&busy);
    wait_for(kit, &kit->wait_count, 1);
    release(kit);
    AUTO(mem_release) char *answers = kit_receive_until(fd, "pong", NULL);
    assert_int_equal(kit_status(answers), 201);
    assert_int_equal(count(answers, "released"), 1);
    close(fd);
    kit_stop(kit);
}

static void a_client_that_leaves_while_it_is_held_leaves_nothing_behind(void **state) {
    struct kit *kit = kit_start(&plain);
    struct busy busy;
    busy_begin(&busy, kit);
    int fd = kit_connect(kit);
    send_large_and(fd, WAIT PING);
    while (kit_stats(kit).requests < 1) {
    }
    struct linger hard = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    close(fd);
    busy_end(&busy);
    while (kit_stats(kit).connections > 0 || kit_stats(kit).requests_in_flight > 0) {
    }
    assert_int_equal(kit_read(kit, &kit->wait_count), 0);
    kit_stop(kit);
}

/* What came behind the last answer did not happen, and its client must be able to tell. */
static void a_drain_tells_a_held_client_which_answer_is_the_last(void **state) {
    struct kit_options options = plain;
    options.limits.pipeline_max = 1;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    kit_send_text(fd, WAIT PING);
    wait_for(kit, &kit->wait_count, 1);
    kit_drain(kit, (unsigned)scaled_ms(KIT_WAIT_MS));
    AUTO(mem_release) char *answers = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(count(answers, "drained"), 1);
    assert_int_equal(count(answers, "Connection: close\r\n"), 1);
    assert_int_equal(count(answers, "pong"), 0);
    close(fd);
    kit_stop(kit);
}

/* --- Bounds ----------------------------------------------------------------------------------- */

static void send_pings_behind_a_wait(int fd, unsigned pings) {
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 20);
    text_add_str(&text, WAIT);
    for (unsigned i = 0; i < pings; i++) {
        text_add_str(&text, PING);
    }
    kit_send(fd, text.data, text.len);
}

static void what_held_connections_sent_is_bounded_over_all(void **state) {
    enum { PINGS = 500 };
    struct kit_options options = plain;
    options.limits.pipeline_max = 1;
    options.limits.bodies_bytes_max = PINGS * (sizeof PING - 1) * 3 / 2;
    struct kit *kit = kit_start(&options);
    for (int i = 0; i < 3; i++) { /* Each time anew: it is given back. */
        int first = kit_connect(kit), second = kit_connect(kit);
        send_pings_behind_a_wait(first, PINGS);
        wait_for(kit, &kit->wait_count, 1);
        send_pings_behind_a_wait(second, PINGS);
        wait_for(kit, &kit->wait_count, 2);
        release(kit);
        AUTO(mem_release) char *refused = kit_receive_until(second, NULL, NULL);
        assert_int_equal(count(refused, "released"), 1);
        assert_int_equal(count(refused, "HTTP/1.1 503 "), 1);
        assert_int_equal(count(refused, "pong"), 0);
        (void)shutdown(first, SHUT_WR);
        AUTO(mem_release) char *served = kit_receive_until(first, NULL, NULL);
        assert_int_equal(count(served, "pong"), PINGS);
        close(first);
        close(second);
    }
    kit_stop(kit);
}

/* [{},{},...]: the dearest values that there are. */
static void add_objects(struct text *text, unsigned objects, unsigned blanks) {
    size_t len = 3 * (size_t)objects + 1 + blanks;
    text_addf(text, "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: %zu\r\n\r\n[{}", len);
    for (unsigned i = 1; i < objects; i++) {
        text_add_str(text, ",{}");
    }
    text_add_char(text, ']');
    for (unsigned i = 0; i < blanks; i++) {
        text_add_char(text, ' ');
    }
}

static int put_objects(const struct kit *kit, unsigned objects, unsigned blanks) {
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 20);
    add_objects(&text, objects, blanks);
    AUTO(mem_release) char *answer = kit_talk(kit, text.data, text.len);
    return kit_status(answer);
}

/* What a large one took is given back when the pool has freed it, a moment after the answer. */
static int put_objects_again(const struct kit *kit, unsigned objects, unsigned blanks) {
    enum { TRIES = 1000 };
    int status = 503;
    for (int i = 0; i < TRIES && status == 503; i++) {
        status = put_objects(kit, objects, blanks);
    }
    return status;
}

enum { VALUES_MAX = 100 * 1000, MANY_BLANKS = 10 * 1000 /* For the pool. */ };

static void the_values_of_all_bodies_together_are_bounded(void **state) {
    struct kit_options options = plain;
    options.limits.values_bytes_max = VALUES_MAX;
    struct kit *kit = kit_start(&options);
    assert_int_equal(put_objects(kit, 500, 0), 503);
    assert_int_equal(put_objects(kit, 500, MANY_BLANKS), 503);
    for (int i = 0; i < 20; i++) { /* What an answered one took is given back. */
        assert_int_equal(put_objects_again(kit, 250, 0), 201);
        assert_int_equal(put_objects_again(kit, 250, MANY_BLANKS), 201);
    }
    kit_stop(kit);
}

static void bodies_that_are_no_json_give_back_what_they_took(void **state) {
    struct kit_options options = plain;
    options.limits.values_bytes_max = VALUES_MAX;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    for (int i = 0; i < 1000; i++) {
        kit_send_text(fd, "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: 0\r\n\r\n"
                          "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: 3\r\n\r\n[,,");
        AUTO(mem_release) char *refused = kit_receive_until(fd, "}", NULL);
        assert_int_equal(kit_status(refused), 400);
    }
    close(fd);
    assert_int_equal(put_objects(kit, 250, 0), 201);
    kit_stop(kit);
}

static void commas_inside_a_text_are_no_values(void **state) {
    enum { COMMAS = 6000 };
    struct kit_options options = plain;
    options.limits.values_bytes_max = VALUES_MAX;
    struct kit *kit = kit_start(&options);
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 20);
    text_addf(&text, "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: %d\r\n\r\n", COMMAS + 4);
    text_add_str(&text, "\"\\\"");
    for (int i = 0; i < COMMAS; i++) {
        text_add_char(&text, ',');
    }
    text_add_char(&text, '"');
    AUTO(mem_release) char *answer = kit_talk(kit, text.data, text.len);
    assert_int_equal(kit_status(answer), 201);
    kit_stop(kit);
}

/* Answers leave in order, so one may wait for very long; what it answers need not. */
static void an_answer_that_waits_keeps_nothing_of_its_request(void **state) {
    struct kit_options options = plain;
    options.limits.values_bytes_max = VALUES_MAX;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 20);
    text_add_str(&text, WAIT);
    for (int i = 0; i < 10; i++) {
        add_objects(&text, 250, 0);
    }
    text_add_str(&text, PING);
    kit_send(fd, text.data, text.len);
    while (kit_stats(kit).requests < 12) {
    }
    release(kit);
    AUTO(mem_release) char *answers = kit_receive_until(fd, "pong", NULL);
    assert_int_equal(count(answers, "HTTP/1.1 201 "), 10);
    close(fd);
    kit_stop(kit);
}

/* Sends until nobody takes more for a while, or the connection is cut. */
static void send_much(int fd) {
    enum { CHUNK = 1 << 20, CHUNKS = 64, QUIET_MS = 500 };
    AUTO(mem_release) char *bytes = mem_new(CHUNK);
    memset(bytes, ' ', CHUNK);
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    for (int i = 0; i < CHUNKS && poll(&room, 1, QUIET_MS) == 1; i++) {
        if (send(fd, bytes, CHUNK, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            return;
        }
    }
}

static void whoever_is_refused_and_sends_on_gets_the_answers_before_that(void **state) {
    struct kit *kit = kit_start(&plain);
    int fd = kit_connect(kit);
    kit_send_text(fd, WAIT "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: 900000000\r\n\r\n");
    wait_for(kit, &kit->wait_count, 1);
    send_much(fd);
    assert_int_equal(kit_read(kit, &kit->wait_count), 1); /* It waits still. */
    release(kit);
    AUTO(mem_release) char *answers = kit_receive_until(fd, "body_too_large", NULL);
    assert_int_equal(count(answers, "released"), 1);
    assert_int_equal(count(answers, "HTTP/1.1 413 "), 1);
    close(fd);
    kit_stop(kit);
}

/* --- Answers ahead ---------------------------------------------------------------------------- */

static void requests_behind_others_share_a_bound_of_all_connections(void **state) {
    struct kit_options options = plain;
    options.limits.ahead_bytes_max = 2 << 20; /* Two pages that are being made. */
    struct kit *kit = kit_start(&options);
    int one = kit_connect(kit), two = kit_connect(kit);
    kit_send_text(one, SLOW SLOW SLOW SLOW);
    wait_for(kit, &kit->wait_count, 3); /* One is always possible, and two behind it. */
    kit_send_text(two, SLOW SLOW);
    wait_for(kit, &kit->wait_count, 4);
    release(kit);
    wait_for(kit, &kit->wait_count, 2); /* Those that were held begin when others were answered. */
    release(kit);
    kit_send_text(one, PING);
    kit_send_text(two, PING);
    AUTO(mem_release) char *of_one = kit_receive_until(one, "pong", NULL);
    AUTO(mem_release) char *of_two = kit_receive_until(two, "pong", NULL);
    assert_int_equal(count(of_one, "released"), 4);
    assert_int_equal(count(of_two, "released"), 2);
    close(one);
    close(two);
    kit_stop(kit);
}

static void requests_that_get_no_page_behind_others_count_less(void **state) {
    struct kit_options options = plain;
    options.limits.ahead_bytes_max = 2 << 20;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    kit_send_text(fd, SLOW WAIT WAIT WAIT SLOW_SMALL SLOW_SMALL SLOW);
    wait_for(kit, &kit->wait_count, 7);
    release(kit);
    kit_send_text(fd, PING);
    AUTO(mem_release) char *answers = kit_receive_until(fd, "pong", NULL);
    assert_int_equal(count(answers, "released"), 7);
    close(fd);
    kit_stop(kit);
}

/* Nobody has said yet who sends them. */
static void requests_without_a_whole_head_behind_others_count_less(void **state) {
    struct kit_options options = plain;
    options.limits.ahead_bytes_max = 2 << 20;
    struct kit *kit = kit_start(&options);
    int halves[3];
    for (unsigned i = 0; i < COUNT_OF(halves); i++) {
        halves[i] = kit_connect(kit);
        kit_send_text(halves[i], SLOW "GET /ping HTTP/1.1\r\n");
        wait_for(kit, &kit->wait_count, i + 1);
    }
    int fd = kit_connect(kit);
    kit_send_text(fd, SLOW SLOW);
    wait_for(kit, &kit->wait_count, COUNT_OF(halves) + 2);
    release(kit);
    for (unsigned i = 0; i < COUNT_OF(halves); i++) {
        kit_send_text(halves[i], H "\r\n");
        AUTO(mem_release) char *answers = kit_receive_until(halves[i], "pong", NULL);
        assert_int_equal(count(answers, "released"), 1);
        close(halves[i]);
    }
    close(fd);
    kit_stop(kit);
}

int main(void) {
    json_setup();
    (void)setenv("UV_THREADPOOL_SIZE", "1", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_behind_a_body_in_the_pool_does_not_begin),
        cmocka_unit_test(a_client_that_leaves_while_it_is_held_leaves_nothing_behind),
        cmocka_unit_test(a_drain_tells_a_held_client_which_answer_is_the_last),
        cmocka_unit_test(what_held_connections_sent_is_bounded_over_all),
        cmocka_unit_test(the_values_of_all_bodies_together_are_bounded),
        cmocka_unit_test(bodies_that_are_no_json_give_back_what_they_took),
        cmocka_unit_test(commas_inside_a_text_are_no_values),
        cmocka_unit_test(an_answer_that_waits_keeps_nothing_of_its_request),
        cmocka_unit_test(requests_behind_others_share_a_bound_of_all_connections),
        cmocka_unit_test(requests_that_get_no_page_behind_others_count_less),
        cmocka_unit_test(requests_without_a_whole_head_behind_others_count_less),
        cmocka_unit_test(whoever_is_refused_and_sends_on_gets_the_answers_before_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
