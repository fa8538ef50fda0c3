/* test_on_demand.c: the end of an idle daemon on demand, with a store that answers late. */
/* links: api */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "main/on_demand.h"

enum { IDLE_MS = 1000 };
static const uint64_t IDLE_NS = UINT64_C(1000) * 1000 * 1000;

/* The question that the store has not answered, and what the server counts. */
static store_done pending;
static struct http_stats counted;

void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx);
void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx) {
    assert_null(pending);
    pending = done;
}

void __wrap_http_get_stats(const struct http_server *server, struct http_stats *ret_stats);
void __wrap_http_get_stats(const struct http_server *server, struct http_stats *ret_stats) {
    *ret_stats = counted;
}

/* No time passes by itself: a look comes where a test fires the timer. */
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    timer->fire = fire;
}

void __wrap_timer_stop(struct loop *loop, struct timer *timer);
void __wrap_timer_stop(struct loop *loop, struct timer *timer) {
}

struct daemon {
    struct world world;
    struct log log;
    struct serve_options serve;
    struct on_demand on_demand;
    char folder[40];
    uint64_t now_ns;
    unsigned ends;
};

static uint64_t daemon_mono_ns(void *ctx) {
    return ((struct daemon *)ctx)->now_ns;
}

static int64_t daemon_wall_ms(void *ctx) {
    return 0;
}

static void daemon_idle(void *ctx) {
    ((struct daemon *)ctx)->ends++;
}

static int daemon_begin(void **state) {
    struct daemon *daemon = mem_new(sizeof *daemon);
    pending = NULL;
    counted = (struct http_stats){.accepted = 0};
    *daemon = (struct daemon){.world = *world_real(), .folder = "/tmp/drv-demand-XXXXXX"};
    assert_non_null(mkdtemp(daemon->folder));
    daemon->world.ctx = daemon; /* The real file functions look at no context. */
    daemon->world.mono_ns = daemon_mono_ns;
    log_init(&daemon->log, -1 /* nobody reads it */, LOG_WARN, daemon_wall_ms, NULL /* ctx */);
    daemon->serve = (struct serve_options){.data = daemon->folder,
                                           .on_demand = "drover ask",
                                           .idle_exit_ms = IDLE_MS,
                                           .world = &daemon->world,
                                           .log = &daemon->log};
    const struct on_demand_options options = {
        .serve = &daemon->serve, .idle = daemon_idle, .ctx = daemon};
    on_demand_start(&daemon->on_demand, &options);
    *state = daemon;
    return 0;
}

static int daemon_end(void **state) {
    struct daemon *daemon = *state;
    on_demand_stop(&daemon->on_demand);
    on_demand_forget(&daemon->serve);
    assert_int_equal(rmdir(daemon->folder), 0);
    mem_free(daemon);
    return 0;
}

/* The idle time has passed, and the store is asked. */
static void ask_idle(struct daemon *daemon) {
    daemon->now_ns += IDLE_NS;
    daemon->on_demand.timer.fire(&daemon->on_demand.timer);
    assert_non_null(pending);
}

static void answer(struct daemon *daemon, int64_t unsettled) {
    store_done done = pending;
    pending = NULL;
    daemon->on_demand.unsettled = unsettled;
    done(ERR_OK, &daemon->on_demand);
}

static void an_idle_daemon_ends_once_its_store_has_no_work(void **state) {
    struct daemon *daemon = *state;
    ask_idle(daemon);
    answer(daemon, 1);
    assert_int_equal(daemon->ends, 0);
    ask_idle(daemon);
    answer(daemon, 0);
    assert_int_equal(daemon->ends, 1);
}

/* The answer is of a time before that work: it counted nothing. */
static void work_that_came_while_the_store_was_asked_keeps_the_daemon(void **state) {
    struct daemon *daemon = *state;
    ask_idle(daemon);
    daemon->now_ns += 1;
    on_demand_worked(&daemon->on_demand);
    answer(daemon, 0);
    assert_int_equal(daemon->ends, 0);
    ask_idle(daemon);
    answer(daemon, 0);
    assert_int_equal(daemon->ends, 1);
}

static void a_client_that_came_while_the_store_was_asked_keeps_the_daemon(void **state) {
    struct daemon *daemon = *state;
    ask_idle(daemon);
    counted.accepted++; /* And went again. */
    answer(daemon, 0);
    assert_int_equal(daemon->ends, 0);
    ask_idle(daemon);
    answer(daemon, 0);
    assert_int_equal(daemon->ends, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, daemon_begin, daemon_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(an_idle_daemon_ends_once_its_store_has_no_work),
        CASE(work_that_came_while_the_store_was_asked_keeps_the_daemon),
        CASE(a_client_that_came_while_the_store_was_asked_keeps_the_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
