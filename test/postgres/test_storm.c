/* test_storm.c: many writers and readers on real threads, while the server keeps ending our
 * sessions.
 *
 * Each writer sends its next function when the last one was answered. What was answered with
 * success is there once, what was answered with an error is not there, and the rows of a writer
 * were committed in its order.
 */
/* runs-with: postgres, threads */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kit.h"
#include "loop/loop.h"

enum { WRITERS = 32, ROUNDS = 60, KILL_EVERY = 150 };

static const char schema[] = "storm";
static const char kill_all[] = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                               "WHERE application_name = 'drover'";

struct storm;
struct writer {
    struct storm *storm;
    int64_t number, round;
    int64_t seen; /* How many rows a read saw. */
};

struct storm {
    struct loop *loop;
    struct store *store;
    struct writer writers[WRITERS];
    unsigned busy, answers, kills;
    int64_t good, bad;
    struct err lost;
};

static struct err add(struct tx *tx, void *ctx) {
    const struct writer *writer = ctx;
    struct arg n = arg_int(writer->number * ROUNDS + writer->round);
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, "SELECT max(n) FROM tally", NULL, /* count */ 0, &rows);
    return err_failed(err) ? err : tx_exec(tx, "INSERT INTO tally (n) VALUES ($1)", &n, 1, NULL);
}

static struct err look(struct tx *tx, void *ctx) {
    struct writer *writer = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    struct err err = tx_query(tx, "SELECT count(*) FROM tally", NULL, /* count */ 0, &rows);
    if (!err_failed(err)) {
        err = rows_next(rows, &row);
    }
    writer->seen = !err_failed(err) && row ? rows_int(rows, 0) : -1;
    return err;
}

static void looked(struct err result, void *ctx);

static void added(struct err result, void *ctx) {
    struct writer *writer = ctx;
    struct storm *storm = writer->storm;
    storm->good += err_failed(result) ? 0 : 1;
    storm->bad += err_failed(result) ? 1 : 0;
    storm->answers++;
    if (storm->answers % KILL_EVERY == 0) {
        assert_true(kit_look_int(schema, kill_all) > 0);
        storm->kills++;
    }
    writer->round++;
    if (writer->round < ROUNDS) {
        store_write(storm->store, add, added, writer);
        return;
    }
    store_read(storm->store, look, looked, writer);
}

static void looked(struct err result, void *ctx) {
    struct writer *writer = ctx;
    struct storm *storm = writer->storm;
    assert_int_equal(result.code, ERR_NONE);
    assert_true(writer->seen >= ROUNDS / 2);
    storm->busy--;
    if (storm->busy == 0) {
        loop_stop(storm->loop);
    }
}

static void note_lost(void *ctx, struct err err) {
    struct storm *storm = ctx;
    storm->lost = err;
    loop_stop(storm->loop);
}

static void each_answered_function_is_there_once_whatever_ends_the_sessions(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), schema, url);
    struct kit_store kit;
    kit_open(url, &kit);
    kit_close(&kit);

    struct storm storm = {.busy = WRITERS};
    struct loop_options loop = {.world = world_real()};
    assert_int_equal(loop_open(&loop, &storm.loop).code, ERR_NONE);
    struct store_options options = {.where = url,
                                    .executor = STORE_THREAD,
                                    .loop = storm.loop,
                                    .world = world_real(),
                                    .lost = note_lost,
                                    .ctx = &storm};
    assert_int_equal(store_open(&options, &storm.store, NULL).code, ERR_NONE);
    for (int64_t i = 0; i < WRITERS; i++) {
        storm.writers[i] = (struct writer){.storm = &storm, .number = i};
        store_write(storm.store, add, added, &storm.writers[i]);
    }
    loop_run(storm.loop);
    assert_int_equal(storm.lost.code, ERR_NONE);
    assert_int_equal(storm.good + storm.bad, WRITERS * ROUNDS);
    assert_true(storm.kills >= WRITERS * ROUNDS / KILL_EVERY);
    assert_int_equal(kit_look_int(schema, "SELECT count(*) FROM tally"), storm.good);
    assert_int_equal(kit_look_int(schema, "SELECT count(DISTINCT n) FROM tally"), storm.good);
    /* A writer's rows were committed in the order in which it sent them. */
    assert_int_equal(
        kit_look_int(schema, "SELECT count(*) FROM (SELECT n, lag(n) OVER (PARTITION BY n / 60 "
                             "ORDER BY ctid) AS before FROM tally) t WHERE before > n"),
        0);
    print_message("%d answered, %d with an error, sessions ended %u times\n", (int)storm.good,
                  (int)storm.bad, storm.kills);
    store_close(storm.store);
    loop_close(storm.loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answered_function_is_there_once_whatever_ends_the_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
