/* test_turns_bounds.c: turns that are too much, that crashes meet, and what is charged for them. */
/* runs-with: sqlite, postgres */
#include "budgets_kit.h"
#include "turns_kit.h"

#include "engine/turn/cards.h"

/* --- Crashes ------------------------------------------------------------------------------- */

/* However often the daemon dies in the middle of a call, the model did not repeat itself. */
static void crashes_are_not_taken_for_repetitions(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    (void)turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE);
    for (int i = 0; i < TURN_REPEATS_MAX + 1; i++) {
        runs_restart(kit->runs);
        assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    }
    assert_string_equal(
        turns_text(kit, "SELECT CAST(count(*) AS TEXT) FROM parts WHERE kind = 'notice'").text,
        "0");
    assert_int_equal(turns_answer(kit, say.run, "done"), TURN_NEXT_END);
}

/* --- What is too much ------------------------------------------------------------------------- */

static bool on_postgres(void) {
    return getenv("DROVER_TEST_POSTGRES_DIR") != NULL;
}

/* The plan of the database: of an answer with hundreds of calls only the open ones are read. */
static struct err plan_tx(struct tx *tx, void *ctx) {
    struct turns_ask *ask = ctx;
    size_t len = 0;
    AUTO(rows_release) struct rows *rows = tx_rows(tx, ask->sql, NO_ARGS);
    while (rows_step(rows)) {
        /* The words of a step stand in SQLite's fourth column, and in PostgreSQL's only one. */
        struct bytes step = rows_text(rows, on_postgres() ? 0 : 3);
        runs_copy_text(step, ask->text + len, sizeof ask->text - len);
        len += step.len;
    }
    return tx_error(tx);
}

static void open_calls_are_found_by_the_index_of_open_states(void **state) {
    struct turns_kit *kit = *state;
    struct turns_ask index = on_postgres() ? turns_text(kit, "SELECT indexdef FROM pg_indexes"
                                                             " WHERE indexname = 'parts_open'"
                                                             " AND schemaname = current_schema()")
                                           : turns_text(kit, "SELECT sql FROM sqlite_master"
                                                             " WHERE name = 'parts_open'");
    for (unsigned i = 0; i < PART_STATE_COUNT; i++) {
        char quoted[40];
        (void)snprintf(quoted, sizeof quoted, "'%s'", part_state_name((enum part_state)i));
        bool open = part_state_open((enum part_state)i);
        assert_int_equal(strstr(index.text, quoted) != NULL, open);
        assert_int_equal(strstr(PARTS_OPEN_STATES, quoted) != NULL, open);
    }
    static const char *const queries[] = {
        "SELECT p.data FROM parts p LEFT JOIN runs r ON r.id = p.run AND p.run <> 0"
        " WHERE p.message = 1 AND " CARDS_OPEN " ORDER BY p.number LIMIT 9",
        "SELECT p.name FROM parts p CROSS JOIN messages m"
        " WHERE m.id = p.message AND m.session = 1 AND p.state IN " PARTS_OPEN_STATES,
    };
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        char sql[600];
        (void)snprintf(sql, sizeof sql, "EXPLAIN %s%s", on_postgres() ? "" : "QUERY PLAN ",
                       queries[i]);
        struct turns_ask plan = {.sql = sql};
        assert_int_equal(runs_do(kit->runs, plan_tx, &plan), ERR_NONE);
        if (strstr(plan.text, on_postgres() ? "using parts_open" : "INDEX parts_open") == NULL) {
            fail_msg("%s", plan.text);
        }
    }
}

static void more_calls_than_run_at_once_begin_as_others_end(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turn_item items[TURN_TOOLS_AT_ONCE + 4];
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        items[i] = turns_call("a", "read_file", TURN_ALLOW, true);
    }
    (void)turns_answer_calls(kit, say.run, items, COUNT_OF(items));
    assert_int_equal(kit->plan.card_count, TURN_TOOLS_AT_ONCE);
    int64_t part = kit->plan.cards[0].part;
    for (size_t i = 0; i < COUNT_OF(items) - 1; i++) {
        enum turn_next next = turns_card(kit, say.run, part + (int64_t)i, CARD_DONE);
        assert_int_equal(next, i < 4 ? TURN_NEXT_START : TURN_NEXT_WAIT);
        assert_int_equal(kit->plan.card_count, i < 4 ? 1 : 0);
    }
    int64_t last = part + (int64_t)COUNT_OF(items) - 1;
    assert_int_equal(turns_card(kit, say.run, last, CARD_DONE), TURN_NEXT_CALL);
}

