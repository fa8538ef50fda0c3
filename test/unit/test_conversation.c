/* Events of a session as lines; questions as lines and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/turn/conversation.h"
#include "cli/turn/question.h"

struct scene {
    struct conversation conversation;
    struct text above;
};

static int scene_begin(void **state) {
    static struct scene scene;
    conversation_init(&scene.conversation, (struct paint){.on = false});
    text_init(&scene.above, 1 << 20);
    *state = &scene;
    return 0;
}

static int scene_end(void **state) {
    struct scene *scene = *state;
    conversation_done(&scene->conversation);
    text_done(&scene->above);
    return 0;
}

static json_t *json_of(const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

/* CHAT_TYPED: the chat's state does not change. */
static enum chat_event hear(struct scene *scene, const char *type, const char *data) {
    AUTO(json_release) json_t *json = json_of(data);
    const enum chat_event event =
        conversation_event(&scene->conversation, bytes_of(type), json, &scene->above);
    return event != CHAT_EVENT_COUNT ? event : CHAT_TYPED;
}

static void above_is(struct scene *scene, const char *expected) {
    assert_string_equal(text_bytes(&scene->above).data, expected);
    text_clear(&scene->above);
}

static void text_goes_above_when_its_line_is_whole(void **state) {
    struct scene *scene = *state;
    AUTO(text_done) struct text line = text_up_to(4096);
    hear(scene, "delta", "{\"text\":\"one\\ntw\"}");
    above_is(scene, "one\n");
    hear(scene, "delta", "{\"text\":\"o\"}");
    conversation_line(&scene->conversation, &line);
    assert_string_equal(line.data, "two");
    assert_int_equal(hear(scene, "turn_finished", "{\"state\":\"succeeded\"}"), CHAT_TURN_ENDED);
    above_is(scene, "two\n\n");
}

/* An answer that shows this, and then breaks off. */
static void broken_off(struct scene *scene, const char *said, const char *shown) {
    hear(scene, "output_started", "{\"step\":1}");
    hear(scene, "thinking_delta", "{\"text\":\"well\"}");
    hear(scene, "delta", said);
    above_is(scene, shown);
    hear(scene, "output_discarded", "{\"cause\":\"daemon_restarted\"}");
    hear(scene, "output_started", "{\"step\":1}");
    hear(scene, "thinking_delta", "{\"text\":\"well\"}");
    above_is(scene, "");
}

static void an_answer_that_is_given_again_stands_there_once(void **state) {
    struct scene *scene = *state;
    broken_off(scene, "{\"text\":\"one\\ntwo ha\"}", "well\none\n");
    hear(scene, "delta", "{\"text\":\"one\\ntw\"}");
    above_is(scene, "");
    hear(scene, "output_discarded", "{\"cause\":\"stream_broken\"}"); /* And again. */
    hear(scene, "delta", "{\"text\":\"one\\n\"}");
    hear(scene, "delta", "{\"text\":\"two half\\nthree\"}");
    above_is(scene, "two half\n");
    hear(scene, "turn_finished", "{\"state\":\"succeeded\"}");
    above_is(scene, "three\n\n");
}

static void another_answer_than_before_is_said_once_to_be_one(void **state) {
    struct scene *scene = *state;
    broken_off(scene, "{\"text\":\"one\\ntwo\"}", "well\none\n");
    hear(scene, "delta", "{\"text\":\"one\\nt\"}");
    above_is(scene, "");
    hear(scene, "delta", "{\"text\":\"en\"}");
    hear(scene, "delta", "{\"text\":\"\\nend\\n\"}");
    above_is(scene, "two\n↻ the answer broke off; another one begins: daemon_restarted\n"
                    "well\none\nten\nend\n");
}

static void an_answer_that_ends_sooner_than_before_is_another_one(void **state) {
    struct scene *scene = *state;
    broken_off(scene, "{\"text\":\"one\\ntwo\\n\"}", "well\none\ntwo\n");
    hear(scene, "delta", "{\"text\":\"one\"}");
    hear(scene, "tool_started", "{\"part\":1,\"tool\":\"x\",\"arguments\":\"{}\"}");
    above_is(scene,
             "↻ the answer broke off; another one begins: daemon_restarted\nwell\none\n• x \n");
    broken_off(scene, "{\"text\":\"one\\n\"}", "well\none\n");
    hear(scene, "turn_finished", "{\"state\":\"cancelled\",\"cause\":\"person\"}");
    above_is(scene, "↻ the answer broke off: daemon_restarted\n[cancelled (person)]\n\n");
}

