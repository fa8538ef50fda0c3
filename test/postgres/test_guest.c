/* A store beside that of the daemon that leads, and one that is opened while a loop runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "kit.h"
#include "loop/loop.h"
#include "store/opening.h"

static void open_guest(const char *url, struct kit_store *kit) {
    *kit = (struct kit_store){.store = NULL};
    struct store_options options = {
        .where = url, .executor = STORE_INLINE, .world = world_real(), .guest = true, .ctx = kit};
    assert_int_equal(store_open(&options, &kit->store, NULL).code, ERR_NONE);
}

struct look {
    int64_t sum;
    struct err result;
};

static struct err look_tx(struct tx *tx, void *ctx) {
    struct look *look = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err =
        tx_first(tx, "SELECT COALESCE(sum(n), 0)::bigint FROM tally", NULL, /* count */ 0, &rows);
    look->sum = err_failed(err) ? -1 : rows_int(rows, 0);
    return err;
}

static void look_done(struct err result, void *ctx) {
    ((struct look *)ctx)->result = result;
}

static struct look look_at(struct kit_store *kit) {
    struct look look = {.sum = -1};
    store_read(kit->store, look_tx, look_done, &look);
    kit_turn(kit);
    return look;
}

static void a_guest_reads_and_writes_beside_the_leader(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "guest", url);
    struct kit_store leader, guest;
    kit_open(url, &leader);
    int64_t epoch = store_epoch(leader.store);
    open_guest(url, &guest);
    assert_int_equal(kit_add_one(&leader, 1).code, ERR_NONE);
    assert_int_equal(kit_add_one(&guest, 2).code, ERR_NONE);
    assert_int_equal(kit_add_one(&leader, 3).code, ERR_NONE); /* Its fence still stands. */
    assert_int_equal(look_at(&guest).sum, 6);
    assert_int_equal(kit_look_int("guest", "SELECT epoch FROM nodes"), epoch);
    /* It outlives its session. */
    kit_look_int("guest", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                          "WHERE application_name = 'drover'");
    assert_int_equal(look_at(&guest).result.code, ERR_NONE);
    kit_close(&guest);
    kit_close(&leader);
}

static void a_guest_waits_for_a_schema_of_its_version(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "guest_version", url);
    struct kit_store leader, guest;
    open_guest(url, &guest);
    assert_true(store_error_passes(look_at(&guest).result)); /* There is no schema yet. */
    kit_open(url, &leader);
    assert_int_equal(kit_add_one(&leader, 1).code, ERR_NONE);
    kit_look("guest_version", "UPDATE schema SET version = version + 1 RETURNING 1",
             (char[KIT_TEXT_SIZE]){""});
    assert_int_equal(look_at(&guest).result.code, ERR_BUSY);
    assert_int_equal(kit_add_one(&guest, 2).code, ERR_BUSY);
    kit_look("guest_version", "UPDATE schema SET version = version - 1 RETURNING 1",
             (char[KIT_TEXT_SIZE]){""});
    assert_int_equal(kit_add_one(&guest, 2).code, ERR_NONE);
    assert_int_equal(look_at(&guest).sum, 3);
    kit_close(&guest);
    kit_close(&leader);
}

/* --- An opening ------------------------------------------------------------------------------- */

struct opened {
    struct loop *loop;
    struct store_opening *opening;
    struct kit_store *first; /* Closed when the opening waits; NULL: it is cancelled then. */
    struct store *store;
    struct err err;
    unsigned waits, stalls, opens;
};

static void on_waiting(void *ctx) {
    struct opened *opened = ctx;
    opened->waits++;
    if (opened->first != NULL) {
        kit_close(opened->first);
    } else {
        store_opening_cancel(opened->opening);
    }
}

static void on_stalled(void *ctx, bool ended) {
    assert_true(ended);
    ((struct opened *)ctx)->stalls++;
}

static void on_opened(void *ctx, struct err err, struct store *store, const struct why *why) {
    (void)why;
    struct opened *opened = ctx;
    opened->opens++;
    opened->err = err;
    opened->store = store;
    loop_stop(opened->loop);
}

static void run_opening(const char *url, struct opened *opened) {
    const struct loop_options of_loop = {.world = world_real()};
    assert_int_equal(loop_open(&of_loop, &opened->loop).code, ERR_NONE);
    const struct store_options of_store = {
        .where = url, .executor = STORE_INLINE, .world = world_real(), .standby = true};
    const struct store_opening_options options = {.loop = opened->loop,
                                                  .store = &of_store,
                                                  .waiting = on_waiting,
                                                  .stalled = on_stalled,
                                                  .opened = on_opened,
                                                  .ctx = opened};
    assert_int_equal(store_opening_start(&options, &opened->opening).code, ERR_NONE);
    loop_run(opened->loop);
    loop_close(opened->loop);
    assert_int_equal(opened->opens, 1);
}

static void a_store_opens_when_the_one_before_it_ends(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "opening", url);
    struct kit_store first;
    kit_open(url, &first);
    struct opened opened = {.first = &first};
    run_opening(url, &opened);
    assert_int_equal(opened.err.code, ERR_NONE);
    assert_int_equal(opened.waits, 1);
    store_close(opened.store);
}

static void an_opening_that_waits_can_be_cancelled(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), "opening_cancelled", url);
    struct kit_store first;
    kit_open(url, &first);
    struct opened opened = {.first = NULL};
    run_opening(url, &opened);
    assert_int_equal(opened.err.code, ERR_INTERRUPTED);
    assert_null(opened.store);
    assert_int_equal(kit_add_one(&first, 1).code, ERR_NONE);
    kit_close(&first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_reads_and_writes_beside_the_leader),
        cmocka_unit_test(a_guest_waits_for_a_schema_of_its_version),
        cmocka_unit_test(a_store_opens_when_the_one_before_it_ends),
        cmocka_unit_test(an_opening_that_waits_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