static void arguments_that_no_card_can_hold_are_refused(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    size_t len = MESSAGE_DATA_MAX;
    char *arguments = mem_new(len + 1);
    (void)snprintf(arguments, len + 1, "{\"content\":\"%0*d\"}", (int)len - 15, 0);
    struct turn_item item = turns_call("a", "write_file", TURN_ASK, false);
    item.call.arguments = kit_bytes(arguments);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_CALL);
    mem_free(arguments);
    assert_non_null(strstr(turns_prompt(kit, say.run).text, "too long to be stored"));
    assert_string_equal(turns_text(kit, "SELECT CAST(count(*) AS TEXT) FROM approvals").text, "0");
}

static void a_turn_whose_message_is_full_says_what_is_left_and_ends(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turn_item items[128];
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        items[i] = turns_call("a", "rm_rf", i == 0 ? TURN_ALLOW : TURN_REFUSE, true);
    }
    char other[32];
    int calls = 0;
    while (!kit->plan.last && calls < 20) {
        (void)turns_answer_calls(kit, say.run, items, COUNT_OF(items));
        (void)turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE);
        (void)snprintf(other, sizeof other, "{\"other\":%d}", ++calls);
        items[0].call.arguments = kit_bytes(other);
    }
    assert_true(kit->plan.last);
    assert_int_equal(turns_answer(kit, say.run, "much is left"), TURN_NEXT_END);
    turns_assert_state(kit, say.run, RUN_DEGRADED, CAUSE_STEP_LIMIT);
}

static void rows_hold_no_nul(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = {.kind = TURN_ITEM_TEXT, .text = {"a\0b", 3}};
    struct turn_answer answer = turns_answering(kit, say.run, &item, 1);
    assert_int_equal(turns_answer_with(kit, &answer), TURN_NEXT_END);
    assert_string_equal(turns_text(kit, "SELECT text FROM parts WHERE step > 0").text, "a b");
}

/* --- What comes at once ----------------------------------------------------------------------- */

struct bearing {
    struct turns_kit *kit;
    struct turn_child child;
};

static struct err bear_tx(struct tx *tx, void *ctx) {
    struct bearing *bearing = ctx;
    return tx_turn_child(tx, &bearing->child, &bearing->kit->plan);
}

static void a_command_that_meets_a_stop_does_not_begin_and_the_turn_ends(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("a", "run_command", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    struct run_new job = runs_new(kit->runs);
    struct bearing bearing = {
        .kit = kit,
        .child = {.key = turns_key(kit, say.run), .part = kit->plan.cards[0].part, .run = job}};
    (void)turns_say(kit, "no, this", TURN_INTERRUPT);
    assert_int_equal(runs_do(kit->runs, bear_tx, &bearing), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_END);
    turns_assert_state(kit, say.run, RUN_CANCELLED, CAUSE_INTERRUPTED);
    assert_string_equal(
        turns_text(kit, "SELECT CAST(count(*) AS TEXT) FROM runs WHERE kind = 'job'").text, "0");
}

/* --- What goes away --------------------------------------------------------------------------- */

static struct err remove_run_tx(struct tx *tx, void *ctx) {
    const struct run_key key = {.run = kit_bytes(ctx)};
    struct run_row row;
    bool more = false;
    return tx_run_remove(tx, &key, &more, &row);
}

/* The number of the last run that was removed is the next one's. */
static void a_run_that_was_removed_leaves_nothing_for_the_next_of_its_number(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    (void)turns_plan(kit, one.run);
    (void)turns_answer(kit, one.run, "uno");
    assert_int_equal(runs_do(kit->runs, remove_run_tx, one.run), ERR_NONE);
    struct turns_say two = turns_say(kit, "two", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, two.run), TURN_NEXT_CALL);
}

#define turn_test(test) cmocka_unit_test_setup_teardown(test, turns_begin, turns_end)

static void a_wait_for_a_person_is_no_time_of_the_turn(void **state) {
    struct turns_kit *kit = *state;
    (void)budgets_wall(kit->runs, "project:default", 3600000);
    struct turns_say say = turns_asked(kit);
    kit->runs->kit.clock_ms += 1000000;
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NONE);
    kit->runs->kit.clock_ms += 7000;
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
    (void)turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE);
    assert_int_equal(turns_answer(kit, say.run, "done"), TURN_NEXT_END);
    int64_t spent = budgets_spent(kit->runs, "project:default");
    assert_in_range(spent, 7000, 100000);
    say = turns_asked(kit); /* One that is stopped while it waits. */
    kit->runs->kit.clock_ms += 2000000;
    (void)turns_say(kit, "instead", TURN_INTERRUPT);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_END);
    assert_in_range(budgets_spent(kit->runs, "project:default"), spent, spent + 100000);
}

