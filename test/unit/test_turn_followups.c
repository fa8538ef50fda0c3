/* test_turn_followups.c: what ended in the background wakes its session. */
/* runs-with: sqlite, postgres */
#include "engine/session/checkpoints.h"
#include "turns_kit.h"

struct following {
    struct turn_message what;
    enum turn_followed followed;
};

static struct err follow_tx(struct tx *tx, void *ctx) {
    struct following *following = ctx;
    return tx_turn_follow_up(tx, &following->what, &following->followed);
}

static struct following follow_up(struct turns_kit *kit) {
    struct following following = {
        .what = {.session = {.owner = BYTES("ann"), .session = kit_bytes(kit->session)},
                 .model_default = BYTES("scripted/test"),
                 .run = turns_id(kit->runs, "run"),
                 .message = turns_id(kit->runs, "msg"),
                 .answer = turns_id(kit->runs, "msg"),
                 .bounds = kit->runs->bounds}};
    assert_int_equal(runs_do(kit->runs, follow_tx, &following), ERR_NONE);
    return following;
}

/* A job that notifies the session ends. */
static void owe(struct turns_kit *kit) {
    char spec[160];
    (void)snprintf(spec, sizeof spec, "{\"argv\":[\"true\"],\"notify\":[{\"session\":\"%s\"}]}",
                   kit->session);
    struct run_new what = runs_new(kit->runs);
    what.spec = kit_bytes(spec);
    struct runs_row job = runs_submit(kit->runs, &what);
    (void)runs_finish(kit->runs, job.run);
}

static const char owed_state[] = "SELECT state FROM inbox ORDER BY id DESC LIMIT 1";

static void what_ended_in_the_background_is_told_and_acknowledged_with_the_answer(void **state) {
    struct turns_kit *kit = *state;
    owe(kit);
    struct following following = follow_up(kit);
    assert_int_equal(following.followed, FOLLOW_UP_BEGUN);
    assert_string_equal(turns_text(kit, owed_state).text, "bound");
    assert_int_equal(follow_up(kit).followed, FOLLOW_UP_BUSY);
    assert_int_equal(turns_plan(kit, following.what.run.text), TURN_NEXT_CALL);
    assert_non_null(strstr(turns_prompt(kit, following.what.run.text).text, "succeeded"));
    (void)turns_answer(kit, following.what.run.text, "good");
    assert_string_equal(turns_text(kit, owed_state).text, "acknowledged");
    assert_int_equal(follow_up(kit).followed, FOLLOW_UP_IDLE);
}

static void a_busy_session_is_told_when_its_turn_has_ended(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    owe(kit);
    assert_int_equal(follow_up(kit).followed, FOLLOW_UP_BUSY);
    runs_forget(kit->runs);
    (void)turns_answer(kit, say.run, "hi");
    bool offered = false;
    for (size_t i = 0; i < kit->runs->count; i++) {
        offered = offered || kit->runs->notes[i].kind == INBOX_NOTE;
    }
    assert_true(offered);
    assert_int_equal(follow_up(kit).followed, FOLLOW_UP_BEGUN);
}

static void a_follow_up_that_fails_is_tried_again_and_told_once_in_the_prompt(void **state) {
    struct turns_kit *kit = *state;
    owe(kit);
    struct following first = follow_up(kit);
    (void)turns_plan(kit, first.what.run.text);
    struct turn_answer answer = turns_answering(kit, first.what.run.text, NULL, 0);
    answer.failure = CAUSE_PROVIDER_ERROR;
    (void)turns_answer_with(kit, &answer);
    assert_string_equal(turns_text(kit, owed_state).text, "pending");
    kit->runs->kit.clock_ms += 10 * 60 * 1000;
    struct following second = follow_up(kit);
    assert_int_equal(second.followed, FOLLOW_UP_BEGUN);
    (void)turns_plan(kit, second.what.run.text);
    struct turns_prompt prompt = turns_prompt(kit, second.what.run.text);
    const char *told = strstr(prompt.text, "[drover: what you started");
    assert_non_null(told);
    assert_null(strstr(told + 1, "[drover: what you started"));
}

/* A follow-up that has done something. */
static struct following follow_up_act(struct turns_kit *kit) {
    owe(kit);
    struct following following = follow_up(kit);
    const char *run = following.what.run.text;
    (void)turns_plan(kit, run);
    const struct turn_item item = turns_call("a", "read_file", TURN_ALLOW, true);
    assert_int_equal(turns_answer_calls(kit, run, &item, 1), TURN_NEXT_START);
    (void)turns_card(kit, run, kit->plan.cards[0].part, CARD_DONE);
    return following;
}

/* Its notice comes again with the next one. */
static void follow_up_fail(struct turns_kit *kit, const struct following *following) {
    const char *run = following->what.run.text;
    struct turn_answer answer = turns_answering(kit, run, NULL, 0);
    answer.failure = CAUSE_PROVIDER_ERROR;
    (void)turns_answer_with(kit, &answer);
    turns_assert_state(kit, run, RUN_FAILED, CAUSE_PROVIDER_ERROR);
}

static void what_a_failed_follow_up_said_leaves_the_prompt_with_its_notice(void **state) {
    struct turns_kit *kit = *state;
    const struct following following = follow_up_act(kit);
    follow_up_fail(kit, &following);
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    assert_string_equal(turns_prompt(kit, say.run).text, "/user hello|");
}

