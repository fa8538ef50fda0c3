/* test_schema.c: whose schema it is: the lock, the daemon that stands by, the one that was
 * replaced, and databases that cannot keep our promises.
 */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kit.h"
#include "proxy.h"

/* --- A second daemon -------------------------------------------------------------------------- */

static void a_second_daemon_on_the_same_schema_is_refused(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "busy", url);
    struct kit_store first, second;
    kit_open(url, &first);
    struct why why = {.text = ""};
    assert_int_equal(kit_try_open(url, &second, &why).code, ERR_BUSY);
    assert_non_null(strstr(why.text, "another daemon serves this schema, from this machine"));
    assert_int_equal(kit_add_one(&first, 1).code, ERR_NONE); /* The first one did not notice. */
    kit_close(&first);
    kit_open(url, &second);
    kit_close(&second);
}

static void daemons_on_two_schemas_of_one_database_do_not_meet(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    struct kit_store first, second;
    kit_url(kit_server_dir(), "apart_1", url);
    kit_open(url, &first);
    kit_url(kit_server_dir(), "apart_2", url);
    kit_open(url, &second);
    assert_int_equal(kit_add_one(&first, 1).code, ERR_NONE);
    assert_int_equal(kit_add_one(&second, 2).code, ERR_NONE);
    assert_int_equal(kit_look_int("apart_1", "SELECT sum(n) FROM tally"), 1);
    assert_int_equal(kit_look_int("apart_2", "SELECT sum(n) FROM tally"), 2);
    kit_close(&first);
    kit_close(&second);
}

struct standby {
    const char *url;
    struct kit_store kit;
    sem_t waiting;
    unsigned waits;
    struct err err;
};

static void tell_waiting(void *ctx) {
    struct standby *standby = ctx;
    standby->waits++;
    (void)sem_post(&standby->waiting);
}

static void ignore_lost(void *ctx, struct err err) {
    (void)ctx;
    (void)err;
}

static void *stand_by(void *ctx) {
    struct standby *standby = ctx;
    struct store_options options = {.where = standby->url,
                                    .executor = STORE_INLINE,
                                    .world = world_real(),
                                    .standby = true,
                                    .waiting = tell_waiting,
                                    .lost = ignore_lost,
                                    .waits = standby};
    standby->err = store_open(&options, &standby->kit.store, NULL);
    return NULL;
}

static pthread_t start_standby(struct standby *standby, const char *url) {
    *standby = (struct standby){.url = url};
    pthread_t thread;
    assert_int_equal(sem_init(&standby->waiting, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, stand_by, standby), 0);
    while (sem_wait(&standby->waiting) != 0) {
    }
    return thread;
}

static void a_daemon_that_stands_by_takes_over_when_the_first_one_ends(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "standby", url);
    struct kit_store first;
    kit_open(url, &first);
    int64_t epoch = store_epoch(first.store);
    struct standby standby;
    pthread_t thread = start_standby(&standby, url);
    assert_int_equal(kit_add_one(&first, 1).code, ERR_NONE); /* Waiting disturbs nobody. */
    kit_close(&first);
    pthread_join(thread, NULL);
    assert_int_equal(standby.err.code, ERR_NONE);
    assert_int_equal(standby.waits, 1);
    assert_int_equal(store_epoch(standby.kit.store), epoch + 1);
    assert_int_equal(kit_add_one(&standby.kit, 2).code, ERR_NONE);
    assert_int_equal(kit_look_int("standby", "SELECT sum(n) FROM tally"), 3);
    kit_close(&standby.kit);
}

static void a_daemon_that_stands_by_outlives_the_end_of_its_own_session(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "standby_cut", url);
    struct kit_store first;
    kit_open(url, &first);
    struct standby standby;
    pthread_t thread = start_standby(&standby, url);
    /* Ends the first one's sessions too, so either of them may serve afterwards, but not both. */
    int64_t ended =
        kit_look_int("standby_cut", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                    "WHERE application_name = 'drover'");
    assert_true(ended >= 2);
    struct err err = kit_add_one(&first, 1);
    kit_close(&first);
    pthread_join(thread, NULL);
    assert_int_equal(standby.err.code, ERR_NONE);
    assert_int_equal(kit_add_one(&standby.kit, 2).code, ERR_NONE);
    assert_int_equal(kit_look_int("standby_cut", "SELECT count(*) FROM tally"),
                     err_failed(err) ? 1 : 2);
    kit_close(&standby.kit);
}

