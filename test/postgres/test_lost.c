/* test_lost.c: the connection dies before, in and after COMMIT, and each function happened once.
 *
 * A proxy between libpq and the server cuts the line at a chosen statement. What the store answers
 * is then held against what a second session finds in the table.
 */
/* runs-with: postgres, threads */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/scale.h"
#include "kit.h"
#include "proxy.h"
#include "store/postgres/postgres.h"

enum { FUNCTIONS = 5 };

static const char sql_begin[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
static const char sql_fence[] =
    "WITH fence AS (UPDATE nodes SET batch = $1 WHERE epoch = $2 AND batch = $3 RETURNING 1) "
    "SELECT 1 / count(*) FROM fence";
static const char sql_query[] = "SELECT count(*) FROM tally WHERE n = $1";
static const char sql_insert[] = "INSERT INTO tally (n) VALUES ($1)";

static struct proxy *open_proxy(void) {
    char socket[KIT_TEXT_SIZE];
    (void)snprintf(socket, sizeof socket, "%s/.s.PGSQL.5432", kit_server_dir());
    return proxy_open(socket);
}

static void assert_each_once(const char *schema) {
    assert_int_equal(kit_look_int(schema, "SELECT count(*) FROM tally"), FUNCTIONS);
    assert_int_equal(kit_look_int(schema, "SELECT count(DISTINCT n) FROM tally"), FUNCTIONS);
}

/* Cuts at the statement while a group runs; all must succeed all the same, each once. */
static void cut_at(const char *schema, const char *sql, enum proxy_cut cut, unsigned skip) {
    struct proxy *proxy = open_proxy();
    char url[KIT_URL_SIZE];
    kit_url(proxy_dir(proxy), schema, url);
    struct kit_store kit;
    kit_open(url, &kit);
    proxy_arm(proxy, sql, cut, skip);
    struct kit_add adds[FUNCTIONS] = {{.n = 0}};
    for (int i = 0; i < FUNCTIONS; i++) {
        adds[i].n = i;
        kit_write(&kit, &adds[i]);
    }
    kit_turn(&kit);
    assert_true(proxy_has_cut(proxy) || cut == PROXY_CUT_AFTER);
    for (int i = 0; i < FUNCTIONS; i++) {
        assert_int_equal(adds[i].dones, 1);
        assert_int_equal(adds[i].result.code, ERR_NONE);
    }
    assert_each_once(schema);
    assert_int_equal(kit_add_one(&kit, FUNCTIONS).code, ERR_NONE); /* Service goes on. */
    assert_int_equal(kit.lost.code, ERR_NONE);
    assert_true(proxy_has_cut(proxy));
    kit_close(&kit);
    proxy_close(proxy);
}

static void a_connection_that_dies_at_begin_costs_nothing(void **state) {
    (void)state;
    cut_at("lost_begin", sql_begin, PROXY_CUT_REQUEST, 0);
}

static void a_connection_that_dies_at_the_fence_costs_nothing(void **state) {
    (void)state;
    cut_at("lost_fence", sql_fence, PROXY_CUT_ANSWER, 0);
}

static void a_connection_that_dies_in_the_first_function_costs_nothing(void **state) {
    (void)state;
    cut_at("lost_first", sql_insert, PROXY_CUT_REQUEST, 0);
}

static void a_connection_that_dies_in_a_later_function_costs_nothing(void **state) {
    (void)state;
    cut_at("lost_later", sql_insert, PROXY_CUT_ANSWER, 3);
}

static void a_commit_that_never_reached_the_server_is_run_again(void **state) {
    (void)state;
    cut_at("lost_request", "COMMIT", PROXY_CUT_REQUEST, 0);
}

static void a_commit_whose_answer_was_lost_is_not_run_again(void **state) {
    (void)state;
    cut_at("lost_answer", "COMMIT", PROXY_CUT_ANSWER, 0);
}

static void a_commit_that_the_server_still_works_on_is_waited_for(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        char schema[32];
        (void)snprintf(schema, sizeof schema, "lost_race_%d", i);
        cut_at(schema, "COMMIT", PROXY_CUT_RACE, 0);
    }
}

static void a_connection_that_dies_after_commit_costs_nothing(void **state) {
    (void)state;
    cut_at("lost_after", "COMMIT", PROXY_CUT_AFTER, 0);
}

/* The functions that ran once in a commit that happened must not run again: only its answer is
 * looked up. */
