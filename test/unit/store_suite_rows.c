/* store_suite_rows.c: one dialect: arguments, rows, orders, limits, the same on every database. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "store_suite.h"

/* --- Arguments and rows ----------------------------------------------------------------------- */

#define ADD_TOKEN                                                                                  \
    "INSERT INTO tokens (token, owner, label, scopes, hash, made_ms, revoked_ms)"                  \
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"

static struct err add_extremes(struct tx *tx, void *ctx) {
    struct arg args[] = {arg_text(BYTES("tok_1")),
                         arg_text(BYTES("")),
                         arg_text(BYTES("it's \"\xc3\xa4\" \\ $1")),
                         arg_int(INT64_MAX),
                         arg_text(BYTES("hash")),
                         arg_int(INT64_MIN),
                         arg_null()};
    return tx_exec(tx, ADD_TOKEN, args, COUNT_OF(args), NULL /* one row */);
}

static void check_text(struct rows *rows, int column, const char *expected) {
    struct bytes text = rows_text(rows, column);
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.data, expected, text.len);
}

static struct err check_extremes(struct tx *tx, void *ctx) {
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err = tx_query(tx, "SELECT owner, label, scopes, made_ms, revoked_ms FROM tokens",
                              NULL /* no arguments */, 0, &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    assert_int_equal(err.code, ERR_NONE);
    assert_true(row);
    check_text(rows, 0, "");
    check_text(rows, 1, "it's \"\xc3\xa4\" \\ $1");
    assert_true(rows_int(rows, 2) == INT64_MAX);
    assert_true(rows_int(rows, 3) == INT64_MIN);
    assert_true(rows_null(rows, 4));
    assert_false(rows_null(rows, 0));
    err = rows_next(rows, &row);
    assert_false(row);
    return err;
}

static void values_come_back_as_they_went_in(void **state) {
    struct suite *suite = *state;
    int64_t unused;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, add_extremes, NULL).code, ERR_NONE);
    assert_int_equal(suite_ask(suite, check_extremes, NULL, &unused).code, ERR_NONE);
}

/* A driver that binds by position instead of by number answers 'b' here. */
static struct err use_arguments_out_of_order(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct arg insert[] = {arg_text(BYTES("name")), arg_text(BYTES("owner")), arg_int(7)};
    struct err err = tx_exec(tx,
                             "INSERT INTO streams (owner, name, head, made_ms)"
                             " VALUES ($2, $1, $3, $3)",
                             insert, COUNT_OF(insert), NULL /* one row */);
    if (err_failed(err)) {
        return err;
    }
    struct arg args[] = {arg_int(7), arg_text(BYTES("owner")), arg_text(BYTES("name"))};
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    err = tx_query(tx,
                   "SELECT head FROM streams WHERE name = $3 AND owner = $2 AND head = $1"
                   " AND made_ms = $1",
                   args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    call->number = row ? 1 : 0;
    return err;
}

static void arguments_are_bound_by_their_number(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct suite_call call = {.fn = use_arguments_out_of_order};
    suite_write(suite, &call);
    suite_wait(suite);
    assert_int_equal(call.err.code, ERR_NONE);
    assert_int_equal(call.number, 1);
}

enum { BIG_BYTES = 256 << 10 };

static struct err take_the_first_row(struct tx *tx, void *ctx) {
    AUTO(rows_release) struct rows *rows = NULL;
    AUTO(rows_release) struct rows *none = NULL;
    struct arg text[] = {arg_text(BYTES("tok_1"))}, other[] = {arg_text(BYTES("tok_2"))};
    static const char sql[] = "SELECT label FROM tokens WHERE token = $1";
    assert_int_equal(tx_first(tx, sql, text, 1, &rows).code, ERR_NONE);
    assert_non_null(rows);
    check_text(rows, 0, "it's \"\xc3\xa4\" \\ $1");
    assert_int_equal(tx_first(tx, sql, other, 1, &none).code, ERR_NONE);
    assert_null(none);
    return ERR_OK;
}

static void the_first_row_is_there_or_none_is(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct suite_call add = {.fn = add_extremes}, take = {.fn = take_the_first_row};
    suite_write(suite, &add);
    suite_write(suite, &take);
    suite_wait(suite);
    assert_int_equal(take.err.code, ERR_NONE);
}

static struct err add_big(struct tx *tx, void *ctx) {
    char *big = arena_try(tx_arena(tx), BIG_BYTES);
    assert_non_null(big);
    memset(big, 'x', BIG_BYTES);
    struct arg args[] = {arg_int(1), arg_int(1), arg_int(0), arg_text(BYTES("big")),
                         arg_text((struct bytes){big, BIG_BYTES})};
    return tx_exec(tx,
                   "INSERT INTO events (stream, seq, at_ms, type, data)"
                   " VALUES ($1, $2, $3, $4, $5)",
                   args, COUNT_OF(args), NULL /* one row */);
}

static struct err measure_big(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err = tx_query(tx, "SELECT data FROM events", NULL /* no arguments */, 0, &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    if (!err_failed(err) && row) {
        struct bytes data = rows_text(rows, 0);
        call->number = (int64_t)data.len;
        assert_true(data.data[0] == 'x' && data.data[data.len - 1] == 'x');
    }
    return err;
}

static void large_texts_come_back_whole(void **state) {
    struct suite *suite = *state;
    int64_t len = 0;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, add_big, NULL).code, ERR_NONE);
    assert_int_equal(suite_ask(suite, measure_big, NULL, &len).code, ERR_NONE);
    assert_int_equal(len, BIG_BYTES);
}

