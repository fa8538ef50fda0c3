/* test_turn_programs.c: transactions of turns that a program answers: its process, what was read of
 * it, its questions, its next attempt, and how much of its own session counts. */
#include "turns_kit.h"

#include "engine/session/message_rows.h"
#include "engine/turn/program.h"
#include "rules/agent/outcome.h"

/* A session whose agent is a program, in place of the one of the kit. */
static int programs_begin(void **state) {
    const int rc = turns_begin(state);
    struct turns_kit *kit = *state;
    struct turns_create create = {.what = {.session = turns_id(kit->runs, "ses"),
                                           .owner = BYTES("ann"),
                                           .parent = BYTES(""),
                                           .program = BYTES("{\"program\":\"plain\"}")}};
    assert_int_equal(runs_do(kit->runs, turns_create_tx, &create), ERR_NONE);
    memcpy(kit->session, create.session, sizeof kit->session);
    return rc;
}

struct started {
    struct program_start_new what;
    struct id run;
    bool busy;
};

static struct err start_tx(struct tx *tx, void *ctx) {
    struct started *started = ctx;
    return tx_program_start(tx, &started->what, &started->run, &started->busy);
}

/* Name of the process of the call that is out. */
static struct id start(struct turns_kit *kit, const char *run) {
    struct started started = {.what = {.key = turns_key(kit, run),
                                       .step = kit->plan.step,
                                       .reader = BYTES("begun"),
                                       .run = runs_new(kit->runs)}};
    assert_int_equal(runs_do(kit->runs, start_tx, &started), ERR_NONE);
    return started.run;
}

/* The call that is out has brought that, and the output was read to there. */
static enum turn_next hear(struct turns_kit *kit, const char *run, const struct turn_item *item,
                           const struct program_mark *mark, bool ends) {
    struct turn_answer answer = turns_answering(kit, run, item, item == NULL ? 0 : 1);
    answer.program = mark;
    answer.paused = !ends;
    return turns_answer_with(kit, &answer);
}

static const struct program_mark here = {.read_to = 70, .reader = {"here", 4}, .outcome = {"", 0}};
static const struct program_mark again = {.read_to = 90,
                                          .reader = {"again", 5},
                                          .again = true,
                                          .outcome = {"killed", 6},
                                          .rule = {"signal", 6},
                                          .tries = 2};

static struct turn_item question(enum turn_verdict verdict) {
    struct turn_item item = turns_call("a", "Bash", verdict, false);
    item.kind = TURN_ITEM_QUESTION;
    item.call.question = BYTES("q1");
    return item;
}

static void assert_plan(struct turns_kit *kit, struct bytes process, int64_t read_to,
                        struct bytes reader) {
    assert_true(bytes_equal(kit->plan.process, process));
    assert_int_equal(kit->plan.read_to, read_to);
    assert_true(bytes_equal(kit->plan.reader, reader));
}

static void its_process_is_begun_once_and_read_on_where_it_was_stored(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_plan(kit, BYTES(""), 0, BYTES(""));
    const struct id process = start(kit, say.run), same = start(kit, say.run);
    assert_string_equal(process.text, same.text);
    const struct turn_item item = {.kind = TURN_ITEM_TEXT, .text = BYTES("one")};
    assert_int_equal(hear(kit, say.run, &item, &here, false), TURN_NEXT_CALL);
    assert_plan(kit, kit_bytes(process.text), 70, BYTES("here"));
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_plan(kit, kit_bytes(process.text), 70, BYTES("here"));
    assert_string_equal(start(kit, say.run).text, process.text);
    assert_int_equal(hear(kit, say.run, NULL, &here, true), TURN_NEXT_END);
    turns_assert_state(kit, say.run, RUN_SUCCEEDED, CAUSE_COMPLETED);
}

struct look {
    struct turn_key key;
    struct id process;
    struct program_child child;
};

static struct err look_tx(struct tx *tx, void *ctx) {
    struct look *look = ctx;
    return tx_program_child(tx, &look->key, bytes_of(look->process.text), &look->child);
}

