/* The text that models send, stored while they send it. */
#include "dispatch/turn/deltas.h"
#include "engine/system/session_delete.h"

#include "loop/loop_uv.h"
#include "turns_kit.h"

enum { PIECES = 600, TRANSACTION_MAX = 250, SESSIONS = 2 };

/* A session with a turn that speaks. */
struct speaker {
    struct delta_source source;
    struct delta_place place;
    char session[ID_SIZE], stream[ID_SIZE + 8];
    struct turns_say say;
    bool flushed;
};

struct bench {
    struct turns_kit *kit;
    struct loop *loop;
    struct deltas *deltas;
    struct speaker speakers[SESSIONS];
    unsigned failures;
};

/* The stream whose appends are refused; "": none. */
static char refused[ID_SIZE + 8];
/* Number of appends of the store function that runs, and of functions before it. */
static struct {
    const struct deltas *deltas;
    uint64_t commits;
    unsigned appends;
} running;

/* Nobody waits for the clock: what is due later is due now. */
void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    (void)after_ms;
    __real_timer_start(loop, timer, 0, fire);
}

struct err __real_tx_append(struct tx *tx, const struct append *append, struct appended *appended);
struct err __wrap_tx_append(struct tx *tx, const struct append *append, struct appended *appended);

struct err __wrap_tx_append(struct tx *tx, const struct append *append, struct appended *appended) {
    bool refuse = append->stream.len == strlen(refused) &&
                  memcmp(append->stream.data, refused, append->stream.len) == 0;
    struct deltas_stats stats = {.commits = 0};
    if (running.deltas != NULL) {
        deltas_get_stats(running.deltas, &stats);
    }
    running.appends = stats.commits == running.commits ? running.appends + 1 : 1;
    running.commits = stats.commits;
    assert_in_range(running.appends, 0, TRANSACTION_MAX);
    return refuse ? err_make(ERR_INTERNAL, "test: append") : __real_tx_append(tx, append, appended);
}

static void on_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    struct bench *bench = ctx;
    (void)what;
    assert_true(run.len > 0);

    assert_true(err_failed(err));
    bench->failures++;
}

static void speaker_begin(struct bench *bench, struct speaker *speaker) {
    struct turns_kit *kit = bench->kit;
    struct turns_create create = {.what = {.session = turns_id(kit->runs, "ses"),
                                           .owner = BYTES("ann"),
                                           .parent = BYTES("")}};
    assert_int_equal(runs_do(kit->runs, turns_create_tx, &create), ERR_NONE);
    memcpy(speaker->session, create.session, sizeof speaker->session);
    (void)snprintf(speaker->stream, sizeof speaker->stream, "session:%s", speaker->session);
    speaker->say = turns_saying(kit, "go");
    speaker->say.what.session.session = kit_bytes(speaker->session);
    assert_int_equal(runs_do(kit->runs, turns_say_tx, &speaker->say), ERR_NONE);
    speaker->place = (struct delta_place){.owner = BYTES("ann"),
                                          .stream = kit_bytes(speaker->stream),
                                          .run = kit_bytes(speaker->say.run),
                                          .message = kit_bytes(speaker->say.what.answer.text),
                                          .step = 1};
    deltas_begin(bench->deltas, &speaker->source, &speaker->place);
}

static int open_bench(void **state) {
    (void)turns_begin(state);
    struct bench *bench = mem_new(sizeof *bench);
    bench->kit = *state;
    running.deltas = NULL;
    refused[0] = '\0';
    kit_check(
        loop_open(&(struct loop_options){.world = &bench->kit->runs->kit.world}, &bench->loop));
    bench->deltas = deltas_open(&(struct asker){.loop = bench->loop,
                                                .store = bench->kit->runs->kit.store,
                                                .pause_ms = 100,
                                                .pause_max_ms = 5000,
                                                .ctx = bench,
                                                .failed = on_failed});
    for (size_t i = 0; i < SESSIONS; i++) {
        speaker_begin(bench, &bench->speakers[i]);
    }
    *state = bench;
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    void *kit = bench->kit;
    deltas_stop(bench->deltas);
    kit_store(&bench->kit->runs->kit);
    for (size_t i = 0; i < SESSIONS; i++) {
        deltas_drop(&bench->speakers[i].source);
    }
    deltas_close(bench->deltas);
    loop_close(bench->loop);
    mem_free(bench);
    return turns_end(&kit);
}

