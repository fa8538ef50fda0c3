/* test_turns.c: the transactions of turns. */
/* runs-with: sqlite, postgres */
#include "turns_kit.h"

static const char answer_status[] =
    "SELECT status FROM messages WHERE role = 'assistant' ORDER BY id DESC LIMIT 1";

/* --- The whole of a turn ---------------------------------------------------------------------- */

static void a_message_is_answered_and_everything_of_it_is_stored(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    assert_string_equal(say.state, "running");
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_string_equal(kit->plan.model.data, "scripted/test");
    assert_string_equal(turns_prompt(kit, say.run).text, "/user hello|");
    assert_int_equal(turns_answer(kit, say.run, "hi there"), TURN_NEXT_END);
    turns_assert_state(kit, say.run, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_string_equal(turns_text(kit, answer_status).text, "completed");
    assert_string_equal(turns_text(kit, "SELECT title FROM sessions").text, "hello");
    assert_string_equal(turns_text(kit, "SELECT state FROM sessions").text, "idle");
    assert_string_equal(
        turns_text(kit, "SELECT kind || ' ' || state || ' ' || cause FROM spans").text,
        "model succeeded completed");
}

static void the_next_message_sees_what_was_said(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    struct turns_say two = turns_say(kit, "two", TURN_ENQUEUE);
    assert_string_equal(two.state, "queued");
    (void)turns_plan(kit, one.run);
    assert_string_equal(turns_prompt(kit, one.run).text, "/user one|");
    (void)turns_answer(kit, one.run, "uno");
    turns_assert_state(kit, two.run, RUN_RUNNING, CAUSE_NONE);
    assert_int_equal(turns_plan(kit, two.run), TURN_NEXT_CALL);
    assert_string_equal(turns_prompt(kit, two.run).text, "/user one|/assistant uno|/user two|");
}

static void a_session_never_has_two_turns_that_run(void **state) {
    struct turns_kit *kit = *state;
    for (int i = 0; i < 5; i++) {
        (void)turns_say(kit, "more", TURN_ENQUEUE);
    }
    assert_string_equal(
        turns_text(kit, "SELECT CAST(count(*) AS TEXT) FROM runs WHERE state = 'running'").text,
        "1");
}

/* --- Tools ------------------------------------------------------------------------------------ */

static void a_call_is_run_and_its_result_is_shown_to_the_model(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "look", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item items[] = {{.kind = TURN_ITEM_TEXT, .text = BYTES("let me see")},
                                      turns_call("c1", "read_file", TURN_ALLOW, true)};
    assert_int_equal(turns_answer_calls(kit, say.run, items, 2), TURN_NEXT_START);
    assert_int_equal(kit->plan.card_count, 1);
    assert_string_equal(kit->plan.cards[0].tool.data, "read_file");
    assert_string_equal(kit->plan.cards[0].arguments.data, "{\"path\":\"a\"}");
    int64_t part = kit->plan.cards[0].part;
    assert_int_equal(turns_card(kit, say.run, part, CARD_DONE), TURN_NEXT_CALL);
    assert_string_equal(turns_prompt(kit, say.run).text,
                        "/user look|/assistant let me see|assistant! read_file:{\"path\":\"a\"}|"
                        "/tool= read_file:done|");
    assert_int_equal(turns_answer(kit, say.run, "seen"), TURN_NEXT_END);
    assert_string_equal(
        turns_text(kit, "SELECT CAST(count(*) AS TEXT) FROM spans WHERE state = 'succeeded'").text,
        "3");
}

struct fit {
    const char *message;
    size_t size_max, len;
    bool failed, timed;
};

static struct err fit_tx(struct tx *tx, void *ctx) {
    struct fit *fit = ctx;
    AUTO(text_done) struct text text = text_up_to(fit->size_max);
    const struct message_key key = {.owner = BYTES("ann"), .message = kit_bytes(fit->message)};
    struct message_row row;
    struct session_row session;
    bool found = false;
    struct err err = tx_message_find(tx, &key, &found, &row, &session);
    err = err_failed(err) ? err : tx_message_write_alone(tx, &row, session.session, &text);
    fit->len = text.len;
    fit->failed = text_failed(&text);
    fit->timed = text.len > 0 && strstr(text.data, ",\"ms\":") != NULL;
    return err;
}

/* A message that does not fit is shown with less: never with a hole. */
static void a_message_with_a_call_either_fits_or_fails(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "look", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    (void)turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE);
    struct fit whole = {.message = say.what.answer.text, .size_max = 8192};
    assert_int_equal(runs_do(kit->runs, fit_tx, &whole), ERR_NONE);
    assert_false(whole.failed);
    assert_true(whole.timed);
    for (size_t less = 1; less < whole.len; less++) {
        struct fit fit = {.message = whole.message, .size_max = whole.len - less};
        assert_int_equal(runs_do(kit->runs, fit_tx, &fit), ERR_NONE);
        assert_true(fit.failed);
    }
}