static void a_commit_that_happened_is_only_looked_up(void **state) {
    (void)state;
    struct proxy *proxy = open_proxy();
    char url[KIT_URL_SIZE];
    kit_url(proxy_dir(proxy), "lost_looked_up", url);
    struct kit_store kit;
    kit_open(url, &kit);
    proxy_arm(proxy, "COMMIT", PROXY_CUT_ANSWER, 0);
    struct kit_add add = {.n = 1};
    kit_write(&kit, &add);
    kit_turn(&kit);
    assert_int_equal(add.result.code, ERR_NONE);
    assert_int_equal(add.runs, 1);
    kit_close(&kit);
    proxy_close(proxy);
}

/* --- The server ends sessions by itself ------------------------------------------------------- */

static void sessions_that_the_server_ends_lose_nothing(void **state) {
    (void)state;
    static const char kill_all[] = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                   "WHERE application_name = 'drover'";
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "lost_ended", url);
    struct kit_store kit;
    kit_open(url, &kit);
    enum { ROUNDS = 25 };
    for (int i = 0; i < ROUNDS; i++) {
        assert_true(kit_look_int("lost_ended", kill_all) > 0);
        assert_int_equal(kit_add_one(&kit, i).code, ERR_NONE);
    }
    assert_int_equal(kit_look_int("lost_ended", "SELECT count(*) FROM tally"), ROUNDS);
    assert_int_equal(kit_look_int("lost_ended", "SELECT count(DISTINCT n) FROM tally"), ROUNDS);
    kit_close(&kit);
}

/* On a busy machine the server may need longer than our patience; then nothing has happened. */
static void add_until_the_server_is_back(struct kit_store *kit, int64_t n) {
    struct err err = kit_add_one(kit, n);
    if (err.code == ERR_STORE_DOWN) {
        kit_wait_for_server();
        err = kit_add_one(kit, n);
    }
    assert_int_equal(err.code, ERR_NONE);
}

/* A backend that is killed takes the whole server down, which then recovers from its log. */
static void a_server_that_crashes_and_recovers_loses_nothing(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "lost_crash", url);
    struct kit_store kit;
    kit_open(url, &kit);
    enum { CRASHES = 3 };
    for (int i = 0; i < CRASHES; i++) {
        assert_int_equal(kit_add_one(&kit, 2 * i).code, ERR_NONE);
        /* The writer's: after the end of another one, a write may still come through before the
         * server has noticed, and whoever asks the server next finds it recovering. */
        int64_t pid = kit_look_int("lost_crash", "SELECT max(pid) FROM pg_locks "
                                                 "WHERE locktype = 'advisory' AND granted");
        assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
        add_until_the_server_is_back(&kit, 2 * i + 1);
    }
    assert_int_equal(kit_look_int("lost_crash", "SELECT count(*) FROM tally"), 2 * CRASHES);
    assert_int_equal(kit_look_int("lost_crash", "SELECT count(DISTINCT n) FROM tally"),
                     2 * CRASHES);
    kit_close(&kit);
}

/* --- The server stays away -------------------------------------------------------------------- */

static void a_server_that_stays_away_is_an_error_and_service_resumes_with_it(void **state) {
    (void)state;
    struct proxy *proxy = open_proxy();
    char url[KIT_URL_SIZE];
    kit_url(proxy_dir(proxy), "lost_away", url);
    struct kit_store kit;
    kit_open(url, &kit);
    proxy_refuse(proxy, /* refuse */ true);
    proxy_arm(proxy, sql_query, PROXY_CUT_REQUEST, 0);
    assert_int_equal(kit_add_one(&kit, 1).code, ERR_STORE_DOWN);
    unsigned before = proxy_connections(proxy);
    assert_int_equal(kit_add_one(&kit, 2).code, ERR_STORE_DOWN);
    assert_int_equal(proxy_connections(proxy), before + 1); /* Nobody waits twice. */
    proxy_refuse(proxy, /* refuse */ false);
    assert_int_equal(kit_add_one(&kit, 3).code, ERR_NONE);
    assert_int_equal(kit_look_int("lost_away", "SELECT sum(n) FROM tally"), 3);
    kit_close(&kit);
    proxy_close(proxy);
}

