/* Retention, and the pruner that keeps it. */
/* runs-with: sqlite, postgres, threads */
#include "journal_kit.h"

#include "journal/pruner.h"
#include "loop/loop_uv.h"

static int open_kit(void **state) {
    *state = kit_new(STORE_INLINE, NULL);
    return 0;
}

static int close_kit(void **state) {
    kit_free(*state);
    return 0;
}

static const char count_events[] = "SELECT count(*) FROM events";

struct keep {
    struct kit_call call;
    const char *stream;
    struct retention retention;
    bool found;
};

static struct err keep_tx(struct tx *tx, void *ctx) {
    struct keep *keep = ctx;
    return tx_stream_keep(tx, BYTES("ann"), kit_bytes(keep->stream), keep->retention, &keep->found);
}

static void set_retention(struct kit *kit, const char *stream, struct retention retention) {
    struct keep keep = {.stream = stream, .retention = retention};
    kit_check(kit_write(kit, keep_tx, &keep.call));
    assert_true(keep.found);
}

static void retention_is_refused_where_it_makes_no_sense(void **state) {
    struct keep keep = {.stream = "none", .retention = {.events = 1}, .found = true};
    kit_check(kit_write(*state, keep_tx, &keep.call));
    assert_false(keep.found);
    keep.retention.ms = -1;
    assert_int_equal(kit_write(*state, keep_tx, &keep.call).code, ERR_BAD_FIELD);
}

struct prune_kept {
    struct kit_call call;
    int64_t stream;
    bool more;
};

static struct err prune_kept_tx(struct tx *tx, void *ctx) {
    struct prune_kept *prune = ctx;
    return tx_prune_kept(tx, prune->stream, &prune->more);
}

static void an_event_exactly_as_old_as_allowed_is_kept(void **state) {
    struct kit *kit = *state;
    kit->clock_ms = 1000000;
    kit_append(kit, "a", JOURNAL_PRUNE_MAX + 2);
    set_retention(kit, "a", (struct retention){.ms = 500});
    struct prune_kept prune = {.stream = kit_state(kit, "a").stream, .more = true};
    kit->clock_ms = 1000500;
    kit_check(kit_write(kit, prune_kept_tx, &prune.call));
    assert_false(prune.more);
    assert_int_equal(kit_state(kit, "a").floor, 0);
    kit->clock_ms = 1000501;
    kit_check(kit_write(kit, prune_kept_tx, &prune.call));
    assert_true(prune.more);
    assert_int_equal(kit_state(kit, "a").floor, JOURNAL_PRUNE_MAX);
    kit_check(kit_write(kit, prune_kept_tx, &prune.call));
    assert_false(prune.more);
    assert_int_equal(kit_state(kit, "a").floor, JOURNAL_PRUNE_MAX + 2);
    prune.stream = 999;
    kit_check(kit_write(kit, prune_kept_tx, &prune.call));
    assert_false(prune.more);
}

struct hold {
    struct kit_call call;
    const char *stream;
    enum stream_hold hold;
};

static struct err hold_tx(struct tx *tx, void *ctx) {
    struct hold *hold = ctx;
    const struct stream_name name = {.owner = BYTES("ann"), .name = kit_bytes(hold->stream)};
    return tx_stream_hold(tx, &name, hold->hold);
}

static void what_is_held_stays_until_it_is_released(void **state) {
    struct kit *kit = *state;
    struct hold hold = {.stream = "a", .hold = STREAM_HOLD};
    kit->clock_ms = 1000000;
    kit_append(kit, "a", 10);
    set_retention(kit, "a", (struct retention){.events = 3, .ms = 1});
    kit_check(kit_write(kit, hold_tx, &hold.call));
    kit_append(kit, "a", 10);
    kit->clock_ms += 1000000;
    struct prune_kept prune = {.stream = kit_state(kit, "a").stream, .more = true};
    kit_check(kit_write(kit, prune_kept_tx, &prune.call));
    assert_false(prune.more);
    assert_int_equal(kit_state(kit, "a").floor, 10);
    hold.hold = STREAM_RELEASE;
    kit_check(kit_write(kit, hold_tx, &hold.call));
    kit_check(kit_write(kit, prune_kept_tx, &prune.call));
    assert_int_equal(kit_state(kit, "a").floor, 20);
}

struct rounds {
    unsigned ended;
    uint64_t cuts;
    struct err err;
};

static void count_round(void *ctx, uint64_t cuts) {
    struct rounds *rounds = ctx;
    rounds->ended++;
    rounds->cuts += cuts;
}

static void keep_error(void *ctx, struct err err) {
    struct rounds *rounds = ctx;
    rounds->err = err;
}

