/* test_traps.c: where PostgreSQL differs from SQLite and a function must not notice.
 *
 * A failed statement aborts its whole transaction; an INSERT is on its way before its error can be
 * known; a parameter has a type; text has a collation.
 */
/* runs-with: postgres, threads */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kit.h"

static void open_schema(const char *schema, struct kit_store *kit) {
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), schema, url);
    kit_open(url, kit);
}

/* --- Failures inside a group ------------------------------------------------------------------ */

static void write_three(struct kit_store *kit, struct kit_add adds[3]) {
    for (int i = 0; i < 3; i++) {
        adds[i].n = i + 1;
        kit_write(kit, &adds[i]);
    }
    kit_turn(kit);
}

static void a_refusal_takes_only_its_own_function_back(void **state) {
    (void)state;
    for (int bad = 0; bad < 3; bad++) {
        char schema[32];
        (void)snprintf(schema, sizeof schema, "refusal_%d", bad);
        struct kit_store kit;
        open_schema(schema, &kit);
        struct kit_add adds[3] = {{.n = 0}};
        adds[bad].fail = true;
        write_three(&kit, adds);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(adds[i].result.code, i == bad ? ERR_CONFLICT : ERR_NONE);
            assert_int_equal(adds[i].runs, 1); /* The savepoint is enough: nobody ran again. */
        }
        assert_int_equal(kit_look_int(schema, "SELECT sum(n) FROM tally"), 6 - (bad + 1));
        kit_close(&kit);
    }
}

/* The INSERT was sent without waiting, so its error shows in whatever comes next: the others'
 * statements, or COMMIT. The blame must find its way back. */
static void an_insert_that_fails_late_is_blamed_on_its_own_function(void **state) {
    (void)state;
    for (int bad = 0; bad < 3; bad++) {
        char schema[32];
        (void)snprintf(schema, sizeof schema, "late_%d", bad);
        struct kit_store kit;
        open_schema(schema, &kit);
        struct kit_add adds[3] = {{.n = 0}};
        adds[bad].clash = true;
        write_three(&kit, adds);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(adds[i].result.code, i == bad ? ERR_CONFLICT : ERR_NONE);
        }
        assert_int_equal(kit_look_int(schema, "SELECT sum(n) FROM tally"), 6 - (bad + 1));
        kit_close(&kit);
    }
}

static void a_late_failure_of_one_function_alone_is_its_answer(void **state) {
    (void)state;
    struct kit_store kit;
    open_schema("late_alone", &kit);
    struct kit_add add = {.n = 1, .clash = true};
    kit_write(&kit, &add);
    kit_turn(&kit);
    assert_int_equal(add.result.code, ERR_CONFLICT);
    assert_int_equal(kit_add_one(&kit, 2).code, ERR_NONE);
    assert_int_equal(kit_look_int("late_alone", "SELECT sum(n) FROM tally"), 2);
    kit_close(&kit);
}

/* Inserts five numbers, none of them waited for; in place of `bad` one that the table refuses. */
struct insert_five {
    int64_t first, bad;
    struct err result;
};

