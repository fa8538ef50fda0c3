/* test_turns_deleted.c: turns whose session is deleted under them. */
#include "budgets_kit.h"
#include "turns_kit.h"

#include "engine/session/rows.h"
#include "engine/system/session_delete.h"
#include "engine/turn/subagents.h"
#include "store/tx.h"

static struct err hide_tx(struct tx *tx, void *ctx) {
    struct turns_kit *kit = ctx;
    const struct session_delete what = {
        .key = {.owner = BYTES("ann"), .session = kit_bytes(kit->session)},
        .bounds = kit->runs->bounds};
    bool more = false;
    return tx_session_delete(tx, &what, &more);
}

static void a_turn_of_a_deleted_session_ends_with_what_comes_next(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    assert_int_equal(runs_do(kit->runs, hide_tx, kit), ERR_NONE);
    struct turn_answer answer = turns_answering(kit, say.run, NULL, 0);
    answer.stopped = true;
    (void)turns_answer_with(kit, &answer);
    assert_true(kit->plan.late);
    turns_assert_state(kit, say.run, RUN_CANCELLED, CAUSE_STOPPED);
}

static struct err purge_tx(struct tx *tx, void *ctx) {
    return tx_session_purge(tx, ctx);
}

static void purge_all(struct turns_kit *kit) {
    struct session_purge purge = {.more = true};
    while (purge.more) {
        assert_int_equal(runs_do(kit->runs, purge_tx, &purge), ERR_NONE);
    }
}

static void purge_session(struct turns_kit *kit) {
    assert_int_equal(runs_do(kit->runs, hide_tx, kit), ERR_NONE);
    purge_all(kit);
}

static void a_turn_ends_even_when_all_its_messages_are_gone(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turn_answer answer = turns_answering(kit, say.run, NULL, 0);
    purge_session(kit);
    (void)turns_answer_with(kit, &answer);
    assert_true(kit->plan.late);
    turns_assert_state(kit, say.run, RUN_CANCELLED, CAUSE_STOPPED);
}

static void nobody_is_asked_for_a_deleted_session(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_asked(kit);
    assert_int_equal(runs_do(kit->runs, hide_tx, kit), ERR_NONE);
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NOT_FOUND);
    (void)turns_plan(kit, say.run);
    turns_assert_state(kit, say.run, RUN_CANCELLED, CAUSE_STOPPED);
}

/* --- What the end of such a turn needs -------------------------------------------------------- */

static void a_purge_of_its_session_makes_no_wait_a_time_of_the_turn(void **state) {
    struct turns_kit *kit = *state;
    (void)budgets_wall(kit->runs, "project:default", 3600000);
    struct turns_say say = turns_asked(kit);
    kit->runs->kit.clock_ms += 1000000;
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NONE);
    kit->runs->kit.clock_ms += 7000;
    purge_session(kit);
    kit->runs->kit.clock_ms += 5000;
    (void)turns_plan(kit, say.run);
    turns_assert_state(kit, say.run, RUN_CANCELLED, CAUSE_STOPPED);
    assert_in_range(budgets_spent(kit->runs, "project:default"), 12000, 100000);
}

static void the_row_of_a_session_goes_with_its_last_turn(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_asked(kit);
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NONE);
    purge_session(kit);
    kit->runs->kit.clock_ms += SESSION_STREAM_KEPT_MS;
    purge_all(kit);
    static const char left[] = "SELECT CAST((SELECT count(*) FROM turns) * 10 +"
                               " (SELECT count(*) FROM sessions) AS TEXT)";
    assert_string_equal(turns_text(kit, left).text, "11");
    (void)turns_plan(kit, say.run);
    purge_all(kit); /* Whoever follows the turn hears of its end first. */
    assert_string_equal(turns_text(kit, left).text, "1");
    kit->runs->kit.clock_ms += 10000;
    purge_all(kit);
    kit->runs->kit.clock_ms += SESSION_STREAM_KEPT_MS;
    purge_all(kit);
    assert_string_equal(turns_text(kit, left).text, "0");
}

struct scrubbing {
    struct session_purge purge;
    bool scrubs;
};