/* Timers are real here; a millisecond is awaited by turning the loop, never by sleeping. */
static void wait_for_round(struct kit *kit, struct rounds *rounds) {
    for (unsigned ended = rounds->ended; rounds->ended == ended;) {
        (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
        kit_store(kit);
    }
}

static struct pruner *start_pruner(struct kit *kit, struct rounds *rounds) {
    return pruner_start(&(struct pruner_options){.loop = kit->loop,
                                                 .store = kit->store,
                                                 .every_ms = 1,
                                                 .rounded = count_round,
                                                 .failed = keep_error,
                                                 .ctx = rounds});
}

static void the_pruner_keeps_the_latest_events_by_count(void **state) {
    struct kit *kit = *state;
    kit_append(kit, "a", 1000);
    kit_append(kit, "b", 50);
    kit_append(kit, "c", 20);
    set_retention(kit, "a", (struct retention){.events = 10});
    set_retention(kit, "c", (struct retention){.events = 20});
    struct rounds rounds = {0};
    struct pruner *pruner = start_pruner(kit, &rounds);
    wait_for_round(kit, &rounds);
    assert_int_equal(kit_state(kit, "a").floor, 990);
    assert_int_equal(kit_state(kit, "b").floor, 0);
    assert_int_equal(kit_state(kit, "c").floor, 0);
    assert_int_equal(kit_count(kit, count_events), 10 + 50 + 20);
    assert_int_equal(rounds.cuts, 4); /* 990 events by 256 at most; nothing for the others. */
    wait_for_round(kit, &rounds);
    assert_int_equal(rounds.cuts, 4); /* A round with nothing to do writes nothing. */
    pruner_stop(pruner);
}

static void the_pruner_keeps_what_is_young_enough(void **state) {
    struct kit *kit = *state;
    kit->clock_ms = 1000000;
    kit_append(kit, "a", 600);
    kit->clock_ms = 1005000;
    kit_append(kit, "a", 7);
    set_retention(kit, "a", (struct retention){.ms = 4000});
    struct rounds rounds = {0};
    struct pruner *pruner = start_pruner(kit, &rounds);
    kit->clock_ms = 1004000;
    wait_for_round(kit, &rounds);
    assert_int_equal(kit_state(kit, "a").floor, 0); /* Exactly as old as allowed. */
    kit->clock_ms = 1004001;
    wait_for_round(kit, &rounds);
    wait_for_round(kit, &rounds); /* One may have been on its way when the clock moved. */
    assert_int_equal(kit_state(kit, "a").floor, 600);
    kit->clock_ms = 2000000;
    wait_for_round(kit, &rounds);
    wait_for_round(kit, &rounds);
    assert_int_equal(kit_state(kit, "a").floor, 607);
    set_retention(kit, "a", (struct retention){0});
    kit_append(kit, "a", 1);
    kit->clock_ms = 9000000;
    wait_for_round(kit, &rounds);
    wait_for_round(kit, &rounds);
    assert_int_equal(kit_state(kit, "a").floor, 607); /* Kept for ever again. */
    pruner_stop(pruner);
}

static void the_pruner_walks_all_streams_that_have_a_retention(void **state) {
    struct kit *kit = *state;
    for (int i = 0; i < 150; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "s%d", i);
        kit_append(kit, name, 3);
        set_retention(kit, name, (struct retention){.events = 1});
    }
    struct rounds rounds = {0};
    struct pruner *pruner = start_pruner(kit, &rounds);
    wait_for_round(kit, &rounds);
    assert_int_equal(kit_count(kit, count_events), 150);
    assert_int_equal(rounds.cuts, 150);
    pruner_stop(pruner);
}

/* Else every round would write for each session that has a turn. */
static void the_pruner_passes_over_what_is_held(void **state) {
    struct kit *kit = *state;
    struct hold hold = {.stream = "a", .hold = STREAM_HOLD};
    kit_append(kit, "a", 5);
    set_retention(kit, "a", (struct retention){.events = 1});
    kit_check(kit_write(kit, hold_tx, &hold.call));
    kit_append(kit, "a", 5);
    struct rounds rounds = {0};
    struct pruner *pruner = start_pruner(kit, &rounds);
    wait_for_round(kit, &rounds);
    assert_int_equal(rounds.cuts, 1);
    assert_int_equal(kit_state(kit, "a").floor, 5);
    wait_for_round(kit, &rounds);
    assert_int_equal(rounds.cuts, 1);
    pruner_stop(pruner);
}

static void a_pruner_that_is_stopped_at_work_ends_by_itself(void **state) {
    struct kit *kit = *state;
    for (int i = 0; i < 10; i++) {
        kit_append(kit, "a", 500);
    }
    set_retention(kit, "a", (struct retention){.events = 1});
    struct rounds rounds = {0};
    for (int steps = 0; steps < 4; steps++) {
        struct pruner *pruner = start_pruner(kit, &rounds);
        uint64_t reads = 0;
        while (reads == 0) {
            kit_loop(kit);
            struct store_stats stats;
            store_get_stats(kit->store, &stats);
            reads = stats.queued;
        }
        for (int i = 0; i < steps; i++) {
            (void)store_turn(kit->store);
        }
        pruner_stop(pruner);
        kit_store(kit);
        assert_int_equal(rounds.ended, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, open_kit, close_kit)
        KIT_TEST(retention_is_refused_where_it_makes_no_sense),
        KIT_TEST(an_event_exactly_as_old_as_allowed_is_kept),
        KIT_TEST(what_is_held_stays_until_it_is_released),
        KIT_TEST(the_pruner_passes_over_what_is_held),
        KIT_TEST(the_pruner_keeps_the_latest_events_by_count),
        KIT_TEST(the_pruner_keeps_what_is_young_enough),
        KIT_TEST(the_pruner_walks_all_streams_that_have_a_retention),
        KIT_TEST(a_pruner_that_is_stopped_at_work_ends_by_itself),
#undef KIT_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
