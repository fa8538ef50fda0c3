/* test_silent.c: the server keeps its connections and says nothing, and every wait has an end.
 *
 * Most of it by the driver alone, whose patience a test can shorten.
 */
/* runs-with: postgres, threads */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/scale.h"
#include "kit.h"
#include "proxy.h"
#include "store/postgres/postgres.h"

enum {
    SHORT_MS = 200,
    /* Above what a busy machine needs for a few short waits and two connects of 2 s, and far below
     * what counting tries would take. */
    BOUND_MS = 15 * 1000,
    LARGE_BYTES = 8 << 20, /* More than a socket takes while nobody reads. */
};

static const char sql_insert[] = "INSERT INTO tally (n) VALUES ($1)";

struct bench {
    struct proxy *proxy;
    struct database *database;
    struct conn *conn;
    const char *schema;
    uint64_t began_ms;
};

static uint64_t now_ms(void) {
    return world_mono_ns(world_real()) / 1000000;
}

static void make_url(const struct proxy *proxy, const char *schema, char ret_url[KIT_URL_SIZE]) {
    kit_url(proxy_dir(proxy), schema, ret_url);
    size_t len = strlen(ret_url);
    int more = snprintf(ret_url + len, KIT_URL_SIZE - len, "&connect_timeout=2");
    assert_in_range(more, 1, KIT_URL_SIZE - len - 1);
}

static struct proxy *open_proxy(void) {
    char socket[KIT_TEXT_SIZE];
    (void)snprintf(socket, sizeof socket, "%s/.s.PGSQL.5432", kit_server_dir());
    return proxy_open(socket);
}

static struct pg_patience *patience_of(const struct bench *bench) {
    return &CONTAINER_OF(bench->database, struct pg_database, base)->patience;
}

/* A writer by way of a proxy, in a schema that has its tables. */
static void set_up(struct bench *bench, const char *schema) {
    *bench = (struct bench){.proxy = open_proxy(), .schema = schema};
    char url[KIT_URL_SIZE];
    make_url(bench->proxy, schema, url);
    struct kit_store kit;
    kit_open(url, &kit);
    kit_close(&kit);
    struct store_options options = {.where = url, .world = world_real()};
    int64_t epoch = 0;
    assert_int_equal(driver_postgres.open(&options, &bench->database, NULL).code, ERR_NONE);
    assert_int_equal(driver_postgres.connect(bench->database, CONN_WRITER, &bench->conn, NULL).code,
                     ERR_NONE);
    assert_int_equal(driver_postgres.raise_epoch(bench->conn, &epoch).code, ERR_NONE);
    struct pg_patience *patience = patience_of(bench);
    patience->begin_ms = patience->commit_ms = patience->close_ms = SHORT_MS;
    pg_link_set_silence(pg_session_of(bench->conn)->link, SHORT_MS);
    bench->began_ms = now_ms();
}

static void tear_down(struct bench *bench) {
    driver_postgres.disconnect(bench->conn);
    driver_postgres.close(bench->database);
    proxy_close(bench->proxy);
    assert_in_range(now_ms() - bench->began_ms, 0, scaled_ms(BOUND_MS));
}

static struct err insert(const struct bench *bench, int64_t n) {
    struct arg arg = arg_int(n);
    int64_t changed = 0;
    return driver_postgres.exec(bench->conn, sql_insert, &arg, 1, &changed);
}

static void assert_rows(const struct bench *bench, int64_t count) {
    assert_int_equal(kit_look_int(bench->schema, "SELECT count(*) FROM tally"), count);
}

/* Once it was found away, a begin tries once, and not for long: a slow machine needs several. */
static void begin_again(const struct bench *bench) {
    const uint64_t until_ms = now_ms() + (uint64_t)scaled_ms(BOUND_MS);
    struct err err;
    do {
        err = driver_postgres.begin(bench->conn);
    } while (err.code == ERR_STORE_DOWN && now_ms() < until_ms);
    assert_int_equal(err.code, ERR_NONE);
}