static struct err scrub_tx(struct tx *tx, void *ctx) {
    struct scrubbing *scrubbing = ctx;
    struct err err = tx_session_purge(tx, &scrubbing->purge);
    scrubbing->scrubs |= tx_scrub_take(tx);
    return err;
}

static bool purge_scrubs(struct turns_kit *kit) {
    struct scrubbing scrubbing = {.purge = {.more = true}};
    while (scrubbing.purge.more) {
        assert_int_equal(runs_do(kit->runs, scrub_tx, &scrubbing), ERR_NONE);
    }
    return scrubbing.scrubs;
}

static void a_round_that_only_waits_for_a_run_leaves_the_log(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_asked(kit);
    assert_int_equal(runs_do(kit->runs, hide_tx, kit), ERR_NONE);
    assert_true(purge_scrubs(kit));
    assert_false(purge_scrubs(kit)); /* Its turn has not ended. */
    (void)turns_plan(kit, say.run);
    kit->runs->kit.clock_ms += 10000;
    assert_true(purge_scrubs(kit));
}

struct spawning {
    struct turns_kit *kit;
    char session[ID_SIZE], run[ID_SIZE];
};

static struct err spawn_tx(struct tx *tx, void *ctx) {
    struct spawning *spawning = ctx;
    struct runs_kit *runs = spawning->kit->runs;
    const struct session_key parent = {.owner = BYTES("ann"),
                                       .session = kit_bytes(spawning->kit->session)};
    struct turn_seat seat = {.model = BYTES("scripted/test")};
    struct subagent_new what = {.seat = &seat,
                                .input = BYTES("look"),
                                .settings = BYTES("{}"),
                                .cost_micros = -1,
                                .session = turns_id(runs, "ses"),
                                .run = turns_id(runs, "run"),
                                .message = turns_id(runs, "msg"),
                                .answer = turns_id(runs, "msg"),
                                .bounds = runs->bounds};
    struct subagent subagent;
    struct why why = {.text = ""};
    struct err err = sessions__get(tx, &parent, "test: parent", &seat.session);
    if (!err_failed(err)) {
        err = tx_subagent_spawn(tx, &what, &subagent, &why);
    }
    if (!err_failed(err)) {
        runs_copy_text(subagent.session, spawning->session, sizeof spawning->session);
        runs_copy_text(subagent.run.run, spawning->run, sizeof spawning->run);
    }
    return err;
}

static struct spawning spawn(struct turns_kit *kit) {
    struct spawning spawning = {.kit = kit};
    assert_int_equal(runs_do(kit->runs, spawn_tx, &spawning), ERR_NONE);
    return spawning;
}

static void a_subagent_that_waits_takes_the_place_of_one_that_was_deleted(void **state) {
    struct turns_kit *kit = *state;
    struct spawning first = spawn(kit);
    (void)turns_plan(kit, first.run);
    for (int i = 1; i < SUBAGENTS_AT_ONCE; i++) {
        (void)spawn(kit);
    }
    struct spawning waits = spawn(kit);
    assert_int_equal(runs_get(kit->runs, waits.run).row.gate, GATE_TIME);
    memcpy(kit->session, first.session, sizeof kit->session);
    purge_session(kit);
    (void)turns_plan(kit, first.run);
    turns_assert_state(kit, first.run, RUN_CANCELLED, CAUSE_STOPPED);
    assert_int_not_equal(runs_get(kit->runs, waits.run).row.gate, GATE_TIME);
}

#define turn_test(test) cmocka_unit_test_setup_teardown(test, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        turn_test(a_turn_of_a_deleted_session_ends_with_what_comes_next),
        turn_test(a_turn_ends_even_when_all_its_messages_are_gone),
        turn_test(nobody_is_asked_for_a_deleted_session),
        turn_test(a_purge_of_its_session_makes_no_wait_a_time_of_the_turn),
        turn_test(the_row_of_a_session_goes_with_its_last_turn),
        turn_test(a_round_that_only_waits_for_a_run_leaves_the_log),
        turn_test(a_subagent_that_waits_takes_the_place_of_one_that_was_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