static void calls_that_may_run_again_begin_side_by_side_and_others_one_by_one(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item items[] = {turns_call("a", "read_file", TURN_ALLOW, true),
                                      turns_call("b", "list_files", TURN_ALLOW, true),
                                      turns_call("c", "write_file", TURN_ALLOW, false),
                                      turns_call("d", "read_file", TURN_ALLOW, true)};
    assert_int_equal(turns_answer_calls(kit, say.run, items, 4), TURN_NEXT_START);
    assert_int_equal(kit->plan.card_count, 2);
    int64_t first = kit->plan.cards[0].part;
    assert_int_equal(turns_card(kit, say.run, first, CARD_DONE), TURN_NEXT_WAIT);
    assert_int_equal(turns_card(kit, say.run, first + 1, CARD_DONE), TURN_NEXT_START);
    assert_int_equal(kit->plan.card_count, 1);
    assert_string_equal(kit->plan.cards[0].tool.data, "write_file");
    assert_int_equal(turns_card(kit, say.run, first + 2, CARD_DONE), TURN_NEXT_START);
    assert_int_equal(turns_card(kit, say.run, first + 3, CARD_DONE), TURN_NEXT_CALL);
}

static void a_refused_call_is_told_to_the_model_and_never_begins(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("a", "rm_rf", TURN_REFUSE, false);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_CALL);
    assert_string_equal(turns_prompt(kit, say.run).text,
                        "/user go|/assistant! rm_rf:{\"path\":\"a\"}|/tool= rm_rf:no such tool|");
}

static void a_result_that_comes_twice_counts_once(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    int64_t part = kit->plan.cards[0].part;
    (void)turns_card(kit, say.run, part, CARD_DONE);
    (void)turns_card(kit, say.run, part, CARD_NOT_FOUND);
    assert_true(kit->plan.late);
    assert_string_equal(turns_text(kit, "SELECT state FROM parts WHERE kind = 'tool'").text,
                        "succeeded");
}

/* --- Somebody is asked ------------------------------------------------------------------------ */

static void a_turn_that_asks_waits_and_a_yes_starts_the_call(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_asked(kit);
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NONE);
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
    struct run_row heard;
    assert_true(runs_heard(kit->runs, say.run, &heard));
    assert_int_equal(heard.state, RUN_RUNNING);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
    assert_int_equal(turns_approve(kit, APPROVAL_DENY, ""), ERR_CONFLICT);
}