static void its_output_is_away_while_another_host_leads(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct look look = {.process = start(kit, say.run), .key = turns_key(kit, say.run)};
    assert_int_equal(runs_do(kit->runs, look_tx, &look), ERR_NONE);
    assert_int_equal(look.child.attempt, 1);
    assert_string_equal(look.child.away.text, "");
    look.key.bounds.hosts = RUN_HOSTS_SHARED;
    look.key.bounds.host = BYTES("there");
    assert_int_equal(runs_do(kit->runs, look_tx, &look), ERR_NONE);
    assert_non_null(strstr(look.child.away.text, "on host here"));
}

/* A turn that was stopped is over while its process still has its grace. */
static void a_process_waits_for_the_one_of_an_earlier_turn(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say first = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, first.run);
    const struct id process = start(kit, first.run);
    struct turns_say second = turns_say(kit, "no", TURN_INTERRUPT);
    assert_int_equal(hear(kit, first.run, NULL, &here, false), TURN_NEXT_END);
    assert_int_equal(turns_plan(kit, second.run), TURN_NEXT_CALL);
    assert_string_equal(start(kit, second.run).text, "");
    (void)runs_finish(kit->runs, process.text);
    assert_string_not_equal(start(kit, second.run).text, "");
}

struct replying {
    struct turns_kit *kit;
    struct program_replies what;
};

static struct err reply_tx(struct tx *tx, void *ctx) {
    const struct replying *replying = ctx;
    return tx_program_reply(tx, &replying->what, &replying->kit->plan);
}

static void an_answer_to_its_question_reaches_it_after_a_restart(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct id process = start(kit, say.run);
    const struct turn_item item = question(TURN_ASK);
    assert_int_equal(hear(kit, say.run, &item, &here, false), TURN_NEXT_PARK);
    turns_assert_state(kit, say.run, RUN_WAITING, CAUSE_NONE);
    runs_restart(kit->runs);
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NONE);
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
    assert_int_equal(kit->plan.card_count, 1);
    assert_true(bytes_is(kit->plan.cards[0].question, "q1"));
    assert_false(kit->plan.cards[0].denied);
    struct replying replying = {.kit = kit,
                                .what = {.key = turns_key(kit, say.run),
                                         .parts = {kit->plan.cards[0].part},
                                         .count = 1,
                                         .input = BYTES("yes")}};
    assert_int_equal(runs_do(kit->runs, reply_tx, &replying), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_CALL);
    assert_plan(kit, kit_bytes(process.text), 70, BYTES("here"));
    assert_string_equal(turns_text(kit, "SELECT state FROM parts WHERE kind = 'tool'").text,
                        "running");
}

static void a_call_whose_file_has_changed_since_its_question_ends_as_a_conflict(void **state) {
    struct turns_kit *kit = *state;
    static const char about[] = "{\"subjects\":[\"a\"],\"before\":\"\"}";
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    (void)start(kit, say.run);
    struct turn_item item = turns_call("a", "Write", TURN_ALLOW, false);
    item.kind = TURN_ITEM_TOOL;
    assert_int_equal(hear(kit, say.run, &item, &here, false), TURN_NEXT_CALL);
    /* The arguments of the question replace those of the tool that was shown before. */
    item = question(TURN_ASK);
    item.call.arguments = BYTES("{\"file_path\":\"a\"}");
    item.call.about = BYTES(about);
    assert_int_equal(hear(kit, say.run, &item, &here, false), TURN_NEXT_PARK);
    assert_string_equal(turns_text(kit, "SELECT about FROM approvals").text, about);
    assert_int_equal(turns_approve(kit, APPROVAL_ALLOW, ""), ERR_NONE);
    runs_restart(kit->runs);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
    assert_int_equal(kit->plan.card_count, 1);
    assert_true(bytes_is(kit->plan.cards[0].about, about));
    assert_true(bytes_is(kit->plan.cards[0].arguments, "{\"file_path\":\"a\"}"));
    struct replying replying = {.kit = kit,
                                .what = {.key = turns_key(kit, say.run),
                                         .parts = {kit->plan.cards[0].part},
                                         .conflicts = {"It has changed."},
                                         .count = 1,
                                         .input = BYTES("no")}};
    assert_int_equal(runs_do(kit->runs, reply_tx, &replying), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_CALL);
    assert_string_equal(turns_text(kit, "SELECT state || ': ' || cause || ': ' || text FROM parts"
                                        " WHERE kind = 'tool'")
                            .text,
                        "failed: conflict: It has changed.");
}

