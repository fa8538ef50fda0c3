/* What sessions are owed: bound to turns, settled by their ends. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

#include "engine/inbox/bind.h"

#define SPEC "{\"argv\":[\"true\"],\"notify\":[{\"session\":\"ses_1\"}]}"
static const struct inbox_receiver session = {
    .owner = BYTES_INIT("ann"), .address = BYTES_INIT("ses_1"), .kind = RECEIVER_SESSION};

/* --- What a test does ------------------------------------------------------------------------- */

static void owe(struct runs_kit *runs, int count) {
    for (int i = 0; i < count; i++) {
        struct run_new what = runs_new(runs);
        what.spec = BYTES(SPEC);
        (void)runs_finish(runs, runs_submit(runs, &what).run);
    }
}

struct taken {
    struct inbox_bind what;
    size_t count, seen;
    int64_t ids[INBOX_BATCH_MAX];
    char runs[INBOX_BATCH_MAX][ID_SIZE];
};

static struct err take_one(void *ctx, const struct inbox_row *row) {
    struct taken *taken = ctx;
    assert_true(taken->seen < INBOX_BATCH_MAX);
    assert_int_equal(row->state, INBOX_BOUND);
    assert_true(row->payload.len > 0);
    runs_copy_text(row->run, taken->runs[taken->seen], ID_SIZE);
    taken->ids[taken->seen++] = row->id;
    return ERR_OK;
}

static struct err bind_tx(struct tx *tx, void *ctx) {
    struct taken *taken = ctx;
    taken->seen = 0;
    return tx_inbox_bind(tx, &taken->what, take_one, taken, &taken->count);
}

/* A turn of the session, which runs; and what it takes. */
static struct runs_row turn_of(struct runs_kit *runs) {
    struct run_new what = runs_new(runs);
    what.kind = KIND_TURN;
    return runs_submit(runs, &what);
}

static struct taken take(struct runs_kit *runs, const struct runs_row *turn) {
    struct taken taken = {.what = {.session = session, .turn = kit_bytes(turn->run)}};
    assert_int_equal(runs_do(runs, bind_tx, &taken), ERR_NONE);
    assert_int_equal(taken.seen, taken.count);
    return taken;
}

struct turn_end {
    struct inbox_turn_end what;
};

static struct err end_tx(struct tx *tx, void *ctx) {
    return tx_inbox_settle_turn(tx, &((struct turn_end *)ctx)->what);
}

/* Its inbox part alone, for ends that no command has. */
static void end_as(struct runs_kit *runs, const struct runs_row *turn, enum run_state state,
                   enum run_cause cause) {
    struct turn_end end = {.what = {.turn = kit_bytes(turn->run), .state = state, .cause = cause}};
    assert_int_equal(runs_do(runs, end_tx, &end), ERR_NONE);
}

static void fail_one(struct runs_kit *runs) {
    struct runs_row turn = turn_of(runs);
    (void)take(runs, &turn);
    end_as(runs, &turn, RUN_FAILED, CAUSE_NOT_STARTED);
}

struct in_state {
    struct kit_call call;
    const char *state;
    int64_t count;
};

static struct err in_state_tx(struct tx *tx, void *ctx) {
    struct in_state *in = ctx;
    const struct arg args[] = {arg_text(kit_bytes(in->state))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT count(*) FROM inbox WHERE state = $1", args, 1, &rows);
    in->count = err_failed(err) ? -1 : rows_int(rows, 0);
    return err;
}

static int64_t in_state(struct runs_kit *runs, const char *state) {
    struct in_state in = {.state = state};
    kit_check(kit_read(&runs->kit, in_state_tx, &in.call));
    return in.count;
}

static unsigned offers(const struct runs_kit *runs, size_t from) {
    unsigned count = 0;
    for (size_t i = from; i < runs->count; i++) {
        struct inbox_receiver receiver;
        const struct runs_note *note = &runs->notes[i];
        count += note->kind == INBOX_NOTE &&
                 inbox_note_read((struct bytes){note->bytes, note->len}, &receiver) &&
                 receiver.kind == RECEIVER_SESSION;
    }
    return count;
}

/* --- Taking ----------------------------------------------------------------------------------- */

static void a_turn_takes_all_that_is_due_in_order_and_nobody_takes_it_twice(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 3);
    struct runs_row first = turn_of(runs), second = turn_of(runs);
    struct taken taken = take(runs, &first);
    assert_int_equal(taken.count, 3);
    assert_true(taken.ids[0] < taken.ids[1] && taken.ids[1] < taken.ids[2]);
    owe(runs, 1);
    assert_int_equal(take(runs, &second).count, 1);
    assert_int_equal(take(runs, &second).count, 0); /* Nothing more is due. */
    assert_int_equal(in_state(runs, "bound"), 4);
}