static void a_statement_met_by_silence_ends_its_transaction(void **state) {
    (void)state;
    struct bench bench;
    set_up(&bench, "silent_statement");
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_NONE);
    proxy_mute(bench.proxy, /* mute */ true);
    assert_int_equal(insert(&bench, 1).code, ERR_STORE_DOWN);
    assert_true(driver_postgres.transaction_lost(bench.conn));
    assert_false(driver_postgres.reachable(bench.database));
    driver_postgres.rollback(bench.conn);
    unsigned before = proxy_connections(bench.proxy);
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_STORE_DOWN);
    /* It is time that counts: the first try has taken all of it. */
    assert_int_equal(proxy_connections(bench.proxy), before + 1);
    assert_false(driver_postgres.reachable(bench.database));
    proxy_mute(bench.proxy, /* mute */ false);
    struct err err = ERR_OK;
    begin_again(&bench);
    assert_true(driver_postgres.reachable(bench.database));
    assert_int_equal(insert(&bench, 2).code, ERR_NONE);
    assert_int_equal(driver_postgres.commit(bench.conn, &err), COMMIT_DONE);
    assert_rows(&bench, 1);
    tear_down(&bench);
}

static void a_statement_that_does_not_fit_into_the_line_ends_too(void **state) {
    (void)state;
    struct bench bench;
    set_up(&bench, "silent_large");
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_NONE);
    proxy_mute(bench.proxy, /* mute */ true);
    char *large = mem_new(LARGE_BYTES);
    memset(large, 'x', LARGE_BYTES);
    struct arg arg = arg_text((struct bytes){large, LARGE_BYTES});
    int64_t changed = 0;
    struct err err = driver_postgres.exec(bench.conn, "INSERT INTO tally (n) VALUES (length($1))",
                                          &arg, 1, &changed);
    assert_int_equal(err.code, ERR_STORE_DOWN);
    mem_free(large);
    tear_down(&bench);
}

static void a_commit_met_by_silence_is_looked_up(void **state) {
    (void)state;
    struct bench bench;
    set_up(&bench, "silent_commit");
    /* The server ends the other session in its time. */
    patience_of(&bench)->commit_ms = (unsigned)scaled_ms(BOUND_MS);
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_NONE);
    assert_int_equal(insert(&bench, 1).code, ERR_NONE);
    proxy_arm(bench.proxy, "COMMIT", PROXY_CUT_SILENT, 0);
    struct err err = ERR_OK;
    assert_int_equal(driver_postgres.commit(bench.conn, &err), COMMIT_DONE);
    assert_true(proxy_has_cut(bench.proxy));
    assert_rows(&bench, 1);
    tear_down(&bench);
}

static void a_commit_met_by_lasting_silence_is_unknown(void **state) {
    (void)state;
    struct bench bench;
    set_up(&bench, "silent_unknown");
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_NONE);
    assert_int_equal(insert(&bench, 1).code, ERR_NONE);
    proxy_mute(bench.proxy, /* mute */ true);
    struct err err = ERR_OK;
    assert_int_equal(driver_postgres.commit(bench.conn, &err), COMMIT_UNKNOWN);
    assert_int_equal(err.code, ERR_STORE_LOST);
    tear_down(&bench);
}

/* What a daemon that is idle sends: BEGIN, fence and COMMIT in one round. */
static void commit_nothing_in_silence(struct bench *bench) {
    struct err err = ERR_OK;
    assert_int_equal(driver_postgres.begin(bench->conn).code, ERR_NONE);
    assert_int_equal(driver_postgres.commit(bench->conn, &err), COMMIT_NOT);
    assert_int_equal(err.code, ERR_STORE_DOWN);
    driver_postgres.rollback(bench->conn);
}

static void assert_goes_on(const struct bench *bench) {
    struct err err = ERR_OK;
    patience_of(bench)->begin_ms = (unsigned)scaled_ms(BOUND_MS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(driver_postgres.begin(bench->conn).code, ERR_NONE);
        assert_int_equal(insert(bench, i).code, ERR_NONE);
        assert_int_equal(driver_postgres.commit(bench->conn, &err), COMMIT_DONE);
    }
    assert_true(driver_postgres.reachable(bench->database));
    assert_rows(bench, 2);
}

static void an_empty_commit_met_by_lasting_silence_did_not_happen(void **state) {
    (void)state;
    struct bench bench;
    set_up(&bench, "silent_empty");
    proxy_mute(bench.proxy, /* mute */ true);
    commit_nothing_in_silence(&bench);
    assert_false(driver_postgres.reachable(bench.database));
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_STORE_DOWN);
    assert_false(driver_postgres.reachable(bench.database));
    proxy_mute(bench.proxy, /* mute */ false);
    assert_goes_on(&bench);
    tear_down(&bench);
}

