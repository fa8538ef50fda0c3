/* store_suite_groups.c: groups, on the inline executor, where one turn is one group. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "store_suite.h"

static struct store_stats stats_of(struct suite *suite) {
    struct store_stats stats;
    store_get_stats(suite->store, &stats);
    return stats;
}

/* --- Errors ----------------------------------------------------------------------------------- */

/* Makes a row for each letter: a capital one refuses after having made it, '2' hits an index. */
static void run_letters(struct suite *suite, const char *letters) {
    struct suite_call calls[32] = {{.suite = NULL}};
    char names[32][2] = {{0}};
    size_t count = strlen(letters);
    for (size_t i = 0; i < count; i++) {
        names[i][0] = letters[i];
        calls[i].input = names[i];
        calls[i].fn = letters[i] == '2'                        ? suite_insert_twice
                      : letters[i] >= 'A' && letters[i] <= 'Z' ? suite_insert_and_refuse
                                                               : suite_insert;
        suite_write(suite, &calls[i]);
    }
    suite_wait(suite);
    for (size_t i = 0; i < count; i++) {
        bool fails = calls[i].fn != suite_insert;
        enum err_code expected = letters[i] == '2' ? ERR_CONFLICT : ERR_NOT_FOUND;
        assert_int_equal(calls[i].err.code, fails ? expected : ERR_NONE);
        assert_int_equal(calls[i].order, i + 1);
        assert_int_equal(suite_has(suite, names[i]), !fails);
    }
}

static void an_error_takes_back_its_own_function_only(void **state) {
    const char *const groups[] = {"a",  "A",   "aBc", "Abc",    "abC", "ABC",        "aBCdE",
                                  "2a", "a2b", "ab2", "AbC2dE", "222", "AAAbC2dEfGh"};
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        struct suite *suite = *state;
        suite_open(suite, STORE_INLINE);
        run_letters(suite, groups[i]);
        /* One group, but a group takes in no more after 2 ms: a slow server makes several. */
        assert_in_range(stats_of(suite).groups, 1, strlen(groups[i]));
        suite_close(suite);
        suite->databases->end(suite->databases->ctx);
        suite->where = suite->databases->make(suite->databases->ctx);
        suite->answered = 0;
        suite->wanted = 0;
    }
}

/* Whoever asks how many rows changed is told of a failure at once. */
static struct err insert_twice_and_look(struct tx *tx) {
    int64_t changed = 0;
    struct err err = ERR_OK;
    for (int i = 0; i < 2 && !err_failed(err); i++) {
        err = tx_exec(tx, "INSERT INTO streams (owner, name, made_ms) VALUES ('local', 'a', 0)",
                      NULL /* no arguments */, 0, &changed);
    }
    return err;
}

static struct err insert_and_hide_the_error(struct tx *tx, void *ctx) {
    (void)ctx;
    assert_int_equal(insert_twice_and_look(tx).code, ERR_CONFLICT);
    /* What comes after an SQL error touches nothing, and success is not believed. */
    assert_int_equal(suite_insert_name(tx, "after the error").code, ERR_CONFLICT);
    return ERR_OK;
}

static void a_function_cannot_succeed_after_an_sql_error(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, insert_and_hide_the_error, "hidden").code, ERR_CONFLICT);
    assert_int_equal(suite_streams(suite), 0);
}

/* --- Parts ------------------------------------------------------------------------------------ */

/* One function with its parts. A server may report the failure of a part after the function only,
 * so what tx_try answered is looked at when all is over: it is that of the last run. */
struct parts {
    struct suite_call call;
    struct err refused[8];
};

static struct parts *parts_of(void *ctx) {
    struct suite_call *call = ctx;
    return CONTAINER_OF(call, struct parts, call);
}

static struct err insert_part(struct tx *tx, void *ctx) {
    return suite_insert_name(tx, ctx);
}

