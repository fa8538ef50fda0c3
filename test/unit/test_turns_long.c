/* A turn costs the same behind 10,000 messages as behind a few.
 *
 * Steps of SQLite's machine are counted, not seconds: they tell each row that is walked, on every
 * machine the same. */
#include <sqlite3.h>

#include "turns_kit.h"

#include "engine/run/rows.h"
#include "engine/session/checkpoints.h"
#include "engine/turn/view.h"

enum {
    FEW = 50,     /* Turns that a summary covers, */
    MANY = 5000,  /* of two messages each; */
    VISIBLE = 10, /* behind these, turns that none covers. */
    BATCH = 40,   /* In one transaction: each takes 0.3 of the 16 MB of its arena. */
    PAGE = 50,
    TIMES = 2, /* What is more than that grows with the history. */
};

/* --- What is counted -------------------------------------------------------------------------- */

static int64_t steps; /* Counted by the wrap below. */

int __real_sqlite3_step(sqlite3_stmt *stmt);
int __wrap_sqlite3_step(sqlite3_stmt *stmt);
int __wrap_sqlite3_step(sqlite3_stmt *stmt) {
    int rc = __real_sqlite3_step(stmt);
    steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1 /* from 0 again */);
    return rc;
}

struct cost {
    int64_t steps;
    size_t memory; /* That the largest transaction took from its arena. */
};

struct measured {
    store_fn fn;
    void *ctx;
    struct cost *cost;
};

static struct err measured_tx(struct tx *tx, void *ctx) {
    const struct measured *measured = ctx;
    struct err err = measured->fn(tx, measured->ctx);
    size_t used = tx_arena(tx)->used;
    measured->cost->memory = used > measured->cost->memory ? used : measured->cost->memory;
    return err;
}

static void measure(struct turns_kit *kit, struct cost *cost, store_fn fn, void *ctx) {
    struct measured measured = {.fn = fn, .ctx = ctx, .cost = cost};
    steps = 0;
    assert_int_equal(runs_do(kit->runs, measured_tx, &measured), ERR_NONE);
    cost->steps += steps;
    runs_forget(kit->runs);
}

/* --- The history ------------------------------------------------------------------------------ */

struct filling {
    struct turns_kit *kit;
    int count;
    struct turns_say say;
};

static struct err fill_one(struct tx *tx, struct filling *filling) {
    const struct turn_item item = {.kind = TURN_ITEM_TEXT, .text = BYTES("of long ago")};
    struct turns_kit *kit = filling->kit;
    filling->say = turns_saying(kit, "and now?");
    struct err err = turns_say_tx(tx, &filling->say);
    struct turns_step step = {.kit = kit, .key = turns_key(kit, filling->say.run)};
    if (!err_failed(err)) {
        err = turns_begin_tx(tx, &step);
    }
    step.answer = turns_answering(kit, filling->say.run, &item, 1);
    return err_failed(err) ? err : turns_answer_tx(tx, &step);
}

static struct err fill_tx(struct tx *tx, void *ctx) {
    struct filling *filling = ctx;
    struct err err = ERR_OK;
    for (int i = 0; i < filling->count && !err_failed(err); i++) {
        err = fill_one(tx, filling);
    }
    return err;
}

static void fill(struct turns_kit *kit, int count) {
    for (int left = count; left > 0; left -= BATCH) {
        struct filling filling = {.kit = kit, .count = left < BATCH ? left : BATCH};
        assert_int_equal(runs_do(kit->runs, fill_tx, &filling), ERR_NONE);
        assert_int_equal(kit->plan.next, TURN_NEXT_END);
        runs_forget(kit->runs);
    }
}

static struct err cover_tx(struct tx *tx, void *ctx) {
    const int64_t *session = ctx;
    struct checkpoint checkpoint = {.session = *session,
                                    .message =
                                        tx_number(tx, "SELECT max(id) FROM messages", NO_ARGS),
                                    .method = BYTES("summary"),
                                    .summary = BYTES("it was long")};
    return tx_checkpoint_add(tx, &checkpoint);
}