/* --- Statements ------------------------------------------------------------------------------- */

static struct err nest_cursors(struct tx *tx, void *ctx) {
    static const char sql[] = "SELECT name FROM streams WHERE name > $1 ORDER BY name";
    struct suite_call *call = ctx;
    struct arg args[] = {arg_text(BYTES(""))};
    AUTO(rows_release) struct rows *outer = NULL;
    bool outer_row = true;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &outer);
    while (!err_failed(err) && !err_failed(err = rows_next(outer, &outer_row)) && outer_row) {
        struct arg from[] = {arg_text(rows_text(outer, 0))};
        AUTO(rows_release) struct rows *inner = NULL;
        bool inner_row = true;
        err = tx_query(tx, sql, from, COUNT_OF(from), &inner);
        while (!err_failed(err) && !err_failed(err = rows_next(inner, &inner_row)) && inner_row) {
            call->number++;
        }
    }
    return err;
}

static void two_cursors_on_one_statement_do_not_disturb_each_other(void **state) {
    struct suite *suite = *state;
    const char *const names[] = {"a", "b", "c", "d"};
    suite_open(suite, STORE_INLINE);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(suite_do(suite, suite_insert, names[i]).code, ERR_NONE);
    }
    int64_t pairs = 0;
    assert_int_equal(suite_ask(suite, nest_cursors, NULL, &pairs).code, ERR_NONE);
    assert_int_equal(pairs, 3 + 2 + 1);
}

static struct err upsert(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct arg args[] = {arg_text(BYTES("local")), arg_text(BYTES("s")), arg_int(1)};
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err = tx_query(tx,
                              "INSERT INTO streams (owner, name, head, made_ms)"
                              " VALUES ($1, $2, 1, $3) ON CONFLICT (owner, name)"
                              " DO UPDATE SET head = streams.head + 1 RETURNING id, head",
                              args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    if (!err_failed(err)) {
        assert_true(row);
        assert_true(rows_int(rows, 0) > 0);
        call->number = rows_int(rows, 1);
        err = rows_next(rows, &row);
        assert_false(row);
    }
    return err;
}

static void conflicts_are_handled_and_rows_returned(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    for (int64_t i = 1; i <= 3; i++) {
        struct suite_call call = {.fn = upsert};
        suite_write(suite, &call);
        suite_wait(suite);
        assert_int_equal(call.err.code, ERR_NONE);
        assert_int_equal(call.number, i);
    }
}

static struct err change_rows(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    struct arg args[] = {arg_int(5), arg_text(BYTES("b"))};
    int64_t changed = -1;
    struct err err = tx_exec(tx, "UPDATE streams SET head = $1 WHERE name >= $2", args,
                             COUNT_OF(args), &changed);
    call->number = changed;
    if (!err_failed(err)) {
        err = tx_exec(tx, "UPDATE streams SET head = $1 WHERE name = $2 AND head = 0", args,
                      COUNT_OF(args), &changed);
        assert_int_equal(changed, 0);
    }
    return err;
}

static void changed_rows_are_counted(void **state) {
    struct suite *suite = *state;
    const char *const names[] = {"a", "b", "c"};
    suite_open(suite, STORE_INLINE);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(suite_do(suite, suite_insert, names[i]).code, ERR_NONE);
    }
    struct suite_call call = {.fn = change_rows};
    suite_write(suite, &call);
    suite_wait(suite);
    assert_int_equal(call.err.code, ERR_NONE);
    assert_int_equal(call.number, 2);
}

