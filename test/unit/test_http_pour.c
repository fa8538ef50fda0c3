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
#include "http/stream/pour.h"
#include "http_kit.h"
#include "scale.h"

#define H "Host: t\r\n"

enum { PIECE = 64 << 10, PIECES = 128 };

/* Of the loop's thread; read through kit_read. */
struct seen {
    unsigned ready, waited, drained, gone, head;
    enum err_code why;
};

struct job {
    struct pour pour;
    struct seen *seen;
    unsigned written, pieces;
    bool stays, cuts;
    char *piece;
};

static struct job *of_pour(struct pour *pour) {
    return CONTAINER_OF(pour, struct job, pour);
}

/* Each piece is full of the letter of its number, and the first bytes are that number. */
static struct bytes piece_make(struct job *job, size_t len) {
    memset(job->piece, 'a' + (int)(job->written % 26), len);
    (void)snprintf(job->piece, 12, "<%07u>", job->written);
    job->piece[9] = '.';
    return (struct bytes){job->piece, len};
}

static void ready(struct pour *pour) {
    struct job *job = of_pour(pour);
    job->seen->ready++;
    while (job->written < job->pieces) {
        struct bytes bytes = piece_make(job, job->pieces > 4 ? PIECE : 10);
        job->written++;
        if (pour_write(pour, bytes) == POUR_WAIT) {
            assert(!pour_open(pour));
            job->seen->waited++;
            return;
        }
    }
    if (job->cuts) {
        pour_cut(pour);
    } else if (!job->stays) {
        pour_end(pour);
    }
}

static void drain(struct pour *pour, enum err_code why) {
    struct job *job = of_pour(pour);
    job->seen->drained++;
    job->seen->why = why;
    if (pour_open(pour)) {
        (void)pour_write(pour, BYTES("bye"));
    }
    pour_end(pour);
}

static void gone(struct pour *pour) {
    struct job *job = of_pour(pour);
    job->seen->gone++;
    mem_free(job->piece);
    mem_free(job);
}

static const struct pour_ops ops = {.ready = ready, .drain = drain, .gone = gone};

struct plan {
    struct seen seen;
};

static void begin(struct exchange *exchange, struct plan *plan, const struct job *like) {
    struct job *job = mem_new(sizeof *job);
    job->seen = &plan->seen;
    job->pieces = like->pieces;
    job->stays = like->stays;
    job->cuts = like->cuts;
    job->piece = mem_new(PIECE);
    struct pour_options options = {.ops = &ops, .media = "text/plain"};
    if (like->stays) {
        options.beat = BYTES(":\n\n");
    }
    exchange_add_header(exchange, "Drover-Test", "yes");
    unsigned before = plan->seen.gone;
    bool begun = exchange_pour_begin(exchange, &options, &job->pour);
    assert(plan->seen.gone == before); /* Never inside the call. */
    if (!begun) {
        plan->seen.head++;
        mem_free(job->piece);
        mem_free(job);
    }
}

static void few(struct exchange *exchange, void *ctx) {
    begin(exchange, ctx, &(struct job){.pieces = 3});
}

static void flood(struct exchange *exchange, void *ctx) {
    begin(exchange, ctx, &(struct job){.pieces = PIECES});
}

static void stays(struct exchange *exchange, void *ctx) {
    begin(exchange, ctx, &(struct job){.pieces = 1, .stays = true});
}

static void cuts(struct exchange *exchange, void *ctx) {
    begin(exchange, ctx, &(struct job){.pieces = 1, .cuts = true});
}

static const struct route pours[] = {
    {.method = "GET", .path = "/few", .answer_status = 200, .handle = few},
    {.method = "GET", .path = "/flood", .answer_status = 200, .handle = flood},
    {.method = "GET", .path = "/stays", .answer_status = 200, .handle = stays},
    {.method = "GET", .path = "/cuts", .answer_status = 200, .handle = cuts},
};

static const char *const hosts[] = {"t", NULL};

static struct kit_options options_of(struct plan *plan) {
    return (struct kit_options){.insecure_loopback = true,
                                .allowed_hosts = hosts,
                                .more = {.routes = pours, .count = COUNT_OF(pours), .ctx = plan}};
}