static void a_question_that_is_too_long_to_be_stored_is_denied(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    (void)start(kit, say.run);
    AUTO(text_done) struct text long_text = text_up_to(TURN_ARGUMENTS_MAX);
    text_add_str(&long_text, "{\"a\":\"");
    while (long_text.len < TURN_ARGUMENTS_MAX - 100) {
        text_add_str(&long_text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    }
    text_add_str(&long_text, "\"}");
    struct turn_item item = question(TURN_ASK);
    item.call.arguments = text_bytes(&long_text);
    assert_int_equal(hear(kit, say.run, &item, &here, false), TURN_NEXT_START);
    assert_true(kit->plan.cards[0].denied);
    assert_string_equal(turns_text(kit, "SELECT cause FROM parts WHERE kind = 'tool'").text,
                        "too_large");
    assert_string_equal(turns_text(kit, "SELECT count(*) FROM approvals").text, "0");
}

static void a_program_that_has_died_waits_for_no_answer(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct id process = start(kit, say.run);
    const struct turn_item item = question(TURN_ASK);
    assert_int_equal(hear(kit, say.run, &item, &here, false), TURN_NEXT_PARK);
    (void)runs_finish(kit->runs, process.text);
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
    assert_string_equal(turns_text(kit, "SELECT state FROM sessions WHERE state <> 'idle'").text,
                        "running");
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    /* The next attempt is asked from the beginning, and has no question open. */
    assert_int_equal(hear(kit, say.run, NULL, &again, false), TURN_NEXT_CALL);
    assert_plan(kit, BYTES(""), 0, BYTES("again"));
    assert_int_equal(kit->plan.tries, 2);
    assert_int_equal(kit->plan.attempts, 1);
    assert_true(bytes_is(kit->plan.outcome, "killed"));
    assert_string_equal(
        turns_text(kit, "SELECT cause || ' by ' || rule FROM spans WHERE rule <> ''").text,
        "signal by signal");
    assert_string_equal(turns_text(kit, "SELECT state FROM approvals").text, "cancelled");
    assert_string_equal(turns_text(kit, "SELECT state FROM parts WHERE kind = 'tool'").text,
                        "cancelled");
    const struct id second = start(kit, say.run);
    assert_string_not_equal(second.text, process.text);
    assert_int_equal(hear(kit, say.run, NULL, &again, false), TURN_NEXT_CALL);
    assert_int_equal(kit->plan.attempts, 2);
}

/* --- Messages that come while it works -------------------------------------------------------- */

static bool line_write(struct bytes definition, struct bytes name, struct bytes words,
                       struct text *line) {
    (void)definition;
    (void)name;
    if (line != NULL) {
        text_add(line, words.data, words.len);
    }
    return true;
}

static struct turns_say steer(struct turns_kit *kit, const char *text) {
    struct turns_say say = turns_saying(kit, text);
    say.what.policy = TURN_STEER;
    say.what.line = line_write;
    assert_int_equal(runs_do(kit->runs, turns_say_tx, &say), ERR_NONE);
    return say;
}

/* The process takes input; messages up to `prompted` are in its prompt. */
static struct id start_listening(struct turns_kit *kit, const char *run, int64_t prompted) {
    struct started started = {.what = {.key = turns_key(kit, run),
                                       .step = kit->plan.step,
                                       .reader = BYTES("begun"),
                                       .run = runs_new(kit->runs),
                                       .prompted = prompted,
                                       .line = line_write}};
    started.what.run.input_open = true;
    started.what.run.spec = BYTES("{\"stdin_open\":true}");
    assert_int_equal(runs_do(kit->runs, start_tx, &started), ERR_NONE);
    return started.run;
}

struct status {
    struct bytes message;
    char text[20];
};

static struct err status_tx(struct tx *tx, void *ctx) {
    struct status *status = ctx;
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, "SELECT status FROM messages WHERE message = $1",
                               ARGS(arg_text(status->message)));
    runs_copy_text(rows_text(rows, 0), status->text, sizeof status->text);
    return tx_error(tx);
}