/* --- The short forms -------------------------------------------------------------------------- */

#define HEADS "SELECT head FROM streams WHERE name >= $1 ORDER BY name"

/* Nothing, rows, and rows again after each statement that changes them. */
static struct err go_straight_on(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    const struct arg from = arg_str("a");
    assert_null(tx_row(tx, HEADS, ARGS(from)));
    assert_int_equal(tx_number(tx, HEADS, ARGS(from)), 0);
    assert_int_equal(tx_number(tx, "SELECT max(head) FROM streams", NO_ARGS), 0); /* NULL. */
    AUTO(rows_release) struct rows *none = tx_rows(tx, HEADS, ARGS(from));
    assert_non_null(none);
    assert_false(rows_step(none));
    static const char insert[] =
        "INSERT INTO streams (owner, name, head, made_ms) VALUES ('local', $1, $2, 0)";
    tx_do(tx, insert, ARGS(arg_str("a"), arg_int(2)));
    tx_do(tx, insert, ARGS(arg_str("b"), arg_int(3)));
    assert_int_equal(tx_change(tx, "UPDATE streams SET head = head + 1", NO_ARGS), 2);
    assert_int_equal(tx_change(tx, "UPDATE streams SET head = 0 WHERE name = 'c'", NO_ARGS), 0);
    assert_int_equal(tx_number(tx, HEADS, ARGS(arg_str("b"))), 4);
    AUTO(rows_release) struct rows *row = tx_row(tx, HEADS, ARGS(from));
    assert_non_null(row);
    assert_int_equal(rows_int(row, 0), 3);
    AUTO(rows_release) struct rows *rows = tx_rows(tx, HEADS, ARGS(from));
    while (rows_step(rows)) {
        call->number += rows_int(rows, 0);
    }
    assert_false(rows_step(NULL));
    assert_false(err_failed(tx_error(tx)));
    return tx_error(tx);
}

static void short_forms_read_and_change_rows(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct suite_call call = {.fn = go_straight_on};
    suite_write(suite, &call);
    suite_wait(suite);
    assert_int_equal(call.err.code, ERR_NONE);
    assert_int_equal(call.number, 3 + 4);
}

/* The row of the unique name is there; tx_change waits for the answer, so that the error is known
 * here also where a server answers later. */
static struct err go_on_after_an_error(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    static const char insert[] =
        "INSERT INTO streams (owner, name, made_ms) VALUES ('local', $1, 0)";
    const struct arg from = arg_str("");
    AUTO(rows_release) struct rows *open = tx_rows(tx, HEADS, ARGS(from));
    assert_int_equal(tx_change(tx, insert, ARGS(arg_str("twice"))), 0);
    struct err first = tx_error(tx);
    assert_int_equal(first.code, ERR_CONFLICT);
    assert_int_equal(tx_change(tx, insert, ARGS(arg_str("other"))), 0);
    tx_do(tx, insert, ARGS(arg_str("other")));
    assert_null(tx_row(tx, HEADS, ARGS(from)));
    assert_int_equal(tx_number(tx, HEADS, ARGS(from)), 0);
    AUTO(rows_release) struct rows *rows = tx_rows(tx, HEADS, ARGS(from));
    assert_null(rows);
    assert_false(rows_step(rows));
    assert_false(rows_step(open)); /* Also of a cursor that was opened before. */
    assert_ptr_equal(tx_error(tx).step, first.step);
    call->number++;
    return ERR_OK; /* The transaction keeps the error. */
}