static int ask(const struct kit *kit, const char *line) {
    char request[256];
    int fd = kit_connect(kit);
    (void)snprintf(request, sizeof request, "%s\r\n" H "\r\n", line);
    kit_send_text(fd, request);
    return fd;
}

static void await(struct kit *kit, const unsigned *counter, unsigned value) {
    while (kit_read(kit, counter) < value) {
    }
}

static void pieces_leave_as_chunks_and_the_end_is_told(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    struct kit *kit = kit_start(&options);
    int fd = ask(kit, "GET /few HTTP/1.1");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_status(answer), 200);
    assert_non_null(strstr(answer, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(answer, "Drover-Test: yes\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\na\r\n<0000000>.\r\na\r\n<0000001>.\r\n"
                                   "a\r\n<0000002>.\r\n0\r\n\r\n"));
    close(fd);
    await(kit, &plan.seen.gone, 1);
    kit_stop(kit);
    assert_int_equal(plan.seen.gone, 1);
    assert_int_equal(plan.seen.ready, 1);
}

static void http_1_0_gets_bare_bytes_up_to_the_end(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    struct kit *kit = kit_start(&options);
    int fd = ask(kit, "GET /few HTTP/1.0");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_null(strstr(answer, "chunked"));
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_string_equal(body + 4, "<0000000>.<0000001>.<0000002>.");
    close(fd);
    kit_stop(kit);
}

static void a_head_request_gets_the_head_and_no_callback(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    struct kit *kit = kit_start(&options);
    int fd = ask(kit, "HEAD /few HTTP/1.1\r\nConnection: close");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_int_equal(kit_status(answer), 200);
    assert_non_null(strstr(answer, "Drover-Test: yes\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    close(fd);
    kit_stop(kit);
    assert_int_equal(plan.seen.head, 1);
    assert_int_equal(plan.seen.ready + plan.seen.gone + plan.seen.drained, 0);
}

/* Takes the chunks apart. */
static void check_flood(const char *answer, size_t len) {
    const char *at = strstr(answer, "\r\n\r\n") + 4;
    for (unsigned i = 0; i < PIECES; i++) {
        char begin[24];
        int head = snprintf(begin, sizeof begin, "10000\r\n<%07u>.", i);
        assert_true(at + 7 + PIECE < answer + len);
        assert_memory_equal(at, begin, (size_t)head);
        at += 7;
        for (size_t b = 10; b < PIECE; b++) {
            assert_int_equal(at[b], 'a' + (int)(i % 26));
        }
        at += PIECE;
        assert_memory_equal(at, "\r\n", 2);
        at += 2;
    }
    assert_string_equal(at, "0\r\n\r\n");
}

static void a_slow_client_gets_every_byte_and_costs_one_piece(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit), small = 32 << 10;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    kit_send_text(fd, "GET /flood HTTP/1.1\r\n" H "\r\n");
    await(kit, &plan.seen.waited, 1); /* It reads nothing yet, and the pour knows. */
    size_t len = 0;
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, &len);
    check_flood(answer, len);
    close(fd);
    kit_stop(kit);
    assert_int_equal(plan.seen.gone, 1);
    assert_int_equal(plan.seen.ready, plan.seen.waited + 1);
}

static void a_client_that_takes_nothing_is_cut_off(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    options.limits.write_ms = 50;
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit), small = 32 << 10;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    kit_send_text(fd, "GET /flood HTTP/1.1\r\n" H "\r\n");
    await(kit, &plan.seen.gone, 1);
    assert_true(kit_stats(kit).timeouts > 0);
    close(fd);
    kit_stop(kit);
}

static void a_silent_pour_beats_and_finds_out_who_left(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    options.limits.heartbeat_ms = 30;
    struct kit *kit = kit_start(&options);
    int fd = ask(kit, "GET /stays HTTP/1.1");
    AUTO(mem_release)
    char *beats = kit_receive_until(fd, "\r\n3\r\n:\n\n\r\n3\r\n:\n\n\r\n", NULL);
    assert_non_null(strstr(beats, "<0000000>."));
    assert_int_equal(kit_stats(kit).streams_sse, 1);
    close(fd);
    await(kit, &plan.seen.gone, 1);
    assert_int_equal(kit_stats(kit).streams_sse, 0);
    kit_stop(kit);
}