static void a_card_says_what_came_of_it_in_words(void **state) {
    struct scene *scene = *state;
    hear(scene, "tool_started",
         "{\"part\":1,\"tool\":\"run_command\",\"arguments\":"
         "\"{\\\"command\\\":\\\"echo\\\",\\\"args\\\":[\\\"a b\\\",\\\"c\\\"]}\"}");
    hear(scene, "tool_finished",
         "{\"part\":1,\"tool\":\"run_command\",\"state\":\"succeeded\",\"cause\":null,"
         "\"result\":\"{\\\"exit_code\\\":4,\\\"stdout\\\":\\\"\\\",\\\"stderr\\\":\\\"no\\\"}\"}");
    above_is(scene, "• run_command echo 'a b' c\n  → exit code 4: no\n");
    hear(scene, "tool_finished",
         "{\"part\":2,\"tool\":\"run_job\",\"state\":\"pending\",\"cause\":null,"
         "\"result\":\"{\\\"status\\\":\\\"started\\\"}\"}");
    above_is(scene, "  … run_job: goes on in the background\n");
    hear(scene, "tool_finished",
         "{\"part\":3,\"tool\":\"x\",\"state\":\"denied\",\"cause\":\"person\",\"result\":\"a\\nb\\"
         "nc\\nd\\ne\"}");
    above_is(scene, "  ✗ x: denied (person): a\n    b\n    c\n    d\n    e\n");
}

static void an_edit_that_nobody_was_asked_about_shows_its_change(void **state) {
    struct scene *scene = *state;
    static const char edit[] =
        "{\"part\":1,\"tool\":\"edit_file\",\"arguments\":\"{\\\"path\\\":\\\"a.py\\\","
        "\\\"old_text\\\":\\\"def f():\\\\n  a\\\",\\\"new_text\\\":\\\"def f():\\\\n  b\\\"}\"}";
    static const char end[] =
        "{\"part\":1,\"tool\":\"edit_file\",\"state\":\"succeeded\",\"cause\":null,\"result\":"
        "\"edited a.py: 1 place\\n--- a.py\\n+++ a.py\\n@@ -2,1 +2,1 @@\\n-  a\\n+  b\\n\"}";
    hear(scene, "tool_started", edit);
    hear(scene, "tool_finished", end);
    above_is(scene, "• edit_file a.py\n    -  a\n    +  b\n  → edited a.py: 1 place\n");
    hear(scene, "approval_answered", "{\"id\":\"a1\",\"part\":1,\"state\":\"allowed\"}");
    hear(scene, "tool_started", edit);
    above_is(scene, "✓ allowed elsewhere\n• edit_file a.py\n");
    AUTO(text_done) struct text many = text_up_to(4096);
    text_add_str(&many, "{\"part\":2,\"tool\":\"Write\",\"arguments\":\"{\\\"file_path\\\":"
                        "\\\"b\\\",\\\"content\\\":\\\"");
    for (int i = 0; i < 40; i++) {
        text_add_str(&many, "x\\\\n");
    }
    text_add_str(&many, "\\\"}\"}");
    hear(scene, "tool_started", many.data);
    assert_non_null(strstr(scene->above.data, "• Write b\n    +x\n"));
    assert_non_null(strstr(scene->above.data, "    … 28 more lines\n"));
    text_clear(&scene->above);
}

static void a_message_is_queued_until_its_turn_begins(void **state) {
    struct scene *scene = *state;
    hear(scene, "message_added",
         "{\"message\":{\"id\":\"m1\",\"role\":\"user\",\"status\":\"queued\",\"parts\":"
         "[{\"kind\":\"text\",\"text\":\"one\\ntwo\"}]}}");
    above_is(scene, "");
    assert_int_equal(json_array_size(scene->conversation.queued), 1);
    assert_int_equal(hear(scene, "turn_started", "{\"reply_to\":\"m1\"}"), CHAT_TURN_BEGAN);
    above_is(scene, "> one\n  two\n");
    assert_int_equal(json_array_size(scene->conversation.queued), 0);
}

static void a_notice_says_what_ended_in_the_background(void **state) {
    struct scene *scene = *state;
    hear(scene, "message_added",
         "{\"message\":{\"id\":\"m1\",\"role\":\"notice\",\"status\":\"queued\",\"parts\":[{"
         "\"kind\":\"text\",\"text\":\"[drover: words]\\n\\n{\\\"run\\\":\\\"r\\\",\\\"label\\\":"
         "\\\"sh\\\",\\\"state\\\":\\\"failed\\\",\\\"cause\\\":\\\"exit_code\\\"}\"}]}}");
    above_is(scene, "◆ ended in the background: sh: failed (The command ended with an exit code "
                    "other than 0)\n");
}