static void assert_status(struct turns_kit *kit, const struct turns_say *say, const char *text) {
    struct status status = {.message = kit_bytes(say->message)};
    assert_int_equal(runs_do(kit->runs, status_tx, &status), ERR_NONE);
    assert_string_equal(status.text, text);
}

static int64_t input_len(struct turns_kit *kit) {
    return runs_count(kit->runs, "SELECT sum(len) FROM run_input");
}

struct closing {
    struct program_close what;
    bool closed;
};

static struct err close_tx(struct tx *tx, void *ctx) {
    struct closing *closing = ctx;
    return tx_program_close(tx, &closing->what, &closing->closed);
}

static bool closes(struct turns_kit *kit, const char *run, const char *process, const char *read) {
    struct closing closing = {
        .what = {.turn = kit_bytes(run), .process = kit_bytes(process), .read = kit_bytes(read)}};
    assert_int_equal(runs_do(kit->runs, close_tx, &closing), ERR_NONE);
    return closing.closed;
}

static struct turn_item read_of(const struct uuid *name) {
    return (struct turn_item){.kind = TURN_ITEM_READ, .call = {.id = kit_bytes(name->text)}};
}

struct task {
    struct turn_key key;
    char prompt[200], reader[200], history[400], joins[200], missed[200];
    int64_t prompted;
};

static struct err task_tx(struct tx *tx, void *ctx) {
    struct task *task = ctx;
    AUTO(text_done) struct text prompt = text_up_to(200), reader = text_up_to(200);
    AUTO(text_done) struct text notice = text_up_to(200);
    AUTO(text_done) struct text history = text_up_to(PROGRAM_HISTORY_MAX + 1);
    AUTO(text_done) struct text joins = text_up_to(200), missed = text_up_to(200);
    struct program_task what = {.prompt = &prompt,
                                .notice = &notice,
                                .reader = &reader,
                                .joins = &joins,
                                .missed = &missed};
    struct err err = tx_program_task(tx, &task->key, &what);
    err = err_failed(err) ? err : tx_program_history(tx, &task->key, &history);
    runs_copy_text(text_bytes(&prompt), task->prompt, sizeof task->prompt);
    runs_copy_text(text_bytes(&reader), task->reader, sizeof task->reader);
    runs_copy_text(text_bytes(&history), task->history, sizeof task->history);
    runs_copy_text(text_bytes(&joins), task->joins, sizeof task->joins);
    runs_copy_text(text_bytes(&missed), task->missed, sizeof task->missed);
    task->prompted = what.prompted;
    return err;
}

static struct task task_of(struct turns_kit *kit, const char *run) {
    struct task task = {.key = turns_key(kit, run)};
    assert_int_equal(runs_do(kit->runs, task_tx, &task), ERR_NONE);
    return task;
}

struct following {
    struct turns_kit *kit;
    const char *run;
    struct session_usage usage;
};

static struct err usage_tx(struct tx *tx, void *ctx) {
    struct following *following = ctx;
    struct run_row run;
    if (runs__load(tx, kit_bytes(following->run), &run)) {
        following->usage = messages__usage(tx, run.id);
    }
    return tx_error(tx);
}

static struct err model_follows_tx(struct tx *tx, void *ctx) {
    const struct following *following = ctx;
    const struct session_change change = {
        .key = {.owner = BYTES("ann"), .session = kit_bytes(following->kit->session)},
        .agent = BYTES(""),
        .program = BYTES(""),
        .model = BYTES("scripted/test")};
    struct session_row row;
    return tx_session_change(tx, &change, &row);
}