static void a_no_is_told_to_the_model_with_its_reason(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_asked(kit);
    assert_int_equal(turns_approve(kit, APPROVAL_DENY, "not today"), ERR_NONE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_non_null(strstr(turns_prompt(kit, say.run).text, "bob denied this call: not today"));
}

static struct err project_forget(struct tx *tx, void *ctx) {
    const char *project = ctx;
    tx_do(tx, "UPDATE sessions SET project = $1", ARGS(arg_str(project)));
    return tx_error(tx);
}

static enum err_code approve_for_project(struct turns_kit *kit) {
    struct turns_ask id = turns_text(kit, "SELECT approval FROM approvals");
    struct approval_answer what = {.key = {.owner = BYTES("ann"), .approval = kit_bytes(id.text)},
                                   .verb = APPROVAL_ALLOW,
                                   .text = BYTES(""),
                                   .by = BYTES("bob"),
                                   .scope = APPROVAL_PROJECT,
                                   .subject = BYTES("")};
    return runs_do(kit->runs, turns_approve_tx, &what);
}

/* Such a session is one whose owner has as many other projects as there may be. */
static void a_yes_for_a_project_that_has_no_row_is_refused_and_changes_nothing(void **state) {
    static char none[] = "No project has such a name", project[] = "other";
    struct turns_kit *kit = *state;
    struct turns_say say = turns_asked(kit);
    assert_int_equal(runs_do(kit->runs, project_forget, none), ERR_NONE);
    assert_int_equal(approve_for_project(kit), ERR_BAD_FIELD);
    assert_string_equal(turns_text(kit, "SELECT state FROM approvals").text, "open");
    assert_string_equal(turns_text(kit, "SELECT settings FROM projects").text, "");
    assert_string_equal(turns_text(kit, "SELECT settings FROM sessions").text, "{}");
    assert_int_equal(runs_do(kit->runs, project_forget, project), ERR_NONE);
    assert_int_equal(approve_for_project(kit), ERR_NONE);
    assert_string_equal(turns_text(kit, "SELECT settings FROM projects WHERE name = 'other'").text,
                        "{\"permissions\":[{\"tool\":\"write_file\",\"subject\":\"sha256:a\","
                        "\"permission\":\"allow\"}]}");
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
    assert_string_equal(kit->plan.rules.data,
                        "{\"permissions\":[{\"tool\":\"write_file\",\"subject\":\"sha256:a\","
                        "\"permission\":\"allow\"}]}");
}

static void an_answer_after_a_restart_goes_on_all_the_same(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_asked(kit);
    runs_restart(kit->runs);
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NONE);
    assert_string_equal(turns_text(kit, "SELECT state FROM sessions").text, "running");
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
}

static void a_stop_ends_a_turn_that_waits_and_nobody_is_asked_any_more(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_asked(kit);
    struct turns_say next = turns_say(kit, "stop that", TURN_INTERRUPT);
    assert_int_equal(next.decision, TURN_DECIDE_STOP);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_END);
    turns_assert_state(kit, say.run, RUN_CANCELLED, CAUSE_INTERRUPTED);
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_CONFLICT);
    assert_string_equal(turns_text(kit, "SELECT state FROM parts WHERE kind = 'tool'").text,
                        "cancelled");
    turns_assert_state(kit, next.run, RUN_RUNNING, CAUSE_NONE);
}

/* --- Crashes ---------------------------------------------------------------------------------- */

static void a_call_that_a_crash_cut_off_is_asked_again(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    int64_t lost = kit->plan.step;
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_true(kit->plan.step > lost);
    assert_string_equal(turns_text(kit, "SELECT state FROM spans ORDER BY step LIMIT 1").text,
                        "lost");
    assert_int_equal(turns_answer(kit, say.run, "hi"), TURN_NEXT_END);
    assert_string_equal(turns_text(kit, answer_status).text, "completed");
}

static void an_answer_to_a_call_of_before_a_crash_changes_nothing(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turn_answer old = turns_answering(kit, say.run, NULL, 0);
    runs_restart(kit->runs);
    (void)turns_plan(kit, say.run);
    (void)turns_answer_with(kit, &old);
    assert_true(kit->plan.late);
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
}

static void a_tool_in_the_middle_runs_again_only_if_it_may(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    (void)turns_answer_calls(kit, say.run, &item, 1);
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
    (void)turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE);
    item = turns_call("b", "write_file", TURN_ALLOW, false);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_START);
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_non_null(strstr(turns_prompt(kit, say.run).text, "outcome_unknown"));
    assert_string_equal(turns_text(kit, "SELECT state || ' ' || cause FROM parts WHERE name ="
                                        " 'write_file'")
                            .text,
                        "outcome_unknown daemon_restarted");
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void a_stop_keeps_what_was_said(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "tell me", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    (void)turns_say(kit, "no, this", TURN_INTERRUPT);
    const struct turn_item items[] = {{.kind = TURN_ITEM_TEXT, .text = BYTES("once upon")},
                                      turns_call("a", "read_file", TURN_ALLOW, true),
                                      {.kind = TURN_ITEM_TEXT, .text = BYTES("a time")}};
    struct turn_answer answer = turns_answering(kit, say.run, items, COUNT_OF(items));
    answer.stopped = true;
    assert_int_equal(turns_answer_with(kit, &answer), TURN_NEXT_END);
    turns_assert_state(kit, say.run, RUN_CANCELLED, CAUSE_INTERRUPTED);
    static const char first[] = "SELECT text FROM parts WHERE step > 0 ORDER BY number";
    static const char last[] = "SELECT text FROM parts WHERE step > 0 ORDER BY number DESC";
    assert_string_equal(turns_text(kit, first).text, "once upon");
    assert_string_equal(turns_text(kit, last).text, "a time");
    assert_string_equal(turns_text(kit, "SELECT status FROM messages WHERE role = 'assistant'"
                                        " ORDER BY id LIMIT 1")
                            .text,
                        "interrupted");
}