static struct err insert_part_twice(struct tx *tx, void *ctx) {
    struct err err = suite_insert_name(tx, ctx);
    return err_failed(err) ? err : suite_insert_name(tx, ctx);
}

static struct err insert_part_and_refuse(struct tx *tx, void *ctx) {
    struct err err = suite_insert_name(tx, ctx);
    return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "test: refused");
}

static struct err refuse_part(struct tx *tx, void *ctx) {
    (void)tx;
    (void)ctx;
    return err_make(ERR_NOT_FOUND, "test: refused");
}

static struct err do_nothing_part(struct tx *tx, void *ctx) {
    (void)tx;
    (void)ctx;
    return ERR_OK;
}

/* One after the other, as parts; `refused` has room for as many. */
struct part_step {
    store_fn fn;
    const char *name;
};

static struct err run_parts(struct tx *tx, const struct part_step *steps, size_t count,
                            struct err *refused) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        err = tx_try(tx, steps[i].fn, (void *)steps[i].name, &refused[i]);
    }
    return err;
}

static struct err insert_in_parts(struct tx *tx, void *ctx) {
    static const struct part_step steps[] = {
        {insert_part_twice, "by the index"},
        {insert_part, "kept"},
        {insert_part_and_refuse, "by itself"},
        {refuse_part, ""},
        {do_nothing_part, ""},
        {insert_part_twice, "again"},
        {insert_part, "after"},
    };
    struct err err = suite_insert_name(tx, "before");
    return err_failed(err) ? err : run_parts(tx, steps, COUNT_OF(steps), parts_of(ctx)->refused);
}

static void expect_refused(const struct parts *parts, const enum err_code *codes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(parts->refused[i].code, codes[i]);
    }
}

static void expect_streams(struct suite *suite, const char *const *names, size_t count) {
    assert_int_equal(suite_streams(suite), count);
    for (size_t i = 0; i < count; i++) {
        assert_true(suite_has(suite, names[i]));
    }
}

static void a_part_that_fails_is_taken_back_alone(void **state) {
    static const enum err_code codes[] = {ERR_CONFLICT, ERR_NONE,     ERR_NOT_FOUND, ERR_NOT_FOUND,
                                          ERR_NONE,     ERR_CONFLICT, ERR_NONE};
    static const char *const there[] = {"neighbour", "before", "kept", "after", "last"};
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct parts parts = {.call = {.fn = insert_in_parts}};
    struct suite_call first = {.fn = suite_insert, .input = "neighbour"};
    struct suite_call last = {.fn = suite_insert, .input = "last"};
    suite_write(suite, &first);
    suite_write(suite, &parts.call);
    suite_write(suite, &last);
    suite_wait(suite);
    assert_int_equal(first.err.code, ERR_NONE);
    assert_int_equal(parts.call.err.code, ERR_NONE);
    assert_int_equal(last.err.code, ERR_NONE);
    expect_refused(&parts, codes, COUNT_OF(codes));
    expect_streams(suite, there, COUNT_OF(there));
}

/* Two parts that end by failures, with no statement in between. */
static struct err failing_nest(struct tx *tx, void *ctx) {
    struct err refused;
    struct err err = suite_insert_name(tx, ctx);
    if (!err_failed(err)) {
        err = tx_try(tx, insert_part_and_refuse, (void *)"inner", &refused);
    }
    return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "test: refused");
}

static struct err deeper_nest(struct tx *tx, void *ctx) {
    struct err refused;
    struct err err = tx_try(tx, insert_part_twice, ctx, &refused);
    return err_failed(err) ? err : suite_insert_name(tx, "behind the deepest");
}

static struct err keeping_nest(struct tx *tx, void *ctx) {
    struct err refused;
    struct err err = tx_try(tx, insert_part, ctx, &refused);
    if (!err_failed(err)) {
        err = tx_try(tx, insert_part_twice, (void *)"taken back", &refused);
    }
    return err_failed(err) ? err : tx_try(tx, deeper_nest, (void *)"the deepest", &refused);
}