/* By how much somebody sets the wall clock while a turn works for 3 s, waits for a person, and
 * works for 4 s more. */
struct clock_steps {
    int64_t before_ms, waiting_ms, after_ms;
};

static int64_t charge_of(struct turns_kit *kit, struct clock_steps set) {
    struct kit *clock = &kit->runs->kit;
    int64_t spent = budgets_spent(kit->runs, "project:default");
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    clock->clock_ms += 3000;
    clock->set_ms += set.before_ms;
    const struct turn_item item = turns_call("a", "write_file", TURN_ASK, false);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_PARK);
    clock->clock_ms += 1000000;
    clock->set_ms += set.waiting_ms;
    struct turns_ask id =
        turns_text(kit, "SELECT approval FROM approvals ORDER BY id DESC LIMIT 1");
    struct approval_answer answer = {.key = {.owner = BYTES("ann"), .approval = kit_bytes(id.text)},
                                     .verb = APPROVAL_ALLOW,
                                     .text = BYTES(""),
                                     .by = BYTES("bob")};
    assert_int_equal(runs_do(kit->runs, turns_approve_tx, &answer), ERR_NONE);
    clock->clock_ms += 4000;
    clock->set_ms += set.after_ms;
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
    (void)turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE);
    assert_int_equal(turns_answer(kit, say.run, "done"), TURN_NEXT_END);
    return budgets_spent(kit->runs, "project:default") - spent;
}

static void a_wall_clock_that_is_set_in_the_middle_of_a_turn_charges_nothing(void **state) {
    struct turns_kit *kit = *state;
    enum { DAY_MS = 86400 * 1000 };
    const struct clock_steps steps[] = {{0, 0, 0},       {DAY_MS, 0, 0},  {-DAY_MS, 0, 0},
                                        {0, DAY_MS, 0},  {0, -DAY_MS, 0}, {0, 0, DAY_MS},
                                        {0, 0, -DAY_MS}, {-5, DAY_MS, 7}};
    (void)budgets_wall(kit->runs, "project:default", 3600000);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        int64_t charged = charge_of(kit, steps[i]);
        assert_int_equal(charged, 7000);
    }
}

/* Over a restart the wall clock is all there is. What it says of the time before is at most what
 * one attempt may be charged unseen, and never less than nothing; what comes after is measured. */
static void a_wall_clock_that_is_set_between_two_daemons_is_bounded(void **state) {
    struct turns_kit *kit = *state;
    struct kit *clock = &kit->runs->kit;
    const struct {
        int64_t set_ms, charged_ms;
    } rows[] = {{0, 5000},
                {-INT64_C(86400) * 1000, 4000},
                {INT64_C(100) * 365 * 86400 * 1000, RUN_UNSEEN_MAX_MS + 4000}};
    (void)budgets_wall(kit->runs, "project:default", INT64_MAX / 4);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t spent = budgets_spent(kit->runs, "project:default");
        struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
        (void)turns_plan(kit, say.run);
        clock->clock_ms += 1000;
        clock->set_ms += rows[i].set_ms;
        runs_restart(kit->runs);
        assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
        clock->clock_ms += 4000;
        clock->set_ms += 86400000; /* Nothing to whom the daemon lives. */
        (void)turns_answer(kit, say.run, "done");
        assert_int_equal(budgets_spent(kit->runs, "project:default") - spent, rows[i].charged_ms);
        clock->set_ms = 0;
        runs_restart(kit->runs);
    }
}

/* While it waits for a person none of its time passes: nothing need be known of the life before. */
static void a_turn_that_waits_over_a_restart_is_charged_its_work(void **state) {
    struct turns_kit *kit = *state;
    struct kit *clock = &kit->runs->kit;
    const int64_t sets_ms[] = {0, -INT64_C(86400) * 1000, INT64_C(100) * 365 * 86400 * 1000};
    (void)budgets_wall(kit->runs, "project:default", INT64_MAX / 4);
    for (size_t i = 0; i < COUNT_OF(sets_ms); i++) {
        int64_t spent = budgets_spent(kit->runs, "project:default");
        struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
        (void)turns_plan(kit, say.run);
        clock->clock_ms += 1000;
        const struct turn_item item = turns_call("a", "write_file", TURN_ASK, false);
        assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_PARK);
        clock->clock_ms += 2000;
        clock->set_ms += sets_ms[i];
        runs_restart(kit->runs);
        clock->clock_ms += 2000;
        struct turns_say next = turns_say(kit, "instead", TURN_INTERRUPT);
        assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_END);
        assert_int_equal(budgets_spent(kit->runs, "project:default") - spent, 1000);
        (void)turns_plan(kit, next.run);
        (void)turns_answer(kit, next.run, "well");
        clock->set_ms = 0;
        runs_restart(kit->runs);
    }
}