/* The server has counted the batch, and whoever lost its answer must find that out. */
static void an_empty_commit_that_happened_unheard_does_no_harm(void **state) {
    (void)state;
    struct bench bench;
    set_up(&bench, "silent_empty_done");
    /* The server ends the other session in its time. */
    patience_of(&bench)->begin_ms = (unsigned)scaled_ms(BOUND_MS);
    proxy_arm(bench.proxy, "COMMIT", PROXY_CUT_SILENT, 0);
    commit_nothing_in_silence(&bench);
    assert_goes_on(&bench);
    tear_down(&bench);
}

/* The next try is cut while it looks what became of the empty one: so does the one after. */
static void what_became_of_an_empty_commit_is_asked_until_it_is_known(void **state) {
    (void)state;
    struct bench bench;
    set_up(&bench, "silent_empty_again");
    patience_of(&bench)->begin_ms = (unsigned)scaled_ms(BOUND_MS);
    proxy_arm(bench.proxy, "COMMIT", PROXY_CUT_SILENT, 0);
    commit_nothing_in_silence(&bench);
    proxy_arm(bench.proxy, "SELECT epoch, batch FROM nodes FOR UPDATE", PROXY_CUT_ANSWER, 0);
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_STORE_DOWN);
    assert_true(proxy_has_cut(bench.proxy));
    assert_goes_on(&bench);
    tear_down(&bench);
}

static void an_empty_commit_met_by_silence_while_another_took_over_is_the_end(void **state) {
    (void)state;
    static const char take_over[] = "UPDATE nodes SET epoch = epoch + 1";
    char unused[KIT_TEXT_SIZE];
    struct bench bench;
    set_up(&bench, "silent_empty_lost");
    patience_of(&bench)->begin_ms = (unsigned)scaled_ms(BOUND_MS);
    proxy_arm(bench.proxy, "COMMIT", PROXY_CUT_SILENT, 0);
    commit_nothing_in_silence(&bench);
    kit_look(bench.schema, take_over, unused);
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_STORE_LOST);
    tear_down(&bench);
}

static void once_the_store_closes_nothing_waits_long_and_nobody_connects(void **state) {
    (void)state;
    struct bench bench;
    set_up(&bench, "silent_closing");
    pg_link_set_silence(pg_session_of(bench.conn)->link, 60 * 1000);
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_NONE);
    proxy_mute(bench.proxy, /* mute */ true);
    driver_postgres.closing(bench.database);
    assert_int_equal(insert(&bench, 1).code, ERR_STORE_DOWN);
    driver_postgres.rollback(bench.conn);
    unsigned before = proxy_connections(bench.proxy);
    assert_int_equal(driver_postgres.begin(bench.conn).code, ERR_STORE_DOWN);
    assert_int_equal(proxy_connections(bench.proxy), before);
    tear_down(&bench);
}

static void a_store_closes_beside_a_silent_server(void **state) {
    (void)state;
    struct proxy *proxy = open_proxy();
    char url[KIT_URL_SIZE];
    make_url(proxy, "silent_store", url);
    struct kit_store kit;
    kit_open(url, &kit);
    assert_true(store_reachable(kit.store));
    proxy_mute(proxy, /* mute */ true);
    uint64_t began_ms = now_ms();
    kit_close(&kit);
    assert_in_range(now_ms() - began_ms, 0, scaled_ms(BOUND_MS));
    proxy_close(proxy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_met_by_silence_ends_its_transaction),
        cmocka_unit_test(a_statement_that_does_not_fit_into_the_line_ends_too),
        cmocka_unit_test(a_commit_met_by_silence_is_looked_up),
        cmocka_unit_test(a_commit_met_by_lasting_silence_is_unknown),
        cmocka_unit_test(an_empty_commit_met_by_lasting_silence_did_not_happen),
        cmocka_unit_test(an_empty_commit_that_happened_unheard_does_no_harm),
        cmocka_unit_test(what_became_of_an_empty_commit_is_asked_until_it_is_known),
        cmocka_unit_test(an_empty_commit_met_by_silence_while_another_took_over_is_the_end),
        cmocka_unit_test(once_the_store_closes_nothing_waits_long_and_nobody_connects),
        cmocka_unit_test(a_store_closes_beside_a_silent_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
