/* History that is cut: what is gone stays gone, whatever is still brought to it. */
#include "turns_kit.h"

#include "engine/session/checkpoints.h"

/* --- By hand ---------------------------------------------------------------------------------- */

static struct err clear_tx(struct tx *tx, void *ctx) {
    struct turn_cleared cleared = {.more = true};
    struct turns_kit *kit = ctx;
    struct turn_clear what = {
        .session = {.owner = BYTES("ann"), .session = kit_bytes(kit->session)},
        .bounds = kit->runs->bounds};
    struct err err = tx_turn_clear(tx, &what, &cleared);
    assert_true(err_failed(err) || !cleared.more);
    return err;
}

static void clear(struct turns_kit *kit) {
    assert_int_equal(runs_do(kit->runs, clear_tx, kit), ERR_NONE);
}

static struct err stop_tx(struct tx *tx, void *ctx) {
    struct run_row row;
    bool more = false;
    return tx_run_stop(tx, ctx, &more, &row);
}

struct resend {
    struct turn_resend what;
    struct turn_resent resent;
    char run[ID_SIZE], why[200];
};

static struct err resend_tx(struct tx *tx, void *ctx) {
    struct resend *resend = ctx;
    struct why why = {.text = ""};
    struct err err = tx_turn_resend(tx, &resend->what, &resend->resent, &why);
    if (!err_failed(err)) {
        runs_copy_text(resend->resent.run.run, resend->run, sizeof resend->run);
    }
    (void)snprintf(resend->why, sizeof resend->why, "%s", why.text);
    return err;
}

static enum err_code try_resend(struct turns_kit *kit, const char *message, struct bytes text,
                                struct resend *resend) {
    *resend = (struct resend){
        .what.message = {.key = {.owner = BYTES("ann"), .message = kit_bytes(message)},
                         .text = text,
                         .model_default = BYTES("scripted/test"),
                         .run = turns_id(kit->runs, "run"),
                         .answer = turns_id(kit->runs, "msg"),
                         .bounds = kit->runs->bounds},
        .what.fork.session = turns_id(kit->runs, "ses")};
    memcpy(resend->what.fork.seed, resend->what.fork.session.text, sizeof resend->what.fork.seed);
    return runs_do(kit->runs, resend_tx, resend);
}

struct choose {
    struct message_key key;
};

static struct err choose_tx(struct tx *tx, void *ctx) {
    struct choose *choose = ctx;
    struct message_row row;
    struct why why;
    return tx_turn_choose(tx, &choose->key, &row, &why);
}

static enum err_code choose(struct turns_kit *kit, const char *message) {
    struct choose what = {.key = {.owner = BYTES("ann"), .message = kit_bytes(message)}};
    return runs_do(kit->runs, choose_tx, &what);
}