static struct err insert_in_nested_parts(struct tx *tx, void *ctx) {
    static const struct part_step steps[] = {{keeping_nest, "kept"},
                                             {failing_nest, "failed"},
                                             {keeping_nest, "kept after"},
                                             {failing_nest, "failed again"}};
    return run_parts(tx, steps, COUNT_OF(steps), parts_of(ctx)->refused);
}

static void parts_nest_and_the_deepest_fails_with_the_one_around_it(void **state) {
    static const enum err_code codes[] = {ERR_NONE, ERR_NOT_FOUND, ERR_NONE, ERR_NOT_FOUND};
    static const char *const there[] = {"kept", "kept after"};
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct parts parts = {.call = {.fn = insert_in_nested_parts}};
    suite_write(suite, &parts.call);
    suite_wait(suite);
    assert_int_equal(parts.call.err.code, ERR_NONE);
    expect_refused(&parts, codes, COUNT_OF(codes));
    expect_streams(suite, there, COUNT_OF(there));
}

/* The caller takes the error of the part for one that it expects. */
static struct err ignore_a_part(struct tx *tx, void *ctx) {
    struct parts *parts = parts_of(ctx);
    struct err err = tx_try(tx, insert_part_and_refuse, (void *)"half", &parts->refused[0]);
    (void)err; /* Expected. */
    err = suite_insert_name(tx, "after");
    return err_failed(parts->refused[0]) ? err : ERR_OK;
}

static struct err ignore_a_third_part(struct tx *tx, void *ctx) {
    struct err refused;
    struct err err = tx_try(tx, insert_part_and_refuse, ctx, &refused);
    (void)err; /* Expected. */
    return ERR_OK;
}

static struct err nest_a_third_part(struct tx *tx, void *ctx) {
    struct err refused;
    struct err err = tx_try(tx, ignore_a_third_part, ctx, &refused);
    return err_failed(err) ? err : refused;
}

static struct err insert_three_deep(struct tx *tx, void *ctx) {
    static const struct part_step steps[] = {{nest_a_third_part, "half"}, {insert_part, "after"}};
    return run_parts(tx, steps, COUNT_OF(steps), parts_of(ctx)->refused);
}

static void leaves_nothing_of_a_part(struct suite *suite, store_fn fn) {
    static const char *const there[] = {"after"};
    suite_open(suite, STORE_INLINE);
    struct parts parts = {.call = {.fn = fn}};
    suite_write(suite, &parts.call);
    suite_wait(suite);
    assert_int_equal(parts.call.err.code, ERR_NONE);
    assert_int_equal(parts.refused[0].code, ERR_NOT_FOUND);
    expect_streams(suite, there, COUNT_OF(there));
}

static void a_part_whose_error_is_ignored_leaves_nothing(void **state) {
    leaves_nothing_of_a_part(*state, ignore_a_part);
}

static void a_third_part_whose_error_is_ignored_leaves_nothing(void **state) {
    leaves_nothing_of_a_part(*state, insert_three_deep);
}

static struct err insert_in_sound_parts(struct tx *tx, void *ctx) {
    static const struct part_step steps[] = {{insert_part, "one"}, {insert_part, "two"}};
    return run_parts(tx, steps, COUNT_OF(steps), parts_of(ctx)->refused);
}

static void a_function_whose_parts_succeed_runs_once(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct parts parts = {.call = {.fn = insert_in_sound_parts}};
    suite_write(suite, &parts.call);
    suite_wait(suite);
    assert_int_equal(parts.call.err.code, ERR_NONE);
    struct store_stats stats = stats_of(suite);
    assert_int_equal(stats.functions, 1);
    assert_int_equal(stats.reruns, 0);
    assert_int_equal(suite_streams(suite), 2);
}