static void a_question_that_is_answered_elsewhere_is_settled(void **state) {
    struct scene *scene = *state;
    assert_int_equal(hear(scene, "approval_asked", "{\"id\":\"a1\"}"), CHAT_ASKED);
    assert_int_equal(hear(scene, "approval_asked", "{\"id\":\"a2\"}"), CHAT_ASKED);
    assert_int_equal(hear(scene, "approval_answered", "{\"id\":\"a1\",\"state\":\"allowed\"}"),
                     CHAT_ASKED);
    above_is(scene, "✓ allowed elsewhere\n");
    scene->conversation.answered = strdup("a2");
    assert_int_equal(hear(scene, "question_answered",
                          "{\"id\":\"a2\",\"state\":\"answered\",\"answer\":\"{\\\"answer\\\":"
                          "\\\"red\\\"}\"}"),
                     CHAT_SETTLED);
    above_is(scene, "✓ answered: red\n");
}

static void a_snapshot_shows_cards_and_goes_on_with_the_text(void **state) {
    struct scene *scene = *state;
    AUTO(json_release)
    json_t *snapshot = json_of(
        "{\"turn\":{\"run\":\"r\"},\"approvals\":[],\"messages\":["
        "{\"id\":\"m2\",\"role\":\"assistant\",\"status\":\"running\",\"parts\":["
        "{\"number\":1,\"kind\":\"tool\",\"name\":\"write_file\",\"state\":\"asking\",\"text\":"
        "\"\",\"data\":{\"arguments\":{\"path\":\"b\",\"content\":\"x\"}}},"
        "{\"number\":2,\"kind\":\"text\",\"text\":\"whole\\nha\"}]},"
        "{\"id\":\"m1\",\"role\":\"user\",\"status\":\"completed\",\"parts\":["
        "{\"kind\":\"text\",\"text\":\"hello\"}]}]}");
    assert_int_equal(conversation_snapshot(&scene->conversation, snapshot, &scene->above),
                     CHAT_TURN_BEGAN);
    above_is(scene, "> hello\n• write_file b\n  … waits for an answer\nwhole\n");
    hear(scene, "delta", "{\"text\":\"lf\\n\"}");
    above_is(scene, "half\n");
}

/* A snapshot of a turn whose call is out, and has said these parts so far. */
static void snapshot_with(struct scene *scene, const char *parts) {
    AUTO(text_done) struct text text = text_up_to(4096);
    text_addf(&text,
              "{\"turn\":{\"run\":\"r\"},\"approvals\":[],\"messages\":[{\"id\":\"m2\",\"role\":"
              "\"assistant\",\"status\":\"running\",\"parts\":[%s]}]}",
              parts);
    AUTO(json_release) json_t *snapshot = json_of(text_bytes(&text).data);
    assert_int_equal(conversation_snapshot(&scene->conversation, snapshot, &scene->above),
                     CHAT_TURN_BEGAN);
}

/* The daemon was restarted, so the step repeats its thought and its text. */
static void step_is_repeated(struct scene *scene, const char *step, const char *thought,
                             const char *answer) {
    hear(scene, "output_discarded", "{\"cause\":\"daemon_restarted\"}");
    hear(scene, "output_started", step);
    hear(scene, "thinking_delta", thought);
    hear(scene, "delta", answer);
}

static void a_thought_that_is_joined_is_whole_and_goes_on(void **state) {
    struct scene *scene = *state;
    snapshot_with(scene, "{\"number\":1,\"kind\":\"thinking\",\"step\":1,\"text\":\"old\"},"
                         "{\"number\":2,\"kind\":\"thinking\",\"step\":2,\"text\":"
                         "\"all\\nI thi\"}");
    above_is(scene, "all\n");
    hear(scene, "thinking_delta", "{\"text\":\"nk\"}");
    hear(scene, "delta", "{\"text\":\"so\\n\"}");
    above_is(scene, "I think\nso\n");
    step_is_repeated(scene, "{\"step\":2}", "{\"text\":\"all\\nI think\"}",
                     "{\"text\":\"so\\nbe it\\n\"}");
    above_is(scene, "be it\n");
}

static void text_after_a_thought_that_is_joined_goes_on(void **state) {
    struct scene *scene = *state;
    snapshot_with(scene, "{\"number\":1,\"kind\":\"thinking\",\"step\":1,\"text\":\"why\"},"
                         "{\"number\":2,\"kind\":\"text\",\"step\":1,\"text\":\"ha\"}");
    above_is(scene, "why\n");
    step_is_repeated(scene, "{\"step\":1}", "{\"text\":\"why\"}", "{\"text\":\"half\\n\"}");
    above_is(scene, "half\n");
}

