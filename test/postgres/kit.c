#include "kit.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/scale.h"
#include "base/number.h"
#include "store/postgres/libpq.h"

/* --- Where ------------------------------------------------------------------------------------ */

const char *kit_server_dir(void) {
    const char *dir = getenv("DROVER_TEST_POSTGRES_DIR");
    if (dir == NULL) {
        fail_msg("no server: run this by test/postgres/with-server");
    }
    return dir;
}

void kit_url(const char *dir, const char *schema, char ret_url[KIT_URL_SIZE]) {
    int len =
        snprintf(ret_url, KIT_URL_SIZE,
                 "postgres:///drover?user=drover&host=%s&options=-csearch_path%%3D%s", dir, schema);
    assert_in_range(len, 1, KIT_URL_SIZE - 1);
}

/* --- Stores ----------------------------------------------------------------------------------- */

static void count_wait(void *ctx) {
    ((struct kit_store *)ctx)->waits++;
}

static void note_lost(void *ctx, struct err err) {
    ((struct kit_store *)ctx)->lost = err;
}

struct err kit_try_open(const char *url, struct kit_store *kit, struct why *why) {
    *kit = (struct kit_store){.store = NULL};
    struct store_options options = {.where = url,
                                    .executor = STORE_INLINE,
                                    .world = world_real(),
                                    .waiting = count_wait,
                                    .lost = note_lost,
                                    .ctx = kit,
                                    .waits = kit};
    return store_open(&options, &kit->store, why);
}

static struct err make_tally(struct tx *tx, void *ctx) {
    (void)ctx;
    return tx_exec(tx, "CREATE TABLE IF NOT EXISTS tally (n BIGINT NOT NULL CHECK (n >= 0))", NULL,
                   /* count */ 0, NULL);
}

static void note_result(struct err result, void *ctx) {
    *(struct err *)ctx = result;
}

void kit_open(const char *url, struct kit_store *kit) {
    struct why why = {.text = ""};
    struct err err = kit_try_open(url, kit, &why);
    if (err_failed(err)) {
        fail_msg("%s: %s: %s", err_name(err.code), err.step, why.text);
    }
    struct err result = err_make(ERR_INTERNAL, "not answered");
    store_write(kit->store, make_tally, note_result, &result);
    kit_turn(kit);
    assert_int_equal(result.code, ERR_NONE);
}

void kit_close(struct kit_store *kit) {
    store_close(kit->store);
    kit->store = NULL;
}

/* --- Functions -------------------------------------------------------------------------------- */

static struct err raise_state(struct tx *tx, const char *sqlstate) {
    static const char full[] = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$";
    static const char read_only[] = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '25006'; END $$";
    int64_t changed = 0;
    return tx_exec(tx, strcmp(sqlstate, "53100") == 0 ? full : read_only, NULL, /* count */ 0,
                   &changed);
}

static struct err add_row(struct tx *tx, void *ctx) {
    struct kit_add *add = ctx;
    add->runs++; /* Only a test may look at how often it ran. */
    struct arg n = arg_int(add->clash ? -1 : add->n);
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = ERR_OK;
    if (!add->blind) {
        err = tx_query(tx, "SELECT count(*) FROM tally WHERE n = $1", &n, 1, &rows);
    }
    if (!err_failed(err)) {
        err = tx_exec(tx, "INSERT INTO tally (n) VALUES ($1)", &n, 1, NULL);
    }
    if (!err_failed(err) && add->raise != NULL) {
        err = raise_state(tx, add->raise);
    }
    return !err_failed(err) && add->fail ? err_make(ERR_CONFLICT, "test: refused") : err;
}

static void added(struct err result, void *ctx) {
    struct kit_add *add = ctx;
    add->result = result;
    add->dones++;
}

void kit_write(struct kit_store *kit, struct kit_add *add) {
    store_write(kit->store, add_row, added, add);
}

void kit_turn(struct kit_store *kit) {
    while (store_turn(kit->store)) {
    }
}

struct err kit_add_one(struct kit_store *kit, int64_t n) {
    struct kit_add add = {.n = n, .result = err_make(ERR_INTERNAL, "not answered")};
    kit_write(kit, &add);
    kit_turn(kit);
    return add.result;
}

/* --- From outside ----------------------------------------------------------------------------- */

void kit_look(const char *schema, const char *sql, char ret_text[KIT_TEXT_SIZE]) {
    struct libpq pq;
    assert_int_equal(libpq_open(&pq, NULL).code, ERR_NONE);
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), schema, url);
    const char *const words[] = {"dbname", "application_name", NULL};
    const char *const values[] = {url, "onlooker", NULL};
    PGconn *conn = pq.PQconnectdbParams(words, values, /* expand_dbname */ 1);
    (void)pq.PQsendQuery(conn, sql); /* The result tells of a failure as well. */
    PGresult *result = pq.PQgetResult(conn);
    ExecStatusType status = pq.PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        fail_msg("%s: %s", sql, pq.PQerrorMessage(conn));
    }
    bool has = pq.PQntuples(result) > 0;
    (void)snprintf(ret_text, KIT_TEXT_SIZE, "%s", has ? pq.PQgetvalue(result, 0, 0) : "");
    pq.PQclear(result);
    pq.PQfinish(conn);
    libpq_close(&pq);
}

void kit_wait_for_server(void) {
    enum { WAIT_MS = 60 * 1000, PAUSE_MS = 100 };
    struct libpq pq;
    assert_int_equal(libpq_open(&pq, NULL).code, ERR_NONE);
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "public", url);
    const char *const words[] = {"dbname", NULL};
    const char *const values[] = {url, NULL};
    bool answers = false;
    for (int waited = 0; waited < scaled_ms(WAIT_MS) && !answers; waited += PAUSE_MS) {
        PGconn *conn = pq.PQconnectdbParams(words, values, /* expand_dbname */ 1);
        answers = pq.PQstatus(conn) == CONNECTION_OK;
        pq.PQfinish(conn);
        (void)poll(NULL, 0, answers ? 0 : PAUSE_MS);
    }
    libpq_close(&pq);
    assert_true(answers);
}

int64_t kit_look_int(const char *schema, const char *sql) {
    char text[KIT_TEXT_SIZE];
    int64_t number = 0;
    kit_look(schema, sql, text);
    assert_true(number_parse((struct bytes){text, strlen(text)},
                             (struct number_bounds){INT64_MIN, INT64_MAX}, &number));
    return number;
}