/* --- Errors elsewhere ------------------------------------------------------------------------- */

static struct err leave_inside_a_cursor(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct err err = suite_insert_name(tx, call->input);
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    if (!err_failed(err)) {
        err = tx_query(tx, "SELECT name FROM streams", NULL /* no arguments */, 0, &rows);
    }
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    return err_failed(err) ? err : err_make(ERR_FORBIDDEN, "suite: refused");
}

static void an_error_inside_a_cursor_is_taken_back_too(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct suite_call calls[] = {{.fn = suite_insert, .input = "a"},
                                 {.fn = leave_inside_a_cursor, .input = "b"},
                                 {.fn = suite_insert, .input = "c"}};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        suite_write(suite, &calls[i]);
    }
    suite_wait(suite);
    assert_int_equal(calls[1].err.code, ERR_FORBIDDEN);
    assert_int_equal(suite_streams(suite), 2);
    assert_false(suite_has(suite, "b"));
}

/* --- Notes ------------------------------------------------------------------------------------ */

/* `input`: letters; each is a note of kind 0, digits are of kind 1, '-' refuses at the end. */
static struct err tell(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct err err = ERR_OK;
    for (const char *at = call->input; *at != '\0' && !err_failed(err); at++) {
        if (*at == '-') {
            return err_make(ERR_NOT_FOUND, "suite: refused");
        }
        err = tx_note(tx, *at >= '0' && *at <= '9' ? 1 : 0, (struct bytes){at, 1});
    }
    return err;
}

static void notes_come_in_order_before_any_answer(void **state) {
    struct suite *suite = *state;
    const char *const inputs[] = {"ab", "x-", "c1", "", "2z-", "d"};
    struct suite_call calls[COUNT_OF(inputs)] = {{.suite = NULL}};
    suite_open(suite, STORE_INLINE);
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        calls[i].fn = tell;
        calls[i].input = inputs[i];
        suite_write(suite, &calls[i]);
    }
    suite_wait(suite);
    /* One flush of kind 0; kind 1 has none. Notes of the two that refused are gone. */
    assert_string_equal(suite->trace.text, "abc1d|!!!!!!");
}

static void a_kind_without_notes_is_not_flushed(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, tell, "1").code, ERR_NONE);
    assert_string_equal(suite->trace.text, "1!");
}

static void each_group_tells_its_own_notes(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, tell, "a").code, ERR_NONE);
    assert_int_equal(suite_do(suite, tell, "bc").code, ERR_NONE);
    assert_string_equal(suite->trace.text, "a|!bc|!");
}

/* --- Bounds ----------------------------------------------------------------------------------- */

static struct err nothing(struct tx *tx, void *ctx) {
    return ERR_OK;
}

static void a_group_takes_at_most_256(void **state) {
    enum { COUNT = 600 };
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct suite_call *calls = mem_new_array(COUNT, sizeof *calls);
    for (size_t i = 0; i < COUNT; i++) {
        calls[i].fn = nothing;
        suite_write(suite, &calls[i]);
    }
    suite_wait(suite);
    assert_true(stats_of(suite).groups >= 3);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(calls[i].order, i + 1);
    }
    mem_free(calls);
}

static void count_refused(struct err result, void *ctx) {
    unsigned *counts = ctx;
    counts[result.code == ERR_OVERLOADED ? 1 : 0]++;
    assert_true(result.code == ERR_OVERLOADED || result.code == ERR_NONE);
}

static void a_full_queue_refuses_and_recovers(void **state) {
    enum { QUEUE_MAX = 65536 };
    struct suite *suite = *state;
    unsigned counts[2] = {0, 0}; /* Done, refused. */
    suite_open(suite, STORE_INLINE);
    for (unsigned i = 0; i < QUEUE_MAX + 3; i++) {
        store_write(suite->store, nothing, count_refused, counts);
    }
    assert_int_equal(counts[1], 0); /* Never from the call. */
    assert_int_equal(stats_of(suite).queued, QUEUE_MAX + 3);
    while (store_turn(suite->store)) {
    }
    assert_int_equal(counts[0], QUEUE_MAX);
    assert_int_equal(counts[1], 3);
    assert_int_equal(stats_of(suite).queued, 0);
    assert_int_equal(suite_do(suite, suite_insert, "again").code, ERR_NONE);
}