static struct err insert_five(struct tx *tx, void *ctx) {
    const struct insert_five *five = ctx;
    for (int64_t i = five->first; i < five->first + 5; i++) {
        struct arg n = arg_int(i == five->bad ? -1 : i);
        struct err err = tx_exec(tx, "INSERT INTO tally (n) VALUES ($1)", &n, 1, NULL);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

static void note_five(struct err result, void *ctx) {
    struct insert_five *five = ctx;
    five->result = result;
}

static void each_of_several_late_statements_may_be_the_one_that_fails(void **state) {
    (void)state;
    struct kit_store kit;
    open_schema("late_five", &kit);
    for (int64_t bad = 0; bad < 15; bad++) {
        struct insert_five fives[3];
        for (int64_t i = 0; i < 3; i++) {
            fives[i] = (struct insert_five){.first = 100 * bad + 5 * i, .bad = 100 * bad + bad};
            store_write(kit.store, insert_five, note_five, &fives[i]);
        }
        kit_turn(&kit);
        for (int64_t i = 0; i < 3; i++) {
            assert_int_equal(fives[i].result.code, bad / 5 == i ? ERR_CONFLICT : ERR_NONE);
        }
        assert_int_equal(kit_look_int("late_five", "SELECT count(*) FROM tally WHERE n >= 0"),
                         10 * (bad + 1));
    }
    kit_close(&kit);
}

static void a_failed_server(const char *sqlstate, enum err_code code) {
    char schema[32];
    (void)snprintf(schema, sizeof schema, "state_%s", sqlstate);
    struct kit_store kit;
    open_schema(schema, &kit);
    struct kit_add adds[3] = {{.n = 0}, {.raise = sqlstate}, {.n = 0}};
    write_three(&kit, adds);
    assert_int_equal(adds[0].result.code, ERR_NONE);
    assert_int_equal(adds[1].result.code, code);
    assert_int_equal(adds[2].result.code, ERR_NONE);
    assert_int_equal(kit_look_int(schema, "SELECT sum(n) FROM tally"), 4);
    kit_close(&kit);
}

static void a_full_disk_is_a_clear_error_and_the_others_go_on(void **state) {
    (void)state;
    a_failed_server("53100", ERR_DISK_FULL);
}

static void a_read_only_server_is_a_clear_error(void **state) {
    (void)state;
    a_failed_server("25006", ERR_READ_ONLY);
}

/* More statements without an answer than may be on their way at once. */
static struct err insert_many(struct tx *tx, void *ctx) {
    (void)ctx;
    for (int64_t i = 0; i < 1000; i++) {
        struct arg n = arg_int(i);
        struct err err = tx_exec(tx, "INSERT INTO tally (n) VALUES ($1)", &n, 1, NULL);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

static void note_result(struct err result, void *ctx) {
    *(struct err *)ctx = result;
}

static void a_function_of_a_thousand_rows_passes(void **state) {
    (void)state;
    struct kit_store kit;
    open_schema("thousand", &kit);
    struct err results[] = {err_make(ERR_INTERNAL, ""), err_make(ERR_INTERNAL, "")};
    store_write(kit.store, insert_many, note_result, &results[0]);
    store_write(kit.store, insert_many, note_result, &results[1]);
    kit_turn(&kit);
    assert_int_equal(results[0].code, ERR_NONE);
    assert_int_equal(results[1].code, ERR_NONE);
    assert_int_equal(kit_look_int("thousand", "SELECT count(*) FROM tally"), 2000);
    kit_close(&kit);
}

/* --- Rows that are still arriving ------------------------------------------------------------- */

static struct err next_number(struct rows *rows, int64_t expected) {
    bool row = false;
    struct err err = rows_next(rows, &row);
    assert_true(err_failed(err) || row);
    assert_true(err_failed(err) || rows_int(rows, 0) == expected);
    return err;
}

/* A second statement comes while the rows of the first arrive, and both go on side by side; the
 * second is left early. */
static struct err read_side_by_side(struct tx *tx, void *ctx) {
    (void)ctx;
    static const char sql[] = "SELECT n FROM generate_series(1, 500) AS n";
    AUTO(rows_release) struct rows *first = NULL;
    AUTO(rows_release) struct rows *second = NULL;
    struct err err = tx_query(tx, sql, NULL, /* count */ 0, &first);
    for (int64_t i = 1; i <= 10 && !err_failed(err); i++) {
        err = next_number(first, i);
    }
    err = err_failed(err) ? err : tx_query(tx, sql, NULL, /* count */ 0, &second);
    for (int64_t i = 1; i <= 400 && !err_failed(err); i++) {
        err = next_number(second, i);
        err = err_failed(err) ? err : next_number(first, i + 10);
    }
    rows_release(&second);
    for (int64_t i = 411; i <= 500 && !err_failed(err); i++) {
        err = next_number(first, i);
    }
    bool row = true;
    err = err_failed(err) ? err : rows_next(first, &row);
    assert_false(row);
    return err;
}

/* The third row divides by zero: the rows before it have arrived by then. */
static struct err read_into_an_error(struct tx *tx, void *ctx) {
    (void)ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = true;
    struct err err = tx_query(tx, "SELECT 6 / (3 - n) FROM generate_series(1, 5) AS n", NULL,
                              /* count */ 0, &rows);
    for (int i = 0; i < 10 && row && !err_failed(err); i++) {
        err = rows_next(rows, &row);
    }
    return err;
}

static void a_reader_takes_rows_side_by_side_and_leaves_some(void **state) {
    (void)state;
    struct kit_store kit;
    open_schema("arriving", &kit);
    struct err results[] = {err_make(ERR_BUSY, ""), err_make(ERR_BUSY, ""), err_make(ERR_BUSY, "")};
    store_read(kit.store, read_side_by_side, note_result, &results[0]);
    store_read(kit.store, read_into_an_error, note_result, &results[1]);
    store_read(kit.store, read_side_by_side, note_result, &results[2]);
    kit_turn(&kit);
    assert_int_equal(results[0].code, ERR_NONE);
    assert_int_equal(results[1].code, ERR_INTERNAL);
    assert_int_equal(results[2].code, ERR_NONE);
    kit_close(&kit);
}

/* --- Parameters ------------------------------------------------------------------------------- */

struct ask {
    struct arg arg;
    char text[32];
    int64_t number;
    struct err result;
};

static struct err ask_back(struct tx *tx, void *ctx) {
    struct ask *ask = ctx;
    struct arg args[] = {ask->arg, arg_int(INT64_C(3000000000))};
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err =
        tx_query(tx, "SELECT CAST($1 AS TEXT), $1 IS NULL, $2 + 1", args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    if (!err_failed(err)) {
        struct bytes text = rows_null(rows, 0) ? BYTES("null") : rows_text(rows, 0);
        (void)snprintf(ask->text, sizeof ask->text, "%.*s %d", (int)text.len, text.data,
                       (int)rows_int(rows, 1));
        ask->number = rows_int(rows, 2);
    }
    return err;
}

static void asked(struct err result, void *ctx) {
    ((struct ask *)ctx)->result = result;
}

/* One statement, prepared anew for each kind of argument, and again usable for the first. */
static void an_argument_may_change_its_kind_from_call_to_call(void **state) {
    (void)state;
    struct kit_store kit;
    open_schema("kinds", &kit);
    struct ask asks[] = {{.arg = arg_null()},
                         {.arg = arg_int(-5)},
                         {.arg = arg_text(BYTES("five"))},
                         {.arg = arg_null()},
                         {.arg = arg_text((struct bytes){NULL, 0})}};
    static const char *const expected[] = {"null 1", "-5 0", "five 0", "null 1", " 0"};
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        store_read(kit.store, ask_back, asked, &asks[i]);
        kit_turn(&kit);
        assert_int_equal(asks[i].result.code, ERR_NONE);
        assert_string_equal(asks[i].text, expected[i]);
        assert_true(asks[i].number == INT64_C(3000000001));
    }
    kit_close(&kit);
}

/* --- Orders ----------------------------------------------------------------------------------- */

/* Names that collations like to reorder: case, digits, marks, length, bytes above ASCII and above
 * the first plane. */
static const char *const names[] = {
    "b",
    "B",
    "a",
    "A",
    "_",
    "~",
    "10",
    "9",
    "a b",
    "a-b",
    "ab",
    "a",
    "\xc3\xa4",
    "Z",
    "zz",
    "z",
    "\xe2\x82\xac",
    "\xf0\x9f\x90\x82",
    "tok_0a",
    "tok_0A",
    "tok-0a",
    " ",
    "!",
    "aB",
};
enum { PAGE = 3, ORDER_SIZE = 1024 };

struct order {
    char text[ORDER_SIZE]; /* All names, page by page. */
    size_t len;
    char after[64];
    unsigned rows;
    struct err result;
};

static struct err add_names(struct tx *tx, void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct arg args[] = {arg_text((struct bytes){names[i], strlen(names[i])})};
        struct err err = tx_exec(tx,
                                 "INSERT INTO streams (owner, name, made_ms) "
                                 "VALUES ('me', $1, 0) ON CONFLICT (owner, name) DO NOTHING",
                                 args, COUNT_OF(args), NULL);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

static struct err read_page(struct tx *tx, void *ctx) {
    struct order *order = ctx;
    struct arg args[] = {arg_text((struct bytes){order->after, strlen(order->after)}),
                         arg_int(PAGE)};
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    order->rows = 0;
    struct err err = tx_query(
        tx, "SELECT name FROM streams WHERE owner = 'me' AND name > $1 ORDER BY name LIMIT $2",
        args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    while (!err_failed(err) && row) {
        struct bytes name = rows_text(rows, 0);
        assert_true(order->len + name.len + 2 < sizeof order->text);
        (void)snprintf(order->after, sizeof order->after, "%.*s", (int)name.len, name.data);
        order->len += (size_t)snprintf(order->text + order->len, sizeof order->text - order->len,
                                       "%s\n", order->after);
        order->rows++;
        err = rows_next(rows, &row);
    }
    return err;
}

static void paged(struct err result, void *ctx) {
    ((struct order *)ctx)->result = result;
}

static void read_all(const char *where, struct order *order) {
    struct kit_store kit;
    struct err result = err_make(ERR_INTERNAL, "");
    assert_int_equal(kit_try_open(where, &kit, NULL).code, ERR_NONE);
    store_write(kit.store, add_names, note_result, &result);
    kit_turn(&kit);
    assert_int_equal(result.code, ERR_NONE);
    *order = (struct order){.after = ""};
    do {
        store_read(kit.store, read_page, paged, order);
        kit_turn(&kit);
        assert_int_equal(order->result.code, ERR_NONE);
    } while (order->rows == PAGE);
    kit_close(&kit);
}

static void names_page_in_the_same_order_on_both_databases(void **state) {
    (void)state;
    char url[KIT_URL_SIZE], dir[] = "/tmp/drover-order.XXXXXX", command[64];
    kit_url(kit_server_dir(), "orders", url);
    assert_non_null(mkdtemp(dir));
    struct order *orders = calloc(2, sizeof *orders);
    read_all(url, &orders[0]);
    read_all(dir, &orders[1]);
    assert_string_equal(orders[0].text, orders[1].text);
    assert_non_null(strstr(orders[0].text, "B\nZ\n_\na\na b\na-b\naB\nab\nb\n"));
    free(orders);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_takes_only_its_own_function_back),
        cmocka_unit_test(an_insert_that_fails_late_is_blamed_on_its_own_function),
        cmocka_unit_test(a_late_failure_of_one_function_alone_is_its_answer),
        cmocka_unit_test(each_of_several_late_statements_may_be_the_one_that_fails),
        cmocka_unit_test(a_full_disk_is_a_clear_error_and_the_others_go_on),
        cmocka_unit_test(a_read_only_server_is_a_clear_error),
        cmocka_unit_test(a_function_of_a_thousand_rows_passes),
        cmocka_unit_test(a_reader_takes_rows_side_by_side_and_leaves_some),
        cmocka_unit_test(an_argument_may_change_its_kind_from_call_to_call),
        cmocka_unit_test(names_page_in_the_same_order_on_both_databases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