static struct err cover_tx(struct tx *tx, void *ctx) {
    return tx_checkpoint_add(tx, ctx);
}

static void a_summary_of_a_failed_follow_up_s_own_steps_is_void(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = turns_say(kit, "one", TURN_ENQUEUE);
    (void)turns_plan(kit, one.run);
    (void)turns_answer(kit, one.run, "first");
    const struct following following = follow_up_act(kit);
    struct checkpoint within = {
        .session = 1,
        .message = runs_count(kit->runs, "SELECT max(id) FROM messages"),
        .step = 1,
        .question = runs_count(kit->runs, "SELECT max(id) FROM messages WHERE role = 'notice'"),
        .made_by = CHECKPOINT_AUTO,
        .method = BYTES("summary"),
        .summary = BYTES("they counted")};
    assert_int_equal(runs_do(kit->runs, cover_tx, &within), ERR_NONE);
    follow_up_fail(kit, &following);
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    assert_string_equal(turns_prompt(kit, say.run).text, "/user one|/assistant first|/user hello|");
}

struct fork {
    struct session_fork what, next;
    bool more;
    char session[ID_SIZE];
};

static struct err fork_tx(struct tx *tx, void *ctx) {
    struct fork *fork = ctx;
    struct session_row into;
    struct err err = tx_session_fork(tx, &fork->what, &fork->next, &fork->more, &into);
    if (!err_failed(err)) {
        runs_copy_text(into.session, fork->session, sizeof fork->session);
    }
    return err;
}

static void what_a_failed_follow_up_said_is_in_no_prompt_of_a_fork(void **state) {
    struct turns_kit *kit = *state;
    const struct following following = follow_up_act(kit);
    follow_up_fail(kit, &following);
    struct fork fork = {.what = {.key = {.owner = BYTES("ann"), .session = kit_bytes(kit->session)},
                                 .session = turns_id(kit->runs, "ses")}};
    assert_int_equal(runs_do(kit->runs, fork_tx, &fork), ERR_NONE);
    assert_false(fork.more);
    memcpy(kit->session, fork.session, sizeof kit->session);
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    assert_string_equal(turns_prompt(kit, say.run).text, "/user hello|");
}

static struct err let_go_tx(struct tx *tx, void *ctx) {
    const struct turns_kit *kit = ctx;
    bool more = false;
    return tx_run_admit_all(tx, &kit->runs->bounds, 8, &more);
}

/* The daemon holds: what is queued waits for a slot. */
static void a_message_goes_before_a_queued_follow_up_that_is_told_again(void **state) {
    struct turns_kit *kit = *state;
    owe(kit);
    kit->runs->bounds.slots = 0;
    struct following first = follow_up(kit);
    assert_int_equal(first.followed, FOLLOW_UP_BEGUN);
    struct turns_say say = turns_say(kit, "you first", TURN_REJECT);
    turns_assert_state(kit, first.what.run.text, RUN_CANCELLED, CAUSE_ROLLED_BACK);
    assert_string_equal(turns_text(kit, owed_state).text, "pending");
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM messages"
                                           " WHERE status IN ('queued', 'reserved')"),
                     2); /* The question, and the place of its answer. */
    assert_int_equal(follow_up(kit).followed, FOLLOW_UP_BUSY);
    kit->runs->bounds.slots = 100;
    assert_int_equal(runs_do(kit->runs, let_go_tx, kit), ERR_NONE);
    (void)turns_plan(kit, say.run);
    assert_string_equal(turns_prompt(kit, say.run).text, "/user you first|");
    (void)turns_answer(kit, say.run, "well");
    struct following second = follow_up(kit);
    (void)turns_plan(kit, second.what.run.text);
    struct turns_prompt prompt = turns_prompt(kit, second.what.run.text);
    const char *told = strstr(prompt.text, "[drover: what you started");
    assert_non_null(told);
    assert_null(strstr(told + 1, "[drover: what you started"));
    (void)turns_answer(kit, second.what.run.text, "good");
    assert_string_equal(turns_text(kit, owed_state).text, "acknowledged");
}

static void a_session_that_is_no_more_is_owed_nothing(void **state) {
    struct turns_kit *kit = *state;
    owe(kit);
    struct following following = {
        .what = {.session = {.owner = BYTES("bob"), .session = kit_bytes(kit->session)}}};
    assert_int_equal(runs_do(kit->runs, follow_tx, &following), ERR_NONE);
    assert_int_equal(following.followed, FOLLOW_UP_IDLE);
    assert_string_equal(turns_text(kit, owed_state).text, "pending"); /* It is another owner's. */
}

#define follow_up_test(test) cmocka_unit_test_setup_teardown(test, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        follow_up_test(what_ended_in_the_background_is_told_and_acknowledged_with_the_answer),
        follow_up_test(a_busy_session_is_told_when_its_turn_has_ended),
        follow_up_test(a_follow_up_that_fails_is_tried_again_and_told_once_in_the_prompt),
        follow_up_test(what_a_failed_follow_up_said_leaves_the_prompt_with_its_notice),
        follow_up_test(a_summary_of_a_failed_follow_up_s_own_steps_is_void),
        follow_up_test(what_a_failed_follow_up_said_is_in_no_prompt_of_a_fork),
        follow_up_test(a_message_goes_before_a_queued_follow_up_that_is_told_again),
        follow_up_test(a_session_that_is_no_more_is_owed_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
