/* Folding: which of a conversation goes into a summary, in rounds and within the turn that runs. */
#include "turns_kit.h"

#include "engine/session/checkpoints.h"

enum { LONG = 1200, WINDOW = 3000 /* Tokens: prompts have 4,800 bytes. */ };

static const char *filler(void) {
    static char text[LONG + 1];
    memset(text, 'x', LONG);
    return text;
}

/* A question and a long answer. */
static struct turns_say talk(struct turns_kit *kit, const char *question) {
    struct turns_say say = turns_say(kit, question, TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_int_equal(turns_answer(kit, say.run, filler()), TURN_NEXT_END);
    return say;
}

/* A step of the running turn: a call, and its long result. */
static void work(struct turns_kit *kit, const char *run, const char *id) {
    const struct turn_item item = turns_call(id, "read_file", TURN_ALLOW, true);
    assert_int_equal(turns_answer_calls(kit, run, &item, 1), TURN_NEXT_START);
    struct turns_step step = {.kit = kit,
                              .card = {.key = turns_key(kit, run),
                                       .part = kit->plan.cards[0].part,
                                       .cause = CARD_DONE,
                                       .result = kit_bytes(filler())}};
    assert_int_equal(runs_do(kit->runs, turns_card_tx, &step), ERR_NONE);
    assert_int_equal(kit->plan.next, TURN_NEXT_CALL);
}

/* Questions with long answers, and a turn that begins. */
static struct turns_say talk_and_ask(struct turns_kit *kit, int questions) {
    for (int i = 0; i < questions; i++) {
        (void)talk(kit, "question");
    }
    struct turns_say say = turns_say(kit, "and now?", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    return say;
}

/* A turn that has had four steps. */
static struct turns_say ask_and_work(struct turns_kit *kit) {
    struct turns_say say = turns_say(kit, "read them all", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    static const char *const ids[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        work(kit, say.run, ids[i]);
    }
    return say;
}

static struct turns_say greet(struct turns_kit *kit) {
    struct turns_say say = turns_say(kit, "hi", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    (void)turns_answer(kit, say.run, "hi");
    return say;
}

/* --- A round ---------------------------------------------------------------------------------- */

struct round {
    struct turn_key key;
    struct prompt_fold fold;
    struct prompt_folded folded;
    struct text transcript; /* Owned. */
    char summary[32];
};

static struct err round_tx(struct tx *tx, void *ctx) {
    struct round *round = ctx;
    return tx_prompt_fold(tx, &round->key, &round->fold, &round->transcript, &round->folded);
}

static void round_again(struct turns_kit *kit, struct round *round) {
    assert_int_equal(runs_do(kit->runs, round_tx, round), ERR_NONE);
}

/* `prompt_bytes` 0: everything. */
static struct round fold(struct turns_kit *kit, const char *run, size_t prompt_bytes,
                         size_t most_bytes) {
    const struct fold_window window = {.tokens = WINDOW};
    struct round round = {.key = turns_key(kit, run),
                          .fold = {.marks = fold_marks(&window),
                                   .prompt_bytes = prompt_bytes,
                                   .most_bytes = most_bytes,
                                   .summary = BYTES("")}};
    text_init(&round.transcript, 1 << 20);
    round_again(kit, &round);
    return round;
}

static int64_t number(struct turns_kit *kit, struct turns_ask ask) {
    return strtoll(turns_text_of(kit, ask).text, NULL, 10);
}
#define NUMBER(kit, query)                                                                         \
    number((kit), (struct turns_ask){.sql = "SELECT CAST((" query ") AS TEXT)"})

/* --- Which ------------------------------------------------------------------------------------ */

static void the_oldest_are_folded_and_the_newest_stay(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = talk_and_ask(kit, 5);
    struct round round = fold(kit, say.run, 6200, 100000);
    assert_int_equal(round.folded.sizes.foldable, 5 * (8 + LONG));
    int64_t left = round.folded.sizes.foldable - (int64_t)round.folded.bytes;
    assert_true(left > 0);
    assert_true(left <= round.fold.marks.prompt_max / 2);
    assert_false(round.folded.more);
    assert_int_equal(round.folded.place.question, 0);
    assert_memory_equal(round.transcript.data, "[{\"user\":\"question\"},{\"agent\":\"xx", 30);
    assert_non_null(strstr(round.transcript.data, "{\"request\":\"and now?\"}]"));
    text_done(&round.transcript);
}

static void a_short_first_message_goes_with_the_long_one_behind_it(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = greet(kit);
    say = talk_and_ask(kit, 4);
    struct round round = fold(kit, say.run, 6000, 600);
    assert_true(round.folded.bytes > LONG); /* Its piece was cut to fit. */
    assert_true(round.transcript.len <= 800);
    text_done(&round.transcript);
}

static void rounds_go_on_from_each_other_and_count_everything(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = talk_and_ask(kit, 6);
    struct round round = fold(kit, say.run, 0, 3000);
    int rounds = 1;
    size_t bytes = round.folded.bytes;
    while (round.folded.more && rounds < 10) {
        round.fold.from = round.folded.place;
        round.fold.summary = BYTES("SUMMARY");
        round_again(kit, &round);
        assert_memory_equal(round.transcript.data, "[{\"user\":\"SUMMARY\"},", 20);
        assert_true(round.folded.bytes > bytes);
        bytes = round.folded.bytes;
        rounds++;
    }
    assert_in_range(rounds, 2, 6);
    assert_int_equal(bytes, 6 * (8 + LONG));
    text_done(&round.transcript);
}

static void little_is_not_folded(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = greet(kit);
    say = talk_and_ask(kit, 0);
    struct round round = fold(kit, say.run, 5000, 100000);
    assert_int_equal(round.folded.place.message, 0);
    text_done(&round.transcript);
}

/* --- Within a turn ---------------------------------------------------------------------------- */

struct storing {
    struct turns_kit *kit;
    struct turn_compacted compacted;
};

static struct err storing_tx(struct tx *tx, void *ctx) {
    struct storing *storing = ctx;
    return tx_turn_compacted(tx, &storing->compacted, &storing->kit->plan);
}

static void store(struct turns_kit *kit, const struct round *round, struct turn_compacted what) {
    struct storing storing = {.kit = kit, .compacted = what};
    storing.compacted.key = round->key;
    storing.compacted.step = kit->plan.step;
    storing.compacted.note = turns_id(kit->runs, "msg");
    storing.compacted.calls = storing.compacted.tries = 2;
    storing.compacted.usage = (struct usage){.fresh = 100, .output = 20};
    assert_int_equal(runs_do(kit->runs, storing_tx, &storing), ERR_NONE);
    assert_false(kit->plan.late);
    kit->plan.step = storing.compacted.step; /* The call still waits. */
}

static void steps_of_the_running_turn_are_folded_and_its_question_stays(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = ask_and_work(kit);
    struct round round = fold(kit, say.run, 6000, 100000);
    assert_int_equal(round.folded.place.message, NUMBER(kit, "SELECT max(answer) FROM turns"));
    assert_int_equal(round.folded.place.question, NUMBER(kit, "SELECT max(question) FROM turns"));
    assert_true(round.folded.place.step > 0);
    store(kit, &round,
          (struct turn_compacted){
              .folded = round.folded, .summary = BYTES("three were read"), .sentence = BYTES("")});
    struct turns_prompt prompt = turns_prompt(kit, say.run);
    assert_memory_equal(prompt.text, "/user [drover: what was said and done before", 44);
    assert_non_null(strstr(prompt.text, "three were read|/user read them all|/assistant! read"));
    assert_null(strstr(strstr(prompt.text, "/tool=") + 1, "/tool=")); /* One is left. */
    assert_int_equal(NUMBER(kit, "SELECT sum(calls) FROM usage_totals WHERE"
                                 " category = 'compaction'"),
                     2);
    (void)turns_answer(kit, say.run, "all read");
    say = turns_say(kit, "thanks", TURN_ENQUEUE); /* The same words begin the next prompt. */
    (void)turns_plan(kit, say.run);
    prompt = turns_prompt(kit, say.run);
    assert_non_null(strstr(prompt.text, "three were read|/user read them all|/assistant! read"));
    assert_non_null(strstr(prompt.text, "|/assistant all read|/user thanks|"));
    text_done(&round.transcript);
}

static void a_later_fold_takes_the_question_that_stayed(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = ask_and_work(kit);
    struct round round = fold(kit, say.run, 6000, 100000);
    store(kit, &round,
          (struct turn_compacted){
              .folded = round.folded, .summary = BYTES("three were read"), .sentence = BYTES("")});
    (void)turns_answer(kit, say.run, "all read");
    text_done(&round.transcript);
    say = talk_and_ask(kit, 0);
    round = fold(kit, say.run, 0, 100000);
    assert_int_equal(round.folded.place.question, 0);
    assert_non_null(
        strstr(round.transcript.data, "three were read\"},{\"user\":\"read them all\"}"));
    store(kit, &round,
          (struct turn_compacted){
              .folded = round.folded, .summary = BYTES("all of it"), .sentence = BYTES("")});
    struct turns_prompt prompt = turns_prompt(kit, say.run);
    assert_memory_equal(prompt.text, "/user [drover: what was said before was long", 44);
    assert_non_null(strstr(prompt.text, "all of it|/user and now?|"));
    assert_null(strstr(prompt.text, "read them all"));
    text_done(&round.transcript);
}

/* All of its answer was summarised, and its last call was refused. */
static void a_question_that_stayed_alone_is_folded_too(void **state) {
    struct turns_kit *kit = *state;
    char question[4 * LONG] = "";
    memset(question, 'q', sizeof question - 1);
    struct turns_say say = turns_say(kit, question, TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    work(kit, say.run, "a");
    struct round round = fold(kit, say.run, 0, 100000);
    store(kit, &round,
          (struct turn_compacted){
              .folded = round.folded, .summary = BYTES("it was read"), .sentence = BYTES("")});
    text_done(&round.transcript);
    struct turn_answer refused = turns_answering(kit, say.run, /* items */ NULL, 0);
    refused.failure = CAUSE_COMPACTION_FAILED;
    assert_int_equal(turns_answer_with(kit, &refused), TURN_NEXT_END);
    say = talk_and_ask(kit, 0);
    struct turns_prompt prompt = turns_prompt(kit, say.run);
    assert_non_null(strstr(prompt.text, "it was read|/user qqq"));
    round = fold(kit, say.run, sizeof question + 100, 100000);
    assert_int_not_equal(round.folded.place.message, 0);
    assert_int_equal(round.folded.place.question, 0);
    assert_non_null(strstr(round.transcript.data, "it was read\"},{\"user\":\"qqq"));
    store(kit, &round,
          (struct turn_compacted){
              .folded = round.folded, .summary = BYTES("all of it"), .sentence = BYTES("")});
    prompt = turns_prompt(kit, say.run);
    assert_non_null(strstr(prompt.text, "all of it|/user and now?|"));
    assert_null(strstr(prompt.text, "qqq"));
    text_done(&round.transcript);
}

/* It stands in the answer, before its first step: a place that covers it covers what is to come. */
static void what_joined_before_the_first_call_is_not_folded_alone(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "read it", TURN_ENQUEUE);
    char words[6 * LONG] = "";
    memset(words, 'x', sizeof words - 1);
    assert_int_equal(turns_say(kit, words, TURN_STEER).decision, TURN_DECIDE_JOIN);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    struct round round = fold(kit, say.run, sizeof words + 100, 100000);
    assert_int_equal(round.folded.place.message, 0);
    assert_int_equal(round.folded.sizes.foldable, 0);
    text_done(&round.transcript);
    work(kit, say.run, "a");
    round = fold(kit, say.run, sizeof words + LONG, 100000);
    assert_int_equal(round.folded.place.message, NUMBER(kit, "SELECT max(answer) FROM turns"));
    assert_int_equal(round.folded.place.step, 1); /* It goes with the step that follows it. */
    text_done(&round.transcript);
}

/* Nothing but the greeting could be folded, and no summary of that is shorter. */
static void what_joined_before_the_first_call_has_nobody_summarise_a_greeting(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = greet(kit);
    say = turns_say(kit, "read it", TURN_ENQUEUE);
    char words[6 * LONG] = "";
    memset(words, 'x', sizeof words - 1);
    assert_int_equal(turns_say(kit, words, TURN_STEER).decision, TURN_DECIDE_JOIN);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    struct round round = fold(kit, say.run, sizeof words + 100, 100000);
    assert_int_equal(round.folded.place.message, 0);
    text_done(&round.transcript);
    work(kit, say.run, "a");
    round = fold(kit, say.run, sizeof words + LONG, 100000);
    assert_int_equal(round.folded.place.step, 1);
    assert_int_equal(round.folded.bytes, round.folded.sizes.foldable);
    text_done(&round.transcript);
}

static void a_summary_has_at_most_half_of_what_it_replaces(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = turns_say(kit, "hello, are you there?", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    (void)turns_answer(kit, say.run, "I am");
    say = talk_and_ask(kit, 1);
    struct round round = fold(kit, say.run, 4000, 100000); /* The long answer may stay. */
    assert_int_equal(round.folded.bytes, strlen("hello, are you there?"
                                                "I am"
                                                "question"));
    assert_in_range(round.folded.summary_max, 1, round.folded.bytes / 2);
    text_done(&round.transcript);
}

static struct err change_tx(struct tx *tx, void *ctx) {
    struct session_row row;
    return tx_session_change(tx, ctx, &row);
}

static void a_fold_and_another_model_change_the_context_that_is_shown(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = talk_and_ask(kit, 5);
    const int64_t told = NUMBER(kit, "SELECT count(*) FROM events WHERE type = 'usage'");
    struct round round = fold(kit, say.run, 6200, 100000);
    const int64_t left = round.folded.sizes.foldable - (int64_t)round.folded.bytes;
    store(kit, &round,
          (struct turn_compacted){.folded = round.folded, .summary = BYTES("SUMMARY")});
    const int64_t used = NUMBER(kit, "SELECT context_used FROM sessions");
    assert_in_range(used, left / 4, left / 4 + 20); /* And summary, question, ends of parts. */
    assert_int_equal(NUMBER(kit, "SELECT count(*) FROM events WHERE type = 'usage'"), told + 1);
    assert_int_equal(turns_answer(kit, say.run, "well"), TURN_NEXT_END);
    const struct session_change change = {
        .key = {.owner = BYTES("ann"), .session = kit_bytes(kit->session)},
        .model = BYTES("scripted/other")};
    assert_int_equal(runs_do(kit->runs, change_tx, (void *)&change), ERR_NONE);
    assert_int_equal(NUMBER(kit, "SELECT context_window FROM sessions"), 0);
    assert_in_range(NUMBER(kit, "SELECT context_used FROM sessions"), used, used + 20);
    text_done(&round.transcript);
}

static void a_fold_that_failed_is_charged_and_changes_nothing(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = talk_and_ask(kit, 5);
    struct round round = fold(kit, say.run, 6200, 100000);
    store(kit, &round,
          (struct turn_compacted){.failure = CAUSE_COMPACTION_FAILED,
                                  .summary = BYTES(""),
                                  .sentence = BYTES("the model was away")});
    assert_int_equal(NUMBER(kit, "SELECT count(*) FROM checkpoints"), 0);
    assert_int_equal(NUMBER(kit, "SELECT sum(calls) FROM usage_totals WHERE"
                                 " category = 'compaction'"),
                     2);
    assert_string_equal(turns_text(kit, "SELECT error FROM spans WHERE kind = 'compaction'").text,
                        "the model was away");
    assert_int_equal(turns_answer(kit, say.run, "well"), TURN_NEXT_END);
    text_done(&round.transcript);
}

static void a_fold_that_comes_too_late_is_counted_all_the_same(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = talk_and_ask(kit, 5);
    struct round round = fold(kit, say.run, 6200, 100000);
    struct storing storing = {.kit = kit,
                              .compacted = {.key = round.key,
                                            .step = kit->plan.step,
                                            .folded = round.folded,
                                            .summary = BYTES("five questions"),
                                            .sentence = BYTES(""),
                                            .calls = 2,
                                            .tries = 2,
                                            .usage = {.fresh = 100, .output = 20}}};
    assert_int_equal(turns_answer(kit, say.run, "well"), TURN_NEXT_END);
    assert_int_equal(runs_do(kit->runs, storing_tx, &storing), ERR_NONE);
    assert_true(kit->plan.late);
    assert_int_equal(NUMBER(kit, "SELECT count(*) FROM checkpoints"), 0);
    assert_int_equal(NUMBER(kit, "SELECT sum(fresh + output) FROM usage_totals WHERE"
                                 " category = 'compaction'"),
                     120);
    text_done(&round.transcript);
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, turns_begin, turns_end)
    const struct CMUnitTest tests[] = {
        CASE(the_oldest_are_folded_and_the_newest_stay),
        CASE(a_short_first_message_goes_with_the_long_one_behind_it),
        CASE(rounds_go_on_from_each_other_and_count_everything),
        CASE(little_is_not_folded),
        CASE(a_fold_that_comes_too_late_is_counted_all_the_same),
        CASE(steps_of_the_running_turn_are_folded_and_its_question_stays),
        CASE(a_later_fold_takes_the_question_that_stayed),
        CASE(a_question_that_stayed_alone_is_folded_too),
        CASE(what_joined_before_the_first_call_is_not_folded_alone),
        CASE(what_joined_before_the_first_call_has_nobody_summarise_a_greeting),
        CASE(a_summary_has_at_most_half_of_what_it_replaces),
        CASE(a_fold_that_failed_is_charged_and_changes_nothing),
        CASE(a_fold_and_another_model_change_the_context_that_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