static void on_flushed(struct delta_source *source) {
    CONTAINER_OF(source, struct speaker, source)->flushed = true;
}

static void speak(struct speaker *speaker, const char *text) {
    deltas_add(&speaker->source, DELTA_TEXT, kit_bytes(text));
}

struct counting {
    struct kit_call call;
    struct bytes stream;
    int64_t count;
};

static struct err count_tx(struct tx *tx, void *ctx) {
    static const char sql[] = "SELECT count(*) FROM events e JOIN streams s ON s.id = e.stream"
                              " WHERE s.name = $1 AND e.type IN ('delta', 'thinking_delta')";
    struct counting *counting = ctx;
    const struct arg args[] = {arg_text(counting->stream)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    counting->count = err_failed(err) || rows == NULL ? -1 : rows_int(rows, 0);
    return err;
}

static int64_t events_of(struct bench *bench, const struct speaker *speaker) {
    struct counting counting = {.stream = kit_bytes(speaker->stream)};
    kit_check(kit_read(&bench->kit->runs->kit, count_tx, &counting.call));
    return counting.count;
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* Channels take turns, so that no two pieces become one event. */
static void add_pieces(struct speaker *speaker) {
    for (int i = 0; i < PIECES; i++) {
        char piece[16];
        int len = snprintf(piece, sizeof piece, "<%d>", i);
        deltas_add(&speaker->source, i % 2 == 0 ? DELTA_TEXT : DELTA_THINKING,
                   (struct bytes){piece, (size_t)len});
    }
}

struct order {
    struct kit_call call;
    const char *sql;
};

/* Every event holds the piece of its number. */
static struct err check_order_tx(struct tx *tx, void *ctx) {
    const struct order *order = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, order->sql, NULL, 0, &rows);
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

static void no_store_function_takes_more_events_than_it_may(void **state) {
    struct bench *bench = *state;
    struct speaker *speaker = &bench->speakers[0];
    struct deltas_stats stats;
    running.deltas = bench->deltas;
    running.appends = 0;
    add_pieces(speaker);
    deltas_flush(&speaker->source, on_flushed);
    kit_store(&bench->kit->runs->kit);
    running.deltas = NULL;
    assert_true(speaker->flushed);
    assert_int_equal(events_of(bench, speaker), PIECES);
    struct order order = {.sql = "SELECT data FROM events WHERE type IN ('delta',"
                                 " 'thinking_delta') ORDER BY seq"};
    kit_check(kit_read(&bench->kit->runs->kit, check_order_tx, &order.call));
    deltas_get_stats(bench->deltas, &stats);
    assert_int_equal(stats.commits, (PIECES + TRANSACTION_MAX - 1) / TRANSACTION_MAX);
}

/* --- Trouble of one turn ---------------------------------------------------------------------- */

static struct err delete_tx(struct tx *tx, void *ctx) {
    const struct bench *bench = ctx;
    const struct session_delete what = {
        .key = {.owner = BYTES("ann"), .session = kit_bytes(bench->speakers[0].session)},
        .bounds = bench->kit->runs->bounds};
    bool more = false;
    struct err err = ERR_OK;
    do { /* One commit is enough for so little. */
        err = tx_session_delete(tx, &what, &more);
    } while (!err_failed(err) && more);
    return err;
}

static void the_text_of_a_deleted_session_is_dropped_and_stops_no_other(void **state) {
    struct bench *bench = *state;
    struct speaker *gone = &bench->speakers[0], *other = &bench->speakers[1];
    speak(gone, "one");
    speak(other, "two");
    assert_int_equal(runs_do(bench->kit->runs, delete_tx, bench), ERR_NONE);
    deltas_flush(&gone->source, on_flushed);
    deltas_flush(&other->source, on_flushed);
    kit_store(&bench->kit->runs->kit);
    assert_true(other->flushed);
    assert_true(gone->flushed);
    assert_int_equal(events_of(bench, other), 1);
    assert_int_equal(events_of(bench, gone), 0);
    assert_int_equal(bench->failures, 0);
}

static void a_write_that_fails_delays_its_own_turn_alone(void **state) {
    struct bench *bench = *state;
    struct speaker *failing = &bench->speakers[0], *other = &bench->speakers[1];
    memcpy(refused, failing->stream, sizeof refused);
    speak(failing, "one");
    speak(other, "two");
    deltas_flush(&failing->source, on_flushed);
    deltas_flush(&other->source, on_flushed);
    kit_store(&bench->kit->runs->kit);
    assert_true(other->flushed);
    assert_false(failing->flushed);
    assert_int_equal(bench->failures, 1); /* Reported once in a row. */
    speak(failing, "three");
    refused[0] = '\0';
    while (!failing->flushed) {
        (void)uv_run(loop_uv(bench->loop), UV_RUN_NOWAIT); /* The timer of its retry. */
        kit_store(&bench->kit->runs->kit);
    }
    assert_int_equal(events_of(bench, failing), 2);
}

static void text_that_is_refused_for_good_is_given_up(void **state) {
    struct bench *bench = *state;
    struct speaker *failing = &bench->speakers[0];
    memcpy(refused, failing->stream, sizeof refused);
    speak(failing, "one");
    deltas_flush(&failing->source, on_flushed);
    kit_store(&bench->kit->runs->kit);
    assert_false(failing->flushed);
    while (!failing->flushed) { /* The answer goes on: it stores the text, or ends the turn. */
        (void)uv_run(loop_uv(bench->loop), UV_RUN_NOWAIT);
        kit_store(&bench->kit->runs->kit);
    }
    struct deltas_stats stats;
    deltas_get_stats(bench->deltas, &stats);
    assert_int_equal(stats.retries, EFFECT_TRIES_MAX - 1);
    assert_int_equal(bench->failures, 2);
}

/* --- Waits for a provider --------------------------------------------------------------------- */

static void waits_are_stored_in_their_place_also_where_text_is_taken_back(void **state) {
    static const char last_event[] =
        "SELECT type FROM events WHERE type NOT LIKE 'message%' AND stream IN"
        " (SELECT id FROM streams WHERE name LIKE 'session:%') ORDER BY seq DESC LIMIT 1";
    struct bench *bench = *state;
    struct turns_kit *kit = bench->kit;
    struct speaker *speaker = &bench->speakers[0];
    const struct provider_wait first = {.resume_at_ms = 77000, .cause = CAUSE_RATE_LIMITED};
    const struct provider_wait second = {.resume_at_ms = 88000, .cause = CAUSE_PROVIDER_ERROR};
    const struct provider_wait none = {.resume_at_ms = 0};
    assert_int_equal(turns_plan(kit, speaker->say.run), TURN_NEXT_CALL);
    assert_int_equal(kit->plan.step, speaker->place.step);
    deltas_provider(&speaker->source, &first);
    deltas_provider(&speaker->source, &none);
    speak(speaker, "never seen");
    deltas_withdraw(&speaker->source, BYTES(""));
    deltas_provider(&speaker->source, &second);
    deltas_flush(&speaker->source, on_flushed);
    kit_store(&kit->runs->kit);
    assert_true(speaker->flushed);
    assert_int_equal(events_of(bench, speaker), 0);
    assert_string_equal(turns_text(kit, last_event).text, "turn_waiting");
    assert_string_equal(turns_text(kit, "SELECT '' || count(*) FROM events WHERE type IN"
                                        " ('turn_waiting', 'turn_resumed')")
                            .text,
                        "3");
    struct runs_row row = runs_get(kit->runs, speaker->say.run);
    assert_int_equal(row.row.state, RUN_WAITING);
    assert_int_equal(row.row.not_before_ms, 88000);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        TEST(no_store_function_takes_more_events_than_it_may),
        TEST(the_text_of_a_deleted_session_is_dropped_and_stops_no_other),
        TEST(a_write_that_fails_delays_its_own_turn_alone),
        TEST(text_that_is_refused_for_good_is_given_up),
        TEST(waits_are_stored_in_their_place_also_where_text_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
