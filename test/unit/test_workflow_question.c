/* A question of an agent in words, the answer that is typed, and why else a run waits. */
#include "workflow_kit.h"

#include "cli/run/waits.h"
#include "cli/workflow/question.h"

static void words_are(const char *approval, const char *line, const char *lines) {
    AUTO(json_release) json_t *row = parsed(approval);
    AUTO(text_done) struct text words = text_up_to(4000);
    run_question_add(row, &words);
    assert_string_equal(words.data, line);
    text_clear(&words);
    run_question_lines_add(row, "  ", &words);
    assert_string_equal(words.data, lines);
}

static void a_question_shows_the_whole_call_and_a_list_its_first_line(void **state) {
    (void)state;
    words_are("{\"kind\":\"leave\",\"tool\":\"run_command\",\"shown\":\"rm -rf /srv\"}",
              "run_command: rm -rf /srv", "run_command: rm -rf /srv");
    words_are("{\"kind\":\"leave\",\"tool\":\"Bash\",\"shown\":\"ls\\n> rm -rf b\\u001b[2J\"}",
              "Bash: ls …", "Bash: ls\n  > rm -rf b[2J");
    words_are("{\"kind\":\"answer\",\"tool\":\"ask_user\",\"shown\":\"Which?\\n  1) red\"}",
              "Which? …", "Which?\n    1) red");
}

static void answer_cut_is(const char *approval, bool cut, const char *line, const char *expected) {
    AUTO(json_release) json_t *row = parsed(approval);
    AUTO(text_done) struct text text = text_up_to(4000);
    const char *told = question_answer_write(row, cut, bytes_of(line), &text);
    assert_string_equal(told == NULL ? text.data : told, expected);
}

static void answer_is(const char *approval, const char *line, const char *body, const char *hint) {
    answer_cut_is(approval, false, line, hint == NULL ? body : hint);
}

static void of_a_question_that_was_cut_only_a_no_is_sent(void **state) {
    (void)state;
    static const char leave[] = "{\"kind\":\"leave\"}";
    static const char choice[] =
        "{\"kind\":\"answer\",\"arguments\":{\"options\":[\"red\",\"blue\"]}}";
    answer_cut_is(leave, true, "y", question_hint_unread);
    answer_cut_is(choice, true, "2", question_hint_unread);
    answer_cut_is(leave, true, "n", "{\"decision\":\"deny\"}");
    answer_cut_is(leave, true, "y but", "answer y, n, or n and a reason");
}

static void a_typed_answer_becomes_a_body_or_a_hint(void **state) {
    (void)state;
    static const char leave[] = "{\"kind\":\"leave\"}";
    static const char choice[] =
        "{\"kind\":\"answer\",\"arguments\":{\"options\":[\"red\",\"blue\"]}}";
    static const char hint[] = "answer y, n, or n and a reason";
    answer_is(leave, "y", "{\"decision\":\"allow\"}", NULL);
    answer_is(leave, " YES ", "{\"decision\":\"allow\"}", NULL);
    answer_is(leave, "n", "{\"decision\":\"deny\"}", NULL);
    answer_is(leave, "n not \"now\"", "{\"decision\":\"deny\",\"reason\":\"not \\\"now\\\"\"}",
              NULL);
    answer_is(leave, "y but", NULL, hint);
    answer_is(leave, "never", NULL, hint);
    answer_is(leave, "", NULL, "type an answer first");
    answer_is(choice, "2", "{\"answer\":\"blue\"}", NULL);
    answer_is(choice, "3", "{\"answer\":\"3\"}", NULL);
    answer_is(choice, "green", "{\"answer\":\"green\"}", NULL);
}

static void keys_edit_the_line(void **state) {
    (void)state;
    AUTO(question_input_done) struct question_input input;
    question_input_init(&input);
    assert_false(question_input_take(&input, BYTES("n \u65e5\x7f\u00e9x\b")));
    assert_string_equal(input.line.data, "n \u00e9");
    assert_false(question_input_take(&input, BYTES("\x1b[A")));
    assert_true(question_input_take(&input, BYTES("\x15y\ny\n")));
    assert_string_equal(input.line.data, "y");
}

static void waits_are(const char *run, const char *wanted) {
    AUTO(json_release) json_t *row = parsed(run);
    AUTO(text_done) struct text words = text_up_to(4000);
    run_waits_add(row, 86388000, &words);
    assert_string_equal(text_bytes(&words).data, wanted);
}

static void each_reason_to_wait_is_a_sentence(void **state) {
    (void)state;
    waits_are("{\"state\":\"running\"}", "");
    waits_are("{\"state\":\"failed\",\"gate\":\"key\",\"ended_ms\":5}", "");
    waits_are("{\"state\":\"queued\",\"gate\":\"budget\",\"note\":\"project:a\"}",
              "room in a budget: project:a");
    waits_are("{\"state\":\"running\",\"gate\":\"budget\",\"note\":\"It waits for midnight\","
              "\"resume_at_ms\":86400000}",
              "room in a budget, in 12 s: It waits for midnight");
    waits_are("{\"state\":\"queued\",\"gate\":\"key\"}", "another run with the same key");
    waits_are("{\"state\":\"waiting\",\"kind\":\"turn\"}",
              "your answer: 'drover approve' lists the open questions");
    waits_are("{\"state\":\"waiting\",\"kind\":\"workflow\",\"cause\":\"paused\",\"id\":\"run_1\"}",
              "you: it is paused, and 'drover resume run_1' lets it go on");
    waits_are("{\"state\":\"running\",\"host_away\":true}",
              "its host, which is away: 'drover job abandon' gives it up");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_shows_the_whole_call_and_a_list_its_first_line),
        cmocka_unit_test(a_typed_answer_becomes_a_body_or_a_hint),
        cmocka_unit_test(of_a_question_that_was_cut_only_a_no_is_sent),
        cmocka_unit_test(keys_edit_the_line),
        cmocka_unit_test(each_reason_to_wait_is_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