static void a_turn_that_is_begun_again_after_a_crash_has_the_same_rows(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 3);
    struct runs_row turn = turn_of(runs), other = turn_of(runs);
    struct taken before = take(runs, &turn);
    runs_restart(runs);
    owe(runs, 1);
    struct taken after = take(runs, &other);
    assert_int_equal(before.count, 3);
    assert_int_equal(after.count, 1);
    assert_true(after.ids[0] > before.ids[2]); /* The new one alone: the others stay bound. */
    assert_int_equal(in_state(runs, "bound"), 4);
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void the_commit_that_ends_a_turn_settles_what_it_took(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 2);
    struct runs_row turn = turn_of(runs);
    (void)take(runs, &turn);
    size_t told = runs->count;
    (void)runs_finish(runs, turn.run);
    assert_int_equal(in_state(runs, "acknowledged"), 2);
    assert_true(offers(runs, told) > 0);
    end_as(runs, &turn, RUN_FAILED, CAUSE_NOT_STARTED); /* Too late. */
    assert_int_equal(in_state(runs, "acknowledged"), 2);
}

struct stop {
    struct run_stop what;
    bool more;
};

static struct err stop_tx(struct tx *tx, void *ctx) {
    struct stop *stop = ctx;
    struct run_row row;
    return tx_run_stop(tx, &stop->what, &stop->more, &row);
}

static void a_turn_that_was_stopped_before_it_began_has_seen_them(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 2);
    runs->bounds.slots = 0; /* Held: it waits. */
    struct runs_row turn = turn_of(runs);
    assert_int_equal(turn.row.state, RUN_QUEUED);
    (void)take(runs, &turn);
    struct stop stop = {.what = {.key = {.run = kit_bytes(turn.run)},
                                 .cause = CAUSE_STOPPED,
                                 .bounds = runs->bounds}};
    assert_int_equal(runs_do(runs, stop_tx, &stop), ERR_NONE);
    assert_int_equal(in_state(runs, "acknowledged"), 2);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox WHERE cause = 'stopped'"), 2);
}

static void a_turn_that_was_taken_back_leaves_them_as_they_were(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 2);
    struct runs_row turn = turn_of(runs), next = turn_of(runs);
    (void)take(runs, &turn);
    end_as(runs, &turn, RUN_CANCELLED, CAUSE_ROLLED_BACK);
    assert_int_equal(runs_count(runs, "SELECT max(failures) FROM inbox"), 0);
    assert_int_equal(take(runs, &next).count, 2); /* At once. */
}

static struct err unhold_tx(struct tx *tx, void *ctx) {
    *(bool *)ctx = tx_inbox_unhold(tx, &session);
    return tx_error(tx);
}

struct order {
    struct inbox_key key;
    char delivery[ID_SIZE];
};

static struct err retry_tx(struct tx *tx, void *ctx) {
    struct order *order = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT delivery FROM inbox WHERE state = 'held' ORDER BY id",
                              NULL /* none */, 0, &rows);
    if (err_failed(err)) {
        return err;
    }
    runs_copy_text(rows_text(rows, 0), order->delivery, sizeof order->delivery);
    rows_close(rows);
    rows = NULL;
    struct inbox_row row;
    order->key = (struct inbox_key){.owner = BYTES("ann"), .delivery = kit_bytes(order->delivery)};
    return tx_inbox_order(tx, &order->key, INBOX_RETRY, &row);
}

