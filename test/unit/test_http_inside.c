/* Clients of the Unix socket that are inside a run: the server asks once for each connection,
 * before a byte of it is read, and the row of a route says what they may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "http_kit.h"

#define H "Host: t\r\n"
#define RUN "run_00000000000000000000000001"

/* --- Routes, and the answers of the test ------------------------------------------------------ */

static void shown(struct exchange *exchange, void *ctx) {
    (void)ctx;
    const struct identity *identity = exchange_identity(exchange);
    struct text text = text_up_to(200);
    text_addf(&text, "<%s|%s|%u>", identity->owner, identity->inside, identity->scopes);
    exchange_reply(exchange, 200, "text/plain", &text);
}

static const struct route routes[] = {
    {.method = "GET", .path = "/read", .scope = SCOPE_READ, .handle = shown},
    {.method = "POST", .path = "/never", .scope = SCOPE_RUN, .handle = shown},
    {.method = "POST",
     .path = "/below",
     .scope = SCOPE_RUN,
     .inside = INSIDE_BELOW,
     .handle = shown},
    {.method = "POST",
     .path = "/always",
     .scope = SCOPE_RUN,
     .inside = INSIDE_ALWAYS,
     .handle = shown},
    {.method = "POST", .path = "/approve", .scope = SCOPE_APPROVE, .handle = shown},
    {.method = "GET", .path = "/admin", .scope = SCOPE_ADMIN, .handle = shown},
};

struct look {
    enum http_inside found;
    int begun, go; /* Ends of pipes: a byte for each look, and one that lets it go on; -1: none. */
};
static struct look look; /* Each test sets it. */

static enum http_inside look_answer(void *ctx, int pid, struct id *ret_run) {
    char byte = 0;
    (void)ctx;
    assert(pid == getpid());
    if (look.go >= 0) {
        (void)write(look.begun, "b", 1); /* A test that waits in vain fails. */
        (void)read(look.go, &byte, 1);
    }
    if (look.found == HTTP_INSIDE_RUN) {
        memcpy(ret_run->text, RUN, sizeof RUN);
    }
    return look.found;
}

/* Pipes by which each look tells that it has begun, and waits until it may go on. */
struct pause {
    int begun[2], go[2];
};

static struct pause pause_begin(void) {
    struct pause pause;
    assert_int_equal(pipe(pause.begun), 0);
    assert_int_equal(pipe(pause.go), 0);
    look.begun = pause.begun[1];
    look.go = pause.go[0];
    return pause;
}

static void pause_wait(const struct pause *pause) {
    char byte;
    assert_int_equal(read(pause->begun[0], &byte, 1), 1);
}

static void pause_end(const struct pause *pause) {
    for (size_t i = 0; i < 2; i++) {
        close(pause->begun[i]);
        close(pause->go[i]);
    }
}

static const char *const hosts[] = {"t", NULL};
static struct kit *start_within(enum http_inside found, size_t look_ms) {
    const struct kit_options options = {.allowed_hosts = hosts,
                                        .insecure_loopback = true,
                                        .limits = {.look_ms = look_ms},
                                        .more = {.routes = routes, .count = COUNT_OF(routes)},
                                        .inside = look_answer};
    look = (struct look){.found = found, .begun = -1, .go = -1};
    return kit_start(&options);
}

static struct kit *start(enum http_inside found) {
    return start_within(found, 0 /* as usual */);
}

enum door { SOCKET, TCP, TOKEN };

/* The whole answer; owned. */
static char *ask(const struct kit *kit, enum door door, const char *request) {
    char text[300];
    (void)snprintf(text, sizeof text, "%s HTTP/1.1\r\n" H "%sConnection: close\r\n\r\n", request,
                   door == TOKEN ? "Authorization: Bearer good\r\n" : "");
    int fd = door == TCP ? kit_connect(kit) : kit_connect_unix(kit);
    kit_send_text(fd, text);
    char *answer = kit_receive_until(fd, NULL, NULL);
    close(fd);
    return answer;
}

static void assert_answers(const struct kit *kit, enum door door, const char *request,
                           const char *part) {
    AUTO(mem_release) char *answer = ask(kit, door, request);
    if (strstr(answer, part) == NULL) {
        fail_msg("%s: %s is not in\n%s", request, part, answer);
    }
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void a_client_inside_a_run_has_the_rights_of_the_run(void **state) {
    struct kit *kit = start(HTTP_INSIDE_RUN);
    (void)state;
    assert_answers(kit, SOCKET, "GET /read", "<local|" RUN "|3>");
    assert_answers(kit, SOCKET, "POST /always", "<local|" RUN "|3>");
    assert_answers(kit, SOCKET, "POST /below", "<local|" RUN "|3>");
    static const char *const refused[] = {"POST /never", "POST /approve", "GET /admin"};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_answers(kit, SOCKET, refused[i], "403 Forbidden");
        assert_answers(kit, SOCKET, refused[i], "\"code\":\"inside_run\"");
        assert_answers(kit, SOCKET, refused[i], "\"run\":\"" RUN "\"");
        assert_answers(kit, SOCKET, refused[i], "have a person do it");
    }
    kit_stop(kit);
}

