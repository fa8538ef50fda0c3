/* An operation of the store, asked until it is answered. The test has the store and timers. */
#include "dispatch/base/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

struct bench {
    struct effects *effects;
    struct asker asker;
    struct ask ask;
    unsigned reports, begun, done, refused, dropped;
};

static const struct err outage = {.code = ERR_STORE_DOWN, .step = "test"};
static const struct err conflict = {.code = ERR_CONFLICT, .step = "test"};

/* The question on its way, and the pause that runs. */
static struct {
    store_done done;
    void *ctx;
    bool reads;
    struct timer *timer;
    void (*fire)(struct timer *timer);
    uint64_t pause_ms;
} out;

void __wrap_store_write(struct store *store, store_fn fn, store_done done, void *ctx);
void __wrap_store_write(struct store *store, store_fn fn, store_done done, void *ctx) {
    assert_non_null(fn);
    out.done = done;
    out.ctx = ctx;
    out.reads = false;
}

void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx);
void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx) {
    __wrap_store_write(store, fn, done, ctx);
    out.reads = true;
}

void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    out.timer = timer;
    out.fire = fire;
    out.pause_ms = after_ms;
}

void __wrap_timer_stop(struct loop *loop, struct timer *timer);
void __wrap_timer_stop(struct loop *loop, struct timer *timer) {
    out.timer = out.timer == timer ? NULL : out.timer;
}

static void answer(struct err err) {
    store_done done = out.done;
    assert_non_null(done);
    out.done = NULL;
    done(err, out.ctx);
}

/* The pause is over; returns its length. */
static uint64_t pause_end(void) {
    struct timer *timer = out.timer;
    assert_non_null(timer);
    out.timer = NULL;
    out.fire(timer);
    return out.pause_ms;
}

static void on_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    struct bench *bench = ctx;
    assert_string_equal(what, "it is tried again");
    assert_true(bytes_is(run, "run_1"));
    bench->reports += err_failed(err);
}

static void on_begin(void *ctx) {
    ((struct bench *)ctx)->begun++;
}

static void on_done(void *ctx) {
    ((struct bench *)ctx)->done++;
}

static void on_refused(void *ctx, struct err err) {
    ((struct bench *)ctx)->refused += err.code == ERR_CONFLICT;
}

static void on_dropped(void *ctx) {
    ((struct bench *)ctx)->dropped++;
}

static struct err nothing_tx(struct tx *tx, void *ctx) {
    return ERR_OK;
}

static uint64_t listed(const struct bench *bench) {
    struct effects_stats stats;
    effects_get_stats(bench->effects, &stats);
    return stats.listed;
}

static int open_bench(void **state) {
    static const struct ask_rules rules = {.words = {"store it", "it is tried again"},
                                           .begin = on_begin,
                                           .refused = on_refused,
                                           .dropped = on_dropped};
    struct bench *bench = mem_new(sizeof *bench);
    memset(&out, 0, sizeof out);
    bench->effects = effects_new(world_real());
    bench->asker = (struct asker){.effects = bench->effects,
                                  .pause_ms = 100,
                                  .pause_max_ms = 1000,
                                  .ctx = bench,
                                  .failed = on_failed};
    ask_init(&bench->ask, &bench->asker, &rules, bench);
    bench->ask.run = BYTES("run_1");
    *state = bench;
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    ask_drop(&bench->ask);
    assert_int_equal(listed(bench), 0);
    effects_free(bench->effects);
    mem_free(bench);
    return 0;
}

static void an_answer_ends_the_ask_and_its_effect(void **state) {
    struct bench *bench = *state;
    ask_read(&bench->ask, nothing_tx, on_done);
    assert_true(out.reads);
    assert_int_equal(listed(bench), 1);
    assert_int_equal(bench->asker.away, 1);
    answer(ERR_OK);
    assert_int_equal(bench->done, 1);
    assert_int_equal(listed(bench), 0);
    assert_int_equal(bench->asker.away, 0);
    assert_int_equal(bench->ask.state, ASK_IDLE);
}