static void a_client_that_shut_its_side_is_served_on(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    options.limits.heartbeat_ms = 30;
    struct kit *kit = kit_start(&options);
    int fd = ask(kit, "GET /stays HTTP/1.1");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    AUTO(mem_release)
    char *beats = kit_receive_until(fd, "\r\n3\r\n:\n\n\r\n3\r\n:\n\n\r\n", NULL);
    assert_int_equal(kit_status(beats), 200);
    close(fd);
    await(kit, &plan.seen.gone, 1);
    kit_stop(kit);
}

static void a_drain_lets_it_say_a_last_word(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    struct kit *kit = kit_start(&options);
    int fd = ask(kit, "GET /stays HTTP/1.1");
    AUTO(mem_release) char *before = kit_receive_until(fd, "<0000000>.\r\n", NULL);
    kit_drain(kit, (unsigned)scaled_ms(KIT_WAIT_MS));
    AUTO(mem_release) char *rest = kit_receive_until(fd, NULL, NULL);
    assert_string_equal(rest, "3\r\nbye\r\n0\r\n\r\n");
    close(fd);
    kit_stop(kit);
    assert_int_equal(plan.seen.drained, 1);
    assert_int_equal(plan.seen.why, ERR_CLOSING);
    assert_int_equal(plan.seen.gone, 1);
}

static void a_pour_that_is_cut_does_not_look_whole(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    struct kit *kit = kit_start(&options);
    int fd = ask(kit, "GET /cuts HTTP/1.1");
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    assert_null(strstr(answer, "0\r\n\r\n"));
    close(fd);
    await(kit, &plan.seen.gone, 1);
    kit_stop(kit);
}

static void it_waits_for_earlier_answers(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    kit_send_text(fd, "GET /wait HTTP/1.1\r\n" H "\r\nGET /few HTTP/1.1\r\n" H "\r\n");
    await(kit, &kit->wait_count, 1);
    static const char release[] = "GET /release HTTP/1.1\r\n" H "\r\n";
    AUTO(mem_release) char *done = kit_talk(kit, release, sizeof release - 1);
    AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
    const char *first = strstr(answer, "released"), *second = strstr(answer, "<0000000>");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    close(fd);
    kit_stop(kit);
}

static void a_client_that_leaves_before_the_start_is_told_once(void **state) {
    struct plan plan = {0};
    struct kit_options options = options_of(&plan);
    struct kit *kit = kit_start(&options);
    int fd = kit_connect(kit);
    struct linger hard = {.l_onoff = 1};
    kit_send_text(fd, "GET /wait HTTP/1.1\r\n" H "\r\nGET /few HTTP/1.1\r\n" H "\r\n");
    await(kit, &kit->wait_count, 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    close(fd);
    await(kit, &plan.seen.gone, 1);
    kit_stop(kit);
    assert_int_equal(plan.seen.gone, 1);
    assert_int_equal(plan.seen.ready, 0);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_leave_as_chunks_and_the_end_is_told),
        cmocka_unit_test(http_1_0_gets_bare_bytes_up_to_the_end),
        cmocka_unit_test(a_head_request_gets_the_head_and_no_callback),
        cmocka_unit_test(a_slow_client_gets_every_byte_and_costs_one_piece),
        cmocka_unit_test(a_client_that_takes_nothing_is_cut_off),
        cmocka_unit_test(a_silent_pour_beats_and_finds_out_who_left),
        cmocka_unit_test(a_client_that_shut_its_side_is_served_on),
        cmocka_unit_test(a_drain_lets_it_say_a_last_word),
        cmocka_unit_test(a_pour_that_is_cut_does_not_look_whole),
        cmocka_unit_test(it_waits_for_earlier_answers),
        cmocka_unit_test(a_client_that_leaves_before_the_start_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