static void a_token_frees_nobody_on_the_socket_and_tcp_is_not_looked_at(void **state) {
    struct kit *kit = start(HTTP_INSIDE_RUN);
    (void)state;
    assert_answers(kit, TOKEN, "POST /never", "\"code\":\"inside_run\"");
    assert_answers(kit, TOKEN, "POST /always", "<ann|" RUN "|3>");
    assert_answers(kit, TCP, "POST /never", "<local||15>");
    assert_answers(kit, TCP, "GET /admin", "<local||15>");
    kit_stop(kit);
}

static void a_client_of_whom_nobody_can_tell_may_only_read(void **state) {
    struct kit *kit = start(HTTP_INSIDE_UNKNOWN);
    (void)state;
    assert_answers(kit, SOCKET, "GET /read", "<local||3>");
    static const char *const refused[] = {"POST /never", "POST /below", "POST /always",
                                          "POST /approve", "GET /admin"};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_answers(kit, SOCKET, refused[i], "\"code\":\"inside_run\"");
    }
    kit_stop(kit);
}

static void a_client_outside_has_all_rights(void **state) {
    struct kit *kit = start(HTTP_OUTSIDE);
    (void)state;
    assert_answers(kit, SOCKET, "POST /never", "<local||15>");
    assert_answers(kit, SOCKET, "POST /approve", "<local||15>");
    assert_answers(kit, TOKEN, "POST /approve", "\"code\":\"forbidden\"");
    kit_stop(kit);
}

static void nothing_is_read_before_it_is_known(void **state) {
    struct kit *kit = start(HTTP_INSIDE_RUN);
    const struct pause pause = pause_begin();
    (void)state;
    int fd = kit_connect_unix(kit);
    kit_send_text(fd, "POST /never HTTP/1.1\r\n" H "\r\n");
    pause_wait(&pause);
    assert_int_equal(kit_stats(kit).requests, 0);
    assert_int_equal(kit_stats(kit).bytes_read, 0);
    assert_int_equal(write(pause.go[1], "g", 1), 1);
    AUTO(mem_release) char *answer = kit_receive_until(fd, "inside_run", NULL);
    assert_int_equal(kit_status(answer), 403);
    close(fd);
    /* The next request of a connection is not looked at again: it would wait for ever. */
    kit_stop(kit);
    pause_end(&pause);
}

static void a_client_who_is_looked_at_for_too_long_may_only_read(void **state) {
    struct kit *kit = start_within(HTTP_OUTSIDE, 1);
    const struct pause pause = pause_begin();
    (void)state;
    assert_answers(kit, SOCKET, "GET /read", "<local||3>");
    assert_answers(kit, SOCKET, "POST /always", "\"code\":\"inside_run\"");
    pause_wait(&pause);
    pause_wait(&pause);
    assert_int_equal(write(pause.go[1], "gg", 2), 2);
    kit_stop(kit);
    pause_end(&pause);
}

static void a_server_that_closes_waits_for_the_last_look(void **state) {
    struct kit *kit = start(HTTP_INSIDE_RUN);
    const struct pause pause = pause_begin();
    (void)state;
    int gone = kit_connect_unix(kit), stays = kit_connect_unix(kit);
    pause_wait(&pause);
    pause_wait(&pause);
    close(gone);
    assert_int_equal(write(pause.go[1], "gg", 2), 2);
    kit_stop(kit); /* In whatever order: a sanitizer sees what is used after its end. */
    close(stays);
    pause_end(&pause);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_inside_a_run_has_the_rights_of_the_run),
        cmocka_unit_test(a_token_frees_nobody_on_the_socket_and_tcp_is_not_looked_at),
        cmocka_unit_test(a_client_of_whom_nobody_can_tell_may_only_read),
        cmocka_unit_test(a_client_outside_has_all_rights),
        cmocka_unit_test(nothing_is_read_before_it_is_known),
        cmocka_unit_test(a_client_who_is_looked_at_for_too_long_may_only_read),
        cmocka_unit_test(a_server_that_closes_waits_for_the_last_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