static void a_failure_is_the_last_item_of_the_message(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = {.kind = TURN_ITEM_TEXT, .text = BYTES("half")};
    struct turn_answer answer = turns_answering(kit, say.run, &item, 1);
    answer.failure = CAUSE_PROVIDER_ERROR;
    answer.sentence = BYTES("it answered 500");
    assert_int_equal(turns_answer_with(kit, &answer), TURN_NEXT_END);
    turns_assert_state(kit, say.run, RUN_FAILED, CAUSE_PROVIDER_ERROR);
    assert_string_equal(
        turns_text(kit, "SELECT kind || ' ' || text FROM parts ORDER BY id DESC LIMIT 1").text,
        "error it answered 500");
    struct turns_say next = turns_say(kit, "again", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, next.run), TURN_NEXT_CALL);
}

static void the_same_call_over_and_over_is_told_and_then_ends_the_turn(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    enum turn_next next = TURN_NEXT_CALL;
    int calls = 0;
    while (next == TURN_NEXT_CALL && calls < 20) {
        assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_START);
        next = turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE);
        calls++;
    }
    assert_int_equal(calls, TURN_REPEATS_MAX);
    turns_assert_state(kit, say.run, RUN_FAILED, CAUSE_NO_PROGRESS);
    assert_string_equal(
        turns_text(kit, "SELECT CAST(count(*) AS TEXT) FROM parts WHERE kind = 'notice'").text,
        "1");
}

/* --- Policies --------------------------------------------------------------------------------- */

static void reject_names_the_turn_that_runs(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    struct turns_say two = turns_saying(kit, "two");
    two.what.policy = TURN_REJECT;
    assert_int_equal(runs_do(kit->runs, turns_say_tx, &two), ERR_TURN_IN_PROGRESS);
    assert_non_null(strstr(two.why, one.run));
}

static void a_message_that_steers_joins_before_the_next_call(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turns_say steer = turns_say(kit, "and hurry", TURN_STEER);
    assert_int_equal(steer.decision, TURN_DECIDE_JOIN);
    assert_string_equal(steer.run, say.run);
    assert_int_equal(turns_answer(kit, say.run, "well"), TURN_NEXT_CALL);
    assert_string_equal(turns_prompt(kit, say.run).text,
                        "/user go|/assistant well|/user and hurry|");
    assert_int_equal(turns_answer(kit, say.run, "done"), TURN_NEXT_END);
}

static void rollback_takes_the_old_turn_out_of_the_prompt(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    (void)turns_plan(kit, one.run);
    const struct turn_item item = turns_call("a", "write_file", TURN_ALLOW, false);
    (void)turns_answer_calls(kit, one.run, &item, 1);
    struct turns_say two = turns_say(kit, "two", TURN_ROLLBACK);
    assert_int_equal(two.decision, TURN_DECIDE_UNDO);
    assert_non_null(strstr(two.undone, "write_file"));
    (void)turns_card(kit, one.run, kit->plan.cards[0].part, CARD_STOPPED);
    turns_assert_state(kit, one.run, RUN_CANCELLED, CAUSE_ROLLED_BACK);
    (void)turns_plan(kit, two.run);
    assert_string_equal(turns_prompt(kit, two.run).text, "/user two|");
}

struct unqueue {
    struct message_key key;
    struct run_bounds bounds;
};

static struct err unqueue_tx(struct tx *tx, void *ctx) {
    const struct unqueue *unqueue = ctx;
    struct message_row row;
    return tx_message_unqueue(tx, &unqueue->key, &unqueue->bounds, &row);
}

