/* store_suite_threads.c: the thread executor, through a real loop. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "store_suite.h"

/* --- Order ------------------------------------------------------------------------------------ */

static struct err tell(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    const char *text = call->input;
    return tx_note(tx, 0, (struct bytes){text, strlen(text)});
}

static void answers_come_in_the_order_of_the_calls(void **state) {
    enum { COUNT = 2000 };
    struct suite *suite = *state;
    suite_open(suite, STORE_THREAD);
    struct suite_call *calls = mem_new_array(COUNT, sizeof *calls);
    for (size_t i = 0; i < COUNT; i++) {
        calls[i].fn = tell;
        calls[i].input = "";
        if (i % 3 == 0) {
            suite_write_lazy(suite, &calls[i]);
        } else {
            suite_write(suite, &calls[i]);
        }
    }
    suite_wait(suite);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(calls[i].err.code, ERR_NONE);
        assert_int_equal(calls[i].order, i + 1);
    }
    mem_free(calls);
}

static void notes_reach_the_loop_before_the_answers(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_THREAD);
    struct suite_call call = {.fn = tell, .input = "abc"};
    suite_write(suite, &call);
    suite_wait(suite);
    assert_string_equal(suite->trace.text, "abc|!");
}

static void a_lazy_function_goes_by_itself_in_the_end(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_THREAD);
    struct suite_call call = {.fn = tell, .input = "z"};
    uint64_t began_ns = world_mono_ns(world_real());
    suite_write_lazy(suite, &call);
    suite_wait(suite);
    assert_int_equal(call.err.code, ERR_NONE);
    assert_true(world_mono_ns(world_real()) - began_ns >= 5 * 1000 * 1000);
}

/* --- Groups ----------------------------------------------------------------------------------- */

static struct err wait_for_sign(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    sem_t *sign = (sem_t *)call->input;
    while (sem_wait(sign) != 0) {
    }
    return ERR_OK;
}

