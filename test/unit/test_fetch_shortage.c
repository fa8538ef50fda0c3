/* The HTTP client while the process has no free descriptor. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "fetch_kit.h"

/* Number of sockets that find the limit of the system reached. */
static unsigned sockets_to_fail;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol) {
    if (sockets_to_fail > 0) {
        sockets_to_fail--;
        errno = ENFILE;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

static bool library_fails;

void *__real_dlopen(const char *path, int flags);
void *__wrap_dlopen(const char *path, int flags);
void *__wrap_dlopen(const char *path, int flags) {
    return library_fails ? NULL : __real_dlopen(path, flags);
}

struct limited {
    struct kit *kit;
    struct fetch *usual;
    struct shortage *shortage;
    struct rlimit before;
};

static void limit_set(rlim_t files) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = files;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A client with a shortage, whose library is loaded and whose connections are closed. */
static int open_limited(void **state) {
    struct limited *limited = mem_new(sizeof *limited);
    void *kit = NULL;
    assert_int_equal(open_kit(&kit), 0);
    limited->kit = kit;
    limited->usual = limited->kit->client;
    limited->shortage = shortage_new(&(struct shortage_options){.loop = limited->kit->loop});
    const struct fetch_options options = {.loop = limited->kit->loop,
                                          .shortage = limited->shortage};
    fetch_open(&options, &limited->kit->client);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limited->before), 0);
    struct asking first;
    answers(limited->kit, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    start(&first, call_of(limited->kit, &first), here);
    finish(&first);
    assert_int_equal(first.result.fault, FETCH_NONE);
    text_done(&first.body);
    *state = limited;
    return 0;
}

static int close_limited(void **state) {
    struct limited *limited = *state;
    struct kit *kit = limited->kit;
    limit_set(limited->before.rlim_cur);
    fetch_close(kit->client, on_closed, &kit->closed);
    while (!kit->closed) {
        server_turn(kit->loop);
    }
    kit->closed = false;
    kit->client = limited->usual;
    shortage_free(limited->shortage);
    void *ended = kit;
    mem_free(limited);
    return close_kit(&ended);
}

static void turn_until_it_waits(const struct limited *limited) {
    while (!shortage_lasts(limited->shortage)) {
        server_turn(limited->kit->loop);
    }
}

static void a_request_that_finds_no_descriptor_waits_and_is_sent_once(void **state) {
    struct limited *limited = *state;
    struct kit *kit = limited->kit;
    struct asking one, other;
    unsigned before = kit->server.requests;
    limit_set(3);
    start(&one, call_of(kit, &one), here);
    turn_until_it_waits(limited);
    start(&other, call_of(kit, &other), here);
    loop_drain(kit->loop);
    struct fetch_stats stats;
    fetch_get_stats(kit->client, &stats);
    assert_int_equal(stats.running, 0);
    assert_int_equal(stats.waiting, 2);
    assert_int_equal(one.dones + other.dones, 0);
    limit_set(limited->before.rlim_cur);
    finish(&one);
    finish(&other);
    assert_int_equal(one.result.fault, FETCH_NONE);
    assert_int_equal(one.result.answer.status, 204);
    assert_int_equal(other.result.fault, FETCH_NONE);
    assert_int_equal(kit->server.requests, before + 2);
    text_done(&one.body);
    text_done(&other.body);
}

static void a_request_at_the_limit_of_the_system_waits_too(void **state) {
    struct limited *limited = *state;
    struct kit *kit = limited->kit;
    struct asking asking;
    unsigned before = kit->server.requests;
    sockets_to_fail = 2; /* The second one after a probe that found room. */
    start(&asking, call_of(kit, &asking), here);
    finish(&asking);
    assert_int_equal(sockets_to_fail, 0);
    assert_int_equal(asking.result.fault, FETCH_NONE);
    assert_int_equal(kit->server.requests, before + 1);
    struct shortage_stats stats;
    shortage_get_stats(limited->shortage, &stats);
    assert_int_equal(stats.begun, 1);
    assert_int_equal(stats.reports, 2);
    text_done(&asking.body);
}

static void a_name_that_cannot_be_looked_up_without_descriptors_waits_too(void **state) {
    struct limited *limited = *state;
    struct asking asking;
    limit_set(3);
    start(&asking, call_of(limited->kit, &asking), "http://localhost:PORT/");
    turn_until_it_waits(limited);
    assert_int_equal(asking.dones, 0);
    limit_set(limited->before.rlim_cur);
    finish(&asking);
    assert_int_equal(asking.result.fault, FETCH_NONE);
    text_done(&asking.body);
}

static void a_request_that_waits_for_a_descriptor_may_be_cancelled(void **state) {
    struct limited *limited = *state;
    struct asking asking;
    limit_set(3);
    start(&asking, call_of(limited->kit, &asking), here);
    turn_until_it_waits(limited);
    fetch_cancel(asking.request);
    limit_set(limited->before.rlim_cur);
    while (shortage_lasts(limited->shortage)) {
        server_turn(limited->kit->loop);
    }
    assert_int_equal(asking.dones, 0);
    text_done(&asking.body);
}

static void the_total_time_goes_on_while_a_request_waits_for_a_descriptor(void **state) {
    struct limited *limited = *state;
    struct asking asking;
    struct fetch_call call = call_of(limited->kit, &asking);
    call.limits.total_ms = 50;
    limit_set(3);
    start(&asking, call, here);
    finish(&asking);
    assert_int_equal(asking.result.fault, FETCH_TOTAL_TIMEOUT);
    text_done(&asking.body);
}

static uint64_t ahead_ns; /* Lead of the clock of a shortage over the real one. */

static uint64_t ahead_mono_ns(void *ctx) {
    (void)ctx;
    return world_mono_ns(world_real()) + ahead_ns;
}

static bool no_room(void *ctx) {
    (void)ctx;
    return false;
}

static void without_its_library_a_request_fails_in_an_endless_shortage(void **state) {
    struct limited *limited = *state;
    struct kit *kit = limited->kit;
    struct fetch *loaded = kit->client;
    const struct world world = {.wall_ms = world_real()->wall_ms, .mono_ns = ahead_mono_ns};
    struct loop *loop = NULL;
    assert_false(err_failed(loop_open(&(struct loop_options){.world = &world}, &loop)));
    struct shortage *shortage =
        shortage_new(&(struct shortage_options){.loop = loop, .room = no_room});
    assert_true(shortage_suspect(shortage, "start a test"));
    ahead_ns = (uint64_t)(SHORTAGE_PATIENCE_MS + 1) * 1000 * 1000;
    assert_true(shortage_is_endless(shortage));
    const struct fetch_options options = {.loop = kit->loop, .shortage = shortage};
    fetch_open(&options, &kit->client);
    struct asking asking;
    struct fetch_call call = call_of(kit, &asking);
    call.limits.total_ms = 5000;
    library_fails = true;
    start(&asking, call, here);
    finish(&asking);
    assert_int_equal(asking.result.fault, FETCH_LIBRARY);
    text_done(&asking.body);
    fetch_close(kit->client, on_closed, &kit->closed);
    while (!kit->closed) {
        server_turn(kit->loop);
    }
    kit->closed = false;
    kit->client = loaded;
    shortage_free(shortage);
    loop_close(loop);
    library_fails = false;
    ahead_ns = 0;
}

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN); /* As the daemon does. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_limited, close_limited)
    const struct CMUnitTest tests[] = {
        TEST(a_request_that_finds_no_descriptor_waits_and_is_sent_once),
        TEST(a_request_at_the_limit_of_the_system_waits_too),
        TEST(a_name_that_cannot_be_looked_up_without_descriptors_waits_too),
        TEST(a_request_that_waits_for_a_descriptor_may_be_cancelled),
        TEST(without_its_library_a_request_fails_in_an_endless_shortage),
        TEST(the_total_time_goes_on_while_a_request_waits_for_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
