/* What models say, stored while they say it. */
#include "dispatch/deltas.h"

#include "journal_kit.h"
#include "loop/loop_uv.h"

enum { PIECES = 600, TRANSACTION_MAX = 250 };

static int open_kit(void **state) {
    *state = kit_new(STORE_INLINE, NULL);
    return 0;
}

static int close_kit(void **state) {
    kit_free(*state);
    return 0;
}

static const struct delta_place place = {.owner = BYTES_INIT("ann"),
                                         .stream = BYTES_INIT("session:s"),
                                         .run = BYTES_INIT("run_1"),
                                         .message = BYTES_INIT("msg_1"),
                                         .step = 1};

struct flow {
    struct delta_source source;
    bool flushed;
};

static void on_flushed(struct delta_source *source) {
    CONTAINER_OF(source, struct flow, source)->flushed = true;
}

/* Channels take turns, so that no two pieces become one event. */
static void add_pieces(struct flow *flow) {
    for (int i = 0; i < PIECES; i++) {
        char piece[16];
        int len = snprintf(piece, sizeof piece, "<%d>", i);
        deltas_add(&flow->source, i % 2 == 0 ? DELTA_TEXT : DELTA_THINKING,
                   (struct bytes){piece, (size_t)len});
    }
}

/* Every event holds the piece of its number. */
static struct err check_order_tx(struct tx *tx, void *ctx) {
    (void)ctx; /* Only its result is of use. */
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, "SELECT data FROM events ORDER BY seq", NULL, 0, &rows);
    bool row = false;
    for (int i = 0; i < PIECES && !err_failed(err); i++) {
        char piece[16];
        err = rows_next(rows, &row);
        int len = snprintf(piece, sizeof piece, "<%d>", i);
        if (!err_failed(err)) {
            assert_true(row);
            struct bytes data = rows_text(rows, 0);
            assert_non_null(memmem(data.data, data.len, piece, (size_t)len));
        }
    }
    return err;
}

static void no_transaction_takes_more_than_it_may(void **state) {
    struct kit *kit = *state;
    struct deltas *deltas =
        deltas_open(&(struct deltas_options){.loop = kit->loop, .store = kit->store});
    struct kit_count events = {.sql = "SELECT count(*) FROM events"};
    struct flow flow = {.flushed = false};
    struct deltas_stats stats;
    int64_t before = 0;
    deltas_begin(deltas, &flow.source, &place);
    add_pieces(&flow);
    deltas_flush(&flow.source, on_flushed);
    while (!flow.flushed) {
        kit_check(kit_read(kit, kit_count_tx, &events.call));
        assert_in_range(events.count - before, 0, TRANSACTION_MAX);
        before = events.count;
        (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
    }
    assert_int_equal(events.count, PIECES);
    struct kit_call order;
    kit_check(kit_read(kit, check_order_tx, &order));
    deltas_get_stats(deltas, &stats);
    assert_int_equal(stats.commits, (PIECES + TRANSACTION_MAX - 1) / TRANSACTION_MAX);
    deltas_drop(&flow.source);
    deltas_stop(deltas);
    deltas_close(deltas);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_transaction_takes_more_than_it_may, open_kit, close_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
