/* test_turn_begin.c: a talk is its session, rows of the caller and its first turn, or nothing. */
/* runs-with: sqlite, postgres */
#include "budgets_kit.h"
#include "turns_kit.h"

#include "engine/turn/begin.h"

struct begin {
    struct talk_new talk;
    struct session_key goes_on; /* session "": a new one. */
    struct err refusal;         /* Answer of on_session. */
    int64_t turns_before;       /* Turns of the session, when on_session was called. */
    char run[ID_SIZE], session[ID_SIZE];
};

static struct err on_session(struct tx *tx, const void *ctx, const struct session_row *session,
                             struct turn_message *io_message) {
    struct begin *begin = *(struct begin *const *)ctx;
    begin->turns_before =
        tx_number(tx, "SELECT count(*) FROM turns WHERE session = $1", ARGS(arg_int(session->id)));
    io_message->text = BYTES("as completed");
    return err_failed(begin->refusal) ? begin->refusal : tx_error(tx);
}

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct begin *begin = ctx;
    struct session_row session;
    struct talk_begun begun;
    struct why why = {""};
    bool found = false;
    struct err err = ERR_OK;
    if (begin->goes_on.session.len > 0) {
        err = tx_session_find(tx, &begin->goes_on, &found, &session);
        begin->talk.goes_on = &session;
    }
    begin->talk.ctx = &begin;
    err = err_failed(err) ? err : tx_talk_begin(tx, &begin->talk, &begun, &why);
    if (!err_failed(err)) {
        runs_copy_text(begun.turn.run, begin->run, sizeof begin->run);
        runs_copy_text(begun.session.session, begin->session, sizeof begin->session);
    }
    return err;
}

static struct begin beginning(struct turns_kit *kit) {
    return (struct begin){
        .talk = {.session = {.session = turns_id(kit->runs, "ses"), .owner = BYTES("ann")},
                 .message = {.text = BYTES("hello"),
                             .model_default = BYTES("scripted/test"),
                             .policy = TURN_REJECT, /* Ignored: a first message is queued. */
                             .run = turns_id(kit->runs, "run"),
                             .message = turns_id(kit->runs, "msg"),
                             .answer = turns_id(kit->runs, "msg"),
                             .bounds = kit->runs->bounds},
                 .on_session = on_session}};
}

static void a_talk_is_a_session_and_a_turn_of_its_first_message(void **state) {
    struct turns_kit *kit = *state;
    struct begin begin = beginning(kit);
    begin.talk.on_session = NULL;
    assert_int_equal(runs_do(kit->runs, begin_tx, &begin), ERR_NONE);
    assert_string_equal(begin.session, begin.talk.session.session.text);
    assert_int_equal(turns_plan(kit, begin.run), TURN_NEXT_CALL);
    assert_string_equal(turns_text(kit, "SELECT text FROM parts").text, "hello");
}

static void rows_of_the_caller_come_before_the_turn_and_complete_its_message(void **state) {
    struct turns_kit *kit = *state;
    struct begin begin = beginning(kit);
    begin.turns_before = -1;
    (void)budgets_wall(kit->runs, "project:default", 0);
    assert_int_equal(runs_do(kit->runs, begin_tx, &begin), ERR_NONE);
    assert_int_equal(begin.turns_before, 0);
    turns_assert_state(kit, begin.run, RUN_FAILED, CAUSE_BUDGET); /* As it was made. */
    assert_string_equal(turns_text(kit, "SELECT text FROM parts").text, "as completed");
}

static void a_talk_goes_on_in_a_session_and_waits_for_its_turn(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "first", TURN_ENQUEUE);
    const int64_t sessions = runs_count(kit->runs, "SELECT count(*) FROM sessions");
    struct begin begin = beginning(kit);
    begin.goes_on = (struct session_key){.owner = BYTES("ann"), .session = kit_bytes(kit->session)};
    (void)turns_plan(kit, say.run);
    assert_int_equal(runs_do(kit->runs, begin_tx, &begin), ERR_NONE);
    assert_string_equal(begin.session, kit->session);
    assert_int_equal(begin.turns_before, 1);
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM sessions"), sessions);
    turns_assert_state(kit, begin.run, RUN_QUEUED, CAUSE_NONE);
}

static void nothing_is_stored_where_a_part_of_it_is_refused(void **state) {
    struct turns_kit *kit = *state;
    const int64_t sessions = runs_count(kit->runs, "SELECT count(*) FROM sessions");
    struct begin refused = beginning(kit), modelless = beginning(kit);
    refused.refusal = err_make(ERR_CONFLICT, "test: rows");
    modelless.talk.message.model_default = BYTES("");
    assert_int_equal(runs_do(kit->runs, begin_tx, &refused), ERR_CONFLICT);
    assert_int_equal(runs_do(kit->runs, begin_tx, &modelless), ERR_NO_MODEL);
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM sessions"), sessions);
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM runs"), 0);
}

#define turn_test(test) cmocka_unit_test_setup_teardown(test, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        turn_test(a_talk_is_a_session_and_a_turn_of_its_first_message),
        turn_test(rows_of_the_caller_come_before_the_turn_and_complete_its_message),
        turn_test(a_talk_goes_on_in_a_session_and_waits_for_its_turn),
        turn_test(nothing_is_stored_where_a_part_of_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