static void short_forms_do_nothing_after_an_error(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, suite_insert, "twice").code, ERR_NONE);
    struct suite_call call = {.fn = go_on_after_an_error};
    suite_write(suite, &call);
    suite_wait(suite);
    assert_int_equal(call.err.code, ERR_CONFLICT);
    assert_true(call.number > 0);
    assert_int_equal(suite_streams(suite), 1);
}

/* --- Pages ------------------------------------------------------------------------------------ */

/* In the order of their bytes, whatever a language thinks of it. */
static const char *const ordered[] = {"-", "A",   "B",  "Z",        "_",
                                      "a", "a b", "aB", "\xc3\x84", "\xc3\xa4"};

static struct err add_ordered(struct tx *tx, void *ctx) {
    struct err err = ERR_OK;
    for (size_t i = COUNT_OF(ordered); i > 0 && !err_failed(err); i--) {
        err = suite_insert_name(tx, ordered[(i * 7) % COUNT_OF(ordered)]);
    }
    return err;
}

static struct err walk_pages(struct tx *tx, void *ctx) {
    enum { PAGE = 3 };
    struct suite_call *call = ctx;
    struct bytes after = BYTES("");
    bool more = true;
    struct err err = ERR_OK;
    while (more && !err_failed(err)) {
        struct arg args[] = {arg_text(after), arg_int(PAGE)};
        AUTO(rows_release) struct rows *rows = NULL;
        err = tx_query(tx, "SELECT name FROM streams WHERE name > $1 ORDER BY name LIMIT $2", args,
                       COUNT_OF(args), &rows);
        while (!err_failed(err) && !err_failed(err = rows_next(rows, &more)) && more) {
            check_text(rows, 0, ordered[call->number]);
            after.data = ordered[call->number];
            after.len = strlen(after.data);
            call->number++;
        }
        more = !err_failed(err) && call->number % PAGE == 0;
    }
    return err;
}

static void pages_follow_the_order_of_bytes(void **state) {
    struct suite *suite = *state;
    int64_t seen = 0;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, add_ordered, NULL).code, ERR_NONE);
    assert_int_equal(suite_ask(suite, walk_pages, NULL, &seen).code, ERR_NONE);
    assert_int_equal(seen, COUNT_OF(ordered));
}

/* --- The database as a whole ------------------------------------------------------------------ */

static struct err read_epoch(struct tx *tx, void *ctx) {
    struct suite_call *call = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err = tx_query(tx, "SELECT epoch FROM nodes", NULL /* no arguments */, 0, &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    if (!err_failed(err) && row) {
        call->number = rows_int(rows, 0);
        assert_true(tx_epoch(tx) == call->number);
    }
    return err;
}

static void each_start_raises_the_epoch(void **state) {
    struct suite *suite = *state;
    for (int64_t start = 1; start <= 3; start++) {
        int64_t epoch = 0;
        suite_open(suite, STORE_INLINE);
        assert_int_equal(store_epoch(suite->store), start);
        assert_int_equal(suite_ask(suite, read_epoch, NULL, &epoch).code, ERR_NONE);
        assert_int_equal(epoch, start);
        suite_close(suite);
    }
}

static void what_was_written_is_there_after_a_restart(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, suite_insert, "kept").code, ERR_NONE);
    suite_close(suite);
    suite_open(suite, STORE_INLINE);
    assert_true(suite_has(suite, "kept"));
}

static struct err age_schema(struct tx *tx, void *ctx) {
    return tx_exec(tx, "UPDATE schema SET version = version + 1", NULL /* no arguments */, 0, NULL);
}

/* The table as it was before it had a series, with the last number of then. */
static struct err drop_series(struct tx *tx, void *ctx) {
    tx_do(tx, "ALTER TABLE schema DROP COLUMN series", NO_ARGS);
    tx_do(tx, "UPDATE schema SET version = 28", NO_ARGS);
    return tx_error(tx);
}

static struct err raise_series(struct tx *tx, void *ctx) {
    return tx_exec(tx, "UPDATE schema SET series = series + 1", NO_ARGS, NULL);
}