/* By the driver alone, whose patience a test can shorten. */
static void a_commit_that_cannot_be_looked_up_is_unknown(void **state) {
    (void)state;
    struct proxy *proxy = open_proxy();
    char url[KIT_URL_SIZE];
    kit_url(proxy_dir(proxy), "lost_unknown", url);
    struct kit_store kit;
    kit_open(url, &kit);
    kit_close(&kit);
    const struct driver *driver = &driver_postgres;
    struct store_options options = {.where = url, .world = world_real()};
    struct database *database = NULL;
    struct conn *conn = NULL;
    int64_t epoch = 0, changed = 0;
    assert_int_equal(driver->open(&options, &database, NULL).code, ERR_NONE);
    CONTAINER_OF(database, struct pg_database, base)->patience.commit_ms = 50;
    assert_int_equal(driver->connect(database, CONN_WRITER, &conn, NULL).code, ERR_NONE);
    assert_int_equal(driver->raise_epoch(conn, &epoch).code, ERR_NONE);
    assert_int_equal(driver->begin(conn).code, ERR_NONE);
    struct arg n = arg_int(1);
    assert_int_equal(driver->exec(conn, sql_insert, &n, 1, &changed).code, ERR_NONE);
    assert_int_equal(changed, 1);
    proxy_refuse(proxy, /* refuse */ true);
    proxy_arm(proxy, "COMMIT", PROXY_CUT_ANSWER, 0);
    struct err err = ERR_OK;
    assert_int_equal(driver->commit(conn, &err), COMMIT_UNKNOWN);
    assert_int_equal(err.code, ERR_STORE_LOST);
    driver->disconnect(conn);
    driver->close(database);
    proxy_close(proxy);
}

/* A function that only writes sends BEGIN and COMMIT in one round. */
static void a_connection_that_died_idle_is_found_before_a_commit_is_sent(void **state) {
    (void)state;
    struct proxy *proxy = open_proxy();
    char url[KIT_URL_SIZE];
    kit_url(proxy_dir(proxy), "lost_idle", url);
    struct store_options options = {.where = url, .world = world_real()};
    struct kit_store kit;
    kit_open(url, &kit);
    kit_close(&kit);
    const struct driver *driver = &driver_postgres;
    struct database *database = NULL;
    struct conn *conn = NULL;
    int64_t epoch = 0;
    assert_int_equal(driver->open(&options, &database, NULL).code, ERR_NONE);
    struct pg_patience *patience = &CONTAINER_OF(database, struct pg_database, base)->patience;
    patience->begin_ms = patience->commit_ms = 50;
    assert_int_equal(driver->connect(database, CONN_WRITER, &conn, NULL).code, ERR_NONE);
    assert_int_equal(driver->raise_epoch(conn, &epoch).code, ERR_NONE);
    struct err err = ERR_OK;
    proxy_arm(proxy, "COMMIT", PROXY_CUT_AFTER, 0);
    assert_int_equal(driver->begin(conn).code, ERR_NONE);
    assert_int_equal(driver->commit(conn, &err), COMMIT_DONE);
    struct pollfd end = {.fd = pg_link_socket(pg_session_of(conn)->link), .events = POLLIN};
    assert_int_equal(poll(&end, 1, scaled_ms(10 * 1000)), 1);
    proxy_refuse(proxy, /* refuse */ true);
    assert_int_equal(driver->begin(conn).code, ERR_STORE_DOWN);
    proxy_refuse(proxy, /* refuse */ false);
    assert_int_equal(driver->begin(conn).code, ERR_NONE);
    assert_int_equal(driver->commit(conn, &err), COMMIT_DONE);
    driver->disconnect(conn);
    driver->close(database);
    proxy_close(proxy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_dies_at_begin_costs_nothing),
        cmocka_unit_test(a_connection_that_dies_at_the_fence_costs_nothing),
        cmocka_unit_test(a_connection_that_dies_in_the_first_function_costs_nothing),
        cmocka_unit_test(a_connection_that_dies_in_a_later_function_costs_nothing),
        cmocka_unit_test(a_commit_that_never_reached_the_server_is_run_again),
        cmocka_unit_test(a_commit_whose_answer_was_lost_is_not_run_again),
        cmocka_unit_test(a_commit_that_the_server_still_works_on_is_waited_for),
        cmocka_unit_test(a_connection_that_dies_after_commit_costs_nothing),
        cmocka_unit_test(a_commit_that_happened_is_only_looked_up),
        cmocka_unit_test(sessions_that_the_server_ends_lose_nothing),
        cmocka_unit_test(a_server_that_crashes_and_recovers_loses_nothing),
        cmocka_unit_test(a_server_that_stays_away_is_an_error_and_service_resumes_with_it),
        cmocka_unit_test(a_commit_that_cannot_be_looked_up_is_unknown),
        cmocka_unit_test(a_connection_that_died_idle_is_found_before_a_commit_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
