/* test_copy.c: a second server that copies the first one, and is no place for a daemon.
 *
 * A URL may name several servers, and so may a name of the network. The one that answers after a
 * failure need not be the one of before.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/scale.h"
#include "kit.h"
#include "proxy.h"
#include "store/postgres/postgres.h"

enum { SHORT_MS = 200, COMMIT_MS = 3 * 1000, WAIT_MS = 60 * 1000 };

static const char sql_insert[] = "INSERT INTO tally (n) VALUES ($1)";
static const char sql_count[] = "SELECT count(*) FROM tally";

static struct proxy *open_proxy(void) {
    char socket[KIT_TEXT_SIZE];
    (void)snprintf(socket, sizeof socket, "%s/.s.PGSQL.5432", kit_server_dir());
    return proxy_open(socket);
}

struct place {
    const char *dir;
    int port;
};

static void make_url(const struct place *first, const struct place *second, const char *more,
                     char ret_url[KIT_URL_SIZE]) {
    int len =
        snprintf(ret_url, KIT_URL_SIZE, "postgres:///drover?user=drover&host=%s,%s&port=%d,%d%s",
                 first->dir, second->dir, first->port, second->port, more);
    assert_in_range(len, 1, KIT_URL_SIZE - 1);
}

/* A session of each kind, by way of a proxy to the server, whose copy answers when it does not. */
struct bench {
    struct proxy *proxy;
    struct database *database;
    struct conn *writer, *reader;
};

static void set_up(struct bench *bench, const char *schema) {
    char url[KIT_URL_SIZE], more[KIT_TEXT_SIZE];
    *bench = (struct bench){.proxy = open_proxy()};
    (void)snprintf(more, sizeof more, "&target_session_attrs=any&options=-csearch_path%%3D%s",
                   schema);
    make_url(&(struct place){proxy_dir(bench->proxy), 5432},
             &(struct place){kit_server_dir(), 5433}, more, url);
    struct kit_store kit;
    kit_open(url, &kit);
    kit_close(&kit);
    struct store_options options = {.where = url, .world = world_real()};
    int64_t epoch = 0;
    assert_int_equal(driver_postgres.open(&options, &bench->database, NULL).code, ERR_NONE);
    struct pg_patience *patience =
        &CONTAINER_OF(bench->database, struct pg_database, base)->patience;
    patience->begin_ms = SHORT_MS;
    assert_int_equal(
        driver_postgres.connect(bench->database, CONN_WRITER, &bench->writer, NULL).code, ERR_NONE);
    assert_int_equal(driver_postgres.raise_epoch(bench->writer, &epoch).code, ERR_NONE);
    assert_int_equal(
        driver_postgres.connect(bench->database, CONN_READER, &bench->reader, NULL).code, ERR_NONE);
}

static void tear_down(struct bench *bench) {
    driver_postgres.disconnect(bench->reader);
    driver_postgres.disconnect(bench->writer);
    driver_postgres.close(bench->database);
    proxy_close(bench->proxy);
}

/* libpq goes to the next server where it cannot connect; from one that hangs up it does not. */
enum answer { ANSWER_COPY, ANSWER_SERVER };
static void let_answer(const struct bench *bench, enum answer answer) {
    char open[KIT_TEXT_SIZE], hidden[KIT_TEXT_SIZE];
    (void)snprintf(open, sizeof open, "%s/.s.PGSQL.5432", proxy_dir(bench->proxy));
    (void)snprintf(hidden, sizeof hidden, "%s/hidden", proxy_dir(bench->proxy));
    assert_int_equal(answer == ANSWER_COPY ? rename(open, hidden) : rename(hidden, open), 0);
}

static void await_end(struct conn *conn) {
    if (pg_session_of(conn)->link == NULL) {
        return; /* It was found already. */
    }
    struct pollfd end = {.fd = pg_link_socket(pg_session_of(conn)->link), .events = POLLIN};
    assert_int_equal(poll(&end, 1, scaled_ms(WAIT_MS)), 1);
}

static enum commit_outcome insert(const struct bench *bench, int64_t n, struct err *ret_err) {
    struct arg arg = arg_int(n);
    int64_t changed = 0;
    assert_int_equal(driver_postgres.begin(bench->writer).code, ERR_NONE);
    assert_int_equal(driver_postgres.exec(bench->writer, sql_insert, &arg, 1, &changed).code,
                     ERR_NONE);
    return driver_postgres.commit(bench->writer, ret_err);
}

static int64_t count(const struct bench *bench) {
    struct rows *rows = NULL;
    bool row = false;
    assert_int_equal(driver_postgres.begin(bench->reader).code, ERR_NONE);
    assert_int_equal(driver_postgres.query(bench->reader, sql_count, NULL, 0, &rows).code,
                     ERR_NONE);
    assert_int_equal(driver_postgres.rows_next(rows, &row).code, ERR_NONE);
    int64_t number = driver_postgres.rows_int(rows, 0);
    driver_postgres.rows_close(rows);
    driver_postgres.rollback(bench->reader);
    return number;
}