/* --- Replaced --------------------------------------------------------------------------------- */

/* Another daemon has served the schema in the meantime: whatever we believed is out of date. */
static void write_when_replaced(const char *schema, bool blind, size_t count) {
    char url[KIT_URL_SIZE], unused[KIT_TEXT_SIZE];
    kit_url(kit_server_dir(), schema, url);
    struct kit_store kit;
    kit_open(url, &kit);
    kit_look(schema, "UPDATE nodes SET epoch = epoch + 1", unused);
    struct kit_add adds[3] = {{.n = 1, .blind = blind}, {.n = 2, .blind = blind}, {.n = 3}};
    for (size_t i = 0; i < count; i++) {
        kit_write(&kit, &adds[i]);
    }
    kit_turn(&kit);
    assert_int_equal(kit.lost.code, ERR_STORE_LOST);
    assert_int_equal(adds[0].dones + adds[1].dones + adds[2].dones, 0); /* Nobody is answered. */
    kit_close(&kit);
    assert_int_equal(kit_look_int(schema, "SELECT count(*) FROM tally"), 0);
}

static void a_daemon_that_was_replaced_writes_nothing_and_ends(void **state) {
    (void)state;
    write_when_replaced("replaced_1", /* blind */ false, 1);
    write_when_replaced("replaced_3", /* blind */ false, 3);
}

/* Nothing but COMMIT would wait for an answer here, so it must not travel with the fence. */
static void the_fence_holds_before_functions_that_only_write(void **state) {
    (void)state;
    write_when_replaced("replaced_blind_1", /* blind */ true, 1);
    write_when_replaced("replaced_blind_2", /* blind */ true, 2);
}

static void a_daemon_that_lost_its_lock_writes_nothing_while_another_serves(void **state) {
    (void)state;
    char socket[KIT_TEXT_SIZE], through[KIT_URL_SIZE], direct[KIT_URL_SIZE];
    (void)snprintf(socket, sizeof socket, "%s/.s.PGSQL.5432", kit_server_dir());
    struct proxy *proxy = proxy_open(socket);
    kit_url(proxy_dir(proxy), "overtaken", through);
    kit_url(kit_server_dir(), "overtaken", direct);
    struct kit_store first;
    kit_open(through, &first);
    struct standby standby;
    pthread_t thread = start_standby(&standby, direct);
    proxy_refuse(proxy, /* refuse */ true);
    proxy_arm(proxy, "SELECT count(*) FROM tally WHERE n = $1", PROXY_CUT_REQUEST, 0);
    assert_int_equal(kit_add_one(&first, 1).code, ERR_STORE_DOWN);
    pthread_join(thread, NULL); /* The second one has the lock now. */
    proxy_refuse(proxy, /* refuse */ false);
    assert_int_equal(first.lost.code, ERR_NONE);
    struct kit_add add = {.n = 2};
    kit_write(&first, &add);
    kit_turn(&first);
    assert_int_equal(first.lost.code, ERR_STORE_LOST); /* The epoch rose. */
    assert_int_equal(kit_add_one(&standby.kit, 3).code, ERR_NONE);
    kit_close(&standby.kit);
    kit_close(&first);
    assert_int_equal(kit_look_int("overtaken", "SELECT sum(n) FROM tally"), 3);
    proxy_close(proxy);
}

/* --- Databases that will not do --------------------------------------------------------------- */

static struct err try_database(const char *database, struct why *why) {
    char url[KIT_URL_SIZE];
    (void)snprintf(url, sizeof url, "postgres:///%s?user=drover&host=%s", database,
                   kit_server_dir());
    struct kit_store kit;
    struct err err = kit_try_open(url, &kit, why);
    if (!err_failed(err)) {
        kit_close(&kit);
    }
    return err;
}