static void pauses_double_up_to_their_limit_and_one_failure_is_reported(void **state) {
    static const uint64_t pauses[] = {100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 1000};
    struct bench *bench = *state;
    ask_write(&bench->ask, nothing_tx, on_done);
    for (size_t i = 0; i < COUNT_OF(pauses); i++) {
        answer(outage);
        assert_int_equal(bench->ask.state, ASK_PAUSING);
        assert_int_equal(pause_end(), pauses[i]);
        assert_false(out.reads);
    }
    answer(ERR_OK);
    assert_int_equal(bench->reports, 1);
    assert_int_equal(bench->begun, COUNT_OF(pauses) + 1);
    assert_int_equal(bench->asker.retries, COUNT_OF(pauses));
    assert_int_equal(bench->done, 1);
    assert_int_equal(bench->refused, 0);
}

static void an_error_of_its_own_is_refused_after_its_tries(void **state) {
    struct bench *bench = *state;
    ask_write(&bench->ask, nothing_tx, on_done);
    for (unsigned i = 1; i < EFFECT_TRIES_MAX; i++) {
        answer(conflict);
        (void)pause_end();
        assert_int_equal(bench->refused, 0);
    }
    answer(conflict);
    assert_int_equal(bench->refused, 1);
    assert_int_equal(bench->done, 0);
    assert_int_equal(listed(bench), 1); /* For what is tried in its place. */
    ask_write(&bench->ask, nothing_tx, on_done);
    answer(ERR_OK);
    assert_int_equal(bench->done, 1);
}

static void a_stop_drops_what_is_on_its_way_and_asks_nothing_more(void **state) {
    struct bench *bench = *state;
    ask_write(&bench->ask, nothing_tx, on_done);
    bench->asker.stopping = true;
    answer(outage);
    assert_int_equal(bench->dropped, 1);
    assert_int_equal(bench->done + bench->refused + bench->reports, 0);
    assert_int_equal(listed(bench), 0);
    bench->asker.stopping = false;
    ask_write(&bench->ask, nothing_tx, on_done);
    answer(outage);
    bench->asker.stopping = true;
    (void)pause_end();
    assert_null(out.done);
}

static void any_error_may_be_the_answer(void **state) {
    static const struct ask_rules rules = {.judge = ask_any};
    struct bench *bench = *state;
    bench->ask.rules = &rules;
    ask_write(&bench->ask, nothing_tx, on_done);
    answer(conflict);
    assert_int_equal(bench->done, 1);
    assert_int_equal(bench->ask.err.code, ERR_CONFLICT);
    ask_write(&bench->ask, nothing_tx, on_done);
    answer(ERR_OK);
    assert_int_equal(bench->ask.err.code, ERR_NONE);
}

static void an_ask_may_wait_first_and_is_dropped_while_it_waits(void **state) {
    struct bench *bench = *state;
    ask_read_in(&bench->ask, 50, nothing_tx, on_done);
    assert_int_equal(bench->ask.state, ASK_PAUSING);
    assert_int_equal(bench->begun, 0);
    assert_int_equal(pause_end(), 50);
    assert_int_equal(bench->begun, 1);
    answer(ERR_OK);
    assert_int_equal(bench->done, 1);
    ask_write_in(&bench->ask, 50, nothing_tx, on_done);
    ask_stop(&bench->ask);
    assert_int_equal(bench->ask.state, ASK_IDLE);
    assert_null(out.done);
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        CASE(an_answer_ends_the_ask_and_its_effect),
        CASE(pauses_double_up_to_their_limit_and_one_failure_is_reported),
        CASE(an_error_of_its_own_is_refused_after_its_tries),
        CASE(a_stop_drops_what_is_on_its_way_and_asks_nothing_more),
        CASE(any_error_may_be_the_answer),
        CASE(an_ask_may_wait_first_and_is_dropped_while_it_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