static void a_writer_does_not_settle_on_a_copy(void **state) {
    (void)state;
    struct bench bench;
    struct err err = ERR_OK;
    set_up(&bench, "copy_writer");
    assert_int_equal(insert(&bench, 1, &err), COMMIT_DONE);
    proxy_arm(bench.proxy, "COMMIT", PROXY_CUT_AFTER, 0);
    assert_int_equal(insert(&bench, 2, &err), COMMIT_DONE);
    await_end(bench.writer);
    let_answer(&bench, ANSWER_COPY);
    assert_int_equal(driver_postgres.begin(bench.writer).code, ERR_STORE_DOWN);
    assert_false(driver_postgres.reachable(bench.database));
    let_answer(&bench, ANSWER_SERVER);
    assert_int_equal(insert(&bench, 3, &err), COMMIT_DONE);
    assert_int_equal(count(&bench), 3);
    tear_down(&bench);
}

/* The copy may not even know yet that we are there: that is not to be replaced. */
static void a_copy_that_is_behind_does_not_end_the_daemon(void **state) {
    (void)state;
    struct bench bench;
    struct err err = ERR_OK;
    int64_t epoch = 0;
    set_up(&bench, "copy_behind");
    char command[KIT_URL_SIZE];
    (void)snprintf(command, sizeof command,
                   "psql -h %s -p 5433 -U drover -d drover -qAtc 'SELECT pg_wal_replay_pause()'",
                   kit_server_dir());
    assert_int_equal(system(command), 0);
    assert_int_equal(driver_postgres.raise_epoch(bench.writer, &epoch).code, ERR_NONE);
    proxy_arm(bench.proxy, "COMMIT", PROXY_CUT_AFTER, 0);
    assert_int_equal(insert(&bench, 1, &err), COMMIT_DONE);
    await_end(bench.writer);
    let_answer(&bench, ANSWER_COPY);
    assert_int_equal(driver_postgres.begin(bench.writer).code, ERR_STORE_DOWN);
    let_answer(&bench, ANSWER_SERVER);
    assert_int_equal(insert(&bench, 2, &err), COMMIT_DONE);
    tear_down(&bench);
    memcpy(strstr(command, "pause"), "resume()'", sizeof "resume()'");
    assert_int_equal(system(command), 0);
}

static void a_commit_is_not_judged_by_a_copy(void **state) {
    (void)state;
    struct bench bench;
    struct err err = ERR_OK;
    set_up(&bench, "copy_commit");
    CONTAINER_OF(bench.database, struct pg_database, base)->patience.commit_ms = COMMIT_MS;
    struct arg arg = arg_int(1);
    int64_t changed = 0;
    assert_int_equal(driver_postgres.begin(bench.writer).code, ERR_NONE);
    assert_int_equal(driver_postgres.exec(bench.writer, sql_insert, &arg, 1, &changed).code,
                     ERR_NONE);
    let_answer(&bench, ANSWER_COPY);
    proxy_arm(bench.proxy, "COMMIT", PROXY_CUT_REQUEST, 0);
    uint64_t began_ns = world_mono_ns(world_real());
    assert_int_equal(driver_postgres.commit(bench.writer, &err), COMMIT_UNKNOWN);
    /* All of the patience was used: a copy may become the server itself. */
    assert_true(world_mono_ns(world_real()) - began_ns >= (uint64_t)COMMIT_MS * 1000000);
    let_answer(&bench, ANSWER_SERVER);
    tear_down(&bench);
}

static void a_reader_is_not_shown_a_copy(void **state) {
    (void)state;
    struct bench bench;
    struct err err = ERR_OK;
    set_up(&bench, "copy_reader");
    assert_int_equal(insert(&bench, 1, &err), COMMIT_DONE);
    proxy_arm(bench.proxy, sql_count, PROXY_CUT_AFTER, 0);
    assert_int_equal(count(&bench), 1);
    await_end(bench.reader);
    let_answer(&bench, ANSWER_COPY);
    assert_int_equal(driver_postgres.begin(bench.reader).code, ERR_STORE_DOWN);
    let_answer(&bench, ANSWER_SERVER);
    assert_int_equal(count(&bench), 1);
    tear_down(&bench);
}

static void of_several_servers_the_one_that_writes_is_found(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    make_url(&(struct place){kit_server_dir(), 5433}, &(struct place){kit_server_dir(), 5432},
             "&options=-csearch_path%3Dcopy_first", url);
    struct kit_store kit;
    kit_open(url, &kit);
    assert_int_equal(kit_add_one(&kit, 1).code, ERR_NONE);
    kit_close(&kit);
}

static void a_copy_alone_is_told_as_such(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    struct kit_store kit;
    struct why why = {.text = ""};
    kit_url(kit_server_dir(), "copy_alone&port=5433", url);
    assert_true(err_failed(kit_try_open(url, &kit, &why)));
    assert_non_null(strstr(why.text, "hot standby mode"));
    kit_url(kit_server_dir(), "copy_alone&port=5433&target_session_attrs=any", url);
    why.text[0] = '\0';
    assert_int_equal(kit_try_open(url, &kit, &why).code, ERR_READ_ONLY);
    assert_non_null(strstr(why.text, "is a standby"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_does_not_settle_on_a_copy),
        cmocka_unit_test(a_copy_that_is_behind_does_not_end_the_daemon),
        cmocka_unit_test(a_commit_is_not_judged_by_a_copy),
        cmocka_unit_test(a_reader_is_not_shown_a_copy),
        cmocka_unit_test(of_several_servers_the_one_that_writes_is_found),
        cmocka_unit_test(a_copy_alone_is_told_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