/* Providers refuse its calls, and its answer was no call of a model. */
static void a_model_that_follows_is_shown_its_words_and_its_usage_stays(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    (void)start(kit, say.run);
    struct turn_item item = turns_call("item_1", "a shell", TURN_ALLOW, false);
    item.kind = TURN_ITEM_TOOL;
    struct turn_answer untold = turns_answering(kit, say.run, &item, 1);
    untold.program = &here;
    untold.paused = true;
    untold.usage = (struct usage){.fresh = 0};
    untold.cost = (struct usage_cost){.known = true};
    assert_int_equal(turns_answer_with(kit, &untold), TURN_NEXT_CALL);
    item.kind = TURN_ITEM_TOOL_END;
    item.call.cause = CARD_DONE;
    assert_int_equal(hear(kit, say.run, &item, &here, false), TURN_NEXT_CALL);
    item = (struct turn_item){.kind = TURN_ITEM_TEXT, .text = BYTES("well")};
    assert_int_equal(hear(kit, say.run, &item, &here, true), TURN_NEXT_END);
    struct following following = {.kit = kit, .run = say.run};
    assert_int_equal(runs_do(kit->runs, usage_tx, &following), ERR_NONE);
    assert_int_equal(following.usage.calls, 2);
    assert_int_equal(runs_do(kit->runs, model_follows_tx, &following), ERR_NONE);
    assert_int_equal(runs_do(kit->runs, usage_tx, &following), ERR_NONE);
    assert_int_equal(following.usage.calls, 2);
    assert_int_equal(following.usage.cost_unknown, 0);
    struct turns_say next = turns_say(kit, "more", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, next.run), TURN_NEXT_CALL);
    assert_string_equal(turns_prompt(kit, next.run).text,
                        "/user hello|/assistant well|/user more|");
}

static struct turns_say answered(struct turns_kit *kit, const char *text) {
    struct turns_say say = turns_say(kit, text, TURN_ENQUEUE);
    const struct turn_item item = {.kind = TURN_ITEM_TEXT, .text = BYTES("well")};
    (void)turns_plan(kit, say.run);
    (void)start(kit, say.run);
    assert_int_equal(hear(kit, say.run, &item, &here, true), TURN_NEXT_END);
    return say;
}