static void rollback_leaves_a_message_removed_that_was_taken_out_of_the_queue(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    struct turns_say two = turns_say(kit, "two", TURN_ROLLBACK);
    struct unqueue unqueue = {.key = {.owner = BYTES("ann"), .message = kit_bytes(one.message)},
                              .bounds = kit->runs->bounds};
    assert_int_equal(runs_do(kit->runs, unqueue_tx, &unqueue), ERR_NONE);
    assert_int_equal(turns_plan(kit, one.run), TURN_NEXT_END);
    turns_assert_state(kit, one.run, RUN_CANCELLED, CAUSE_ROLLED_BACK);
    assert_string_equal(
        turns_text(kit, "SELECT status FROM messages WHERE role = 'user' ORDER BY id LIMIT 1").text,
        "removed");
    (void)turns_plan(kit, two.run);
    assert_string_equal(turns_prompt(kit, two.run).text, "/user two|");
}

/* Between the begin of its run and that of its turn. */
static void a_message_that_left_the_queue_gets_no_answer(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    struct turns_say two = turns_say(kit, "two", TURN_ENQUEUE);
    struct unqueue unqueue = {.key = {.owner = BYTES("ann"), .message = kit_bytes(one.message)},
                              .bounds = kit->runs->bounds};
    assert_int_equal(runs_do(kit->runs, unqueue_tx, &unqueue), ERR_NONE);
    assert_int_equal(turns_plan(kit, one.run), TURN_NEXT_END);
    turns_assert_state(kit, one.run, RUN_CANCELLED, CAUSE_STOPPED);
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM messages WHERE status = 'removed'"
                                           " AND run = (SELECT min(run) FROM turns)"),
                     2);
    assert_int_equal(
        runs_count(kit->runs, "SELECT count(*) FROM events WHERE type = 'turn_started'"), 0);
    (void)turns_plan(kit, two.run);
    assert_string_equal(turns_prompt(kit, two.run).text, "/user two|");
}

static void the_same_client_id_says_it_once(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = turns_saying(kit, "hello");
    one.what.client = BYTES("c-1");
    assert_int_equal(runs_do(kit->runs, turns_say_tx, &one), ERR_NONE);
    struct turns_say again = turns_saying(kit, "hello");
    again.what.client = BYTES("c-1");
    assert_int_equal(runs_do(kit->runs, turns_say_tx, &again), ERR_NONE);
    assert_true(again.repeated);
    assert_string_equal(again.run, one.run);
    struct turns_say other = turns_saying(kit, "something else");
    other.what.client = BYTES("c-1");
    assert_int_equal(runs_do(kit->runs, turns_say_tx, &other), ERR_MESSAGE_EXISTS);
}

#define turn_test(test) cmocka_unit_test_setup_teardown(test, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        turn_test(a_message_is_answered_and_everything_of_it_is_stored),
        turn_test(the_next_message_sees_what_was_said),
        turn_test(a_session_never_has_two_turns_that_run),
        turn_test(a_call_is_run_and_its_result_is_shown_to_the_model),
        turn_test(a_message_with_a_call_either_fits_or_fails),
        turn_test(calls_that_may_run_again_begin_side_by_side_and_others_one_by_one),
        turn_test(a_refused_call_is_told_to_the_model_and_never_begins),
        turn_test(a_result_that_comes_twice_counts_once),
        turn_test(a_turn_that_asks_waits_and_a_yes_starts_the_call),
        turn_test(a_no_is_told_to_the_model_with_its_reason),
        turn_test(a_yes_for_a_project_that_has_no_row_is_refused_and_changes_nothing),
        turn_test(an_answer_after_a_restart_goes_on_all_the_same),
        turn_test(a_stop_ends_a_turn_that_waits_and_nobody_is_asked_any_more),
        turn_test(a_call_that_a_crash_cut_off_is_asked_again),
        turn_test(an_answer_to_a_call_of_before_a_crash_changes_nothing),
        turn_test(a_tool_in_the_middle_runs_again_only_if_it_may),
        turn_test(a_stop_keeps_what_was_said),
        turn_test(a_failure_is_the_last_item_of_the_message),
        turn_test(the_same_call_over_and_over_is_told_and_then_ends_the_turn),
        turn_test(reject_names_the_turn_that_runs),
        turn_test(a_message_that_steers_joins_before_the_next_call),
        turn_test(rollback_takes_the_old_turn_out_of_the_prompt),
        turn_test(rollback_leaves_a_message_removed_that_was_taken_out_of_the_queue),
        turn_test(a_message_that_left_the_queue_gets_no_answer),
        turn_test(the_same_client_id_says_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
