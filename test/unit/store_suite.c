/* store_suite.c: the suite's fixture. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "store_suite.h"

#include "base/memory.h"

/* --- A store and its callbacks ---------------------------------------------------------------- */

void suite_trace_add(struct suite *suite, char c) {
    assert_true(suite->trace.len + 1 < sizeof suite->trace.text);
    suite->trace.text[suite->trace.len] = c;
    suite->trace.len++;
    suite->trace.text[suite->trace.len] = '\0';
}

static void on_note(void *ctx, struct bytes note) {
    for (size_t i = 0; i < note.len; i++) {
        suite_trace_add(ctx, note.data[i]);
    }
}

static void on_flush(void *ctx) {
    suite_trace_add(ctx, '|');
}

static void on_lost(void *ctx, struct err err) {
    struct suite *suite = ctx;
    suite->lost = err;
    if (suite->loop != NULL) {
        loop_stop(suite->loop);
    }
}

static uint64_t standing_clock(void *ctx) {
    (void)ctx;
    return 0;
}

void suite_open(struct suite *suite, enum store_executor executor) {
    suite->still = *world_real();
    suite->still.mono_ns = standing_clock;
    if (executor == STORE_THREAD) {
        struct loop_options options = {.world = world_real()};
        assert_int_equal(loop_open(&options, &suite->loop).code, ERR_NONE);
    }
    struct store_options options = {
        .where = suite->where,
        .executor = executor,
        .loop = suite->loop,
        .world = executor == STORE_INLINE ? &suite->still : world_real(),
        .lost = on_lost,
        .ctx = suite,
        .notes = {{on_note, on_flush, suite}, {on_note, NULL /* no flush */, suite}},
    };
    struct why why = {""};
    struct err err = store_open(&options, &suite->store, &why);
    if (err_failed(err)) {
        fail_msg("store_open: %s, %s: %s", err_name(err.code), err.step, why.text);
    }
}

void suite_close(struct suite *suite) {
    store_close(suite->store);
    suite->store = NULL;
    loop_close(suite->loop);
    suite->loop = NULL;
}

int suite_setup(void **state) {
    struct suite *suite = mem_new(sizeof *suite);
    suite->databases = *state;
    suite->where = suite->databases->make(suite->databases->ctx);
    *state = suite;
    return suite->where == NULL ? -1 : 0;
}

int suite_teardown(void **state) {
    struct suite *suite = *state;
    suite_close(suite);
    suite->databases->end(suite->databases->ctx);
    mem_free(suite);
    return 0;
}

/* --- Calls ------------------------------------------------------------------------------------ */

static void on_done(struct err result, void *ctx) {
    struct suite_call *call = ctx;
    struct suite *suite = call->suite;
    assert_false(call->answered);
    call->err = result;
    call->answered = true;
    suite->answered++;
    call->order = suite->answered;
    suite_trace_add(suite, '!');
    if (suite->loop != NULL && suite->answered == suite->wanted) {
        loop_stop(suite->loop);
    }
}

static void prepare(struct suite *suite, struct suite_call *call) {
    call->suite = suite;
    suite->wanted++;
}

void suite_write(struct suite *suite, struct suite_call *call) {
    prepare(suite, call);
    store_write(suite->store, call->fn, on_done, call);
}

void suite_write_lazy(struct suite *suite, struct suite_call *call) {
    prepare(suite, call);
    store_write_lazy(suite->store, call->fn, on_done, call);
}

void suite_read(struct suite *suite, struct suite_call *call) {
    prepare(suite, call);
    store_read(suite->store, call->fn, on_done, call);
}

void suite_wait(struct suite *suite) {
    if (suite->loop == NULL) {
        while (suite->answered < suite->wanted) {
            assert_true(store_turn(suite->store));
        }
        return;
    }
    /* A loop runs once, so a test with threads waits once. */
    loop_run(suite->loop);
    assert_int_equal(suite->answered, suite->wanted);
}

struct err suite_do(struct suite *suite, store_fn fn, const void *input) {
    struct suite_call call = {.fn = fn, .input = input};
    suite_write(suite, &call);
    suite_wait(suite);
    return call.err;
}

struct err suite_ask(struct suite *suite, store_fn fn, const void *input, int64_t *ret_number) {
    struct suite_call call = {.fn = fn, .input = input};
    suite_read(suite, &call);
    suite_wait(suite);
    *ret_number = call.number;
    return call.err;
}

/* --- Rows that any test may make -------------------------------------------------------------- */

struct err suite_insert_name(struct tx *tx, const char *name) {
    struct arg args[] = {arg_text(BYTES("local")), arg_text((struct bytes){name, strlen(name)}),
                         arg_int(tx_now_ms(tx))};
    return tx_exec(tx, "INSERT INTO streams (owner, name, made_ms) VALUES ($1, $2, $3)", args,
                   COUNT_OF(args), NULL /* one row */);
}

struct err suite_insert(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    call->runs++;
    return suite_insert_name(tx, call->input);
}

struct err suite_insert_and_refuse(struct tx *tx, void *ctx) {
    struct err err = suite_insert(tx, ctx);
    return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "suite: refused");
}

struct err suite_insert_twice(struct tx *tx, void *ctx) {
    struct err err = suite_insert(tx, ctx);
    return err_failed(err) ? err : suite_insert(tx, ctx);
}

static struct err first_int(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                            int64_t *ret_number) {
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err = tx_query(tx, sql, args, count, &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    if (!err_failed(err) && row) {
        *ret_number = rows_int(rows, 0);
    }
    return err;
}

struct err suite_count(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    return first_int(tx, "SELECT count(*) FROM streams", NULL /* no arguments */, 0, &call->number);
}

struct err suite_exists(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct arg args[] = {arg_text((struct bytes){call->input, strlen(call->input)})};
    return first_int(tx, "SELECT count(*) FROM streams WHERE name = $1", args, COUNT_OF(args),
                     &call->number);
}

int64_t suite_streams(struct suite *suite) {
    int64_t count = -1;
    assert_int_equal(suite_ask(suite, suite_count, NULL /* no input */, &count).code, ERR_NONE);
    return count;
}

bool suite_has(struct suite *suite, const char *name) {
    int64_t count = -1;
    assert_int_equal(suite_ask(suite, suite_exists, name, &count).code, ERR_NONE);
    return count == 1;
}