static void its_own_session_counts_as_long_as_the_last_answer_is_shown(void **state) {
    struct turns_kit *kit = *state;
    (void)answered(kit, "alpha");
    struct turns_say say = turns_say(kit, "beta", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct task task = task_of(kit, say.run);
    assert_string_equal(task.prompt, "beta");
    assert_string_equal(task.reader, "here");
    assert_string_equal(task.history, "User: alpha\n\nYou: well");
    /* Taken back: its program has heard it. */
    (void)start(kit, say.run);
    struct turns_say instead = turns_say(kit, "gamma", TURN_ROLLBACK);
    assert_int_equal(hear(kit, say.run, NULL, &here, false), TURN_NEXT_END);
    assert_int_equal(turns_plan(kit, instead.run), TURN_NEXT_CALL);
    task = task_of(kit, instead.run);
    assert_string_equal(task.prompt, "gamma");
    assert_string_equal(task.reader, "");
    assert_string_equal(task.history, "User: alpha\n\nYou: well");
}

struct variant {
    struct message_key key;
    struct turn_message what;
    char run[ID_SIZE];
};

static struct err again_tx(struct tx *tx, void *ctx) {
    struct variant *variant = ctx;
    struct run_row run = {.id = 0};
    struct why why;
    struct err err = tx_turn_again(tx, &variant->what, &run, &why);
    runs_copy_text(run.run, variant->run, sizeof variant->run);
    return err;
}

static struct err choose_tx(struct tx *tx, void *ctx) {
    const struct variant *variant = ctx;
    struct message_row row;
    struct why why;
    return tx_turn_choose(tx, &variant->key, &row, &why);
}

/* The session of the program has the answer that is hidden now, and all that followed it. */
static void its_own_session_is_left_when_an_older_variant_is_chosen(void **state) {
    struct turns_kit *kit = *state;
    (void)answered(kit, "alpha");
    const struct turns_ask first =
        turns_text(kit, "SELECT message FROM messages WHERE role = 'assistant'");
    struct variant variant = {.key = {.owner = BYTES("ann"), .message = bytes_of(first.text)}};
    variant.what = (struct turn_message){.key = variant.key,
                                         .model_default = BYTES("scripted/test"),
                                         .run = turns_id(kit->runs, "run"),
                                         .answer = turns_id(kit->runs, "msg"),
                                         .bounds = kit->runs->bounds};
    assert_int_equal(runs_do(kit->runs, again_tx, &variant), ERR_NONE);
    const struct turn_item item = {.kind = TURN_ITEM_TEXT, .text = BYTES("better")};
    (void)turns_plan(kit, variant.run);
    (void)start(kit, variant.run);
    assert_int_equal(hear(kit, variant.run, &item, &here, true), TURN_NEXT_END);
    (void)answered(kit, "beta");
    assert_int_equal(runs_do(kit->runs, choose_tx, &variant), ERR_NONE);
    struct turns_say say = turns_say(kit, "gamma", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct task task = task_of(kit, say.run);
    assert_string_equal(task.reader, "");
    assert_string_equal(task.history, "User: alpha\n\nYou: well\n\nUser: beta\n\nYou: well");
}

static void a_message_joins_no_turn_of_a_program_that_takes_none(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "alpha", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    (void)start(kit, say.run);
    struct turns_say more = turns_say(kit, "beta", TURN_STEER);
    assert_int_equal(more.decision, TURN_DECIDE_QUEUE);
    assert_string_not_equal(more.run, say.run);
    assert_int_equal(hear(kit, say.run, NULL, &here, true), TURN_NEXT_END);
    assert_int_equal(turns_plan(kit, more.run), TURN_NEXT_CALL);
    assert_string_equal(task_of(kit, more.run).prompt, "beta");
}

static void a_message_is_in_its_input_once_and_joins_where_it_is_read(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "alpha", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turns_say early = steer(kit, "early");
    assert_int_equal(early.decision, TURN_DECIDE_JOIN);
    assert_status(kit, &early, "steering");
    const struct task task = task_of(kit, say.run);
    assert_string_equal(task.joins, "early");
    const struct turns_say between = steer(kit, "between"); /* The prompt was made without it. */
    const struct id process = start_listening(kit, say.run, task.prompted);
    assert_status(kit, &early, "delivered");
    assert_status(kit, &between, "delivered");
    assert_int_equal(input_len(kit), strlen("between"));
    (void)start_listening(kit, say.run, task.prompted); /* The same process. */
    const struct turns_say late = steer(kit, "late");
    assert_string_equal(late.run, say.run);
    assert_status(kit, &late, "delivered");
    assert_int_equal(input_len(kit), strlen("betweenlate"));
    /* The second name stands for the first message, too. */
    const struct uuid second =
        program_message_name(kit_bytes(process.text), kit_bytes(between.message));
    const struct uuid third =
        program_message_name(kit_bytes(process.text), kit_bytes(late.message));
    const struct turn_item item = read_of(&second);
    assert_int_equal(hear(kit, say.run, &item, &here, false), TURN_NEXT_CALL);
    assert_status(kit, &early, "joined");
    assert_status(kit, &between, "joined");
    assert_status(kit, &late, "delivered");
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM parts WHERE kind = 'steer'"), 2);
    assert_false(closes(kit, say.run, process.text, second.text));
    assert_true(closes(kit, say.run, process.text, third.text));
    assert_int_equal(steer(kit, "too late").decision, TURN_DECIDE_QUEUE);
    const struct turn_item next = {.kind = TURN_ITEM_READ, .call = {.id = BYTES("")}};
    assert_int_equal(hear(kit, say.run, &next, &here, true), TURN_NEXT_END);
    assert_status(kit, &late, "joined");
}

static const struct program_mark named = {
    .read_to = 80, .reader = {"named", 5}, .names = true, .outcome = {"", 0}};

static void what_it_has_not_read_goes_to_its_next_process(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "alpha", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct id process = start_listening(kit, say.run, 0);
    const struct turns_say more = steer(kit, "more");
    /* The first one dies, the second one names what it reads, the last one does not. */
    const struct program_mark *const ends[] = {&again, &named, &here};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        const bool last = i == COUNT_OF(ends) - 1;
        assert_status(kit, &more, "delivered");
        assert_int_equal(hear(kit, say.run, NULL, ends[i], i > 0),
                         last ? TURN_NEXT_END : TURN_NEXT_CALL);
        if (!last) {
            assert_plan(kit, BYTES(""), 0, ends[i]->reader);
            assert_status(kit, &more, "steering");
            const struct task task = task_of(kit, say.run);
            assert_string_equal(task.joins, "more");
            (void)runs_finish(kit->runs, process.text);
            process = start_listening(kit, say.run, task.prompted);
        }
    }
    assert_status(kit, &more, "joined");
    turns_assert_state(kit, say.run, RUN_SUCCEEDED, CAUSE_COMPLETED);
}

static void a_program_that_reads_nothing_is_begun_for_it_only_so_often(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "alpha", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct id process = start_listening(kit, say.run, 0);
    const struct turns_say more = steer(kit, "more");
    size_t count = 1;
    while (count <= AGENT_ATTEMPTS_MAX &&
           hear(kit, say.run, NULL, &named, true) == TURN_NEXT_CALL) {
        (void)runs_finish(kit->runs, process.text);
        process = start_listening(kit, say.run, task_of(kit, say.run).prompted);
        count++;
    }
    assert_int_equal(count, AGENT_ATTEMPTS_MAX);
    turns_assert_state(kit, say.run, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_status(kit, &more, "completed"); /* For the next turn. */
}

static void what_an_ended_turn_has_not_read_comes_before_the_next_message(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "alpha", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct id process = start_listening(kit, say.run, 0);
    const struct turns_say more = steer(kit, "more");
    struct turns_say stop = turns_say(kit, "beta", TURN_INTERRUPT);
    assert_int_equal(hear(kit, say.run, NULL, &here, false), TURN_NEXT_END);
    assert_status(kit, &more, "completed");
    (void)runs_finish(kit->runs, process.text);
    assert_int_equal(turns_plan(kit, stop.run), TURN_NEXT_CALL);
    assert_string_equal(task_of(kit, stop.run).missed, "more");
    (void)start(kit, stop.run);
    assert_int_equal(hear(kit, stop.run, NULL, &here, true), TURN_NEXT_END);
    struct turns_say last = turns_say(kit, "gamma", TURN_ENQUEUE);
    (void)turns_plan(kit, last.run);
    assert_string_equal(task_of(kit, last.run).missed, "");
}

static void a_question_that_its_program_has_not_read_comes_before_the_next(void **state) {
    static const struct program_mark unheard = {
        .read_to = 0, .reader = {"{\"unheard\":true}", 16}, .outcome = {"", 0}};
    struct turns_kit *kit = *state;
    (void)answered(kit, "alpha");
    struct turns_say say = turns_say(kit, "beta", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    (void)start(kit, say.run);
    (void)hear(kit, say.run, NULL, &unheard, true);
    struct turns_say next = turns_say(kit, "gamma", TURN_ENQUEUE);
    (void)turns_plan(kit, next.run);
    assert_string_equal(task_of(kit, next.run).missed, "beta");
    (void)start(kit, next.run);
    assert_string_equal(task_of(kit, next.run).prompt, "gamma");
    (void)hear(kit, next.run, NULL, &here, true);
    struct turns_say last = turns_say(kit, "delta", TURN_ENQUEUE);
    (void)turns_plan(kit, last.run);
    assert_string_equal(task_of(kit, last.run).missed, "");
}

#define program_test(test) cmocka_unit_test_setup_teardown(test, programs_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        program_test(its_process_is_begun_once_and_read_on_where_it_was_stored),
        program_test(its_output_is_away_while_another_host_leads),
        program_test(a_process_waits_for_the_one_of_an_earlier_turn),
        program_test(an_answer_to_its_question_reaches_it_after_a_restart),
        program_test(a_call_whose_file_has_changed_since_its_question_ends_as_a_conflict),
        program_test(a_question_that_is_too_long_to_be_stored_is_denied),
        program_test(a_program_that_has_died_waits_for_no_answer),
        program_test(a_model_that_follows_is_shown_its_words_and_its_usage_stays),
        program_test(its_own_session_counts_as_long_as_the_last_answer_is_shown),
        program_test(its_own_session_is_left_when_an_older_variant_is_chosen),
        program_test(a_message_joins_no_turn_of_a_program_that_takes_none),
        program_test(a_message_is_in_its_input_once_and_joins_where_it_is_read),
        program_test(what_it_has_not_read_goes_to_its_next_process),
        program_test(a_program_that_reads_nothing_is_begun_for_it_only_so_often),
        program_test(a_question_that_its_program_has_not_read_comes_before_the_next),
        program_test(what_an_ended_turn_has_not_read_comes_before_the_next_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