static void what_no_retry_cures_is_held_with_its_cause_until_somebody_says_so(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 3);
    struct runs_row turn = turn_of(runs), next = turn_of(runs);
    (void)take(runs, &turn);
    end_as(runs, &turn, RUN_FAILED, CAUSE_BUDGET);
    assert_int_equal(in_state(runs, "held"), 3);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox WHERE cause = 'budget'"), 3);
    runs->kit.clock_ms += INT64_C(86400) * 1000;
    assert_int_equal(take(runs, &next).count, 0);
    struct order order;
    assert_int_equal(runs_do(runs, retry_tx, &order), ERR_NONE);
    assert_int_equal(take(runs, &next).count, 1);
    size_t told = runs->count;
    bool more = true;
    assert_int_equal(runs_do(runs, unhold_tx, &more), ERR_NONE);
    assert_false(more);
    assert_true(offers(runs, told) > 0);
    struct runs_row last = turn_of(runs);
    assert_int_equal(take(runs, &last).count, 2);
}

static void after_two_failures_of_a_batch_its_rows_go_one_by_one(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 3);
    for (int failures = 1; failures <= 2; failures++) {
        struct runs_row turn = turn_of(runs), early = turn_of(runs);
        assert_int_equal(take(runs, &turn).count, 3);
        end_as(runs, &turn, RUN_FAILED, CAUSE_NOT_STARTED);
        assert_int_equal(take(runs, &early).count, 0); /* Not before their time. */
        runs->kit.clock_ms += 10000;
    }
    owe(runs, 2); /* What is new still goes together. */
    size_t batches[4] = {0};
    for (size_t i = 0; i < COUNT_OF(batches); i++) {
        struct runs_row turn = turn_of(runs);
        batches[take(runs, &turn).count]++;
        (void)runs_finish(runs, turn.run);
    }
    assert_int_equal(batches[1], 3);
    assert_int_equal(batches[2], 1);
    assert_int_equal(in_state(runs, "acknowledged"), 5);
}

static void after_twenty_failures_a_row_is_stalled_and_still_taken_hourly(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 1);
    for (int failures = 1; failures <= 22; failures++) {
        fail_one(runs);
        assert_int_equal(in_state(runs, "stalled"), failures >= 20);
        assert_int_equal(runs_count(runs, "SELECT max(failures) FROM inbox"), failures);
        runs->kit.clock_ms += failures < 20 ? 400 * 1000 : 4600 * 1000;
    }
    struct runs_row turn = turn_of(runs);
    assert_int_equal(take(runs, &turn).count, 1);
    end_as(runs, &turn, RUN_CANCELLED, CAUSE_ROLLED_BACK);
    assert_int_equal(in_state(runs, "stalled"), 1); /* As it was. */
    runs->kit.clock_ms -= INT64_C(86400) * 1000;    /* A clock that goes back holds it no longer. */
    struct runs_row last = turn_of(runs);
    assert_int_equal(take(runs, &last).count, 1);
    (void)runs_finish(runs, last.run);
    assert_int_equal(in_state(runs, "acknowledged"), 1);
}

/* --- Without a turn --------------------------------------------------------------------------- */

static struct err gone_tx(struct tx *tx, void *ctx) {
    *(bool *)ctx = tx_inbox_receiver_gone(tx, &session);
    return tx_error(tx);
}

static void a_session_that_is_no_more_is_owed_nothing(void **state) {
    struct runs_kit *runs = *state;
    enum { COUNT = INBOX_SETTLE_PAGE + 20 };
    owe(runs, 2);
    struct runs_row turn = turn_of(runs);
    (void)take(runs, &turn);
    owe(runs, COUNT - 2);
    bool more = true;
    unsigned pages = 0;
    for (; more; pages++) {
        assert_int_equal(runs_do(runs, gone_tx, &more), ERR_NONE);
    }
    assert_int_equal(pages, 2);
    assert_int_equal(in_state(runs, "gone"), COUNT);
    (void)runs_finish(runs, turn.run); /* What it took is settled. */
    assert_int_equal(in_state(runs, "gone"), COUNT);
}

static struct err fetched_tx(struct tx *tx, void *ctx) {
    tx_inbox_settle_fetched(tx, &session, kit_bytes(ctx));
    return tx_error(tx);
}