static void what_a_snapshot_cut_off_is_marked(void **state) {
    struct scene *scene = *state;
    snapshot_with(scene, "{\"number\":1,\"kind\":\"thinking\",\"step\":1,\"text\":\"why\","
                         "\"cut\":true},"
                         "{\"number\":2,\"kind\":\"text\",\"step\":1,\"text\":\"so\"}");
    above_is(scene, "why\n…\n");
}

/* --- Questions -------------------------------------------------------------------------------- */

static void answered(const char *asked, const char *line, enum question_choice choice,
                     const char *expected) {
    AUTO(json_release) json_t *row = json_of(asked);
    AUTO(text_done) struct text body = text_up_to(4096);
    assert_int_equal(question_read(row, bytes_of(line), &body), choice);
    assert_string_equal(text_bytes(&body).data, expected);
}

static void an_option_is_answered_by_its_number_or_by_a_text(void **state) {
    static const char question[] = "{\"kind\":\"answer\",\"tool\":\"ask_user\",\"arguments\":"
                                   "{\"question\":\"Which?\",\"options\":[\"red\",\"blue\"]},"
                                   "\"shown\":\"Which?\\n  1) red\\n  2) blue\"}";
    AUTO(json_release) json_t *row = json_of(question);
    AUTO(text_done) struct text words = text_up_to(4096);
    question_add(row, &(struct paint){.on = false}, &words);
    assert_string_equal(words.data, "Which?\n  1) red\n  2) blue\n");
    answered(question, " 2 ", QUESTION_ANSWERED, "{\"answer\":\"blue\"}");
    answered(question, "3", QUESTION_ANSWERED, "{\"answer\":\"3\"}");
    answered(question, "green", QUESTION_ANSWERED, "{\"answer\":\"green\"}");
    answered(question, " ", QUESTION_UNCLEAR, "");
}

static void only_clear_words_decide_about_a_call(void **state) {
    static const char call[] = "{\"kind\":\"leave\",\"tool\":\"run_command\"}";
    answered(call, "y", QUESTION_ANSWERED, "{\"decision\":\"allow\"}");
    answered(call, "Yes", QUESTION_ANSWERED, "{\"decision\":\"allow\"}");
    answered(call, "a", QUESTION_ALWAYS, "{\"decision\":\"allow\",\"scope\":\"session\"}");
    answered(call, "n", QUESTION_DENIED, "{\"decision\":\"deny\"}");
    answered(call, "no, not now", QUESTION_DENIED,
             "{\"decision\":\"deny\",\"reason\":\"not now\"}");
    answered(call, "nothing of that", QUESTION_UNCLEAR, "");
    answered(call, "you may", QUESTION_UNCLEAR, "");
    answered(call, "p", QUESTION_UNCLEAR, ""); /* The session has no project. */
    answered("{\"kind\":\"leave\",\"tool\":\"x\",\"project\":\"web\"}", "p", QUESTION_PROJECT,
             "{\"decision\":\"allow\",\"scope\":\"project\"}");
    answered("{\"kind\":\"leave\",\"tool\":\"request_access\"}", "a", QUESTION_UNCLEAR, "");
    answered("{\"kind\":\"leave\",\"tool\":\"request_access\",\"project\":\"web\"}", "p",
             QUESTION_PROJECT, "{\"decision\":\"allow\",\"scope\":\"project\"}");
}

int main(void) {
#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)
    const struct CMUnitTest tests[] = {
        SCENE_TEST(text_goes_above_when_its_line_is_whole),
        SCENE_TEST(an_answer_that_is_given_again_stands_there_once),
        SCENE_TEST(another_answer_than_before_is_said_once_to_be_one),
        SCENE_TEST(an_answer_that_ends_sooner_than_before_is_another_one),
        SCENE_TEST(a_card_says_what_came_of_it_in_words),
        SCENE_TEST(an_edit_that_nobody_was_asked_about_shows_its_change),
        SCENE_TEST(a_message_is_queued_until_its_turn_begins),
        SCENE_TEST(a_notice_says_what_ended_in_the_background),
        SCENE_TEST(a_question_that_is_answered_elsewhere_is_settled),
        SCENE_TEST(a_snapshot_shows_cards_and_goes_on_with_the_text),
        SCENE_TEST(a_thought_that_is_joined_is_whole_and_goes_on),
        SCENE_TEST(text_after_a_thought_that_is_joined_goes_on),
        SCENE_TEST(what_a_snapshot_cut_off_is_marked),
        cmocka_unit_test(an_option_is_answered_by_its_number_or_by_a_text),
        cmocka_unit_test(only_clear_words_decide_about_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