static void check_refused(struct suite *suite, store_fn change, enum err_code code,
                          const char *sentence) {
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, change, NULL).code, ERR_NONE);
    suite_close(suite);
    struct store_options options = {
        .where = suite->where, .executor = STORE_INLINE, .world = world_real()};
    struct store *store = NULL;
    struct why why = {""};
    assert_int_equal(store_open(&options, &store, &why).code, code);
    assert_null(store);
    assert_non_null(strstr(why.text, sentence));
    struct store_check check;
    assert_int_equal(store_check(suite->where, &check, &why).code, ERR_NONE);
    assert_true(check.integrity_ok);
    assert_int_equal(check.schema_other, code == ERR_OTHER_SCHEMA);
}

static void a_newer_schema_is_refused_with_a_sentence(void **state) {
    check_refused(*state, age_schema, ERR_NEWER_SCHEMA, "newer drover");
}

static const char unreleased[] = "created by an unreleased build; use a new data directory";

static void a_schema_without_a_series_is_refused_with_a_sentence(void **state) {
    check_refused(*state, drop_series, ERR_OTHER_SCHEMA, unreleased);
}

static void a_schema_of_another_series_is_refused_with_a_sentence(void **state) {
    check_refused(*state, raise_series, ERR_OTHER_SCHEMA, unreleased);
}

static void a_second_store_on_the_same_database_is_refused(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    struct store_options options = {
        .where = suite->where, .executor = STORE_INLINE, .world = world_real()};
    struct store *store = NULL;
    struct why why = {""};
    assert_int_equal(store_open(&options, &store, &why).code, ERR_BUSY);
    assert_null(store);
    assert_true(strlen(why.text) > 0);
    assert_int_equal(suite_do(suite, suite_insert, "still works").code, ERR_NONE);
}

static void a_sound_database_passes_its_check(void **state) {
    struct suite *suite = *state;
    suite_open(suite, STORE_INLINE);
    assert_int_equal(suite_do(suite, suite_insert, "row").code, ERR_NONE);
    struct store_check check;
    struct why why = {""};
    assert_int_equal(store_check(suite->where, &check, &why).code, ERR_NONE);
    assert_true(check.integrity_ok);
    assert_int_equal(check.schema, check.schema_known);
    assert_int_equal(check.epoch, 1);
}

static void a_function_that_only_reads_cannot_write(void **state) {
    struct suite *suite = *state;
    int64_t unused;
    suite_open(suite, STORE_INLINE);
    assert_true(err_failed(suite_ask(suite, suite_insert, "never", &unused)));
    assert_int_equal(suite_streams(suite), 0);
    assert_int_equal(suite_do(suite, suite_insert, "works").code, ERR_NONE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(values_come_back_as_they_went_in),
    cmocka_unit_test(the_first_row_is_there_or_none_is),
    cmocka_unit_test(arguments_are_bound_by_their_number),
    cmocka_unit_test(large_texts_come_back_whole),
    cmocka_unit_test(two_cursors_on_one_statement_do_not_disturb_each_other),
    cmocka_unit_test(conflicts_are_handled_and_rows_returned),
    cmocka_unit_test(changed_rows_are_counted),
    cmocka_unit_test(short_forms_read_and_change_rows),
    cmocka_unit_test(short_forms_do_nothing_after_an_error),
    cmocka_unit_test(pages_follow_the_order_of_bytes),
    cmocka_unit_test(each_start_raises_the_epoch),
    cmocka_unit_test(what_was_written_is_there_after_a_restart),
    cmocka_unit_test(a_newer_schema_is_refused_with_a_sentence),
    cmocka_unit_test(a_schema_without_a_series_is_refused_with_a_sentence),
    cmocka_unit_test(a_schema_of_another_series_is_refused_with_a_sentence),
    cmocka_unit_test(a_second_store_on_the_same_database_is_refused),
    cmocka_unit_test(a_sound_database_passes_its_check),
    cmocka_unit_test(a_function_that_only_reads_cannot_write),
};

const struct CMUnitTest *suite_row_tests(size_t *ret_count) {
    *ret_count = COUNT_OF(tests);
    return tests;
}