static void what_is_queued_meanwhile_goes_in_one_group(void **state) {
    enum { COUNT = 100 };
    struct suite *suite = *state;
    suite_open(suite, STORE_THREAD);
    sem_t sign;
    assert_int_equal(sem_init(&sign, 0, 0), 0);
    struct suite_call first = {.fn = wait_for_sign, .input = &sign};
    struct suite_call *calls = mem_new_array(COUNT, sizeof *calls);
    suite_write(suite, &first);
    for (size_t i = 0; i < COUNT; i++) {
        calls[i].fn = tell;
        calls[i].input = "";
        suite_write(suite, &calls[i]);
    }
    assert_int_equal(sem_post(&sign), 0);
    suite_wait(suite);
    struct store_stats stats;
    store_get_stats(suite->store, &stats);
    assert_true(stats.groups <= 2);
    assert_int_equal(stats.functions, COUNT + 1);
    assert_int_equal(sem_destroy(&sign), 0);
    mem_free(calls);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct signs {
    sem_t written, looked;
};

static struct err write_and_wait(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct signs *signs = (struct signs *)call->input;
    struct err err = suite_insert_name(tx, "half");
    (void)sem_post(&signs->written);
    while (sem_wait(&signs->looked) != 0) {
    }
    return err;
}

static struct err look_in_between(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct signs *signs = (struct signs *)call->input;
    while (sem_wait(&signs->written) != 0) {
    }
    struct err err = suite_count(tx, ctx);
    (void)sem_post(&signs->looked);
    return err;
}

static void readers_see_no_open_transaction(void **state) {
    struct suite *suite = *state;
    struct signs signs;
    assert_int_equal(sem_init(&signs.written, 0, 0), 0);
    assert_int_equal(sem_init(&signs.looked, 0, 0), 0);
    suite_open(suite, STORE_THREAD);
    struct suite_call write = {.fn = write_and_wait, .input = &signs};
    struct suite_call read = {.fn = look_in_between, .input = &signs, .number = -1};
    suite_write(suite, &write);
    suite_read(suite, &read);
    suite_wait(suite);
    assert_int_equal(write.err.code, ERR_NONE);
    assert_int_equal(read.err.code, ERR_NONE);
    assert_int_equal(read.number, 0);
    assert_int_equal(sem_destroy(&signs.written), 0);
    assert_int_equal(sem_destroy(&signs.looked), 0);
}

/* --- Stress ----------------------------------------------------------------------------------- */

enum { WRITERS = 64, ROUNDS = 40 };

struct chain {
    struct suite *suite;
    struct stress *stress;
    unsigned number, round;
    int64_t seen;
    bool reading;
};

struct stress {
    struct chain chains[WRITERS];
    unsigned running, bad;
};

static struct err count_up(struct tx *tx, void *ctx) {
    struct chain *chain = ctx;
    char name[16] = "chain-00";
    name[6] = (char)('0' + chain->number / 10);
    name[7] = (char)('0' + chain->number % 10);
    struct arg args[] = {arg_text(BYTES("local")), arg_text((struct bytes){name, 8}), arg_int(1)};
    return tx_exec(tx,
                   "INSERT INTO streams (owner, name, head, made_ms) VALUES ($1, $2, $3, $3)"
                   " ON CONFLICT (owner, name) DO UPDATE SET head = streams.head + 1",
                   args, COUNT_OF(args), NULL /* one row */);
}

static struct err add_up(struct tx *tx, int64_t *ret_sum) {
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = true;
    int64_t sum = 0;
    struct err err = tx_query(tx, "SELECT head FROM streams", NULL /* no arguments */, 0, &rows);
    while (!err_failed(err) && !err_failed(err = rows_next(rows, &row)) && row) {
        sum += rows_int(rows, 0);
    }
    *ret_sum = sum;
    return err;
}

static struct err read_sum(struct tx *tx, void *ctx) {
    struct chain *chain = ctx;
    return add_up(tx, &chain->seen);
}

static struct err add_heads(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    return add_up(tx, &call->number);
}

static void chain_done(struct err result, void *ctx);

static void chain_go_on(struct chain *chain) {
    if (chain->round == ROUNDS) {
        chain->stress->running--;
        if (chain->stress->running == 0) {
            loop_stop(chain->suite->loop);
        }
    } else if (chain->reading) {
        store_read(chain->suite->store, read_sum, chain_done, chain);
    } else if (chain->number % 4 == 0) {
        store_write_lazy(chain->suite->store, count_up, chain_done, chain);
    } else {
        store_write(chain->suite->store, count_up, chain_done, chain);
    }
}

/* Writes and reads take turns; a read that follows our own n-th write sees at least n. */
static void chain_done(struct err result, void *ctx) {
    struct chain *chain = ctx;
    if (err_failed(result) || (chain->reading && chain->seen < chain->round + 1)) {
        chain->stress->bad++;
    }
    chain->round += chain->reading ? 1 : 0;
    chain->reading = !chain->reading;
    chain_go_on(chain);
}

static void many_writers_and_readers_lose_nothing(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_THREAD);
    struct stress *stress = mem_new(sizeof *stress);
    stress->running = WRITERS;
    for (unsigned i = 0; i < WRITERS; i++) {
        stress->chains[i] = (struct chain){.suite = suite, .stress = stress, .number = i};
        chain_go_on(&stress->chains[i]);
    }
    loop_run(suite->loop);
    assert_int_equal(stress->bad, 0);
    struct store_stats stats;
    store_get_stats(suite->store, &stats);
    assert_int_equal(stats.functions, WRITERS * ROUNDS);
    assert_int_equal(stats.reads, WRITERS * ROUNDS);
    assert_int_equal(stats.queued, 0);
    mem_free(stress);
    suite_close(suite);
    suite_open(suite, STORE_INLINE);
    int64_t sum = 0;
    assert_int_equal(suite_ask(suite, add_heads, NULL, &sum).code, ERR_NONE);
    assert_int_equal(sum, WRITERS * ROUNDS);
}

/* --- Closing ---------------------------------------------------------------------------------- */

struct late {
    struct suite *suite;
    struct suite_call call;
    struct err first, second;
    unsigned answers;
};

static void second_answer(struct err result, void *ctx) {
    struct late *late = ctx;
    late->second = result;
    late->answers++;
}

static void first_answer(struct err result, void *ctx) {
    struct suite_call *call = ctx;
    struct late *late = CONTAINER_OF(call, struct late, call);
    late->first = result;
    late->answers++;
    store_write(late->suite->store, suite_insert, second_answer, late);
}

static void closing_answers_what_is_queued_and_refuses_more(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_THREAD);
    struct late late = {.suite = suite, .call = {.fn = suite_insert, .input = "kept"}};
    store_write(suite->store, suite_insert, first_answer, &late.call);
    suite_close(suite);
    assert_int_equal(late.answers, 2);
    assert_int_equal(late.first.code, ERR_NONE);
    assert_int_equal(late.second.code, ERR_CLOSING);
    suite_open(suite, STORE_INLINE);
    assert_true(suite_has(suite, "kept"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(answers_come_in_the_order_of_the_calls),
    cmocka_unit_test(notes_reach_the_loop_before_the_answers),
    cmocka_unit_test(a_lazy_function_goes_by_itself_in_the_end),
    cmocka_unit_test(what_is_queued_meanwhile_goes_in_one_group),
    cmocka_unit_test(readers_see_no_open_transaction),
    cmocka_unit_test(many_writers_and_readers_lose_nothing),
    cmocka_unit_test(closing_answers_what_is_queued_and_refuses_more),
};

const struct CMUnitTest *suite_thread_tests(size_t *ret_count) {
    *ret_count = COUNT_OF(tests);
    return tests;
}