static struct turns_say talk(struct turns_kit *kit, const char *question, const char *answer) {
    struct turns_say say = turns_say(kit, question, TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_int_equal(turns_answer(kit, say.run, answer), TURN_NEXT_END);
    return say;
}

#define assert_text(kit, query, expected) assert_string_equal(turns_text(kit, query).text, expected)

static const char shown[] = "SELECT CAST(count(*) AS TEXT) FROM messages m JOIN sessions s"
                            " ON s.id = m.session WHERE s.forked_from = '' AND m.status <> "
                            "'removed'";
static const char state[] = "SELECT state FROM sessions WHERE forked_from = ''";
static const char parts[] = "SELECT CAST(count(*) AS TEXT) FROM parts";

static void assert_cause(struct turns_kit *kit, const char *run, const char *cause) {
    struct runs_row row = runs_get(kit->runs, run);
    assert_string_equal(run_cause_name(row.row.cause), cause);
    assert_string_equal(run_state_name(row.row.state), "cancelled");
}

/* --- Clear ------------------------------------------------------------------------------------ */

static void what_comes_behind_a_clear_is_counted_and_stored_nowhere(void **kept) {
    struct turns_kit *kit = *kept;
    (void)talk(kit, "before", "that was");
    struct turns_say say = turns_say(kit, "go on", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    clear(kit);
    assert_text(kit, shown, "0");
    const struct turns_ask before = turns_text(kit, parts);
    assert_int_equal(turns_answer(kit, say.run, "too late"), TURN_NEXT_END);
    assert_text(kit, parts, before.text);
    assert_cause(kit, say.run, "cleared");
    assert_text(kit, shown, "0");
    assert_text(kit, state, "idle");
    assert_text(kit, "SELECT CAST(calls AS TEXT) FROM sessions", "2");
    assert_text(kit, "SELECT CAST(context_used AS TEXT) FROM sessions", "0");
    struct turns_say next = turns_say(kit, "anew", TURN_ENQUEUE);
    (void)turns_plan(kit, next.run);
    assert_string_equal(turns_prompt(kit, next.run).text, "/user anew|");
}

static void a_tool_that_ends_behind_a_clear_is_stored_nowhere(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say say = turns_say(kit, "look", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("c1", "read_file", TURN_ALLOW, true);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_START);
    clear(kit);
    (void)turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE);
    assert_true(kit->plan.late);
    assert_cause(kit, say.run, "cleared");
    assert_text(kit, "SELECT CAST(count(*) AS TEXT) FROM parts WHERE text = 'done'", "0");
    assert_text(kit, state, "idle");
}

static void a_clear_ends_who_waits_for_somebody_and_who_waits_for_a_turn(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say say = turns_say(kit, "write", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item item = turns_call("c1", "write_file", TURN_ASK, false);
    assert_int_equal(turns_answer_calls(kit, say.run, &item, 1), TURN_NEXT_PARK);
    struct turns_say queued = turns_say(kit, "and then", TURN_ENQUEUE);
    clear(kit);
    assert_text(kit, "SELECT state FROM approvals", "cancelled");
    assert_cause(kit, queued.run, "cleared");
    (void)turns_plan(kit, say.run);
    assert_cause(kit, say.run, "cleared");
    assert_text(kit, state, "idle");
    assert_text(kit, "SELECT CAST(count(*) AS TEXT) FROM runs WHERE ended_ms IS NULL", "0");
}

static void a_turn_that_was_let_in_and_has_not_begun_ends_with_a_clear(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    assert_string_equal(say.state, "running");
    clear(kit);
    (void)turns_plan(kit, say.run);
    assert_true(kit->plan.late);
    assert_cause(kit, say.run, "cleared");
    assert_text(kit, shown, "0");
}

static void a_crash_behind_a_clear_keeps_nothing_either(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    clear(kit);
    runs_restart(kit->runs);
    (void)turns_plan(kit, say.run);
    assert_cause(kit, say.run, "cleared");
    assert_text(kit, shown, "0");
    assert_text(kit, state, "idle");
}

static void a_turn_that_was_stopped_before_a_clear_is_cleared_all_the_same(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct turns_say other = turns_say(kit, "no, this", TURN_ROLLBACK);
    clear(kit);
    assert_cause(kit, other.run, "cleared");
    (void)turns_answer(kit, say.run, "too late");
    assert_cause(kit, say.run, "rolled_back");
    assert_text(kit, shown, "0");
    assert_text(kit, state, "idle");
}

/* --- Resend ----------------------------------------------------------------------------------- */

static void what_is_said_again_is_answered_anew_and_the_rest_is_in_a_fork(void **kept) {
    struct turns_kit *kit = *kept;
    (void)talk(kit, "one", "first");
    struct turns_say two = talk(kit, "two", "second");
    (void)talk(kit, "three", "third");
    struct resend resend;
    assert_int_equal(try_resend(kit, two.message, BYTES("deux"), &resend), ERR_NONE);
    assert_true(resend.resent.forked);
    (void)turns_plan(kit, resend.run);
    assert_string_equal(turns_prompt(kit, resend.run).text,
                        "/user one|/assistant first|/user deux|");
    assert_int_equal(turns_answer(kit, resend.run, "deuxième"), TURN_NEXT_END);
    assert_text(kit, shown, "4");
    assert_text(kit,
                "SELECT CAST(count(*) AS TEXT) FROM messages m JOIN sessions s ON s.id = m.session"
                " WHERE s.forked_from <> '' AND s.hidden = 0",
                "6");
    assert_text(kit,
                "SELECT p.text FROM parts p JOIN messages m ON m.id = p.message"
                " JOIN sessions s ON s.id = m.session WHERE s.forked_from <> ''"
                " AND m.role = 'user' ORDER BY m.id DESC LIMIT 1 OFFSET 1",
                "two");
}

static void what_has_nothing_behind_it_is_said_again_without_a_fork(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    struct turns_say two = turns_say(kit, "two", TURN_ENQUEUE);
    (void)turns_plan(kit, one.run);
    struct run_stop stop = {
        .key = {.run = kit_bytes(two.run)}, .cause = CAUSE_STOPPED, .bounds = kit->runs->bounds};
    assert_int_equal(runs_do(kit->runs, stop_tx, &stop), ERR_NONE);
    assert_int_equal(turns_answer(kit, one.run, "first"), TURN_NEXT_END);
    struct resend resend;
    assert_int_equal(try_resend(kit, two.message, (struct bytes){NULL, 0}, &resend), ERR_NONE);
    assert_false(resend.resent.forked);
    (void)turns_plan(kit, resend.run);
    assert_string_equal(turns_prompt(kit, resend.run).text,
                        "/user one|/assistant first|/user two|");
}

/* The message "hurry" is listed behind "two", which waited when it came. */
static void what_joined_an_earlier_answer_stays_in_it(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    (void)turns_plan(kit, one.run);
    struct turns_say two = turns_say(kit, "two", TURN_ENQUEUE);
    assert_int_equal(turns_say(kit, "hurry", TURN_STEER).decision, TURN_DECIDE_JOIN);
    assert_int_equal(turns_answer(kit, one.run, "well"), TURN_NEXT_CALL);
    assert_int_equal(turns_answer(kit, one.run, "first"), TURN_NEXT_END);
    (void)turns_plan(kit, two.run);
    assert_int_equal(turns_answer(kit, two.run, "second"), TURN_NEXT_END);
    struct resend resend;
    assert_int_equal(try_resend(kit, two.message, BYTES("deux"), &resend), ERR_NONE);
    (void)turns_plan(kit, resend.run);
    assert_string_equal(turns_prompt(kit, resend.run).text,
                        "/user one|/assistant well|/user hurry|/assistant first|/user deux|");
}

static void only_a_user_s_message_is_said_again_and_only_in_quiet(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say one = talk(kit, "one", "first");
    struct resend resend;
    const struct turns_ask answer =
        turns_text(kit, "SELECT message FROM messages WHERE role = 'assistant'");
    assert_int_equal(try_resend(kit, answer.text, BYTES("x"), &resend), ERR_NOT_A_USER_MESSAGE);
    assert_int_equal(try_resend(kit, "msg_00000000000000000000000000", BYTES("x"), &resend),
                     ERR_MESSAGE_NOT_FOUND);
    struct turns_say two = turns_say(kit, "two", TURN_ENQUEUE);
    assert_int_equal(try_resend(kit, one.message, BYTES("x"), &resend), ERR_TURN_IN_PROGRESS);
    assert_non_null(strstr(resend.why, two.run));
}

/* --- Summaries -------------------------------------------------------------------------------- */

static struct err cover_tx(struct tx *tx, void *ctx) {
    struct turns_kit *kit = ctx;
    (void)kit;
    const struct checkpoint checkpoint = {.session = 1,
                                          .message = 2,
                                          .made_by = CHECKPOINT_MANUAL,
                                          .method = BYTES("summary"),
                                          .summary = BYTES("they counted")};
    return tx_checkpoint_add(tx, &checkpoint);
}

static const char void_ones[] = "SELECT CAST(sum(void) AS TEXT) FROM checkpoints";

static void a_summary_of_what_was_changed_or_removed_is_void(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say one = talk(kit, "one", "first");
    struct turns_say two = talk(kit, "two", "second");
    assert_int_equal(runs_do(kit->runs, cover_tx, kit), ERR_NONE);
    struct resend resend;
    assert_int_equal(try_resend(kit, two.message, BYTES("deux"), &resend), ERR_NONE);
    assert_text(kit, void_ones, "0"); /* It covers what stands before. */
    (void)turns_plan(kit, resend.run);
    (void)turns_answer(kit, resend.run, "deuxième");
    assert_int_equal(try_resend(kit, one.message, BYTES("un"), &resend), ERR_NONE);
    assert_text(kit, void_ones, "1");
    (void)turns_plan(kit, resend.run);
    (void)turns_answer(kit, resend.run, "premier");
    assert_int_equal(runs_do(kit->runs, cover_tx, kit), ERR_NONE);
    clear(kit);
    assert_text(kit, void_ones, "2");
}

/* --- Variants --------------------------------------------------------------------------------- */

static struct err again_tx(struct tx *tx, void *ctx) {
    struct resend *again = ctx;
    struct run_row run;
    struct why why;
    struct turn_message what = again->what.message;
    what.model_default = BYTES("scripted/test");
    struct err err = tx_turn_again(tx, &what, &run, &why);
    if (!err_failed(err)) {
        runs_copy_text(run.run, again->run, sizeof again->run);
    }
    return err;
}

static enum err_code ask_again(struct turns_kit *kit, const char *answer, struct resend *again) {
    *again = (struct resend){
        .what.message = {.key = {.owner = BYTES("ann"), .message = kit_bytes(answer)},
                         .run = turns_id(kit->runs, "run"),
                         .answer = turns_id(kit->runs, "msg"),
                         .bounds = kit->runs->bounds}};
    return runs_do(kit->runs, again_tx, again);
}

static void an_older_answer_that_is_chosen_is_the_one_in_prompts(void **kept) {
    struct turns_kit *kit = *kept;
    struct turns_say one = talk(kit, "one", "first");
    const struct turns_ask first =
        turns_text(kit, "SELECT message FROM messages WHERE role = 'assistant'");
    struct resend again;
    assert_int_equal(ask_again(kit, first.text, &again), ERR_NONE);
    assert_int_equal(choose(kit, first.text), ERR_TURN_IN_PROGRESS);
    (void)turns_plan(kit, again.run);
    (void)turns_answer(kit, again.run, "better");
    assert_int_equal(runs_do(kit->runs, cover_tx, kit), ERR_NONE);
    assert_int_equal(choose(kit, first.text), ERR_NONE);
    assert_text(kit, void_ones, "1");
    assert_int_equal(choose(kit, first.text), ERR_NONE); /* A second time it is the same. */
    assert_int_equal(choose(kit, one.message), ERR_CONFLICT);
    struct turns_say next = turns_say(kit, "two", TURN_ENQUEUE);
    (void)turns_plan(kit, next.run);
    assert_string_equal(turns_prompt(kit, next.run).text, "/user one|/assistant first|/user two|");
}

/* The first answer to a message whose second answer the message "two" rolls back. */
static struct turns_ask roll_back_another_answer(struct turns_kit *kit, struct resend *ret_again,
                                                 struct turns_say *ret_two) {
    (void)talk(kit, "one", "first");
    const struct turns_ask first =
        turns_text(kit, "SELECT message FROM messages WHERE role = 'assistant'");
    assert_int_equal(ask_again(kit, first.text, ret_again), ERR_NONE);
    (void)turns_plan(kit, ret_again->run);
    *ret_two = turns_say(kit, "two", TURN_ROLLBACK);
    return first;
}

static void an_answer_to_what_was_rolled_back_is_neither_chosen_nor_asked_for_again(void **kept) {
    struct turns_kit *kit = *kept;
    struct resend again;
    struct turns_say two;
    const struct turns_ask first = roll_back_another_answer(kit, &again, &two);
    (void)turns_answer(kit, again.run, "too late");
    (void)turns_plan(kit, two.run);
    assert_string_equal(turns_prompt(kit, two.run).text, "/user two|");
    assert_int_equal(turns_answer(kit, two.run, "second"), TURN_NEXT_END);
    assert_int_equal(choose(kit, first.text), ERR_CONFLICT);
    assert_int_equal(ask_again(kit, first.text, &again), ERR_CONFLICT);
    struct turns_say three = turns_say(kit, "three", TURN_ENQUEUE);
    (void)turns_plan(kit, three.run);
    assert_string_equal(turns_prompt(kit, three.run).text,
                        "/user two|/assistant second|/user three|");
}

/* No message follows the rollback: the earlier answer is the last one. */
static void an_answer_to_what_was_rolled_back_stays_out_of_an_empty_prompt(void **kept) {
    struct turns_kit *kit = *kept;
    struct resend again;
    struct turns_say two;
    const struct turns_ask first = roll_back_another_answer(kit, &again, &two);
    struct run_stop stop = {
        .key = {.run = kit_bytes(two.run)}, .cause = CAUSE_STOPPED, .bounds = kit->runs->bounds};
    assert_int_equal(runs_do(kit->runs, stop_tx, &stop), ERR_NONE);
    (void)turns_answer(kit, again.run, "too late");
    assert_int_equal(ask_again(kit, first.text, &again), ERR_CONFLICT);
    assert_int_equal(choose(kit, first.text), ERR_CONFLICT);
}

#define cut_test(test) cmocka_unit_test_setup_teardown(test, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cut_test(what_comes_behind_a_clear_is_counted_and_stored_nowhere),
        cut_test(a_tool_that_ends_behind_a_clear_is_stored_nowhere),
        cut_test(a_clear_ends_who_waits_for_somebody_and_who_waits_for_a_turn),
        cut_test(a_turn_that_was_let_in_and_has_not_begun_ends_with_a_clear),
        cut_test(a_crash_behind_a_clear_keeps_nothing_either),
        cut_test(a_turn_that_was_stopped_before_a_clear_is_cleared_all_the_same),
        cut_test(what_is_said_again_is_answered_anew_and_the_rest_is_in_a_fork),
        cut_test(what_has_nothing_behind_it_is_said_again_without_a_fork),
        cut_test(what_joined_an_earlier_answer_stays_in_it),
        cut_test(only_a_user_s_message_is_said_again_and_only_in_quiet),
        cut_test(a_summary_of_what_was_changed_or_removed_is_void),
        cut_test(an_older_answer_that_is_chosen_is_the_one_in_prompts),
        cut_test(an_answer_to_what_was_rolled_back_is_neither_chosen_nor_asked_for_again),
        cut_test(an_answer_to_what_was_rolled_back_stays_out_of_an_empty_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