static void a_database_that_does_not_sort_by_bytes_is_refused(void **state) {
    (void)state;
    char unused[KIT_TEXT_SIZE];
    kit_look("public",
             "CREATE DATABASE sorted TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' "
             "LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'",
             unused);
    struct why why = {.text = ""};
    assert_int_equal(try_database("sorted", &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "CREATE DATABASE name TEMPLATE template0"));
}

static void a_database_in_another_encoding_is_refused(void **state) {
    (void)state;
    char unused[KIT_TEXT_SIZE];
    kit_look("public", "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
             unused);
    struct why why = {.text = ""};
    assert_int_equal(try_database("latin", &why).code, ERR_CONFIG);
    assert_non_null(strstr(why.text, "LATIN1"));
}

static void a_database_that_does_not_exist_is_told_by_name(void **state) {
    (void)state;
    struct why why = {.text = ""};
    assert_true(err_failed(try_database("nowhere", &why)));
    assert_non_null(strstr(why.text, "nowhere"));
}

static void a_read_only_database_is_told_as_such(void **state) {
    (void)state;
    char unused[KIT_TEXT_SIZE];
    kit_look("public", "CREATE DATABASE readonly", unused);
    kit_look("public", "ALTER DATABASE readonly SET default_transaction_read_only = on", unused);
    struct why why = {.text = ""};
    assert_int_equal(try_database("readonly", &why).code, ERR_READ_ONLY);
}

static void a_server_that_is_not_there_is_told_as_down(void **state) {
    (void)state;
    struct kit_store kit;
    struct why why = {.text = ""};
    struct err err = kit_try_open("postgres:///drover?host=/nonexistent", &kit, &why);
    assert_int_equal(err.code, ERR_STORE_DOWN);
    assert_non_null(strstr(why.text, "/nonexistent"));
}

static void a_url_whose_tries_to_connect_would_last_is_refused(void **state) {
    (void)state;
    static const char *const refused[] = {"0", "-1", "31", "%200", "9999999999", "soon"};
    struct kit_store kit;
    struct store_check check;
    char url[KIT_URL_SIZE];
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        int len = snprintf(url, sizeof url,
                           "postgres:///drover?host=/nonexistent&connect_timeout=%s", refused[i]);
        assert_in_range(len, 1, KIT_URL_SIZE - 1);
        struct why why = {.text = ""};
        assert_int_equal(kit_try_open(url, &kit, &why).code, ERR_CONFIG);
        assert_non_null(strstr(why.text, "connect_timeout must be 1 to 30"));
        assert_int_equal(store_check(url, &check, &why).code, ERR_CONFIG);
    }
    kit_url(kit_server_dir(), "patient", url);
    (void)strncat(url, "&connect_timeout=30", sizeof url - strlen(url) - 1);
    kit_open(url, &kit);
    kit_close(&kit);
}

/* --- The schema ------------------------------------------------------------------------------- */

static void a_schema_is_made_under_the_name_that_the_url_gives(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "%22Odd-Name%22%2Cpublic", url);
    struct kit_store kit;
    kit_open(url, &kit);
    assert_int_equal(kit_add_one(&kit, 7).code, ERR_NONE);
    kit_close(&kit);
    assert_int_equal(kit_look_int("public", "SELECT sum(n) FROM \"Odd-Name\".tally"), 7);
}

static void without_a_name_the_tables_are_where_postgresql_would_put_them(void **state) {
    (void)state;
    char unused[KIT_TEXT_SIZE];
    kit_look("public", "CREATE DATABASE plain", unused);
    assert_int_equal(try_database("plain", NULL).code, ERR_NONE);
    assert_int_equal(try_database("plain", NULL).code, ERR_NONE); /* And found again. */
}

static void a_schema_that_is_newer_is_refused(void **state) {
    (void)state;
    char url[KIT_URL_SIZE], unused[KIT_TEXT_SIZE];
    kit_url(kit_server_dir(), "newer", url);
    struct kit_store kit;
    kit_open(url, &kit);
    kit_close(&kit);
    kit_look("newer", "UPDATE schema SET version = 1000", unused);
    struct why why = {.text = ""};
    assert_int_equal(kit_try_open(url, &kit, &why).code, ERR_NEWER_SCHEMA);
    assert_non_null(strstr(why.text, "1000"));
}