struct failing {
    struct turn_failure failure;
    struct turn_plan plan;
};

static struct err fail_tx(struct tx *tx, void *ctx) {
    struct failing *failing = ctx;
    return tx_turn_fail(tx, &failing->failure, &failing->plan);
}

static void turn_fail(struct turns_kit *kit, const char *run, const struct turn_failure *used) {
    struct failing failing = {.failure = *used};
    failing.failure.key = turns_key(kit, run);
    failing.failure.sentence = BYTES("it cannot be stored");
    turn_plan_init(&failing.plan);
    assert_int_equal(runs_do(kit->runs, fail_tx, &failing), ERR_NONE);
    assert_int_equal(failing.plan.next, TURN_NEXT_END);
    turn_plan_done(&failing.plan);
}

static int64_t tokens_spent(struct turns_kit *kit) {
    return budgets_get(kit->runs, "project:default").spent.of[AMOUNT_TOKENS];
}

static void a_turn_whose_answer_cannot_be_stored_pays_for_it(void **state) {
    struct turns_kit *kit = *state;
    const struct turn_failure nothing = {.tries = 0},
                              used = {.usage = {.fresh = 900, .output = 70}, .tries = 1};
    (void)budgets_limit(kit->runs, "project:default", AMOUNT_TOKENS, 1000000);
    struct turns_say say = turns_say(kit, "reported", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    turn_fail(kit, say.run, &used);
    assert_int_equal(tokens_spent(kit), 970);
    say = turns_say(kit, "never asked", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    turn_fail(kit, say.run, &nothing);
    assert_int_equal(tokens_spent(kit), 970);
    say = turns_say(kit, "a review", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    const struct turn_item item = turns_call("c", "list_files", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    assert_int_equal(tokens_spent(kit), 970 + 15);
    turn_fail(kit, say.run, &used);
    assert_int_equal(tokens_spent(kit), 970 + 15 + 970);
    assert_int_equal(budgets_get(kit->runs, "project:default").reserved.of[AMOUNT_TOKENS], 0);
}

static void a_call_of_another_life_whose_turn_cannot_be_read_pays_its_reserve(void **state) {
    struct turns_kit *kit = *state;
    const struct turn_failure nothing = {.tries = 0};
    (void)budgets_limit(kit->runs, "project:default", AMOUNT_TOKENS, 1000000);
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    int64_t reserved = budgets_get(kit->runs, "project:default").reserved.of[AMOUNT_TOKENS];
    assert_true(reserved > 0);
    runs_restart(kit->runs);
    turn_fail(kit, say.run, &nothing);
    assert_int_equal(tokens_spent(kit), reserved);
}

/* The budget ends the run as it is submitted, before the turn has a row. */
static void a_message_under_a_spent_budget_does_not_stay_queued(void **state) {
    struct turns_kit *kit = *state;
    (void)budgets_wall(kit->runs, "project:default", 0);
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    turns_assert_state(kit, say.run, RUN_FAILED, CAUSE_BUDGET);
    assert_string_equal(turns_text(kit, "SELECT status FROM messages WHERE role = 'user'").text,
                        "interrupted");
    assert_string_equal(
        turns_text(kit, "SELECT status FROM messages WHERE role = 'assistant'").text, "removed");
    budgets_remove(kit->runs, "project:default");
    say = turns_say(kit, "again", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        turn_test(crashes_are_not_taken_for_repetitions),
        turn_test(open_calls_are_found_by_the_index_of_open_states),
        turn_test(more_calls_than_run_at_once_begin_as_others_end),
        turn_test(arguments_that_no_card_can_hold_are_refused),
        turn_test(a_turn_whose_message_is_full_says_what_is_left_and_ends),
        turn_test(rows_hold_no_nul),
        turn_test(a_command_that_meets_a_stop_does_not_begin_and_the_turn_ends),
        turn_test(a_run_that_was_removed_leaves_nothing_for_the_next_of_its_number),
        turn_test(a_wait_for_a_person_is_no_time_of_the_turn),
        turn_test(a_wall_clock_that_is_set_in_the_middle_of_a_turn_charges_nothing),
        turn_test(a_wall_clock_that_is_set_between_two_daemons_is_bounded),
        turn_test(a_turn_that_waits_over_a_restart_is_charged_its_work),
        turn_test(a_turn_whose_answer_cannot_be_stored_pays_for_it),
        turn_test(a_call_of_another_life_whose_turn_cannot_be_read_pays_its_reserve),
        turn_test(a_message_under_a_spent_budget_does_not_stay_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