static void a_result_that_the_model_fetched_is_not_told_again(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 3);
    struct runs_row turn = turn_of(runs), next = turn_of(runs);
    struct taken taken = take(runs, &turn);
    assert_int_equal(runs_do(runs, fetched_tx, taken.runs[1]), ERR_NONE);
    assert_int_equal(in_state(runs, "acknowledged"), 1);
    end_as(runs, &turn, RUN_CANCELLED, CAUSE_ROLLED_BACK);
    struct taken rest = take(runs, &next);
    assert_int_equal(rest.count, 2);
    assert_string_equal(rest.runs[0], taken.runs[0]);
    assert_string_equal(rest.runs[1], taken.runs[2]);
}

static struct err offer_tx(struct tx *tx, void *ctx) {
    (void)ctx; /* There is one session. */
    return tx_inbox_offer(tx, &session);
}

static void a_session_that_becomes_free_is_offered_what_is_left(void **state) {
    struct runs_kit *runs = *state;
    size_t told = runs->count;
    assert_int_equal(runs_do(runs, offer_tx, NULL), ERR_NONE);
    assert_int_equal(offers(runs, told), 1);
}

/* --- Whatever happens ------------------------------------------------------------------------- */

static uint32_t draw(uint64_t *random, uint32_t below) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)((*random >> 16) % below);
}

/* One turn at a time, as a session has them; ends of all kinds, restarts, a clock that jumps. */
static void in_the_end_each_row_was_taken_once(void **state) {
    struct runs_kit *runs = *state;
    static const struct {
        enum run_state state;
        enum run_cause cause;
    } ends[] = {{RUN_FAILED, CAUSE_NOT_STARTED},
                {RUN_TIMED_OUT, CAUSE_DEADLINE},
                {RUN_CANCELLED, CAUSE_ROLLED_BACK},
                {RUN_FAILED, CAUSE_CONTEXT_OVERFLOW},
                {RUN_SUCCEEDED, CAUSE_COMPLETED}};
    uint64_t random = 88172645463325252;
    bool more = false;
    for (int step = 0; step < 150; step++) {
        owe(runs, (int)draw(&random, 3));
        struct runs_row turn = turn_of(runs);
        struct taken taken = take(runs, &turn);
        assert_int_equal(in_state(runs, "bound"), taken.count);
        if (draw(&random, 40) == 0) {
            runs_restart(runs);
        }
        uint32_t end = draw(&random, COUNT_OF(ends));
        end_as(runs, &turn, ends[end].state, ends[end].cause);
        assert_int_equal(in_state(runs, "bound"), 0);
        runs->kit.clock_ms += draw(&random, 3) == 0 ? -(int64_t)draw(&random, 4000000)
                                                    : (int64_t)draw(&random, 4000000);
        if (draw(&random, 5) == 0) {
            assert_int_equal(runs_do(runs, unhold_tx, &more), ERR_NONE);
        }
    }
    assert_int_equal(runs_do(runs, unhold_tx, &more), ERR_NONE);
    runs->kit.clock_ms += INT64_C(10) * 86400 * 1000;
    struct taken taken = {.count = 1};
    for (int turns = 0; taken.count > 0; turns++) {
        assert_true(turns < 1000);
        struct runs_row turn = turn_of(runs);
        taken = take(runs, &turn);
        (void)runs_finish(runs, turn.run);
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox WHERE settled_ms IS NULL"), 0);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox WHERE state <> 'acknowledged'"),
                     0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_turn_takes_all_that_is_due_in_order_and_nobody_takes_it_twice),
        RUNS_TEST(a_turn_that_is_begun_again_after_a_crash_has_the_same_rows),
        RUNS_TEST(the_commit_that_ends_a_turn_settles_what_it_took),
        RUNS_TEST(a_turn_that_was_stopped_before_it_began_has_seen_them),
        RUNS_TEST(a_turn_that_was_taken_back_leaves_them_as_they_were),
        RUNS_TEST(what_no_retry_cures_is_held_with_its_cause_until_somebody_says_so),
        RUNS_TEST(after_two_failures_of_a_batch_its_rows_go_one_by_one),
        RUNS_TEST(after_twenty_failures_a_row_is_stalled_and_still_taken_hourly),
        RUNS_TEST(a_session_that_is_no_more_is_owed_nothing),
        RUNS_TEST(a_result_that_the_model_fetched_is_not_told_again),
        RUNS_TEST(a_session_that_becomes_free_is_offered_what_is_left),
        RUNS_TEST(in_the_end_each_row_was_taken_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