/* --- Whole databases -------------------------------------------------------------------------- */

static void backup_and_restore_name_the_tools_of_postgresql(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "whole", url);
    struct why why = {.text = ""};
    assert_int_equal(store_backup(url, "/nonexistent/file", &why).code, ERR_USAGE);
    assert_non_null(strstr(why.text, "pg_dump"));
    assert_int_equal(store_restore("/nonexistent/file", url, &why).code, ERR_USAGE);
    assert_non_null(strstr(why.text, "pg_restore"));
}

static void a_check_reads_a_live_schema_and_tells_its_figures(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "checked", url);
    struct kit_store kit;
    kit_open(url, &kit);
    assert_int_equal(kit_add_one(&kit, 1).code, ERR_NONE);
    struct store_check check;
    assert_int_equal(store_check(url, &check, NULL).code, ERR_NONE);
    assert_true(check.integrity_ok);
    assert_int_equal(check.epoch, store_epoch(kit.store));
    assert_int_equal(check.schema, check.schema_known);
    assert_non_null(strstr(check.detail, "tables read to the end"));
    kit_close(&kit);
}

static void a_check_tells_an_index_that_does_not_hold(void **state) {
    (void)state;
    char url[KIT_URL_SIZE], unused[KIT_TEXT_SIZE];
    kit_url(kit_server_dir(), "broken", url);
    struct kit_store kit;
    kit_open(url, &kit);
    kit_close(&kit);
    kit_look("broken",
             "UPDATE pg_index SET indisvalid = false "
             "WHERE indexrelid = 'events_stream_seq'::regclass",
             unused);
    struct store_check check;
    assert_int_equal(store_check(url, &check, NULL).code, ERR_NONE);
    assert_false(check.integrity_ok);
    assert_non_null(strstr(check.detail, "REINDEX"));
}

static void a_check_of_a_schema_that_is_not_there_says_so(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "absent", url);
    struct store_check check;
    struct why why = {.text = ""};
    assert_int_equal(store_check(url, &check, &why).code, ERR_NOT_FOUND);
    assert_non_null(strstr(why.text, "absent"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_daemon_on_the_same_schema_is_refused),
        cmocka_unit_test(daemons_on_two_schemas_of_one_database_do_not_meet),
        cmocka_unit_test(a_daemon_that_stands_by_takes_over_when_the_first_one_ends),
        cmocka_unit_test(a_daemon_that_stands_by_outlives_the_end_of_its_own_session),
        cmocka_unit_test(a_daemon_that_was_replaced_writes_nothing_and_ends),
        cmocka_unit_test(the_fence_holds_before_functions_that_only_write),
        cmocka_unit_test(a_daemon_that_lost_its_lock_writes_nothing_while_another_serves),
        cmocka_unit_test(a_database_that_does_not_sort_by_bytes_is_refused),
        cmocka_unit_test(a_database_in_another_encoding_is_refused),
        cmocka_unit_test(a_database_that_does_not_exist_is_told_by_name),
        cmocka_unit_test(a_read_only_database_is_told_as_such),
        cmocka_unit_test(a_server_that_is_not_there_is_told_as_down),
        cmocka_unit_test(a_url_whose_tries_to_connect_would_last_is_refused),
        cmocka_unit_test(a_schema_is_made_under_the_name_that_the_url_gives),
        cmocka_unit_test(without_a_name_the_tables_are_where_postgresql_would_put_them),
        cmocka_unit_test(a_schema_that_is_newer_is_refused),
        cmocka_unit_test(backup_and_restore_name_the_tools_of_postgresql),
        cmocka_unit_test(a_check_reads_a_live_schema_and_tells_its_figures),
        cmocka_unit_test(a_check_tells_an_index_that_does_not_hold),
        cmocka_unit_test(a_check_of_a_schema_that_is_not_there_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