static struct err watch_clock(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    call->number = tx_now_ms(tx);
    return ERR_OK;
}

static void a_group_has_one_time(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct suite_call calls[8] = {{.suite = NULL}};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        calls[i].fn = watch_clock;
        suite_write(suite, &calls[i]);
    }
    suite_wait(suite);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        assert_true(calls[i].number > 0);
        assert_int_equal(calls[i].number, calls[0].number);
    }
}

static void lazy_functions_keep_their_place(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct suite_call calls[] = {
        {.fn = tell, .input = "a"}, {.fn = tell, .input = "b"}, {.fn = tell, .input = "c"}};
    suite_write_lazy(suite, &calls[0]);
    suite_write(suite, &calls[1]);
    suite_write_lazy(suite, &calls[2]);
    suite_wait(suite);
    assert_string_equal(suite->trace.text, "abc|!!!");
    assert_int_equal(stats_of(suite).groups, 1);
}

/* --- Turns ------------------------------------------------------------------------------------ */

static void a_turn_without_work_says_so(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    assert_false(store_turn(suite->store));
    struct suite_call call = {.fn = nothing};
    suite_write(suite, &call);
    assert_false(call.answered); /* Nothing runs inside the call that asked for it. */
    assert_true(store_turn(suite->store));
    assert_true(call.answered);
    assert_false(store_turn(suite->store));
}

static void a_read_sees_what_was_answered_before_it(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, suite_insert, "first").code, ERR_NONE);
    assert_int_equal(suite_streams(suite), 1);
}

static void closing_finishes_what_is_queued(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct suite_call calls[] = {{.fn = suite_insert, .input = "a"},
                                 {.fn = suite_insert, .input = "b"}};
    suite_write(suite, &calls[0]);
    suite_write_lazy(suite, &calls[1]);
    suite_close(suite);
    assert_true(calls[0].answered && !err_failed(calls[0].err));
    assert_true(calls[1].answered && !err_failed(calls[1].err));
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_streams(suite), 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_error_takes_back_its_own_function_only),
    cmocka_unit_test(a_function_cannot_succeed_after_an_sql_error),
    cmocka_unit_test(a_part_that_fails_is_taken_back_alone),
    cmocka_unit_test(parts_nest_and_the_deepest_fails_with_the_one_around_it),
    cmocka_unit_test(a_part_whose_error_is_ignored_leaves_nothing),
    cmocka_unit_test(a_third_part_whose_error_is_ignored_leaves_nothing),
    cmocka_unit_test(a_function_whose_parts_succeed_runs_once),
    cmocka_unit_test(an_error_inside_a_cursor_is_taken_back_too),
    cmocka_unit_test(notes_come_in_order_before_any_answer),
    cmocka_unit_test(a_kind_without_notes_is_not_flushed),
    cmocka_unit_test(each_group_tells_its_own_notes),
    cmocka_unit_test(a_group_takes_at_most_256),
    cmocka_unit_test(a_full_queue_refuses_and_recovers),
    cmocka_unit_test(a_group_has_one_time),
    cmocka_unit_test(lazy_functions_keep_their_place),
    cmocka_unit_test(a_turn_without_work_says_so),
    cmocka_unit_test(a_read_sees_what_was_answered_before_it),
    cmocka_unit_test(closing_finishes_what_is_queued),
};

const struct CMUnitTest *suite_group_tests(size_t *ret_count) {
    *ret_count = COUNT_OF(tests);
    return tests;
}