/* --- A turn, and those who look on ------------------------------------------------------------ */

struct looking {
    struct message_page page;
    char session[ID_SIZE];
    struct text text; /* Owned. */
};

static struct err page_tx(struct tx *tx, void *ctx) {
    const struct looking *looking = ctx;
    struct message_rows rows;
    struct err err = tx_message_page(tx, &looking->page, &rows);
    assert_true(err_failed(err) || rows.count == PAGE);
    return err;
}

static struct err snapshot_tx(struct tx *tx, void *ctx) {
    struct looking *looking = ctx;
    const struct snapshot_of of = {.owner = BYTES("ann"), .id = kit_bytes(looking->session)};
    bool found = false;
    text_clear(&looking->text);
    struct err err = session_snapshot.write(tx, &of, &found, &looking->text);
    assert_true(err_failed(err) || found);
    return err;
}

static void look_on(struct turns_kit *kit, int64_t session, struct cost *cost) {
    struct looking looking = {
        .page = {.session = session, .order = MESSAGES_NEWEST, .limit = PAGE}};
    memcpy(looking.session, kit->session, sizeof looking.session);
    text_init(&looking.text, SNAPSHOT_MAX);
    measure(kit, cost, page_tx, &looking);
    measure(kit, cost, snapshot_tx, &looking);
    text_done(&looking.text);
}

static void take_turn(struct turns_kit *kit, int64_t session, struct cost *cost) {
    struct turn_item item = turns_call("c1", "read_file", TURN_ALLOW, true);
    struct turns_say say = turns_saying(kit, "and now?");
    measure(kit, cost, turns_say_tx, &say);
    struct turns_step step = {.kit = kit, .key = turns_key(kit, say.run)};
    measure(kit, cost, turns_begin_tx, &step);
    struct turns_prompt prompt = {.key = step.key};
    measure(kit, cost, turns_prompt_tx, &prompt);
    assert_non_null(strstr(prompt.text, "it was long|"));
    step.answer = turns_answering(kit, say.run, &item, 1);
    measure(kit, cost, turns_answer_tx, &step);
    assert_int_equal(kit->plan.next, TURN_NEXT_START);
    look_on(kit, session, cost);
    step.card = (struct turn_card_result){
        .key = step.key, .part = kit->plan.cards[0].part, .result = BYTES("done")};
    measure(kit, cost, turns_card_tx, &step);
    assert_int_equal(kit->plan.next, TURN_NEXT_CALL);
    item = (struct turn_item){.kind = TURN_ITEM_TEXT, .text = BYTES("so it is")};
    step.answer = turns_answering(kit, say.run, &item, 1);
    measure(kit, cost, turns_answer_tx, &step);
    assert_int_equal(kit->plan.next, TURN_NEXT_END);
}

/* What a turn costs behind so many. */
static struct cost behind(struct turns_kit *kit, int count) {
    struct cost cost = {.steps = 0};
    int64_t session = strtoll(turns_text(kit, "SELECT id || '' FROM sessions").text, NULL, 10);
    fill(kit, count);
    assert_int_equal(runs_do(kit->runs, cover_tx, &session), ERR_NONE);
    fill(kit, VISIBLE);
    take_turn(kit, session, &cost);
    return cost;
}

static void a_turn_costs_the_same_however_long_the_history_is(void **state) {
    struct turns_kit *kit = *state;
    struct cost small = behind(kit, FEW);
    struct cost large = behind(kit, MANY - FEW);
    print_message("behind %d turns: %lld steps, %zu bytes; behind %d: %lld steps, %zu bytes\n", FEW,
                  (long long)small.steps, small.memory, MANY, (long long)large.steps, large.memory);
    assert_true(small.steps > 0 && small.memory > 0);
    assert_true(large.steps <= TIMES * small.steps);
    assert_true(large.memory <= TIMES * small.memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turn_costs_the_same_however_long_the_history_is,
                                        turns_begin, turns_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
